//! The scheduler at a glance, for operators: how much waits, what is expected of runs.

use std::time::Duration;

use super::Scheduler;
use crate::models::ModelId;

/// What a scheduler knows at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// Frames that wait for a decision.
    pub waiting: usize,
    /// By device.
    pub devices: Vec<DeviceGlance>,
    /// By runner.
    pub runners: Vec<RunnerGlance>,
}

/// A device at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceGlance {
    /// Its name.
    pub name: String,
    /// How many cores runs may take at a time.
    pub cores: usize,
    /// Runs that are decided and not over.
    pub committed: usize,
    /// By what factor runs take longer than usual.
    pub slowdown: f64,
}

/// A runner at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerGlance {
    /// Its model.
    pub model: ModelId,
    /// The name of its device.
    pub device: String,
    /// The cores that a run takes.
    pub cores: usize,
    /// What a run is expected to take, preprocessing included.
    pub expected: Duration,
    /// What it takes at most, with the probability that is asked for.
    pub longest: Duration,
    /// Whether the model may be chosen: it was not retired.
    pub is_in: bool,
}

impl<J> Scheduler<J> {
    /// What it knows now.
    pub fn glance(&self) -> Glance {
        let devices = self.devices.iter().map(|device| DeviceGlance {
            name: device.name().to_owned(),
            cores: device.cores(),
            committed: device.committed(),
            slowdown: device.slowdown(),
        });
        let runners = self.runners.iter().map(|runner| RunnerGlance {
            model: runner.model.clone(),
            device: self.devices[runner.device].name().to_owned(),
            cores: runner.cores,
            expected: runner.alone.expected.total(),
            longest: runner.longest(),
            is_in: self.of_model.iter().any(|places| places.contains(&runner.place)),
        });
        Glance {
            waiting: self.waiting.len(),
            devices: devices.collect(),
            runners: runners.collect(),
        }
    }
}
