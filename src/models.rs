//! What is known of a model before it is loaded: its manifest, `models/<name>.toml`.
//!
//! The manifest names the ONNX file and its checksum, says how a picture becomes the model's input
//! and how its output becomes classes. `models/README.md` documents every key.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

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
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A SHA-256 digest in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(&Sha256::digest(bytes))
    }

    /// The digest of a file's content.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut file = fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; 1 << 18];
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                return Ok(Self::from_digest(&hasher.finalize()));
            }
            hasher.update(&block[..read]);
        }
    }

    fn from_digest(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Sha256Hex> for String {
    fn from(digest: Sha256Hex) -> Self {
        digest.0
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if text.len() == 64 && text.chars().all(lower_hex) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a SHA-256 digest (64 lower-case hexadecimal digits)"))
    }
}

/// How the tensor's axes are ordered; the batch axis comes first and is 1.
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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug, Deserialize)]
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
    /// What its authors say it scores.
    pub published: Option<Published>,
    /// An output to expect.
    pub golden: Option<Golden>,
}

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
    #[error("the model manifest {} is not as models/README.md describes", path.display())]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
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

impl Manifest {
    /// Reads and checks the manifest at `path` and the label file it names; the ONNX file is not
    /// touched.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let raw: RawManifest = toml::from_str(&text).map_err(|source| ManifestError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        raw.check(path)
    }

    /// Whether the ONNX file is there (set-up fetches some models only on request).
    pub fn is_present(&self) -> bool {
        self.file.is_file()
    }

    /// Checks the ONNX file against the manifest's digest.
    pub fn verify_file(&self) -> Result<(), ManifestError> {
        let path = self.file.clone();
        let found = match Sha256Hex::of_file(&path) {
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

/// Reads every manifest of a directory, in the order of their names.
pub fn load_directory(directory: &Path) -> Result<Vec<Manifest>, ManifestError> {
    let unlisted = |source| ManifestError::Directory { path: directory.to_owned(), source };
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        let is_manifest = path.extension().is_some_and(|extension| extension == "toml");
        if is_manifest {
            paths.insert(path);
        }
    }
    paths.iter().map(|path| Manifest::load(path)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    description: String,
    file: PathBuf,
    sha256: Sha256Hex,
    source: Provenance,
    input: RawInput,
    output: RawOutput,
    published: Option<Published>,
    golden: Option<Golden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    name: String,
    layout: Layout,
    width: u32,
    height: u32,
    channels: Channels,
    mean: [f32; 3],
    std: [f32; 3],
    resize: Resize,
    crop: Option<f32>,
    fit: Option<RawFit>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFit {
    Squash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    name: String,
    kind: OutputKind,
    classes: usize,
    background: bool,
    labels: PathBuf,
}

impl RawManifest {
    fn check(self, path: &Path) -> Result<Manifest, ManifestError> {
        let value = |fault: String| ManifestError::Value { path: path.to_owned(), fault };
        let directory = path.parent().unwrap_or(Path::new("."));
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let id = ModelId::new(stem).ok_or_else(|| {
            value("its file name must be made of letters, digits, `_`, `-` and `.`".to_owned())
        })?;
        let input = self.input.check().map_err(value)?;
        let labels = load_labels(&id, directory.join(&self.output.labels))?;
        let output = self.output.check(labels).map_err(value)?;
        if let Some(golden) = &self.golden {
            golden.check(output.labels.count()).map_err(value)?;
        }
        Ok(Manifest {
            id,
            description: self.description,
            file: directory.join(self.file),
            sha256: self.sha256,
            source: self.source,
            input,
            output,
            published: self.published,
            golden: self.golden,
        })
    }
}

impl RawInput {
    fn check(self) -> Result<InputSpec, String> {
        let sides = 1..=4096;
        if !sides.contains(&self.width) || !sides.contains(&self.height) {
            let (width, height) = (self.width, self.height);
            return Err(format!("input {width}x{height}: each side must be 1 to 4096"));
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return Err("input.mean must hold finite numbers".to_owned());
        }
        if !self.std.iter().all(|std| std.is_normal()) {
            return Err("input.std must hold finite numbers other than 0".to_owned());
        }
        let fit = match (self.crop, self.fit) {
            (Some(crop), None) if crop > 0.0 && crop <= 1.0 => Fit::CentreCrop(crop),
            (Some(crop), None) => {
                return Err(format!("input.crop = {crop}: it must be above 0 and at most 1"));
            }
            (None, Some(RawFit::Squash)) => Fit::Squash,
            (None, None) | (Some(_), Some(_)) => {
                return Err("input needs either `crop = 0.875` or `fit = \"squash\"`".to_owned());
            }
        };
        Ok(InputSpec {
            name: self.name,
            layout: self.layout,
            width: self.width,
            height: self.height,
            channels: self.channels,
            mean: self.mean,
            std: self.std,
            resize: self.resize,
            fit,
        })
    }
}

impl RawOutput {
    fn check(self, labels: Labels) -> Result<OutputSpec, String> {
        let named = labels.count() + usize::from(self.background);
        if self.classes != named {
            return Err(format!(
                "output.classes = {}, but {} names {} classes{}",
                self.classes,
                self.labels.display(),
                labels.count(),
                if self.background { " and the background makes one more" } else { "" },
            ));
        }
        Ok(OutputSpec {
            name: self.name,
            kind: self.kind,
            classes: self.classes,
            background: self.background,
            labels,
        })
    }
}

impl Golden {
    fn check(&self, classes: usize) -> Result<(), String> {
        if self.classes.is_empty() || self.classes.len() != self.probabilities.len() {
            return Err("golden needs as many probabilities as classes, at least one".to_owned());
        }
        if let Some(class) = self.classes.iter().find(|class| **class >= classes) {
            return Err(format!("golden.classes names class {class}, of {classes} from 0 on"));
        }
        Ok(())
    }
}

fn load_labels(model: &ModelId, path: PathBuf) -> Result<Labels, ManifestError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Labels::from_names(text.lines())),
        Err(source) => Err(ManifestError::Labels { model: model.clone(), path, source }),
    }
}
