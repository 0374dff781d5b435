//! What the user asks of the policy, and the operating point that gives it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::knowledge::{Knowledge, OperatingPoint};

/// What an operating point is to give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This share of answers right, assured, in as little time as possible.
    Accuracy(f32),
    /// As many answers right as possible in this mean time of the models.
    MeanTime(Duration),
}

/// Why text is no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It is no share between 0 and 1.
    #[error("`{0}` is no share of right answers (write it like 0.85, above 0 and below 1)")]
    Accuracy(String),
    /// It is no time above 0.
    #[error("`{0}` is no time (write it like 12ms)")]
    MeanTime(String),
}

/// No operating point gives what is asked for.
#[derive(Clone, Debug, PartialEq, Error)]
#[error(
    "the adaptive policy has no operating point with {wanted}; there are:\n{points}\nask for less, \
     or train it with more or better models"
)]
pub struct NoSuchPoint {
    wanted: Target,
    points: String,
}

impl Target {
    /// Reads an accuracy, like `0.85`.
    pub fn accuracy(text: &str) -> Result<Self, TargetError> {
        let share = text.trim().parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
        share.map(Self::Accuracy).ok_or_else(|| TargetError::Accuracy(text.to_owned()))
    }

    /// Reads a mean time, like `12ms`.
    pub fn mean_time(text: &str) -> Result<Self, TargetError> {
        let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
        time.map(Self::MeanTime).ok_or_else(|| TargetError::MeanTime(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accuracy(share) => {
                write!(f, "an assured accuracy of at least {:.1} %", share * 100.0)
            }
            Self::MeanTime(time) => {
                write!(f, "a mean time of at most {:.1} ms", time.as_secs_f64() * 1e3)
            }
        }
    }
}

impl fmt::Display for OperatingPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f32| share * 100.0;
        let (accuracy, assured) = (percent(self.accuracy), percent(self.assured_accuracy));
        write!(f, "{:.1} ms: {accuracy:.1} % right, assured {assured:.1} %", self.mean_time_ms)
    }
}

impl Knowledge {
    /// The operating point for a target: the quickest that is accurate enough, or the most accurate
    /// that is quick enough.
    pub fn point_for(&self, target: Target) -> Result<usize, NoSuchPoint> {
        let points = self.points.iter().enumerate();
        let found = match target {
            Target::Accuracy(share) => points
                .filter(|(_, point)| point.assured_accuracy >= share)
                .min_by(|(_, a), (_, b)| a.mean_time_ms.total_cmp(&b.mean_time_ms)),
            Target::MeanTime(time) => points
                .filter(|(_, point)| f64::from(point.mean_time_ms) <= time.as_secs_f64() * 1e3)
                .max_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy)),
        };
        let none = || {
            let points: Vec<String> =
                self.points.iter().map(|point| format!("  {point}")).collect();
            NoSuchPoint { wanted: target, points: points.join("\n") }
        };
        found.map(|(number, _)| number).ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::tests::knowledge;

    /// Three points: 2 ms at 0.60 (assured 0.55), 7 at 0.80 (0.75), 20 at 0.85 (0.82).
    fn three_points() -> Knowledge {
        let mut knowledge = knowledge();
        let at = |mean_time_ms, accuracy, assured_accuracy| OperatingPoint {
            mean_time_ms,
            accuracy,
            assured_accuracy,
            ..knowledge.points[0].clone()
        };
        knowledge.points = vec![at(2.0, 0.6, 0.55), at(7.0, 0.8, 0.75), at(20.0, 0.85, 0.82)];
        knowledge
    }

    #[test]
    fn the_quickest_point_that_is_accurate_enough_is_found() {
        let point = |share| three_points().point_for(Target::Accuracy(share));
        assert_eq!(point(0.5), Ok(0));
        assert_eq!(point(0.75), Ok(1));
        assert_eq!(point(0.8), Ok(2), "0.8 was reached but is not assured by the second");
        let none = point(0.9).unwrap_err().to_string();
        assert!(none.contains("at least 90.0 %") && none.contains("20.0 ms: 85.0 %"), "{none}");
    }

    #[test]
    fn the_most_accurate_point_that_is_quick_enough_is_found() {
        let point = |ms| three_points().point_for(Target::MeanTime(Duration::from_millis(ms)));
        assert_eq!(point(2), Ok(0));
        assert_eq!(point(19), Ok(1));
        assert_eq!(point(60_000), Ok(2));
        let none = point(1).unwrap_err().to_string();
        assert!(none.contains("at most 1.0 ms") && none.contains("  2.0 ms:"), "{none}");
    }

    #[test]
    fn targets_are_read_with_care() {
        assert_eq!(Target::accuracy("0.85"), Ok(Target::Accuracy(0.85)));
        let twelve = Target::MeanTime(Duration::from_millis(12));
        assert_eq!(Target::mean_time("12ms"), Ok(twelve));
        for wrong in ["", "85", "0", "1", "-0.5", "NaN", "85%"] {
            assert!(Target::accuracy(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "12", "0ms", "-1ms", "soon"] {
            assert!(Target::mean_time(wrong).is_err(), "{wrong}");
        }
    }
}
