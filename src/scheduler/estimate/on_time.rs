//! How surely an answer is to be in time.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::normal;

/// Standard deviations beyond which all is certain: one in two thousand is not.
const SURE: f32 = 3.3;

/// The probability with which a run is to take no longer than is allowed for it: more than one half
/// and less than 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct OnTime {
    probability: f64,
    /// The standard deviations above the mean that are needed for it.
    z: f32,
}

/// Why something is no such probability.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` cannot be the probability of being in time (write it like 0.999, above 0.5 and below 1)"
)]
pub struct OnTimeError(String);

impl OnTime {
    /// The probability, if it is one.
    pub fn new(probability: f64) -> Result<Self, OnTimeError> {
        let fits = probability > 0.5 && probability < 1.0;
        fits.then(|| Self::of(probability)).ok_or_else(|| OnTimeError(probability.to_string()))
    }

    fn of(probability: f64) -> Self {
        Self { probability, z: normal::quantile(probability) as f32 }
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.probability
    }

    /// The probability that a run is in time which has so many times the time to spare that it is to have
    /// for this one, if what runs take is normally distributed.
    pub fn with(self, times: f32) -> f32 {
        let z = self.z * times;
        if z < SURE { normal::distribution(z.into()) as f32 } else { 1.0 }
    }
}

impl Default for OnTime {
    /// One run in a thousand may take longer.
    fn default() -> Self {
        Self::of(0.999)
    }
}

impl FromStr for OnTime {
    type Err = OnTimeError;

    fn from_str(text: &str) -> Result<Self, OnTimeError> {
        let probability = text.trim().parse().ok().and_then(|number| Self::new(number).ok());
        probability.ok_or_else(|| OnTimeError(text.to_owned()))
    }
}

impl fmt::Display for OnTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.probability.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_read_as_they_are_written() {
        for text in ["0.999", "0.51", "0.95"] {
            assert_eq!(text.parse::<OnTime>().unwrap().to_string(), text);
        }
        assert_eq!(" 0.9\n".parse(), OnTime::new(0.9));
        assert_eq!("0.999".parse(), Ok(OnTime::default()));
    }

    #[test]
    fn more_time_to_spare_makes_it_surer() {
        let on_time = OnTime::new(0.9).unwrap();
        let with = [0.0, 1.0, 2.0, 3.0].map(|times| on_time.with(times));
        assert!((with[0] - 0.5).abs() < 1e-6 && (with[1] - 0.9).abs() < 1e-6, "{with:?}");
        assert!((with[2] - 0.9948).abs() < 1e-4 && with[3] == 1.0, "{with:?}");
    }

    #[test]
    fn what_is_no_probability_above_one_half_is_refused() {
        for text in ["", "1", "0.5", "0", "-0.9", "99.9%", "99.9", "NaN", "inf", "often"] {
            let error = text.parse::<OnTime>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` cannot be")), "{error}");
            assert!(error.contains("like 0.999"), "{error}");
        }
        assert!(OnTime::new(f64::NAN).is_err());
    }
}
