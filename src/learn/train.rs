//! Makes a premodel of profiles.
//!
//! 1. Samples: which models were right on each picture, by the criterion, and how long
//!    they took.
//! 2. Deployment: the paper's Algorithm 1 chooses the models that get a stage.
//! 3. Selection: of the 29 features those go that are constant, correlated with another one, or
//!    missed least; then k is chosen, if it was left open.
//! 4. The examples of the premodel are all pictures; the fallback is the most accurate of the
//!    deployed models (of equals the fastest). The soft vote covers every profiled model.
//! 5. Evaluation: cross-validation says what the premodel is worth on pictures that
//!    it has not seen, beside what is to be had without it.
//!
//! 6. The [adaptive policy](super::adapt) is learnt from the same pictures, and its operating points
//!    are measured on the same folds; one of them is chosen by the
//!    [`Target`](crate::adaptive::Target).
//!
//! **Invariant:** the same profiles and options give the same premodel, to the byte, and the same
//! report, on however many processors.
//!
//! **Invariant:** `fit` knows nothing but the pictures it is given, so that evaluation may call it
//! with all but one fold.

mod adaptive;
mod ballot;
mod correlation;
pub(crate) mod deployment;
mod evaluation;
pub(crate) mod folds;
mod options;
mod report;
pub(crate) mod samples;
mod selection;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use thiserror::Error;

use super::adapt::AdaptError;
use super::profile_file::{Profile, ProfiledModel, Truth};
use crate::adaptive::NoSuchPoint;
use crate::features::{FeatureSet, Features};
use crate::models::{ModelId, in_a_row};
use crate::premodel::{
    Example, KnownModel, LabelSource, MAX_K, Premodel, Recipe, RecipeFault, RightSet, Scaling,
};

pub(crate) use adaptive::learn_policy;
pub use deployment::{Deployment, Step};
pub(crate) use evaluation::random_mix;
pub use evaluation::{Evaluation, Score};
pub use options::{DeploymentMode, FeatureChoice, KChoice, TrainOptions};
pub use report::Report;
pub use selection::{Dropped, FeatureSelection, KSelection, Reason};

use ballot::Ballot;
use deployment::Field;
use samples::{Picture, Samples};
use selection::Trial;

/// The machine's description is cut to this many characters.
const MACHINE_LENGTH: usize = 400;

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
    #[error("the profiles have no model {asked}; they have {}", in_a_row(.profiled))]
    UnknownModel {
        /// The model asked for.
        asked: ModelId,
        /// The models that there are.
        profiled: Vec<ModelId>,
    },
    /// Some labels are people's and others a model's.
    #[error(
        "profile {profile} (from 1) has its labels from {found}, the first from {first}; train on \
         profiles of one kind"
    )]
    MixedTruth {
        /// The number of the profile, from 1.
        profile: usize,
        /// Who said what its pictures show.
        found: String,
        /// The same of the first profile.
        first: String,
    },
    /// No model may be deployed.
    #[error("the list of models to deploy is empty; name some or leave it out")]
    NoModelAllowed,
    /// A vote without voters, or with too many.
    #[error("k is {0}; it must be 1 to {MAX_K}, or auto")]
    K(usize),
    /// No feature, or more than there are.
    #[error("{0} features are asked for; ask for 1 to {count}, or name them", count = Features::COUNT)]
    FeatureCount(usize),
    /// A single fold leaves nothing to learn from.
    #[error("{0} folds are no cross-validation; there must be at least 2")]
    FoldCount(usize),
    /// A fold would be empty.
    #[error(
        "{folds} folds need as many pictures that do not belong together, and there are {groups}; \
         profile more or ask for fewer folds"
    )]
    Folds {
        /// How many folds there were to be.
        folds: usize,
        /// How many groups of pictures there are.
        groups: usize,
    },
    /// Nothing to test on.
    #[error(
        "all pictures belong together, so that none is left to choose features or k by; name the \
         features and k"
    )]
    OneGroup,
    /// No feature tells the pictures apart.
    #[error("all features are the same on every picture; profile other pictures, or name features")]
    NothingDiffers,
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
    /// No adaptive policy can be learnt.
    #[error(transparent)]
    Adapt(#[from] AdaptError),
    /// No operating point is good enough.
    #[error(transparent)]
    Target(#[from] NoSuchPoint),
}

/// Trains a premodel on every picture of the profiles, and evaluates it by cross-validation.
pub fn train(
    profiles: &[Profile],
    options: &TrainOptions,
) -> Result<(Premodel, Report), TrainError> {
    options.check()?;
    let samples = Samples::gather(profiles, options.criterion)?;
    let candidates = samples.candidates(options.models.as_deref())?;
    let everything: Vec<usize> = (0..samples.pictures.len()).collect();
    let label_source = label_source(profiles)?;
    let plan = Plan { options, candidates, machines: machines(profiles), label_source };
    check_size(&samples, options)?;
    let mut fitted = fit(&samples, &everything, &plan)?;
    let (knowledge, time) = adaptive::learn(profiles, &samples, options)?;
    let recipe = Recipe { adaptive: Some(knowledge), ..fitted.premodel.recipe().clone() };
    fitted.premodel = Premodel::new(recipe)?;
    let evaluation = evaluation::cross_validate(&samples, &plan);
    let report = Report::new(&samples, &plan, &fitted, evaluation, time);
    Ok((fitted.premodel, report))
}

/// What training on some of the pictures needs besides them.
pub(crate) struct Plan<'a> {
    pub(crate) options: &'a TrainOptions,
    /// The models that may get a stage.
    pub(crate) candidates: Vec<usize>,
    pub(crate) machines: Vec<String>,
    pub(crate) label_source: LabelSource,
}

/// A premodel, and how it came about.
pub(crate) struct Fitted {
    pub(crate) premodel: Premodel,
    deployment: Deployment,
    features: FeatureSelection,
    k: KSelection,
}

/// Whether there are pictures enough for the options.
pub(crate) fn check_size(samples: &Samples, options: &TrainOptions) -> Result<(), TrainError> {
    let (folds, images) = (options.folds, samples.pictures.len());
    if let KChoice::Fixed(k) = options.k
        && images < k
    {
        return Err(TrainError::TooFewImages { images, k });
    }
    let groups = folds::count_groups(samples.pictures.iter().map(|picture| picture.group));
    if groups < folds { Err(TrainError::Folds { folds, groups }) } else { Ok(()) }
}

/// Trains on the pictures of these numbers, and makes every choice by them alone.
pub(crate) fn fit(
    samples: &Samples,
    pictures: &[usize],
    plan: &Plan,
) -> Result<Fitted, TrainError> {
    let options = plan.options;
    let pictures: Vec<&Picture> = pictures.iter().map(|&n| &samples.pictures[n]).collect();
    let latencies = samples.mean_latencies(&pictures);
    let deployed = Deployed::new(&pictures, &latencies, plan)?;
    let ballot = Ballot::new(&pictures, &deployed.fastest_first, deployed.fallback);
    let trial = Trial::new(&ballot, options);
    let features = trial.features(&options.features, options.k.provisional())?;
    let k = trial.k(options.k, &features.chosen)?;
    let (scaling, examples) = examples(&pictures, &features.chosen)?;
    let premodel = Premodel::new(Recipe {
        models: known_models(samples, &latencies),
        sequence: deployed.deployment.sequence(),
        fallback: deployed.fallback,
        k: k.chosen,
        criterion: options.criterion,
        label_source: plan.label_source,
        trained_on: plan.trained_on(pictures.len()),
        features: features.chosen.clone(),
        scaling,
        examples,
        adaptive: None,
    })?;
    Ok(Fitted { premodel, deployment: deployed.deployment, features, k })
}

/// The models that get a stage.
struct Deployed {
    deployment: Deployment,
    fastest_first: Vec<usize>,
    fallback: usize,
}

impl Deployed {
    fn new(pictures: &[&Picture], latencies: &[Duration], plan: &Plan) -> Result<Self, TrainError> {
        let mut candidates = plan.candidates.clone();
        candidates.sort_by_key(|&model| (latencies[model], model));
        let right: Vec<RightSet> = pictures.iter().map(|picture| picture.right).collect();
        let field = Field { right: &right, candidates: &candidates, latencies };
        let deployment = deployment::deploy(&field, plan.options.deployment, plan.options.theta)
            .ok_or(TrainError::NothingRight)?;
        let sequence = deployment.sequence();
        let fallback = deployment::most_accurate(&right, &candidates, &sequence);
        candidates.retain(|model| sequence.contains(model));
        Ok(Self { deployment, fastest_first: candidates, fallback })
    }
}

fn known_models(samples: &Samples, latencies: &[Duration]) -> Vec<KnownModel> {
    let known = |(model, &mean_latency): (&ProfiledModel, &Duration)| KnownModel {
        id: model.id.clone(),
        fingerprint: model.fingerprint.clone(),
        mean_latency,
    };
    samples.models.iter().zip(latencies).map(known).collect()
}

fn examples(
    pictures: &[&Picture],
    chosen: &FeatureSet,
) -> Result<(Scaling, Vec<Example>), TrainError> {
    let example = |picture: &&Picture| Example {
        features: chosen.pick(&picture.features),
        right: picture.right,
    };
    let examples: Vec<Example> = pictures.iter().map(example).collect();
    let scaling = Scaling::of(examples.iter().map(|example| &example.features));
    Ok((scaling.ok_or(TrainError::NoImage)?, examples))
}

/// Who said what the pictures of all profiles show.
pub(crate) fn label_source(profiles: &[Profile]) -> Result<LabelSource, TrainError> {
    let first = profiles.first().map(|profile| &profile.header.truth).ok_or(TrainError::NoImage)?;
    for (number, profile) in profiles.iter().enumerate() {
        if profile.header.truth != *first {
            return Err(TrainError::MixedTruth {
                profile: number + 1,
                found: profile.header.truth.to_string(),
                first: first.to_string(),
            });
        }
    }
    Ok(match first {
        Truth::Labels => LabelSource::Labels,
        Truth::Teacher(_) => LabelSource::Teacher,
        Truth::Ensemble => LabelSource::Ensemble,
    })
}

/// The machines that measured, each once, fit to be shown.
pub(crate) fn machines(profiles: &[Profile]) -> Vec<String> {
    let mut machines = Vec::new();
    for profile in profiles {
        let text = profile.header.machine.to_string();
        let plain = text.chars().filter(|letter| !letter.is_control());
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
