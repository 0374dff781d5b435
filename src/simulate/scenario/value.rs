//! Single values of a scenario: their types, their ranges, and how faults in them read.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::Fault;
use crate::config::document::Node;
use crate::config::value::text;
use crate::scheduler::estimate::OnTime;
use crate::simulate::world::LoadCurve;

/// No time of a scenario is longer: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A time, from `least` to ten years; `example` shows how to write it.
pub(super) fn time<'a>(
    least: Duration,
    example: &'static str,
) -> impl Fn(&Node<'a>) -> Result<Duration, Fault> {
    move |node| {
        let text = text(node, &format!("a time in quotes, like \"{example}\""))?;
        let remedy = || format!("write it like \"{example}\"");
        let time =
            humantime::parse_duration(text).map_err(|_| node.fault("this is no time", remedy()))?;
        if time > LONGEST {
            return Err(node.fault("this is longer than ten years", remedy()));
        }
        if time < least {
            let least = humantime::format_duration(least);
            return Err(node.fault(format!("this is shorter than {least}"), remedy()));
        }
        Ok(time)
    }
}

/// A time that may be zero.
pub(super) fn time_or_none(node: &Node<'_>) -> Result<Duration, Fault> {
    time(Duration::ZERO, "1ms")(node)
}

/// What a run takes.
pub(super) fn run_time(node: &Node<'_>) -> Result<Duration, Fault> {
    time(Duration::from_nanos(1), "12.9ms")(node)
}

/// A number, whole or not.
pub(super) fn number<'a>(range: RangeInclusive<f64>) -> impl Fn(&Node<'a>) -> Result<f64, Fault> {
    move |node| {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let number = match node.value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|whole| whole as f64)
            }
            _ => return Err(node.wrong_type(&expected)),
        };
        let within = number.filter(|number| range.contains(number));
        within.ok_or_else(|| node.fault("this is out of range", format!("write {expected}")))
    }
}

/// A share: from 0 to 1.
pub(super) fn share(node: &Node<'_>) -> Result<f64, Fault> {
    number(0.0..=1.0)(node)
}

/// A share that something can be right at: above 0 and up to 1.
pub(super) fn accuracy(node: &Node<'_>) -> Result<f64, Fault> {
    number(0.001..=1.0)(node)
}

/// How surely an answer is to be in time.
pub(super) fn on_time(node: &Node<'_>) -> Result<OnTime, Fault> {
    let probability = number(0.0..=1.0)(node)?;
    let remedy = "write a number above 0.5 and below 1, like 0.999";
    OnTime::new(probability).map_err(|_| node.fault("this is out of range", remedy))
}

/// Frames a second.
pub(super) fn rate(node: &Node<'_>) -> Result<f64, Fault> {
    number(0.001..=10_000.0)(node)
}

/// How many times as much; what is slower, faster, more or less by it.
pub(super) fn factor(node: &Node<'_>) -> Result<f64, Fault> {
    number(0.01..=100.0)(node)
}

/// A list of at least one value; `expected` says what it is a list of.
pub(super) fn list<'a, T>(
    expected: &'static str,
    read: impl Fn(&Node<'a>) -> Result<T, Fault>,
) -> impl Fn(&Node<'a>) -> Result<Vec<T>, Fault> {
    move |node| {
        let elements = node.elements(expected)?;
        if elements.is_empty() {
            return Err(node.fault("this is empty", format!("write {expected}")));
        }
        let values = elements
            .iter()
            .filter_map(|element| read(element).map_err(|fault| element.document.note(fault)).ok());
        Ok(values.collect())
    }
}

/// How a rate changes: `[{ at = "0h", factor = 0.2 }, ...]`.
pub(super) fn load_curve(node: &Node<'_>) -> Result<LoadCurve, Fault> {
    let expected = "a list like [{ at = \"0h\", factor = 0.2 }, { at = \"24h\", factor = 1.0 }]";
    let points = list(expected, |point| {
        let mut section = point.section("a point like { at = \"8h\", factor = 1.0 }")?;
        let at = section.required("at", "at = \"8h\"", time_or_none);
        let factor = section.required("factor", "factor = 1.0", factor);
        section.finish();
        // What is missing has been noted.
        Ok(at.zip(factor))
    })(node)?;
    let points: Vec<(Duration, f64)> = points.into_iter().flatten().collect();
    if points.windows(2).any(|two| two[0].0 >= two[1].0) {
        return Err(node.fault("its times do not ascend", "put the points in the order of time"));
    }
    Ok(LoadCurve { points })
}
