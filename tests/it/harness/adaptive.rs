//! Premodels whose adaptive part is written by hand.

use std::fs;
use std::time::Duration;

use classifyd::adaptive::{
    GainFit, Knowledge, ModelSet, OperatingPoint, Prior, Right, SetFit, TimeFit,
};
use classifyd::features::{FeatureSet, Features};
use classifyd::models::Manifest;
use classifyd::premodel::{
    Criterion, Example, KnownModel, LabelSource, Premodel, Recipe, RightSet, Scaling,
};

use super::models::Models;

/// Frames that differ by less than a hundredth are reused, five at most; by more than a fifth, they
/// are another scene.
pub const VIDEO: TimeFit =
    TimeFit { reuse_below: 0.01, reuse_at_most: 5, cut_above: 0.2, remembered: 0.5 };

/// A pool of two models: the first begins, the second follows where the answer is less certain than
/// one half.
///
/// Certainty follows from confidence: 0.88 for a sure answer, 0.34 for one of three equal classes.
pub fn quick_then_large(time: TimeFit) -> Knowledge {
    let [quick, large] = [0, 1].map(|model| ModelSet::EMPTY.with(model));
    let both = quick.with(1);
    let fit = |set, weights: &[f32]| {
        let right = Right([-2.0, 4.0, 0.0, 0.0]);
        SetFit { set, weights: weights.to_vec(), right }
    };
    let gain = |set, model, weights| GainFit { set, model, weights };
    let never = [-1.0, 0.0, 0.0];
    let point = |mean_time_ms, accuracy, weights| OperatingPoint {
        price_per_ms: 0.01,
        start: vec![0.6, 0.4],
        gains: vec![gain(quick, 1, weights), gain(large, 0, never)],
        mean_time_ms,
        accuracy,
        assured_accuracy: accuracy - 0.05,
    };
    Knowledge {
        pool: vec![0, 1],
        classes: 3,
        prior: Prior::none(),
        sets: vec![fit(quick, &[1.0]), fit(large, &[1.0]), fit(both, &[0.5, 1.0])],
        points: vec![point(1.0, 0.6, never), point(20.0, 0.9, [0.5, 0.0, -1.0])],
        chosen: 1,
        time,
    }
}

/// The models `names`, and beside them a premodel that knows them and has this adaptive part.
pub fn with_knowledge(names: [&str; 2], adaptive: Option<Knowledge>) -> Models {
    let models = Models::of(&names);
    let known = names.map(|name| {
        let manifest = Manifest::load(&models.file(&format!("{name}.toml"))).expect("a manifest");
        let fingerprint = manifest.fingerprint();
        KnownModel { id: manifest.id, fingerprint, mean_latency: Duration::from_millis(5) }
    });
    let features = FeatureSet::all();
    let example = |value: f32, model| Example {
        features: features.pick(&Features::new([value; Features::COUNT]).expect("finite")),
        right: RightSet::from_iter([model]),
    };
    let examples = vec![example(0.0, 0), example(1.0, 1)];
    let rows: Vec<_> = examples.iter().map(|example| example.features.clone()).collect();
    let recipe = Recipe {
        models: known.to_vec(),
        sequence: vec![0, 1],
        fallback: 1,
        k: 1,
        criterion: Criterion::Top1,
        label_source: LabelSource::Labels,
        trained_on: "nothing: it was written by hand".to_owned(),
        features,
        scaling: Scaling::of(rows.iter()).expect("there are examples"),
        examples,
        adaptive,
    };
    let premodel = Premodel::new(recipe).expect("a sound recipe");
    fs::write(models.file("premodel.safetensors"), premodel.to_bytes()).expect("a directory");
    models
}
