//! `classifyd train`: profiles to a premodel.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use super::catalogue::model_name;
use super::{Failure, stdout};
use crate::adaptive::Target;
use crate::features::FeatureSet;
use crate::learn::adapt::Part;
use crate::learn::profile_file::Profile;
use crate::learn::train::{self, DeploymentMode, FeatureChoice, KChoice, TrainOptions};
use crate::models::ModelId;
use crate::premodel::Criterion;

/// What `train` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A profile; give the option several times to join several
    #[arg(long, value_name = "FILE", required = true)]
    profile: Vec<PathBuf>,
    /// Where the premodel goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// When a model counts as right
    #[arg(long, value_enum, default_value = "top1")]
    criterion: RightWhen,
    /// Neighbours that vote: a number, or `auto` for the best in cross-validation
    #[arg(long, value_name = "N|auto", default_value = "5", value_parser = k)]
    k: KChoice,
    /// Features to look at: how many, `auto` for as many as do best in cross-validation, or names
    /// separated by commas
    #[arg(long, value_name = "N|auto|NAMES", default_value = "7", value_parser = features)]
    features: FeatureChoice,
    /// Models that may be deployed, separated by commas [default: all, but of several that share
    /// their weights only the one of the largest input]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = model_name)]
    candidates: Vec<ModelId>,
    /// What decides which model is deployed next
    #[arg(long, value_enum, value_name = "MODE", default_value = "accuracy")]
    deploy: Deploy,
    /// Percentage points of union accuracy that a further model must add to be deployed
    #[arg(
        long,
        value_name = "POINTS",
        default_value_t = TrainOptions::default().theta,
        allow_negative_numbers = true
    )]
    theta: f64,
    /// Folds of cross-validation
    #[arg(long, value_name = "N", default_value_t = TrainOptions::default().folds)]
    folds: usize,
    /// Decides which pictures come into which fold
    #[arg(long, value_name = "N", default_value_t = TrainOptions::default().seed)]
    seed: u64,
    /// Models that the adaptive policy chooses among, separated by commas [default: those that
    /// are worth having, alone or as partners]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = model_name)]
    pool: Vec<ModelId>,
    /// The adaptive policy is to be at least so accurate, with 90 % confidence: a share of 0 to 1
    /// [default: 0.01 more than the most accurate model]
    #[arg(long, value_name = "SHARE", conflicts_with = "mean_time_target", value_parser = Target::accuracy)]
    accuracy_target: Option<Target>,
    /// The adaptive policy's models are to take no longer on average, as in `12ms`
    #[arg(long, value_name = "TIME", value_parser = Target::mean_time)]
    mean_time_target: Option<Target>,
    /// Take all classes for equally likely, however often they come in the profiles: for cameras
    /// that will see other things
    #[arg(long)]
    no_class_prior: bool,
}

const EXAMPLES: &str = "\
Examples:
  classifyd train --profile photos.parquet --out premodel.safetensors
  classifyd train --profile a.parquet --profile b.parquet --criterion top5 --out top5.safetensors
  classifyd train --profile a.parquet --candidates mobilenet_v1,inception_v3 --out two.safetensors
  classifyd train --profile a.parquet --features auto --k auto --deploy optimal --out b.safetensors";

/// When a model counts as right.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RightWhen {
    /// The true class is its first guess
    Top1,
    /// The true class is among its first five
    Top5,
}

/// What decides which model is deployed next.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Deploy {
    /// What it adds to the share of pictures that some deployed model is right on
    Accuracy,
    /// The same, over its mean latency
    Optimal,
    /// The one and the other in turn
    Alternate,
}

fn k(text: &str) -> Result<KChoice, String> {
    match text {
        "auto" => Ok(KChoice::Auto),
        number => {
            let k = number.parse().map_err(|_| "write a number or `auto`".to_owned())?;
            Ok(KChoice::Fixed(k))
        }
    }
}

fn features(text: &str) -> Result<FeatureChoice, String> {
    if text == "auto" {
        return Ok(FeatureChoice::Auto);
    }
    if let Ok(count) = text.parse() {
        return Ok(FeatureChoice::Count(count));
    }
    let named = FeatureSet::of_names(text.split(',').map(str::trim));
    named.map(FeatureChoice::Named).map_err(|fault| fault.to_string())
}

/// Runs `train`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let profiles: Vec<Profile> =
        arguments.profile.iter().map(|file| Profile::load(file)).collect::<Result<_, _>>()?;
    let options = arguments.options();
    let (premodel, report) = train::train(&profiles, &options)?;
    fs::write(&arguments.out, premodel.to_bytes())
        .with_context(|| format!("cannot write the premodel to {}", arguments.out.display()))?;
    Ok(stdout::print(format_args!("{report}wrote {}\n", arguments.out.display()))?)
}

impl Arguments {
    fn options(&self) -> TrainOptions {
        let criterion = match self.criterion {
            RightWhen::Top1 => Criterion::Top1,
            RightWhen::Top5 => Criterion::Top5,
        };
        let deployment = match self.deploy {
            Deploy::Accuracy => DeploymentMode::Accuracy,
            Deploy::Optimal => DeploymentMode::Optimal,
            Deploy::Alternate => DeploymentMode::Alternate,
        };
        TrainOptions {
            criterion,
            k: self.k,
            features: self.features.clone(),
            models: (!self.candidates.is_empty()).then(|| self.candidates.clone()),
            deployment,
            theta: self.theta,
            folds: self.folds,
            seed: self.seed,
            pool: (!self.pool.is_empty()).then(|| self.pool.clone()),
            target: self.accuracy_target.or(self.mean_time_target),
            without: self.no_class_prior.then_some(Part::Prior),
        }
    }
}
