//! Which models get a stage: the paper's Algorithm 1, choosing by accuracy.
//!
//! First the model that is the optimum (the fastest that is right) most often; then, again and
//! again, the model that is right most often where all chosen ones are wrong, until that adds no
//! more than theta.

use crate::premodel::RightSet;

/// The models chosen, and why no more.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The models in the order in which they were chosen: that of their stages.
    pub steps: Vec<Step>,
    /// The next best model, which added too little; `None` if none was left.
    pub rejected: Option<Step>,
}

/// A model, considered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its position among the profiled models.
    pub model: usize,
    /// What it adds to the share of pictures on which at least one chosen model is right, in
    /// percentage points.
    pub gain: f64,
    /// That share with it, in percent.
    pub union: f64,
}

impl Deployment {
    /// The models in the order of their stages.
    pub(super) fn sequence(&self) -> Vec<usize> {
        self.steps.iter().map(|step| step.model).collect()
    }
}

/// Chooses among `candidates`, which come fastest first; that order decides between equals.
/// `None` if none of them is right on any picture.
pub(super) fn deploy(right: &[RightSet], candidates: &[usize], theta: f64) -> Option<Deployment> {
    let optima: Vec<_> = right.iter().map(|set| set.first_of(candidates)).collect();
    let optimal = |model| optima.iter().filter(|optimum| **optimum == Some(model)).count();
    let first = best(candidates, optimal).filter(|&model| optimal(model) > 0)?;
    let mut union = Union { right, left: (0..right.len()).collect() };
    let mut steps = vec![union.consider(first)];
    union.accept(first);
    loop {
        let is_free = |model: &usize| steps.iter().all(|step| step.model != *model);
        let free: Vec<_> = candidates.iter().copied().filter(is_free).collect();
        let next = best(&free, |model| union.solved_by(model)).map(|model| union.consider(model));
        match next {
            Some(step) if step.gain > theta => {
                union.accept(step.model);
                steps.push(step);
            }
            rejected => return Some(Deployment { steps, rejected }),
        }
    }
}

/// The most accurate model of `sequence`; of equals the first in `candidates`, the fastest.
pub(super) fn most_accurate(right: &[RightSet], candidates: &[usize], sequence: &[usize]) -> usize {
    let deployed: Vec<_> =
        candidates.iter().copied().filter(|model| sequence.contains(model)).collect();
    let correct = |model| right.iter().filter(|set| set.contains(model)).count();
    best(&deployed, correct).expect("a deployment has at least one model")
}

/// The first of `models` with the highest score.
fn best(models: &[usize], score: impl Fn(usize) -> usize) -> Option<usize> {
    // `max_by_key` takes the last of equals.
    models.iter().copied().rev().max_by_key(|&model| score(model))
}

/// The pictures that the chosen models leave unsolved.
struct Union<'a> {
    right: &'a [RightSet],
    left: Vec<usize>,
}

impl Union<'_> {
    fn solved_by(&self, model: usize) -> usize {
        self.left.iter().filter(|&&picture| self.right[picture].contains(model)).count()
    }

    fn consider(&self, model: usize) -> Step {
        let solved = self.solved_by(model);
        let percent = |pictures: usize| 100.0 * pictures as f64 / self.right.len() as f64;
        let before = self.right.len() - self.left.len();
        Step { model, gain: percent(solved), union: percent(before + solved) }
    }

    fn accept(&mut self, model: usize) {
        let right = self.right;
        self.left.retain(|&picture| !right[picture].contains(model));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` pictures on which exactly `models` are right.
    fn pictures(count: usize, models: &[usize]) -> Vec<RightSet> {
        vec![models.iter().copied().collect(); count]
    }

    fn models(deployment: &Deployment) -> Vec<usize> {
        deployment.sequence()
    }

    #[test]
    fn models_are_chosen_by_what_they_add() {
        // 1 is right almost everywhere that 0 is; 2 complements 0.
        let right = [
            pictures(60, &[0, 1]),
            pictures(10, &[0]),
            pictures(5, &[1]),
            pictures(20, &[2]),
            pictures(5, &[]),
        ]
        .concat();
        let deployment = deploy(&right, &[0, 1, 2], 0.5).unwrap();
        assert_eq!(models(&deployment), [0, 2, 1]);
        let gains: Vec<_> = deployment.steps.iter().map(|s| (s.gain, s.union)).collect();
        assert_eq!(gains, [(70.0, 70.0), (20.0, 90.0), (5.0, 95.0)]);
        assert_eq!(deployment.rejected, None);
    }

    #[test]
    fn a_gain_of_theta_is_too_little() {
        let right = [pictures(90, &[0]), pictures(5, &[1]), pictures(5, &[])].concat();
        assert_eq!(models(&deploy(&right, &[0, 1], 4.9).unwrap()), [0, 1]);
        let stopped = deploy(&right, &[0, 1], 5.0).unwrap();
        assert_eq!(models(&stopped), [0]);
        assert_eq!(stopped.rejected, Some(Step { model: 1, gain: 5.0, union: 95.0 }));
    }

    #[test]
    fn a_model_without_gain_is_never_deployed() {
        let right = pictures(10, &[0, 1]);
        assert_eq!(models(&deploy(&right, &[0, 1], 0.0).unwrap()), [0]);
    }

    #[test]
    fn speed_decides_what_is_optimal_and_between_equals() {
        let right = pictures(10, &[0, 1, 2]);
        assert_eq!(models(&deploy(&right, &[2, 0, 1], 0.5).unwrap()), [2]);
        let right = [pictures(6, &[0]), pictures(2, &[1]), pictures(2, &[2])].concat();
        assert_eq!(models(&deploy(&right, &[0, 2, 1], 0.5).unwrap()), [0, 2, 1]);
        assert_eq!(most_accurate(&right, &[2, 1, 0], &[1, 2]), 2);
    }

    #[test]
    fn where_nothing_is_right_nothing_is_deployed() {
        assert_eq!(deploy(&pictures(10, &[]), &[0, 1], 0.5), None);
        assert_eq!(deploy(&pictures(10, &[2]), &[0, 1], 0.5), None);
    }
}
