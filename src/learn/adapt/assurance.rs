//! What the operating points are worth on pictures that training has not seen, and what can be
//! promised of them.
//!
//! Each fold's policy, at each operating point, is tried on the fold's own pictures. The share of
//! right answers is bounded from below by the exact binomial bound (Clopper and Pearson, 1934), with
//! no assumption on models or pictures but that new pictures come like these. To promise an accuracy,
//! the points are tested from the slowest to the quickest and the quickest is taken before the first
//! that fails: fixed-sequence testing, as in "Learn then Test" (Angelopoulos et al., 2021), so that
//! choosing among many points does not spoil the confidence. [`OperatingPoint::assured_accuracy`]
//! is therefore the least bound of a point and of all slower ones.
//!
//! The bound is exact for the policies of the folds; the policy that is kept has learnt from all the
//! pictures and is taken to be no worse.

use std::time::Duration;

use super::answers::Answers;
use super::trial::{Trial, try_out};
use super::{AdaptError, AdaptOptions, fit};
use crate::adaptive::{Adaptive, Knowledge, OperatingPoint};
use crate::learn::parallel::in_parallel;

/// The confidence of the lower bound: it fails for one training in ten at most.
pub const CONFIDENCE: f64 = 0.9;

/// For each operating point, what became of each picture when it was unseen.
pub struct Tested {
    /// By operating point, then by picture.
    pub trials: Vec<Vec<Trial>>,
}

/// Tries each fold's policy on the pictures of the fold. `folds` holds every picture once.
pub fn cross_validate(
    answers: &Answers,
    folds: &[Vec<usize>],
    options: &AdaptOptions,
    times: &[Duration],
    budget: Option<Duration>,
) -> Result<Tested, AdaptError> {
    let policies = fold_policies(answers, folds, options)?;
    Ok(test(answers, folds, &policies, times, budget))
}

/// The policy of each fold, learnt from the pictures of all others.
pub fn fold_policies(
    answers: &Answers,
    folds: &[Vec<usize>],
    options: &AdaptOptions,
) -> Result<Vec<Adaptive>, AdaptError> {
    let learn = |held_out: &usize| {
        let others = folds.iter().enumerate().filter(|(number, _)| number != held_out);
        let pictures: Vec<usize> = others.flat_map(|(_, fold)| fold.iter().copied()).collect();
        Ok(policy(fit(answers, &pictures, options)?, answers))
    };
    in_parallel(&(0..folds.len()).collect::<Vec<_>>(), learn).into_iter().collect()
}

/// The policy of some knowledge, over all models of the answers.
pub fn policy(knowledge: Knowledge, answers: &Answers) -> Adaptive {
    let pool = knowledge.pool.iter().map(|&model| answers.models[model].clone()).collect();
    Adaptive::new(knowledge, pool, |_| true).expect("every model counts as loaded")
}

/// Tries the folds' policies on the folds' own pictures.
pub fn test(
    answers: &Answers,
    folds: &[Vec<usize>],
    policies: &[Adaptive],
    times: &[Duration],
    budget: Option<Duration>,
) -> Tested {
    let points = policies.first().map_or(0, |policy| policy.knowledge().points.len());
    let at_point = |&point: &usize| {
        let mut trials: Vec<Option<Trial>> = vec![None; answers.pictures.len()];
        for (fold, policy) in folds.iter().zip(policies) {
            let policy = policy.clone().at(point);
            for &picture in fold {
                trials[picture] = Some(try_out(&policy, answers, picture, times, budget));
            }
        }
        trials.into_iter().flatten().collect()
    };
    Tested { trials: in_parallel(&(0..points).collect::<Vec<_>>(), at_point) }
}

/// Notes in the knowledge what its operating points were worth in the test. `pictures` are the
/// numbers of the pictures tested, in the order of the trials.
pub fn note(points: &mut [OperatingPoint], tested: &Tested, answers: &Answers, pictures: &[usize]) {
    let mut assured = f64::INFINITY;
    for (point, trials) in points.iter_mut().zip(&tested.trials).rev() {
        let outcomes = trials.iter().zip(pictures);
        let right =
            outcomes.filter(|(trial, picture)| trial.is_right(answers.pictures[**picture].class));
        let right = right.count();
        let time: Duration = trials.iter().map(|trial| trial.time).sum();
        let count = trials.len().max(1);
        assured = assured.min(lower_bound(right, count, CONFIDENCE));
        point.accuracy = (right as f64 / count as f64) as f32;
        point.mean_time_ms = (time.as_secs_f64() * 1e3 / count as f64) as f32;
        point.assured_accuracy = assured as f32;
    }
}

/// The share that the true one is above with this confidence, when `right` of `count` are right:
/// the least share at which so many or more are not improbable.
pub fn lower_bound(right: usize, count: usize, confidence: f64) -> f64 {
    if right == 0 || count == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, right as f64 / count as f64);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if at_least(right, count, middle) < 1.0 - confidence { low = middle } else { high = middle }
    }
    low
}

/// The share that the true one is below with this confidence, when `wrong` of `count` are wrong; 1
/// without any.
pub fn upper_bound(wrong: usize, count: usize, confidence: f64) -> f64 {
    1.0 - lower_bound(count - wrong, count, confidence)
}

/// The probability that of `count` trials that succeed with probability `share`, `right` or more
/// do.
fn at_least(right: usize, count: usize, share: f64) -> f64 {
    if share <= 0.0 {
        return 0.0;
    }
    let odds = (share / (1.0 - share)).ln();
    // The logarithm of the probability of k successes, from k to k + 1.
    let mut logarithm = log_choose(count, right)
        + right as f64 * share.ln()
        + (count - right) as f64 * (1.0 - share).ln();
    let mut sum = 0.0;
    for successes in right..=count {
        sum += logarithm.exp();
        if successes < count {
            logarithm += ((count - successes) as f64 / (successes + 1) as f64).ln() + odds;
        }
    }
    sum
}

fn log_choose(count: usize, chosen: usize) -> f64 {
    (1..=chosen).map(|k| ((count - chosen + k) as f64 / k as f64).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_tables() {
        // Clopper and Pearson, one-sided, 95 %.
        let cases = [(8, 10, 0.4931), (80, 100, 0.7228), (100, 100, 0.9705), (1, 10, 0.0051)];
        for (right, count, expected) in cases {
            let bound = lower_bound(right, count, 0.95);
            assert!((bound - expected).abs() < 5e-4, "{right} of {count}: {bound}");
        }
        assert_eq!(lower_bound(0, 10, 0.95), 0.0);
    }

    #[test]
    fn the_upper_bound_mirrors_the_lower_one() {
        // Without an event in n trials: 1 - 0.05^(1/n), which is below 1 % from 299 on.
        assert!(upper_bound(0, 298, 0.95) > 0.01 && upper_bound(0, 299, 0.95) < 0.01);
        assert!((upper_bound(1, 10, 0.95) - 0.3942).abs() < 5e-4);
        assert_eq!((upper_bound(10, 10, 0.95), upper_bound(0, 0, 0.95)), (1.0, 1.0));
    }
}
