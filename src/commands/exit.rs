//! How a command ends: sysexits codes, by kind of error.

use std::fmt;

use super::catalogue::{MixedClasses, ModelFault};
use super::equipment::AdaptiveFault;
use crate::adaptive::{NoPoolLeft, NoSuchPoint};
use crate::capture::{CaptureError, ImageFileError};
use crate::config::ConfigError;
use crate::inference::{LoadError, RosterError, TooWide};
use crate::install::NoModels;
use crate::learn::evaluate::{EvaluateError, TableError};
use crate::learn::folders::FoldersError;
use crate::learn::labels::LabelsError;
use crate::learn::profile_file::{JournalError, ProfileError};
use crate::learn::train::TrainError;
use crate::logging::LoggingError;
use crate::models::ManifestError;
use crate::onnx::RuntimeError;
use crate::operations::EndpointError;
use crate::operations::socket::AskError;
use crate::premodel::{NoModelLeft, PremodelError};
use crate::report::ReportError;
use crate::simulate::scenario::ScenarioError;

/// The exit codes, after `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Anything that has no code of its own.
    Other = 1,
    /// The command line is wrong.
    Usage = 64,
    /// An input does not exist or cannot be read.
    NoInput = 66,
    /// A part that is needed is not installed, damaged, or does not answer.
    Unavailable = 69,
    /// The configuration is wrong.
    Configuration = 78,
}

/// Why a command failed, and the code to exit with.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub code: ExitCode,
    /// What happened, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// An error that ends with `code`.
    pub fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }

    /// A wrong command line, in words.
    pub fn usage(fault: impl fmt::Display) -> Self {
        Self { code: ExitCode::Usage, error: anyhow::anyhow!("{fault}") }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: ExitCode::Other, error }
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Self {
        Self { code: capture_code(&error), error: error.into() }
    }
}

fn capture_code(error: &CaptureError) -> ExitCode {
    match error {
        CaptureError::MissingInput { .. } => ExitCode::NoInput,
        CaptureError::Uri { .. } | CaptureError::Parameter { .. } => ExitCode::Usage,
        CaptureError::Description { .. } => ExitCode::Configuration,
        CaptureError::Gstreamer { .. }
        | CaptureError::MissingElement { .. }
        | CaptureError::MissingDecoder { .. }
        | CaptureError::Camera { .. } => ExitCode::Unavailable,
        CaptureError::NoVideo { .. }
        | CaptureError::Undecodable { .. }
        | CaptureError::Thread { .. } => ExitCode::Other,
    }
}

impl From<ImageFileError> for Failure {
    fn from(error: ImageFileError) -> Self {
        let code = match &error {
            ImageFileError::Read(_) => ExitCode::NoInput,
            ImageFileError::Empty
            | ImageFileError::Truncated
            | ImageFileError::Decode(_)
            | ImageFileError::Decoder(_)
            | ImageFileError::Picture(_) => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let code = match &error {
            ManifestError::Parse { .. }
            | ManifestError::Value { .. }
            | ManifestError::LabelNames { .. } => ExitCode::Configuration,
            ManifestError::Read { .. }
            | ManifestError::Labels { .. }
            | ManifestError::Directory { .. }
            | ManifestError::File { .. }
            | ManifestError::Checksum { .. } => ExitCode::Unavailable,
        };
        Self { code, error: error.into() }
    }
}

impl From<ModelFault> for Failure {
    fn from(fault: ModelFault) -> Self {
        match fault {
            ModelFault::Manifest(error) => error.into(),
            ModelFault::Unknown { .. } => Self::new(ExitCode::Usage, fault),
            ModelFault::Absent { .. } | ModelFault::NoneLeft(_) => {
                Self::new(ExitCode::Unavailable, fault)
            }
        }
    }
}

impl From<RosterError> for Failure {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::Load(LoadError::File(manifest)) => manifest.into(),
            other => Self::new(ExitCode::Unavailable, other),
        }
    }
}

impl From<TooWide> for Failure {
    fn from(error: TooWide) -> Self {
        Self::new(ExitCode::Configuration, error)
    }
}

impl From<LabelsError> for Failure {
    fn from(error: LabelsError) -> Self {
        let code = match &error {
            LabelsError::Read { .. } => ExitCode::NoInput,
            LabelsError::Csv { .. }
            | LabelsError::Header { .. }
            | LabelsError::Line { .. }
            | LabelsError::Empty { .. } => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<FoldersError> for Failure {
    fn from(error: FoldersError) -> Self {
        let code = match &error {
            FoldersError::List { .. }
            | FoldersError::NoImage { .. }
            | FoldersError::Unlabelled { .. }
            | FoldersError::ReadSynsets { .. } => ExitCode::NoInput,
            FoldersError::NoClass { .. } | FoldersError::Synsets { .. } => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let code = match &error {
            ProfileError::Open { .. } => ExitCode::NoInput,
            ProfileError::Unusable { .. } | ProfileError::Write { .. } => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let code = match &error {
            JournalError::Exists { .. } | JournalError::Different { .. } => ExitCode::Usage,
            JournalError::Read { .. } => ExitCode::NoInput,
            JournalError::Write { .. }
            | JournalError::Measurement { .. }
            | JournalError::Line { .. } => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let code = match &error {
            TrainError::K(_)
            | TrainError::FeatureCount(_)
            | TrainError::FoldCount(_)
            | TrainError::Folds { .. }
            | TrainError::TooFewImages { .. }
            | TrainError::Theta(_)
            | TrainError::UnknownModel { .. }
            | TrainError::NoModelAllowed
            | TrainError::Adapt(_)
            | TrainError::Target(_) => ExitCode::Usage,
            TrainError::NoImage
            | TrainError::OneGroup
            | TrainError::NothingDiffers
            | TrainError::DifferentModels { .. }
            | TrainError::DuplicateImage(_)
            | TrainError::MixedTruth { .. }
            | TrainError::NothingRight
            | TrainError::Recipe(_) => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Train(error) => error.into(),
            EvaluateError::Adapt(_) | EvaluateError::Table(_) => Self::new(ExitCode::Usage, error),
            EvaluateError::Learner(_) | EvaluateError::Premodel(_) => {
                Self::new(ExitCode::Other, error)
            }
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        let code = match &error {
            TableError::Read { .. } => ExitCode::NoInput,
            TableError::Form { .. } | TableError::Latency { .. } => ExitCode::Other,
        };
        Self { code, error: error.into() }
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        let code = match &error {
            ScenarioError::Read { .. } => ExitCode::NoInput,
            ScenarioError::Faulty(_) => ExitCode::Configuration,
        };
        Self { code, error: error.into() }
    }
}

/// Errors that always end with one code.
macro_rules! always {
    ($($error:ty => $code:ident),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(ExitCode::$code, error)
            }
        })+
    };
}

always! {
    ConfigError => Configuration,
    AdaptiveFault => Configuration,
    NoSuchPoint => Configuration,
    MixedClasses => Usage,
    NoModels => Unavailable,
    LoggingError => Unavailable,
    EndpointError => Unavailable,
    AskError => Unavailable,
    RuntimeError => Unavailable,
    PremodelError => Unavailable,
    NoModelLeft => Unavailable,
    NoPoolLeft => Unavailable,
    ReportError => Other,
}
