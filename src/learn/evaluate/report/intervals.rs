//! Intervals as people read them. What is no finite number is a dash.

use crate::learn::evaluate::figures::Interval;
use crate::report::numbers::{finite, signed, tenth};

/// `83.1 (81.5 to 84.7)`
pub fn interval(interval: Interval) -> String {
    let Interval { value, low, high } = interval;
    finite(value, || format!("{value:.1} ({} to {})", tenth(low), tenth(high)))
}

/// `+2.1 (+0.9 to +3.3)`
pub fn signed_interval(interval: Interval) -> String {
    let Interval { value, low, high } = interval;
    finite(value, || format!("{} ({} to {})", signed(value), signed(low), signed(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_an_interval_is_a_dash() {
        let half_known = Interval { value: 1.0, low: f64::NAN, high: 2.0 };
        assert_eq!(interval(half_known), "1.0 (– to 2.0)");
    }
}
