//! What training learns from: profiles, joined and judged by the criterion.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::TrainError;
use crate::features::Features;
use crate::learn::profile_file::{Header, ImageRecord, Profile, ProfiledModel};
use crate::models::ModelId;
use crate::premodel::{Criterion, MAX_MODELS, RecipeFault, RightSet};

/// The pictures of all profiles; models are given by their position in `models`.
pub(crate) struct Samples {
    pub(crate) models: Vec<ProfiledModel>,
    pub(crate) pictures: Vec<Picture>,
    /// The models that may be chosen among.
    pupils: Vec<usize>,
}

/// A picture that every model was shown.
pub(crate) struct Picture {
    pub(crate) features: Features,
    pub(crate) right: RightSet,
    /// Of each model, in the profile that the picture is of.
    pub(crate) latencies: Vec<Duration>,
    /// Pictures of one group are learnt from, or tested on, as a whole.
    pub(crate) group: usize,
}

impl Samples {
    /// Joins profiles of the same models.
    pub(crate) fn gather(profiles: &[Profile], criterion: Criterion) -> Result<Self, TrainError> {
        let first = profiles.first().ok_or(TrainError::NoImage)?;
        let models = first.header.models.clone();
        if models.len() > MAX_MODELS {
            return Err(RecipeFault::Models(models.len()).into());
        }
        let (mut pictures, mut groups) = (Vec::new(), Groups::default());
        for (number, profile) in profiles.iter().enumerate() {
            let differs = |model| TrainError::DifferentModels { profile: number + 1, model };
            let columns = columns(&models, &profile.header).map_err(differs)?;
            let latency = |&column: &usize| profile.header.models[column].latency.median;
            let latencies: Vec<Duration> = columns.iter().map(latency).collect();
            for image in &profile.images {
                let group = groups.of(image);
                pictures.push(judge(image, &columns, (&latencies, criterion), group));
            }
        }
        if pictures.is_empty() {
            return Err(TrainError::NoImage);
        }
        check_twins(profiles)?;
        let pupils = first.header.truth.pupils(models.iter().map(|model| &model.id));
        Ok(Self { models, pictures, pupils })
    }

    /// The positions of the models asked for, in ascending order; if none was, of one model for each
    /// file of weights, the slowest: the others are the same network on smaller pictures, and the
    /// paper's method, which cannot tell for which pictures those will do, would choose them too
    /// often. A teacher must be asked for, unless it is alone.
    pub(crate) fn candidates(&self, asked: Option<&[ModelId]>) -> Result<Vec<usize>, TrainError> {
        let Some(asked) = asked else { return Ok(self.full_size()) };
        if asked.is_empty() {
            return Err(TrainError::NoModelAllowed);
        }
        let position = |asked: &ModelId| self.position(asked);
        let mut positions = asked.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        positions.sort_unstable();
        positions.dedup();
        Ok(positions)
    }

    fn full_size(&self) -> Vec<usize> {
        let latency = |model: usize| self.models[model].latency.median;
        let pupils = || self.pupils.iter().copied();
        let is_slowest = |model: &usize| {
            let twins =
                pupils().filter(|&twin| self.models[twin].sha256 == self.models[*model].sha256);
            twins.max_by_key(|&twin| (latency(twin), std::cmp::Reverse(twin))) == Some(*model)
        };
        pupils().filter(is_slowest).collect()
    }

    fn position(&self, asked: &ModelId) -> Result<usize, TrainError> {
        let found = self.models.iter().position(|model| model.id == *asked);
        found.ok_or_else(|| TrainError::UnknownModel {
            asked: asked.clone(),
            profiled: self.models.iter().map(|model| model.id.clone()).collect(),
        })
    }

    /// The mean latency of each model over some pictures, at least one.
    pub(crate) fn mean_latencies(&self, pictures: &[&Picture]) -> Vec<Duration> {
        let mean = |model: usize| {
            let total: Duration = pictures.iter().map(|picture| picture.latencies[model]).sum();
            Duration::from_secs_f64(total.as_secs_f64() / pictures.len() as f64)
        };
        (0..self.models.len()).map(mean).collect()
    }
}

/// For each of `models`, its position in a profile of the same models; or a model that differs.
fn columns(models: &[ProfiledModel], header: &Header) -> Result<Vec<usize>, ModelId> {
    let is_known = |other: &ProfiledModel| models.iter().any(|model| model.is_same_as(other));
    if let Some(other) = header.models.iter().find(|model| !is_known(model)) {
        return Err(other.id.clone());
    }
    let column = |model: &ProfiledModel| {
        let found = header.models.iter().position(|other| other.is_same_as(model));
        found.ok_or_else(|| model.id.clone())
    };
    models.iter().map(column).collect()
}

fn judge(
    image: &ImageRecord,
    columns: &[usize],
    (latencies, criterion): (&[Duration], Criterion),
    group: usize,
) -> Picture {
    let results: Vec<_> = columns.iter().map(|&column| &image.results[column]).collect();
    let right = results.iter().enumerate().filter(|(_, r)| r.rank < criterion.guesses());
    Picture {
        features: image.features,
        right: right.map(|(model, _)| model).collect(),
        latencies: latencies.to_vec(),
        group,
    }
}

/// Numbers groups: one for each video, and one for each picture that is of none.
#[derive(Default)]
struct Groups {
    videos: HashMap<String, usize>,
    given: usize,
}

impl Groups {
    fn of(&mut self, image: &ImageRecord) -> usize {
        let fresh = self.given;
        self.given += 1;
        match &image.group {
            Some(video) => *self.videos.entry(video.clone()).or_insert(fresh),
            None => fresh,
        }
    }
}

/// Different directories may hold files of one name; the same features give the twin away.
fn check_twins(profiles: &[Profile]) -> Result<(), TrainError> {
    let mut seen: HashMap<&str, HashSet<[u32; Features::COUNT]>> = HashMap::new();
    for image in profiles.iter().flat_map(|profile| &profile.images) {
        let features = image.features.values().map(f32::to_bits);
        if !seen.entry(&image.file).or_default().insert(features) {
            return Err(TrainError::DuplicateImage(image.file.clone()));
        }
    }
    Ok(())
}
