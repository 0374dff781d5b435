//! What is known of a model before it is loaded: its manifest, `models/<name>.toml`.
//!
//! The manifest names the ONNX file and its checksum, says how a picture becomes the model's input
//! and how its output becomes classes, and where the model may run. `models/README.md` documents every key.

mod digest;
mod error;
mod file;
mod fingerprint;
mod manifest;
mod run;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use digest::Sha256Hex;
pub use error::ManifestError;
pub use file::{ManifestEntry, load_directory};
pub use manifest::{
    Channels, Fit, Golden, InputSpec, Labels, Layout, Manifest, OutputKind, OutputSpec, Provenance,
    Published, Resize, golden_pixel,
};
pub use run::RunSpec;

/// The name of a model: the stem of its manifest's file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Accepts letters, digits, `_`, `-` and `.`, at most 64 of them.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=64).contains(&name.len());
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        (fits && name.chars().all(plain)).then(|| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Models' names for a message, by commas.
pub fn in_a_row(models: &[ModelId]) -> String {
    models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What executes a model, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// NVIDIA TensorRT.
    TensorRt,
    /// NVIDIA CUDA.
    Cuda,
    /// The processor.
    Cpu,
}

impl Provider {
    /// The ladder that loading a model descends.
    pub const LADDER: [Self; 3] = [Self::TensorRt, Self::Cuda, Self::Cpu];

    /// The word that records and logs carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
        }
    }

    /// The device that it runs models on.
    pub fn device(self) -> Device {
        match self {
            Self::TensorRt | Self::Cuda => Device::Gpu,
            Self::Cpu => Device::Cpu,
        }
    }
}

/// What runs are done on, as the scheduler calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The first graphics processor.
    Gpu,
    /// The processor.
    Cpu,
}

impl Device {
    /// All that there can be.
    pub const ALL: [Self; 2] = [Self::Gpu, Self::Cpu];

    /// The word that manifests and logs carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "gpu0",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
