//! The JSON in the metadata of a profile.
//!
//! ```json
//! {"format":"classifyd-profile","version":2,"images":1000,"classes":1000,
//!  "truth":"labels","set":"photos","threads":1,"shard":"1/1","features":["n_keypoints","..."],
//!  "models":[{"name":"lite0","fingerprint":"...","sha256":"...","provider":"cpu",
//!    "latency":{"median_ms":5.9,"interval_ms":[5.8,6.0],"runs":40,
//!      "quantiles_ms":[[1,5.5],[5,5.6],[25,5.8],[50,5.9],[75,6.0],[95,6.3],[99,7.0]],
//!      "preprocess_ms":0.4,"run_ms":5.5},
//!    "energy":{"joules":0.031,"idle_watts":2.1,"sensor":"INA3221 VDD_IN"}}],
//!  "machine":{"processor":"...","cores":2,"os":"...","board":null},
//!  "versions":{"classifyd":"0.1.0","onnxruntime":"...","gstreamer":"1.22.0"}}
//! ```
//!
//! `truth` is `labels`, `teacher:NAME` or `ensemble`; `energy` is null where the machine has no
//! sensor; `interval_ms` is the 95 % confidence interval of the median.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Energy, Header, LatencyStats, Machine, ProfileFault, ProfiledModel, VERSION, Versions, check,
};
use crate::features::Features;
use crate::learn::latency::QUANTILES;
use crate::models::{ModelId, Provider, Sha256Hex};

/// The key of the metadata, and the name of the format.
pub(super) const FORMAT: &str = "classifyd-profile";

const LATENCY_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Edition {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    format: String,
    version: u32,
    images: usize,
    classes: usize,
    truth: String,
    set: String,
    threads: usize,
    shard: String,
    features: Vec<String>,
    models: Vec<RawModel>,
    machine: Machine,
    versions: Versions,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    name: String,
    fingerprint: Sha256Hex,
    sha256: Sha256Hex,
    provider: String,
    latency: RawLatency,
    energy: Option<RawEnergy>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLatency {
    median_ms: f64,
    interval_ms: (f64, f64),
    runs: usize,
    quantiles_ms: [(u8, f64); QUANTILES.len()],
    preprocess_ms: f64,
    run_ms: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnergy {
    joules: f64,
    idle_watts: f64,
    sensor: String,
}

/// The JSON of a profile of so many pictures.
pub(super) fn write(header: &Header, images: usize) -> Result<String, ProfileFault> {
    check::check_models(&header.shape())?;
    let raw = RawHeader {
        format: FORMAT.to_owned(),
        version: VERSION,
        images,
        classes: header.classes,
        truth: header.truth.to_string(),
        set: header.set.clone(),
        threads: header.threads,
        shard: header.shard.to_string(),
        features: Features::NAMES.map(str::to_owned).to_vec(),
        models: header.models.iter().map(raw_model).collect(),
        machine: header.machine.clone(),
        versions: header.versions.clone(),
    };
    serde_json::to_string(&raw).map_err(document_fault)
}

fn raw_model(model: &ProfiledModel) -> RawModel {
    let energy = model.energy.as_ref().map(|energy| RawEnergy {
        joules: energy.joules,
        idle_watts: energy.idle_watts,
        sensor: energy.sensor.clone(),
    });
    RawModel {
        name: model.id.to_string(),
        fingerprint: model.fingerprint.clone(),
        sha256: model.sha256.clone(),
        provider: model.provider.to_string(),
        latency: raw_latency(&model.latency),
        energy,
    }
}

fn raw_latency(latency: &LatencyStats) -> RawLatency {
    let quantile = |place: usize| (QUANTILES[place], milliseconds(latency.quantiles[place]));
    RawLatency {
        median_ms: milliseconds(latency.median),
        interval_ms: (milliseconds(latency.interval.0), milliseconds(latency.interval.1)),
        runs: latency.runs,
        quantiles_ms: std::array::from_fn(quantile),
        preprocess_ms: milliseconds(latency.preprocess),
        run_ms: milliseconds(latency.run),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// The header, and how many pictures the profile has.
pub(super) fn read(json: &str) -> Result<(Header, usize), ProfileFault> {
    let edition: Edition = serde_json::from_str(json).map_err(document_fault)?;
    if edition.version != VERSION {
        return Err(ProfileFault::Version { found: edition.version });
    }
    let raw: RawHeader = serde_json::from_str(json).map_err(document_fault)?;
    if raw.format != FORMAT {
        return Err(unknown("format", &raw.format));
    }
    if raw.features != Features::NAMES {
        return Err(ProfileFault::OtherFeatures { found: raw.features.join(", ") });
    }
    let header = Header {
        models: raw.models.into_iter().map(RawModel::check).collect::<Result<_, _>>()?,
        classes: raw.classes,
        truth: raw.truth.parse().map_err(|_| unknown("truth", &raw.truth))?,
        set: raw.set,
        threads: raw.threads,
        shard: raw.shard.parse().map_err(|_| unknown("shard", &raw.shard))?,
        machine: raw.machine,
        versions: raw.versions,
    };
    check::check_models(&header.shape())?;
    Ok((header, raw.images))
}

impl RawModel {
    fn check(self) -> Result<ProfiledModel, ProfileFault> {
        let id = ModelId::new(&self.name).ok_or_else(|| unknown("model name", &self.name))?;
        let provider = Provider::LADDER.into_iter().find(|known| known.as_str() == self.provider);
        let provider = provider.ok_or_else(|| unknown("execution provider", &self.provider))?;
        let latency = self.latency.check(&id)?;
        let energy = self.energy.map(|energy| energy.check(&id)).transpose()?;
        let (fingerprint, sha256) = (self.fingerprint, self.sha256);
        Ok(ProfiledModel { id, fingerprint, sha256, provider, latency, energy })
    }
}

impl RawLatency {
    fn check(self, model: &ModelId) -> Result<LatencyStats, ProfileFault> {
        let (low, high) = self.interval_ms;
        let is_ordered = low <= self.median_ms && self.median_ms <= high;
        let are_ours = self.quantiles_ms.map(|(percent, _)| percent) == QUANTILES;
        if !is_ordered || !are_ours || self.runs == 0 {
            let fault = format!("the latency of {model} contradicts itself");
            return Err(ProfileFault::Document(fault));
        }
        let time = |milliseconds: f64| duration(model, milliseconds);
        let mut quantiles = [Duration::ZERO; QUANTILES.len()];
        for (quantile, (_, milliseconds)) in quantiles.iter_mut().zip(self.quantiles_ms) {
            *quantile = time(milliseconds)?;
        }
        Ok(LatencyStats {
            median: time(self.median_ms)?,
            interval: (time(low)?, time(high)?),
            runs: self.runs,
            quantiles,
            preprocess: time(self.preprocess_ms)?,
            run: time(self.run_ms)?,
        })
    }
}

impl RawEnergy {
    fn check(self, model: &ModelId) -> Result<Energy, ProfileFault> {
        let Self { joules, idle_watts, sensor } = self;
        if joules > 0.0 && idle_watts >= 0.0 {
            return Ok(Energy { joules, idle_watts, sensor });
        }
        let fault = format!("the energy of {model} is {joules} J over {idle_watts} W");
        Err(ProfileFault::Document(fault))
    }
}

fn duration(model: &ModelId, milliseconds: f64) -> Result<Duration, ProfileFault> {
    let nanoseconds = (milliseconds * 1e6).round();
    if (0.0..=LATENCY_LIMIT.as_nanos() as f64).contains(&nanoseconds) {
        return Ok(Duration::from_nanos(nanoseconds as u64));
    }
    let fault = format!("the latency of {model} is {milliseconds} ms, not between 0 and an hour");
    Err(ProfileFault::Document(fault))
}

fn unknown(role: &str, word: &str) -> ProfileFault {
    ProfileFault::Document(format!("`{word}` is no {role}"))
}

fn document_fault(error: serde_json::Error) -> ProfileFault {
    ProfileFault::Document(error.to_string())
}
