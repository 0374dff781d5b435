//! The models that the policy chooses among.

use super::answers::Answers;
use super::{AdaptError, AdaptOptions};
use crate::adaptive::MAX_POOL;

/// By so much more must a slower model be right, to be worth having.
const LEAST_ADVANTAGE: f64 = 0.001;

/// The pool asked for, or the models that no quicker one equals on the pictures; quickest first, at
/// most [`MAX_POOL`]: of more, the least accurate are left out.
pub(super) fn choose(
    answers: &Answers,
    pictures: &[usize],
    options: &AdaptOptions,
) -> Result<Vec<usize>, AdaptError> {
    let mut pool = match &options.pool {
        Some(names) => named(answers, names)?,
        None => undominated(answers, pictures),
    };
    pool.sort_by_key(|&model| (answers.times[model], model));
    pool.dedup();
    if (1..=MAX_POOL).contains(&pool.len()) {
        Ok(pool)
    } else {
        Err(AdaptError::PoolSize(pool.len()))
    }
}

fn named(answers: &Answers, names: &[crate::models::ModelId]) -> Result<Vec<usize>, AdaptError> {
    let place = |name: &crate::models::ModelId| {
        let found = answers.models.iter().position(|model| model == name);
        found.ok_or_else(|| AdaptError::UnknownModel(name.clone()))
    };
    names.iter().map(place).collect()
}

fn undominated(answers: &Answers, pictures: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.models.len()).collect();
    order.sort_by_key(|&model| (answers.times[model], model));
    let (mut pool, mut best) = (Vec::new(), f64::NEG_INFINITY);
    for model in order {
        let accuracy = answers.accuracy(model, pictures);
        if accuracy > best + LEAST_ADVANTAGE {
            best = accuracy;
            pool.push((accuracy, model));
        }
    }
    let excess = pool.len().saturating_sub(MAX_POOL);
    pool.into_iter().skip(excess).map(|(_, model)| model).collect()
}
