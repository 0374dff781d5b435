//! What `classifyd simulate` is told: a TOML file, read and checked whole.
//!
//! As with the configuration, every fault is named with its place, its key, what is written there and
//! the remedy. The scenarios in `scenarios/` explain every key.

mod models;
mod policy;
mod read;
#[cfg(test)]
mod tests;
mod value;

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

pub use policy::{Policy, PolicyError};

use super::setting::{Model, Setting};
use crate::config::Faults;
use crate::models::ModelId;

/// A scenario, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is about, for people.
    pub about: String,
    /// What decides all that is random; run `i` of a setting has the seed `seed + i`.
    pub seed: u64,
    /// How many runs each setting gets.
    pub seeds: NonZeroUsize,
    /// What is compared: at least one.
    pub policies: Vec<Policy>,
    /// The circumstances. There may be no stream if there is a grid or a plan, which have their own.
    pub setting: Setting,
    /// What else could be.
    pub variants: Vec<Variant>,
    /// Many settings, side by side.
    pub grid: Option<Grid>,
    /// How many cameras there may be.
    pub plan: Option<Plan>,
}

/// A change of the circumstances.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What it is called, unlike any other.
    pub name: String,
    /// Another time until the scheduler has a frame.
    pub selection: Option<Duration>,
    /// Another skill of the premodel.
    pub skill: Option<f64>,
    /// How many times as fast the devices are.
    pub speed: Option<f64>,
    /// Models that are not there.
    pub without: Vec<ModelId>,
    /// Models that are there besides, or in place of those of the same name.
    pub models: Vec<Model>,
}

/// Every combination of numbers of streams, budgets and loads.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Numbers of streams.
    pub streams: Vec<usize>,
    /// Budgets; all streams of a point have the same.
    pub budgets: Vec<Duration>,
    /// Loads, by the point's reference; they make the rates.
    pub loads: Vec<f64>,
    /// Frames of a run, all streams together.
    pub frames: usize,
    /// How even frames come.
    pub jitter: f64,
    /// The model that loads are reckoned by; without it, at each budget the model that a user would
    /// pick ([`Setting::reference`]).
    pub reference: Option<ModelId>,
}

/// How many cameras a device carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The rates of the cameras, in frames a second; all of one answer have the same.
    pub rates: Vec<f64>,
    /// The most cameras that are tried.
    pub most: usize,
    /// Time from capture to answer.
    pub budget: Duration,
    /// How even frames come.
    pub jitter: f64,
    /// The least effective accuracy that will do.
    pub accuracy: Option<f64>,
    /// The least share of frames answered in time that will do.
    pub in_time: Option<f64>,
}

/// Why there is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is faulty.
    #[error(transparent)]
    Faulty(#[from] Faults),
}

impl Scenario {
    /// Reads and checks the file at `path`; relative paths in it start from its directory.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let bytes = fs::read(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Ok(read::from_bytes(path, &bytes)?)
    }
}

impl Variant {
    /// The circumstances with the change.
    pub fn apply(&self, setting: &Setting) -> Setting {
        let mut setting = setting.clone();
        setting.selection = self.selection.unwrap_or(setting.selection);
        setting.answers.skill = self.skill.unwrap_or(setting.answers.skill);
        let is_replaced = |id: &ModelId| self.models.iter().any(|model| model.id == *id);
        setting.models.retain(|model| !self.without.contains(&model.id) && !is_replaced(&model.id));
        setting.models.extend(self.models.iter().cloned());
        if let Some(speed) = self.speed {
            let placements = setting.models.iter_mut().flat_map(|model| &mut model.placements);
            placements.for_each(|one| one.latency = one.latency.sped_up(speed));
        }
        setting
    }
}
