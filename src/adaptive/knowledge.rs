//! What training learns for the adaptive policy, and the checks that it must pass.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most models that the policy chooses among.
pub const MAX_POOL: usize = 8;

/// The most models that run on one frame.
pub const MAX_SET: usize = 4;

/// A set of models, by their positions in [`Knowledge::pool`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ModelSet(u8);

impl ModelSet {
    /// No model.
    pub const EMPTY: Self = Self(0);

    /// The set with one model more. Panics from [`MAX_POOL`] on.
    #[must_use]
    pub fn with(self, model: usize) -> Self {
        assert!(model < MAX_POOL, "model {model} of at most {MAX_POOL}");
        Self(self.0 | 1 << model)
    }

    /// Whether a model is in the set.
    pub fn contains(self, model: usize) -> bool {
        model < MAX_POOL && self.0 >> model & 1 == 1
    }

    /// How many models are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether no model is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The models, in ascending order.
    pub fn members(self) -> impl Iterator<Item = usize> {
        (0..MAX_POOL).filter(move |&model| self.contains(model))
    }

    /// The set as an index below 2 to the power of [`MAX_POOL`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Every set of one to `largest` of `pool` models, the smaller ones first.
    pub fn all(pool: usize, largest: usize) -> Vec<Self> {
        let mut sets: Vec<Self> = (1..1_u16 << pool.min(MAX_POOL))
            .map(|bits| Self(bits as u8))
            .filter(|set| set.len() <= largest)
            .collect();
        sets.sort_by_key(|set| (set.len(), *set));
        sets
    }
}

impl FromIterator<usize> for ModelSet {
    fn from_iter<I: IntoIterator<Item = usize>>(models: I) -> Self {
        models.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for ModelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members()).finish()
    }
}

/// How much more likely the classes that training saw are.
///
/// The tempered logarithm of the class frequencies, `strength * ln((n + 1/2) / (1/2))` for a class
/// seen `n` times: 0 for a class that training never saw (label shift: Saerens, Latinne and
/// Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", 2002).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// From 0 (none) to 1 (the frequencies are taken at their word).
    pub strength: f32,
    /// Classes that training saw, ascending, and what is added to their scores.
    pub seen: Vec<(usize, f32)>,
}

impl Prior {
    /// No class is more likely than another.
    pub fn none() -> Self {
        Self::default()
    }

    /// The prior of classes seen so often.
    pub fn of_counts(counts: &[usize], strength: f32) -> Self {
        if strength <= 0.0 {
            return Self::none();
        }
        let seen = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        let seen = seen.map(|(class, &count)| (class, Self::bonus(count, strength)));
        Self { strength, seen: seen.collect() }
    }

    /// What is added to the score of a class seen `count` times.
    pub fn bonus(count: usize, strength: f32) -> f32 {
        strength * (2.0 * count as f32 + 1.0).ln()
    }

    /// What is added to the score of a class.
    pub fn of(&self, class: usize) -> f32 {
        match self.seen.binary_search_by_key(&class, |&(seen, _)| seen) {
            Ok(place) => self.seen[place].1,
            Err(_) => 0.0,
        }
    }
}

/// A logistic regression: the probability that a fused answer is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Right(pub [f32; 4]);

impl Right {
    /// What it looks at: a constant, the answer's fused probability, its square, and the share of
    /// the models whose own first guess is the answer (0 for a model alone).
    pub fn inputs(confidence: f32, agreement: f32) -> [f32; 4] {
        [1.0, confidence, confidence * confidence, agreement]
    }

    /// The probability, 0 to 1.
    pub fn probability(&self, inputs: [f32; 4]) -> f32 {
        let sum: f32 = self.0.iter().zip(inputs).map(|(weight, input)| weight * input).sum();
        1.0 / (1.0 + (-sum).exp())
    }
}

/// What is known of the answers that a set of models gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFit {
    /// The set.
    pub set: ModelSet,
    /// The weight of each member's guesses in the fusion, members ascending.
    pub weights: Vec<f32>,
    /// How likely the fused answer is right.
    pub right: Right,
}

/// What a further model is worth, as a function of the certainty `p`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GainFit {
    /// The models that have run.
    pub set: ModelSet,
    /// The model that may run next.
    pub model: usize,
    /// Weights of 1, `p (1 - p)` and `p`.
    pub weights: [f32; 3],
}

impl GainFit {
    /// What it looks at.
    pub fn inputs(certainty: f32) -> [f32; 3] {
        [1.0, certainty * (1.0 - certainty), certainty]
    }

    /// The gain at a certainty: a share of right answers, the time of the model paid for.
    pub fn at(&self, certainty: f32) -> f32 {
        self.weights.iter().zip(Self::inputs(certainty)).map(|(w, input)| w * input).sum()
    }
}

/// A price for time, and the policy that is best at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// The share of right answers that a millisecond must bring.
    pub price_per_ms: f32,
    /// For each model of the pool, what starting with it is worth, its time paid for.
    pub start: Vec<f32>,
    /// For each set and each model that may follow it.
    pub gains: Vec<GainFit>,
    /// Mean time of the models on an unseen picture, by cross-validation, in milliseconds.
    pub mean_time_ms: f32,
    /// Share of unseen pictures answered right, by cross-validation.
    pub accuracy: f32,
    /// A share that the accuracy is above with the confidence asked for in training.
    pub assured_accuracy: f32,
}

/// How answers are carried through time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFit {
    /// Frames whose thumbnails differ by less from that of the last classified one take over its
    /// answer; 0 for never.
    pub reuse_below: f32,
    /// So many take over one answer at most.
    pub reuse_at_most: u32,
    /// A frame that differs by more from the last classified one begins a new scene.
    pub cut_above: f32,
    /// What is left of a frame's evidence one frame on, 0 to 1.
    pub remembered: f32,
}

impl TimeFit {
    /// Every frame stands for itself.
    pub const NONE: Self =
        Self { reuse_below: 0.0, reuse_at_most: 0, cut_above: 0.0, remembered: 0.0 };
}

/// All that the policy knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// The models it chooses among, the quickest first, by their positions in the premodel's list.
    pub pool: Vec<usize>,
    /// How many classes they tell apart.
    pub classes: usize,
    /// Classes that are more likely.
    pub prior: Prior,
    /// One for every set of one to some number of models.
    pub sets: Vec<SetFit>,
    /// The operating points, the quickest first.
    pub points: Vec<OperatingPoint>,
    /// Which of them is used unless the user asks for another.
    pub chosen: usize,
    /// Reuse and memory.
    pub time: TimeFit,
}

/// Why knowledge cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("the adaptive policy's {part} {fault}")]
pub struct KnowledgeFault {
    part: &'static str,
    fault: String,
}

impl Knowledge {
    /// Finds the first fault. `models` is the length of the premodel's list.
    pub fn check(&self, models: usize) -> Result<(), KnowledgeFault> {
        self.check_pool(models)?;
        self.check_prior()?;
        self.check_sets()?;
        self.check_points()?;
        self.check_time()
    }

    fn check_pool(&self, models: usize) -> Result<(), KnowledgeFault> {
        let pool = &self.pool;
        if !(1..=MAX_POOL).contains(&pool.len()) {
            return fault("pool", format!("has {} models, not 1 to {MAX_POOL}", pool.len()));
        }
        if let Some(model) = pool.iter().find(|&&model| model >= models) {
            return fault("pool", format!("names model {model}, of {models} from 0 on"));
        }
        match (1..pool.len()).find(|&at| pool[..at].contains(&pool[at])) {
            Some(at) => fault("pool", format!("names model {} twice", pool[at])),
            None => Ok(()),
        }
    }

    fn check_prior(&self) -> Result<(), KnowledgeFault> {
        let seen = &self.prior.seen;
        let is_ascending = seen.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !is_ascending || seen.last().is_some_and(|&(class, _)| class >= self.classes) {
            return fault("prior", "has classes out of order or range".to_owned());
        }
        check_finite("prior", seen.iter().map(|&(_, bonus)| bonus).chain([self.prior.strength]))
    }

    fn check_sets(&self) -> Result<(), KnowledgeFault> {
        let largest = self.sets.iter().map(|fit| fit.set.len()).max().unwrap_or(0);
        let expected = ModelSet::all(self.pool.len(), largest.clamp(1, MAX_SET));
        if !self.sets.iter().map(|fit| fit.set).eq(expected) {
            return fault("sets", "are not all sets of one to some number of models".to_owned());
        }
        for fit in &self.sets {
            if fit.weights.len() != fit.set.len() {
                return fault(
                    "sets",
                    format!("have {} weights for {}", fit.weights.len(), fit.set),
                );
            }
            check_finite("sets", fit.weights.iter().chain(&fit.right.0).copied())?;
        }
        Ok(())
    }

    fn check_points(&self) -> Result<(), KnowledgeFault> {
        if self.chosen >= self.points.len() {
            let points = self.points.len();
            return fault("points", format!("are {points}, and number {} is chosen", self.chosen));
        }
        for point in &self.points {
            if point.start.len() != self.pool.len() {
                return fault("points", "do not say what each start is worth".to_owned());
            }
            let known = |set| self.sets.iter().any(|fit| fit.set == set);
            let fits = |gain: &GainFit| {
                gain.model < self.pool.len()
                    && known(gain.set)
                    && !gain.set.contains(gain.model)
                    && known(gain.set.with(gain.model))
            };
            if !point.gains.iter().all(fits) {
                return fault("points", "have a gain that leads to no known set".to_owned());
            }
            let gains = point.gains.iter().flat_map(|gain| gain.weights);
            let own = [point.price_per_ms, point.mean_time_ms, point.accuracy];
            let own = own.into_iter().chain([point.assured_accuracy]);
            check_finite("points", gains.chain(own).chain(point.start.iter().copied()))?;
        }
        Ok(())
    }

    fn check_time(&self) -> Result<(), KnowledgeFault> {
        let TimeFit { reuse_below, cut_above, remembered, .. } = self.time;
        check_finite("time", [reuse_below, cut_above, remembered].into_iter())?;
        if (0.0..=1.0).contains(&remembered) {
            Ok(())
        } else {
            fault("time", format!("remembers {remembered}, which is not 0 to 1"))
        }
    }
}

fn fault(part: &'static str, fault: String) -> Result<(), KnowledgeFault> {
    Err(KnowledgeFault { part, fault })
}

fn check_finite(
    part: &'static str,
    mut values: impl Iterator<Item = f32>,
) -> Result<(), KnowledgeFault> {
    match values.find(|value| !value.is_finite()) {
        Some(value) => fault(part, format!("have the number {value}")),
        None => Ok(()),
    }
}
