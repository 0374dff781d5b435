//! What a premodel is worth on pictures that it has not seen.
//!
//! The pictures are dealt into folds; each fold is judged by a premodel trained from scratch (the
//! choice of models, features and k included) on the others. Every picture counts, whatever the
//! premodel says: where all stages say no, the fallback runs. Times are those of the models alone,
//! as measured on each picture.
//!
//! Beside it stand each single model, the **random mix** (what drawing lots between two models in
//! the best proportion yields at the same mean time: a premodel below it is worth nothing) and the
//! **oracle** (which always runs the fastest right one of the deployed models; the fastest of
//! all where none is right).

use std::time::Duration;

use super::ballot::Tally;
use super::folds::deal;
use super::samples::{Picture, Samples};
use super::{Plan, fit};
use crate::learn::parallel::in_parts;
use crate::models::ModelId;
use crate::premodel::Premodel;

/// How often right, and in what time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The share of pictures answered rightly, in percent.
    pub accuracy: f64,
    /// The mean latency.
    pub latency: Duration,
}

/// The outcome of cross-validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// How many folds there were.
    pub folds: usize,
    /// The premodel, with its fallback.
    pub premodel: Score,
    /// The share of pictures that some stage said yes to, in percent.
    pub decided: f64,
    /// The accuracy of the random mix at the premodel's mean latency, in percent.
    pub random_mix: f64,
    /// The perfect choice among the deployed models.
    pub oracle: Score,
}

/// Each model alone.
pub(super) fn singles(samples: &Samples) -> Vec<Score> {
    let single = |model: usize| {
        let mut tally = Tally::default();
        samples.pictures.iter().for_each(|picture| tally.run(picture, model));
        tally.score()
    };
    (0..samples.models.len()).map(single).collect()
}

/// `None` if the pictures of some fold leave too few to learn from, or nothing to learn.
pub(super) fn cross_validate(samples: &Samples, plan: &Plan) -> Option<Evaluation> {
    let groups: Vec<usize> = samples.pictures.iter().map(|picture| picture.group).collect();
    let folds = deal(&groups, plan.options.folds, plan.options.seed);
    let mut sum = Outcome::default();
    for held_out in &folds {
        let seen: Vec<usize> =
            folds.iter().filter(|fold| *fold != held_out).flatten().copied().collect();
        let trained = fit(samples, &seen, plan).ok()?.premodel;
        let judge = Judge::new(samples, &trained);
        in_parts(held_out, |part| judge.judge(part)).into_iter().for_each(|part| sum.add(&part));
    }
    let premodel = sum.premodel.score();
    Some(Evaluation {
        folds: folds.len(),
        decided: 100.0 * sum.decided as f64 / samples.pictures.len() as f64,
        random_mix: random_mix(&singles(samples), premodel.latency),
        premodel,
        oracle: sum.oracle.score(),
    })
}

/// What became of pictures that a premodel had not seen.
#[derive(Default)]
struct Outcome {
    premodel: Tally,
    oracle: Tally,
    decided: usize,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.premodel += other.premodel;
        self.oracle += other.oracle;
        self.decided += other.decided;
    }
}

/// A premodel, with its models as positions among those of the samples.
struct Judge<'a> {
    samples: &'a Samples,
    premodel: &'a Premodel,
    fastest_first: Vec<usize>,
    fallback: usize,
}

impl<'a> Judge<'a> {
    fn new(samples: &'a Samples, premodel: &'a Premodel) -> Self {
        let sequence: Vec<_> = premodel.sequence().map(|id| position(samples, id)).collect();
        let fastest_first = premodel.recipe().fastest_first(&sequence);
        let fallback = position(samples, premodel.fallback());
        Self { samples, premodel, fastest_first, fallback }
    }

    fn judge(&self, pictures: &[usize]) -> Outcome {
        let mut outcome = Outcome::default();
        for &number in pictures {
            let picture = &self.samples.pictures[number];
            let verdict = self.premodel.consult(&picture.features);
            let chosen = verdict.chosen().map(|stage| position(self.samples, &stage.model));
            outcome.decided += usize::from(chosen.is_some());
            outcome.premodel.run(picture, chosen.unwrap_or(self.fallback));
            outcome.oracle.run(picture, self.best_for(picture));
        }
        outcome
    }

    fn best_for(&self, picture: &Picture) -> usize {
        picture.right.first_of(&self.fastest_first).unwrap_or(self.fastest_first[0])
    }
}

fn position(samples: &Samples, id: &ModelId) -> usize {
    let found = samples.models.iter().position(|model| model.id == *id);
    found.expect("a premodel knows the models of its samples")
}

/// The best accuracy at a mean latency that one model, or lots drawn between two, can have. The
/// fastest model's, where all are slower.
pub(crate) fn random_mix(singles: &[Score], latency: Duration) -> f64 {
    let fits = |single: &&Score| single.latency <= latency;
    let alone = singles.iter().filter(fits).map(|single| single.accuracy);
    let pairs = singles.iter().filter(fits).flat_map(|fast| {
        let slower = singles.iter().filter(|single| single.latency > latency);
        slower.map(|slow| between(fast, slow, latency))
    });
    let best = alone.chain(pairs).reduce(f64::max);
    let fastest = || singles.iter().min_by_key(|single| single.latency).map(|s| s.accuracy);
    best.or_else(fastest).unwrap_or(0.0)
}

/// `fast` is no slower than `latency`, `slow` is slower.
fn between(fast: &Score, slow: &Score, latency: Duration) -> f64 {
    let span = (slow.latency - fast.latency).as_secs_f64();
    let share = (latency - fast.latency).as_secs_f64() / span;
    fast.accuracy + share * (slow.accuracy - fast.accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(accuracy: f64, milliseconds: u64) -> Score {
        Score { accuracy, latency: Duration::from_millis(milliseconds) }
    }

    #[test]
    fn the_random_mix_lies_on_the_best_line() {
        let singles = [score(70.0, 10), score(72.0, 20), score(90.0, 30)];
        let mix = |milliseconds| random_mix(&singles, Duration::from_millis(milliseconds));
        assert_eq!(mix(10), 70.0);
        assert_eq!(mix(20), 80.0, "half of the time the slowest beats the one in the middle");
        assert_eq!(mix(30), 90.0);
        assert_eq!(mix(99), 90.0);
        assert_eq!(mix(5), 70.0);
    }

    #[test]
    fn a_slower_model_that_is_worse_is_not_mixed_in() {
        let singles = [score(80.0, 10), score(60.0, 30)];
        assert_eq!(random_mix(&singles, Duration::from_millis(20)), 80.0);
    }
}
