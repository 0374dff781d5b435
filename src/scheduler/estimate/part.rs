//! One part of what runs cost, preprocessing or the run itself, for all runners of a device.
//!
//! The [module above](super) tells what is estimated; here are the rules by which a run is taken in. Its
//! residual is the natural logarithm of what it took less what was expected.
//!
//! - **Ordinary**: within 4 standard deviations. Factor and base share it by their variances.
//! - **Outlier**: all else. It is held until the next run, and moves nothing if that is ordinary.
//! - **A change of the device**: two outliers to the same side, one after the other, whoever ran. The
//!   factor moves by the lesser of the two at once, and their residuals count from there. So a change
//!   costs two runs, and a single outlier none.
//! - **A change of a runner**: two outliers to the same side in succession among its own runs, if
//!   others were ordinary in between, or if the factor moved while it rested and both say that it did
//!   not go along. Its base moves, the factor stays.

use super::MEMORY;
use super::factor::Factor;
use super::on_time::OnTime;
use super::runner::{Runner, Seen};
use super::surprise::Surprise;
use super::tail::{HOPE, Tail};
use super::window::Window;

/// Standard deviations beyond which a residual is an outlier.
const GATE: f64 = 4.0;

/// The share of the factor that goes over into the bases with each run, so that a slowdown that lasts
/// becomes usual.
const HABITUATION: f64 = 1.0 / MEMORY as f64;

/// The most that a device may turn out to be quicker than it ever was, as a natural logarithm: four
/// times.
const MOST_RELIEF: f64 = 2.0 * std::f64::consts::LN_2;

/// One part of what runs cost.
#[derive(Clone, Debug)]
pub(super) struct Part {
    factor: Factor,
    runners: Vec<Runner>,
    tail: Tail,
    /// The run before, if it was an outlier.
    held: Option<Outlier>,
    /// How many runs there were.
    number: u64,
    /// By how much those that are remembered took longer in their warm-up.
    slower_than_remembered: Vec<f64>,
}

/// A run that took far more or less than expected.
#[derive(Clone, Copy, Debug)]
struct Outlier {
    runner: usize,
    residual: f64,
    number: u64,
}

/// What a runner took at the factor 1 before a restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The median, as a natural logarithm of seconds.
    pub(super) median: f64,
    /// By how much runs took more.
    pub(super) residuals: Vec<f64>,
}

/// What a run is expected to take, in natural logarithms of seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    /// In the middle.
    pub(super) expected: f64,
    /// At best, as far as is known.
    pub(super) fastest: f64,
    /// At most.
    pub(super) allowance: f64,
    /// At most, if the middle is where it is taken to be and runs are normally distributed about it.
    pub(super) usual: f64,
    /// Where the middle may well be, for all that the runner's own runs tell.
    pub(super) hoped: f64,
    /// What the allowance was relaxed by.
    pub(super) relief: f64,
    /// A change by so much would be no surprise.
    pub(super) doubt: f64,
}

/// What allowances are relaxed by because frames were refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relief {
    /// Of the way down to the fastest runs that are known, the share that would be no surprise. Allowances
    /// are relaxed by its square, so that the first of many such frames hardly count.
    pub(super) known: f64,
    /// Beyond them, as a natural logarithm.
    pub(super) beyond: f64,
}

impl Part {
    pub(super) fn new(on_time: OnTime) -> Self {
        Self {
            factor: Factor::new(),
            runners: Vec::new(),
            tail: Tail::beyond(on_time),
            held: None,
            number: 0,
            slower_than_remembered: Vec::new(),
        }
    }

    pub(super) fn factor(&self) -> &Factor {
        &self.factor
    }

    /// Adds a runner that has warmed up; says whether there was any warm-up run.
    pub(super) fn add(&mut self, warm_up: &[f64], memory: Option<&Memory>) -> bool {
        let Some(level) = median(warm_up) else { return false };
        let remembered = memory.into_iter().flat_map(|memory| memory.residuals.iter().copied());
        let measured = warm_up.iter().map(|took| took - level);
        let mut residuals = Window::default();
        remembered.chain(measured).for_each(|residual| residuals.push(residual, self.number));
        let base = level - self.factor.mean();
        self.runners.push(Runner::new(base, warm_up.len(), residuals, self.now()));
        if let (Some(memory), 0) = (memory, self.number) {
            self.slower_than_remembered.push(level - memory.median);
            self.compare_with_memory();
        }
        true
    }

    /// What warm-ups took is what runs take; how much of that is a slowdown, those that are remembered
    /// say.
    fn compare_with_memory(&mut self) {
        let factor = median(&self.slower_than_remembered).unwrap_or_default();
        self.shift_origin(self.factor.mean() - factor);
    }

    /// What is worth remembering of a runner.
    pub(super) fn remember(&self, runner: usize) -> Memory {
        let runner = &self.runners[runner];
        let median = runner.spread().median;
        let residuals = runner.residuals().values().map(|residual| residual - median);
        Memory { median: runner.median(0.0), residuals: residuals.collect() }
    }

    fn now(&self) -> Seen {
        Seen { factor: self.factor.mean(), number: self.number }
    }

    /// Takes a run in; the factor may have changed by about `doubt` unseen.
    pub(super) fn learn(&mut self, runner: usize, took: f64, doubt: f64) {
        let residual = took - self.runners[runner].mean(self.factor.mean());
        self.take(runner, residual, doubt, Surprise::measured);
    }

    /// Takes a run in that was ended after that time. A time below what was expected says nothing.
    pub(super) fn learn_at_least(&mut self, runner: usize, bound: f64, doubt: f64) {
        let residual = bound - self.runners[runner].mean(self.factor.mean());
        if residual > 0.0 {
            self.take(runner, residual, doubt, Surprise::censored);
        }
    }

    fn take(&mut self, runner: usize, residual: f64, doubt: f64, of: fn(f64, f64) -> Surprise) {
        self.number += 1;
        self.factor.doubt(doubt);
        let variance = self.variance(runner) + self.runners[runner].noise();
        if residual.abs() <= GATE * variance.sqrt() {
            self.take_ordinary(runner, of(residual, variance));
        } else {
            self.take_outlier(Outlier { runner, residual, number: self.number });
        }
        self.shift_origin(HABITUATION * self.factor.mean());
        let oldest = self.number.saturating_sub(MEMORY);
        self.runners.iter_mut().for_each(|runner| runner.forget_before(oldest));
    }

    /// The variance of what a run of the runner takes on average.
    fn variance(&self, runner: usize) -> f64 {
        self.factor.variance() + self.runners[runner].base_variance(self.now())
    }

    fn take_ordinary(&mut self, runner: usize, surprise: Surprise) {
        self.release();
        let (now, doubted) = (self.now(), surprise.share(self.factor.doubted()));
        self.runners[runner].learn(surprise, now);
        self.runners[runner].record(surprise.residual - doubted, now.number);
        self.factor.learn(surprise);
    }

    /// The outlier that is held was a single one.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.runners[held.runner].note_outlier(held.residual, held.number);
        }
    }

    fn take_outlier(&mut self, outlier: Outlier) {
        let Outlier { runner, residual, number } = outlier;
        if let Some(shift) = self.held.and_then(|held| common(held.residual, residual))
            && let Some(held) = self.held.take()
        {
            return self.take_change(held, outlier, shift);
        }
        self.release();
        let own = self.runners[runner].take_outlier();
        match own.and_then(|own| common(own, residual)) {
            Some(shift) => {
                let now = self.now();
                self.runners[runner].change(shift, now);
                self.runners[runner].record(residual - shift, number);
            }
            None => self.held = Some(outlier),
        }
    }

    fn take_change(&mut self, first: Outlier, second: Outlier, shift: f64) {
        let (before, runner) = (self.now(), &mut self.runners[second.runner]);
        if first.runner == second.runner && runner.stays_behind(shift, before.factor) {
            runner.change(shift, before);
        } else {
            let noise = runner.noise().max(self.runners[first.runner].noise());
            self.factor.jump(shift, noise);
        }
        let now = self.now();
        for Outlier { runner, residual, number } in [first, second] {
            self.runners[runner].see(now);
            self.runners[runner].record(residual - shift, number);
        }
    }

    /// Lets `by` go over from the factor into the bases. What runs take stays as it is.
    fn shift_origin(&mut self, by: f64) {
        self.factor.shift_origin(by);
        self.runners.iter_mut().for_each(|runner| runner.shift_origin(by));
    }

    /// What a run of the runner takes, if the device may be quicker than is known.
    pub(super) fn quote(&self, runner: usize, relief: Relief) -> Quote {
        let (doubt, hoped) = (self.variance(runner).sqrt(), self.hoped(runner));
        let runner = &self.runners[runner];
        let median = runner.median(self.factor.mean());
        let full = median + self.tail.reach(runner.residuals(), runner.spread(), doubt);
        let fastest = runner.fastest(self.factor.mean()).min(full);
        let least = (fastest - relief.beyond).max(runner.median(0.0) - MOST_RELIEF).min(fastest);
        let known = relief.known * (full - fastest);
        let allowance = (full - relief.known * known - relief.beyond).max(least);
        let (expected, relaxed) = (median.min(allowance), full - allowance);
        let usual = expected + self.tail.normal_reach(runner.spread());
        let hoped = hoped.min(expected);
        Quote {
            expected,
            fastest,
            allowance,
            usual,
            hoped,
            relief: relaxed,
            doubt: known.max(relaxed),
        }
    }

    /// Where the middle of what the runner takes may well be.
    fn hoped(&self, runner: usize) -> f64 {
        let doubt = self.runners[runner].base_variance(self.now()).sqrt();
        self.runners[runner].median(self.factor.mean()) - HOPE * doubt
    }

    /// The probability that a run of the runner takes no more.
    pub(super) fn chance(&self, runner: usize, slack: f64) -> f64 {
        let doubt = self.variance(runner).sqrt();
        let runner = &self.runners[runner];
        let distance = slack - runner.median(self.factor.mean());
        self.tail.chance(distance, runner.residuals(), runner.spread(), doubt)
    }

    /// What that probability may well be.
    pub(super) fn hope(&self, runner: usize, slack: f64) -> f64 {
        let distance = slack - self.hoped(runner);
        let runner = &self.runners[runner];
        self.tail.hope(distance, runner.residuals(), runner.spread())
    }
}

/// The lesser of two residuals to the same side.
fn common(first: f64, second: f64) -> Option<f64> {
    let lesser = if first.abs() < second.abs() { first } else { second };
    (first * second > 0.0).then_some(lesser)
}

/// The median; of an even number the mean of the middle two.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let above = sorted.get(sorted.len() / 2)?;
    Some((sorted.get((sorted.len() - 1) / 2)? + above) / 2.0)
}
