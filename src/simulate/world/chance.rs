//! Chance, by number: a draw is a function of the seed and of what it is drawn for.
//!
//! So every contender meets the same world, whatever it runs and in whatever order, and nothing has
//! to be drawn that nobody asks for.

use std::f64::consts::TAU;

/// What a draw is for. Two different keys give independent draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The key of a seed.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// The key of a part: a stream of a seed, a frame of a stream, and so on.
    #[must_use]
    pub fn of(self, part: u64) -> Self {
        // Turned, so that the part of a whole is not the whole of a part.
        Self(mixed(self.0.rotate_left(23) ^ mixed(part)))
    }

    /// A draw above 0 and below 1, all equally likely.
    pub fn uniform(self) -> f64 {
        // The middle of one of 2^52 equal parts, so that neither end is ever drawn.
        let part = fastrand::Rng::with_seed(self.0).u64(..) >> 12;
        (part as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// A draw of the standard normal distribution.
    pub fn normal(self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// A draw of the exponential distribution with mean 1.
    pub fn exponential(self) -> f64 {
        -self.uniform().ln()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// OOPSLA 2014), after its increment.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The probability that a standard normal draw is below `x`: by the series around 0, and by the
/// continued fraction of Mills' ratio in the tails (Abramowitz and Stegun, 26.2.11 and 26.2.14).
pub fn normal_share_below(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / TAU.sqrt();
    if x.abs() < 3.0 {
        let (mut term, mut sum) = (x, x);
        for odd in (3..200).step_by(2) {
            term *= x * x / f64::from(odd);
            sum += term;
            if term.abs() < 1e-17 {
                break;
            }
        }
        return 0.5 + density * sum;
    }
    let fraction = (1..60).rev().fold(x.abs(), |below, step| x.abs() + f64::from(step) / below);
    let tail = density / fraction;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The value that a standard normal draw is below with probability `share`, above 0 and below 1: by
/// Acklam's rational approximations, to a relative error of 1.2e-9.
pub fn normal_quantile(share: f64) -> f64 {
    const CENTRE: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const CENTRE_BELOW: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const TAIL: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const TAIL_BELOW: [f64; 5] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
    const LOWER_TAIL: f64 = 0.02425;
    let tail = |share: f64| {
        let root = (-2.0 * share.ln()).sqrt();
        polynomial(&TAIL, root) / polynomial(&TAIL_BELOW, root)
    };
    if share < LOWER_TAIL {
        return tail(share);
    }
    if share > 1.0 - LOWER_TAIL {
        return -tail(1.0 - share);
    }
    let off = share - 0.5;
    off * polynomial(&CENTRE, off * off) / polynomial(&CENTRE_BELOW, off * off)
}

/// The polynomial of these coefficients, the highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, share) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-1.644_853_626_951, 0.05),
            (1.959_963_984_540, 0.975),
            (-3.5, 2.326_290_790_355e-4),
            (5.0, 0.999_999_713_348_428),
        ] {
            assert!((normal_share_below(x) - share).abs() < 1e-12, "{x}");
            assert!((normal_quantile(share) - x).abs() < 1e-8 * (1.0 + x.abs()), "{x}");
        }
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let keys = (0..100_000).map(|number| Key::new(3).of(number));
        let mean = |draw: fn(Key) -> f64| keys.clone().map(draw).sum::<f64>() / 1e5;
        assert!((mean(Key::uniform) - 0.5).abs() < 0.004);
        assert!(mean(Key::normal).abs() < 0.013);
        assert!((mean(|key| key.normal().powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(Key::exponential) - 1.0).abs() < 0.013);
        let neighbours = |key: Key| key.normal() * key.of(0).normal();
        assert!(mean(neighbours).abs() < 0.013, "a part is independent of its whole");
    }

    #[test]
    fn a_key_always_gives_the_same_draw() {
        let key = Key::new(1).of(2);
        assert_eq!(key.uniform(), Key::new(1).of(2).uniform());
        assert_ne!(key.uniform(), Key::new(2).of(1).uniform());
        assert_ne!(key, Key::new(1).of(3));
    }
}
