//! By how much a run took more than was expected, and how much that says.
//!
//! A run that was over shows its time. One that was ended shows that it would have taken longer than it
//! had: an observation that is *censored* at a bound. What was expected being normal with the mean m and
//! the standard deviation s, such a run is held to have taken the mean of what lies above the bound b
//! (Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1, 1994, 13.10.1):
//!
//! ```text
//! mean      = m + s l(a)                a = (b - m) / s,  l(a) = pdf(a) / (1 - cdf(a))
//! variance  = s² (1 - d(a))             d(a) = l(a) (l(a) - a), between 0 and 1
//! ```
//!
//! With these two moments in place of a measurement the update of a Kalman filter is that of "The Tobit
//! Kalman Filter" (Allik et al., IEEE Transactions on Control Systems Technology 24, 2016): the mean of
//! the state moves as by a measurement at the mean above the bound, and its variance shrinks by d(a) of
//! what a measurement would take off, since d(a) of the variance is gone. A measurement at the bound
//! itself would be too low each time, and too certain.

use super::normal;

/// What a run says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surprise {
    /// By how much it took more than was expected.
    pub(super) residual: f64,
    /// The variance of that, as it was expected.
    pub(super) variance: f64,
    /// The share of that variance which is gone now: 1 if the time is known.
    pub(super) information: f64,
}

impl Surprise {
    /// Of a run whose time is known.
    pub(super) fn measured(residual: f64, variance: f64) -> Self {
        Self { residual, variance, information: 1.0 }
    }

    /// Of a run that took more than `residual`.
    pub(super) fn censored(residual: f64, variance: f64) -> Self {
        let deviation = variance.sqrt();
        let bound = residual / deviation;
        // So far above, the approximation of the distribution is no good; so many deviations above,
        // the mean is next to the bound.
        let above = if bound > 4.0 { bound + 1.0 / bound } else { mills(bound) };
        let information = (above * (above - bound)).clamp(0.0, 1.0);
        Self { residual: (deviation * above).max(residual), variance, information }
    }

    /// The part of the residual that is put down to what has this variance.
    pub(super) fn share(&self, variance: f64) -> f64 {
        variance / self.variance * self.residual
    }

    /// What is left of this variance.
    pub(super) fn rest(&self, variance: f64) -> f64 {
        (1.0 - variance / self.variance * self.information) * variance
    }
}

/// The mean of a standard normal variable that is above `bound` (the inverse of Mills' ratio).
fn mills(bound: f64) -> f64 {
    let density = (-bound * bound / 2.0).exp() / std::f64::consts::TAU.sqrt();
    density / normal::distribution(-bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_above_a_bound_is_that_of_the_tables() {
        // Integrated numerically.
        let table = [(0.0, 0.797_885), (1.0, 1.525_135), (2.0, 2.373_216), (3.0, 3.283_099)];
        for (bound, mean) in table {
            let surprise = Surprise::censored(0.1 * bound, 0.01);
            assert!((surprise.residual / 0.1 - mean).abs() < 0.002, "{bound}: {surprise:?}");
            let left = 1.0 - mean * (mean - bound);
            assert!((surprise.information - 1.0 + left).abs() < 0.01, "{bound}: {surprise:?}");
        }
    }

    #[test]
    fn the_mean_is_above_every_bound_and_says_less_than_a_measurement() {
        let mut before = 0.0;
        for hundredths in 0..2000 {
            let bound = f64::from(hundredths) / 100.0;
            let surprise = Surprise::censored(bound, 1.0);
            assert!(surprise.residual > bound.max(before - 0.01), "{bound}: {surprise:?}");
            assert!((0.63..=1.0).contains(&surprise.information), "{bound}: {surprise:?}");
            assert!(surprise.rest(0.5) >= Surprise::measured(bound, 1.0).rest(0.5));
            before = surprise.residual;
        }
    }

    #[test]
    fn a_measurement_leaves_what_two_have_together() {
        let surprise = Surprise::measured(0.1, 0.04 + 0.01);
        assert!((surprise.share(0.04) - 0.08).abs() < 1e-12);
        assert!((surprise.rest(0.04) - 1.0 / (1.0 / 0.04 + 1.0 / 0.01)).abs() < 1e-12);
    }
}
