//! Where a model may run, how wide, and on how many frames at once: the section `[run]` of a manifest.

use std::num::NonZeroUsize;

use serde::Deserialize;

use super::Device;

/// Most threads of one run.
const MOST_THREADS: usize = 64;

/// Most frames that may share a run.
const MOST_FRAMES: usize = 16;

/// Where a model may run, how wide its runs are, and how many frames one may take. What is left out of
/// the first two is up to the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSpec {
    /// The devices, each once; `None` for any.
    pub devices: Option<Vec<Device>>,
    /// Threads of a run on the processor: each number is a runner of that width.
    pub threads: Option<Vec<NonZeroUsize>>,
    /// Frames that may share a run; `None` for one.
    pub batch: Option<NonZeroUsize>,
}

impl RunSpec {
    /// How many frames may share a run.
    pub fn most_frames(&self) -> usize {
        self.batch.map_or(1, NonZeroUsize::get)
    }

    /// Whether the model may run on a device.
    pub fn allows(&self, device: Device) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.contains(&device))
    }
}

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRun {
    devices: Option<Vec<String>>,
    threads: Option<Threads>,
    batch: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a whole number or a list of whole numbers")]
enum Threads {
    One(i64),
    Several(Vec<i64>),
}

impl RawRun {
    pub(super) fn check(self) -> Result<RunSpec, String> {
        Ok(RunSpec {
            devices: self.devices.map(check_devices).transpose()?,
            threads: self.threads.map(Threads::check).transpose()?,
            batch: self.batch.map(check_batch).transpose()?,
        })
    }
}

fn check_devices(names: Vec<String>) -> Result<Vec<Device>, String> {
    if names.is_empty() {
        return Err(format!("run.devices is empty: name one of {}, or leave it out", known()));
    }
    let mut devices = Vec::new();
    for name in names {
        let Some(device) = Device::ALL.into_iter().find(|device| device.as_str() == name) else {
            return Err(format!("run.devices names `{name}`: there are {}", known()));
        };
        if devices.contains(&device) {
            return Err(format!("run.devices names `{name}` twice: remove one of them"));
        }
        devices.push(device);
    }
    Ok(devices)
}

fn known() -> String {
    Device::ALL.map(|device| format!("`{device}`")).join(" and ")
}

impl Threads {
    fn check(self) -> Result<Vec<NonZeroUsize>, String> {
        let numbers = match self {
            Self::One(number) => vec![number],
            Self::Several(numbers) => numbers,
        };
        if numbers.is_empty() {
            return Err("run.threads is empty: write a number, or leave it out".to_owned());
        }
        numbers.into_iter().map(check_threads).collect()
    }
}

fn check_batch(number: i64) -> Result<NonZeroUsize, String> {
    let within = usize::try_from(number).ok().filter(|number| *number <= MOST_FRAMES);
    within.and_then(NonZeroUsize::new).ok_or_else(|| {
        format!("run.batch = {number}: frames that may share a run, 1 to {MOST_FRAMES}")
    })
}

fn check_threads(number: i64) -> Result<NonZeroUsize, String> {
    let within = usize::try_from(number).ok().filter(|number| *number <= MOST_THREADS);
    within
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| format!("run.threads has {number}: each must be 1 to {MOST_THREADS}"))
}
