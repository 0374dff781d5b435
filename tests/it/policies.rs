//! Which model a frame gets.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Clip, Codec, GREEN, Models, RED, Record, Trained};

fn models_of(records: &[Record]) -> BTreeSet<&str> {
    records.iter().map(Record::model).collect()
}

#[test]
fn the_premodel_ranks_the_models_and_says_why() {
    let trained = Trained::on(&["red", "slow"]);
    let program = trained.models.replay("--policy premodel --budget 10s").arg(trained.images());
    let records = program.records();
    assert_eq!(records.len(), 24);
    for record in &records {
        assert!(["premodel", "premodel_fallback"].contains(&record.reason()), "{}", record.0);
        let scores = record.0["scores"].as_object().unwrap();
        assert_eq!(scores.keys().collect::<BTreeSet<_>>().len(), 2);
        assert!(scores.contains_key(record.model()), "{}", record.0);
        assert!(record.0["features"].is_object());
        assert!(record.0["timings_ms"]["features"].is_number());
        assert!(record.0["timings_ms"]["premodel"].is_number());
    }
    // The fast model knows red alone, the slow one all but red.
    let (reds, others): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.file_name().starts_with("0_"));
    assert_eq!(models_of(&reds), BTreeSet::from(["red"]));
    assert_eq!(models_of(&others), BTreeSet::from(["slow"]));
    let label =
        |record: &Record| ["red", "green", "blue"].iter().position(|l| *l == record.label());
    for record in reds.iter().chain(&others) {
        let class = record.file_name().split('_').next().unwrap().parse().ok();
        assert_eq!(label(record), class, "{}", record.0);
    }
}

/// The fastest run of a model on the training images, on this machine as it is.
fn fastest_run(trained: &Trained, model: &str) -> Duration {
    let program = trained.models.replay("--budget 10s --model").arg(model);
    let records = program.arg(trained.images().join("0_*.png")).records();
    let times = records.iter().map(|record| record.0["timings_ms"]["inference"].as_f64().unwrap());
    Duration::from_secs_f64(times.fold(f64::INFINITY, f64::min) / 1e3)
}

#[test]
fn a_preferred_model_that_is_too_slow_gives_way() {
    let trained = Trained::on(&["red", "slow"]);
    let budget = format!("{}ms", fastest_run(&trained, "slow").as_millis() / 3);
    let program = trained.models.replay("--policy premodel --budget").arg(budget);
    // Often enough for the fast model's estimate to get over a hiccup in its warm-up.
    let images = trained.images();
    let records = program.arg(images).arg(images).arg(images).records();
    let given_way: Vec<&Record> =
        records.iter().filter(|record| record.0["reason"] == "preferred_too_slow").collect();
    assert!(!given_way.is_empty(), "{records:?}");
    for record in given_way {
        assert_eq!((record.model(), &record.0["preferred"]), ("red", &"slow".into()));
    }
    assert!(records.iter().all(|record| record.0["model"] != "slow"));
}

#[test]
fn the_premodel_is_looked_for_beside_the_models_or_where_it_is_said_to_be() {
    let trained = Trained::on(&["red", "colour"]);
    let moved = trained.images().join("elsewhere.safetensors");
    std::fs::rename(trained.premodel(), &moved).unwrap();
    let replay = || trained.models.replay("--budget 10s").arg(trained.images());
    replay().refusal(69, &["premodel.safetensors"]);
    assert_eq!(replay().arg("--premodel").arg(&moved).records().len(), 24);
    assert_eq!(replay().env("CLASSIFYD_PREMODEL", &moved).records().len(), 24);
}

#[test]
fn models_the_premodel_does_not_know_are_left_out() {
    let trained = Trained::on(&["red", "colour"]);
    let more = Models::of(&["red", "colour", "slow"]);
    let program = more.replay("--budget 10s --premodel").arg(trained.premodel());
    let records = program.arg(trained.images()).records();
    let known = BTreeSet::from(["red", "colour"]);
    assert!(models_of(&records).is_subset(&known), "{:?}", models_of(&records));
}

#[test]
fn a_premodel_of_other_models_is_refused() {
    let trained = Trained::on(&["red", "colour"]);
    let other = Models::of(&["slow"]);
    let program = other.replay("--premodel").arg(trained.premodel()).arg(trained.images());
    program.refusal(69, &["colour", "red", "classifyd train"]);
}

#[test]
fn the_random_policy_draws_the_same_from_the_same_seed() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 20, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["red", "colour", "colour_nhwc"]);
    let drawn = |seed: &str| -> Vec<String> {
        let program = models.replay("--policy random --budget 10s --seed").arg(seed);
        let records = program.arg(&clip).records();
        assert!(records.iter().all(|record| record.reason() == "random"));
        records.iter().map(|record| record.model().to_owned()).collect()
    };
    let first = drawn("1");
    assert_eq!(first, drawn("1"));
    assert_ne!(first, drawn("2"));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "all are drawn: {first:?}");
}

#[test]
fn a_fixed_model_runs_without_a_premodel_and_without_features() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 2, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["red", "colour"]);
    for choice in ["--model red", "--policy fixed:red"] {
        let records = models.replay(choice).args("--budget 10s").arg(&clip).records();
        assert_eq!(models_of(&records), BTreeSet::from(["red"]));
        assert!(records.iter().all(|record| record.0["features"].is_null()));
    }
}
