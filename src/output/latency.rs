//! Quantiles of times, in bounded memory.
//!
//! Times are counted in buckets that are one microsecond wide up to [`FINE`] microseconds and, from
//! there on, a [`FINE`]th of their power of two: a quantile is off by at most 1 / (2 * FINE), 0.8 %,
//! and a histogram never has more than 2240 buckets, however long it runs.

use std::time::Duration;

/// Buckets in each power of two.
const FINE: u64 = 1 << FINE_BITS;
const FINE_BITS: u32 = 6;

/// Longest time told apart, in microseconds: 2^40, over twelve days.
const LONGEST: u64 = (1 << 40) - 1;

/// How often times of about each length were seen.
#[derive(Clone, Debug, Default)]
pub(super) struct LatencyHistogram {
    /// By bucket index; as long as the longest time seen needs.
    counts: Vec<u64>,
    total: u64,
}

impl LatencyHistogram {
    /// Counts one time.
    pub(super) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST).min(LONGEST);
        let index = bucket(micros);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
        self.total += 1;
    }

    /// Counts all that `other` counted.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The time that `percent` of those counted do not exceed (nearest rank); `None` before the
    /// first.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(middle_nanos(index)))
    }
}

/// The index of the bucket that holds `micros`.
fn bucket(micros: u64) -> usize {
    let octave = (micros / FINE).checked_ilog2().map_or(0, |log| log + 1);
    let shift = octave.saturating_sub(1);
    let within = (micros >> shift) - if octave == 0 { 0 } else { FINE };
    (u64::from(octave) * FINE + within) as usize
}

/// The middle of a bucket, in nanoseconds.
fn middle_nanos(index: usize) -> u64 {
    let (octave, within) = (index as u64 / FINE, index as u64 % FINE);
    let shift = octave.saturating_sub(1);
    let start = (within + if octave == 0 { 0 } else { FINE }) << shift;
    start * 1000 + (500 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(micros: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        for micros in micros {
            histogram.record(Duration::from_micros(*micros));
        }
        histogram
    }

    #[test]
    fn nothing_counted_has_no_quantiles() {
        assert_eq!(LatencyHistogram::default().percentile(50), None);
    }

    #[test]
    fn one_outlier_in_twenty_shows_above_p95_only() {
        let mut micros = vec![10_000; 19];
        micros.push(900_000);
        let histogram = histogram(&micros);
        let milliseconds = |percent| histogram.percentile(percent).unwrap().as_secs_f64() * 1e3;
        assert!((milliseconds(50) / 10.0 - 1.0).abs() < 0.008);
        assert!((milliseconds(95) / 10.0 - 1.0).abs() < 0.008);
        assert!((milliseconds(96) / 900.0 - 1.0).abs() < 0.008);
    }

    #[test]
    fn merging_equals_counting_together() {
        let mut merged = histogram(&[5, 70, 3_000]);
        merged.merge(&histogram(&[100_000, 9]));
        let together = histogram(&[5, 70, 3_000, 100_000, 9]);
        for percent in [1, 20, 50, 75, 100] {
            assert_eq!(merged.percentile(percent), together.percentile(percent));
        }
    }

    #[test]
    fn the_longest_time_fits_in_bounded_memory() {
        let mut histogram = LatencyHistogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.counts.len(), 2240);
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_less_than_one_percent(
            mut micros in prop::collection::vec(100_u64..10_000_000_000, 1..200),
            percent in 1_u64..=100,
        ) {
            let found = histogram(&micros).percentile(percent).unwrap().as_secs_f64() * 1e6;
            micros.sort_unstable();
            let rank = (micros.len() as u64 * percent).div_ceil(100).max(1) as usize;
            let exact = micros[rank - 1] as f64;
            prop_assert!((found / exact - 1.0).abs() < 0.01, "{} for {}", found, exact);
        }
    }
}
