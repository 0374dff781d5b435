//! Profiles, as far as the adaptive policy learns from them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::adaptive::Guesses;
use crate::learn::profile_file::{ImageRecord, Profile, Truth};
use crate::models::ModelId;

/// What every model answered to every picture.
pub struct Answers {
    /// The models, in the order of the first profile.
    pub models: Vec<ModelId>,
    /// How long each takes: the median latency, the mean over the profiles by their pictures.
    pub times: Vec<Duration>,
    /// How many classes they tell apart.
    pub classes: usize,
    /// Who said what the pictures show, by the first profile.
    pub truth: Truth,
    /// The pictures of all profiles, in their order.
    pub pictures: Vec<Answered>,
}

/// What the models answered to a picture.
pub struct Answered {
    /// The true class.
    pub class: usize,
    /// The video it is a frame of.
    pub group: Option<String>,
    /// Frames of the video before it; 0 for an image.
    pub number: u64,
    /// By how much its thumbnail differs from that of the frame of its video in the profile before
    /// it; `None` for a video's first frame and for images.
    pub change: Option<f32>,
    /// Of each model.
    pub guesses: Vec<Guesses>,
    /// For each model, whether its first guess is right.
    pub right: Vec<bool>,
}

impl Answers {
    /// Joins profiles; those of models that the first one lacks are not looked at, and a picture
    /// that lacks a model of the first is left out.
    pub fn gather(profiles: &[Profile]) -> Self {
        let header = profiles.first().map(|profile| &profile.header);
        let models: Vec<ModelId> = header.map_or_else(Vec::new, |header| {
            header.models.iter().map(|model| model.id.clone()).collect()
        });
        let classes = header.map_or(0, |header| header.classes);
        let truth = header.map_or(Truth::Labels, |header| header.truth.clone());
        let times = times(profiles, &models);
        let mut answers = Self { models, times, classes, truth, pictures: vec![] };
        for profile in profiles {
            let Some(columns) = columns(&answers.models, profile) else { continue };
            let answered = |image| answered(image, &columns, classes);
            answers.pictures.extend(profile.images.iter().map(answered));
        }
        answers
    }

    /// How often each class is the true one.
    pub fn class_counts(&self, pictures: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &picture in pictures {
            counts[self.pictures[picture].class] += 1;
        }
        counts
    }

    /// The share of the pictures that a model is right on.
    pub fn accuracy(&self, model: usize, pictures: &[usize]) -> f64 {
        let right = pictures.iter().filter(|&&picture| self.pictures[picture].right[model]);
        right.count() as f64 / pictures.len().max(1) as f64
    }
}

/// For each of `models`, its column in the profile.
fn columns(models: &[ModelId], profile: &Profile) -> Option<Vec<usize>> {
    let places: BTreeMap<&ModelId, usize> =
        profile.header.models.iter().enumerate().map(|(at, model)| (&model.id, at)).collect();
    models.iter().map(|model| places.get(model).copied()).collect()
}

fn answered(image: &ImageRecord, columns: &[usize], classes: usize) -> Answered {
    let results = || columns.iter().map(|&column| &image.results[column]);
    Answered {
        class: image.class,
        group: image.group.clone(),
        number: number(image).unwrap_or(0),
        change: image.change,
        guesses: results().map(|result| Guesses::new(&result.best, classes)).collect(),
        right: results().map(|result| result.rank == 0).collect(),
    }
}

/// What follows the video's name.
fn number(image: &ImageRecord) -> Option<u64> {
    image.file.strip_prefix(image.group.as_deref()?)?.strip_prefix('#')?.parse().ok()
}

fn times(profiles: &[Profile], models: &[ModelId]) -> Vec<Duration> {
    let time = |model: &ModelId| {
        let (mut total, mut pictures) = (0.0, 0.0);
        for profile in profiles {
            let images = profile.images.len() as f64;
            if let Some(measured) = profile.header.models.iter().find(|one| one.id == *model) {
                total += images * measured.latency.median.as_secs_f64();
                pictures += images;
            }
        }
        Duration::from_secs_f64(total / f64::max(pictures, 1.0))
    };
    models.iter().map(time).collect()
}
