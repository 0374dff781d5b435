//! What a premodel is worth on pictures that it has not seen.
//!
//! The pictures are dealt into folds, by a fixed seed; each fold is judged by a premodel trained
//! from scratch (deployment and scaling included) on the others. Every picture counts, whatever
//! the premodel says: where all stages say no, the fallback runs. Times are those of the models
//! alone, as measured on each picture.
//!
//! Beside it stand each single model, the **random mix** (what drawing lots between two models in
//! the best proportion yields at the same mean time: a premodel below it is worth nothing) and the
//! **oracle** (which always runs the fastest right one of the deployed models; the fastest of
//! all where none is right).

use std::time::Duration;

use super::samples::{Picture, Samples};
use super::{Plan, fit};
use crate::models::ModelId;
use crate::premodel::Premodel;

const FOLDS: usize = 10;
const SEED: u64 = 0x636c_6173_7369_6679;

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

/// `None` if there are too few pictures to leave a fold out, or a fold has nothing to learn.
pub(super) fn cross_validate(samples: &Samples, plan: &Plan) -> Option<Evaluation> {
    let folds = deal(samples.pictures.len());
    let (mut premodel, mut oracle, mut decided) = (Tally::default(), Tally::default(), 0);
    for held_out in &folds {
        let seen: Vec<usize> =
            folds.iter().filter(|fold| *fold != held_out).flatten().copied().collect();
        let (trained, _) = fit(samples, &seen, plan).ok()?;
        let deployed = Deployed::new(samples, &trained);
        for &number in held_out {
            let picture = &samples.pictures[number];
            let verdict = trained.consult(&picture.features);
            let chosen = verdict.chosen().map(|stage| &stage.model);
            decided += usize::from(chosen.is_some());
            premodel.run(picture, position(samples, chosen.unwrap_or(trained.fallback())));
            oracle.run(picture, deployed.best_for(picture));
        }
    }
    let premodel = premodel.score();
    Some(Evaluation {
        folds: folds.len(),
        decided: 100.0 * decided as f64 / samples.pictures.len() as f64,
        random_mix: random_mix(&singles(samples), premodel.latency),
        premodel,
        oracle: oracle.score(),
    })
}

/// Pictures, dealt into folds of equal size but for one.
fn deal(pictures: usize) -> Vec<Vec<usize>> {
    let mut shuffled: Vec<usize> = (0..pictures).collect();
    fastrand::Rng::with_seed(SEED).shuffle(&mut shuffled);
    let folds = FOLDS.min(pictures);
    let fold = |first| shuffled.iter().skip(first).step_by(folds).copied().collect();
    (0..folds).map(fold).collect()
}

fn position(samples: &Samples, id: &ModelId) -> usize {
    let found = samples.models.iter().position(|model| model.id == *id);
    found.expect("a premodel knows the models of its samples")
}

struct Deployed {
    fastest_first: Vec<usize>,
}

impl Deployed {
    fn new(samples: &Samples, premodel: &Premodel) -> Self {
        let sequence: Vec<_> = premodel.sequence().map(|id| position(samples, id)).collect();
        Self { fastest_first: premodel.recipe().fastest_first(&sequence) }
    }

    fn best_for(&self, picture: &Picture) -> usize {
        picture.right.first_of(&self.fastest_first).unwrap_or(self.fastest_first[0])
    }
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

#[derive(Default)]
struct Tally {
    runs: usize,
    right: usize,
    time: Duration,
}

impl Tally {
    fn run(&mut self, picture: &Picture, model: usize) {
        self.runs += 1;
        self.right += usize::from(picture.right.contains(model));
        self.time += picture.latencies[model];
    }

    /// At least one run is needed.
    fn score(&self) -> Score {
        let runs = self.runs as f64;
        Score {
            accuracy: 100.0 * self.right as f64 / runs,
            latency: Duration::from_secs_f64(self.time.as_secs_f64() / runs),
        }
    }
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

    #[test]
    fn folds_are_even_and_hold_every_picture_once() {
        let folds = deal(25);
        assert!(folds.iter().all(|fold| (2..=3).contains(&fold.len())));
        let mut all = folds.concat();
        assert_ne!(all, (0..25).collect::<Vec<_>>(), "they are shuffled");
        all.sort_unstable();
        assert_eq!(all, (0..25).collect::<Vec<_>>());
        assert_eq!(deal(25), folds);
        assert_eq!(deal(3).len(), 3);
    }
}
