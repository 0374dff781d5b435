//! What is remembered of runners over restarts.
//!
//! # Format, version 1
//!
//! A JSON object:
//!
//! | key        | value                                                                              |
//! |------------|------------------------------------------------------------------------------------|
//! | `version`  | 1                                                                                  |
//! | `settings` | an array of at most 32 objects, the one that was used last at the end              |
//!
//! A setting is a device in a power mode; estimates of one tell nothing of another:
//!
//! | key          | value                                                                            |
//! |--------------|----------------------------------------------------------------------------------|
//! | `device`     | an object: `provider` (`tensorrt`, `cuda`, `cpu`), `name`, `threads` of a run    |
//! | `power_mode` | as [`PowerMode`] writes it                                                       |
//! | `models`     | an array of at most 64 objects, the one that was used last at the end            |
//!
//! A model is an object with its `fingerprint` ([`Manifest::fingerprint`](crate::models::Manifest::fingerprint))
//! and two objects, `preprocess` and `run`, of runs of one frame. If several frames may share a run it has
//! also `batches`, an array of at most 31 objects with the same two keys and `frames`, how many share the
//! run. (Versions of this program that know nothing of shared runs leave `batches` out.)
//!
//! | key         | value                                                                             |
//! |-------------|-----------------------------------------------------------------------------------|
//! | `median_us` | the median in microseconds when the device is as quick as usual                   |
//! | `residuals` | an array of at most 2048 integers, the oldest first: by how much recent runs were expected to take less, the slowdown taken out, as ten-thousandths of the natural logarithm |

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::part::Memory;
use super::power_mode::PowerMode;
use super::window::WINDOW;
use crate::models::{Provider, Sha256Hex};
use crate::whole_file;

/// The version of the format that is written, and the one that is read.
const VERSION: u32 = 1;

/// Settings that a file holds at most.
const MOST_SETTINGS: usize = 32;

/// Models that a setting holds at most.
const MOST_MODELS: usize = 64;

/// Numbers of frames of shared runs that a model holds at most.
const MOST_BATCHES: usize = 31;

/// The parts of a natural logarithm in which residuals are written.
const PARTS: f64 = 1e4;

/// The largest residual: the logarithm of a day in microseconds is 25.2.
const MOST_PARTS: i32 = 300_000;

/// A day, in microseconds.
const MOST_MICROSECONDS: f64 = 86_400e6;

/// What is remembered of all runners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    device: DeviceKey,
    power_mode: PowerMode,
    models: Vec<Model>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    fingerprint: Sha256Hex,
    #[serde(flatten)]
    remembered: Remembered,
}

/// What runs are done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceKey {
    provider: String,
    name: String,
    threads: usize,
}

/// What is remembered of one runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    preprocess: Part,
    run: Part,
    /// Of runs that several frames share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    batches: Vec<Batch>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    frames: usize,
    preprocess: Part,
    run: Part,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    median_us: f64,
    residuals: Vec<i32>,
}

/// Why there is nothing to remember, or it cannot be kept.
#[derive(Debug, Error)]
pub enum SavedError {
    /// The file is there and cannot be read.
    #[error("cannot read the latencies in {}: estimates start from the warm-up", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file is damaged, or another one.
    #[error(
        "{} holds no latencies, or damaged ones ({fault}): estimates start from the warm-up, and it \
         will be written anew",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// It is of another version of this program.
    #[error(
        "the latencies in {} have the format version {found}, this classifyd reads {VERSION}: \
         estimates start from the warm-up, and it will be written anew",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it states.
        found: u64,
    },
    /// The file cannot be written.
    #[error("cannot keep the latencies in {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

impl Default for Saved {
    /// Nothing.
    fn default() -> Self {
        Self { version: VERSION, settings: Vec::new() }
    }
}

impl Saved {
    /// Reads a file; `None` if there is none. An error is worth a warning and no more: without what is
    /// remembered, estimates start from the warm-up.
    pub fn load(path: &Path) -> Result<Option<Self>, SavedError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SavedError::Read { path: path.to_owned(), source }),
        };
        let unusable = |fault| SavedError::Unusable { path: path.to_owned(), fault };
        let versioned: Versioned =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if versioned.version != u64::from(VERSION) {
            let found = versioned.version;
            return Err(SavedError::Version { path: path.to_owned(), found });
        }
        let saved: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        saved.check().map_err(unusable)?;
        Ok(Some(saved))
    }

    /// Writes a file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), SavedError> {
        let unwritten = |source| SavedError::Write { path: path.to_owned(), source };
        let bytes = serde_json::to_vec(self).map_err(|error| unwritten(error.into()))?;
        let write = |mut file: fs::File| file.write_all(&bytes).map(|()| file);
        whole_file::write(path, write).map_err(unwritten)
    }

    fn check(&self) -> Result<(), String> {
        if self.settings.len() > MOST_SETTINGS {
            return Err(format!("it has more than {MOST_SETTINGS} settings"));
        }
        for (number, setting) in self.settings.iter().enumerate() {
            if setting.models.len() > MOST_MODELS {
                return Err(format!("settings[{number}] has more than {MOST_MODELS} models"));
            }
            for Model { fingerprint, remembered } in &setting.models {
                remembered.check().map_err(|fault| format!("model {fingerprint}: {fault}"))?;
            }
        }
        Ok(())
    }

    /// What is remembered of the model with this fingerprint on a device in a power mode.
    pub fn remembered(
        &self,
        device: &DeviceKey,
        power_mode: &PowerMode,
        fingerprint: &Sha256Hex,
    ) -> Option<&Remembered> {
        let mut settings = self.settings.iter();
        let setting = settings.find(|setting| setting.is_of(device, power_mode))?;
        let mut models = setting.models.iter();
        models.find(|model| model.fingerprint == *fingerprint).map(|model| &model.remembered)
    }

    /// Remembers a runner in the place of what was remembered of it. Where there is no room left, what
    /// was used the longest time ago is forgotten.
    pub fn remember(
        &mut self,
        device: DeviceKey,
        power_mode: PowerMode,
        fingerprint: Sha256Hex,
        remembered: Remembered,
    ) {
        let settings = &mut self.settings;
        let place = settings.iter().position(|setting| setting.is_of(&device, &power_mode));
        let known = place.map(|place| settings.remove(place));
        let mut setting = known.unwrap_or(Setting { device, power_mode, models: Vec::new() });
        setting.models.retain(|model| model.fingerprint != fingerprint);
        push_bounded(&mut setting.models, Model { fingerprint, remembered }, MOST_MODELS);
        push_bounded(settings, setting, MOST_SETTINGS);
    }
}

/// The one key that all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Setting {
    fn is_of(&self, device: &DeviceKey, power_mode: &PowerMode) -> bool {
        self.device == *device && self.power_mode == *power_mode
    }
}

fn push_bounded<T>(values: &mut Vec<T>, value: T, most: usize) {
    if values.len() >= most {
        values.drain(..=values.len() - most);
    }
    values.push(value);
}

impl DeviceKey {
    /// A provider, the name of the device that it uses, and the threads of one run.
    pub fn new(provider: Provider, name: impl Into<String>, threads: usize) -> Self {
        Self { provider: provider.as_str().to_owned(), name: name.into(), threads }
    }
}

impl Remembered {
    pub(super) fn of(preprocess: Memory, run: Memory) -> Self {
        Self { preprocess: Part::of(preprocess), run: Part::of(run), batches: Vec::new() }
    }

    /// The same with what is remembered of runs of 2, 3, ... frames.
    #[must_use]
    pub(in crate::scheduler) fn with_batches(self, of: impl Iterator<Item = Self>) -> Self {
        let batch = |(frames, Self { preprocess, run, .. })| Batch { frames, preprocess, run };
        Self { batches: (2..).zip(of).map(batch).collect(), ..self }
    }

    /// What is remembered of runs of so many frames, more than one.
    pub(in crate::scheduler) fn of_batch(&self, frames: usize) -> Option<Self> {
        let Batch { preprocess, run, .. } =
            self.batches.iter().find(|batch| batch.frames == frames)?.clone();
        Some(Self { preprocess, run, batches: Vec::new() })
    }

    fn check(&self) -> Result<(), String> {
        check_both(&self.preprocess, &self.run)?;
        if self.batches.len() > MOST_BATCHES {
            return Err(format!("batches has more than {MOST_BATCHES} objects"));
        }
        for Batch { frames, preprocess, run } in &self.batches {
            let within = |fault| format!("batches of {frames} frames: {fault}");
            check_both(preprocess, run).map_err(within)?;
        }
        Ok(())
    }

    /// Preprocessing and run.
    pub(super) fn memory(&self) -> [Memory; 2] {
        [self.preprocess.memory(), self.run.memory()]
    }
}

fn check_both(preprocess: &Part, run: &Part) -> Result<(), String> {
    for (name, part) in [("preprocess", preprocess), ("run", run)] {
        part.check().map_err(|fault| format!("{name}.{fault}"))?;
    }
    Ok(())
}

impl Part {
    fn of(memory: Memory) -> Self {
        let parts = |residual: f64| {
            let parts = (residual * PARTS).round() as i32;
            parts.clamp(-MOST_PARTS, MOST_PARTS)
        };
        let median_us = (memory.median.exp() * 1e6).min(MOST_MICROSECONDS);
        Self { median_us, residuals: memory.residuals.into_iter().map(parts).collect() }
    }

    fn memory(&self) -> Memory {
        let residuals = self.residuals.iter().map(|&parts| f64::from(parts) / PARTS);
        Memory { median: (self.median_us / 1e6).ln(), residuals: residuals.collect() }
    }

    fn check(&self) -> Result<(), String> {
        if !(self.median_us > 0.0 && self.median_us <= MOST_MICROSECONDS) {
            return Err(format!(
                "median_us = {} is no time above 0 of a day at most",
                self.median_us
            ));
        }
        if self.residuals.len() > WINDOW {
            return Err(format!("residuals has more than {WINDOW} numbers"));
        }
        match self.residuals.iter().find(|parts| !(-MOST_PARTS..=MOST_PARTS).contains(parts)) {
            Some(parts) => Err(format!("residuals has {parts}, beyond {MOST_PARTS} either way")),
            None => Ok(()),
        }
    }
}
