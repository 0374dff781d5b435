//! Single values of a configuration: their types, their ranges, and how faults in them read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use humantime::format_duration;
use toml::de::DeValue;

use super::document::{Node, choice};
use super::fault::{Fault, Located};
use super::policy::{PolicyError, PolicyKind};
use crate::adaptive::Target;
use crate::capture::{LoginFile, Playback};
use crate::frame::{Budget, BudgetError, Pace, StreamName};
use crate::models::{ModelId, Provider};
use crate::scheduler::estimate::OnTime;
use crate::select::TargetRate;

/// Longest name of a stream, in characters.
const LONGEST_NAME: usize = 64;

const BUDGET_REMEDY: &str = "write it like \"33ms\" or \"1.5s\", from 1ms to 1h";
const MODEL_REMEDY: &str = "a model's name, as `classifyd models` lists them";
const POLICY_REMEDY: &str =
    "\"premodel\", \"adaptive\", \"random\", or \"fixed:NAME\" with a model's name";

/// Keeps where a value was written.
pub(crate) fn located<'a, T>(
    read: impl Fn(&Node<'a>) -> Result<T, Fault>,
) -> impl Fn(&Node<'a>) -> Result<Located<T>, Fault> {
    move |node| Ok(Located { value: read(node)?, location: node.location() })
}

/// Text that is not empty; `expected` says what it is.
pub(crate) fn text<'a>(node: &Node<'a>, expected: &str) -> Result<&'a str, Fault> {
    match node.value.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => {
            Err(node.fault("this is empty", format!("write {expected}")))
        }
        DeValue::String(text) => Ok(text),
        _ => Err(node.wrong_type(expected)),
    }
}

/// A path; relative ones start from `directory`.
pub(crate) fn path(directory: &Path) -> impl Fn(&Node<'_>) -> Result<PathBuf, Fault> {
    move |node| Ok(directory.join(text(node, "a path in quotes")?))
}

/// An address to listen on.
pub(super) fn address(node: &Node<'_>) -> Result<SocketAddr, Fault> {
    let expected = "an address and a port in quotes, like \"127.0.0.1:9464\" or \"[::]:9464\"";
    let address = text(node, expected)?.parse();
    address.map_err(|_| node.fault("this is no address with a port", format!("write {expected}")))
}

/// A whole number from 1 to `most`.
pub(crate) fn count(most: usize) -> impl Fn(&Node<'_>) -> Result<NonZeroUsize, Fault> {
    move |node| {
        let expected = format!("a whole number from 1 to {most}");
        let DeValue::Integer(number) = node.value.get_ref() else {
            return Err(node.wrong_type(&expected));
        };
        let number = usize::from_str_radix(number.as_str(), number.radix()).ok();
        let within = number.filter(|number| *number <= most).and_then(NonZeroUsize::new);
        within.ok_or_else(|| node.fault("this is out of range", format!("write {expected}")))
    }
}

/// One such number, or a list of some.
pub(super) fn counts(most: usize) -> impl Fn(&Node<'_>) -> Result<Vec<NonZeroUsize>, Fault> {
    move |node| {
        let DeValue::Array(_) = node.value.get_ref() else { return Ok(vec![count(most)(node)?]) };
        let expected = format!("a list of whole numbers from 1 to {most}");
        let counts: Result<Vec<_>, _> = node.elements(&expected)?.iter().map(count(most)).collect();
        counts.and_then(|counts| match counts.is_empty() {
            true => Err(node.fault("this is empty", format!("write {expected}"))),
            false => Ok(counts),
        })
    }
}

/// A whole number from 0 to the largest that TOML has.
pub(crate) fn seed(node: &Node<'_>) -> Result<u64, Fault> {
    let expected = format!("a whole number from 0 to {}", i64::MAX);
    let DeValue::Integer(number) = node.value.get_ref() else {
        return Err(node.wrong_type(&expected));
    };
    let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
    let positive = number.and_then(|number| u64::try_from(number).ok());
    positive.ok_or_else(|| node.fault("this is out of range", format!("write {expected}")))
}

/// The name of a stream.
pub(crate) fn stream_name(node: &Node<'_>) -> Result<StreamName, Fault> {
    let name = text(node, "a name in quotes")?;
    if name.chars().count() > LONGEST_NAME {
        let problem = format!("this is longer than {LONGEST_NAME} characters");
        return Err(node.fault(problem, "choose a shorter name"));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        let problem = "this has control characters in it or blanks around it";
        return Err(node.fault(problem, "choose a plain name"));
    }
    Ok(StreamName::new(name))
}

/// What a stream comes from; capture reads it further. A relative path starts from `directory`.
pub(crate) fn source(directory: &Path) -> impl Fn(&Node<'_>) -> Result<String, Fault> {
    move |node| {
        let text = text(node, "a URI, a path or the name of a pipeline in quotes")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.contains("://") || text.chars().all(plain) {
            return Ok(text.to_owned());
        }
        let path = directory.join(text).into_os_string().into_string();
        path.map_err(|_| node.fault("its directory's name is not UTF-8", "write the whole path"))
    }
}

/// The file of a camera's login. A relative path starts from `directory`.
pub(crate) fn login_file(directory: &Path) -> impl Fn(&Node<'_>) -> Result<LoginFile, Fault> {
    move |node| Ok(LoginFile::new(text(node, "a file or a credential in quotes")?, directory))
}

/// The time that a stream allows.
pub(crate) fn budget(node: &Node<'_>) -> Result<Budget, Fault> {
    let DeValue::String(text) = node.value.get_ref() else {
        let problem = "this is no duration in quotes";
        return Err(node.fault(problem, BUDGET_REMEDY));
    };
    text.parse().map_err(|error| match error {
        BudgetError::Unreadable(_) => node.fault("this is no duration", BUDGET_REMEDY),
        BudgetError::OutOfRange(_) => node.fault("this is out of range", BUDGET_REMEDY),
    })
}

/// A time within `range`.
pub(super) fn time(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node<'_>) -> Result<Duration, Fault> {
    move |node| {
        let [least, most] = [range.start(), range.end()].map(|end| format_duration(*end));
        let remedy = format!("write it like \"50ms\" or \"1.5s\", from {least} to {most}");
        let time = humantime::parse_duration(text(node, "a time in quotes, like \"50ms\"")?);
        let time = time.map_err(|_| node.fault("this is no duration", &*remedy))?;
        if range.contains(&time) {
            return Ok(time);
        }
        Err(node.fault("this is out of range", remedy))
    }
}

/// What `realtime` says of the pace of files.
pub(crate) fn pace(node: &Node<'_>) -> Result<Pace, Fault> {
    match node.value.get_ref() {
        DeValue::Boolean(true) => Ok(Pace::Clock),
        DeValue::Boolean(false) => Ok(Pace::Work),
        _ => Err(node.wrong_type("true or false, without quotes")),
    }
}

/// How often a recording is played.
pub(super) fn playback(node: &Node<'_>) -> Result<Playback, Fault> {
    match node.value.get_ref() {
        DeValue::Boolean(true) => Ok(Playback::Loop),
        DeValue::Boolean(false) => Ok(Playback::Once),
        _ => Err(node.wrong_type("true or false, without quotes")),
    }
}

/// How important a stream is.
pub(super) fn priority(node: &Node<'_>) -> Result<u8, Fault> {
    let expected = "a whole number from 0 to 255";
    let DeValue::Integer(number) = node.value.get_ref() else {
        return Err(node.wrong_type(expected));
    };
    let priority = u8::from_str_radix(number.as_str(), number.radix());
    priority.map_err(|_| node.fault("this is out of range", format!("write {expected}")))
}

/// A share of a whole.
pub(super) fn share(node: &Node<'_>) -> Result<f32, Fault> {
    let expected = "a share from 0 to 1, like 0.25";
    let text = match node.value.get_ref() {
        DeValue::Float(number) => number.as_str(),
        DeValue::Integer(number) => number.as_str(),
        _ => return Err(node.wrong_type(expected)),
    };
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| node.fault("this is out of range", format!("write {expected}")))
}

/// Frames per second.
pub(super) fn target_rate(node: &Node<'_>) -> Result<TargetRate, Fault> {
    let expected = "frames per second, like 5 or 7.5, above 0, 1000 at most";
    let text = match node.value.get_ref() {
        DeValue::Float(number) => number.as_str(),
        DeValue::Integer(number) => number.as_str(),
        _ => return Err(node.wrong_type(expected)),
    };
    let rate = text.parse();
    rate.map_err(|_| node.fault("this is out of range", format!("write {expected}")))
}

/// How surely answers are to be in time.
pub(super) fn on_time(node: &Node<'_>) -> Result<OnTime, Fault> {
    let remedy = "a probability like 0.999, above 0.5 and below 1";
    let DeValue::Float(number) = node.value.get_ref() else {
        return Err(node.wrong_type(remedy));
    };
    let on_time = number.as_str().parse();
    on_time.map_err(|_| node.fault("this is out of range", format!("write {remedy}")))
}

/// A model's name.
pub(crate) fn model(node: &Node<'_>) -> Result<ModelId, Fault> {
    let name = text(node, MODEL_REMEDY)?;
    ModelId::new(name).ok_or_else(|| node.fault("this cannot be a model's name", MODEL_REMEDY))
}

/// An execution provider.
pub(crate) fn provider(node: &Node<'_>) -> Result<Provider, Fault> {
    let name = text(node, "the name of an execution provider in quotes")?;
    let named = Provider::LADDER.into_iter().find(|provider| provider.as_str() == name);
    let options = Provider::LADDER.map(Provider::as_str);
    named.ok_or_else(|| node.fault("there is no such provider", choice(&options)))
}

/// A policy.
pub(crate) fn policy(node: &Node<'_>) -> Result<PolicyKind, Fault> {
    let text = text(node, POLICY_REMEDY)?;
    text.parse().map_err(|error| match error {
        PolicyError::Unknown(_) => node.fault("there is no such policy", POLICY_REMEDY),
        PolicyError::Model(_) => node.fault("after `fixed:` stands no model's name", MODEL_REMEDY),
    })
}

/// A share of right answers.
pub(crate) fn accuracy_target(node: &Node<'_>) -> Result<Target, Fault> {
    let remedy = "a share like 0.85, above 0 and below 1";
    let DeValue::Float(number) = node.value.get_ref() else {
        return Err(node.wrong_type(remedy));
    };
    let target = Target::accuracy(number.as_str());
    target.map_err(|_| node.fault("this is out of range", format!("write {remedy}")))
}

/// A mean time of the models.
pub(crate) fn mean_time_target(node: &Node<'_>) -> Result<Target, Fault> {
    let remedy = "a time in quotes, like \"12ms\"";
    let target = Target::mean_time(text(node, remedy)?);
    target.map_err(|_| node.fault("this is no time", format!("write {remedy}")))
}

/// What placeholders stand for: text, or a whole number, which is kept as text.
pub(crate) fn parameters(node: &Node<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut parameters = BTreeMap::new();
    for (name, node) in node.entries("a table, like { width = 1280 }")? {
        match parameter(&node) {
            Ok(value) => drop(parameters.insert(name.to_owned(), value)),
            Err(fault) => node.document.note(fault),
        }
    }
    Ok(parameters)
}

fn parameter(node: &Node<'_>) -> Result<String, Fault> {
    match node.value.get_ref() {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(node.fault("this is out of range", "write it in quotes")),
        },
        _ => Err(node.wrong_type("text in quotes or a whole number")),
    }
}
