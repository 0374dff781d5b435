//! The policy for the models that are loaded.

use std::cmp::Ordering;

use thiserror::Error;

use super::evidence::Evidence;
use super::fusion::Fused;
use super::guesses::Guesses;
use super::knowledge::{Knowledge, ModelSet, OperatingPoint, Right, SetFit, TimeFit};
use crate::models::{ModelId, in_a_row};

/// None of the models that the policy chooses among is loaded.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("none of the models of the adaptive policy is loaded: {}", in_a_row(.pool))]
pub struct NoPoolLeft {
    /// The models that it chooses among.
    pub pool: Vec<ModelId>,
}

/// A model that may run next, by its place in the pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference {
    /// The model.
    pub model: usize,
    /// What running it is worth: a share of right answers, its time paid for.
    pub gain: f32,
}

/// Decides, after each run, what is worth running next; shared by all threads.
#[derive(Clone, Debug)]
pub struct Adaptive {
    knowledge: Knowledge,
    pool: Vec<ModelId>,
    /// Whether each model of the pool is loaded.
    loaded: Vec<bool>,
    /// By [`ModelSet::index`]: the place of the set's fit.
    fits: Vec<Option<usize>>,
    point: usize,
}

impl Adaptive {
    /// The policy of `knowledge`, which has been checked, at its chosen operating point. `pool`
    /// are the names of its models, `is_loaded` says which of them can run.
    pub fn new(
        knowledge: Knowledge,
        pool: Vec<ModelId>,
        is_loaded: impl Fn(&ModelId) -> bool,
    ) -> Result<Self, NoPoolLeft> {
        let loaded: Vec<bool> = pool.iter().map(is_loaded).collect();
        if !loaded.contains(&true) {
            return Err(NoPoolLeft { pool });
        }
        let mut fits = vec![None; 1 << super::MAX_POOL];
        for (place, fit) in knowledge.sets.iter().enumerate() {
            fits[fit.set.index()] = Some(place);
        }
        let point = knowledge.chosen;
        Ok(Self { knowledge, pool, loaded, fits, point })
    }

    /// The same at another operating point. Panics if there is no such point.
    #[must_use]
    pub fn at(mut self, point: usize) -> Self {
        assert!(point < self.knowledge.points.len(), "operating point {point}");
        self.point = point;
        self
    }

    /// The same with answers carried through time in another way.
    #[must_use]
    pub fn with_time(mut self, time: TimeFit) -> Self {
        self.knowledge.time = time;
        self
    }

    /// What it knows.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Whether what `other` was told by models means the same to this one. The operating point and
    /// which models are loaded do not matter.
    pub fn understands(&self, other: &Self) -> bool {
        self.pool == other.pool && self.knowledge == other.knowledge
    }

    /// The operating point in use.
    pub fn point(&self) -> &OperatingPoint {
        &self.knowledge.points[self.point]
    }

    /// How answers are carried through time.
    pub fn time(&self) -> TimeFit {
        self.knowledge.time
    }

    /// The name of a model of the pool. Panics if there is no such place.
    pub fn model(&self, place: usize) -> &ModelId {
        &self.pool[place]
    }

    /// The place of a model in the pool.
    pub fn place(&self, model: &ModelId) -> Option<usize> {
        self.pool.iter().position(|known| known == model)
    }

    /// The models that a frame may be begun with, the most worthwhile first.
    ///
    /// Without fresh evidence every loaded one. Of a scene that is known only those that would add to
    /// what is known of it: none if the scene's answer does for the frame.
    pub fn start(&self, carried: &Evidence) -> Vec<Preference> {
        if carried.is_fresh() {
            return self.worthwhile(carried);
        }
        let start = &self.point().start;
        let loaded = (0..self.pool.len()).filter(|&model| self.loaded[model]);
        let mut all: Vec<_> =
            loaded.map(|model| Preference { model, gain: start[model] }).collect();
        all.sort_by(by_gain);
        all
    }

    /// Takes in what a model says of all classes.
    pub fn observe(&self, evidence: &mut Evidence, place: usize, probabilities: &[f32]) {
        self.observe_guesses(evidence, place, Guesses::of(probabilities));
    }

    /// Takes in a model's guesses.
    pub fn observe_guesses(&self, evidence: &mut Evidence, place: usize, guesses: Guesses) {
        evidence.add(place, guesses);
        let ran = evidence.runs().iter().copied().collect();
        self.settle(evidence, ran);
    }

    /// Takes in what a model says of another frame of the scene that the evidence is of. Of more models
    /// than any known set has, the quickest that count least are dropped.
    pub fn study(&self, evidence: &mut Evidence, place: usize, probabilities: &[f32]) {
        evidence.learn(place, Guesses::of(probabilities));
        self.settle(evidence, ModelSet::EMPTY.with(place));
    }

    /// What may run on the frame after what has run, the most worthwhile first; empty if the
    /// answer should go out.
    pub fn next(&self, evidence: &Evidence) -> Vec<Preference> {
        self.worthwhile(evidence)
    }

    /// The last frame's evidence for the next frame of the scene, `share` of it remembered.
    pub fn carry(&self, evidence: &Evidence, share: f32) -> Evidence {
        let mut carried = evidence.aged(share);
        self.settle(&mut carried, ModelSet::EMPTY);
        carried
    }

    fn worthwhile(&self, evidence: &Evidence) -> Vec<Preference> {
        let set = evidence.fresh();
        let gains = self.point().gains.iter().filter(|gain| gain.set == set);
        let loaded = gains.filter(|gain| self.loaded[gain.model]);
        let preferences = loaded
            .map(|gain| Preference { model: gain.model, gain: gain.at(evidence.certainty()) });
        let mut worthwhile: Vec<_> = preferences.filter(|one| one.gain > 0.0).collect();
        worthwhile.sort_by(by_gain);
        worthwhile
    }

    /// Fuses the evidence and says how sure that is. Of more models than any known set has, the
    /// faintest are dropped that are not to be kept.
    fn settle(&self, evidence: &mut Evidence, kept: ModelSet) {
        let fit = loop {
            match self.fit(evidence.set()) {
                Some(fit) => break fit,
                None if evidence.drop_faintest(kept) => {}
                None => {
                    (evidence.fused, evidence.certainty) = (None, 0.0);
                    return;
                }
            }
        };
        let weighted = evidence.testimonies().zip(&fit.weights);
        let weighted =
            weighted.map(|((_, testimony), weight)| (&testimony.guesses, weight * testimony.share));
        let fused = Fused::new(weighted, &self.knowledge.prior);
        let inputs = Right::inputs(fused.confidence(), agreement(evidence, &fused));
        evidence.certainty = fit.right.probability(inputs);
        evidence.fused = Some(fused);
    }

    fn fit(&self, set: ModelSet) -> Option<&SetFit> {
        self.fits[set.index()].map(|place| &self.knowledge.sets[place])
    }
}

fn by_gain(a: &Preference, b: &Preference) -> Ordering {
    b.gain.total_cmp(&a.gain).then_with(|| a.model.cmp(&b.model))
}

/// The share of the models whose own first guess is the fused answer; 0 for a model alone, which
/// always agrees with itself or with the prior.
fn agreement(evidence: &Evidence, fused: &Fused) -> f32 {
    let models = evidence.testimonies().count();
    if models < 2 {
        return 0.0;
    }
    let agreeing = evidence.testimonies().filter(|(_, one)| one.guesses.top() == fused.top());
    agreeing.count() as f32 / models as f32
}
