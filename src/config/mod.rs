//! The configuration of `classifyd run` and `classifyd check`: a TOML file, read and checked whole.
//!
//! Every fault of a file is found in one reading and named with its place, its key, what is written
//! there and the remedy ([`Faults`]); no device is touched before a file is free of them. What can
//! only be checked against the outside (does the model exist, is the source a camera) keeps its
//! [`Location`], so that whoever checks it can point at the line as well.
//!
//! `systemd/classifyd.toml` is an example that explains every key.

pub(crate) mod document;
mod fault;
mod policy;
mod read;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

pub use fault::{Fault, Faults, Located, Location};
pub use policy::{PolicyError, PolicyKind};

use crate::adaptive::Target;
use crate::capture::{LoginFile, Playback};
use crate::frame::{Budget, Pace, StreamName};
use crate::inference::{LateLimits, Widths};
use crate::models::{ModelId, Provider};
use crate::scheduler::Terms;
use crate::scheduler::estimate::OnTime;
use crate::select::TargetRate;

/// A configuration, checked as far as the file itself goes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which models there are, and how they run.
    pub models: ModelsConfig,
    /// The ONNX Runtime library; `None` to look for it where set-up installs it.
    pub onnxruntime: Option<Located<PathBuf>>,
    /// How the model of a frame is preferred.
    pub policy: PolicyConfig,
    /// What records hold.
    pub output: OutputConfig,
    /// How many runs there may be at once, and how wide.
    pub widths: Widths,
    /// When runs are started.
    pub scheduler: SchedulerConfig,
    /// When runs are too late.
    pub late: LateLimits,
    /// Where the status socket is; `None` for the default place.
    pub status_socket: Option<Located<PathBuf>>,
    /// Where metrics are to be had; `None` if they are not.
    pub metrics: Option<Located<SocketAddr>>,
    /// What to classify: at least one stream, each with a name of its own.
    pub streams: Vec<StreamConfig>,
}

/// Which models there are, and how they run.
#[derive(Clone, Debug)]
pub struct ModelsConfig {
    /// Where manifests live; `None` to look for them where set-up installs them.
    pub directory: Option<Located<PathBuf>>,
    /// The models to use, each once; `None` for every model that is present.
    pub names: Option<Vec<Located<ModelId>>>,
    /// The premodel's file; `None` for the one beside the models.
    pub premodel: Option<Located<PathBuf>>,
    /// The execution providers to try, each once, the best first.
    pub providers: Vec<Provider>,
}

/// How the model of a frame is preferred.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// The policy; `None` for the default.
    pub kind: Option<Located<PolicyKind>>,
    /// What the adaptive policy is to give; `None` for what its training chose.
    pub target: Option<Located<Target>>,
    /// The model that studies scenes for the adaptive policy; `None` for none.
    pub study: Option<Located<ModelId>>,
    /// What [`PolicyKind::Random`] starts from.
    pub seed: u64,
}

/// When runs are started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchedulerConfig {
    /// How surely a run that is started is to be in time.
    pub on_time: OnTime,
    /// Where what runs take is remembered; `None` for the state directory of the service.
    pub estimates: Option<PathBuf>,
}

/// What records hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Labels of each answer.
    pub top_k: NonZeroUsize,
}

/// One stream to classify.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Its name, unlike those of all others.
    pub name: StreamName,
    /// A URI, a path, or the name of a pipeline description.
    pub source: Located<String>,
    /// The file of its login; `None` if the address has one, or needs none.
    pub credentials: Option<Located<LoginFile>>,
    /// What the placeholders of the pipeline description stand for.
    pub parameters: BTreeMap<String, String>,
    /// Time from a frame's capture to its answer.
    pub budget: Budget,
    /// A camera that gives no frame for so long is started again.
    pub stall_after: Duration,
    /// How often a recording is played (`loop = true`: over and over).
    pub playback: Playback,
    /// One frame in so many is classified; those between reuse its answer.
    pub every: NonZeroUsize,
    /// Frames per second that are classified at most; `None` for all.
    pub target_rate: Option<TargetRate>,
    /// Whether files are paced by the clock (`realtime = true`) or by the work on them.
    pub pace: Pace,
    /// What it is promised where not every frame of all streams can be answered.
    pub terms: Terms,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {} (name the file with --config)", path.display())]
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

impl Config {
    /// Reads and checks the file at `path`; relative paths in it start from its directory.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes =
            fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Ok(read::from_bytes(path, &bytes)?)
    }

    /// The policy that it names; a target, or a model that studies, names the adaptive one.
    pub fn policy(&self) -> Option<PolicyKind> {
        let PolicyConfig { kind, target, study, .. } = &self.policy;
        let kind = kind.as_ref().map(|kind| kind.value.clone());
        let is_adaptive = target.is_some() || study.is_some();
        kind.or_else(|| is_adaptive.then_some(PolicyKind::Adaptive))
    }
}
