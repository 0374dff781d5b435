//! The status document: what `classifyd status --json` prints.
//!
//! `schema/status.schema.json` describes every key; the tests hold real documents against it. Times are
//! in seconds (`_s`) or milliseconds (`_ms`).

use std::collections::BTreeMap;
use std::process;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Operations;
use super::board::Board;
use super::machinery::{Depths, Machinery, SideWork};
use crate::inference::LateWork;
use crate::output::rfc3339;
use crate::scheduler::{Glance, RunnerGlance};
use crate::study::StudyWork;

/// The JSON Schema (draft 2020-12) of a status document.
pub const STATUS_SCHEMA: &str = include_str!("../../schema/status.schema.json");

/// How a daemon is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// The number of the process.
    pub pid: u32,
    /// `starting` while models are loaded, then `running`.
    pub state: String,
    /// When the process began, RFC 3339.
    pub started_at: String,
    /// Since then.
    pub uptime_s: f64,
    /// Whether the process can go on: nothing was given up for good.
    pub healthy: bool,
    /// What was given up, in words.
    pub faults: Vec<String>,
    /// Each stream, by name.
    pub streams: Vec<StreamStatus>,
    /// Each model, by name.
    pub models: Vec<ModelStatus>,
    /// What models run on.
    pub devices: Vec<DeviceStatus>,
    /// Frames that wait, and where.
    pub queues: QueueStatus,
    /// What was done about runs that lasted too long.
    pub late_work: LateWork,
    /// What was done by a model that studies scenes.
    pub study: StudyWork,
    /// TensorRT engines that were built, by model.
    pub engine_builds: BTreeMap<String, u64>,
    /// What the machine's sensors say.
    pub board: Board,
}

/// How a stream is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Its name.
    pub stream: String,
    /// Where its frames come from; passwords are hidden.
    pub source: String,
    /// `starting`, `live`, `stalled`, `retrying` or `ended`.
    pub state: String,
    /// For how long; of one that was lost and has given no frame since, since it was lost.
    pub state_for_s: f64,
    /// Of one that is retrying: how it was lost (one of [`Losses`]).
    pub loss: Option<String>,
    /// Of one that is retrying: how often in a row.
    pub attempt: Option<u32>,
    /// Of one that is retrying: time until it is started again.
    pub retry_in_s: Option<f64>,
    /// What became of its frames.
    pub frames: Frames,
    /// Frames with an answer by their deadline.
    pub met_deadline: u64,
    /// Classified or reused frames without one.
    pub missed_deadline: u64,
    /// The share of its frames answered by their deadline, 0 to 1; null before the first.
    pub in_time_share: Option<f64>,
    /// Time since its latest record; null before the first.
    pub latest_record_age_s: Option<f64>,
    /// How often its source was lost.
    pub losses: Losses,
    /// How often it came back.
    pub recoveries: u64,
    /// Its latest errors, the oldest first.
    pub errors: Vec<ErrorStatus>,
}

/// Frames by outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are the outcomes of records, and `lost` is none")]
pub struct Frames {
    pub classified: u64,
    pub reused: u64,
    pub superseded: u64,
    pub skipped: u64,
    pub expired: u64,
    pub late: u64,
    pub failed: u64,
    pub abandoned: u64,
    pub lost: u64,
}

impl Frames {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { classified, reused, superseded, skipped, expired, late, .. } = self;
        let Self { failed, abandoned, lost, .. } = self;
        [classified, reused, superseded, skipped, expired, late, failed, abandoned, lost]
            .into_iter()
            .sum()
    }
}

/// How often a source was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// It could not be started.
    pub not_started: u64,
    /// It broke.
    pub failed: u64,
    /// A camera ended it.
    pub ended: u64,
    /// It gave no frame for too long.
    pub stalled: u64,
    /// What it sends could not be decoded.
    pub undecodable: u64,
    /// Its pictures changed their size.
    pub resized: u64,
    /// Its timestamps jumped.
    pub time_jump: u64,
}

impl Losses {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { not_started, failed, ended, stalled, undecodable, resized, time_jump } = self;
        [not_started, failed, ended, stalled, undecodable, resized, time_jump].into_iter().sum()
    }
}

/// An error of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorStatus {
    /// When it last came, RFC 3339.
    pub at: String,
    /// In words.
    pub error: String,
    /// How often in a row.
    pub times: u64,
}

/// How a model is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Its name.
    pub model: String,
    /// What it runs on: `tensorrt`, `cuda` or `cpu`.
    pub provider: Option<String>,
    /// `in`, or `out` once its worker is stuck.
    pub state: String,
    /// Its runs on classified frames.
    pub runs: u64,
    /// What its quickest run is expected to take, preprocessing included.
    pub expected_ms: f64,
    /// Each of its widths.
    pub runners: Vec<RunnerStatus>,
}

/// A model on a device, with a number of cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerStatus {
    /// The device.
    pub device: String,
    /// The cores that a run takes.
    pub cores: usize,
    /// What a run is expected to take, preprocessing included.
    pub expected_ms: f64,
    /// What it takes at most, with the probability that is asked for (`scheduler.on_time`).
    pub longest_ms: f64,
}

/// How a device is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name.
    pub device: String,
    /// The cores that runs may take together.
    pub cores: usize,
    /// Runs that are decided and not over.
    pub runs: usize,
    /// By what factor runs take longer than usual.
    pub slowdown: f64,
}

/// Frames that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// For features and the ranking of models.
    pub mailbox: usize,
    /// For the scheduler's decision.
    pub scheduler: usize,
    /// For the output.
    pub output: usize,
}

impl From<Depths> for QueueStatus {
    fn from(Depths { mailbox, scheduler, output }: Depths) -> Self {
        Self { mailbox, scheduler, output }
    }
}

impl Operations {
    /// How the daemon is doing.
    pub fn status(&self) -> Status {
        let now = self.clock.now();
        let streams = self.boards().into_iter().map(|(name, board)| board.status(&name, now));
        let faults = self.faults();
        let engine_builds = self.engine_builds.counts().into_iter();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            state: if faults.is_some() { "running" } else { "starting" }.to_owned(),
            started_at: rfc3339(self.started.wall),
            uptime_s: seconds(now.saturating_duration_since(self.started.at)),
            healthy: faults.as_ref().is_none_or(Vec::is_empty),
            faults: faults.unwrap_or_default(),
            streams: streams.collect(),
            models: Vec::new(),
            devices: Vec::new(),
            queues: Depths::default().into(),
            late_work: LateWork::default(),
            study: StudyWork::default(),
            engine_builds: engine_builds.map(|(model, count)| (model.to_string(), count)).collect(),
            board: Board::read(&self.root),
        };
        self.ask(|machinery| self.add_machinery(&mut status, machinery));
        status
    }

    fn add_machinery(&self, status: &mut Status, machinery: &Machinery) {
        let glance = machinery.glance();
        status.queues = machinery.depths(glance.waiting).into();
        let SideWork { late_work, study } = machinery.side_work();
        (status.late_work, status.study) = (late_work, study);
        status.models = self.models(&glance, machinery);
        status.devices = glance
            .devices
            .into_iter()
            .map(|device| DeviceStatus {
                device: device.name,
                cores: device.cores,
                runs: device.committed,
                slowdown: rounded(device.slowdown),
            })
            .collect();
    }

    fn models(&self, glance: &Glance, machinery: &Machinery) -> Vec<ModelStatus> {
        let mut by_model: BTreeMap<_, Vec<&RunnerGlance>> = BTreeMap::new();
        for runner in &glance.runners {
            by_model.entry(&runner.model).or_default().push(runner);
        }
        let model = |(model, runners): (_, Vec<&RunnerGlance>)| {
            let provider = machinery.providers.get(model).copied();
            let runs = provider.map_or(0, |provider| self.meters.runs(model, provider).get());
            let quickest = runners.iter().map(|runner| runner.expected).min();
            let is_in = runners.iter().any(|runner| runner.is_in);
            ModelStatus {
                model: model.to_string(),
                provider: provider.map(|provider| provider.as_str().to_owned()),
                state: if is_in { "in" } else { "out" }.to_owned(),
                runs,
                expected_ms: milliseconds(quickest.unwrap_or_default()),
                runners: runners.into_iter().map(runner_status).collect(),
            }
        };
        by_model.into_iter().map(model).collect()
    }
}

fn runner_status(runner: &RunnerGlance) -> RunnerStatus {
    RunnerStatus {
        device: runner.device.clone(),
        cores: runner.cores,
        expected_ms: milliseconds(runner.expected),
        longest_ms: milliseconds(runner.longest),
    }
}

/// Seconds, to the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// Milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
