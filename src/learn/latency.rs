//! How long a model takes: repeated runs, their median, and how sure it is.
//!
//! The 95 % confidence interval of the median is taken from order statistics: of n runs in
//! ascending order, the true median lies between the j-th from below and the j-th from above with
//! probability 1 - 2 P(B < j), where B, the number of runs below it, is binomial(n, 1/2). j is the
//! largest for which that is at least 0.95. No distribution of the latencies is assumed. As runs
//! are added until the interval is narrow, its true coverage is a little lower.

use std::time::Duration;

use crate::scheduler::Cost;

/// Runs that are always made; fewer give no interval worth the name.
pub const LEAST_RUNS: usize = 30;

/// Runs after which it is given up to become more precise.
pub const MOST_RUNS: usize = 2_000;

/// Time after which it is given up to become more precise.
pub const MOST_TIME: Duration = Duration::from_secs(30);

/// The widest interval that is precise enough, as a share of the median.
pub const PRECISION: f64 = 0.05;

/// The quantiles that are kept, in percent.
pub const QUANTILES: [u8; 7] = [1, 5, 25, 50, 75, 95, 99];

/// The least probability that the interval holds the true median.
const CONFIDENCE: f64 = 0.95;

/// What the runs of a model took: preprocessing to probabilities, as the scheduler counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyStats {
    /// The median; of an even number of runs the mean of the middle two.
    pub median: Duration,
    /// The 95 % confidence interval of the median.
    pub interval: (Duration, Duration),
    /// How many runs there were.
    pub runs: usize,
    /// The latencies that [`QUANTILES`] percent of the runs do not exceed.
    pub quantiles: [Duration; QUANTILES.len()],
    /// The median of the time that making the tensor took.
    pub preprocess: Duration,
    /// The median of the time that the model and the reading of its output took.
    pub run: Duration,
}

impl LatencyStats {
    /// The statistics of runs; `None` without any.
    pub fn of(costs: &[Cost]) -> Option<Self> {
        let totals = sorted(costs.iter().copied().map(Cost::total));
        let depth = depth(totals.len());
        let above = totals.len().checked_sub(depth)?;
        Some(Self {
            median: median(&totals)?,
            interval: (*totals.get(depth - 1)?, *totals.get(above)?),
            runs: totals.len(),
            quantiles: QUANTILES.map(|percent| quantile(&totals, percent)),
            preprocess: median(&sorted(costs.iter().map(|cost| cost.preprocess)))?,
            run: median(&sorted(costs.iter().map(|cost| cost.run)))?,
        })
    }

    /// The latency that so many percent of the runs do not exceed: the next of [`QUANTILES`] from there
    /// on.
    pub fn percentile(&self, percent: u8) -> Duration {
        let at = QUANTILES.iter().position(|&quantile| quantile >= percent);
        self.quantiles[at.unwrap_or(QUANTILES.len() - 1)]
    }

    /// The width of the interval as a share of the median.
    pub fn relative_width(&self) -> f64 {
        let (low, high) = self.interval;
        (high - low).as_secs_f64() / self.median.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Whether the interval is narrower than [`PRECISION`] of the median.
    pub fn is_precise(&self) -> bool {
        self.runs >= LEAST_RUNS && self.relative_width() < PRECISION
    }
}

/// How far from either end of n ordered runs the interval begins, from 1; 1 for so few runs that
/// even the extremes are not sure enough.
fn depth(runs: usize) -> usize {
    let mut below = 0.0;
    let mut ln_term = -(runs as f64) * std::f64::consts::LN_2;
    let mut depth = 0;
    while depth <= runs / 2 {
        // Now P(B < depth + 1).
        below += ln_term.exp();
        if 2.0 * below > 1.0 - CONFIDENCE {
            break;
        }
        ln_term += ((runs - depth) as f64 / (depth + 1) as f64).ln();
        depth += 1;
    }
    depth.max(1)
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times
}

/// The median of times in any order; zero without any.
pub fn median_of(times: Vec<Duration>) -> Duration {
    median(&sorted(times.into_iter())).unwrap_or_default()
}

fn median(sorted: &[Duration]) -> Option<Duration> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2)
}

/// The nearest-rank quantile; the median as [`median`] has it.
fn quantile(sorted: &[Duration], percent: u8) -> Duration {
    if percent == 50 {
        return median(sorted).unwrap_or_default();
    }
    let rank = (sorted.len() * usize::from(percent)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Cost> {
        let cost =
            |ms| Cost { preprocess: Duration::from_millis(1), run: Duration::from_millis(ms) };
        milliseconds.into_iter().map(cost).collect()
    }

    #[test]
    fn the_depth_is_that_of_the_tables() {
        // Tables of the sign test at 95 %: n = 6: 1, 10: 2, 20: 6, 30: 10, 50: 18, 100: 40.
        let depths = [6, 10, 20, 30, 50, 100].map(depth);
        assert_eq!(depths, [1, 2, 6, 10, 18, 40]);
        assert_eq!([1, 2, 5].map(depth), [1, 1, 1]);
        // For many runs the normal approximation, 2000 / 2 - 0.98 sqrt(2000), holds.
        assert_eq!(depth(2000), 956);
    }

    #[test]
    fn the_statistics_are_those_of_the_ordered_runs() {
        let stats = LatencyStats::of(&costs((0..100).rev())).unwrap();
        let ms = Duration::from_millis;
        assert_eq!(stats.median, Duration::from_micros(50_500));
        assert_eq!(stats.interval, (ms(40), ms(61)));
        assert_eq!(stats.runs, 100);
        let quantiles = [1, 5, 25, 0, 75, 95, 99].map(ms);
        assert_eq!(stats.quantiles[..3], quantiles[..3]);
        assert_eq!(stats.quantiles[3], stats.median);
        assert_eq!(stats.quantiles[4..], quantiles[4..]);
        assert_eq!((stats.preprocess, stats.run), (ms(1), Duration::from_micros(49_500)));
    }

    #[test]
    fn one_run_has_statistics_and_none_has_not() {
        let stats = LatencyStats::of(&costs([7])).unwrap();
        let all = Duration::from_millis(8);
        assert_eq!((stats.median, stats.interval), (all, (all, all)));
        assert!(!stats.is_precise(), "one run is not enough");
        assert_eq!(LatencyStats::of(&[]), None);
    }

    #[test]
    fn precision_is_a_narrow_interval_of_enough_runs() {
        let even = |runs| LatencyStats::of(&costs(std::iter::repeat_n(100, runs))).unwrap();
        assert!(!even(29).is_precise());
        assert!(even(30).is_precise());
        let spread = LatencyStats::of(&costs((0..1000).map(|n| 50 + n % 100))).unwrap();
        assert!(!spread.is_precise(), "{}", spread.relative_width());
        assert!(LatencyStats::of(&costs((0..1000).map(|n| 95 + n % 10))).unwrap().is_precise());
    }
}
