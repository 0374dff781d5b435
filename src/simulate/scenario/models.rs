//! The models of a scenario: from a profile, from a table of latencies, or given.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::value;
use crate::config::document::{Distinct, Document, Node, Section, choice, distinct};
use crate::config::value::{count, located, model as model_name, path, text};
use crate::config::{Fault, Located};
use crate::learn::evaluate::LatencyTable;
use crate::learn::latency::{LatencyStats, QUANTILES};
use crate::learn::profile_file::{ImageRecord, Profile};
use crate::models::ModelId;
use crate::simulate::setting::{Device, Model, Placement};
use crate::simulate::world::{Latency, Pictures, Spread};

/// Most units of a device.
const MOST_UNITS: usize = 1_024;

/// Most frames of a run.
const MOST_FRAMES: usize = 16;

/// The 95th percentile over the median, where a latency is a single number.
const SPREAD: f64 = 1.1;

/// Where models come from besides `[[model]]`.
pub(super) struct Sources {
    profile: Option<Profiled>,
    table: Option<Located<LatencyTable>>,
    spread: f64,
    devices: Vec<Device>,
}

/// What a profile says.
struct Profiled {
    pictures: Arc<Pictures>,
    models: Vec<Model>,
}

/// A `[[model]]`.
pub(super) struct RawModel {
    name: Located<ModelId>,
    accuracy: Option<Located<f64>>,
    preprocess: Option<Duration>,
    placements: Option<Vec<Placement>>,
}

/// Reads `[[device]]`; without any there is one of one unit.
pub(super) fn devices(root: &mut Section<'_>) -> Vec<Device> {
    let devices = root.optional("device", |node| {
        let mut names = Distinct::default();
        value::list("[[device]] with name and units", |node: &Node<'_>| {
            let mut section = node.section("[[device]] and its keys below it")?;
            let name = section.required("name", "name = \"gpu\"", located(plain_text));
            let units = section.optional("units", count(MOST_UNITS));
            section.finish();
            let Some(name) = name else { return Ok(None) };
            Ok(Some((name, units.map_or(1, |units| units.get()))))
        })(node)
        .map(|devices| {
            let devices: Vec<_> = devices.into_iter().flatten().collect();
            devices.iter().for_each(|(name, _)| names.insert(name.clone(), node.document));
            devices.into_iter().map(|(name, units)| Device { name: name.value, units }).collect()
        })
    });
    devices.unwrap_or_else(|| vec![Device { name: "device".to_owned(), units: 1 }])
}

pub(super) fn plain_text(node: &Node<'_>) -> Result<String, Fault> {
    Ok(text(node, "some text in quotes")?.to_owned())
}

/// Reads `[models]`, and the files that it names.
pub(super) fn sources(
    document: &Document<'_>,
    mut section: Section<'_>,
    directory: &Path,
    devices: Vec<Device>,
) -> Sources {
    let profile = section.optional("profile", |node| {
        let loaded = Profile::load(&path(directory)(node)?);
        let remedy = "name a profile of `classifyd profile`";
        let profile = loaded.map_err(|error| node.fault(words(&error), remedy))?;
        let pictures = Pictures::new(profile.images.iter().map(right).collect());
        let pictures = pictures.ok_or_else(|| node.fault("it has no picture", remedy))?;
        Ok((profile, Arc::new(pictures)))
    });
    let table = section.optional("latency_table", |node| {
        let table = LatencyTable::load(&path(directory)(node)?);
        let remedy = "models/latency has examples";
        let value = table.map_err(|error| node.fault(words(&error), remedy))?;
        Ok(Located { value, location: node.location() })
    });
    let spread = section.optional("spread", value::number(1.0..=100.0)).unwrap_or(SPREAD);
    let names = section.optional("use", distinct("a list of models' names", model_name));
    section.finish();
    let profile = profile.map(|(profile, pictures)| {
        let used = used(document, &profile, names.as_deref(), table.as_ref());
        profiled(&profile, pictures, &used)
    });
    Sources { profile, table, spread, devices }
}

/// An error with its causes.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// The columns of the profiled models that are simulated: those of `use`, and of a table, if there is
/// one, those that it lists.
fn used(
    document: &Document<'_>,
    profile: &Profile,
    names: Option<&[Located<ModelId>]>,
    table: Option<&Located<LatencyTable>>,
) -> Vec<usize> {
    let models = &profile.header.models;
    for name in names.unwrap_or_default() {
        if models.iter().all(|model| model.id != name.value) {
            let profiled: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            let problem = "the profile has no such model";
            document.note(name.location.fault(problem, choice(&profiled)));
        }
    }
    let is_used = |id: &ModelId| {
        names.is_none_or(|names| names.iter().any(|name| name.value == *id))
            && table.is_none_or(|table| table.value.time(id).is_some())
    };
    let columns = models.iter().enumerate();
    columns.filter(|(_, model)| is_used(&model.id)).map(|(column, _)| column).collect()
}

/// Which models are right on a picture.
fn right(image: &ImageRecord) -> Box<[bool]> {
    image.results.iter().map(|result| result.rank == 0).collect()
}

/// What a profile says of the models in these columns.
fn profiled(profile: &Profile, pictures: Arc<Pictures>, columns: &[usize]) -> Profiled {
    let model = |&column: &usize| {
        let model = &profile.header.models[column];
        let latency = run_latency(&model.latency);
        Model {
            id: model.id.clone(),
            accuracy: pictures.accuracy(column),
            column: Some(column),
            preprocess: model.latency.preprocess,
            placements: vec![Placement { device: 0, units: 1, latency, batches: Vec::new() }],
        }
    };
    Profiled { models: columns.iter().map(model).collect(), pictures }
}

/// The quantiles of the runs: those of the totals, less the tensor's median.
fn run_latency(stats: &LatencyStats) -> Latency {
    let least = Duration::from_nanos(1);
    let point = |(percent, total): (&u8, &Duration)| {
        (f64::from(*percent) / 100.0, total.saturating_sub(stats.preprocess).max(least))
    };
    Latency::Quantiles(QUANTILES.iter().zip(&stats.quantiles).map(point).collect())
}

impl Sources {
    /// What frames show, if there is a profile.
    pub(super) fn pictures(&self) -> Option<Arc<Pictures>> {
        self.profile.as_ref().map(|profile| Arc::clone(&profile.pictures))
    }

    pub(super) fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Reads a list of `[[model]]`, none of them twice.
    pub(super) fn read(&self, node: &Node<'_>) -> Result<Vec<RawModel>, Fault> {
        let models = value::list("[[model]], with two brackets, above each model", |node| {
            self.read_one(node)
        })(node)?;
        let mut names = Distinct::default();
        let models: Vec<RawModel> = models.into_iter().flatten().collect();
        models.iter().for_each(|model| names.insert(model.name.clone(), node.document));
        Ok(models)
    }

    fn read_one(&self, node: &Node<'_>) -> Result<Option<RawModel>, Fault> {
        let mut section = node.section("[[model]] and its keys below it")?;
        let name = section.required("name", "name = \"mobilenet_v1\"", located(model_name));
        let accuracy = section.optional("accuracy", located(value::accuracy));
        let preprocess = section.optional("preprocess", value::time_or_none);
        let placements = section.optional("latency", |node| self.placements(node));
        section.finish();
        Ok(name.map(|name| RawModel { name, accuracy, preprocess, placements }))
    }

    /// Reads `latency`: a time, a table, or a list of tables, one for each device.
    fn placements(&self, node: &Node<'_>) -> Result<Vec<Placement>, Fault> {
        match node.value.get_ref() {
            DeValue::Array(_) => {
                let placements =
                    value::list("a list of tables like { median = \"12ms\" }", |node| {
                        self.placement(node)
                    })(node)?;
                Ok(placements.into_iter().flatten().collect())
            }
            _ => Ok(self.placement(node)?.into_iter().collect()),
        }
    }

    fn placement(&self, node: &Node<'_>) -> Result<Option<Placement>, Fault> {
        if let DeValue::String(_) = node.value.get_ref() {
            return Ok(Some(self.alone(value::run_time(node)?)));
        }
        let mut section =
            node.section("a time in quotes, or a table like { median = \"12ms\" }")?;
        let device = section.optional("device", |node| self.device(node)).unwrap_or(0);
        let units = section.optional("units", |node| {
            let most = self.devices.get(device).map_or(1, |device| device.units);
            count(most)(node)
        });
        let latency = self.latency(node, &mut section);
        let batches = section.optional("batch", |node| {
            let alone = latency.as_ref().map_or(Duration::ZERO, Latency::median);
            stretches(node, alone)
        });
        section.finish();
        let units = units.map_or(1, |units| units.get());
        let batches = batches.unwrap_or_default();
        Ok(latency.map(|latency| Placement { device, units, latency, batches }))
    }

    /// On one unit of the first device, where frames have runs of their own.
    fn alone(&self, median: Duration) -> Placement {
        let latency = self.single(median);
        Placement { device: 0, units: 1, latency, batches: Vec::new() }
    }

    /// Reads `quantiles`, or `median` and what may be known besides.
    fn latency(&self, node: &Node<'_>, section: &mut Section<'_>) -> Option<Latency> {
        let quantiles = section.optional("quantiles", quantiles);
        let is_free = quantiles.is_none() && node.value.get_ref().get("quantiles").is_none();
        let median = match is_free {
            true => section.required("median", "median = \"12ms\"", value::run_time),
            false => section.optional("median", |node| {
                let problem = "there are quantiles too";
                Err::<Duration, _>(node.fault(problem, "keep one of the two"))
            }),
        };
        let percentile_95 = section.optional("p95", value::run_time);
        let percentile_99 = section.optional("p99", value::run_time);
        if let Some(quantiles) = quantiles {
            return Some(Latency::Quantiles(quantiles));
        }
        let median = median?;
        let spread = percentile_95
            .map(Spread::Percentile95)
            .or_else(|| percentile_99.map(Spread::Percentile99));
        Some(spread.map_or_else(|| self.single(median), |one| Latency::lognormal(median, one)))
    }

    fn single(&self, median: Duration) -> Latency {
        Latency::lognormal(median, Spread::Percentile95(median.mul_f64(self.spread)))
    }

    fn device(&self, node: &Node<'_>) -> Result<usize, Fault> {
        let name = text(node, "the name of a device")?;
        let names: Vec<&str> = self.devices.iter().map(|device| device.name.as_str()).collect();
        let place = names.iter().position(|known| *known == name);
        place.ok_or_else(|| node.fault("there is no such device", choice(&names)))
    }

    /// The models of the profile, with what is given in place of what was measured, and those given.
    pub(super) fn all(&self, document: &Document<'_>, given: &[RawModel]) -> Vec<Model> {
        let profiled = self.profile.as_ref().map_or(&[][..], |profile| &profile.models);
        let untouched =
            profiled.iter().filter(|model| given.iter().all(|one| one.name.value != model.id));
        let models = untouched.map(|model| self.by_table(model.clone()));
        models.chain(given.iter().filter_map(|raw| self.complete(document, raw))).collect()
    }

    /// A profiled model with the latency of the table, if there is one.
    fn by_table(&self, mut model: Model) -> Model {
        let time = self.table.as_ref().and_then(|table| table.value.time(&model.id));
        if let Some(time) = time {
            model.placements = vec![self.alone(time)];
            model.preprocess = Duration::ZERO;
        }
        model
    }

    /// A given model with what profile and table know of it.
    pub(super) fn complete(&self, document: &Document<'_>, raw: &RawModel) -> Option<Model> {
        let id = &raw.name.value;
        let profiled = self
            .profile
            .as_ref()
            .and_then(|profile| profile.models.iter().find(|model| model.id == *id).cloned());
        let known = profiled.map(|model| self.by_table(model));
        let missing = |what: &str, remedy: &str| {
            document.note(raw.name.location.fault(format!("this model has no {what}"), remedy));
        };
        if let (Some(_), Some(given)) = (&known, &raw.accuracy) {
            let problem = "the profile says how often the model is right";
            document.note(given.location.fault(problem, "remove it"));
        }
        let accuracy = known.as_ref().map(|model| model.accuracy);
        let accuracy = accuracy.or_else(|| raw.accuracy.as_ref().map(|given| given.value));
        if accuracy.is_none() {
            missing("accuracy", "add accuracy = 0.7, the share of the frames that it is right on");
        }
        let listed = self
            .table
            .as_ref()
            .and_then(|table| table.value.time(id))
            .map(|time| vec![self.alone(time)]);
        let placements = raw.placements.clone();
        let placements =
            placements.or_else(|| known.as_ref().map(|model| model.placements.clone()));
        let placements = placements.or(listed);
        if placements.is_none() {
            missing("latency", "add latency = \"12ms\"; neither profile nor table know one");
        }
        let measured = known.as_ref().map_or(Duration::ZERO, |model| model.preprocess);
        Some(Model {
            id: id.clone(),
            accuracy: accuracy?,
            column: known.and_then(|model| model.column),
            preprocess: raw.preprocess.unwrap_or(measured),
            placements: placements.filter(|placements| !placements.is_empty())?,
        })
    }
}

/// Reads `["15ms", "20ms"]`, the medians of runs of 2, 3, ... frames: how many times as long they take as
/// one of one.
fn stretches(node: &Node<'_>, alone: Duration) -> Result<Vec<f64>, Fault> {
    let expected = "a list like [\"15ms\", \"20ms\"]: the medians of runs of 2, 3, ... frames";
    let medians = value::list(expected, value::run_time)(node)?;
    let frames = 1 + medians.len();
    if frames > MOST_FRAMES {
        let problem = format!("{frames} frames are too many for a run");
        return Err(node.fault(problem, format!("name {} times at most", MOST_FRAMES - 1)));
    }
    let mut before = alone;
    for &median in &medians {
        if median < before {
            let problem = "a run of more frames takes less time";
            return Err(
                node.fault(problem, "put the times in ascending order, none below the median")
            );
        }
        before = median;
    }
    Ok(medians.iter().map(|median| median.as_secs_f64() / alone.as_secs_f64()).collect())
}

/// Reads `[[5, "11ms"], [50, "12ms"]]`: percents and times.
fn quantiles(node: &Node<'_>) -> Result<Vec<(f64, Duration)>, Fault> {
    let expected = "a list like [[5, \"11ms\"], [50, \"12ms\"], [95, \"15ms\"]]";
    let points = value::list(expected, |point| {
        let parts = point.elements("a percent and a time, like [95, \"15ms\"]")?;
        let [percent, time] = &parts[..] else {
            return Err(point.fault("this is no pair", "write a percent and a time"));
        };
        Ok((value::number(0.0..=100.0)(percent)? / 100.0, value::run_time(time)?))
    })(node)?;
    let ascends = |two: &[(f64, Duration)]| two[0].0 < two[1].0 && two[0].1 <= two[1].1;
    if !points.windows(2).all(ascends) {
        return Err(node.fault("these do not ascend", "put percents and times in ascending order"));
    }
    Ok(points)
}
