//! Which models get a stage: the paper's Algorithm 1, in its three modes.
//!
//! First the model that is the optimum (the fastest that is right) most often. Then, again and
//! again, of the models that add more than theta to the share of pictures on which at least one
//! chosen model is right, the one that adds most (`accuracy`), or most for its time (`optimal`: over
//! its mean latency), or by turns the one and the other (`alternate`, beginning with accuracy).

use std::time::Duration;

use super::options::DeploymentMode;
use crate::premodel::RightSet;

/// The models chosen, and why no more.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The models in the order in which they were chosen: that of their stages.
    pub steps: Vec<Step>,
    /// Of the others the one that adds most, which is too little; `None` if none was left.
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
    /// Its mean latency.
    pub latency: Duration,
}

impl Deployment {
    /// The models in the order of their stages.
    pub(crate) fn sequence(&self) -> Vec<usize> {
        self.steps.iter().map(|step| step.model).collect()
    }
}

/// The models that may get a stage, and what is known of them.
pub(crate) struct Field<'a> {
    /// For each picture, the models that are right on it.
    pub(crate) right: &'a [RightSet],
    /// The models, fastest first; that order decides between equals.
    pub(crate) candidates: &'a [usize],
    /// The mean latency of each model.
    pub(crate) latencies: &'a [Duration],
}

/// Chooses among the candidates. `None` if none of them is right on any picture.
pub(crate) fn deploy(field: &Field, mode: DeploymentMode, theta: f64) -> Option<Deployment> {
    let (right, candidates) = (field.right, field.candidates);
    let optima: Vec<_> = right.iter().map(|set| set.first_of(candidates)).collect();
    let optimal = |model| optima.iter().filter(|optimum| **optimum == Some(model)).count();
    let first = best(candidates, optimal).filter(|&model| optimal(model) > 0)?;
    let mut union = Union { field, left: (0..right.len()).collect() };
    let mut steps = vec![union.consider(first)];
    union.accept(first);
    loop {
        let is_free = |model: &&usize| steps.iter().all(|step| step.model != **model);
        let free = candidates.iter().filter(is_free);
        let further: Vec<Step> = free.map(|&model| union.consider(model)).collect();
        let (enough, too_little): (Vec<Step>, Vec<Step>) =
            further.into_iter().partition(|step| step.gain > theta);
        match greatest(&enough, |step| merit(step, mode, steps.len())) {
            Some(step) => {
                union.accept(step.model);
                steps.push(step);
            }
            None => {
                return Some(Deployment { steps, rejected: greatest(&too_little, |s| s.gain) });
            }
        }
    }
}

/// What decides between models at a step.
fn merit(step: &Step, mode: DeploymentMode, number: usize) -> f64 {
    let by_time = match mode {
        DeploymentMode::Accuracy => false,
        DeploymentMode::Optimal => true,
        DeploymentMode::Alternate => number.is_multiple_of(2),
    };
    if by_time { step.gain / step.latency.as_secs_f64() } else { step.gain }
}

/// The first of the steps with the greatest merit.
fn greatest(steps: &[Step], merit: impl Fn(&Step) -> f64) -> Option<Step> {
    // `max_by` takes the last of equals.
    steps.iter().rev().max_by(|a, b| merit(a).total_cmp(&merit(b))).copied()
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
    field: &'a Field<'a>,
    left: Vec<usize>,
}

impl Union<'_> {
    fn consider(&self, model: usize) -> Step {
        let right = self.field.right;
        let solved = self.left.iter().filter(|&&picture| right[picture].contains(model)).count();
        let percent = |pictures: usize| 100.0 * pictures as f64 / right.len() as f64;
        let before = right.len() - self.left.len();
        Step {
            model,
            gain: percent(solved),
            union: percent(before + solved),
            latency: self.field.latencies[model],
        }
    }

    fn accept(&mut self, model: usize) {
        let right = self.field.right;
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

    /// Model n takes 10 n + 10 ms.
    fn deploy_by(
        mode: DeploymentMode,
        right: &[RightSet],
        candidates: &[usize],
        theta: f64,
    ) -> Option<Deployment> {
        let latencies: Vec<_> = (1..=4).map(|n| Duration::from_millis(10 * n)).collect();
        deploy(&Field { right, candidates, latencies: &latencies }, mode, theta)
    }

    fn deploy_by_accuracy(
        right: &[RightSet],
        candidates: &[usize],
        theta: f64,
    ) -> Option<Deployment> {
        deploy_by(DeploymentMode::Accuracy, right, candidates, theta)
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
        let deployment = deploy_by_accuracy(&right, &[0, 1, 2], 0.5).unwrap();
        assert_eq!(models(&deployment), [0, 2, 1]);
        let gains: Vec<_> = deployment.steps.iter().map(|s| (s.gain, s.union)).collect();
        assert_eq!(gains, [(70.0, 70.0), (20.0, 90.0), (5.0, 95.0)]);
        assert_eq!(deployment.rejected, None);
    }

    #[test]
    fn a_gain_of_theta_is_too_little() {
        let right = [pictures(90, &[0]), pictures(5, &[1]), pictures(5, &[])].concat();
        assert_eq!(models(&deploy_by_accuracy(&right, &[0, 1], 4.9).unwrap()), [0, 1]);
        let stopped = deploy_by_accuracy(&right, &[0, 1], 5.0).unwrap();
        assert_eq!(models(&stopped), [0]);
        assert_eq!(
            stopped.rejected,
            Some(Step { model: 1, gain: 5.0, union: 95.0, latency: Duration::from_millis(20) })
        );
    }

    #[test]
    fn a_model_without_gain_is_never_deployed() {
        let right = pictures(10, &[0, 1]);
        assert_eq!(models(&deploy_by_accuracy(&right, &[0, 1], 0.0).unwrap()), [0]);
    }

    #[test]
    fn speed_decides_what_is_optimal_and_between_equals() {
        let right = pictures(10, &[0, 1, 2]);
        assert_eq!(models(&deploy_by_accuracy(&right, &[2, 0, 1], 0.5).unwrap()), [2]);
        let right = [pictures(6, &[0]), pictures(2, &[1]), pictures(2, &[2])].concat();
        assert_eq!(models(&deploy_by_accuracy(&right, &[0, 2, 1], 0.5).unwrap()), [0, 2, 1]);
        assert_eq!(most_accurate(&right, &[2, 1, 0], &[1, 2]), 2);
    }

    #[test]
    fn the_mode_decides_what_a_gain_is_worth() {
        // Beside 0 (10 ms): 1 (20 ms) adds 10 points, 2 (30 ms) adds 12, 3 (40 ms) adds 18.
        let right = [
            pictures(50, &[0]),
            pictures(10, &[1]),
            pictures(12, &[2]),
            pictures(18, &[3]),
            pictures(10, &[]),
        ]
        .concat();
        let by = |mode, theta| models(&deploy_by(mode, &right, &[0, 1, 2, 3], theta).unwrap());
        assert_eq!(by(DeploymentMode::Accuracy, 0.5), [0, 3, 2, 1]);
        assert_eq!(by(DeploymentMode::Optimal, 0.5), [0, 1, 3, 2]);
        assert_eq!(by(DeploymentMode::Alternate, 0.5), [0, 3, 1, 2]);
        assert_eq!(
            by(DeploymentMode::Optimal, 10.0),
            [0, 3, 2],
            "the gain must exceed theta first"
        );
        let rejected = deploy_by(DeploymentMode::Optimal, &right, &[0, 1, 2, 3], 15.0).unwrap();
        assert_eq!(rejected.rejected.unwrap().model, 2, "the one that adds most");
    }

    #[test]
    fn where_nothing_is_right_nothing_is_deployed() {
        assert_eq!(deploy_by_accuracy(&pictures(10, &[]), &[0, 1], 0.5), None);
        assert_eq!(deploy_by_accuracy(&pictures(10, &[2]), &[0, 1], 0.5), None);
    }
}
