//! What an entry is worth, from its answers to the images.
//!
//! # Conventions
//!
//! - Accuracies, precision, recall, F1 and calibration errors are in percent.
//! - **Every image counts.** A refusal (no predicted class) is wrong: it lowers accuracy and the
//!   recall of its true class, and no precision, because nothing was claimed.
//! - **Macro averages** run over the classes that occur as truth, each with the same weight. A class
//!   that is never predicted has precision 0. F1 is the mean of the classes' F1, not the F1 of the
//!   means. An answer outside of these classes is wrong and has no average of its own.
//! - **Percentiles of time** are by nearest rank: the smallest time that at least so many percent of
//!   the images did not exceed.
//! - **Effective accuracy** counts what is right *and* took no longer than the budget.
//! - [Intervals](bootstrap) hold 95 % of the resamples.
//!
//! All functions are pure and take at least one image; without one they give 0.

pub mod bootstrap;
pub mod calibration;
pub mod mix;
pub mod signals;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::premodel::Criterion;

pub use bootstrap::{Bootstrap, Resample};
pub use mix::RandomMix;

/// What an entry answered to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The true class.
    pub truth: usize,
    /// The first guess; `None` for a refusal.
    pub predicted: Option<usize>,
    /// Whether the true class is among the first five guesses.
    pub in_top5: bool,
    /// How long it took, all that was run for the image included.
    pub time: Duration,
}

impl Judged {
    /// Whether the answer is right under the criterion.
    pub fn right(&self, criterion: Criterion) -> bool {
        match criterion {
            Criterion::Top1 => self.predicted == Some(self.truth),
            Criterion::Top5 => self.in_top5 && self.predicted.is_some(),
        }
    }

    /// Whether the first guess is right and came within the budget.
    pub fn effective(&self, budget: Duration) -> bool {
        self.right(Criterion::Top1) && self.time <= budget
    }
}

/// Per image: 100 if it was answered rightly, else 0. Its mean is the accuracy in percent.
pub fn right(judged: &[Judged], criterion: Criterion) -> Vec<f64> {
    judged.iter().map(|answer| percent(answer.right(criterion))).collect()
}

/// Per image: 100 if it was answered rightly and in time, else 0. Its mean is the effective
/// accuracy in percent.
pub fn effective(judged: &[Judged], budget: Duration) -> Vec<f64> {
    judged.iter().map(|answer| percent(answer.effective(budget))).collect()
}

/// Per image: the time in milliseconds.
pub fn milliseconds(judged: &[Judged]) -> Vec<f64> {
    judged.iter().map(|answer| answer.time.as_secs_f64() * 1e3).collect()
}

/// The arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The share of right answers, in percent.
pub fn accuracy(judged: &[Judged], criterion: Criterion) -> f64 {
    mean(&right(judged, criterion))
}

/// The smallest time that at least `percent` of the images did not exceed.
pub fn percentile(judged: &[Judged], percent: f64) -> Duration {
    let mut times: Vec<Duration> = judged.iter().map(|answer| answer.time).collect();
    times.sort_unstable();
    let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
    times.get(rank.clamp(1, times.len().max(1)) - 1).copied().unwrap_or_default()
}

fn percent(right: bool) -> f64 {
    if right { 100.0 } else { 0.0 }
}

/// Averages over the classes that occur as truth, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Macro {
    /// Of what was called the class, the share that is of the class.
    pub precision: f64,
    /// Of what is of the class, the share that was called so.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Macro {
    /// Averages over the first guesses.
    pub fn new(judged: &[Judged]) -> Self {
        let classes = count_by_class(judged);
        let occurring = classes.values().filter(|counts| counts.true_ones > 0);
        let all: Vec<Counts> = occurring.copied().collect();
        let average = |share: fn(&Counts) -> f64| mean(&all.iter().map(share).collect::<Vec<_>>());
        Self {
            precision: average(Counts::precision),
            recall: average(Counts::recall),
            f1: average(Counts::f1),
        }
    }
}

fn count_by_class(judged: &[Judged]) -> BTreeMap<usize, Counts> {
    let mut classes = BTreeMap::<usize, Counts>::new();
    for answer in judged {
        let truth = classes.entry(answer.truth).or_default();
        truth.true_ones += 1;
        truth.hits += usize::from(answer.right(Criterion::Top1));
        if let Some(predicted) = answer.predicted {
            classes.entry(predicted).or_default().claimed += 1;
        }
    }
    classes
}

#[derive(Clone, Copy, Default)]
struct Counts {
    true_ones: usize,
    claimed: usize,
    hits: usize,
}

impl Counts {
    fn precision(&self) -> f64 {
        self.share(self.claimed)
    }

    fn recall(&self) -> f64 {
        self.share(self.true_ones)
    }

    fn f1(&self) -> f64 {
        2.0 * self.share(self.claimed + self.true_ones)
    }

    fn share(&self, of: usize) -> f64 {
        if of == 0 { 0.0 } else { 100.0 * self.hits as f64 / of as f64 }
    }
}

/// The perfect choice: for each image the answer of the fastest model that is right under the
/// criterion, or of the fastest of all where none is. `models` hold the same images in the same
/// order.
pub fn oracle(models: &[&[Judged]], criterion: Criterion) -> Vec<Judged> {
    let images = models.iter().map(|answers| answers.len()).min().unwrap_or(0);
    let best = |image: usize| {
        let answers = models.iter().map(|answers| answers[image]);
        answers.min_by_key(|answer| (!answer.right(criterion), answer.time))
    };
    (0..images).filter_map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn answer(truth: usize, predicted: Option<usize>, ms: u64) -> Judged {
        let in_top5 = predicted == Some(truth);
        Judged { truth, predicted, in_top5, time: Duration::from_millis(ms) }
    }

    /// Class 0: right, right, called 1. Class 1: right, refused. Nothing is of class 2.
    fn mixed() -> [Judged; 5] {
        let answers = [(0, Some(0), 10), (0, Some(0), 20), (0, Some(1), 30), (1, Some(1), 40)];
        let [a, b, c, d] = answers.map(|(truth, said, ms)| answer(truth, said, ms));
        [a, b, c, d, answer(1, None, 50)]
    }

    #[test]
    fn accuracy_counts_every_image() {
        assert_eq!(accuracy(&mixed(), Criterion::Top1), 60.0);
        let mut nearly = mixed();
        nearly[2].in_top5 = true;
        assert_eq!(accuracy(&nearly, Criterion::Top5), 80.0);
        assert_eq!(accuracy(&nearly, Criterion::Top1), 60.0);
        assert_eq!(accuracy(&[], Criterion::Top1), 0.0);
    }

    #[test]
    fn a_refusal_is_wrong_whatever_it_would_have_said() {
        let refused = Judged { in_top5: true, ..answer(3, None, 1) };
        assert!(!refused.right(Criterion::Top1) && !refused.right(Criterion::Top5));
    }

    #[test]
    fn a_refusal_lowers_recall_and_no_precision() {
        // Class 0: precision 2/2, recall 2/3, F1 4/5. Class 1: precision 1/2, recall 1/2, F1 1/2.
        let all = Macro::new(&mixed());
        assert_eq!(all.precision, 75.0);
        assert!((all.recall - 100.0 * (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-9);
        assert!((all.f1 - 65.0).abs() < 1e-9);
        let without = Macro::new(&mixed()[..4]);
        assert_eq!(without.precision, all.precision, "the refusal claimed nothing");
        assert!(without.recall > all.recall);
    }

    #[test]
    fn classes_that_are_never_true_are_not_averaged() {
        // Class 0: precision 1, recall 1/2, F1 2/3; class 7 is no truth.
        let all = Macro::new(&[answer(0, Some(0), 1), answer(0, Some(7), 1)]);
        assert_eq!((all.precision, all.recall), (100.0, 50.0));
        assert!((all.f1 - 200.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_class_that_is_never_claimed_has_no_precision() {
        let all = Macro::new(&[answer(0, Some(0), 1), answer(1, None, 1)]);
        assert_eq!((all.precision, all.recall, all.f1), (50.0, 50.0, 50.0));
        assert_eq!(Macro::new(&[]), Macro::default());
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let at = |percent| percentile(&mixed(), percent).as_millis();
        assert_eq!((at(50.0), at(95.0), at(20.0), at(0.0), at(100.0)), (30, 50, 10, 10, 50));
        assert_eq!(percentile(&[], 50.0), Duration::ZERO);
    }

    #[test]
    fn a_missed_deadline_counts_as_wrong() {
        let at = |ms| mean(&effective(&mixed(), Duration::from_millis(ms)));
        assert_eq!((at(9), at(10), at(39), at(40), at(1000)), (0.0, 20.0, 40.0, 60.0, 60.0));
    }

    #[test]
    fn times_are_averaged_in_milliseconds() {
        assert_eq!(mean(&milliseconds(&mixed())), 30.0);
    }

    #[test]
    fn the_oracle_runs_the_fastest_right_model() {
        let quick = [answer(0, Some(0), 5), answer(1, Some(9), 5), answer(2, Some(9), 5)];
        let slow = [answer(0, Some(0), 50), answer(1, Some(1), 50), answer(2, None, 4)];
        let best = oracle(&[&quick, &slow], Criterion::Top1);
        assert_eq!(best, [quick[0], slow[1], slow[2]]);
        assert!(oracle(&[], Criterion::Top1).is_empty());
    }

    #[test]
    fn the_oracle_of_top_5_counts_five_guesses() {
        let quick = [Judged { in_top5: true, ..answer(0, Some(4), 5) }];
        let slow = [answer(0, Some(0), 50)];
        assert_eq!(oracle(&[&slow, &quick], Criterion::Top5), quick);
        assert_eq!(oracle(&[&slow, &quick], Criterion::Top1), slow);
    }
}
