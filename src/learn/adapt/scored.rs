//! A training picture as fusion sees it: the classes that any model of the pool lists, and what each
//! model gives them.

use super::answers::Answered;
use crate::adaptive::{MAX_POOL, ModelSet, Prior};

/// A picture, ready to be fused.
pub(super) struct Scored {
    /// The classes that any model lists.
    classes: Vec<usize>,
    /// For each class, the models that list it.
    listed: Vec<ModelSet>,
    /// For each class, what each model gives it.
    logarithms: Vec<[f32; MAX_POOL]>,
    /// For each class, what the prior adds to it.
    bonus: Vec<f32>,
    /// The first guess of each model.
    tops: [Option<usize>; MAX_POOL],
    /// The true class.
    pub(super) truth: usize,
}

/// The answer of a set of models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SetAnswer {
    pub(super) is_right: bool,
    pub(super) confidence: f32,
    /// The share of the models whose first guess is the answer; 0 for a model alone.
    pub(super) agreement: f32,
}

impl Scored {
    pub(super) fn new(answered: &Answered, pool: &[usize]) -> Self {
        let guesses: Vec<_> = pool.iter().map(|&model| &answered.guesses[model]).collect();
        let mut classes: Vec<usize> = guesses.iter().flat_map(|one| one.classes()).collect();
        classes.sort_unstable();
        classes.dedup();
        let listed = |class: &usize| {
            let lists =
                guesses.iter().enumerate().filter(|(_, one)| one.classes().any(|c| c == *class));
            lists.map(|(model, _)| model).collect()
        };
        let logarithms = |class: &usize| {
            let of = |model: usize| guesses.get(model).map_or(0.0, |one| one.logarithm(*class));
            std::array::from_fn(of)
        };
        Self {
            listed: classes.iter().map(listed).collect(),
            logarithms: classes.iter().map(logarithms).collect(),
            bonus: vec![0.0; classes.len()],
            tops: std::array::from_fn(|model| guesses.get(model)?.top()),
            classes,
            truth: answered.class,
        }
    }

    /// Applies the prior of classes seen so often in training. The picture itself is one of those
    /// counted, and is not counted for itself.
    pub(super) fn set_prior(&mut self, counts: &[usize], strength: f32) {
        for (bonus, &class) in self.bonus.iter_mut().zip(&self.classes) {
            let others = counts[class] - usize::from(class == self.truth);
            *bonus = Prior::bonus(others, strength);
        }
    }

    /// Whether a set answers right under a prior that is only tried.
    pub(super) fn is_right_under(
        &mut self,
        counts: &[usize],
        strength: f32,
        (set, weights): (ModelSet, &[f32]),
        room: &mut Vec<(usize, f32)>,
    ) -> bool {
        self.set_prior(counts, strength);
        self.answer(set, weights, room).is_right
    }

    /// The probabilities of the classes that a model of `set` lists, with the place of each; `into`
    /// is emptied first.
    pub(super) fn fuse(&self, set: ModelSet, weights: &[f32], into: &mut Vec<(usize, f32)>) {
        into.clear();
        for (place, listed) in self.listed.iter().enumerate() {
            if set.members().any(|model| listed.contains(model)) {
                into.push((place, self.score(place, set, weights)));
            }
        }
        let largest = into.iter().map(|&(_, score)| score).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for (_, score) in into.iter_mut() {
            *score = (*score - largest).exp();
            sum += *score;
        }
        into.iter_mut().for_each(|(_, probability)| *probability /= sum);
    }

    fn score(&self, place: usize, set: ModelSet, weights: &[f32]) -> f32 {
        let given = set.members().zip(weights);
        let sum: f32 = given.map(|(model, weight)| weight * self.logarithms[place][model]).sum();
        sum + self.bonus[place]
    }

    /// What a model gives to the class at a place.
    pub(super) fn logarithm(&self, place: usize, model: usize) -> f32 {
        self.logarithms[place][model]
    }

    /// The place of the true class, if a model of `set` lists it.
    pub(super) fn truth_place(&self, set: ModelSet) -> Option<usize> {
        let place = self.classes.binary_search(&self.truth).ok()?;
        set.members().any(|model| self.listed[place].contains(model)).then_some(place)
    }

    /// The true class of the picture, as a class; and the class at a place.
    pub(super) fn class(&self, place: usize) -> usize {
        self.classes[place]
    }

    /// The answer of a set; `fused` is room to work in.
    pub(super) fn answer(
        &self,
        set: ModelSet,
        weights: &[f32],
        fused: &mut Vec<(usize, f32)>,
    ) -> SetAnswer {
        self.fuse(set, weights, fused);
        // Places are in the order of the classes: of equals, the lower class answers.
        let best =
            fused.iter().copied().reduce(|best, one| if one.1 > best.1 { one } else { best });
        let (class, confidence) =
            best.map_or((usize::MAX, 0.0), |(place, probability)| (self.class(place), probability));
        let agreeing = set.members().filter(|&model| self.tops[model] == Some(class)).count();
        let agreement = if set.len() < 2 { 0.0 } else { agreeing as f32 / set.len() as f32 };
        SetAnswer { is_right: class == self.truth, confidence, agreement }
    }
}
