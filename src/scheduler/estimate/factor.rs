//! By what factor a device is slower than usual: a Kalman filter of one number.

use super::surprise::Surprise;

/// The variance before the first run: the warm-up did not see the real load.
const FIRST_VARIANCE: f64 = 0.1 * 0.1;

/// The least process noise, as a variance for each run: a quarter of a percent.
const LEAST_NOISE: f64 = 0.0025 * 0.0025;

/// The most process noise: what moves the factor further at once is told from noise by other rules.
const MOST_NOISE: f64 = 0.1 * 0.1;

/// The most that is unknown of the factor, however long no run told anything of it.
const MOST_VARIANCE: f64 = 0.3 * 0.3;

/// The share of the process noise that is kept from run to run.
const PERSISTENCE: f64 = 0.3;

/// The natural logarithm of the factor, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    mean: f64,
    variance: f64,
    noise: f64,
    /// The variance of what may have changed since the latest run, unseen.
    doubt: f64,
}

impl Factor {
    /// A device that is as slow as usual, as far as is known.
    pub(super) fn new() -> Self {
        Self { mean: 0.0, variance: FIRST_VARIANCE, noise: LEAST_NOISE, doubt: 0.0 }
    }

    /// Its mean.
    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Its variance at the next run.
    pub(super) fn variance(&self) -> f64 {
        self.variance + self.noise + self.doubt
    }

    /// The part of that variance that is what may have changed unseen.
    pub(super) fn doubted(&self) -> f64 {
        self.doubt
    }

    /// Takes a run in.
    pub(super) fn learn(&mut self, surprise: Surprise) {
        let step = surprise.share(self.variance());
        self.mean += step;
        self.variance = surprise.rest(self.variance()).min(MOST_VARIANCE);
        // A step after doubt was to be expected, and says nothing of the runs to come.
        if self.doubt == 0.0 {
            let noise = PERSISTENCE * self.noise + (1.0 - PERSISTENCE) * step * step;
            self.noise = noise.clamp(LEAST_NOISE, MOST_NOISE);
        }
        self.doubt = 0.0;
    }

    /// Moves the mean at once; what it is then is known with such a variance.
    pub(super) fn jump(&mut self, shift: f64, variance: f64) {
        self.mean += shift;
        self.variance = variance.min(MOST_VARIANCE);
        self.doubt = 0.0;
    }

    /// Takes into account that the mean may have changed by about `deviation` unseen.
    pub(super) fn doubt(&mut self, deviation: f64) {
        self.doubt += deviation * deviation;
    }

    /// Counts from another origin.
    pub(super) fn shift_origin(&mut self, by: f64) {
        self.mean -= by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_is_the_share_of_the_variance() {
        let mut factor = Factor::new();
        let (before, run) = (factor.variance(), 0.03 * 0.03);
        factor.learn(Surprise::measured(0.1, before + run));
        let gain = before / (before + run);
        assert!((factor.mean() - gain * 0.1).abs() < 1e-12);
        // What is left of the variance is that of two measurements together.
        let together = 1.0 / (1.0 / before + 1.0 / run);
        assert!((factor.variance - together).abs() < 1e-12);
        let step = gain * 0.1;
        let noise = 0.3 * LEAST_NOISE + 0.7 * step * step;
        assert!((factor.variance() - factor.variance - noise).abs() < 1e-12);
    }

    #[test]
    fn a_step_after_doubt_is_no_noise() {
        let mut factor = Factor::new();
        factor.doubt(1.0);
        factor.learn(Surprise::measured(0.7, factor.variance() + 1e-4));
        assert!((factor.mean() - 0.7).abs() < 1e-3);
        assert_eq!(factor.noise, LEAST_NOISE);
        assert!(factor.variance() < 2e-4, "the doubt is over");
    }

    #[test]
    fn the_noise_falls_to_its_least_when_nothing_moves() {
        let mut factor = Factor::new();
        factor.learn(Surprise::measured(0.5, 4.0 * factor.variance()));
        assert!(factor.noise > 100.0 * LEAST_NOISE);
        for _ in 0..50 {
            factor.learn(Surprise::measured(0.0, factor.variance() + 1e-4));
        }
        assert_eq!(factor.noise, LEAST_NOISE);
    }
}
