//! Numbers as people read them. What is no finite number is a dash.

const NOTHING: &str = "–";

/// `83.1 %`
pub fn percent(value: f64) -> String {
    finite(value, || format!("{value:.1} %"))
}

/// `83.1`
pub fn tenth(value: f64) -> String {
    finite(value, || format!("{value:.1}"))
}

/// `+2.1`, `−0.3`, `0.0`
pub fn signed(value: f64) -> String {
    finite(value, || match format!("{:.1}", value.abs()) {
        zero if zero == "0.0" => zero,
        size if value < 0.0 => format!("−{size}"),
        size => format!("+{size}"),
    })
}

/// `9.60`, `78.6`, `1234`: about three digits.
pub fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 99.95 => 0,
        medium if medium >= 9.995 => 1,
        _ => 2,
    };
    finite(value, || format!("{value:.decimals$}"))
}

/// `9.60 ms`
pub fn ms(value: f64) -> String {
    finite(value, || format!("{} ms", three_digits(value)))
}

/// `16.7 ms`, `8 ms`: as it was asked for.
pub fn budget(value: f64) -> String {
    finite(value, || format!("{} ms", (value * 100.0).round() / 100.0))
}

/// `50,000`
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What is there, or a dash.
pub fn or_dash<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), write)
}

/// What is written of a number, or a dash.
pub fn finite(value: f64, write: impl Fn() -> String) -> String {
    if value.is_finite() { write() } else { NOTHING.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(
            [0.204, 9.6, 13.44, 99.97, 1234.4].map(three_digits),
            ["0.20", "9.60", "13.4", "100", "1234"]
        );
        assert_eq!([2.06, -0.31, -0.04, 0.0].map(signed), ["+2.1", "−0.3", "0.0", "0.0"]);
        assert_eq!([8.0, 16.7, 33.333].map(budget), ["8 ms", "16.7 ms", "33.33 ms"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(ms(f64::INFINITY), "–");
        assert_eq!(or_dash(None, tenth), "–");
    }
}
