//! Real models on real clips. `make setup` fetches both; the clips of `../shared`, or of
//! `$CLASSIFYD_SHARED`, are used where they are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Program, Record, classifyd, repository};

/// A confidence may lie so far from the one on record: processors round differently.
const TOLERANCE: f64 = 0.02;

fn fetched(file: &str) -> PathBuf {
    let path = repository().join(file);
    assert!(path.exists(), "there is no {}: run `make setup`", path.display());
    path
}

fn replay(model: &str, clip: &Path) -> Program {
    fetched(&format!("models/{model}.onnx"));
    fetched("models/imagenet_labels.txt");
    let program = classifyd("replay --budget 30s --model").arg(model);
    program.arg("--models").arg(repository().join("models")).arg(clip)
}

/// What is kept of a record: the frame and its best label.
fn gist(record: &Record) -> Value {
    json!({
        "frame": record.frame(),
        "class": record.class(),
        "label": record.label(),
        "confidence": (record.confidence() * 1e4).round() / 1e4,
    })
}

#[test]
fn the_sample_clip_is_answered_as_on_record() {
    let clip = fetched("samples/bikes.mp4");
    let records = replay("efficientnet_lite0", &clip).args("--every 5").records();
    let (classified, reused): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.frame() % 5 == 0);
    assert!(classified.iter().all(|record| record.outcome() == "classified"));
    assert!(reused.iter().all(|record| record.outcome() == "reused"));
    let found: Vec<Value> = classified.iter().map(gist).collect();

    let golden = repository().join("tests/data/golden/bikes_efficientnet_lite0.jsonl");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: String = found.iter().map(|value| format!("{value}\n")).collect();
        fs::write(&golden, lines).expect("the golden file can be written");
        return;
    }
    let golden = fs::read_to_string(&golden).expect("make it with UPDATE_GOLDEN=1");
    let expected: Vec<Value> =
        golden.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect();
    assert_eq!(found.len(), expected.len(), "frames");
    for (found, expected) in found.iter().zip(&expected) {
        assert_alike(found, expected);
    }
}

/// The same class, about as confident; or, where it was no clear case, any class no more confident.
fn assert_alike(found: &Value, expected: &Value) {
    assert_eq!(found["frame"], expected["frame"]);
    let confidence = |value: &Value| value["confidence"].as_f64().expect("a number");
    let distance = (confidence(found) - confidence(expected)).abs();
    assert!(distance <= TOLERANCE, "{found} instead of {expected}");
    let clear = confidence(expected) > 0.5;
    assert!(!clear || found["class"] == expected["class"], "{found} instead of {expected}");
}

/// The clip `name` among the shared ones, if they are there.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = || repository().join("../shared");
    let shared = std::env::var_os("CLASSIFYD_SHARED").map_or_else(beside, PathBuf::from);
    let clip = shared.join("data/videos").join(name);
    if clip.exists() {
        return Some(clip);
    }
    eprintln!("skipped: there is no {} (name the directory in CLASSIFYD_SHARED)", clip.display());
    None
}

/// Replays every tenth frame and expects `class` in most of the answers.
fn shows(clip: &str, class: u64) {
    let Some(clip) = shared(clip) else { return };
    let records = replay("efficientnet_lite0", &clip).args("--every 10").records();
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for record in records.iter().filter(|record| record.outcome() == "classified") {
        *votes.entry(record.class()).or_default() += 1;
    }
    let most = votes.iter().max_by_key(|(_, count)| **count).map(|(class, _)| *class);
    assert_eq!(most, Some(class), "{votes:?}");
}

#[test]
fn a_clip_of_a_paraglider_shows_a_parachute() {
    shows("paragliding.mp4", 701);
}

#[test]
fn a_clip_of_a_bottle_shows_a_water_bottle() {
    shows("bottle.mp4", 898);
}
