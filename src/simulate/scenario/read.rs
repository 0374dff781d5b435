//! From bytes to a [`Scenario`], section by section.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::models::{self, Sources, plain_text};
use super::policy::Policy;
use super::value;
use super::{Grid, Plan, Scenario, Variant};
use crate::config::document::{self, Distinct, Document, Node, Section, choice, distinct};
use crate::config::value::{budget, count, located, model as model_name, seed};
use crate::config::{Fault, Faults, Located};
use crate::models::ModelId;
use crate::simulate::setting::{Model, Setting, Slowdown};
use crate::simulate::world::{Answers, Episode, Stream};

const MOST_SEEDS: usize = 1_000;
const MOST_STREAMS: usize = 1_024;
const MOST_FRAMES: usize = 100_000_000;
const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);
const SEEDS: NonZeroUsize = NonZeroUsize::new(3).expect("3 is not 0");
const FRAMES: NonZeroUsize = NonZeroUsize::new(5_000).expect("5000 is not 0");
const CAMERAS: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// How even frames come, unless it is said: up to 5 % of the period too early or too late.
const JITTER: f64 = 0.1;

/// Reads the bytes of `file`.
pub(super) fn from_bytes(file: &Path, bytes: &[u8]) -> Result<Scenario, Faults> {
    let directory = file.parent().unwrap_or(Path::new(""));
    document::parse(file, bytes, |document, root| scenario(document, root, directory))
}

fn scenario(document: &Document<'_>, mut root: Section<'_>, directory: &Path) -> Option<Scenario> {
    let name = root.required("name", "name = \"two cameras\"", plain_text);
    let about = root.optional("about", plain_text).unwrap_or_default();
    let own_seed = root.optional("seed", seed).unwrap_or(0);
    let seeds = root.optional("seeds", count(MOST_SEEDS)).unwrap_or(SEEDS);
    let policies = root.optional("policies", distinct("a list of policies", policy));
    let devices = models::devices(&mut root);
    let sources = models::sources(document, root.section("models"), directory, devices);
    let (models, models_at) = models(document, &mut root, &sources);
    let mut setting = setting(&mut root, &sources, models);
    let variants = variants(&mut root, &sources, &setting);
    let grid = root.optional("grid", |node| grid(node, &setting.models)).flatten();
    let plan = root.optional("plan", plan).flatten();
    setting.streams = streams(&mut root, grid.is_none() && plan.is_none());
    let policies = choose(document, policies, &setting);
    root.finish();
    if setting.models.is_empty() && models_at == Found::All {
        let location = document.locate_key("model", 0);
        let remedy = "add [[model]] with name, accuracy and latency, or [models] with a profile";
        document.note(location.fault("there is no model", remedy));
    }
    Some(Scenario {
        name: name?,
        about,
        seed: own_seed,
        seeds,
        policies,
        setting,
        variants,
        grid,
        plan,
    })
}

/// Whether what was read is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    All,
    /// Some of it is faulty, which has been noted.
    Some,
}

fn models(
    document: &Document<'_>,
    root: &mut Section<'_>,
    sources: &Sources,
) -> (Vec<Model>, Found) {
    let mut found = Found::All;
    let given =
        root.optional("model", |node| sources.read(node).inspect_err(|_| found = Found::Some));
    let given = given.unwrap_or_default();
    let models = sources.all(document, &given);
    if models.len() < given.len() {
        found = Found::Some;
    }
    (models, found)
}

fn setting(root: &mut Section<'_>, sources: &Sources, models: Vec<Model>) -> Setting {
    let mut premodel = root.section("premodel");
    let (selection, skill) = premodel_keys(&mut premodel);
    premodel.finish();
    let mut answers = root.section("answers");
    let correlation = answers.optional("correlation", value::share);
    let confidence = answers.optional("confidence", value::share);
    answers.finish();
    let at_least = value::time(MILLISECOND, "60s");
    Setting {
        duration: root.optional("duration", at_least).unwrap_or(MINUTE),
        devices: sources.devices().to_vec(),
        models,
        streams: Vec::new(),
        answers: Answers {
            correlation: correlation.unwrap_or(Answers::CORRELATION),
            skill: skill.unwrap_or(0.0),
            confidence: confidence.unwrap_or(Answers::CONFIDENCE),
        },
        pictures: sources.pictures(),
        slowdowns: slowdowns(root),
        selection: selection.unwrap_or_default(),
        on_time: root.optional("on_time", value::on_time).unwrap_or_default(),
        publish: root.optional("publish", value::time_or_none).unwrap_or_default(),
    }
}

fn premodel_keys(section: &mut Section<'_>) -> (Option<Duration>, Option<f64>) {
    (section.optional("time", value::time_or_none), section.optional("skill", value::share))
}

fn slowdowns(root: &mut Section<'_>) -> Vec<Slowdown> {
    let expected = "[[slowdown]], with two brackets, above each slowdown";
    let slowdowns = root.optional("slowdown", value::list(expected, slowdown));
    slowdowns.unwrap_or_default().into_iter().flatten().collect()
}

fn slowdown(node: &Node<'_>) -> Result<Option<Slowdown>, Fault> {
    let mut section = node.section("[[slowdown]] and its keys below it")?;
    let factor = section.required("factor", "factor = 1.5", value::factor);
    let has = |key: &str| node.value.get_ref().get(key).is_some();
    let positive = || value::time(MILLISECOND, "10s");
    let slowdown = if has("every") || has("lasting") {
        let every = section.required("every", "every = \"60s\"", positive());
        let lasting = section.required("lasting", "lasting = \"5s\"", positive());
        every.zip(lasting).zip(factor).map(|((every, lasting), factor)| Slowdown::Recurring {
            every,
            lasting,
            factor,
        })
    } else {
        let from = section.required("from", "from = \"20s\"", value::time_or_none);
        let until = section.required("until", "until = \"30s\"", value::time_or_none);
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            return Err(node.fault("this ends before it begins", "write a later `until`"));
        }
        from.zip(until)
            .zip(factor)
            .map(|((from, until), factor)| Slowdown::Once(Episode { from, until, factor }))
    };
    section.finish();
    Ok(slowdown)
}

fn streams(root: &mut Section<'_>, must_be: bool) -> Vec<Stream> {
    let read = |node: &Node<'_>| {
        let expected = "[[stream]], with two brackets, above each stream";
        let read = value::list(expected, stream)(node)?;
        let mut names = Distinct::default();
        let mut streams = Vec::new();
        for (name, count, stream) in read.into_iter().flatten() {
            names.insert(name.clone(), node.document);
            let numbered = |number: usize| match count {
                1 => stream.clone(),
                _ => Stream { name: format!("{}-{}", name.value, number + 1), ..stream.clone() },
            };
            streams.extend((0..count).map(numbered));
        }
        if streams.len() > MOST_STREAMS {
            let problem = format!("there are {} streams", streams.len());
            return Err(node.fault(problem, format!("{MOST_STREAMS} are the most")));
        }
        Ok(streams)
    };
    let streams = match must_be {
        true => root.required("stream", "[[stream]] with name, rate and budget", read),
        false => root.optional("stream", read),
    };
    streams.unwrap_or_default()
}

fn stream(node: &Node<'_>) -> Result<Option<(Located<String>, usize, Stream)>, Fault> {
    let mut section = node.section("[[stream]] and its keys below it")?;
    let name = section.required("name", "name = \"door\"", located(plain_text));
    let rate = section.required("rate", "rate = 30", value::rate);
    let budget = section.required("budget", "budget = \"100ms\"", budget);
    let jitter = section.optional("jitter", value::share).unwrap_or(JITTER);
    let many = section.optional("count", count(MOST_STREAMS)).map_or(1, NonZeroUsize::get);
    let load = section.optional("load", value::load_curve).unwrap_or_default();
    section.finish();
    let all = name.zip(rate).zip(budget);
    Ok(all.map(|((name, rate), budget)| {
        let stream = Stream {
            name: name.value.clone(),
            period: Duration::from_secs_f64(rate.recip()),
            budget: budget.duration(),
            jitter,
            load,
        };
        (name, many, stream)
    }))
}

fn variants(root: &mut Section<'_>, sources: &Sources, setting: &Setting) -> Vec<Variant> {
    let variants = root.optional("variant", |node| {
        let expected = "[[variant]], with two brackets, above each variant";
        let read = value::list(expected, |node| variant(node, sources, setting))(node)?;
        let mut names = Distinct::default();
        let mut variants = Vec::new();
        for (name, variant) in read.into_iter().flatten() {
            names.insert(name, node.document);
            variants.push(variant);
        }
        Ok(variants)
    });
    variants.unwrap_or_default()
}

fn variant(
    node: &Node<'_>,
    sources: &Sources,
    setting: &Setting,
) -> Result<Option<(Located<String>, Variant)>, Fault> {
    let mut section = node.section("[[variant]] and its keys below it")?;
    let name = section.required("name", "name = \"a faster premodel\"", located(plain_text));
    let premodel = section.optional("premodel", |node| {
        let mut section = node.section("a table, like { time = \"1ms\" }")?;
        let keys = premodel_keys(&mut section);
        section.finish();
        Ok(keys)
    });
    let (selection, skill) = premodel.unwrap_or_default();
    let speed = section.optional("speed", value::factor);
    let without = section.optional(
        "without",
        distinct("a list of models' names", |node| known_model(node, &setting.models)),
    );
    let given = section.optional("model", |node| sources.read(node)).unwrap_or_default();
    section.finish();
    let models = given.iter().filter_map(|raw| sources.complete(node.document, raw)).collect();
    let without: Vec<ModelId> =
        without.unwrap_or_default().into_iter().map(|model| model.value).collect();
    let Some(name) = name else { return Ok(None) };
    let variant = Variant { name: name.value.clone(), selection, skill, speed, without, models };
    if variant.apply(setting).models.is_empty() {
        return Err(node.fault("this leaves no model", "leave a model in"));
    }
    Ok(Some((name, variant)))
}

fn known_model(node: &Node<'_>, models: &[Model]) -> Result<ModelId, Fault> {
    let name = model_name(node)?;
    if models.iter().any(|model| model.id == name) {
        return Ok(name);
    }
    let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    Err(node.fault("the scenario has no such model", choice(&names)))
}

fn grid(node: &Node<'_>, models: &[Model]) -> Result<Option<Grid>, Fault> {
    let mut section = node.section("a table, [grid]")?;
    let streams = value::list("a list of numbers of streams", count(MOST_STREAMS));
    let streams = section.required("streams", "streams = [1, 4, 16]", streams);
    let budgets = value::list("a list of budgets, like [\"15ms\", \"100ms\"]", budget);
    let budgets = section.required("budgets", "budgets = [\"15ms\", \"100ms\"]", budgets);
    let loads = value::list("a list of loads, like [0.5, 1.0, 2.0]", value::factor);
    let loads = section.required("loads", "loads = [0.5, 1.0, 2.0]", loads);
    let frames = section.optional("frames", count(MOST_FRAMES)).unwrap_or(FRAMES).get();
    let jitter = section.optional("jitter", value::share).unwrap_or(JITTER);
    let reference = section.optional("reference", |node| known_model(node, models));
    section.finish();
    Ok(streams.zip(budgets).zip(loads).map(|((streams, budgets), loads)| Grid {
        streams: sorted(streams.into_iter().map(NonZeroUsize::get), usize::cmp),
        budgets: sorted(budgets.into_iter().map(|budget| budget.duration()), Duration::cmp),
        loads: sorted(loads.into_iter(), f64::total_cmp),
        frames,
        jitter,
        reference,
    }))
}

/// Ascending, and none twice.
fn sorted<T: PartialEq>(
    values: impl Iterator<Item = T>,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(order);
    values.dedup();
    values
}

fn plan(node: &Node<'_>) -> Result<Option<Plan>, Fault> {
    let mut section = node.section("a table, [plan]")?;
    let rates = value::list("a list of frames a second, like [5, 15, 30]", value::rate);
    let rates = section.required("rates", "rates = [5, 15, 30]", rates);
    let budget = section.required("budget", "budget = \"100ms\"", budget);
    let most = section.optional("most", count(MOST_STREAMS)).unwrap_or(CAMERAS).get();
    let jitter = section.optional("jitter", value::share).unwrap_or(JITTER);
    let accuracy = section.optional("accuracy", value::share);
    let in_time = section.optional("in_time", value::share);
    section.finish();
    if accuracy.is_none() && in_time.is_none() {
        let problem = "it does not say what will do";
        return Err(node.fault(problem, "add accuracy = 0.7, in_time = 0.99, or both"));
    }
    let both = rates.zip(budget);
    Ok(both.map(|(rates, budget)| {
        let (rates, budget) = (sorted(rates.into_iter(), f64::total_cmp), budget.duration());
        Plan { rates, most, budget, jitter, accuracy, in_time }
    }))
}

fn policy(node: &Node<'_>) -> Result<Policy, Fault> {
    let remedy = "\"ours\", \"adaptive\", \"oracle\", \"omniscient\", and \"fixed\", \"fifo\" or \"edf\" \
                  with or without :NAME of a model";
    let text = plain_text(node)?;
    text.parse().map_err(|error: super::PolicyError| node.fault(error.to_string(), remedy))
}

/// The policies that were named; all, if none were.
fn choose(
    document: &Document<'_>,
    named: Option<Vec<Located<Policy>>>,
    setting: &Setting,
) -> Vec<Policy> {
    let Some(named) = named else { return Policy::ALL.to_vec() };
    for Located { value: policy, location } in &named {
        let is_known = |id: &ModelId| setting.models.iter().any(|model| model.id == *id);
        if policy.model().is_some_and(|id| !is_known(id)) {
            let names: Vec<&str> = setting.models.iter().map(|model| model.id.as_str()).collect();
            document.note(location.fault("the scenario has no such model", choice(&names)));
        }
    }
    named.into_iter().map(|policy| policy.value).collect()
}
