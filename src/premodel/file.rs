//! The file that holds a premodel.
//!
//! # Format, version 2
//!
//! A [safetensors](https://huggingface.co/docs/safetensors) file of at most 128 MiB: the length of
//! the header (8 bytes, little-endian), the header (JSON, at most 8 MiB), then the tensors, without
//! gaps. Any safetensors reader opens it. N examples, M models, F features that the premodel looks
//! at:
//!
//! | tensor     | type | shape    | content                                                        |
//! |------------|------|----------|----------------------------------------------------------------|
//! | `features` | F32  | `[N, F]` | the features of the training pictures, as measured, not scaled |
//! | `minimum`  | F32  | `[F]`    | the smallest value of each feature in training                 |
//! | `maximum`  | F32  | `[F]`    | the largest                                                    |
//! | `right`    | U8   | `[N, M]` | 1 where the model was right on the picture, else 0             |
//! | `sha256`   | U8   | `[32]`   | the SHA-256 digest of all bytes before it                      |
//!
//! `sha256` is the last tensor, so the digest is the last 32 bytes of the file and covers header and
//! content. It tells damage, not forgery: everything is checked again after it.
//!
//! The header's `__metadata__` has one entry, `classifyd-premodel`. (One, because safetensors
//! writes several in no fixed order, and the same training must yield the same bytes.) Its value is
//! a JSON object, all keys but `adaptive` required:
//!
//! | key            | value                                                                      |
//! |----------------|----------------------------------------------------------------------------|
//! | `version`      | 2                                                                          |
//! | `features`     | names of the columns of `features`: some of [`Features::NAMES`], in its order |
//! | `models`       | columns of `right`: objects `name`, `fingerprint` ([`Manifest::fingerprint`]), `mean_latency_ns` |
//! | `sequence`     | names of the deployed models in the order of their stages                  |
//! | `fallback`     | name of the model to prefer when every stage says no                       |
//! | `k`            | how many neighbours vote                                                   |
//! | `criterion`    | `top1` or `top5`: what counted as right                                    |
//! | `label_source` | `labels`, `teacher` (a model) or `ensemble`: who said what the pictures show    |
//! | `trained_on`   | the training set in a sentence                                             |
//! | `adaptive`     | what the adaptive policy knows, as [`Knowledge`] is written; left out if training did not learn it |
//!
//! What follows from these is not stored: the optimum of an example is the fastest right model of
//! the sequence by `mean_latency_ns` (of equally fast ones, the one listed earlier in `models`), and
//! a model's accuracy is the mean of its column of `right`.
//!
//! Version 1 knew models by the digest of their file alone and always had the same seven features.
//!
//! [`Features::NAMES`]: crate::features::Features::NAMES
//! [`Manifest::fingerprint`]: crate::models::Manifest::fingerprint
//! [`Knowledge`]: crate::adaptive::Knowledge

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Criterion, Example, KnownModel, LabelSource, Premodel, Recipe, RecipeFault, RightSet, Scaling,
};
use crate::adaptive::Knowledge;
use crate::features::{FeatureRow, FeatureSet};
use crate::models::{ModelId, Sha256Hex};

mod fault;

pub use fault::{FileFault, PremodelError};

/// The version of the format that is written, and the only one read.
pub const VERSION: u32 = 2;

/// The key of the metadata entry, which marks the file as a premodel.
const FORMAT: &str = "classifyd-premodel";

/// What the largest recipe needs.
const FILE_LIMIT: usize = 128 << 20;
const HEADER_LIMIT: u64 = 8 << 20;
const DIGEST_LENGTH: usize = 32;

/// The tensors that a file may have. `SEAL` is the last of its bytes whatever else there is: the
/// container puts types in descending order of size, and tensors of one type in that of their names.
const TENSORS: [&str; 5] = ["features", "maximum", "minimum", "right", SEAL];
const SEAL: &str = "sha256";

#[derive(Deserialize)]
struct Edition {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    version: u32,
    features: Vec<String>,
    models: Vec<ModelEntry>,
    sequence: Vec<String>,
    fallback: String,
    k: usize,
    criterion: Criterion,
    label_source: LabelSource,
    trained_on: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adaptive: Option<Knowledge>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    name: String,
    fingerprint: Sha256Hex,
    mean_latency_ns: u64,
}

impl Premodel {
    /// Reads a premodel file.
    pub fn load(path: &Path) -> Result<Self, PremodelError> {
        let unread = |source| PremodelError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unread)?;
        file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
        Self::from_bytes(&bytes).map_err(|fault| PremodelError::Unusable {
            path: path.to_owned(),
            source: Box::new(fault),
        })
    }

    /// Reads the content of a premodel file, which may be anything.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileFault> {
        if bytes.len() > FILE_LIMIT {
            return Err(FileFault::TooLarge);
        }
        check_header_length(bytes)?;
        let description = read_description(bytes)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(FileFault::Container)?;
        read_tensor(&tensors, SEAL, Dtype::U8, &[DIGEST_LENGTH])?;
        let recipe = description.into_recipe(&tensors)?;
        Ok(Self::new(recipe)?)
    }

    /// The content of its file; the same premodel gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let recipe = self.recipe();
        let description = serde_json::to_string(&Description::of(recipe))
            .expect("texts and numbers are always JSON");
        let features = f32_bytes(recipe.examples.iter().map(|example| &example.features));
        let minimum = f32_bytes([recipe.scaling.minimum()].into_iter());
        let maximum = f32_bytes([recipe.scaling.maximum()].into_iter());
        let right = right_bytes(recipe);
        let (rows, models) = (recipe.examples.len(), recipe.models.len());
        let columns = recipe.features.len();
        let tensors = [
            ("features", view(Dtype::F32, vec![rows, columns], &features)),
            ("maximum", view(Dtype::F32, vec![columns], &maximum)),
            ("minimum", view(Dtype::F32, vec![columns], &minimum)),
            ("right", view(Dtype::U8, vec![rows, models], &right)),
            (SEAL, view(Dtype::U8, vec![DIGEST_LENGTH], &[0; DIGEST_LENGTH])),
        ];
        let metadata = HashMap::from([(FORMAT.to_owned(), description)]);
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .expect("the tensors are views of their shapes");
        sealed(bytes)
    }
}

fn view(dtype: Dtype, shape: Vec<usize>, data: &[u8]) -> TensorView<'_> {
    TensorView::new(dtype, shape, data).expect("the data was made for the shape")
}

fn f32_bytes<'a>(rows: impl Iterator<Item = &'a FeatureRow>) -> Vec<u8> {
    rows.flat_map(|row| row.values()).flat_map(|value| value.to_le_bytes()).collect()
}

fn right_bytes(recipe: &Recipe) -> Vec<u8> {
    let models = 0..recipe.models.len();
    let row = |example: &Example| {
        let right = example.right;
        models.clone().map(move |model| u8::from(right.contains(model)))
    };
    recipe.examples.iter().flat_map(row).collect()
}

/// Writes the digest of what comes before it into the last tensor.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - DIGEST_LENGTH;
    let digest = Sha256::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&digest);
    bytes
}

/// Spares the JSON reader what no premodel has.
fn check_header_length(bytes: &[u8]) -> Result<(), FileFault> {
    let Some((length, _)) = bytes.split_first_chunk() else {
        return Err(FileFault::Container(SafeTensorError::HeaderTooSmall));
    };
    if u64::from_le_bytes(*length) > HEADER_LIMIT {
        return Err(FileFault::Container(SafeTensorError::HeaderTooLarge));
    }
    Ok(())
}

/// First the version, then the checksum, then the rest: a newer version may seal otherwise.
fn read_description(bytes: &[u8]) -> Result<Description, FileFault> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(FileFault::Container)?;
    let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(FORMAT));
    let text = entry.ok_or(FileFault::Foreign)?;
    let edition: Edition = serde_json::from_str(text).map_err(FileFault::Description)?;
    match edition.version {
        VERSION => {}
        found if found > VERSION => return Err(FileFault::Newer { found }),
        found => return Err(FileFault::UnknownVersion { found }),
    }
    check_seal(bytes)?;
    check_last(&header.offset_keys())?;
    serde_json::from_str(text).map_err(FileFault::Description)
}

fn check_seal(bytes: &[u8]) -> Result<(), FileFault> {
    let (content, digest) = bytes.split_last_chunk::<DIGEST_LENGTH>().ok_or(FileFault::Checksum)?;
    if Sha256::digest(content)[..] == digest[..] { Ok(()) } else { Err(FileFault::Checksum) }
}

/// Names are in the order of their data. Whether all are there shows when they are read.
fn check_last(names: &[String]) -> Result<(), FileFault> {
    let extra = |name: &&String| !TENSORS.contains(&name.as_str());
    if let Some(name) = names.iter().find(extra) {
        return Err(FileFault::ExtraTensor(name.clone()));
    }
    if names.last().is_some_and(|last| last == SEAL) { Ok(()) } else { Err(FileFault::Checksum) }
}

impl Description {
    fn of(recipe: &Recipe) -> Self {
        let name = |&model: &usize| recipe.models[model].id.to_string();
        Self {
            version: VERSION,
            features: recipe.features.names().map(str::to_owned).collect(),
            models: recipe.models.iter().map(ModelEntry::of).collect(),
            sequence: recipe.sequence.iter().map(name).collect(),
            fallback: name(&recipe.fallback),
            k: recipe.k,
            criterion: recipe.criterion,
            label_source: recipe.label_source,
            trained_on: recipe.trained_on.clone(),
            adaptive: recipe.adaptive.clone(),
        }
    }

    fn into_recipe(self, tensors: &SafeTensors) -> Result<Recipe, FileFault> {
        let features = self.feature_set()?;
        let examples = read_examples(tensors, features.len(), self.models.len())?;
        let scaling = read_scaling(tensors, features.len())?;
        let sequence = self.sequence.iter().map(|name| self.position("a stage", name));
        Ok(Recipe {
            sequence: sequence.collect::<Result<_, _>>()?,
            fallback: self.position("the fallback", &self.fallback)?,
            models: self.models.into_iter().map(ModelEntry::check).collect::<Result<_, _>>()?,
            k: self.k,
            criterion: self.criterion,
            label_source: self.label_source,
            trained_on: self.trained_on,
            features,
            scaling,
            examples,
            adaptive: self.adaptive,
        })
    }

    fn feature_set(&self) -> Result<FeatureSet, FileFault> {
        let set = FeatureSet::of_names(self.features.iter().map(String::as_str)).ok();
        let in_order = set.filter(|set| set.names().eq(self.features.iter()));
        in_order.ok_or_else(|| FileFault::OtherFeatures { found: self.features.join(", ") })
    }

    fn position(&self, role: &'static str, name: &str) -> Result<usize, FileFault> {
        let found = self.models.iter().position(|model| model.name == name);
        found.ok_or_else(|| FileFault::UnlistedModel { role, name: name.to_owned() })
    }
}

impl ModelEntry {
    fn of(model: &KnownModel) -> Self {
        Self {
            name: model.id.to_string(),
            fingerprint: model.fingerprint.clone(),
            // Half a millennium fits.
            mean_latency_ns: model.mean_latency.as_nanos().try_into().unwrap_or(u64::MAX),
        }
    }

    fn check(self) -> Result<KnownModel, FileFault> {
        let id = ModelId::new(&self.name).ok_or(FileFault::ModelName(self.name))?;
        let mean_latency = Duration::from_nanos(self.mean_latency_ns);
        Ok(KnownModel { id, fingerprint: self.fingerprint, mean_latency })
    }
}

fn read_examples(
    tensors: &SafeTensors,
    columns: usize,
    models: usize,
) -> Result<Vec<Example>, FileFault> {
    let rows = tensors.tensor("features").ok().and_then(|rows| rows.shape().first().copied());
    let rows = rows.unwrap_or(0);
    let features = read_features(tensors, "features", &[rows, columns])?;
    let right = read_tensor(tensors, "right", Dtype::U8, &[rows, models])?;
    if models == 0 {
        return Err(RecipeFault::Models(0).into());
    }
    let right = right.chunks_exact(models).enumerate().map(|(row, cells)| read_right(row, cells));
    let pair = |(features, right): (_, Result<_, _>)| Ok(Example { features, right: right? });
    features.into_iter().zip(right).map(pair).collect()
}

fn read_right(row: usize, cells: &[u8]) -> Result<RightSet, FileFault> {
    if cells.len() > super::MAX_MODELS {
        return Err(RecipeFault::Models(cells.len()).into());
    }
    if let Some(&value) = cells.iter().find(|&&cell| cell > 1) {
        return Err(FileFault::NotBinary { row, value });
    }
    let right = cells.iter().enumerate().filter(|(_, cell)| **cell == 1);
    Ok(right.map(|(model, _)| model).collect())
}

fn read_scaling(tensors: &SafeTensors, columns: usize) -> Result<Scaling, FileFault> {
    let extreme = |name| {
        let row = read_features(tensors, name, &[columns])?.pop();
        row.ok_or(FileFault::Extremes)
    };
    Scaling::new(extreme("minimum")?, extreme("maximum")?).ok_or(FileFault::Extremes)
}

/// Rows as long as the last side of the shape.
fn read_features(
    tensors: &SafeTensors,
    name: &'static str,
    shape: &[usize],
) -> Result<Vec<FeatureRow>, FileFault> {
    let bytes = read_tensor(tensors, name, Dtype::F32, shape)?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let columns = shape.last().copied().unwrap_or(1).max(1);
    let row = |(row, numbers): (usize, &[[u8; 4]])| {
        let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        FeatureRow::new(values).ok_or(FileFault::NotFinite { tensor: name, row })
    };
    numbers.chunks_exact(columns).enumerate().map(row).collect()
}

fn read_tensor<'a>(
    tensors: &SafeTensors<'a>,
    name: &'static str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'a [u8], FileFault> {
    let fault = |found| FileFault::Tensor { name, dtype, shape: format!("{shape:?}"), found };
    let tensor = tensors.tensor(name).map_err(|_| fault("but has none".to_owned()))?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        return Err(fault(format!("but has {:?} {:?}", tensor.dtype(), tensor.shape())));
    }
    Ok(tensor.data())
}

#[cfg(test)]
mod tests;
