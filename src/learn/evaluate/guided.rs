//! Whether the features of a picture help the adaptive policy to begin with the right model.
//!
//! At its operating point the policy begins every picture with the same model. Here, instead, a ridge
//! regression on all features predicts for each model what beginning with it is worth (1 if the
//! answer is right in the end, less the price of the time), learnt from what the policy makes of the
//! pictures that the part has seen; the best start is taken, and the features' time is paid.

use std::time::Duration;

use super::chooser::{Chooser, Dial};
use super::figures::Kind;
use super::material::{Case, Material, Part, Split};
use super::metrics::{self, Bootstrap};
use super::report::intervals::signed_interval;
use super::{Options, adaptive};
use crate::adaptive::{Adaptive, Preference};
use crate::features::Features;
use crate::learn::adapt::{Trial, ridge, try_from};
use crate::learn::parallel::in_parallel;
use crate::premodel::Criterion::Top1;

/// A constant and all features.
const INPUTS: usize = 1 + Features::COUNT;

/// The penalty, in pictures.
const RIDGE: f64 = 100.0;

/// What each start is worth, by the features.
struct Starts {
    policy: Adaptive,
    /// By model of the pool.
    weights: Vec<[f32; INPUTS]>,
}

/// The policy that begins by the features, compared with the curve of the one that does not.
pub(super) fn chooser(
    material: &Material,
    split: &Split,
    policies: &[Adaptive],
    plain: &Dial,
    (bootstrap, options): (&Bootstrap, &Options),
) -> Chooser {
    let parts: Vec<(&Part, &Adaptive)> = split.parts.iter().zip(policies).collect();
    let learnt = in_parallel(&parts, |(part, policy)| learn(material, part, policy));
    let overhead = options.overheads.features + options.overheads.decision;
    let within = |budget: Option<Duration>| {
        material.judge(split, &learnt, |starts, picture| starts.run(material, picture, budget))
    };
    let in_time = options.budgets.iter().map(|at| within(Some(at.saturating_sub(overhead))));
    let name = format!("{}, first model by features", adaptive::NAME);
    let chooser =
        Chooser::new(&name, Kind::Ablation, overhead, within(None)).with_budgets(in_time.collect());
    let right = metrics::right(&chooser.judged(), Top1);
    let gained = bootstrap.difference(&right, &plain.right_at(chooser.mean_ms()));
    chooser.noted(format!(
        "The first model is the one that a regression on all features of the picture finds worth \
         most, features' time included: {} points against the policy that begins always with the \
         same model, in the same mean time.",
        signed_interval(gained)
    ))
}

fn learn(material: &Material, part: &Part, policy: &Adaptive) -> Starts {
    let rows: Vec<[f32; INPUTS]> =
        part.seen.iter().map(|&picture| inputs(material, picture)).collect();
    let price = policy.point().price_per_ms;
    let value = |picture: usize, model: usize| {
        let trial = begun_with(material, policy, picture, &[model], None);
        let is_right = trial.is_right(material.answers.pictures[picture].class);
        f32::from(u8::from(is_right)) - price * (trial.time.as_secs_f64() * 1e3) as f32
    };
    let fit = |model: usize| {
        let targets: Vec<f32> = part.seen.iter().map(|&picture| value(picture, model)).collect();
        ridge(&rows, &targets, RIDGE)
    };
    let weights = (0..policy.knowledge().pool.len()).map(fit).collect();
    Starts { policy: policy.clone(), weights }
}

/// Begins with the first of some models that fits the budget.
fn begun_with(
    material: &Material,
    policy: &Adaptive,
    picture: usize,
    models: &[usize],
    budget: Option<Duration>,
) -> Trial {
    let start = models.iter().map(|&model| Preference { model, gain: 0.0 }).collect();
    let answers = &material.answers;
    try_from(policy, start, (answers, picture), &answers.times, budget)
}

fn inputs(material: &Material, picture: usize) -> [f32; INPUTS] {
    let values = material.samples.pictures[picture].features.values();
    std::array::from_fn(|input| if input == 0 { 1.0 } else { values[input - 1] })
}

impl Starts {
    fn run(&self, material: &Material, picture: usize, budget: Option<Duration>) -> Case {
        let inputs = inputs(material, picture);
        let worth = |model: usize| -> f32 {
            self.weights[model].iter().zip(inputs).map(|(weight, input)| weight * input).sum()
        };
        // Stable: of equals the first in the pool, the quickest.
        let mut models: Vec<usize> = (0..self.weights.len()).collect();
        models.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
        material.tried(picture, &begun_with(material, &self.policy, picture, &models, budget))
    }
}
