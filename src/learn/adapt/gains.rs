//! What a further model is worth, for one price of time.
//!
//! Optimal stopping, from the largest sets of models down. The *value* of having run a set on a
//! picture is 1 or 0 (right or wrong) where the policy stops, and otherwise the value of the next
//! larger set less the price of the model that makes it. For each set and each model that may follow
//! it, a ridge regression over the training pictures predicts from the certainty alone how much more
//! value the larger set has than stopping: the gain. The policy goes on where the largest gain is
//! positive, which settles the values of the set, and so on down to the single models. (Fitted value
//! iteration on the decision to stop: Tsitsiklis and Van Roy, "Regression methods for pricing complex
//! American-style options", 2001.)
//!
//! Three weights per gain are few on purpose: richer regressions were worse on unseen pictures.

use std::collections::BTreeMap;
use std::time::Duration;

use super::linear::ridge;
use super::scored::Scored;
use super::{AdaptOptions, Part};
use crate::adaptive::{GainFit, ModelSet, OperatingPoint, Right, SetFit};

const RIDGE: f64 = 3.0;

/// A set's answers to the training pictures.
pub(super) struct Setting {
    set: ModelSet,
    /// 1 where the answer is right.
    right: Vec<f32>,
    certainty: Vec<f32>,
}

impl Setting {
    pub(super) fn of(scored: &[Scored], fit: &SetFit) -> Self {
        let mut room = Vec::new();
        let (mut right, mut certainty) = (Vec::new(), Vec::new());
        for one in scored {
            let answer = one.answer(fit.set, &fit.weights, &mut room);
            right.push(f32::from(u8::from(answer.is_right)));
            let inputs = Right::inputs(answer.confidence, answer.agreement);
            certainty.push(fit.right.probability(inputs));
        }
        Self { set: fit.set, right, certainty }
    }
}

/// Learns the gains at a price per millisecond. `settings` are those of all sets of up to some size,
/// the smaller ones first.
pub(super) fn fit(
    settings: &[Setting],
    times: &[Duration],
    price: f64,
    options: &AdaptOptions,
) -> OperatingPoint {
    let costs: Vec<f32> =
        times.iter().map(|time| (price * time.as_secs_f64() * 1e3) as f32).collect();
    let rights: BTreeMap<ModelSet, &[f32]> =
        settings.iter().map(|setting| (setting.set, setting.right.as_slice())).collect();
    let mut values: BTreeMap<ModelSet, Vec<f32>> = BTreeMap::new();
    let mut gains = Vec::new();
    for setting in settings.iter().rev() {
        let following = |model: &usize| values.contains_key(&setting.set.with(*model));
        let free = (0..costs.len()).filter(|&model| !setting.set.contains(model));
        let mut value = Value::stopping(setting);
        for model in free.filter(following).collect::<Vec<_>>() {
            let larger = setting.set.with(model);
            let promised = match options.has(Part::Lookahead) {
                true => values[&larger].as_slice(),
                false => rights[&larger],
            };
            let gain = learn(setting, model, promised, costs[model]);
            value.offer(setting, &gain, &values[&larger], costs[model]);
            gains.push(gain);
        }
        values.insert(setting.set, value.realised);
    }
    OperatingPoint {
        price_per_ms: price as f32,
        start: (0..costs.len()).map(|model| start_value(model, &values, &costs)).collect(),
        gains,
        mean_time_ms: 0.0,
        accuracy: 0.0,
        assured_accuracy: 0.0,
    }
}

fn learn(setting: &Setting, model: usize, promised: &[f32], cost: f32) -> GainFit {
    let rows: Vec<[f32; 3]> =
        setting.certainty.iter().map(|&certainty| GainFit::inputs(certainty)).collect();
    let outcomes = promised.iter().zip(&setting.right);
    let targets: Vec<f32> = outcomes.map(|(then, now)| then - now - cost).collect();
    GainFit { set: setting.set, model, weights: ridge(&rows, &targets, RIDGE) }
}

/// What the policy makes of each picture after a set has run.
struct Value {
    best: Vec<f32>,
    realised: Vec<f32>,
}

impl Value {
    fn stopping(setting: &Setting) -> Self {
        Self { best: vec![0.0; setting.right.len()], realised: setting.right.clone() }
    }

    fn offer(&mut self, setting: &Setting, gain: &GainFit, larger: &[f32], cost: f32) {
        for (picture, &certainty) in setting.certainty.iter().enumerate() {
            let expected = gain.at(certainty);
            if expected > self.best[picture] {
                self.best[picture] = expected;
                self.realised[picture] = larger[picture] - cost;
            }
        }
    }
}

fn start_value(model: usize, values: &BTreeMap<ModelSet, Vec<f32>>, costs: &[f32]) -> f32 {
    let value = &values[&ModelSet::EMPTY.with(model)];
    value.iter().sum::<f32>() / value.len().max(1) as f32 - costs[model]
}
