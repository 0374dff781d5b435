//! The vote of the neighbours.

use super::{Neighbour, Recipe};
use crate::models::ModelId;

/// What the nearest examples say about a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The nearest examples, nearest first.
    pub neighbours: Vec<Neighbour>,
    /// The vote of every stage, in their order; those behind the first yes are moot.
    pub stages: Vec<StageVote>,
    /// For every model that may run, the share of the neighbours that it was right on.
    pub shares: Vec<(ModelId, f32)>,
}

impl Verdict {
    /// The stage that ended the sequence; `None` if every stage said no.
    pub fn chosen(&self) -> Option<&StageVote> {
        self.stages.iter().find(|stage| stage.is_yes())
    }
}

/// The answer to "use this model?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageVote {
    /// The model.
    pub model: ModelId,
    /// Neighbours whose optimum it is.
    pub votes: usize,
    /// Neighbours that voted.
    pub voters: usize,
}

impl StageVote {
    /// Whether more than half of the neighbours voted for the model.
    pub fn is_yes(&self) -> bool {
        2 * self.votes > self.voters
    }
}

/// A sequence of stages, and the labels that its deployment gives the examples.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    sequence: Vec<usize>,
    /// For each example.
    optima: Vec<Option<u8>>,
}

impl Stages {
    /// Labels every example with its optimum among the models of `sequence`.
    pub(super) fn new(sequence: Vec<usize>, recipe: &Recipe) -> Self {
        let order = recipe.fastest_first(&sequence);
        let optimum = |example: &super::Example| {
            // At most `MAX_MODELS`, which a byte holds.
            example.right.first_of(&order).map(|model| model as u8)
        };
        let optima = recipe.examples.iter().map(optimum).collect();
        Self { sequence, optima }
    }

    pub(super) fn optimum(&self, example: usize) -> Option<usize> {
        self.optima.get(example).copied().flatten().map(usize::from)
    }

    pub(super) fn votes(&self, neighbours: &[Neighbour], recipe: &Recipe) -> Vec<StageVote> {
        let vote = |&model: &usize| {
            let for_it = |near: &&Neighbour| self.optimum(near.example) == Some(model);
            StageVote {
                model: recipe.models[model].id.clone(),
                votes: neighbours.iter().filter(for_it).count(),
                voters: neighbours.len(),
            }
        };
        self.sequence.iter().map(vote).collect()
    }
}

/// For each of `models`, the share of `neighbours` that it was right on.
pub(super) fn shares(
    neighbours: &[Neighbour],
    models: &[usize],
    recipe: &Recipe,
) -> Vec<(ModelId, f32)> {
    let share = |&model: &usize| {
        let is_right = |near: &&Neighbour| recipe.examples[near.example].right.contains(model);
        let right = neighbours.iter().filter(is_right).count();
        (recipe.models[model].id.clone(), right as f32 / neighbours.len() as f32)
    };
    models.iter().map(share).collect()
}
