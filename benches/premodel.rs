//! What the premodel costs per frame: vote and ranking, after the features are known.

use std::hint::black_box;
use std::time::Duration;

use classifyd::features::{FeatureSet, Features};
use classifyd::models::{ModelId, Sha256Hex};
use classifyd::premodel::{
    Criterion, Example, KnownModel, LabelSource, Premodel, RankedPremodel, Recipe, Scaling,
};
use criterion::{BatchSize, BenchmarkId, Criterion as Bench, criterion_group, criterion_main};

const MODELS: usize = 7;

/// Features that the premodel looks at.
const COLUMNS: usize = 7;

/// The shipped premodel holds about 2,400 examples, the paper's 50,000.
const EXAMPLES: [usize; 2] = [2_400, 50_000];

fn picture(random: &mut fastrand::Rng) -> Features {
    Features::new(std::array::from_fn(|_| random.f32())).expect("random numbers are finite")
}

fn recipe(examples: usize) -> Recipe {
    let mut random = fastrand::Rng::with_seed(7);
    let model = |number: usize| KnownModel {
        id: ModelId::new(&format!("model_{number}")).expect("a plain name"),
        fingerprint: Sha256Hex::of(&[number as u8]),
        mean_latency: Duration::from_millis(5 << number),
    };
    let looked_at = FeatureSet::of_columns(0..COLUMNS).expect("there are as many features");
    let examples: Vec<Example> = (0..examples)
        .map(|_| Example {
            features: looked_at.pick(&picture(&mut random)),
            right: (0..MODELS).filter(|_| random.f32() < 0.8).collect(),
        })
        .collect();
    Recipe {
        models: (0..MODELS).map(model).collect(),
        sequence: vec![0, 3, 6],
        fallback: 6,
        k: 5,
        criterion: Criterion::Top1,
        label_source: LabelSource::Labels,
        trained_on: "random numbers".to_owned(),
        features: looked_at,
        scaling: Scaling::of(examples.iter().map(|e| &e.features)).expect("there are examples"),
        examples,
        adaptive: None,
    }
}

fn narrowed(examples: usize) -> RankedPremodel {
    let recipe = recipe(examples);
    let loaded = recipe.models.clone();
    let loaded: Vec<_> =
        loaded.iter().map(|model| (&model.id, model.fingerprint.clone())).collect();
    let premodel = Premodel::new(recipe).expect("the recipe is sound");
    premodel.restrict_to(&loaded).expect("every model is known").premodel
}

fn select(bench: &mut Bench) {
    let mut group = bench.benchmark_group("premodel/select");
    for examples in EXAMPLES {
        let premodel = narrowed(examples);
        let mut random = fastrand::Rng::with_seed(11);
        group.bench_function(BenchmarkId::from_parameter(examples), |bencher| {
            bencher.iter_batched(
                || picture(&mut random),
                |features| premodel.select(black_box(&features)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn load(bench: &mut Bench) {
    let mut group = bench.benchmark_group("premodel/load");
    for examples in EXAMPLES {
        let bytes = Premodel::new(recipe(examples)).expect("the recipe is sound").to_bytes();
        group.bench_function(BenchmarkId::from_parameter(examples), |bencher| {
            bencher.iter(|| Premodel::from_bytes(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, select, load);
criterion_main!(benches);
