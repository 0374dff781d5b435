//! The adaptive part of a premodel: learnt, measured, and set to a goal.

use std::time::Duration;

use thiserror::Error;

use super::samples::Samples;
use super::{TrainError, TrainOptions, folds};
use crate::adaptive::{Knowledge, OperatingPoint};
use crate::learn::adapt::{self, AdaptOptions, Answers, assurance, time};
use crate::learn::profile_file::Profile;

/// By what share of right answers the policy is to be better than the most accurate model, unless
/// the user has another goal.
const ADVANTAGE: f64 = 0.01;

/// What the adaptive policy is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The quickest operating point that is assured to be a percentage point more accurate than the
    /// most accurate model; where none is, the quickest assured to be as accurate; where none is, the
    /// most accurate.
    BetterThanTheBest,
    /// The quickest one that is assured to be right on such a share of the pictures.
    Accuracy(f64),
    /// The most accurate one that takes no longer on average.
    MeanTime(Duration),
}

/// No operating point reaches the goal.
#[derive(Debug, Error, PartialEq)]
#[error("no operating point {goal}; the adaptive policy offers {offers}")]
pub struct GoalMissed {
    goal: String,
    offers: String,
}

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
    learn_policy(&answers, (&pictures, &dealt), &adapt_options, options.goal)
}

/// The same on some of the pictures, numbered in ascending order; `folds` holds each of them once.
pub(crate) fn learn_policy(
    answers: &Answers,
    (pictures, folds): (&[usize], &[Vec<usize>]),
    options: &AdaptOptions,
    goal: Goal,
) -> Result<(Knowledge, time::Study), TrainError> {
    let mut knowledge = adapt::fit(answers, pictures, options)?;
    let tested = assurance::cross_validate(answers, folds, options, &answers.times, None)?;
    assurance::note(&mut knowledge.points, &tested, answers, pictures);
    let models = 0..answers.models.len();
    let best = models.map(|model| answers.accuracy(model, pictures)).fold(0.0, f64::max);
    knowledge.chosen = match goal {
        Goal::BetterThanTheBest => better_than(best, &knowledge.points),
        goal => choose_point(&knowledge.points, goal)?,
    };
    let study = time::study(answers, pictures, &assurance::policy(knowledge.clone(), answers));
    knowledge.time = study.time;
    Ok((knowledge, study))
}

/// What [`Goal::BetterThanTheBest`] comes to where the most accurate model is right on such a share.
fn better_than(best: f64, points: &[OperatingPoint]) -> usize {
    let mut targets = [best + ADVANTAGE, best].into_iter();
    let found = targets.find_map(|target| choose_point(points, Goal::Accuracy(target)).ok());
    found.unwrap_or_else(|| most_accurate(points))
}

/// The operating point that reaches a goal; of [`Goal::BetterThanTheBest`] the most accurate.
pub fn choose_point(points: &[OperatingPoint], goal: Goal) -> Result<usize, GoalMissed> {
    let quickest_with = |is_good: &dyn Fn(&OperatingPoint) -> bool| {
        let good = points.iter().enumerate().filter(|(_, point)| is_good(point));
        good.min_by(|(_, a), (_, b)| a.mean_time_ms.total_cmp(&b.mean_time_ms)).map(|(at, _)| at)
    };
    match goal {
        Goal::BetterThanTheBest => Ok(most_accurate(points)),
        Goal::Accuracy(target) => {
            let found = quickest_with(&|point| f64::from(point.assured_accuracy) >= target);
            found.ok_or_else(|| missed(format!("is assured to be right on {target:.3}"), points))
        }
        Goal::MeanTime(target) => {
            let limit = target.as_secs_f64() * 1e3;
            let quick = points.iter().enumerate();
            let quick = quick.filter(|(_, point)| f64::from(point.mean_time_ms) <= limit);
            let best = quick.max_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy));
            best.map(|(at, _)| at)
                .ok_or_else(|| missed(format!("takes {limit:.1} ms or less on average"), points))
        }
    }
}

fn most_accurate(points: &[OperatingPoint]) -> usize {
    let best = points.iter().enumerate().max_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy));
    best.map_or(0, |(at, _)| at)
}

fn missed(goal: String, points: &[OperatingPoint]) -> GoalMissed {
    let offer = |point: &OperatingPoint| {
        format!(
            "{:.3} (assured {:.3}) at {:.1} ms",
            point.accuracy, point.assured_accuracy, point.mean_time_ms
        )
    };
    GoalMissed { goal, offers: points.iter().map(offer).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<OperatingPoint> {
        let point = |mean_time_ms, accuracy, assured_accuracy| OperatingPoint {
            price_per_ms: 0.001,
            start: vec![0.0],
            gains: Vec::new(),
            mean_time_ms,
            accuracy,
            assured_accuracy,
        };
        vec![point(5.0, 0.80, 0.78), point(9.0, 0.86, 0.84), point(20.0, 0.85, 0.84)]
    }

    #[test]
    fn the_quickest_assured_point_is_chosen() {
        assert_eq!(choose_point(&points(), Goal::Accuracy(0.70)), Ok(0));
        assert_eq!(choose_point(&points(), Goal::Accuracy(0.83)), Ok(1));
        assert_eq!(choose_point(&points(), Goal::BetterThanTheBest), Ok(1));
        assert_eq!(better_than(0.82, &points()), 1, "0.83 is assured at 9 ms");
        assert_eq!(better_than(0.84, &points()), 1, "0.85 is not assured, 0.84 is");
        assert_eq!(better_than(0.90, &points()), 1, "the most accurate, if none is as good");
        let missed = choose_point(&points(), Goal::Accuracy(0.9)).unwrap_err().to_string();
        assert!(missed.contains("right on 0.900") && missed.contains("0.860"), "{missed}");
    }

    #[test]
    fn the_most_accurate_point_in_time_is_chosen() {
        let at = |ms| choose_point(&points(), Goal::MeanTime(Duration::from_millis(ms)));
        assert_eq!(at(6), Ok(0));
        assert_eq!(at(50), Ok(1));
        assert!(at(2).unwrap_err().to_string().contains("takes 2.0 ms or less"));
    }
}
