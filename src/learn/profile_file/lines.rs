//! The lines of a profile: JSON on one side, checked records on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GUESSES, Header, ImageRecord, LineFault, ModelResult, ProfiledModel, VERSION};
use crate::features::Features;
use crate::models::{ModelId, Provider, Sha256Hex};

const FORMAT: &str = "classifyd-profile";
const LATENCY_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Edition {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    format: String,
    version: u32,
    models: Vec<RawModel>,
    features: Vec<String>,
    classes: usize,
    machine: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: String,
    fingerprint: Sha256Hex,
    provider: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    file: String,
    class: usize,
    features: [f32; Features::COUNT],
    models: BTreeMap<String, RawResult>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResult {
    top5: Vec<(usize, f32)>,
    rank: usize,
    ms: f64,
}

/// The first line.
pub(super) fn header_line(header: &Header) -> Result<String, LineFault> {
    check_models(header)?;
    let model = |model: &ProfiledModel| RawModel {
        name: model.id.to_string(),
        fingerprint: model.fingerprint.clone(),
        provider: model.provider.to_string(),
    };
    let raw = RawHeader {
        format: FORMAT.to_owned(),
        version: VERSION,
        models: header.models.iter().map(model).collect(),
        features: Features::NAMES.map(str::to_owned).to_vec(),
        classes: header.classes,
        machine: header.machine.clone(),
    };
    Ok(serde_json::to_string(&raw)?)
}

/// The line of a picture.
pub(super) fn image_line(header: &Header, image: &ImageRecord) -> Result<String, LineFault> {
    check_image(header, image)?;
    let models = header.models.iter().zip(&image.results);
    let raw = RawImage {
        file: image.file.clone(),
        class: image.class,
        features: *image.features.values(),
        models: models.map(|(model, result)| (model.id.to_string(), raw_result(result))).collect(),
    };
    Ok(serde_json::to_string(&raw)?)
}

fn raw_result(result: &ModelResult) -> RawResult {
    let microseconds = (result.latency.as_secs_f64() * 1e6).round();
    RawResult { top5: result.best.clone(), rank: result.rank, ms: microseconds / 1e3 }
}

/// Reads the first line.
pub(super) fn read_header(line: &[u8]) -> Result<Header, LineFault> {
    let edition: Edition = serde_json::from_slice(line)?;
    if edition.format != FORMAT {
        return Err(LineFault::Foreign(edition.format));
    }
    if edition.version != VERSION {
        return Err(LineFault::Version { found: edition.version });
    }
    let raw: RawHeader = serde_json::from_slice(line)?;
    if raw.features != Features::NAMES {
        return Err(LineFault::OtherFeatures { found: raw.features.join(", ") });
    }
    let models = raw.models.into_iter().map(RawModel::check).collect::<Result<_, _>>()?;
    let header = Header { models, classes: raw.classes, machine: raw.machine };
    check_models(&header)?;
    Ok(header)
}

impl RawModel {
    fn check(self) -> Result<ProfiledModel, LineFault> {
        let word = |role, word: &str| LineFault::Word { role, word: word.to_owned() };
        let id = ModelId::new(&self.name).ok_or_else(|| word("model name", &self.name))?;
        let provider = Provider::LADDER.into_iter().find(|known| known.as_str() == self.provider);
        let provider = provider.ok_or_else(|| word("execution provider", &self.provider))?;
        Ok(ProfiledModel { id, fingerprint: self.fingerprint, provider })
    }
}

fn check_models(header: &Header) -> Result<(), LineFault> {
    let names: BTreeSet<_> = header.models.iter().map(|model| &model.id).collect();
    let once = names.len() == header.models.len();
    if once && !names.is_empty() { Ok(()) } else { Err(LineFault::Models) }
}

/// Reads the line of a picture.
pub(super) fn read_image(header: &Header, line: &[u8]) -> Result<ImageRecord, LineFault> {
    let mut raw: RawImage = serde_json::from_slice(line)?;
    let features = Features::new(raw.features).ok_or_else(|| LineFault::Number {
        what: "a feature".to_owned(),
        value: format!("{:?}", raw.features),
        expected: "not finite".to_owned(),
    })?;
    let mut results = Vec::with_capacity(header.models.len());
    for model in &header.models {
        let result = raw.models.remove(model.id.as_str());
        let result =
            result.ok_or_else(|| LineFault::Results(format!("{} is missing", model.id)))?;
        results.push(result.check(&model.id)?);
    }
    if let Some(extra) = raw.models.keys().next() {
        return Err(LineFault::Results(format!("{extra} is not among them")));
    }
    let image = ImageRecord { file: raw.file, class: raw.class, features, results };
    check_image(header, &image)?;
    Ok(image)
}

impl RawResult {
    fn check(self, model: &ModelId) -> Result<ModelResult, LineFault> {
        let microseconds = (self.ms * 1e3).round();
        if !(0.0..=LATENCY_LIMIT.as_micros() as f64).contains(&microseconds) {
            return Err(latency_fault(model, self.ms));
        }
        let latency = Duration::from_micros(microseconds as u64);
        Ok(ModelResult { best: self.top5, rank: self.rank, latency })
    }
}

/// The rules that written and read records obey alike.
fn check_image(header: &Header, image: &ImageRecord) -> Result<(), LineFault> {
    if image.file.is_empty() {
        return Err(LineFault::Word { role: "file name", word: String::new() });
    }
    below(image.class, header.classes, || "the class".to_owned())?;
    if image.results.len() != header.models.len() {
        return Err(LineFault::Results(format!("there are {}", image.results.len())));
    }
    let mut pairs = header.models.iter().zip(&image.results);
    pairs.try_for_each(|(model, result)| check_result(header, image.class, &model.id, result))
}

fn check_result(
    header: &Header,
    class: usize,
    model: &ModelId,
    result: &ModelResult,
) -> Result<(), LineFault> {
    below(result.rank, header.classes, || format!("the rank of {model}"))?;
    if result.latency > LATENCY_LIMIT {
        return Err(latency_fault(model, result.latency.as_secs_f64() * 1e3));
    }
    let guesses = GUESSES.min(header.classes);
    if result.best.len() != guesses {
        let count = result.best.len();
        return Err(LineFault::Results(format!("{model} has {count} guesses, not {guesses}")));
    }
    for &(guess, probability) in &result.best {
        below(guess, header.classes, || format!("a guess of {model}"))?;
        check_probability(model, probability)?;
    }
    check_order(model, result)?;
    let place = result.best.iter().position(|&(guess, _)| guess == class);
    let expected = (result.rank < guesses).then_some(result.rank);
    if place == expected {
        return Ok(());
    }
    Err(LineFault::Rank { model: model.clone(), rank: result.rank })
}

fn latency_fault(model: &ModelId, milliseconds: f64) -> LineFault {
    LineFault::Number {
        what: format!("the latency of {model}"),
        value: format!("{milliseconds} ms"),
        expected: "not between 0 and an hour".to_owned(),
    }
}

fn below(number: usize, limit: usize, what: impl Fn() -> String) -> Result<(), LineFault> {
    if number < limit {
        return Ok(());
    }
    let expected = format!("not below {limit}");
    Err(LineFault::Number { what: what(), value: number.to_string(), expected })
}

fn check_probability(model: &ModelId, probability: f32) -> Result<(), LineFault> {
    // Softmax rounds.
    if (0.0..=1.001).contains(&probability) {
        return Ok(());
    }
    Err(LineFault::Number {
        what: format!("a probability of {model}"),
        value: probability.to_string(),
        expected: "not between 0 and 1".to_owned(),
    })
}

fn check_order(model: &ModelId, result: &ModelResult) -> Result<(), LineFault> {
    let classes: BTreeSet<_> = result.best.iter().map(|(guess, _)| guess).collect();
    let sorted = result.best.is_sorted_by(|(_, a), (_, b)| a >= b);
    if sorted && classes.len() == result.best.len() {
        return Ok(());
    }
    let fault = format!("the guesses of {model} must differ, the most probable first");
    Err(LineFault::Results(fault))
}
