//! A model, described.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::{ManifestError, ModelId, RunSpec, Sha256Hex, text};

/// How the tensor's axes are ordered; the batch axis, one for each picture, comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Channels, rows, columns.
    Nchw,
    /// Rows, columns, channels.
    Nhwc,
}

/// The order of the colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How pixels between pixels are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Linear in both directions, averaging over the source area when it shrinks.
    Bilinear,
    /// Catmull-Rom in both directions, averaging over the source area when it shrinks.
    Bicubic,
}

/// Which part of the picture the model sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// The centred square whose side is this share of the picture's short side.
    CentreCrop(f32),
    /// All of it, squeezed to the input's shape.
    Squash,
}

/// How a picture becomes the model's input tensor, float32 of shape 1x3xHxW or 1xHxWx3.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// The name of the graph's input.
    pub name: String,
    /// The order of its axes.
    pub layout: Layout,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The order of its channels; `mean` and `std` follow it.
    pub channels: Channels,
    /// Subtracted from values of 0 to 255.
    pub mean: [f32; 3],
    /// What the difference is divided by.
    pub std: [f32; 3],
    /// The resampling filter.
    pub resize: Resize,
    /// The part of the picture that is resized.
    pub fit: Fit,
}

/// What the numbers of an output vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// Unnormalised; softmax makes them probabilities.
    Logits,
    /// Already softmaxed in the graph.
    Probabilities,
}

/// How the model's output vector becomes classes.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// The name of the graph's output.
    pub name: String,
    /// What its numbers are.
    pub kind: OutputKind,
    /// Numbers in it, the background included.
    pub classes: usize,
    /// Whether its first number is for "none of the classes" and is dropped.
    pub background: bool,
    /// The class names.
    pub labels: Labels,
}

/// The names of a model's classes, by 0-based class index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[Arc<str>]>);

impl Labels {
    /// Names in the order of their classes.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(Arc::from).collect())
    }

    /// The name of `class`. Panics beyond the last: [`Manifest::load`] checks their number.
    pub fn name(&self, class: usize) -> Arc<str> {
        Arc::clone(&self.0[class])
    }

    /// How many classes there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// An output to expect, from [`golden_pixel`]'s picture: proof that the file, the preprocessing
/// description and the execution provider agree.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The five best classes, best first.
    pub classes: Vec<usize>,
    /// Their probabilities.
    pub probabilities: Vec<f32>,
}

/// The value, 0 to 255, of column `x`, row `y`, channel `c` (red 0, green 1, blue 2) of the
/// picture whose answer a [`Golden`] records.
pub fn golden_pixel(x: u32, y: u32, c: u32) -> u8 {
    let checker = 64 * ((x / 16 + y / 16) % 2);
    ((x * (c + 3) + y * (5 - c) + checker) % 256) as u8
}

/// Where a model's weights come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Registry, package and version.
    pub package: String,
    /// The licence that the package states.
    pub licence: String,
}

/// Accuracy that the model's authors published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Percent right at the first guess, ILSVRC2012 validation set.
    pub top1: f32,
    /// Where.
    pub source: String,
}

/// A model, described.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its name.
    pub id: ModelId,
    /// What it is, for people.
    pub description: String,
    /// The ONNX file.
    pub file: PathBuf,
    /// The digest the file must have.
    pub sha256: Sha256Hex,
    /// Where the weights come from.
    pub source: Provenance,
    /// How a picture becomes its input.
    pub input: InputSpec,
    /// How its output becomes classes.
    pub output: OutputSpec,
    /// Where it may run, how wide, and on how many frames at once.
    pub run: RunSpec,
    /// What its authors say it scores.
    pub published: Option<Published>,
    /// An output to expect.
    pub golden: Option<Golden>,
}

impl Manifest {
    /// Whether the ONNX file is there (set-up fetches some models only on request).
    pub fn is_present(&self) -> bool {
        self.file.is_file()
    }

    /// Checks the ONNX file against the manifest's digest.
    pub fn verify_file(&self) -> Result<(), ManifestError> {
        let path = self.file.clone();
        let digest = text::regular_size(&path).and_then(|_| Sha256Hex::of_file(&path));
        let found = match digest {
            Ok(found) => found,
            Err(source) => {
                return Err(ManifestError::File { model: self.id.clone(), path, source });
            }
        };
        if found == self.sha256 {
            return Ok(());
        }
        Err(ManifestError::Checksum { path, expected: self.sha256.clone(), found })
    }
}
