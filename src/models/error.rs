//! What can be wrong with a model's files.

use std::path::PathBuf;

use thiserror::Error;

use super::{ModelId, Sha256Hex};

/// Why a model's description cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The manifest cannot be read.
    #[error("cannot read the model manifest {}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The manifest is not TOML of the documented form.
    #[error(
        "the model manifest {}, line {line}: {fault} (models/README.md describes every key)",
        path.display()
    )]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// A value makes no sense.
    #[error("the model manifest {}: {fault}", path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// The label file cannot be read.
    #[error("cannot read the label file {} of model {model} (run `make setup`)", path.display())]
    Labels {
        /// Whose labels.
        model: ModelId,
        /// The label file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The label file names no classes.
    #[error("the label file {}: {fault}", path.display())]
    LabelNames {
        /// The label file.
        path: PathBuf,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// There is no such directory of manifests.
    #[error("cannot list the model directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The ONNX file cannot be read.
    #[error("cannot read the model file {} of {model} (run `make setup`)", path.display())]
    File {
        /// Whose file.
        model: ModelId,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The ONNX file is not the one described.
    #[error(
        "the model file {} has sha256 {found}, and its manifest says {expected}: the file is \
         damaged or another one (run `make setup` to convert it again, or correct the manifest)",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The manifest's digest.
        expected: Sha256Hex,
        /// The file's digest.
        found: Sha256Hex,
    },
}
