//! Learns the adaptive policy ([`crate::adaptive`]) from profiles.
//!
//! 1. [`Answers`]: what every model answered to every picture, and how long each takes.
//! 2. The pool: the models that are worth having, alone or as partners (`pool`).
//! 3. The prior: the strongest that does not cost the rare classes anything (`prior`).
//! 4. For every set of up to [`MAX_SET`] models: the weights of its fusion
//!    (`weights`) and how certain its answers are (`certainty`).
//! 5. For each price of time: the gain of every model after every set, from the largest sets down,
//!    so that a gain counts what can still follow (`gains`).
//! 6. Cross-validation runs the policy that frames will meet on pictures it has not seen, and bounds
//!    its accuracy from below ([`assurance`]).
//! 7. The videos say when a frame may take over an answer, and how long one counts ([`time`]).
//!
//! **Invariant:** the same pictures and options give the same knowledge, to the bit, on any number
//! of cores.

mod answers;
pub mod assurance;
mod certainty;
mod gains;
mod linear;
mod pool;
mod prior;
mod scored;
#[cfg(test)]
mod tests;
pub mod time;
mod trial;
mod weights;

use std::time::Duration;

use thiserror::Error;

use crate::adaptive::{
    Knowledge, MAX_POOL, MAX_SET, ModelSet, OperatingPoint, Prior, SetFit, TimeFit,
};
use crate::learn::parallel::in_parallel;
use crate::models::ModelId;

pub use answers::{Answered, Answers};
pub(crate) use linear::ridge;
pub(crate) use trial::try_from;
pub use trial::{Trial, try_out};

use gains::Setting;
use scored::Scored;

/// Prices of time that are tried, as shares of right answers that the time of the pool's middle
/// model must bring: a geometric series.
const PRICES: usize = 24;
const LEAST_PRICE: f64 = 0.003;
const HIGHEST_PRICE: f64 = 0.2;

/// The most pictures, spread evenly, that weights, certainties and gains are fitted to: at most some
/// dozen numbers are fitted at a time. The prior counts all pictures.
const MOST_PICTURES: usize = 4_000;

/// A part of the policy that can be left out, to see what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Classes seen in training are more likely.
    Prior,
    /// Several models' answers are combined; without, the most accurate of them answers.
    Fusion,
    /// The weights of the combination are learnt; without, they are equal.
    Weights,
    /// Certainty looks at whether the models agree.
    Agreement,
    /// Gains count what can still follow; without, only the next model.
    Lookahead,
    /// A frame goes on to further models; without, the first one answers.
    Escalation,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Prior,
        Self::Fusion,
        Self::Weights,
        Self::Agreement,
        Self::Lookahead,
        Self::Escalation,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prior => "class prior",
            Self::Fusion => "fusion",
            Self::Weights => "learnt fusion weights",
            Self::Agreement => "agreement of the models",
            Self::Lookahead => "looking ahead",
            Self::Escalation => "escalation",
        }
    }
}

/// How to learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdaptOptions {
    /// The models to choose among; `None` for the members of the leading sets.
    pub pool: Option<Vec<ModelId>>,
    /// A part to leave out.
    pub without: Option<Part>,
}

impl AdaptOptions {
    fn has(&self, part: Part) -> bool {
        self.without != Some(part)
    }
}

/// Why no policy can be learnt.
#[derive(Debug, Error, PartialEq)]
pub enum AdaptError {
    /// There is nothing to learn from.
    #[error("there is no picture to learn the adaptive policy from")]
    NoPicture,
    /// A model for the pool that was not measured.
    #[error("the profiles have no model {0}; name models that they have")]
    UnknownModel(ModelId),
    /// Too large a pool.
    #[error("the adaptive policy chooses among 1 to {MAX_POOL} models, not {0}")]
    PoolSize(usize),
}

/// Learns from the pictures of these numbers. What the operating points are worth on unseen
/// pictures is not known yet: see [`assurance::note`].
pub fn fit(
    answers: &Answers,
    pictures: &[usize],
    options: &AdaptOptions,
) -> Result<Knowledge, AdaptError> {
    if pictures.is_empty() {
        return Err(AdaptError::NoPicture);
    }
    let pool = pool::choose(answers, pictures, options)?;
    let counts = answers.class_counts(pictures);
    let sample = pictures.iter().step_by(pictures.len().div_ceil(MOST_PICTURES));
    let mut scored: Vec<Scored> =
        sample.map(|&picture| Scored::new(&answers.pictures[picture], &pool)).collect();
    let strength = match options.has(Part::Prior) {
        true => prior::strength(&mut scored, &counts, pool.len()),
        false => 0.0,
    };
    scored.iter_mut().for_each(|one| one.set_prior(&counts, strength));
    let largest = if options.has(Part::Escalation) { MAX_SET } else { 1 };
    let sets = ModelSet::all(pool.len(), largest);
    let fits = fit_sets(&scored, &sets, options);
    let times: Vec<Duration> = pool.iter().map(|&model| answers.times[model]).collect();
    let points = fit_points(&scored, &fits, &times, options);
    Ok(Knowledge {
        pool,
        classes: answers.classes,
        prior: Prior::of_counts(&counts, strength),
        sets: fits,
        chosen: points.len() / 2,
        points,
        time: TimeFit::NONE,
    })
}

fn fit_sets(scored: &[Scored], sets: &[ModelSet], options: &AdaptOptions) -> Vec<SetFit> {
    let fit = |&set: &ModelSet| {
        let weights = weights::fit(scored, set, options);
        let right = certainty::fit(scored, set, &weights, options);
        SetFit { set, weights, right }
    };
    in_parallel(sets, fit)
}

fn fit_points(
    scored: &[Scored],
    fits: &[SetFit],
    times: &[Duration],
    options: &AdaptOptions,
) -> Vec<OperatingPoint> {
    let settings = in_parallel(fits, |fit| Setting::of(scored, fit));
    let prices: Vec<f64> = prices(times).collect();
    let mut points = in_parallel(&prices, |&price| gains::fit(&settings, times, price, options));
    points.reverse();
    points
}

/// Prices of a millisecond, ascending.
fn prices(times: &[Duration]) -> impl Iterator<Item = f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let middle = sorted[sorted.len() / 2].as_secs_f64() * 1e3;
    let step = (HIGHEST_PRICE / LEAST_PRICE).powf(1.0 / (PRICES - 1) as f64);
    (0..PRICES as i32).map(move |number| LEAST_PRICE * step.powi(number) / middle)
}
