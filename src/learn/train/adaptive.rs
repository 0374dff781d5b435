//! The adaptive part of a premodel: learnt, measured, and set to a target.

use std::time::Duration;

use super::samples::Samples;
use super::{TrainError, TrainOptions, folds};
use crate::adaptive::{Knowledge, NoSuchPoint, Target};
use crate::learn::adapt::{self, AdaptOptions, Answers, assurance, time};
use crate::learn::profile_file::Profile;

/// By what share of right answers the policy is to be better than the most accurate model, unless
/// the user has another target.
const ADVANTAGE: f32 = 0.01;

/// Learns from all pictures of the profiles, measures the operating points by cross-validation, and
/// chooses one of them; for that one it learns from the videos how answers are carried through time.
pub(super) fn learn(
    profiles: &[Profile],
    samples: &Samples,
    options: &TrainOptions,
) -> Result<(Knowledge, time::Study), TrainError> {
    let answers = Answers::gather(profiles);
    let groups: Vec<usize> = samples.pictures.iter().map(|picture| picture.group).collect();
    let pictures: Vec<usize> = (0..groups.len()).collect();
    let adapt_options = AdaptOptions { pool: options.pool.clone(), without: options.without };
    let dealt = folds::deal(&groups, options.folds, options.seed);
    learn_policy(&answers, (&pictures, &dealt), &adapt_options, options.target)
}

/// The same on some of the pictures, numbered in ascending order; `folds` holds each of them once.
pub(crate) fn learn_policy(
    answers: &Answers,
    (pictures, folds): (&[usize], &[Vec<usize>]),
    options: &AdaptOptions,
    target: Option<Target>,
) -> Result<(Knowledge, time::Study), TrainError> {
    let mut knowledge = adapt::fit(answers, pictures, options)?;
    let tested = assurance::cross_validate(answers, folds, options, &answers.times, None)?;
    assurance::note(&mut knowledge.points, &tested, answers, pictures);
    let models = answers.truth.pupils(answers.models.iter());
    let best =
        models.into_iter().map(|model| answers.accuracy(model, pictures)).fold(0.0, f64::max);
    knowledge.chosen = choose_point(&knowledge, best as f32, target)?;
    let study = time::study(answers, pictures, &assurance::policy(knowledge.clone(), answers));
    knowledge.time = study.time;
    Ok((knowledge, study))
}

/// The operating point for a target. Without one: the quickest that is assured to be a percentage
/// point more accurate than the most accurate model, which is right on a share `best`; where none
/// is, the quickest assured to be as accurate; where none is, the most accurate.
fn choose_point(
    knowledge: &Knowledge,
    best: f32,
    target: Option<Target>,
) -> Result<usize, NoSuchPoint> {
    if let Some(target) = target {
        return knowledge.point_for(target);
    }
    let better = knowledge.point_for(Target::Accuracy(best + ADVANTAGE));
    let as_good = || knowledge.point_for(Target::Accuracy(best));
    let most_accurate = || knowledge.point_for(Target::MeanTime(Duration::MAX));
    better.or_else(|_| as_good()).or_else(|_| most_accurate())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::OperatingPoint;
    use crate::adaptive::tests::knowledge;

    #[test]
    fn without_a_target_the_policy_is_to_be_better_than_the_best_model() {
        let mut knowledge = knowledge();
        let at = |mean_time_ms, accuracy, assured_accuracy| OperatingPoint {
            mean_time_ms,
            accuracy,
            assured_accuracy,
            ..knowledge.points[0].clone()
        };
        knowledge.points = vec![at(5.0, 0.80, 0.78), at(9.0, 0.86, 0.84), at(20.0, 0.85, 0.845)];
        let point = |best| choose_point(&knowledge, best, None);
        assert_eq!(point(0.76), Ok(0), "0.77 is assured at 5 ms");
        assert_eq!(point(0.82), Ok(1), "0.83 is assured at 9 ms");
        assert_eq!(point(0.842), Ok(2), "0.852 is not assured, 0.842 is");
        assert_eq!(point(0.90), Ok(1), "the most accurate, if none is as good");
        let target = Some(Target::Accuracy(0.9));
        assert!(choose_point(&knowledge, 0.76, target).is_err(), "a target is a target");
    }
}
