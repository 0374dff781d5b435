//! Makes a premodel of profiles.
//!
//! 1. Samples: which models were right on each picture, by the criterion, and how long
//!    they took.
//! 2. Deployment: the paper's Algorithm 1 chooses the models that get a stage.
//! 3. The examples of the premodel are all pictures; the fallback is the most accurate of the
//!    deployed models (of equals the fastest). The soft vote covers every profiled model.
//! 4. Evaluation: cross-validation says what the premodel is worth on pictures that
//!    it has not seen, beside what is to be had without it.
//!
//! **Invariant:** the same profiles and options give the same premodel, to the byte, and the same
//! report.

mod deployment;
mod evaluation;
mod report;
mod samples;
#[cfg(test)]
mod tests;

use thiserror::Error;

use super::profile_file::Profile;
use crate::features::FeatureSet;
use crate::models::ModelId;
use crate::premodel::{
    Criterion, Example, KnownModel, LabelSource, Premodel, Recipe, RecipeFault, Scaling,
};

pub use deployment::{Deployment, Step};
pub use evaluation::{Evaluation, Score};
pub use report::Report;

use samples::Samples;

/// The machine's description is cut to this many characters.
const MACHINE_LENGTH: usize = 400;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// When a model counts as right.
    pub criterion: Criterion,
    /// How many neighbours vote.
    pub k: usize,
    /// The models that may get a stage; `None` for all.
    pub models: Option<Vec<ModelId>>,
    /// A further model is deployed if it adds more than this to the share of pictures on which at
    /// least one deployed model is right, in percentage points.
    pub theta: f64,
}

impl Default for TrainOptions {
    /// The paper's.
    fn default() -> Self {
        Self { criterion: Criterion::Top1, k: 5, models: None, theta: 0.5 }
    }
}

/// Why there is no premodel.
#[derive(Debug, Error, PartialEq)]
pub enum TrainError {
    /// No profile has a picture.
    #[error("the profiles hold no picture; profile some with `classifyd profile`")]
    NoImage,
    /// Not every vote can be cast.
    #[error("{images} pictures are too few for a vote of k = {k}; profile more or lower k")]
    TooFewImages {
        /// How many there are.
        images: usize,
        /// How many are needed.
        k: usize,
    },
    /// The profiles cannot be joined.
    #[error(
        "profile {profile} (from 1) is not of the same models, files and providers as the first: \
         {model} differs; profile all pictures with the same models"
    )]
    DifferentModels {
        /// The number of the profile, from 1.
        profile: usize,
        /// A model that differs.
        model: ModelId,
    },
    /// A picture would count twice, and be both learnt from and tested on.
    #[error("the picture {0} is in the profiles twice")]
    DuplicateImage(String),
    /// A model that was not measured.
    #[error("the profiles have no model {asked}; they have {}", names(.profiled))]
    UnknownModel {
        /// The model asked for.
        asked: ModelId,
        /// The models that there are.
        profiled: Vec<ModelId>,
    },
    /// No model may be deployed.
    #[error("the list of models to deploy is empty; name some or leave it out")]
    NoModelAllowed,
    /// A theta that no gain can be compared with.
    #[error("theta is {0}; it must be a number of percentage points from 0 to 100")]
    Theta(f64),
    /// There is nothing to learn.
    #[error(
        "none of the models is right on any picture: check that the labels are 0-based and of \
         the same order as the models' classes"
    )]
    NothingRight,
    /// What was learnt makes no premodel.
    #[error(transparent)]
    Recipe(#[from] RecipeFault),
}

fn names(models: &[ModelId]) -> String {
    models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ")
}

/// Trains a premodel on every picture of the profiles, and evaluates it by cross-validation.
pub fn train(
    profiles: &[Profile],
    options: &TrainOptions,
) -> Result<(Premodel, Report), TrainError> {
    if !(0.0..=100.0).contains(&options.theta) {
        return Err(TrainError::Theta(options.theta));
    }
    let samples = Samples::gather(profiles, options.criterion)?;
    let candidates = samples.candidates(options.models.as_deref())?;
    let everything: Vec<usize> = (0..samples.pictures.len()).collect();
    let plan = Plan { options, candidates, machines: machines(profiles) };
    let (premodel, deployment) = fit(&samples, &everything, &plan)?;
    let evaluation = evaluation::cross_validate(&samples, &plan);
    let report = Report::new(&samples, &plan, &premodel, deployment, evaluation);
    Ok((premodel, report))
}

/// What training on some of the pictures needs besides them.
struct Plan<'a> {
    options: &'a TrainOptions,
    /// The models that may get a stage.
    candidates: Vec<usize>,
    machines: Vec<String>,
}

/// Trains on the pictures of these numbers.
fn fit(
    samples: &Samples,
    pictures: &[usize],
    plan: &Plan,
) -> Result<(Premodel, Deployment), TrainError> {
    let (k, images) = (plan.options.k, pictures.len());
    if images < k {
        return Err(TrainError::TooFewImages { images, k });
    }
    let pictures: Vec<_> = pictures.iter().map(|&picture| &samples.pictures[picture]).collect();
    let latencies = samples.mean_latencies(&pictures);
    let mut candidates = plan.candidates.clone();
    candidates.sort_by_key(|&model| (latencies[model], model));
    let right: Vec<_> = pictures.iter().map(|picture| picture.right).collect();
    let deployment = deployment::deploy(&right, &candidates, plan.options.theta)
        .ok_or(TrainError::NothingRight)?;
    let sequence = deployment.sequence();
    let chosen = FeatureSet::all();
    let rows: Vec<_> = pictures.iter().map(|picture| chosen.pick(&picture.features)).collect();
    let known = samples.models.iter().zip(latencies).map(|(model, mean_latency)| KnownModel {
        id: model.id.clone(),
        fingerprint: model.fingerprint.clone(),
        mean_latency,
    });
    let scaling = Scaling::of(rows.iter()).ok_or(TrainError::NoImage)?;
    let examples = rows.into_iter().zip(&right);
    let premodel = Premodel::new(Recipe {
        models: known.collect(),
        fallback: deployment::most_accurate(&right, &candidates, &sequence),
        sequence,
        k,
        criterion: plan.options.criterion,
        label_source: LabelSource::Labels,
        trained_on: plan.trained_on(pictures.len()),
        features: chosen,
        scaling,
        examples: examples.map(|(features, &right)| Example { features, right }).collect(),
        adaptive: None,
    })?;
    Ok((premodel, deployment))
}

/// The machines that measured, each once, fit to be shown.
fn machines(profiles: &[Profile]) -> Vec<String> {
    let mut machines = Vec::new();
    for profile in profiles {
        let plain = profile.header.machine.chars().filter(|letter| !letter.is_control());
        let machine: String = plain.take(MACHINE_LENGTH).collect();
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    machines
}

impl Plan<'_> {
    fn trained_on(&self, pictures: usize) -> String {
        let text = format!("{pictures} pictures; measured on {}", self.machines.join("; "));
        text.chars().take(2 * MACHINE_LENGTH).collect()
    }
}
