//! What a premodel is made of, and the checks that it must pass.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Scaling;
use crate::adaptive::{Knowledge, KnowledgeFault};
use crate::features::{FeatureRow, FeatureSet};
use crate::models::{ModelId, Sha256Hex};

/// The most models that a premodel may know.
pub const MAX_MODELS: usize = 64;

/// The most examples: as many as ImageNet's training set holds, rounded up.
pub const MAX_EXAMPLES: usize = 1_300_000;

/// The most neighbours that may vote.
pub const MAX_K: usize = 255;

/// The longest description of the training set, in bytes.
const MAX_DESCRIPTION: usize = 4096;

/// When a model counts as right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criterion {
    /// The true class is its first guess.
    Top1,
    /// The true class is among its first five guesses.
    Top5,
}

impl Criterion {
    /// How many guesses count.
    pub fn guesses(self) -> usize {
        match self {
            Self::Top1 => 1,
            Self::Top5 => 5,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "top-{}", self.guesses())
    }
}

/// Who said what the training pictures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelSource {
    /// People.
    Labels,
    /// One of the models.
    Teacher,
    /// All profiled models together.
    Ensemble,
}

/// The set of models that were right on an example, by their position in [`Recipe::models`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RightSet(u64);

impl RightSet {
    /// Whether `model` was right. Panics from [`MAX_MODELS`] on.
    pub fn contains(self, model: usize) -> bool {
        assert!(model < MAX_MODELS, "model {model} of at most {MAX_MODELS}");
        self.0 >> model & 1 == 1
    }

    /// Adds `model`. Panics from [`MAX_MODELS`] on.
    pub fn insert(&mut self, model: usize) {
        assert!(model < MAX_MODELS, "model {model} of at most {MAX_MODELS}");
        self.0 |= 1 << model;
    }

    /// The first of `models` that was right.
    pub fn first_of(self, models: &[usize]) -> Option<usize> {
        models.iter().copied().find(|&model| self.contains(model))
    }

    /// Whether any of the models numbered `count` and up is in the set.
    fn exceeds(self, count: usize) -> bool {
        self.0.checked_shr(count as u32).unwrap_or(0) != 0
    }
}

impl FromIterator<usize> for RightSet {
    fn from_iter<I: IntoIterator<Item = usize>>(models: I) -> Self {
        let mut set = Self::default();
        models.into_iter().for_each(|model| set.insert(model));
        set
    }
}

/// A model that took part in training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// Its name.
    pub id: ModelId,
    /// The fingerprint of the manifest that it was measured by.
    pub fingerprint: Sha256Hex,
    /// Its mean latency over the training pictures.
    pub mean_latency: Duration,
}

/// A training picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its values of the features that the premodel looks at, not scaled.
    pub features: FeatureRow,
    /// The models that were right on it.
    pub right: RightSet,
}

/// All that a premodel is made of. Models are given by their position in `models`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The models that its soft vote ranks.
    pub models: Vec<KnownModel>,
    /// The deployed models, in the order of their stages.
    pub sequence: Vec<usize>,
    /// Preferred when every stage says no.
    pub fallback: usize,
    /// How many neighbours vote.
    pub k: usize,
    /// What counted as right.
    pub criterion: Criterion,
    /// Who said what the pictures show.
    pub label_source: LabelSource,
    /// The training set in a sentence, for people.
    pub trained_on: String,
    /// The features that the premodel looks at.
    pub features: FeatureSet,
    /// The extremes of the features.
    pub scaling: Scaling,
    /// The training pictures.
    pub examples: Vec<Example>,
    /// What the adaptive policy knows; `None` if training did not learn it.
    pub adaptive: Option<Knowledge>,
}

/// Why a recipe makes no premodel.
#[derive(Debug, Error, PartialEq)]
pub enum RecipeFault {
    /// Too few or too many models.
    #[error("a premodel knows 1 to {MAX_MODELS} models, not {0}")]
    Models(usize),
    /// Two models of one name.
    #[error("the model {0} is listed twice")]
    DuplicateModel(ModelId),
    /// A stage or the fallback for a model that is not listed.
    #[error("{role} is model number {model}, of {models} from 0 on")]
    UnknownModel {
        /// What it was to be.
        role: &'static str,
        /// Its number.
        model: usize,
        /// How many models there are.
        models: usize,
    },
    /// No stage.
    #[error("the sequence is empty; deploy at least one model")]
    EmptySequence,
    /// Two stages for one model.
    #[error("the model {0} has two stages")]
    DuplicateStage(ModelId),
    /// Too few or too many examples.
    #[error("a premodel holds {k} (its k) to {MAX_EXAMPLES} examples, not {examples}")]
    Examples {
        /// How many neighbours vote.
        k: usize,
        /// How many examples there are.
        examples: usize,
    },
    /// No neighbour, or too many.
    #[error("k must be 1 to {MAX_K}, not {0}")]
    K(usize),
    /// Scaling for other features.
    #[error("the minimum and maximum are of {found} features, not of {expected}")]
    Scaling {
        /// How many features the premodel looks at.
        expected: usize,
        /// How many are scaled.
        found: usize,
    },
    /// An example with other features.
    #[error("example {0} has too few or too many features")]
    Width(usize),
    /// An example beyond the extremes.
    #[error("example {0} has a feature outside of the minimum and maximum")]
    Unscaled(usize),
    /// An example with a model that is not listed.
    #[error("example {0} has a model right that is not listed")]
    Right(usize),
    /// A description that cannot be shown.
    #[error(
        "the description of the training set is over {MAX_DESCRIPTION} bytes or has control characters"
    )]
    Description,
    /// The adaptive policy's part is unsound.
    #[error(transparent)]
    Adaptive(#[from] KnowledgeFault),
}

impl Recipe {
    /// Positions of `models`, the fastest first; of equally fast ones the earlier listed.
    pub fn fastest_first(&self, models: &[usize]) -> Vec<usize> {
        let mut order = models.to_vec();
        order.sort_by_key(|&model| (self.models[model].mean_latency, model));
        order
    }

    /// The share of the examples that the model at a position was right on.
    pub fn accuracy(&self, model: usize) -> f32 {
        let right = self.examples.iter().filter(|example| example.right.contains(model)).count();
        right as f32 / self.examples.len() as f32
    }

    /// Finds the first fault.
    pub fn check(&self) -> Result<(), RecipeFault> {
        self.check_models()?;
        self.check_sequence()?;
        self.check_texts()?;
        self.check_examples()?;
        let adaptive = self.adaptive.as_ref();
        Ok(adaptive.map_or(Ok(()), |knowledge| knowledge.check(self.models.len()))?)
    }

    fn check_models(&self) -> Result<(), RecipeFault> {
        if !(1..=MAX_MODELS).contains(&self.models.len()) {
            return Err(RecipeFault::Models(self.models.len()));
        }
        let mut seen = BTreeSet::new();
        match self.models.iter().find(|model| !seen.insert(&model.id)) {
            Some(twin) => Err(RecipeFault::DuplicateModel(twin.id.clone())),
            None => Ok(()),
        }
    }

    fn check_sequence(&self) -> Result<(), RecipeFault> {
        if self.sequence.is_empty() {
            return Err(RecipeFault::EmptySequence);
        }
        let mut seen = BTreeSet::new();
        for &model in &self.sequence {
            self.check_position("a stage", model)?;
            if !seen.insert(model) {
                return Err(RecipeFault::DuplicateStage(self.models[model].id.clone()));
            }
        }
        self.check_position("the fallback", self.fallback)
    }

    fn check_position(&self, role: &'static str, model: usize) -> Result<(), RecipeFault> {
        let models = self.models.len();
        if model < models { Ok(()) } else { Err(RecipeFault::UnknownModel { role, model, models }) }
    }

    fn check_texts(&self) -> Result<(), RecipeFault> {
        let plain = !self.trained_on.chars().any(char::is_control);
        let fits = self.trained_on.len() <= MAX_DESCRIPTION;
        if plain && fits { Ok(()) } else { Err(RecipeFault::Description) }
    }

    fn check_examples(&self) -> Result<(), RecipeFault> {
        let (k, examples) = (self.k, self.examples.len());
        if !(1..=MAX_K).contains(&k) {
            return Err(RecipeFault::K(k));
        }
        if !(k..=MAX_EXAMPLES).contains(&examples) {
            return Err(RecipeFault::Examples { k, examples });
        }
        let (expected, found) = (self.features.len(), self.scaling.width());
        if expected != found {
            return Err(RecipeFault::Scaling { expected, found });
        }
        for (number, example) in self.examples.iter().enumerate() {
            if example.features.values().len() != expected {
                return Err(RecipeFault::Width(number));
            }
            if !self.scaling.covers(&example.features) {
                return Err(RecipeFault::Unscaled(number));
            }
            if example.right.exceeds(self.models.len()) {
                return Err(RecipeFault::Right(number));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::premodel::tests::two_clusters;

    fn fault(spoil: impl FnOnce(&mut Recipe)) -> RecipeFault {
        let mut recipe = two_clusters();
        spoil(&mut recipe);
        recipe.check().unwrap_err()
    }

    #[test]
    fn the_untouched_recipe_is_sound() {
        assert_eq!(two_clusters().check(), Ok(()));
    }

    #[test]
    fn models_and_stages_must_be_listed_once() {
        let quick = two_clusters().models[0].id.clone();
        assert_eq!(fault(|r| r.models.clear()), RecipeFault::Models(0));
        let twin = fault(|r| r.models.push(r.models[0].clone()));
        assert_eq!(twin, RecipeFault::DuplicateModel(quick.clone()));
        assert_eq!(fault(|r| r.sequence.clear()), RecipeFault::EmptySequence);
        assert_eq!(fault(|r| r.sequence = vec![0, 0]), RecipeFault::DuplicateStage(quick));
        let unknown = |role, model| RecipeFault::UnknownModel { role, model, models: 3 };
        assert_eq!(fault(|r| r.sequence.push(3)), unknown("a stage", 3));
        assert_eq!(fault(|r| r.fallback = 9), unknown("the fallback", 9));
    }

    #[test]
    fn there_must_be_an_example_for_every_vote() {
        assert_eq!(fault(|r| r.k = 0), RecipeFault::K(0));
        assert_eq!(fault(|r| r.k = 256), RecipeFault::K(256));
        let few = fault(|r| r.examples.truncate(4));
        assert_eq!(few, RecipeFault::Examples { k: 5, examples: 4 });
    }

    #[test]
    fn examples_must_fit_scaling_and_models() {
        let row = |width| FeatureRow::new(vec![2e6; width]).unwrap();
        let width = two_clusters().features.len();
        let outlier = row(width);
        assert_eq!(fault(|r| r.examples[3].features = outlier), RecipeFault::Unscaled(3));
        assert_eq!(fault(|r| r.examples[3].features = row(width - 1)), RecipeFault::Width(3));
        let narrower = FeatureSet::of_columns(1..width).unwrap();
        let (expected, found) = (width - 1, width);
        let scaled = RecipeFault::Scaling { expected, found };
        assert_eq!(fault(|r| r.features = narrower), scaled);
        assert_eq!(fault(|r| r.examples[2].right.insert(3)), RecipeFault::Right(2));
        assert_eq!(fault(|r| r.trained_on.push('\u{1b}')), RecipeFault::Description);
    }

    #[test]
    fn the_adaptive_part_must_be_sound() {
        let unknown = fault(|r| {
            let knowledge = crate::adaptive::tests::knowledge();
            r.adaptive = Some(Knowledge { pool: vec![0, 7], ..knowledge });
        });
        assert!(unknown.to_string().contains("names model 7"), "{unknown}");
    }

    #[test]
    fn sixty_four_models_fit_the_set() {
        let set: RightSet = [0, 63].into_iter().collect();
        assert!(set.contains(0) && set.contains(63) && !set.contains(1));
        assert!(set.exceeds(63) && !set.exceeds(64));
        assert_eq!(set.first_of(&[5, 63, 0]), Some(63));
    }
}
