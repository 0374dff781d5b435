//! The standard normal distribution.

/// The probability that a standard normal variable is at most `z`.
///
/// By the complementary error function as Abramowitz and Stegun 7.1.26 approximates it; the error is
/// below 1.5e-7.
pub(super) fn distribution(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] =
        [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.3275911 * x);
    let polynomial =
        COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let above = polynomial * (-x * x).exp() / 2.0;
    if z < 0.0 { above } else { 1.0 - above }
}

/// The `z` that a standard normal variable does not exceed with this probability, between 0 and 1.
///
/// Wichura's algorithm AS 241 (PPND7, Applied Statistics 37, 1988); about seven digits are right.
pub(super) fn quantile(probability: f64) -> f64 {
    const CENTRE: ([f64; 4], [f64; 4]) = (
        [3.3871327179, 50.434271938, 159.29113202, 59.109374720],
        [1.0, 17.895169469, 78.757757664, 67.187563600],
    );
    const NEAR: ([f64; 4], [f64; 4]) = (
        [1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103],
        [1.0, 0.73700164250, 0.12021132975, 0.0],
    );
    const FAR: ([f64; 4], [f64; 4]) = (
        [6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997],
        [1.0, 0.24197894225, 0.012258202635, 0.0],
    );
    let from_middle = probability - 0.5;
    if from_middle.abs() <= 0.425 {
        return from_middle * ratio(CENTRE, 0.180625 - from_middle * from_middle);
    }
    let tail = probability.min(1.0 - probability).max(f64::MIN_POSITIVE);
    let r = (-tail.ln()).sqrt();
    let z = if r <= 5.0 { ratio(NEAR, r - 1.6) } else { ratio(FAR, r - 5.0) };
    z.copysign(from_middle)
}

fn ratio((above, below): ([f64; 4], [f64; 4]), x: f64) -> f64 {
    let polynomial = |coefficients: [f64; 4]| {
        coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
    };
    polynomial(above) / polynomial(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        let table = [
            (0.5, 0.0),
            (0.75, 0.674489750),
            (0.975, 1.959963985),
            (0.999, 3.090232306),
            (0.999999, 4.753424309),
            (1e-13, -7.348796102),
        ];
        for (probability, z) in table {
            assert!((quantile(probability) - z).abs() < 2e-6, "{probability}");
        }
        assert!(quantile(1.0_f64.next_down()).is_finite());
    }

    #[test]
    fn the_distribution_undoes_the_quantile() {
        for thousandths in 1..1000 {
            let probability = f64::from(thousandths) / 1000.0;
            assert!((distribution(quantile(probability)) - probability).abs() < 3e-7);
        }
        assert_eq!((distribution(f64::NEG_INFINITY), distribution(f64::INFINITY)), (0.0, 1.0));
    }
}
