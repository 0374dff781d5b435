//! What is evaluated: the pictures of all profiles, and which of them are learnt from and which
//! judged.
//!
//! A run of a model counts with the model's median latency, the mean over the profiles by their
//! pictures: profiles keep no latency for each picture, and what the machine did meanwhile is no
//! property of a picture.

use std::collections::BTreeMap;
use std::time::Duration;

use super::latency_table::LatencyTable;
use super::metrics::Judged;
use super::{EvaluateError, Options};
use crate::learn::adapt::{Answers, Trial};
use crate::learn::parallel::in_parallel;
use crate::learn::profile_file::Profile;
use crate::learn::train::folds::deal;
use crate::learn::train::samples::Samples;
use crate::learn::train::{self, Plan, TrainOptions};
use crate::models::ModelId;
use crate::premodel::{Criterion, LabelSource};

/// Medians of one model that are further apart were not measured under like conditions.
const UNEVEN: f64 = 1.5;

/// The pictures of all profiles, numbered in the order of the profiles.
pub(super) struct Material {
    /// As the paper's sequence learns from them.
    pub(super) samples: Samples,
    /// As the adaptive policy learns from them.
    pub(super) answers: Answers,
    /// The names of the sets, each once.
    pub(super) sets: Vec<String>,
    /// The set of each picture.
    pub(super) set_of: Vec<usize>,
    /// The mean energy of each model in joules, if every profile has it.
    pub(super) energies: Option<Vec<f64>>,
    /// How the paper's sequence is trained.
    pub(super) training: TrainOptions,
    /// Models whose latencies in the profiles are far apart.
    pub(super) uneven: Vec<ModelId>,
}

impl Material {
    /// Joins profiles of the same models. With a table, only the models that it lists are left, and
    /// take what it says.
    pub(super) fn join(
        profiles: &mut [Profile],
        table: Option<&LatencyTable>,
        options: &Options,
    ) -> Result<Self, EvaluateError> {
        if let Some(table) = table {
            table.restrict(profiles)?;
        }
        // For its checks of the profiles as they are.
        Samples::gather(profiles, Criterion::Top1)?;
        let measured = Answers::gather(profiles);
        let uneven = if table.is_some() { Vec::new() } else { uneven(profiles) };
        let times = table.map_or(measured.times, |table| table.times(&measured.models));
        set_times(profiles, &measured.models, &times);
        let (sets, set_of) = sets(profiles);
        let samples = Samples::gather(profiles, Criterion::Top1)?;
        let training =
            TrainOptions { folds: options.folds, seed: options.seed, ..TrainOptions::default() };
        training.check()?;
        train::check_size(&samples, &training)?;
        train::label_source(profiles)?;
        Ok(Self {
            samples,
            answers: Answers { times, ..Answers::gather(profiles) },
            sets,
            set_of,
            energies: if table.is_some() { None } else { energies(profiles) },
            training,
            uneven,
        })
    }

    /// How the paper's sequence is trained, among all models.
    pub(super) fn plan(&self) -> Result<Plan<'_>, EvaluateError> {
        Ok(Plan {
            options: &self.training,
            candidates: self.samples.candidates(None)?,
            machines: Vec::new(),
            label_source: LabelSource::Labels,
        })
    }

    pub(super) fn models(&self) -> usize {
        self.answers.models.len()
    }

    pub(super) fn name(&self, model: usize) -> &str {
        self.answers.models[model].as_str()
    }

    /// For each of some pictures, what it belongs to: pictures of one group are one piece of
    /// evidence.
    pub(super) fn groups(&self, pictures: &[usize]) -> Vec<usize> {
        pictures.iter().map(|&picture| self.samples.pictures[picture].group).collect()
    }

    /// The pictures of some sets, ascending.
    pub(super) fn pictures_of(&self, sets: &[usize]) -> Vec<usize> {
        (0..self.set_of.len()).filter(|&picture| sets.contains(&self.set_of[picture])).collect()
    }

    /// Some pictures, dealt into folds.
    pub(super) fn deal(&self, pictures: &[usize], folds: usize) -> Vec<Vec<usize>> {
        let dealt = deal(&self.groups(pictures), folds, self.training.seed);
        let numbers = |fold: Vec<usize>| fold.into_iter().map(|at| pictures[at]).collect();
        dealt.into_iter().map(numbers).collect()
    }

    /// A model's answer to a picture, alone.
    pub(super) fn run(&self, picture: usize, model: usize) -> Case {
        let guesses = &self.answers.pictures[picture].guesses[model];
        self.case(picture, guesses.classes(), vec![model], self.answers.times[model])
    }

    /// No answer to a picture.
    pub(super) fn refusal(&self, picture: usize) -> Case {
        self.case(picture, std::iter::empty(), Vec::new(), Duration::ZERO)
    }

    /// What the adaptive policy made of a picture.
    pub(super) fn tried(&self, picture: usize, trial: &Trial) -> Case {
        let ranking = trial.ranking.iter().map(|&(class, _)| class);
        self.case(picture, ranking, trial.runs.clone(), trial.time)
    }

    /// A ranking of classes as the answer to a picture.
    pub(super) fn case(
        &self,
        picture: usize,
        ranking: impl Iterator<Item = usize>,
        runs: Vec<usize>,
        time: Duration,
    ) -> Case {
        let truth = self.answers.pictures[picture].class;
        let best: Vec<usize> = ranking.take(5).collect();
        let predicted = best.first().copied();
        Case { judged: Judged { truth, predicted, in_top5: best.contains(&truth), time }, runs }
    }

    /// Judges every picture of the split by what was learnt from the others. `judge` is given what
    /// was learnt in the picture's part, and the picture.
    pub(super) fn judge<L: Sync>(
        &self,
        split: &Split,
        learnt: &[L],
        judge: impl Fn(&L, usize) -> Case + Sync,
    ) -> Vec<Case> {
        let parts: Vec<(&Part, &L)> = split.parts.iter().zip(learnt).collect();
        let judged = in_parallel(&parts, |(part, learnt)| {
            part.unseen.iter().map(|&picture| (picture, judge(learnt, picture))).collect()
        });
        in_order(judged)
    }
}

/// Results of pictures in the ascending order of these.
pub(super) fn in_order<T>(parts: Vec<Vec<(usize, T)>>) -> Vec<T> {
    parts.into_iter().flatten().collect::<BTreeMap<usize, T>>().into_values().collect()
}

/// The models whose median in one profile is more than [`UNEVEN`] times that in another.
fn uneven(profiles: &[Profile]) -> Vec<ModelId> {
    let models = profiles.first().map_or(&[][..], |profile| profile.header.models.as_slice());
    let is_uneven = |id: &&ModelId| {
        let all = profiles.iter().flat_map(|profile| &profile.header.models);
        let medians = all.filter(|model| model.id == **id).map(|model| model.latency.median);
        let (least, most) = (medians.clone().min(), medians.max());
        most.unwrap_or_default().as_secs_f64() > UNEVEN * least.unwrap_or_default().as_secs_f64()
    };
    models.iter().map(|model| &model.id).filter(is_uneven).cloned().collect()
}

fn set_times(profiles: &mut [Profile], models: &[ModelId], times: &[Duration]) {
    for model in profiles.iter_mut().flat_map(|profile| &mut profile.header.models) {
        if let Some(at) = models.iter().position(|id| *id == model.id) {
            model.latency.median = times[at];
        }
    }
}

fn sets(profiles: &[Profile]) -> (Vec<String>, Vec<usize>) {
    let (mut names, mut set_of): (Vec<String>, Vec<usize>) = Default::default();
    for profile in profiles {
        let name = &profile.header.set;
        let number = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        set_of.extend(std::iter::repeat_n(number, profile.images.len()));
    }
    (names, set_of)
}

fn energies(profiles: &[Profile]) -> Option<Vec<f64>> {
    let images: usize = profiles.iter().map(|profile| profile.images.len()).sum();
    let mean = |model: &ModelId| {
        let of = |profile: &Profile| {
            let found = profile.header.models.iter().find(|one| one.id == *model)?;
            Some(found.energy.as_ref()?.joules * profile.images.len() as f64)
        };
        let sums: Option<Vec<f64>> = profiles.iter().map(of).collect();
        Some(sums?.iter().sum::<f64>() / images.max(1) as f64)
    };
    profiles.first()?.header.models.iter().map(|model| mean(&model.id)).collect()
}

/// What a chooser made of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    /// Its answer, and the time of its models.
    pub(super) judged: Judged,
    /// The models that ran.
    pub(super) runs: Vec<usize>,
}

/// Pictures to judge, each by what was learnt without it.
pub(super) struct Split {
    /// The pictures that are judged, ascending.
    pub(super) pictures: Vec<usize>,
    /// Each of them is unseen in one part.
    pub(super) parts: Vec<Part>,
}

/// What is learnt from, and what is judged by it; both ascending.
pub(super) struct Part {
    pub(super) seen: Vec<usize>,
    pub(super) unseen: Vec<usize>,
}

impl Split {
    /// Cross-validation within some pictures.
    pub(super) fn folds(material: &Material, pictures: Vec<usize>, folds: usize) -> Self {
        let folds = material.deal(&pictures, folds);
        let part = |unseen: &Vec<usize>| {
            let is_seen = |picture: &usize| unseen.binary_search(picture).is_err();
            let seen = pictures.iter().copied().filter(is_seen).collect();
            Part { seen, unseen: unseen.clone() }
        };
        Self { parts: folds.iter().map(part).collect(), pictures }
    }

    /// Some pictures are judged by what was learnt from others.
    pub(super) fn transfer(seen: Vec<usize>, unseen: Vec<usize>) -> Self {
        Self { pictures: unseen.clone(), parts: vec![Part { seen, unseen }] }
    }
}
