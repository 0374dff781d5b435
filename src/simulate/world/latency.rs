//! How long a run takes: a distribution, drawn from by inversion.

use std::time::Duration;

use super::chance::normal_quantile;

/// The 95th percentile of the standard normal distribution.
const NORMAL_95: f64 = 1.644_853_626_951_472;

/// The 99th.
const NORMAL_99: f64 = 2.326_347_874_040_841;

/// A distribution of run times, each above zero.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// The logarithm is normal with this standard deviation; zero for a run that always takes the
    /// same.
    Lognormal {
        /// The middle.
        median: Duration,
        /// The standard deviation of the logarithm.
        deviation: f64,
    },
    /// Straight lines between known quantiles, shares ascending and times not descending; what is
    /// beyond the first or the last is as long as these.
    Quantiles(Vec<(f64, Duration)>),
}

/// What else is known of a lognormal distribution besides its median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The time that 95 % of the runs do not exceed.
    Percentile95(Duration),
    /// The time that 99 % of the runs do not exceed.
    Percentile99(Duration),
}

impl Latency {
    /// Always the same.
    pub fn constant(time: Duration) -> Self {
        Self::Lognormal { median: time, deviation: 0.0 }
    }

    /// The lognormal distribution through two points. A percentile below the median counts as the
    /// median.
    pub fn lognormal(median: Duration, spread: Spread) -> Self {
        let (percentile, deviations) = match spread {
            Spread::Percentile95(time) => (time, NORMAL_95),
            Spread::Percentile99(time) => (time, NORMAL_99),
        };
        let ratio = percentile.as_secs_f64() / median.as_secs_f64();
        Self::Lognormal { median, deviation: ratio.max(1.0).ln() / deviations }
    }

    /// The time that this share of the runs does not exceed; the share is above 0 and below 1.
    pub fn quantile(&self, share: f64) -> Duration {
        match self {
            Self::Lognormal { median, deviation } if *deviation == 0.0 => *median,
            Self::Lognormal { median, deviation } => {
                median.mul_f64((deviation * normal_quantile(share)).exp())
            }
            Self::Quantiles(points) => interpolated(points, share),
        }
    }

    /// The middle.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The time that 95 % of the runs do not exceed.
    pub fn percentile_95(&self) -> Duration {
        self.quantile(0.95)
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        match self {
            Self::Lognormal { median, deviation } => {
                median.mul_f64((deviation * deviation / 2.0).exp())
            }
            Self::Quantiles(points) => mean_of(points),
        }
    }

    /// The same on a device that is so many times as fast.
    #[must_use]
    pub fn sped_up(&self, times: f64) -> Self {
        let quicker = |time: &Duration| time.div_f64(times).max(Duration::from_nanos(1));
        match self {
            Self::Lognormal { median, deviation } => {
                Self::Lognormal { median: quicker(median), deviation: *deviation }
            }
            Self::Quantiles(points) => Self::Quantiles(
                points.iter().map(|(share, time)| (*share, quicker(time))).collect(),
            ),
        }
    }
}

fn interpolated(points: &[(f64, Duration)], share: f64) -> Duration {
    let above = points.partition_point(|(known, _)| *known < share);
    match (above.checked_sub(1).and_then(|below| points.get(below)), points.get(above)) {
        (Some((low, from)), Some((high, to))) => {
            let part = (share - low) / (high - low);
            *from + (to.saturating_sub(*from)).mul_f64(part)
        }
        (Some((_, end)), None) | (None, Some((_, end))) => *end,
        (None, None) => Duration::ZERO,
    }
}

/// The area under the quantiles.
fn mean_of(points: &[(f64, Duration)]) -> Duration {
    let (Some((first, shortest)), Some((last, longest))) = (points.first(), points.last()) else {
        return Duration::ZERO;
    };
    let between =
        points.windows(2).map(|two| (two[0].1 + two[1].1).mul_f64((two[1].0 - two[0].0) / 2.0));
    shortest.mul_f64(*first) + between.sum::<Duration>() + longest.mul_f64(1.0 - last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::world::chance::Key;

    fn ms(milliseconds: f64) -> Duration {
        Duration::from_secs_f64(milliseconds / 1e3)
    }

    fn near(a: Duration, b: Duration) -> bool {
        a.abs_diff(b) < Duration::from_micros(1)
    }

    #[test]
    fn a_lognormal_goes_through_what_is_known_of_it() {
        let by_95 = Latency::lognormal(ms(10.0), Spread::Percentile95(ms(15.0)));
        assert!(near(by_95.median(), ms(10.0)) && near(by_95.percentile_95(), ms(15.0)));
        let by_99 = Latency::lognormal(ms(10.0), Spread::Percentile99(ms(15.0)));
        assert!(near(by_99.quantile(0.99), ms(15.0)));
        assert_eq!(Latency::constant(ms(7.0)).quantile(0.999), ms(7.0));
        let narrow = Latency::lognormal(ms(10.0), Spread::Percentile95(ms(9.0)));
        assert_eq!(narrow.percentile_95(), ms(10.0));
    }

    #[test]
    fn quantiles_are_joined_by_straight_lines() {
        let latency = Latency::Quantiles(vec![(0.05, ms(8.0)), (0.5, ms(10.0)), (0.95, ms(19.0))]);
        assert_eq!([0.01, 0.99].map(|share| latency.quantile(share)), [ms(8.0), ms(19.0)]);
        assert!(near(latency.quantile(0.725), ms(14.5)));
        assert_eq!(latency.median(), ms(10.0));
        assert_eq!(latency.sped_up(2.0).median(), ms(5.0));
    }

    #[test]
    fn means_are_those_of_many_draws() {
        for latency in [
            Latency::lognormal(ms(10.0), Spread::Percentile95(ms(30.0))),
            Latency::Quantiles(vec![(0.05, ms(8.0)), (0.5, ms(10.0)), (0.95, ms(19.0))]),
            Latency::constant(ms(3.0)),
        ] {
            let draws =
                (0..50_000).map(|number| latency.quantile(Key::new(1).of(number).uniform()));
            let mean = draws.sum::<Duration>() / 50_000;
            let share = mean.as_secs_f64() / latency.mean().as_secs_f64();
            assert!((share - 1.0).abs() < 0.02, "{latency:?}: {share}");
        }
    }
}
