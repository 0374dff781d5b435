//! How to train, and which ways make no sense.

use super::TrainError;
use crate::adaptive::Target;
use crate::features::{FeatureSet, Features};
use crate::learn::adapt::Part;
use crate::models::ModelId;
use crate::premodel::{Criterion, MAX_K};

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// When a model counts as right.
    pub criterion: Criterion,
    /// How many neighbours vote.
    pub k: KChoice,
    /// The features that the premodel looks at.
    pub features: FeatureChoice,
    /// The models that may get a stage; `None` for all.
    pub models: Option<Vec<ModelId>>,
    /// What decides which model gets the next stage.
    pub deployment: DeploymentMode,
    /// A further model is deployed if it adds more than this to the share of pictures on which at
    /// least one deployed model is right, in percentage points.
    pub theta: f64,
    /// Folds of cross-validation.
    pub folds: usize,
    /// Decides which pictures come into which fold.
    pub seed: u64,
    /// The models that the adaptive policy chooses among; `None` for those that are worth having,
    /// alone or as partners.
    pub pool: Option<Vec<ModelId>>,
    /// Which operating point the adaptive policy uses; `None` for the quickest that is assured to
    /// be better than the most accurate model.
    pub target: Option<Target>,
    /// A part that the adaptive policy does without.
    pub without: Option<Part>,
}

/// How many neighbours vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KChoice {
    /// So many.
    Fixed(usize),
    /// Whichever of [`KChoice::CANDIDATES`] does best in cross-validation.
    Auto,
}

impl KChoice {
    /// What [`KChoice::Auto`] tries.
    pub const CANDIDATES: [usize; 7] = [1, 3, 5, 7, 9, 15, 25];

    /// How many vote while features are chosen, which is before k is.
    pub(super) fn provisional(self) -> usize {
        match self {
            Self::Fixed(k) => k,
            Self::Auto => 5,
        }
    }
}

/// The features that a premodel looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureChoice {
    /// So many: of those that are neither constant nor correlated, the ones that elimination leaves.
    Count(usize),
    /// The same, but as many as do best in cross-validation.
    Auto,
    /// These.
    Named(FeatureSet),
}

/// What decides which model gets the next stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentMode {
    /// What it adds to the union accuracy.
    Accuracy,
    /// What it adds to the union accuracy, over its mean latency.
    Optimal,
    /// By turns, beginning with accuracy.
    Alternate,
}

impl Default for TrainOptions {
    /// The paper's.
    fn default() -> Self {
        Self {
            criterion: Criterion::Top1,
            k: KChoice::Fixed(5),
            features: FeatureChoice::Count(7),
            models: None,
            deployment: DeploymentMode::Accuracy,
            theta: 0.5,
            folds: 10,
            seed: 2018,
            pool: None,
            target: None,
            without: None,
        }
    }
}

impl TrainOptions {
    /// Finds the first option that makes no sense whatever the pictures.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        match self.k {
            KChoice::Fixed(k) if !(1..=MAX_K).contains(&k) => return Err(TrainError::K(k)),
            KChoice::Fixed(_) | KChoice::Auto => {}
        }
        match self.features {
            FeatureChoice::Count(count) if !(1..=Features::COUNT).contains(&count) => {
                return Err(TrainError::FeatureCount(count));
            }
            FeatureChoice::Count(_) | FeatureChoice::Auto | FeatureChoice::Named(_) => {}
        }
        if !(0.0..=100.0).contains(&self.theta) {
            return Err(TrainError::Theta(self.theta));
        }
        if self.folds < 2 {
            return Err(TrainError::FoldCount(self.folds));
        }
        Ok(())
    }
}
