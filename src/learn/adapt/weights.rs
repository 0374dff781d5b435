//! The weights of a set's fusion: those that make the true classes most likely.
//!
//! Minimises the mean negative log-likelihood of the true class, which is convex in the weights, by
//! Newton's method; a small penalty keeps the weights near equal ones, so that models that answer
//! nearly alike share their weight. A single model's weight is the inverse of its temperature (Guo et
//! al., "On calibration of modern neural networks", 2017).

use super::linear::solve;
use super::scored::Scored;
use super::{AdaptOptions, Part};
use crate::adaptive::{MAX_SET, ModelSet};

/// Sum of the weights that several models start from: they are neither copies of each other (1)
/// nor independent (their number).
const JOINT_WEIGHT: f32 = 1.6;

/// How much being off by the whole of the starting weight costs, in nats.
const PENALTY: f64 = 0.02;

/// Newton's method doubles the right digits with each.
const STEPS: usize = 4;

/// No model speaks against what it says.
const LEAST_WEIGHT: f32 = 0.01;

/// The weights of the members of `set`, ascending.
pub(super) fn fit(scored: &[Scored], set: ModelSet, options: &AdaptOptions) -> Vec<f32> {
    if !options.has(Part::Fusion) {
        return most_accurate_alone(scored, set);
    }
    let mut weights = equal(set);
    if !options.has(Part::Weights) {
        return weights;
    }
    for _ in 0..STEPS {
        let step = newton_step(scored, set, &weights);
        for (weight, step) in weights.iter_mut().zip(step) {
            *weight = (*weight - step as f32).max(LEAST_WEIGHT);
        }
    }
    weights
}

/// The weights before learning.
pub(super) fn equal(set: ModelSet) -> Vec<f32> {
    let sum = if set.len() == 1 { 1.0 } else { JOINT_WEIGHT };
    vec![sum / set.len() as f32; set.len()]
}

fn most_accurate_alone(scored: &[Scored], set: ModelSet) -> Vec<f32> {
    let right = |model: usize| {
        let alone = ModelSet::EMPTY.with(model);
        let mut room = Vec::new();
        scored.iter().filter(|one| one.answer(alone, &[1.0], &mut room).is_right).count()
    };
    let best = set.members().max_by_key(|&model| right(model));
    set.members().map(|model| if Some(model) == best { 1.0 } else { 0.0 }).collect()
}

fn newton_step(scored: &[Scored], set: ModelSet, weights: &[f32]) -> [f64; MAX_SET] {
    let mut sums = Sums::default();
    let mut fused = Vec::new();
    for one in scored {
        if let Some(truth) = one.truth_place(set) {
            one.fuse(set, weights, &mut fused);
            sums.add(one, set, truth, &fused);
        }
    }
    sums.step(&equal(set), weights)
}

/// First and second derivatives of the negative log-likelihood, summed over pictures.
#[derive(Default)]
struct Sums {
    gradient: [f64; MAX_SET],
    curvature: [[f64; MAX_SET]; MAX_SET],
    pictures: usize,
}

impl Sums {
    fn add(&mut self, one: &Scored, set: ModelSet, truth: usize, fused: &[(usize, f32)]) {
        let given = |place: usize| {
            let mut given = [0.0; MAX_SET];
            for (given, model) in given.iter_mut().zip(set.members()) {
                *given = f64::from(one.logarithm(place, model));
            }
            given
        };
        let mut mean = [0.0; MAX_SET];
        for &(place, probability) in fused {
            let given = given(place);
            for i in 0..MAX_SET {
                let weighted = f64::from(probability) * given[i];
                mean[i] += weighted;
                for (curvature, other) in self.curvature[i].iter_mut().zip(given) {
                    *curvature += weighted * other;
                }
            }
        }
        let of_truth = given(truth);
        for i in 0..MAX_SET {
            self.gradient[i] += mean[i] - of_truth[i];
            for (curvature, other) in self.curvature[i].iter_mut().zip(mean) {
                *curvature -= mean[i] * other;
            }
        }
        self.pictures += 1;
    }

    /// By how much to lower the weights, the penalty counted in; 0 beyond the members.
    fn step(mut self, start: &[f32], weights: &[f32]) -> [f64; MAX_SET] {
        let pictures = self.pictures.max(1) as f64;
        self.gradient.iter_mut().for_each(|value| *value /= pictures);
        self.curvature.iter_mut().flatten().for_each(|value| *value /= pictures);
        for (i, (&start, &weight)) in start.iter().zip(weights).enumerate() {
            let stiffness = 2.0 * PENALTY / f64::from(start * start);
            self.gradient[i] += stiffness * f64::from(weight - start);
            self.curvature[i][i] += stiffness;
        }
        solve(self.curvature, self.gradient)
    }
}
