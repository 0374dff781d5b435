//! How well it can be told whether a model is right: before it runs, from the features, and
//! afterwards, from its confidence; and whether the confidence means what it says.

use super::EvaluateError;
use super::figures::{Auc, Calibration, Correlation};
use super::material::{Material, Part, Split, in_order};
use super::metrics::calibration::{equal_mass_bins, expected_calibration_error};
use super::metrics::signals::{auc, pearson};
use crate::features::{FeatureRow, FeatureSet, Features};
use crate::learn::adapt::{self, AdaptError, AdaptOptions, assurance, try_out};
use crate::learn::learners::{FittedStage, Learner, LearnerError};
use crate::learn::parallel::in_parallel;
use crate::premodel::Scaling;

/// Bins of a calibration.
const BINS: usize = 10;

/// What can be told of each model, and how it is calibrated.
pub(super) fn of_models(
    material: &Material,
    split: &Split,
) -> Result<(Vec<Auc>, Vec<Calibration>), EvaluateError> {
    let models: Vec<usize> = (0..material.models()).collect();
    let told = in_parallel(&models, |&model| of_model(material, split, model));
    let told = told.into_iter().collect::<Result<Vec<_>, EvaluateError>>()?;
    Ok(told.into_iter().unzip())
}

fn of_model(
    material: &Material,
    split: &Split,
    model: usize,
) -> Result<(Auc, Calibration), EvaluateError> {
    let right = |picture: usize| material.answers.pictures[picture].right[model];
    let with_truth = |values: Vec<f64>| -> Vec<(f64, bool)> {
        values.into_iter().zip(split.pictures.iter().map(|&picture| right(picture))).collect()
    };
    let own = |picture: &usize| f64::from(confidence(material, *picture, model));
    let own = with_truth(split.pictures.iter().map(own).collect());
    let calibrated = with_truth(calibrated(material, split, model)?);
    let by_features = with_truth(by_features(material, split, model)?);
    let name = material.name(model).to_owned();
    let told = Auc {
        model: name.clone(),
        from_features: auc(&by_features),
        from_own_confidence: auc(&own),
        calibrated: auc(&calibrated),
    };
    let (before, after) = (equal_mass_bins(&own, BINS), equal_mass_bins(&calibrated, BINS));
    let calibration = Calibration {
        model: name,
        ece_before: expected_calibration_error(&before),
        ece_after: expected_calibration_error(&after),
        before,
        after,
    };
    Ok((told, calibration))
}

/// The probability of a model's first guess.
fn confidence(material: &Material, picture: usize, model: usize) -> f32 {
    let guesses = &material.answers.pictures[picture].guesses[model];
    guesses.top().map_or(0.0, |top| guesses.logarithm(top).exp())
}

/// For each picture the confidence, calibrated as the adaptive policy does (temperature, then
/// logistic regression) on the pictures of the other parts.
fn calibrated(material: &Material, split: &Split, model: usize) -> Result<Vec<f64>, AdaptError> {
    let answers = &material.answers;
    let pool = Some(vec![answers.models[model].clone()]);
    // A prior would answer other than the model.
    let options = AdaptOptions { pool, without: Some(adapt::Part::Prior) };
    let of = |part: &Part| {
        let policy = assurance::policy(adapt::fit(answers, &part.seen, &options)?, answers);
        let certainty = |&picture: &usize| {
            let trial = try_out(&policy, answers, picture, &answers.times, None);
            (picture, f64::from(trial.certainty))
        };
        Ok(part.unseen.iter().map(certainty).collect())
    };
    Ok(in_order(split.parts.iter().map(of).collect::<Result<_, AdaptError>>()?))
}

/// For each picture how likely the model is right by logistic regression on all features.
fn by_features(material: &Material, split: &Split, model: usize) -> Result<Vec<f64>, LearnerError> {
    let all = FeatureSet::all();
    let row = |picture: &usize| all.pick(&material.samples.pictures[*picture].features);
    let of = |part: &Part| {
        let seen: Vec<FeatureRow> = part.seen.iter().map(row).collect();
        let scaling = Scaling::of(seen.iter()).ok_or(LearnerError::NoRow)?;
        let rows: Vec<Vec<f32>> = seen.iter().map(|row| scaling.apply(row)).collect();
        let right: Vec<bool> = part
            .seen
            .iter()
            .map(|&picture| material.answers.pictures[picture].right[model])
            .collect();
        let learner = Learner::LogisticRegression;
        let fitted = FittedStage::fit(learner, &rows, &right, material.training.seed)?;
        let judge =
            |picture: &usize| (*picture, f64::from(fitted.score(&scaling.apply(&row(picture)))));
        Ok(part.unseen.iter().map(judge).collect())
    };
    Ok(in_order(split.parts.iter().map(of).collect::<Result<_, LearnerError>>()?))
}

/// How all features go together.
pub(super) fn correlation(material: &Material) -> Correlation {
    let column = |column: usize| -> Vec<f64> {
        let pictures = material.samples.pictures.iter();
        pictures.map(|picture| f64::from(picture.features.values()[column])).collect()
    };
    let columns: Vec<Vec<f64>> = (0..Features::COUNT).map(column).collect();
    let row = |one: &Vec<f64>| columns.iter().map(|other| pearson(one, other)).collect();
    Correlation {
        features: Features::NAMES.map(str::to_owned).to_vec(),
        matrix: columns.iter().map(row).collect(),
    }
}

/// The features that are the same on every picture.
pub(super) fn constant_features(material: &Material) -> Vec<&'static str> {
    let values = |column: usize| {
        material.samples.pictures.iter().map(move |one| one.features.values()[column])
    };
    let is_constant =
        |column: &usize| values(*column).zip(values(*column).skip(1)).all(|(a, b)| a == b);
    (0..Features::COUNT).filter(is_constant).map(|column| Features::NAMES[column]).collect()
}
