//! `classifyd train`: profiles to a premodel.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use super::catalogue::model_name;
use super::{Failure, stdout};
use crate::learn::profile_file::Profile;
use crate::learn::train::{self, TrainOptions};
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
    /// Neighbours that vote
    #[arg(
        long,
        value_name = "N",
        default_value_t = TrainOptions::default().k,
        allow_negative_numbers = true
    )]
    k: usize,
    /// Models that may be deployed, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = model_name)]
    deploy: Vec<ModelId>,
    /// Percentage points of union accuracy that a further model must add to be deployed
    #[arg(
        long,
        value_name = "POINTS",
        default_value_t = TrainOptions::default().theta,
        allow_negative_numbers = true
    )]
    theta: f64,
}

const EXAMPLES: &str = "\
Examples:
  classifyd train --profile photos.parquet --out premodel.safetensors
  classifyd train --profile a.parquet --profile b.parquet --criterion top5 --out top5.safetensors
  classifyd train --profile photos.parquet --deploy mobilenet_v1,inception_v3 --out two.safetensors";

/// When a model counts as right.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RightWhen {
    /// The true class is its first guess
    Top1,
    /// The true class is among its first five
    Top5,
}

/// Runs `train`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let profiles: Vec<Profile> =
        arguments.profile.iter().map(|file| Profile::load(file)).collect::<Result<_, _>>()?;
    let options = arguments.options();
    let (premodel, report) = train::train(&profiles, &options).map_err(anyhow::Error::from)?;
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
        let models = (!self.deploy.is_empty()).then(|| self.deploy.clone());
        TrainOptions { criterion, k: self.k, models, theta: self.theta }
    }
}
