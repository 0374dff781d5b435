//! A premodel file, evaluated as it is.

use std::time::Duration;

use thiserror::Error;

use super::Options;
use super::chooser::Chooser;
use super::figures::{GivenPremodel, Kind};
use super::material::{Case, Material};
use super::sequence::{Undecided, choose};
use crate::adaptive::{Adaptive, Knowledge};
use crate::learn::adapt::{assurance, try_out};
use crate::learn::parallel::in_parallel;
use crate::models::ModelId;
use crate::premodel::Premodel;

/// A premodel file.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its name, for people.
    pub file: String,
    /// What it holds.
    pub premodel: Premodel,
}

/// The profiles lack a model of the premodel.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the premodel {file} chooses among models that the profiles do not have: {model} is not \
     profiled, or by another file or manifest; give the profiles that it was trained on, or others \
     of the same models"
)]
pub struct OtherModels {
    file: String,
    model: ModelId,
}

const WARNING: &str = "as given: may have been trained on these pictures, which flatters it";

impl Given {
    /// For the report.
    pub(super) fn described(&self) -> GivenPremodel {
        let trained_on = self.premodel.recipe().trained_on.clone();
        GivenPremodel { file: self.file.clone(), trained_on }
    }

    /// Its sequence, and its adaptive policy if it has one, on the pictures as they are.
    pub(super) fn choosers(
        &self,
        material: &Material,
        pictures: &[usize],
        options: &Options,
    ) -> Result<Vec<Chooser>, OtherModels> {
        let recipe = self.premodel.recipe();
        let mut used = recipe.sequence.clone();
        used.push(recipe.fallback);
        used.extend(recipe.adaptive.iter().flat_map(|knowledge| &knowledge.pool));
        let places = self.places(material, &used)?;
        let mut choosers = vec![self.sequence(material, pictures, (&places, options))];
        if let Some(knowledge) = &recipe.adaptive {
            choosers.push(self.adaptive(material, pictures, (knowledge, &places, options)));
        }
        let note = format!("{} is {WARNING}. Trained on {}.", self.file, recipe.trained_on);
        Ok(choosers.into_iter().map(|chooser| chooser.noted(&note)).collect())
    }

    /// For each model that the premodel knows, its position among those profiled; only those `used`
    /// must have one.
    fn places(
        &self,
        material: &Material,
        used: &[usize],
    ) -> Result<Vec<Option<usize>>, OtherModels> {
        let place = |number: usize| {
            let known = &self.premodel.recipe().models[number];
            material.samples.models.iter().position(|model| {
                (&model.id, &model.fingerprint) == (&known.id, &known.fingerprint)
            })
        };
        let places: Vec<_> = (0..self.premodel.recipe().models.len()).map(place).collect();
        match used.iter().find(|&&model| places[model].is_none()) {
            Some(&model) => Err(OtherModels {
                file: self.file.clone(),
                model: self.premodel.recipe().models[model].id.clone(),
            }),
            None => Ok(places),
        }
    }

    fn sequence(
        &self,
        material: &Material,
        pictures: &[usize],
        (places, options): (&[Option<usize>], &Options),
    ) -> Chooser {
        let run = |&picture: &usize| -> Case {
            let features = &material.samples.pictures[picture].features;
            let chosen = choose(&self.premodel, features, Undecided::Fallback);
            match chosen.and_then(|model| places[model]) {
                Some(model) => material.run(picture, model),
                None => material.refusal(picture),
            }
        };
        let name = format!("{}, KNN sequence as given", self.file);
        let cases = in_parallel(pictures, run);
        Chooser::new(&name, Kind::Given, options.overheads.sequence(), cases)
    }

    fn adaptive(
        &self,
        material: &Material,
        pictures: &[usize],
        (knowledge, places, options): (&Knowledge, &[Option<usize>], &Options),
    ) -> Chooser {
        let pool = knowledge.pool.iter().filter_map(|&model| places[model]).collect();
        let knowledge = Knowledge { pool, ..knowledge.clone() };
        let policy: Adaptive = assurance::policy(knowledge, &material.answers);
        let answers = &material.answers;
        let within = |budget: Option<Duration>| {
            in_parallel(pictures, |&picture| {
                material.tried(picture, &try_out(&policy, answers, picture, &answers.times, budget))
            })
        };
        let decision = options.overheads.decision;
        let in_time = options.budgets.iter().map(|at| within(Some(at.saturating_sub(decision))));
        let name = format!("{}, adaptive as given", self.file);
        Chooser::new(&name, Kind::Given, decision, within(None)).with_budgets(in_time.collect())
    }
}
