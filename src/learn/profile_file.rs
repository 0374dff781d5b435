//! Profiles: what every model answered to every picture, and how long each takes.
//!
//! # Format, version 2
//!
//! Apache Parquet, snappy compression, one row for each picture, flat columns:
//!
//! | column | type | is |
//! |---|---|---|
//! | `file` | string | the picture's file, or `video#frame` |
//! | `group` | string or null | the video; null for single images |
//! | `change` | float or null | by how much the frame's thumbnail differs from that of the video's frame profiled before it, 0 to 1 ([`Thumbnail::difference`]); null for a video's first and for images |
//! | `class` | int32 | the true class, 0-based |
//! | `n_keypoints`, ... | float | a column for each of [`Features::NAMES`] |
//! | `MODEL.class1` ... `MODEL.class20` | int32 | the model's best classes, best first |
//! | `MODEL.probability1` ... | float | their probabilities |
//! | `MODEL.rank` | int32 | the 0-based rank of the true class among all classes |
//! | `MODEL.entropy` | float | of the probabilities of all classes, in nats |
//! | `MODEL.margin` | float | the first probability less the second |
//!
//! Models of fewer than 20 classes have fewer guesses; 20 are what the adaptive policy fuses. The file's metadata hold, under the key
//! `classifyd-profile`, a JSON object: the models with their digests, providers, latencies and
//! energy, the machine, the versions, and where the truth comes from (`document` has its keys). For
//! example, in DuckDB:
//!
//! ```sql
//! select avg(cast("lite0.rank" = 0 as int)) from 'photos.parquet';
//! select decode(value) from parquet_kv_metadata('photos.parquet')
//!     where decode(key) = 'classifyd-profile';
//! ```
//!
//! A profile that breaks these rules is refused when it is written and when it is read. While it is
//! being measured, its rows are in a [`journal`].
//!
//! [`Thumbnail::difference`]: crate::scene::Thumbnail::difference

mod check;
mod document;
mod error;
pub mod journal;
mod reader;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::features::Features;
use crate::models::{Manifest, ModelId, Provider, Sha256Hex};

pub use crate::learn::energy::Energy;
pub use crate::learn::latency::LatencyStats;
pub use crate::learn::teacher::Truth;
pub use crate::machine::{Machine, Versions};
pub use error::{JournalError, ProfileError, ProfileFault, RecordFault};

/// The version of the format that is written, and the only one read.
pub const VERSION: u32 = 2;

pub use crate::adaptive::GUESSES;

/// A profile, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What all pictures have in common.
    pub header: Header,
    /// The pictures, in the order of the file; no file twice.
    pub images: Vec<ImageRecord>,
}

/// What all pictures of a profile have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The models that were measured.
    pub models: Vec<ProfiledModel>,
    /// How many classes each of them tells apart.
    pub classes: usize,
    /// Where the true classes come from.
    pub truth: Truth,
    /// The name of the set: that of its directory, or of its videos.
    pub set: String,
    /// Threads of one inference.
    pub threads: usize,
    /// Which part of the set this is.
    pub shard: Shard,
    /// The machine that measured.
    pub machine: Machine,
    /// What ran on it.
    pub versions: Versions,
}

/// A model that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfiledModel {
    /// Its name.
    pub id: ModelId,
    /// What tells it from any model that answers differently.
    pub fingerprint: Sha256Hex,
    /// The digest of its file.
    pub sha256: Sha256Hex,
    /// What it ran on.
    pub provider: Provider,
    /// What it took.
    pub latency: LatencyStats,
    /// What it cost; `None` if the machine could not tell.
    pub energy: Option<Energy>,
}

impl ProfiledModel {
    /// Whether `other` is the same model and ran on the same provider, so that the answers of both can
    /// be joined.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.id, &self.fingerprint, self.provider)
            == (&other.id, &other.fingerprint, other.provider)
    }
}

/// What tells a model from any that answers differently.
pub fn fingerprint(manifest: &Manifest) -> Sha256Hex {
    manifest.fingerprint()
}

/// One of several equal parts of a set. As text: `2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: NonZeroUsize,
    of: NonZeroUsize,
}

/// A text is no shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shard: write 1/4 for the first of four, up to 4/4")]
pub struct NoShard(String);

impl Shard {
    /// The whole set.
    pub const WHOLE: Self = Self { number: NonZeroUsize::MIN, of: NonZeroUsize::MIN };

    /// Whether the item of this position in the set is in the shard.
    pub fn holds(self, position: usize) -> bool {
        position % self.of == self.number.get() - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let read = || {
            let (number, of) = text.split_once('/')?;
            let (number, of): (NonZeroUsize, NonZeroUsize) =
                (number.parse().ok()?, of.parse().ok()?);
            (number <= of).then_some(Self { number, of })
        };
        read().ok_or_else(|| NoShard(text.to_owned()))
    }
}

/// A picture that every model was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// Its file as in the labels, or `video#frame`.
    pub file: String,
    /// The video that it is a frame of; pictures of one group resemble each other and are not
    /// independent.
    pub group: Option<String>,
    /// By how much its thumbnail differs from that of the frame of its video that was profiled before
    /// it, 0 to 1; `None` for a video's first frame and for images.
    pub change: Option<f32>,
    /// The true class, 0-based.
    pub class: usize,
    /// Its features.
    pub features: Features,
    /// One result per model, in the order of [`Header::models`].
    pub results: Vec<ModelResult>,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// Its [`GUESSES`] best classes (fewer, if there are fewer) and their probabilities, best first.
    pub best: Vec<(usize, f32)>,
    /// The 0-based rank of the true class among all classes.
    pub rank: usize,
    /// The entropy of the probabilities of all classes, in nats.
    pub entropy: f32,
    /// The first probability less the second; the first, if there is one class only.
    pub margin: f32,
}

impl ModelResult {
    /// Ranks the true class among the probabilities of all classes. Of equally probable classes the
    /// lower number ranks higher. Panics if there is no probability for the class.
    pub fn new(probabilities: &[f32], class: usize) -> Self {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let rank = order.iter().position(|&ranked| ranked == class);
        let rank = rank.expect("the true class is one of the model's classes");
        // Models whose graph ends in softmax may round over the edges.
        let guess = |class: usize| (class, probabilities[class].clamp(0.0, 1.0));
        let best: Vec<_> = order.into_iter().take(GUESSES).map(guess).collect();
        Self { margin: margin(&best), best, rank, entropy: entropy(probabilities) }
    }
}

fn margin(best: &[(usize, f32)]) -> f32 {
    let probability = |place: usize| best.get(place).map_or(0.0, |(_, probability)| *probability);
    probability(0) - probability(1)
}

/// In nats: the sum of -p ln p.
fn entropy(probabilities: &[f32]) -> f32 {
    let term =
        |probability: f64| if probability > 0.0 { -probability * probability.ln() } else { 0.0 };
    let sum: f64 = probabilities.iter().map(|&probability| term(f64::from(probability))).sum();
    sum.max(0.0) as f32
}

/// What the rows of a profile have to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The models, in the order of their results.
    pub models: Vec<ModelId>,
    /// How many classes each of them tells apart.
    pub classes: usize,
}

impl Shape {
    fn guesses(&self) -> usize {
        GUESSES.min(self.classes)
    }
}

impl Header {
    /// What the rows have to fit.
    pub fn shape(&self) -> Shape {
        let models = self.models.iter().map(|model| model.id.clone()).collect();
        Shape { models, classes: self.classes }
    }
}
