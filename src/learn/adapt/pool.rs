//! The models that the policy chooses among.
//!
//! A model need not be the best at its time to be worth having: one that errs elsewhere than the
//! others makes a good partner. So sets of up to [`SIZE`] models are compared, by the time of all
//! their members and by how often their plainly fused answers are right. A set *leads* if it is right
//! more often, by at least [`LEAST_ADVANTAGE`], than every set that takes less time; the pool are the
//! members of the leading sets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answers::Answers;
use super::scored::Scored;
use super::{AdaptError, AdaptOptions, weights};
use crate::adaptive::{MAX_POOL, ModelSet};
use crate::learn::parallel::in_parallel;
use crate::models::ModelId;

/// The largest sets that are compared.
const SIZE: usize = 3;

/// By so much more must a set be right than all quicker ones.
const LEAST_ADVANTAGE: f64 = 0.003;

/// The pictures, spread evenly, that sets are compared on.
const PICTURES: usize = 1_500;

/// The most models that are compared; of more, the least accurate are left out.
const MOST_CANDIDATES: usize = 12;

/// The pool asked for, or the members of the leading sets; quickest first, at most [`MAX_POOL`]: of
/// more, those go by which the fewest right answers are won.
pub(super) fn choose(
    answers: &Answers,
    pictures: &[usize],
    options: &AdaptOptions,
) -> Result<Vec<usize>, AdaptError> {
    let mut pool = match &options.pool {
        Some(names) => named(answers, names)?,
        None => of_leading_sets(answers, pictures),
    };
    pool.sort_by_key(|&model| (answers.times[model], model));
    pool.dedup();
    let size = pool.len();
    if (1..=MAX_POOL).contains(&size) { Ok(pool) } else { Err(AdaptError::PoolSize(size)) }
}

fn named(answers: &Answers, names: &[ModelId]) -> Result<Vec<usize>, AdaptError> {
    let place = |name: &ModelId| {
        let found = answers.models.iter().position(|model| model == name);
        found.ok_or_else(|| AdaptError::UnknownModel(name.clone()))
    };
    names.iter().map(place).collect()
}

fn of_leading_sets(answers: &Answers, pictures: &[usize]) -> Vec<usize> {
    let mut candidates = answers.truth.pupils(answers.models.iter());
    let accuracy = |model: usize| answers.accuracy(model, pictures);
    candidates.sort_by(|&a, &b| accuracy(b).total_cmp(&accuracy(a)).then_with(|| a.cmp(&b)));
    candidates.truncate(MOST_CANDIDATES);
    let sets = combinations(&candidates);
    let step = pictures.len().div_ceil(PICTURES).max(1);
    let sample: Vec<usize> = pictures.iter().copied().step_by(step).collect();
    let right = in_parallel(&sets, |set| share_right(answers, &sample, set));
    let time = |set: &Vec<usize>| set.iter().map(|&model| answers.times[model]).sum::<Duration>();
    let mut ranked: Vec<(Duration, &Vec<usize>, f64)> =
        sets.iter().zip(right).map(|(set, right)| (time(set), set, right)).collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.2.total_cmp(&a.2)));
    let mut won: BTreeMap<usize, f64> = BTreeMap::new();
    let mut best = 0.0;
    for (_, set, right) in ranked {
        if right >= best + LEAST_ADVANTAGE || won.is_empty() {
            for &model in set {
                *won.entry(model).or_default() += right - best;
            }
            best = f64::max(best, right);
        }
    }
    let mut pool: Vec<(usize, f64)> = won.into_iter().collect();
    pool.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    pool.into_iter().take(MAX_POOL).map(|(model, _)| model).collect()
}

/// Every set of one to [`SIZE`] of the models.
fn combinations(models: &[usize]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for &model in models {
        let larger: Vec<Vec<usize>> = sets
            .iter()
            .filter(|set| set.len() < SIZE)
            .map(|set| set.iter().copied().chain([model]).collect())
            .collect();
        sets.extend(larger);
    }
    sets.retain(|set| !set.is_empty());
    sets
}

fn share_right(answers: &Answers, pictures: &[usize], models: &[usize]) -> f64 {
    let set: ModelSet = (0..models.len()).collect();
    let weights = weights::equal(set);
    let mut room = Vec::new();
    let mut is_right = |picture: usize| {
        let scored = Scored::new(&answers.pictures[picture], models);
        scored.answer(set, &weights, &mut room).is_right
    };
    let right = pictures.iter().filter(|&&picture| is_right(picture)).count();
    right as f64 / pictures.len().max(1) as f64
}
