//! The best mix of learners: KNN, decision tree, support vectors, logistic regression or boosting at
//! each stage.
//!
//! All mixes are compared on a fifth of what a fold may see, which the other four fifths were learnt
//! without; the best is then fitted to all of it and judged on the fold. So the mix that is judged
//! was chosen by pictures it is not judged on.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::chooser::Chooser;
use super::figures::Kind;
use super::material::{Material, Part, Split};
use super::{EvaluateError, Overheads};
use crate::learn::learners::{
    FittedStage, Learner, LearnerError, StageBank, StageData, choose, mixes,
};
use crate::learn::parallel::in_parallel;
use crate::premodel::Premodel;

/// The part of what may be seen that mixes are compared on is one of so many.
const INNER_PARTS: usize = 5;

/// A mix, fitted.
struct Mix<'a> {
    premodel: &'a Premodel,
    learners: Vec<Learner>,
    stages: Vec<FittedStage>,
}

/// The best mix of each part over the models and features of the paper's sequence there.
pub(super) fn chooser(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    overheads: &Overheads,
) -> Result<Chooser, EvaluateError> {
    let parts: Vec<(&Part, &Premodel)> = split.parts.iter().zip(premodels).collect();
    let fitted = in_parallel(&parts, |&(part, premodel)| fit(material, part, premodel));
    let fitted = fitted.into_iter().collect::<Result<Vec<Mix>, LearnerError>>()?;
    let cases = material
        .judge(split, &fitted, |mix, picture| material.run(picture, mix.choose(material, picture)));
    let chooser =
        Chooser::new("best mix of learners", Kind::LearnerMix, overheads.sequence(), cases);
    Ok(chooser.noted(format!(
        "Of all mixes of five learners over the stages of the paper's sequence the one that did \
         best on a fifth of what each fold may see, by stage: {}.",
        names(&fitted)
    )))
}

/// The mixes that were chosen, and in how many folds.
fn names(fitted: &[Mix]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for mix in fitted {
        let name = mix.learners.iter().map(|learner| learner.name()).collect::<Vec<_>>().join(", ");
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let texts = counts.into_iter().map(|(name, count)| format!("{name} (in {count})"));
    texts.collect::<Vec<_>>().join("; ")
}

fn fit<'a>(
    material: &Material,
    part: &Part,
    premodel: &'a Premodel,
) -> Result<Mix<'a>, LearnerError> {
    let inner = material.deal(&part.seen, INNER_PARTS);
    let (compared, learnt) = inner
        .split_first()
        .map_or((&[][..], Vec::new()), |(first, others)| (first.as_slice(), others.concat()));
    let (stages, seed) = (premodel.recipe().sequence.len(), material.training.seed);
    let rows = rows(material, premodel, &learnt);
    let optimum = optima(material, premodel, &learnt);
    let data = StageData { rows: &rows, optimum: &optimum, stages };
    let bank = StageBank::fit(&data, &Learner::ALL, seed)?;
    let learners = best(material, premodel, &bank, compared);
    let rows = self::rows(material, premodel, &part.seen);
    let optimum = optima(material, premodel, &part.seen);
    let fit_stage = |(stage, &learner): (usize, &Learner)| {
        let yes: Vec<bool> = optimum.iter().map(|&best| best == Some(stage)).collect();
        FittedStage::fit(learner, &rows, &yes, seed)
    };
    let stages = learners.iter().enumerate().map(fit_stage).collect::<Result<_, _>>()?;
    Ok(Mix { premodel, learners, stages })
}

/// The mix that is right most often; of equals the quickest, then the first.
fn best(
    material: &Material,
    premodel: &Premodel,
    bank: &StageBank,
    compared: &[usize],
) -> Vec<Learner> {
    let asked = compared.iter().map(|&picture| bank.decisions(&row(material, premodel, picture)));
    let asked: Vec<_> = asked.collect();
    let all = mixes(premodel.recipe().sequence.len(), &Learner::ALL);
    let merit = |mix: &Vec<Learner>| {
        let (mut right, mut time) = (0, Duration::ZERO);
        for (decisions, &picture) in asked.iter().zip(compared) {
            let model = model(premodel, choose(decisions, mix));
            right += usize::from(material.answers.pictures[picture].right[model]);
            time += material.answers.times[model];
        }
        (right, Reverse(time))
    };
    // `max_by_key` takes the last of equals.
    all.into_iter().rev().max_by_key(merit).unwrap_or_default()
}

impl Mix<'_> {
    fn choose(&self, material: &Material, picture: usize) -> usize {
        let row = row(material, self.premodel, picture);
        model(self.premodel, self.stages.iter().position(|stage| stage.decide(&row)))
    }
}

fn model(premodel: &Premodel, stage: Option<usize>) -> usize {
    let recipe = premodel.recipe();
    stage.map_or(recipe.fallback, |stage| recipe.sequence[stage])
}

fn row(material: &Material, premodel: &Premodel, picture: usize) -> Vec<f32> {
    let features = &material.samples.pictures[picture].features;
    premodel.recipe().scaling.apply(&premodel.features().pick(features))
}

fn rows(material: &Material, premodel: &Premodel, pictures: &[usize]) -> Vec<Vec<f32>> {
    pictures.iter().map(|&picture| row(material, premodel, picture)).collect()
}

/// For each picture the stage of the fastest deployed model that is right.
fn optima(material: &Material, premodel: &Premodel, pictures: &[usize]) -> Vec<Option<usize>> {
    let sequence = &premodel.recipe().sequence;
    let order = premodel.recipe().fastest_first(sequence);
    let optimum = |&picture: &usize| {
        let best = material.samples.pictures[picture].right.first_of(&order)?;
        sequence.iter().position(|&model| model == best)
    };
    pictures.iter().map(optimum).collect()
}
