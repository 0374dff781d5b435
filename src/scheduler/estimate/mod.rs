//! What runs take, learnt on line.
//!
//! An [`Estimator`] holds the runners of one device; a runner is a model with some number of threads.
//! Of each it says what a run is expected to take, what it takes at most with a given probability
//! ([`OnTime`]), and with what probability it is over within some time. All it hears is what runs
//! took, and when no runner seemed quick enough. It reads no clock, and its memory is bounded: 2048
//! runs of each runner.
//!
//! # Model
//!
//! The natural logarithm of what a run of runner i takes is `base_i + f + noise_i`.
//!
//! - The **factor** exp(f) belongs to the device: a throttled clock or a busy neighbour makes all
//!   models slower, also those that do not run at present. As in "ALERT: Accurate Learning for Energy
//!   and Timeliness" (Wan et al., USENIX ATC 2020) a Kalman filter follows it, with the variance P and
//!   a process noise Q that adapts. Of a run that took y more than expected, with the variance S, it
//!   makes
//!
//!   ```text
//!   gain = (P + Q) / S     f += gain y     P = (1 - gain) (P + Q)
//!   Q = 0.3 Q + 0.7 (gain y)², 0.0025² at least and 0.1² at most
//!   ```
//! - The **base** is what a run takes at the factor 1. It has a variance B_i of its own and takes its
//!   share B_i / S of y; B_i is s_i²/256 at least, so that it follows some hundred of the runner's own
//!   runs.
//! - The **noise** is how runs spread when both are taken out: y over the last 2048 runs of the runner,
//!   but none from before the last 4096 of the device.
//!
//! S = P + Q + B_i + s_i², where s_i is the standard deviation of the noise, by its deciles, and here at
//! least a tenth of a millisecond by what the run takes: so short a run tells nothing of the device.
//!
//! Unlike ALERT this reckons in logarithms, since slowness multiplies; the bases are learnt too; and a
//! change that comes at once is told from an outlier (the rules stand in `part.rs`), so that one slow
//! run does not move the factor and a change takes two runs.
//!
//! A run that was **ended** before it was over took at least so long. Where that is no longer than was
//! expected it says nothing. Otherwise it counts as the mean of what lies above the bound, for factor,
//! base and noise, and takes less off the variances (`surprise.rs`); an outlier counts as the bound.
//!
//! Preprocessing and run have a factor each: making tensors is the processor's work, wherever the
//! model runs.
//!
//! # Factor and base
//!
//! Only their sum is ever seen. The factor is what is recent and common, the base what lasts and is
//! the runner's own:
//!
//! - With each run 1/4096 of f goes over into all bases alike. No sum changes, so no estimate does; but
//!   the factor of a slowdown that lasts (another power mode) returns to 1, and it cannot drift.
//! - Outliers that repeat on the device move the factor; those that repeat with one runner, while
//!   others are ordinary, move its base.
//! - A runner that has not run since the factor moved is expected to go along, but less is known of
//!   it: a tenth of the move is added to the standard deviation of its base, and halved after 64 runs
//!   of others.
//!
//! # Allowance
//!
//! Let z be the normal quantile of the probability p, m_i the median of the noise, and c_i its
//! conformal quantile less m_i: of n runs all but max(1, floor((n + 1)(1 - p)) - 1) are below it.
//!
//! ```text
//! expected  = exp(base_i + f + m_i)
//! allowance = expected exp(sqrt(max(z s_i, c_i)² + z² (P + Q + B_i)))
//! ```
//!
//! The normal quantile serves as long as few runs are known, the conformal one covers tails of any
//! form (`tail.rs`). p holds between changes: one that comes at once costs up to two runs that are not
//! allowed for.
//!
//! # Hope
//!
//! Doubt about a model that just fits goes only if it runs. So what a run is worth is reckoned with what it
//! may well take, for all that the model's own runs tell: with a median that is lower by 3.5 standard
//! deviations sqrt(B_i), runs that are normally distributed about it ([`Estimator::hoped`],
//! [`Estimator::usual`]), and the upper bound of Wilson's interval, at 3.5 too, in the place of the share of
//! runs that were quick enough ([`Estimator::hope`]). Whether a run may begin at all is up to the allowance,
//! and to what trials may cost.
//!
//! # Estimates that keep models from running
//!
//! A model that seems too slow need not run to be tried again: the factor is learnt from the others,
//! and outliers of its own are forgotten after 4096 runs of the device. Only if no model runs any more
//! is nothing learnt. So frames that are refused ([`Estimator::refused`]) though the fastest run that is
//! known would have been in time relax all allowances: after n of them by (n/N)² of the way down to such
//! fastest runs, until one is short enough and a run shows the truth. N is 8 at first, so that a recovery
//! is found within ten frames. A device that rests gets slow (its clocks fall, its caches and memory go
//! cold), and the less it is tried the more it rests: so if a run that was let begin like that takes too
//! long, the same runner's fastest run is what counts at once, and the next frame is tried with it too. If
//! that takes too long as well, N doubles, up to 500; it is 8 again once a run takes no more than was
//! allowed. The standard deviation of the
//! factor grows by n/N of that way, so that this run is believed; what it took more or less is put down to
//! that, and is no measure of how runs spread. A device may even have become quicker than it ever was:
//! once 500 frames in a row were refused, every further one takes 2 % off whatever is known, down to a
//! quarter of what runs take at the factor 1.

mod factor;
mod normal;
mod on_time;
mod part;
mod power_mode;
mod runner;
mod saved;
mod surprise;
mod tail;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use part::{Part, Quote, Relief};

use super::{Cost, Took};
pub use on_time::{OnTime, OnTimeError};
pub use power_mode::PowerMode;
pub use saved::{DeviceKey, Remembered, Saved, SavedError};

/// Runs of the device after which what a runner took is forgotten, and a slowdown is usual.
const MEMORY: u64 = 4096;

/// What a refused frame takes off what is known of the fastest runs, as a natural logarithm.
const RELIEF: f64 = 0.02;

/// Refused frames after which what is known of the fastest runs is doubted.
const PATIENCE: u32 = 500;

/// Refused frames after which at first nothing but the fastest runs counts.
const FIRST_PATIENCE: u32 = 8;

/// Refused frames that count: more change nothing.
const MOST_REFUSED: u32 = 1000;

/// Nothing takes less, as far as it matters here; in seconds.
const LEAST_SECONDS: f64 = 1e-6;

/// Nothing takes more: a day, in seconds.
const MOST_SECONDS: f64 = 86_400.0;

/// What rounding to nanoseconds may take off an allowance.
const ROUNDING: Duration = Duration::from_nanos(1);

/// Names a runner of an [`Estimator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(usize);

impl RunnerId {
    /// Its place: runners count from 0 in the order in which they were added.
    pub fn index(self) -> usize {
        self.0
    }
}

/// By what factor runs take longer than usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slowdown {
    /// The factor; 1 is as usual, and 2 twice as slow.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// What the runs of one device take. The [module](self) tells how that is learnt.
///
/// Methods that take a [`RunnerId`] panic if it is none of this estimator's.
#[derive(Clone, Debug)]
pub struct Estimator {
    preprocess: Part,
    run: Part,
    quotes: Vec<Quoted>,
    /// Frames refused since the latest run.
    refused: u32,
    /// Those of them that the fastest run known would have been in time for.
    doubtful: u32,
    /// Doubtful frames after which nothing but the fastest runs counts.
    patience: u32,
    /// The runner that was tried after such frames and took too long, as it may because the device had
    /// rested: it is tried once more.
    again: Option<RunnerId>,
}

/// What a runner was found to take after the latest run.
#[derive(Clone, Copy, Debug, Default)]
struct Quoted {
    expected: Cost,
    fastest: Cost,
    allowance: Cost,
    usual: Cost,
    hoped: Cost,
    /// What the allowance of the run was relaxed by.
    relief: f64,
}

impl Estimator {
    /// An estimator without runners, whose allowances suffice with this probability.
    pub fn new(on_time: OnTime) -> Self {
        let part = Part::new(on_time);
        Self {
            preprocess: part.clone(),
            run: part,
            quotes: Vec::new(),
            refused: 0,
            doubtful: 0,
            patience: FIRST_PATIENCE,
            again: None,
        }
    }

    /// Adds a runner: what its warm-up runs took, and what is remembered of it from before a restart,
    /// if anything. `None` without any warm-up run.
    ///
    /// What the warm-up measured is what is expected. What is remembered says how runs spread, and
    /// whether the device is slower now than usual.
    pub fn add(&mut self, warm_up: &[Cost], remembered: Option<&Remembered>) -> Option<RunnerId> {
        let took = |part: fn(&Cost) -> Duration| -> Vec<f64> {
            warm_up.iter().map(|cost| logarithm(part(cost))).collect()
        };
        let memory = remembered.map(Remembered::memory);
        let [preprocess, run] = [|cost: &Cost| cost.preprocess, |cost: &Cost| cost.run].map(took);
        let is_measured = self.preprocess.add(&preprocess, memory.as_ref().map(|both| &both[0]))
            && self.run.add(&run, memory.as_ref().map(|both| &both[1]));
        if !is_measured {
            return None;
        }
        self.quotes.push(Quoted::default());
        self.quote();
        Some(RunnerId(self.quotes.len() - 1))
    }

    /// Learns what a run took.
    pub fn learn(&mut self, runner: RunnerId, took: impl Into<Took>) {
        let took = took.into();
        let (Took::Whole(cost) | Took::AtLeast(cost)) = took;
        let relief = self.relief(runner);
        let doubt = |part: &Part| part.quote(runner.0, relief).doubt;
        let (preprocess, run) = (doubt(&self.preprocess), doubt(&self.run));
        (self.patience, self.again) = self.after(runner, took);
        (self.refused, self.doubtful) = (0, 0);
        self.preprocess.learn(runner.0, logarithm(cost.preprocess), preprocess);
        match took {
            Took::Whole(_) => self.run.learn(runner.0, logarithm(cost.run), run),
            Took::AtLeast(_) => self.run.learn_at_least(runner.0, logarithm(cost.run), run),
        }
        self.quote();
    }

    /// How long to wait for the next trial after a run that may have been one, and whether it is tried
    /// again without waiting.
    fn after(&self, runner: RunnerId, took: Took) -> (u32, Option<RunnerId>) {
        match took {
            Took::Whole(cost) if cost.run <= self.allowance(runner).run => (FIRST_PATIENCE, None),
            _ if self.again == Some(runner) => ((2 * self.patience).min(PATIENCE), None),
            _ if self.doubtful > 0 => (self.patience, Some(runner)),
            _ => (self.patience, self.again),
        }
    }

    /// Notes that a frame expired because every runner's allowance was too long for what was `left` until
    /// its deadline, though the device was free. `quickest` is the one with the shortest.
    pub fn refused(&mut self, quickest: RunnerId, left: Duration) {
        self.refused = (self.refused + 1).min(MOST_REFUSED);
        if self.quotes[quickest.0].fastest.total() <= left {
            self.doubtful = (self.doubtful + 1).min(MOST_REFUSED);
        }
        self.quote();
    }

    fn relief(&self, runner: RunnerId) -> Relief {
        let waited = (f64::from(self.doubtful) / f64::from(self.patience)).min(1.0);
        let known = if self.again == Some(runner) { 1.0 } else { waited };
        let beyond = self.refused.saturating_sub(PATIENCE);
        Relief { known, beyond: f64::from(beyond) * RELIEF }
    }

    /// Reckons once for all decisions until the next run.
    fn quote(&mut self) {
        for runner in 0..self.quotes.len() {
            let relief = self.relief(RunnerId(runner));
            let preprocess = self.preprocess.quote(runner, relief);
            let run = self.run.quote(runner, relief);
            let cost =
                |of: fn(Quote) -> Duration| Cost { preprocess: of(preprocess), run: of(run) };
            self.quotes[runner] = Quoted {
                expected: cost(|quote| duration(quote.expected)),
                fastest: cost(|quote| duration(quote.fastest)),
                allowance: cost(|quote| duration(quote.allowance) + ROUNDING),
                usual: cost(|quote| duration(quote.usual)),
                hoped: cost(|quote| duration(quote.hoped)),
                relief: run.relief,
            };
        }
    }

    /// What a run takes in the middle: as many take less as take more.
    pub fn expected(&self, runner: RunnerId) -> Cost {
        self.quotes[runner.0].expected
    }

    /// What each part of a run takes at most, with the probability that the estimator was made for.
    pub fn allowance(&self, runner: RunnerId) -> Cost {
        self.quotes[runner.0].allowance
    }

    /// What they would take at most with that probability if the middle is where it is taken to be and runs
    /// are normally distributed about it: without what is allowed for doubt and for long tails.
    pub fn usual(&self, runner: RunnerId) -> Cost {
        self.quotes[runner.0].usual
    }

    /// What a run may well take in the middle, for all that the runner's own runs so far tell.
    pub fn hoped(&self, runner: RunnerId) -> Cost {
        self.quotes[runner.0].hoped
    }

    /// The probability that a run, its tensor being ready, is over within `slack`.
    ///
    /// As tensors are made while other runs go on, `slack` is what is left until the deadline once the
    /// device is free and the preprocessing has had its allowance.
    pub fn chance(&self, runner: RunnerId, slack: Duration) -> f64 {
        let relief = self.quotes[runner.0].relief;
        self.run.chance(runner.0, logarithm(slack) + relief)
    }

    /// What that probability may well be, for all that the runs so far tell: where many of few runs took
    /// longer, more will say whether that was bad luck.
    pub fn hope(&self, runner: RunnerId, slack: Duration) -> f64 {
        let relief = self.quotes[runner.0].relief;
        self.run.hope(runner.0, logarithm(slack) + relief)
    }

    /// By what factor runs take longer than usual at present, preprocessing left out.
    pub fn slowdown(&self) -> Slowdown {
        let factor = self.run.factor();
        let mean = factor.mean().exp();
        Slowdown { mean, deviation: mean * factor.variance().sqrt() }
    }

    /// What is worth remembering of a runner over a restart. The slowdown is not: warm-ups show it.
    pub fn remember(&self, runner: RunnerId) -> Remembered {
        Remembered::of(self.preprocess.remember(runner.0), self.run.remember(runner.0))
    }
}

fn logarithm(duration: Duration) -> f64 {
    duration.as_secs_f64().clamp(LEAST_SECONDS, MOST_SECONDS).ln()
}

fn duration(logarithm: f64) -> Duration {
    Duration::from_secs_f64(logarithm.exp().min(MOST_SECONDS))
}
