//! What can be wrong with a premodel file.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensorError};
use thiserror::Error;

use super::{FILE_LIMIT, FORMAT, VERSION};
use crate::premodel::RecipeFault;

/// Why a premodel file cannot be used.
#[derive(Debug, Error)]
pub enum PremodelError {
    /// It cannot be read.
    #[error(
        "cannot read the premodel {} (train one with `classifyd train`, name one with --premodel, or \
         do without: --model NAME)",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It was read, and is no premodel.
    #[error("cannot use the premodel {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<FileFault>,
    },
}

/// Why bytes are no premodel.
#[derive(Debug, Error)]
pub enum FileFault {
    /// Longer than any premodel.
    #[error("it is larger than {} MiB; this is no premodel", FILE_LIMIT >> 20)]
    TooLarge,
    /// Shorter than its header says, or another kind of file.
    #[error("it is truncated or no safetensors file; copy it again or train anew")]
    Container(#[source] SafeTensorError),
    /// Safetensors, but not ours.
    #[error("it is a safetensors file without the `{FORMAT}` entry; this is no premodel")]
    Foreign,
    /// From a later version of the program.
    #[error(
        "it was made by a newer classifyd (format {found}, this one reads {VERSION}); update \
         classifyd or train anew"
    )]
    Newer {
        /// The version it states.
        found: u32,
    },
    /// A version of old, or one that never was.
    #[error("it is of format {found}, and this classifyd reads format {VERSION} only; train anew")]
    UnknownVersion {
        /// The version it states.
        found: u32,
    },
    /// Not the bytes that were written.
    #[error("its checksum does not match its content: it is damaged; copy it again or train anew")]
    Checksum,
    /// The metadata lacks a key, has one too many, or has one of another type.
    #[error("its description is not as documented")]
    Description(#[source] serde_json::Error),
    /// A tensor is missing, of another type, or of another shape.
    #[error("it needs a tensor `{name}` of type {dtype:?} and shape {shape}, {found}")]
    Tensor {
        /// The tensor.
        name: &'static str,
        /// Its type.
        dtype: Dtype,
        /// Its shape, in words.
        shape: String,
        /// What is there instead.
        found: String,
    },
    /// Tensors that the format does not have.
    #[error("it has tensors besides the documented ones: {0}")]
    ExtraTensor(String),
    /// Trained with other features.
    #[error(
        "its features ({found}) are not some of this classifyd's, each once and in their order; train \
         anew"
    )]
    OtherFeatures {
        /// Their names.
        found: String,
    },
    /// A model's name with characters that names don't have.
    #[error("{0:?} is no name of a model")]
    ModelName(String),
    /// A stage or the fallback for a model that is not listed.
    #[error("{role} is {name:?}, which its list of models lacks")]
    UnlistedModel {
        /// What it was to be.
        role: &'static str,
        /// Its name.
        name: String,
    },
    /// NaN or infinity.
    #[error("row {row} of `{tensor}` has a number that is not finite")]
    NotFinite {
        /// The tensor.
        tensor: &'static str,
        /// The row, from 0.
        row: usize,
    },
    /// Neither right nor wrong.
    #[error("row {row} of `right` has a {value}, neither 0 nor 1")]
    NotBinary {
        /// The row, from 0.
        row: usize,
        /// The value.
        value: u8,
    },
    /// Extremes that exclude every value.
    #[error("a feature's minimum is greater than its maximum")]
    Extremes,
    /// It is complete but makes no sense.
    #[error(transparent)]
    Recipe(#[from] RecipeFault),
}
