//! A premodel narrowed to the models that are loaded.
//!
//! The stages of models that are not loaded are struck out and the examples relabelled, as if only
//! the loaded ones had been deployed: an example whose optimum is missing votes for the next
//! fastest model that was right on it. If the fallback is not loaded, the soft vote decides.

use std::cmp::Ordering;

use thiserror::Error;

use super::verdict::Stages;
use super::{KnownModel, Premodel, Selection, Verdict};
use crate::features::Features;
use crate::models::{ModelId, Sha256Hex, in_a_row};
use crate::outcome::Basis;

/// A premodel that ranks the loaded models, all of them and no other.
#[derive(Clone, Debug)]
pub struct RankedPremodel {
    premodel: Premodel,
    stages: Stages,
    /// Positions of the models that may run, the most accurate first, then by name.
    available: Vec<usize>,
    fallback: Option<ModelId>,
}

/// A narrowed premodel, and what narrowing it found.
#[derive(Clone, Debug)]
pub struct Restriction {
    /// Ranks the models that are loaded and known.
    pub premodel: RankedPremodel,
    /// Loaded models that are left out: the premodel was trained with another file of that name, or
    /// with another description of its input or output.
    pub changed: Vec<ModelId>,
    /// Loaded models that are left out: the premodel does not know them.
    pub unknown: Vec<ModelId>,
    /// Deployed models that are not loaded, or changed.
    pub missing: Vec<ModelId>,
}

/// The premodel knows none of the loaded models.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the premodel was trained with {}, and none of these is loaded with the same file and manifest; \
     train one with `classifyd train`",
    in_a_row(.known)
)]
pub struct NoModelLeft {
    /// The models that it knows.
    pub known: Vec<ModelId>,
}

enum Familiarity {
    Known(usize),
    Changed,
    Unknown,
}

impl Premodel {
    /// Narrows it to the loaded models, each given with the fingerprint of its manifest.
    pub fn restrict_to(self, loaded: &[(&ModelId, Sha256Hex)]) -> Result<Restriction, NoModelLeft> {
        let (mut available, mut changed, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (id, fingerprint) in loaded {
            match familiarity(self.models(), id, fingerprint) {
                Familiarity::Known(model) => available.push(model),
                Familiarity::Changed => changed.push((*id).clone()),
                Familiarity::Unknown => unknown.push((*id).clone()),
            }
        }
        if available.is_empty() {
            return Err(NoModelLeft {
                known: self.models().iter().map(|m| m.id.clone()).collect(),
            });
        }
        let is_missing = |&&model: &&usize| !available.contains(&model);
        let missing = self.recipe.sequence.iter().filter(is_missing);
        let missing = missing.map(|&model| self.id(model).clone()).collect();
        let premodel = RankedPremodel::new(self, available);
        Ok(Restriction { premodel, changed, unknown, missing })
    }
}

fn familiarity(models: &[KnownModel], id: &ModelId, fingerprint: &Sha256Hex) -> Familiarity {
    match models.iter().position(|known| known.id == *id) {
        None => Familiarity::Unknown,
        Some(model) if models[model].fingerprint == *fingerprint => Familiarity::Known(model),
        Some(_) => Familiarity::Changed,
    }
}

impl RankedPremodel {
    fn new(premodel: Premodel, mut available: Vec<usize>) -> Self {
        available.sort_by(|&a, &b| by_accuracy(&premodel, a, b));
        available.dedup();
        let mut sequence = premodel.recipe.sequence.clone();
        sequence.retain(|model| available.contains(model));
        let stages = Stages::new(sequence, &premodel.recipe);
        let fallback = premodel.recipe.fallback;
        let fallback = available.contains(&fallback).then(|| premodel.fallback().clone());
        Self { premodel, stages, available, fallback }
    }

    /// The whole premodel.
    pub fn premodel(&self) -> &Premodel {
        &self.premodel
    }

    /// The models that it ranks, the most accurate in training first.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.available.iter().map(|&model| self.premodel.id(model))
    }

    /// Ranks the models for a picture.
    pub fn select(&self, features: &Features) -> Selection {
        self.rank(&self.consult(features))
    }

    /// Takes the vote on a picture, among the models that may run.
    pub fn consult(&self, features: &Features) -> Verdict {
        self.premodel.consult_among(&self.stages, &self.available, features)
    }

    /// The ranking that a verdict of [`Self::consult`] amounts to: the model of the first stage
    /// that said yes, or else the fallback, or else the model with the best share; behind it the
    /// others by share, then by accuracy in training, then by name.
    pub fn rank(&self, verdict: &Verdict) -> Selection {
        let (preferred, basis) = match (verdict.chosen(), &self.fallback) {
            (Some(stage), _) => (Some(&stage.model), Basis::Premodel),
            (None, Some(fallback)) => (Some(fallback), Basis::PremodelFallback),
            (None, None) => (None, Basis::PremodelShare),
        };
        let mut ranking = verdict.shares.clone();
        // Stable: shares come in the order that decides between equals.
        ranking.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        if let Some(place) = ranking.iter().position(|(model, _)| Some(model) == preferred) {
            ranking[..=place].rotate_right(1);
        }
        Selection { ranking, basis }
    }
}

fn by_accuracy(premodel: &Premodel, a: usize, b: usize) -> Ordering {
    let accuracies = &premodel.accuracies;
    accuracies[b].total_cmp(&accuracies[a]).then_with(|| premodel.id(a).cmp(premodel.id(b)))
}
