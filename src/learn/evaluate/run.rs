//! The evaluation as a whole: what is compared, on which pictures.

use std::time::Duration;

use thiserror::Error;

use super::chooser::{Chooser, Dial, Sheet};
use super::figures::{Data, Evaluation, Group, ImageSet, Model, Selection};
use super::given::{Given, OtherModels};
use super::latency_table::{LatencyTable, NothingListed};
use super::material::{Material, Split};
use super::{adaptive, guided, mixes, reference, sequence, singles, told};
use crate::adaptive::Adaptive;
use crate::learn::adapt::AdaptError;
use crate::learn::learners::LearnerError;
use crate::learn::profile_file::Profile;
use crate::learn::train::{self, TrainError};
use crate::premodel::Premodel;

/// The most folds for sets without the others, and the folds within these. As many as for all
/// pictures would take minutes more.
const SUBSET_FOLDS: usize = 5;
const SUBSET_INNER_FOLDS: usize = 3;

/// How to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Folds of cross-validation.
    pub folds: usize,
    /// What an image may take, for effective accuracies.
    pub budgets: Vec<Duration>,
    /// Decides all that is random.
    pub seed: u64,
    /// Resamples for intervals.
    pub resamples: usize,
    /// What choosing takes.
    pub overheads: Overheads,
}

/// What choosing takes, besides the models.
///
/// Fixed, so that the same profiles give the same report. The defaults for features and vote were
/// measured on one core of an Intel Xeon (Sapphire Rapids) by `make bench`; that for the decisions,
/// which are arithmetic on some dozen numbers, is an allowance and was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overheads {
    /// The features of a picture.
    pub features: Duration,
    /// The vote of the neighbours.
    pub vote: Duration,
    /// All decisions of the adaptive policy on a picture.
    pub decision: Duration,
}

impl Default for Overheads {
    fn default() -> Self {
        Self {
            features: Duration::from_millis(1),
            vote: Duration::from_micros(5),
            decision: Duration::from_micros(50),
        }
    }
}

impl Overheads {
    /// Of choosers that look at features once.
    pub(super) fn sequence(&self) -> Duration {
        self.features + self.vote
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folds: 10,
            budgets: [33, 66, 100].map(Duration::from_millis).to_vec(),
            seed: 2018,
            resamples: super::metrics::bootstrap::RESAMPLES,
            overheads: Overheads::default(),
        }
    }
}

/// Why there is no evaluation.
#[derive(Debug, Error, PartialEq)]
pub enum EvaluateError {
    /// The pictures cannot be joined, or are too few.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The adaptive policy cannot be learnt.
    #[error(transparent)]
    Adapt(#[from] AdaptError),
    /// A learner gave up.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// The latency table lists no model of the profiles.
    #[error(transparent)]
    Table(#[from] NothingListed),
    /// The premodel is of other models.
    #[error(transparent)]
    Premodel(#[from] OtherModels),
}

/// Evaluates the models of the profiles and all ways to choose among them.
pub fn evaluate(
    mut profiles: Vec<Profile>,
    given: Option<&Given>,
    table: Option<&LatencyTable>,
    options: &Options,
) -> Result<Evaluation, EvaluateError> {
    let material = Material::join(&mut profiles, table, options)?;
    let run = Run { material: &material, options, given };
    let mut evaluation = run.evaluate()?;
    let notes = std::mem::take(&mut evaluation.data.notes);
    evaluation.data = Data { notes, ..run.data(&profiles, table) };
    Ok(evaluation)
}

struct Run<'a> {
    material: &'a Material,
    options: &'a Options,
    given: Option<&'a Given>,
}

impl Run<'_> {
    fn evaluate(&self) -> Result<Evaluation, EvaluateError> {
        let material = self.material;
        let everything: Vec<usize> = (0..material.samples.pictures.len()).collect();
        let split = Split::folds(material, everything, self.options.folds);
        let mut evaluation = Evaluation::default();
        self.note_data(&mut evaluation);
        let policies = self.step("the adaptive policy", || {
            adaptive::learn(material, &split, adaptive::INNER_FOLDS)
        })?;
        let mut sheet = self.plain(&split, &policies);
        self.add_sequence(&split, &mut sheet, &mut evaluation);
        self.add_ablations(&split, &policies, &mut sheet)?;
        if let Some(given) = self.given {
            sheet.choosers.extend(given.choosers(material, &split.pictures, self.options)?);
        }
        evaluation.groups.push(sheet.group(Selection::All, material, self.options));
        evaluation.groups.extend(self.sets(&sheet));
        evaluation.groups.extend(self.subsets()?);
        evaluation.groups.extend(self.transfers()?);
        (evaluation.auc, evaluation.calibration) =
            self.step("confidences", || told::of_models(material, &split))?;
        evaluation.correlation = Some(told::correlation(material));
        Ok(evaluation)
    }

    /// Says what takes its time.
    fn step<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        log::info!("evaluating {what}");
        work()
    }

    /// Singles, the adaptive policy, and the reference.
    fn plain(&self, split: &Split, policies: &[Adaptive]) -> Sheet {
        let (material, options) = (self.material, self.options);
        let mut choosers = singles::all(material, &split.pictures);
        choosers.push(adaptive::chooser(material, split, policies, options));
        let dial = adaptive::dial(material, split, policies, options);
        let (cascades, dials) =
            reference::all(material, &split.pictures, options.overheads.decision);
        choosers.extend(cascades);
        choosers.push(singles::oracle_of_all(material, &split.pictures));
        let dials: Vec<Dial> = std::iter::once(dial).chain(dials).collect();
        Sheet { pictures: split.pictures.clone(), choosers, dials }
    }

    /// The paper's sequence and what is made of it; a note where it cannot be trained.
    fn add_sequence(&self, split: &Split, sheet: &mut Sheet, evaluation: &mut Evaluation) {
        let premodels = self.step("the paper's sequence", || sequence::learn(self.material, split));
        let added = premodels.and_then(|premodels| {
            self.judge_sequence(split, sheet, &premodels)?;
            self.study_sequence(split, sheet, &premodels, evaluation)
        });
        if let Err(error) = added {
            let note =
                format!("The paper's sequence, or what is made of it, is left out: {error}.");
            evaluation.data.notes.push(note);
        }
    }

    fn judge_sequence(
        &self,
        split: &Split,
        sheet: &mut Sheet,
        premodels: &[Premodel],
    ) -> Result<(), EvaluateError> {
        let (material, overheads) = (self.material, &self.options.overheads);
        sheet.choosers.extend(sequence::choosers(material, split, premodels, overheads));
        let deployed: Vec<Vec<usize>> =
            premodels.iter().map(|premodel| premodel.recipe().sequence.clone()).collect();
        sheet.choosers.push(singles::oracle_of(material, split, &deployed));
        Ok(())
    }

    fn study_sequence(
        &self,
        split: &Split,
        sheet: &mut Sheet,
        premodels: &[Premodel],
        evaluation: &mut Evaluation,
    ) -> Result<(), EvaluateError> {
        let (material, overheads) = (self.material, &self.options.overheads);
        let bootstrap = sheet.bootstrap(material, self.options);
        evaluation.importance =
            self.step("features", || sequence::importance(material, split, premodels));
        evaluation.deployed = self.step("numbers of models", || {
            sequence::by_number(material, split, premodels, (&bootstrap, overheads))
        })?;
        let mix = self
            .step("mixes of learners", || mixes::chooser(material, split, premodels, overheads))?;
        sheet.choosers.push(mix);
        Ok(())
    }

    /// The adaptive policy with parts left out, and with its start chosen by features.
    fn add_ablations(
        &self,
        split: &Split,
        policies: &[Adaptive],
        sheet: &mut Sheet,
    ) -> Result<(), EvaluateError> {
        let (material, bootstrap) = (self.material, sheet.bootstrap(self.material, self.options));
        let find = |chooser: &&Chooser| chooser.name == adaptive::NAME;
        let Some(whole) = sheet.choosers.iter().find(find) else { return Ok(()) };
        let against = (&bootstrap, self.options);
        let mut all =
            self.step("ablations", || adaptive::ablations(material, split, whole, against))?;
        if let Some(dial) = sheet.dials.iter().find(|dial| dial.name == adaptive::NAME) {
            all.push(guided::chooser(material, split, policies, dial, against));
        }
        sheet.choosers.extend(all);
        Ok(())
    }

    /// Each set by the cross-validation of all, if there are several.
    fn sets(&self, sheet: &Sheet) -> Vec<Group> {
        let sets = &self.material.sets;
        let numbers = (0..sets.len()).filter(|_| sets.len() > 1);
        let group = |set: usize| {
            let selection = Selection::Set(sets[set].clone());
            sheet.of_set(self.material, set).group(selection, self.material, self.options)
        };
        numbers.map(group).filter(|group| group.images > 0).collect()
    }

    /// For each set, all others alone, by folds: one set may colour what is learnt of all.
    fn subsets(&self) -> Result<Vec<Group>, EvaluateError> {
        let mut groups = Vec::new();
        let sets = self.material.sets.len();
        for left_out in (0..sets).filter(|_| sets > 2) {
            let kept: Vec<usize> = (0..sets).filter(|&set| set != left_out).collect();
            let pictures = self.material.pictures_of(&kept);
            let folds = self.options.folds.min(SUBSET_FOLDS);
            let split = Split::folds(self.material, pictures, folds);
            if split.parts.len() > 1 {
                let selection = Selection::Alone(self.names(&kept));
                let policies = self.step(&selection.to_string(), || {
                    adaptive::learn(self.material, &split, SUBSET_INNER_FOLDS)
                })?;
                let sheet = self.plain(&split, &policies);
                groups.push(sheet.group(selection, self.material, self.options));
            }
        }
        Ok(groups)
    }

    /// Each set judged by what was learnt from all others.
    fn transfers(&self) -> Result<Vec<Group>, EvaluateError> {
        let mut groups = Vec::new();
        let sets = self.material.sets.len();
        for tested in (0..sets).filter(|_| sets > 1) {
            let others: Vec<usize> = (0..sets).filter(|&set| set != tested).collect();
            let [seen, unseen] =
                [others.as_slice(), &[tested]].map(|sets| self.material.pictures_of(sets));
            if !seen.is_empty() && !unseen.is_empty() {
                let selection = Selection::Transfer {
                    trained_on: self.names(&others),
                    tested_on: self.material.sets[tested].clone(),
                };
                let split = Split::transfer(seen, unseen);
                groups.push(self.transfer(selection, &split)?);
            }
        }
        Ok(groups)
    }

    fn transfer(&self, selection: Selection, split: &Split) -> Result<Group, EvaluateError> {
        let material = self.material;
        let policies = self.step(&selection.to_string(), || {
            adaptive::learn(material, split, adaptive::INNER_FOLDS)
        })?;
        let mut sheet = self.plain(split, &policies);
        // The note on all pictures says why there is none.
        if let Ok(premodels) = sequence::learn(material, split) {
            self.judge_sequence(split, &mut sheet, &premodels)?;
        }
        Ok(sheet.group(selection, material, self.options))
    }

    fn names(&self, sets: &[usize]) -> Vec<String> {
        sets.iter().map(|&set| self.material.sets[set].clone()).collect()
    }

    fn note_data(&self, evaluation: &mut Evaluation) {
        let notes = &mut evaluation.data.notes;
        let answers = &self.material.answers;
        let classes = answers.pictures.iter().map(|picture| picture.class);
        if classes.collect::<std::collections::BTreeSet<_>>().len() < 2 {
            notes.push(
                "All images are of one class: a chooser that learns classes gains by it what it \
                 could not gain elsewhere, and macro averages say nothing."
                    .to_owned(),
            );
        }
        let uneven = &self.material.uneven;
        if !uneven.is_empty() {
            let names: Vec<&str> = uneven.iter().map(|model| model.as_str()).collect();
            notes.push(format!(
                "The profiles differ much in the latency of {}, and the mean is used: was a machine \
                 busy while it measured?",
                names.join(", ")
            ));
        }
        let constant = told::constant_features(self.material);
        if !constant.is_empty() {
            let names = constant.join(", ");
            notes.push(format!("The same on every image, so that nothing looks at it: {names}."));
        }
    }

    fn data(&self, profiles: &[Profile], table: Option<&LatencyTable>) -> Data {
        let material = self.material;
        let set = |(number, name): (usize, &String)| ImageSet {
            name: name.clone(),
            images: material.set_of.iter().filter(|&&set| set == number).count(),
        };
        Data {
            sets: material.sets.iter().enumerate().map(set).collect(),
            images: material.set_of.len(),
            classes: material.answers.classes,
            truth: profiles.first().map_or_else(String::new, |one| one.header.truth.to_string()),
            machines: train::machines(profiles),
            models: (0..material.models()).map(|model| self.model(model)).collect(),
            folds: self.options.folds,
            seed: self.options.seed,
            resamples: self.options.resamples,
            latency_table: table.map(|table| format!("{} ({})", table.device, table.source)),
            premodel: self.given.map(Given::described),
            notes: Vec::new(),
        }
    }

    fn model(&self, model: usize) -> Model {
        Model {
            name: self.material.name(model).to_owned(),
            latency_ms: self.material.answers.times[model].as_secs_f64() * 1e3,
            energy_j: self.material.energies.as_ref().map(|energies| energies[model]),
            provider: self.material.samples.models[model].provider.to_string(),
        }
    }
}
