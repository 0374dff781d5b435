//! The vote against scikit-learn's answers, which `tests/data/make_knn_golden.py` wrote.

use std::time::Duration;

use serde::Deserialize;

use super::tests::id;
use super::*;
use crate::features::FeatureRow;
use crate::models::Sha256Hex;

const GOLDEN: &str = include_str!("../../tests/data/golden/knn.json");
const MODELS: [&str; 3] = ["first", "second", "third"];

#[derive(Deserialize)]
struct Golden {
    k: usize,
    points: Vec<Vec<f32>>,
    optima: Vec<Option<usize>>,
    queries: Vec<Vec<f32>>,
    neighbours: Vec<Vec<usize>>,
    distances: Vec<Vec<f32>>,
    chosen: Vec<Option<usize>>,
}

fn looked_at() -> FeatureSet {
    FeatureSet::of_columns([0, 3, 5, 6, 20, 21, 22]).unwrap()
}

/// Pictures whose other features are none of the premodel's business.
fn features(values: &[f32]) -> Features {
    let mut all = [1e6; Features::COUNT];
    looked_at().columns().iter().zip(values).for_each(|(&column, &value)| all[column] = value);
    Features::new(all).unwrap()
}

fn premodel(golden: &Golden) -> Premodel {
    let known = |name: &str| KnownModel {
        id: id(name),
        fingerprint: Sha256Hex::of(name.as_bytes()),
        mean_latency: Duration::from_millis(10),
    };
    let examples = golden.points.iter().zip(&golden.optima);
    let examples: Vec<Example> = examples
        .map(|(point, optimum)| Example {
            features: FeatureRow::new(point.iter().copied()).unwrap(),
            right: optimum.iter().copied().collect(),
        })
        .collect();
    Premodel::new(Recipe {
        models: MODELS.map(known).to_vec(),
        sequence: vec![0, 1, 2],
        fallback: 0,
        k: golden.k,
        criterion: Criterion::Top1,
        label_source: LabelSource::Labels,
        trained_on: "random numbers".to_owned(),
        features: looked_at(),
        scaling: Scaling::of(examples.iter().map(|example| &example.features)).unwrap(),
        examples,
        adaptive: None,
    })
    .unwrap()
}

#[test]
fn the_vote_is_that_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
    let premodel = premodel(&golden);
    assert_eq!((golden.points.len(), golden.queries.len()), (200, 50));
    for (number, query) in golden.queries.iter().enumerate() {
        let verdict = premodel.consult(&features(query));
        let found: Vec<usize> = verdict.neighbours.iter().map(|near| near.example).collect();
        assert_eq!(found, golden.neighbours[number], "query {number}");
        for (near, expected) in verdict.neighbours.iter().zip(&golden.distances[number]) {
            assert!((near.distance - expected).abs() < 2e-6, "query {number}: {near:?} {expected}");
        }
        let chosen = verdict.chosen().map(|stage| stage.model.as_str());
        assert_eq!(chosen, golden.chosen[number].map(|model| MODELS[model]), "query {number}");
    }
}
