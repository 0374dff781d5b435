//! The paper's sequence of nearest-neighbour stages.

use super::chooser::Chooser;
use super::figures::{Deployed, Importance, Kind};
use super::material::{Case, Material, Split};
use super::metrics::{self, Bootstrap, mean, milliseconds};
use super::{EvaluateError, Overheads};
use crate::features::Features;
use crate::learn::parallel::in_parallel;
use crate::learn::train::deployment::{Field, deploy};
use crate::learn::train::samples::Picture;
use crate::learn::train::{self, DeploymentMode, FeatureChoice, Plan, TrainError, TrainOptions};
use crate::premodel::{Criterion, Premodel, RightSet};

/// The name of the sequence with its fallback.
pub(super) const NAME: &str = "paper's KNN sequence";

/// The most models that are deployed to see what their number is worth.
const MOST_DEPLOYED: usize = 5;

/// How often a feature's values are shuffled.
const SHUFFLES: usize = 3;

/// Deploys whatever adds to the union, be it nothing.
const NO_THETA: f64 = -1.0;

/// What to do where every stage says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// Run the fallback.
    Fallback,
    /// Answer nothing.
    Refuse,
}

/// The premodel of each part, trained as `train` does on what the part has seen.
pub(super) fn learn(material: &Material, split: &Split) -> Result<Vec<Premodel>, EvaluateError> {
    let plan = material.plan()?;
    let fit = |part: &super::material::Part| train::fit(&material.samples, &part.seen, &plan);
    let fitted: Vec<_> = split.parts.iter().map(fit).collect::<Result<_, TrainError>>()?;
    Ok(fitted.into_iter().map(|fitted| fitted.premodel).collect())
}

/// The sequence with its fallback, and the one that refuses.
pub(super) fn choosers(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    overheads: &Overheads,
) -> [Chooser; 2] {
    let of = |name: &str, undecided| {
        let cases = cases(material, split, premodels, undecided);
        Chooser::new(name, Kind::PaperSequence, overheads.sequence(), cases)
    };
    [
        of(NAME, Undecided::Fallback).noted(
            "Models, features and neighbours chosen in each fold as the paper does, k = 5, hard \
             vote; where every stage says no, the most accurate deployed model runs.",
        ),
        of("paper's KNN sequence, refusing", Undecided::Refuse).noted(
            "The same, but where every stage says no, nothing runs: a refusal is wrong and takes \
             the time of the premodel only.",
        ),
    ]
}

fn cases(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    undecided: Undecided,
) -> Vec<Case> {
    material.judge(split, premodels, |premodel, picture| {
        let features = &material.samples.pictures[picture].features;
        run(material, picture, choose(premodel, features, undecided))
    })
}

fn run(material: &Material, picture: usize, model: Option<usize>) -> Case {
    model.map_or_else(|| material.refusal(picture), |model| material.run(picture, model))
}

/// The model to run, by its position in the premodel's list.
pub(super) fn choose(
    premodel: &Premodel,
    features: &Features,
    undecided: Undecided,
) -> Option<usize> {
    let recipe = premodel.recipe();
    let verdict = premodel.consult(features);
    let chosen = verdict.stages.iter().position(|stage| stage.is_yes());
    match (chosen, undecided) {
        (Some(stage), _) => Some(recipe.sequence[stage]),
        (None, Undecided::Fallback) => Some(recipe.fallback),
        (None, Undecided::Refuse) => None,
    }
}

/// What each feature is worth: how many points are lost when its values are shuffled among the
/// pictures of a fold.
pub(super) fn importance(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
) -> Vec<Importance> {
    let is_used = |column: &usize| {
        premodels.iter().any(|premodel| premodel.features().columns().contains(column))
    };
    let used: Vec<usize> = (0..Features::COUNT).filter(is_used).collect();
    let whole = hits(material, split, premodels, None);
    in_parallel(&used, |&column| {
        let shuffles = (0..SHUFFLES as u64).map(|shuffle| {
            hits(material, split, premodels, Some((column, material.training.seed + shuffle)))
        });
        let hits_left = shuffles.sum::<usize>() as f64 / SHUFFLES as f64;
        let lost = 100.0 * (whole as f64 - hits_left) / split.pictures.len().max(1) as f64;
        Importance { feature: Features::NAMES[column].to_owned(), points_lost: lost }
    })
}

/// How many pictures are answered rightly, with a column shuffled by a seed.
fn hits(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    shuffled: Option<(usize, u64)>,
) -> usize {
    let mut hits = 0;
    for (part, premodel) in split.parts.iter().zip(premodels) {
        let mut donors = part.unseen.clone();
        if let Some((_, seed)) = shuffled {
            fastrand::Rng::with_seed(seed).shuffle(&mut donors);
        }
        for (&picture, &donor) in part.unseen.iter().zip(&donors) {
            let column = shuffled.map(|(column, _)| column);
            let features = with_column_of(material, picture, column.map(|column| (column, donor)));
            let model = choose(premodel, &features, Undecided::Fallback);
            hits += usize::from(
                model.is_some_and(|model| material.answers.pictures[picture].right[model]),
            );
        }
    }
    hits
}

fn with_column_of(material: &Material, picture: usize, donor: Option<(usize, usize)>) -> Features {
    let of = |picture: usize| material.samples.pictures[picture].features;
    let Some((column, donor)) = donor else { return of(picture) };
    let mut values = *of(picture).values();
    values[column] = of(donor).values()[column];
    Features::new(values).unwrap_or_else(|| of(picture))
}

/// The sequence over one, two, ... deployed models, with the features that each part chose.
pub(super) fn by_number(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    (bootstrap, overheads): (&Bootstrap, &Overheads),
) -> Result<Vec<Deployed>, EvaluateError> {
    let most = material.models().min(MOST_DEPLOYED);
    let everything = order(material, &split.pictures)?;
    let of = |count: usize| {
        let shortened = shortened(material, split, premodels, count)?;
        let cases = cases(material, split, &shortened, Undecided::Fallback);
        let chooser = Chooser::new(NAME, Kind::PaperSequence, overheads.sequence(), cases);
        let judged = chooser.judged();
        let names = everything.iter().take(count).map(|&model| material.name(model).to_owned());
        Ok(Deployed {
            chooser: NAME.to_owned(),
            kind: Kind::PaperSequence,
            count,
            models: names.collect(),
            accuracy: bootstrap.mean(&metrics::right(&judged, Criterion::Top1)),
            time_ms: mean(&milliseconds(&judged)),
        })
    };
    (1..=most).map(of).collect()
}

/// The premodel of each part, over the first `count` models that Algorithm 1 deploys there.
fn shortened(
    material: &Material,
    split: &Split,
    premodels: &[Premodel],
    count: usize,
) -> Result<Vec<Premodel>, EvaluateError> {
    let parts: Vec<_> = split.parts.iter().zip(premodels).collect();
    let fitted = in_parallel(&parts, |(part, premodel)| {
        let options = TrainOptions {
            features: FeatureChoice::Named(premodel.features().clone()),
            theta: NO_THETA,
            ..material.training.clone()
        };
        let mut candidates = order(material, &part.seen)?;
        candidates.truncate(count);
        let plan = Plan { options: &options, candidates, ..material.plan()? };
        Ok(train::fit(&material.samples, &part.seen, &plan)?.premodel)
    });
    fitted.into_iter().collect()
}

/// The models that may be deployed, in the order in which Algorithm 1 deploys them without a threshold.
fn order(material: &Material, pictures: &[usize]) -> Result<Vec<usize>, EvaluateError> {
    let pictures: Vec<&Picture> =
        pictures.iter().map(|&picture| &material.samples.pictures[picture]).collect();
    let latencies = material.samples.mean_latencies(&pictures);
    let right: Vec<RightSet> = pictures.iter().map(|picture| picture.right).collect();
    let mut candidates = material.plan()?.candidates;
    candidates.sort_by_key(|&model| (latencies[model], model));
    let field = Field { right: &right, candidates: &candidates, latencies: &latencies };
    let deployed = deploy(&field, DeploymentMode::Accuracy, NO_THETA);
    Ok(deployed.map_or_else(Vec::new, |deployment| deployment.sequence()))
}
