//! What is known of one runner: its base, and how its runs spread about what was expected.

use super::surprise::Surprise;
use super::tail::Spread;
use super::window::Window;

/// The base follows about so many of the runner's own runs.
const BASE_RUNS: f64 = 256.0;

/// A runner does not go along with the factor precisely: where it changes by a share, the runner's
/// time changes by this much more or less of it.
const DISCORD: f64 = 0.1;

/// Runs of others after which the doubt about a runner that has not run since the factor moved is
/// halved, so that doubt alone shuts none out for good.
const DOUBT_RUNS: f64 = 64.0;

/// The least standard deviation of runs, as a share of their time.
const LEAST_DEVIATION: f64 = 0.01;

/// By so much runs are taken to vary whatever they take: what caches and other threads do to them.
const JITTER_SECONDS: f64 = 1e-4;

/// The standard deviation that runs are taken to have before there were any.
const PRIOR_DEVIATION: f64 = 0.05;

/// The number of runs that the prior counts as.
const PRIOR_RUNS: f64 = 8.0;

/// Fewer recent runs say nothing new of how they spread.
const LEAST_RUNS: usize = 8;

/// The quantile of the standard normal distribution at 0.9.
const Z_90: f64 = 1.281_551_566;

/// What the runs of one runner take, in natural logarithms of seconds.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    base: f64,
    base_variance: f64,
    /// The latest run that was no single outlier.
    seen: Seen,
    /// The residual of its latest run, if that was an outlier.
    outlier: Option<f64>,
    residuals: Window,
    spread: Spread,
}

/// When a runner is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The factor then.
    pub(super) factor: f64,
    /// The number of the run that shows it.
    pub(super) number: u64,
}

impl Runner {
    /// A runner that takes `base` at the factor 1, as `measured` runs said, and what is known of how
    /// its runs spread.
    pub(super) fn new(base: f64, measured: usize, residuals: Window, seen: Seen) -> Self {
        let spread = spread_of(&residuals);
        let base_variance = spread.deviation * spread.deviation / measured.max(1) as f64;
        Self { base, base_variance, seen, outlier: None, residuals, spread }
    }

    /// What a run takes on average.
    pub(super) fn mean(&self, factor: f64) -> f64 {
        self.base + factor
    }

    /// The median of what a run takes.
    pub(super) fn median(&self, factor: f64) -> f64 {
        self.mean(factor) + self.spread.median
    }

    /// What the fastest run that is remembered took, or would take at the factor now if that is lower.
    pub(super) fn fastest(&self, factor: f64) -> f64 {
        self.mean(factor.min(0.0)) + self.residuals.quantile(0.0)
    }

    pub(super) fn spread(&self) -> Spread {
        self.spread
    }

    pub(super) fn residuals(&self) -> &Window {
        &self.residuals
    }

    /// The variance of its runs, the factor and the base being known, as far as they say anything of
    /// the two: a run that is over in next to no time says next to nothing.
    pub(super) fn noise(&self) -> f64 {
        let deviation = self.spread.deviation.max(JITTER_SECONDS / self.base.exp());
        deviation * deviation
    }

    /// The variance of its runs.
    fn variance(&self) -> f64 {
        self.spread.deviation * self.spread.deviation
    }

    /// The variance of the base at the factor and the run `now`.
    pub(super) fn base_variance(&self, now: Seen) -> f64 {
        let others = now.number.saturating_sub(self.seen.number) as f64;
        let fresh = DOUBT_RUNS / (DOUBT_RUNS + others);
        let discord = DISCORD * (now.factor - self.seen.factor) * fresh;
        self.base_variance.max(self.variance() / BASE_RUNS) + discord * discord
    }

    /// Takes a run in that was ordinary; how it spread is for [`Self::record`].
    pub(super) fn learn(&mut self, surprise: Surprise, now: Seen) {
        let prior = self.base_variance(now);
        self.base += surprise.share(prior);
        self.base_variance = surprise.rest(prior);
        self.see(now);
    }

    /// Notes an ordinary run at this factor.
    pub(super) fn see(&mut self, now: Seen) {
        self.seen = now;
        self.outlier = None;
    }

    /// Notes an outlier that no other confirmed.
    pub(super) fn note_outlier(&mut self, residual: f64, number: u64) {
        self.outlier = Some(residual);
        self.record(residual, number);
    }

    /// The residual of the latest run, if it was an outlier. It is asked for once.
    pub(super) fn take_outlier(&mut self) -> Option<f64> {
        self.outlier.take()
    }

    /// Whether the factor has moved since the runner was seen, and a residual of `shift` says that
    /// the runner did not go along.
    pub(super) fn stays_behind(&self, shift: f64, factor: f64) -> bool {
        let moved = factor - self.seen.factor;
        moved * shift < 0.0 && moved.abs() >= shift.abs() / 2.0
    }

    /// The runner takes `shift` more from now on.
    pub(super) fn change(&mut self, shift: f64, now: Seen) {
        self.base += shift;
        self.base_variance = self.variance();
        self.see(now);
    }

    /// Counts the factor from another origin. What a run takes stays as it is.
    pub(super) fn shift_origin(&mut self, by: f64) {
        self.base += by;
        self.seen.factor -= by;
    }

    /// Remembers by how much run `number` took more than expected.
    pub(super) fn record(&mut self, residual: f64, number: u64) {
        self.residuals.push(residual, number);
        if self.residuals.len() >= LEAST_RUNS {
            self.spread = spread_of(&self.residuals);
        }
    }

    /// Forgets runs before `number`; how they spread about the median stays known.
    pub(super) fn forget_before(&mut self, number: u64) {
        self.residuals.forget_before(number);
    }
}

/// The median, and the standard deviation from the deciles, which outliers do not move; it is shrunk
/// to a prior as long as runs are few.
fn spread_of(residuals: &Window) -> Spread {
    let deciles = residuals.quantile(0.9) - residuals.quantile(0.1);
    let measured = deciles / (2.0 * Z_90);
    let runs = residuals.len() as f64;
    let prior = PRIOR_RUNS * PRIOR_DEVIATION * PRIOR_DEVIATION;
    let variance = (prior + runs * measured * measured) / (PRIOR_RUNS + runs);
    let deviation = variance.sqrt().max(LEAST_DEVIATION);
    Spread { median: residuals.quantile(0.5), deviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(factor: f64, number: u64) -> Seen {
        Seen { factor, number }
    }

    fn runner(residuals: impl IntoIterator<Item = f64>) -> Runner {
        let mut window = Window::default();
        residuals.into_iter().for_each(|residual| window.push(residual, 0));
        Runner::new(-4.0, 9, window, at(0.0, 0))
    }

    #[test]
    fn the_spread_is_that_of_most_runs() {
        let even = (0..1000).map(|n| f64::from(n - 500) / 1000.0);
        let of_even = runner(even.clone()).spread();
        // The deciles of what is even from -1/2 to 1/2 are 0.8 apart.
        assert!((of_even.deviation - 0.8 / 2.0 / Z_90).abs() < 0.005, "{of_even:?}");
        assert!(of_even.median.abs() < 0.001);
        let with_outliers = runner(even.chain([9.0; 20])).spread();
        assert!((with_outliers.deviation / of_even.deviation - 1.0).abs() < 0.03);
        assert_eq!(runner([]).spread().deviation, PRIOR_DEVIATION);
        assert_eq!(runner([0.0; 500]).spread().deviation, LEAST_DEVIATION);
    }

    #[test]
    fn a_factor_that_moved_while_it_rested_makes_a_runner_doubtful() {
        let runner = runner([0.0; 20]);
        let steady = runner.base_variance(at(0.0, 1000));
        let doubt = |factor, number| runner.base_variance(at(factor, number)) - steady;
        assert_eq!(doubt(0.0, 7), 0.0);
        assert!((doubt(0.5, 0) - 0.05 * 0.05).abs() < 1e-12);
        assert!((doubt(-0.5, 64) - 0.025 * 0.025).abs() < 1e-12, "halved after 64 runs of others");
    }

    #[test]
    fn a_runner_stays_behind_a_factor_that_moved_without_it() {
        let mut runner = runner([0.0; 20]);
        assert!(runner.stays_behind(-0.5, 0.6));
        assert!(!runner.stays_behind(0.5, 0.6), "it took even longer");
        assert!(!runner.stays_behind(-0.5, 0.1), "the factor hardly moved");
        runner.see(at(0.6, 1));
        assert!(!runner.stays_behind(-0.5, 0.6), "it went along before");
    }

    #[test]
    fn another_origin_changes_nothing_of_what_is_expected() {
        let mut runner = runner([0.01; 20]);
        let (median, doubt) = (runner.median(0.5), runner.base_variance(at(0.5, 3)));
        runner.shift_origin(0.2);
        assert!((runner.median(0.3) - median).abs() < 1e-12);
        assert!((runner.base_variance(at(0.3, 3)) - doubt).abs() < 1e-12);
    }
}
