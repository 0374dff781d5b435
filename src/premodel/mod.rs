//! Features choose and rank the models.
//!
//! The premodel of the paper (Taylor et al., LCTES 2018) is a sequence of binary k-nearest-neighbour
//! classifiers, one per deployed model. Terms:
//!
//! - **example**: a training picture: some of its [`Features`], and which models were right on it;
//!   training chooses which of them every premodel looks at;
//! - **optimum** of an example: the fastest, by mean latency, of the deployed models that were
//!   right on it; none if all of them were wrong;
//! - **stage**: the question "use this model?". It says yes when the model is the optimum of more
//!   than half of the k nearest examples. The first yes ends the sequence; if every stage says
//!   no, the premodel's *fallback* is preferred;
//! - **share** of a model: the part of the k nearest examples that it was right on, be it deployed
//!   or not. This soft vote ranks the models behind the preferred one.
//!
//! Since an example has at most one optimum and a yes needs more than half of them, at most one
//! stage says yes; the order of the stages shows in explanations, not in choices.
//!
//! [`Premodel`] is what training yields and a [file](mod@file) holds; [`RankedPremodel`] is the
//! same narrowed to the models that are loaded, and is what ranks them for every frame.
//!
//! **Invariant:** a `Premodel` exists only if its [`Recipe`] passed every check, so that consulting
//! it cannot fail.

pub mod file;
mod neighbours;
mod ranked;
mod recipe;
mod scaling;
mod verdict;

use crate::features::{FeatureSet, Features};
use crate::models::ModelId;
use crate::outcome::Basis;

pub use file::{FileFault, PremodelError};
pub use neighbours::Neighbour;
pub(crate) use neighbours::{BLOCK, Nearest, add_squares};
pub use ranked::{NoModelLeft, RankedPremodel, Restriction};
pub use recipe::{
    Criterion, Example, KnownModel, LabelSource, MAX_EXAMPLES, MAX_K, MAX_MODELS, Recipe,
    RecipeFault, RightSet,
};
pub use scaling::Scaling;
pub use verdict::{StageVote, Verdict};

use neighbours::NeighbourIndex;
use verdict::Stages;

/// Models in the order in which they should be tried, with how likely each is to be right.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Best first; every model that may run on the frame, and no other.
    pub ranking: Vec<(ModelId, f32)>,
    /// How the first of them came to be first.
    pub basis: Basis,
}

/// A trained premodel, ready to be consulted.
#[derive(Clone, Debug)]
pub struct Premodel {
    recipe: Recipe,
    index: NeighbourIndex,
    stages: Stages,
    accuracies: Vec<f32>,
}

impl Premodel {
    /// Checks a recipe and prepares it for the search.
    pub fn new(recipe: Recipe) -> Result<Self, RecipeFault> {
        recipe.check()?;
        let scaled = recipe.examples.iter().map(|example| recipe.scaling.apply(&example.features));
        let index = NeighbourIndex::new(recipe.features.len(), scaled);
        let stages = Stages::new(recipe.sequence.clone(), &recipe);
        let accuracies = (0..recipe.models.len()).map(|model| recipe.accuracy(model)).collect();
        Ok(Self { recipe, index, stages, accuracies })
    }

    /// What it was made from.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The features that it looks at.
    pub fn features(&self) -> &FeatureSet {
        &self.recipe.features
    }

    /// The models it knows, whether or not they have a stage.
    pub fn models(&self) -> &[KnownModel] {
        &self.recipe.models
    }

    /// The share of its examples that `model` was right on, by its criterion; `None` if unknown.
    pub fn accuracy(&self, model: &ModelId) -> Option<f32> {
        let known = self.recipe.models.iter().position(|known| known.id == *model)?;
        Some(self.accuracies[known])
    }

    /// The deployed models, in the order of their stages.
    pub fn sequence(&self) -> impl Iterator<Item = &ModelId> {
        self.recipe.sequence.iter().map(|&model| self.id(model))
    }

    /// The model to prefer when every stage says no.
    pub fn fallback(&self) -> &ModelId {
        self.id(self.recipe.fallback)
    }

    /// What counted as right in its training.
    pub fn criterion(&self) -> Criterion {
        self.recipe.criterion
    }

    /// How many examples it holds.
    pub fn training_size(&self) -> usize {
        self.recipe.examples.len()
    }

    /// The example of a [`Neighbour::example`]; `None` beyond the last.
    pub fn example(&self, number: usize) -> Option<&Example> {
        self.recipe.examples.get(number)
    }

    /// The optimum of an example among the deployed models; `None` if all were wrong.
    pub fn optimum(&self, number: usize) -> Option<&ModelId> {
        self.stages.optimum(number).map(|model| self.id(model))
    }

    /// Takes the vote on a picture, among all models it knows.
    pub fn consult(&self, features: &Features) -> Verdict {
        let everyone: Vec<usize> = (0..self.recipe.models.len()).collect();
        self.consult_among(&self.stages, &everyone, features)
    }

    fn consult_among(&self, stages: &Stages, models: &[usize], features: &Features) -> Verdict {
        let query = self.recipe.scaling.apply(&self.recipe.features.pick(features));
        let neighbours = self.index.nearest(&query, self.recipe.k);
        let votes = stages.votes(&neighbours, &self.recipe);
        let shares = verdict::shares(&neighbours, models, &self.recipe);
        Verdict { neighbours, stages: votes, shares }
    }

    fn id(&self, model: usize) -> &ModelId {
        &self.recipe.models[model].id
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
pub(crate) mod tests;
