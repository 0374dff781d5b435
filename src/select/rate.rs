//! Thins a stream to a target rate, with even spacing. Pure: time is that of the frames themselves.
//!
//! Frames are due one period apart; of those that come, the one nearest to when one is due is taken. It
//! is told without waiting for the next one: a frame is taken if it is due, or if it is early by no more
//! than half the time since the frame before it, since the next one would then be later by more than
//! that. The grid stays where it is, so that jitter does not add up and the rate is the target's on
//! average. A frame that is late by more than half a period, after a gap, begins the grid anew: nothing
//! is made up for. So does one from before the latest that was taken, by a period or more: time went
//! back. While time stands still, none is due.
//!
//! Of the frames within a time T, at most 1.5 + T / period are taken, and no two of them are nearer than
//! a third of a period, unless time goes back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// More frames per second are no rate of a camera.
const MOST: f64 = 1000.0;

/// Frames per second that are to be classified: above 0, 1000 at most.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct TargetRate(f64);

/// Why something is no target rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` cannot be a rate in frames per second (write it like 5 or 7.5, above 0, 1000 at most)"
)]
pub struct TargetRateError(String);

impl TargetRate {
    fn period(self) -> Duration {
        // A rate that is next to nothing would not fit a duration.
        Duration::try_from_secs_f64(1.0 / self.0).unwrap_or(Duration::MAX / 4)
    }
}

impl FromStr for TargetRate {
    type Err = TargetRateError;

    fn from_str(text: &str) -> Result<Self, TargetRateError> {
        let rate = text.trim().parse().ok().filter(|rate| *rate > 0.0 && *rate <= MOST);
        rate.map(Self).ok_or_else(|| TargetRateError(text.to_owned()))
    }
}

impl fmt::Display for TargetRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which frames of a stream are taken.
#[derive(Clone, Debug)]
pub(super) struct Thinning {
    period: Duration,
    latest: Option<Latest>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    /// The frame that was taken last.
    taken: Duration,
    /// The frame that came last.
    seen: Duration,
    /// When one is due.
    due: Duration,
}

impl Thinning {
    pub(super) fn new(rate: TargetRate) -> Self {
        Self { period: rate.period(), latest: None }
    }

    /// Whether the frame of that time is taken.
    pub(super) fn takes(&mut self, at: Duration) -> bool {
        let half = self.period / 2;
        let Some(latest) = &mut self.latest else { return self.begin(at) };
        if at.saturating_add(self.period) <= latest.taken {
            return self.begin(at);
        }
        let since = at.saturating_sub(latest.seen).min(self.period);
        latest.seen = at;
        if at.saturating_add(since / 2) < latest.due {
            return false;
        }
        if at.saturating_sub(latest.due) > half {
            return self.begin(at);
        }
        (latest.taken, latest.due) = (at, latest.due.saturating_add(self.period));
        true
    }

    /// Takes a frame from which on others are due.
    fn begin(&mut self, at: Duration) -> bool {
        let due = at.saturating_add(self.period);
        self.latest = Some(Latest { taken: at, seen: at, due });
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thinning(rate: &str) -> Thinning {
        Thinning::new(rate.parse().unwrap())
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Of frames at these milliseconds, those that are taken.
    fn taken(rate: &str, frames: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut thinning = thinning(rate);
        frames.into_iter().filter(|at| thinning.takes(ms(*at))).collect()
    }

    /// A camera's frames, without jitter.
    fn camera(rate: u64, frames: u64) -> impl Iterator<Item = u64> {
        (0..frames).map(move |number| number * 1000 / rate)
    }

    #[test]
    fn a_whole_fraction_of_the_cameras_rate_is_every_nth_frame() {
        assert_eq!(taken("10", camera(30, 13)), [0, 100, 200, 300, 400]);
        assert_eq!(taken("15", camera(30, 7)), [0, 66, 133, 200]);
    }

    #[test]
    fn any_other_rate_is_spaced_as_evenly_as_the_camera_allows() {
        for (rate, expected) in [("20", 200), ("12", 120), ("7.5", 75), ("29", 290), ("0.5", 5)] {
            let taken = taken(rate, camera(30, 300));
            let count = taken.len() as i64;
            assert!((count - expected).abs() <= 1, "{rate}: {count}");
            let period = 1000.0 / rate.parse::<f64>().unwrap();
            for pair in taken.windows(2) {
                let off = (pair[1] - pair[0]) as f64 - period;
                assert!(off.abs() <= 35.0, "{rate}: {pair:?}");
            }
        }
    }

    #[test]
    fn a_rate_above_the_cameras_takes_every_frame() {
        for rate in ["30", "31", "60", "1000"] {
            assert_eq!(taken(rate, camera(30, 300)).len(), 300, "{rate}");
        }
    }

    #[test]
    fn jitter_neither_lowers_the_rate_nor_bunches_frames() {
        let mut lots = fastrand::Rng::with_seed(3);
        let frames: Vec<u64> = camera(30, 3000).map(|at| at + lots.u64(0..=16)).collect();
        let taken = taken("10", frames);
        assert!((995..=1001).contains(&taken.len()), "{}", taken.len());
        assert!(taken.windows(2).all(|pair| (35..=165).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn after_a_gap_nothing_is_made_up_for() {
        let frames = camera(30, 10).chain(camera(30, 31).map(|at| 5_040 + at));
        let taken = taken("5", frames);
        assert_eq!(taken, [0, 200, 5_040, 5_240, 5_440, 5_640, 5_840, 6_040]);
    }

    #[test]
    fn where_time_goes_back_thinning_goes_on_from_there() {
        let frames = camera(30, 61).chain(camera(30, 31));
        assert_eq!(taken("2", frames), [0, 500, 1000, 1500, 2000, 0, 500, 1000]);
        // Frames out of order are no reason to begin anew.
        assert_eq!(taken("10", [0, 66, 33, 133, 100, 200, 166, 300]), [0, 133, 200, 300]);
        assert_eq!(taken("10", [50; 20]), [50], "time stands still");
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "0", "-1", "NaN", "inf", "1001", "30fps"] {
            let error = text.parse::<TargetRate>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` cannot be a rate")), "{error}");
        }
        let mut hardly_any = thinning("1e-300");
        assert!(hardly_any.takes(ms(0)) && !hardly_any.takes(Duration::from_secs(1 << 40)));
        assert!(!hardly_any.takes(Duration::MAX / 8));
    }

    proptest! {
        #[test]
        fn no_stream_gets_more_than_its_rate(
            steps in prop::collection::vec(0..400_u64, 1..300), rate in 0.5..60.0_f64
        ) {
            let mut thinning = Thinning::new(TargetRate(rate));
            let (mut at, mut taken) = (0, Vec::new());
            for step in steps {
                at += step;
                if thinning.takes(ms(at)) {
                    taken.push(at as f64 / 1000.0);
                }
            }
            prop_assert!(taken.len() as f64 <= 1.5 + at as f64 / 1000.0 * rate + 1e-6);
            for pair in taken.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 1.0 / rate / 3.0 - 1e-6, "{:?}", pair);
            }
        }
    }
}
