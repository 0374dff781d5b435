//! ONNX Runtime 1.11.0, the oldest that classifyd takes and one of those that JetPack 4 can have: its
//! functions are fewer than the program knows, and it answers as the present one does.
//!
//! `make setup-test` fetches it.

use std::fs;
use std::path::{Path, PathBuf};

use classifyd::models::Sha256Hex;
use serde_json::json;

use crate::harness::{
    BLUE, Clip, Codec, GREEN, Models, Program, RED, Record, classifyd, repository,
};

/// The old library; a test that goes without it says so.
fn library() -> Option<PathBuf> {
    let directory = repository().join("lib").join(std::env::consts::ARCH);
    let library = directory.join("libonnxruntime.so.1.11.0");
    if library.is_file() {
        return Some(library);
    }
    eprintln!("skipped: there is no {} (make setup-test)", library.display());
    None
}

/// A command over the models that are fetched, with one of the libraries.
fn with(library: &Path, command: &str) -> Program {
    let program = classifyd(command).arg("--models").arg(repository().join("models"));
    program.arg("--onnxruntime").arg(library)
}

#[test]
fn doctor_finds_an_old_library_in_order() {
    let Some(old) = library() else { return };
    let doctor = with(&old, "doctor").run().with_code(0);
    let line = "ok       ONNX Runtime: ONNX Runtime 1.11.0, called by version 11 of its interface";
    doctor.printing(&[
        line,
        "ok       execution provider cpu",
        "absent   execution provider tensorrt",
    ]);
}

#[test]
fn every_model_loads_runs_and_is_proven_on_an_old_library() {
    let Some(old) = library() else { return };
    let models = with(&old, "models").run().with_code(0);
    let loaded = models.stdout.lines().filter(|line| line.contains(" cpu ")).count();
    assert!(loaded >= 8, "{}", models.stdout);
}

#[test]
fn an_old_library_gives_the_sample_clip_the_same_labels() {
    let Some(old) = library() else { return };
    let command = "replay --budget 30s --model efficientnet_lite0_128";
    let clip = repository().join("samples/bikes.mp4");
    let present = repository().join("lib/libonnxruntime.so");
    let [new, old] = [present, old].map(|library| with(&library, command).arg(&clip).records());
    assert_eq!((new.len(), old.len()), (250, 250));
    for (new, old) in new.iter().zip(&old) {
        assert_eq!(new.frame(), old.frame());
        let distance = (new.confidence() - old.confidence()).abs();
        assert!(distance < 1e-3, "{} instead of {}", old.0, new.0);
        assert_eq!(new.label(), old.label(), "{} instead of {}", old.0, new.0);
    }
}

/// A tiny model as it would be for the 13th set of operators, which the old library knows; it is
/// stamped with the 18th, and uses none that differs.
fn of_old_operators(name: &str) -> Models {
    let models = Models::of(&[name]);
    let file = format!("{name}.onnx");
    let mut bytes = fs::read(models.file(&file)).unwrap();
    let digest = Sha256Hex::of(&bytes);
    assert_eq!(
        bytes.split_off(bytes.len() - 6),
        [0x42, 4, 0x0a, 0, 0x10, 18],
        "the set comes last"
    );
    bytes.extend([0x42, 4, 0x0a, 0, 0x10, 13]);
    models.spoil(&file, &bytes);
    let manifest = format!("{name}.toml");
    models.edit(&manifest, digest.as_str(), Sha256Hex::of(&bytes).as_str());
    models
}

#[test]
fn a_late_run_of_an_old_library_is_ended_and_the_session_stays_usable() {
    let Some(old) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (clip, config) = (directory.path().join("clip.avi"), directory.path().join("late.toml"));
    let frames = [vec![GREEN; 30], vec![RED], vec![BLUE; 3]].concat();
    Clip { size: (64, 48), frames }.write(&clip, Codec::Avi);
    let text = "[late]\nmargin = \"1ms\"\nfence_after = \"1s\"\n\
                [[stream]]\nname = \"unused\"\nsource = \"clip.avi\"\nbudget = \"1s\"\n";
    fs::write(&config, text).unwrap();
    let models = of_old_operators("loops_on_red");
    let replay = models.replay("--model loops_on_red --budget 800ms --config").arg(&config);
    let replay = replay.arg("--onnxruntime").arg(&old).arg(&clip).with_summary();
    let finished = replay.run().with_code(0);
    let records = finished.records();
    let outcomes: Vec<&str> = records.iter().map(Record::outcome).collect();
    assert_eq!(outcomes, [vec!["classified"; 30], vec!["late"], vec!["classified"; 3]].concat());
    assert!(records[31..].iter().all(|record| record.label() == "blue"));
    let late_work = &finished.summary()["late_work"];
    assert_eq!((&late_work["terminated"], &late_work["fenced"]), (&json!(1), &json!(0)));
}

#[test]
fn a_library_of_something_else_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("libonnxruntime.so");
    fs::write(&text, "no library").unwrap();
    let replay = |library: &Path| {
        let models = Models::of(&["colour"]);
        let words = ["cannot use", "ORT_DYLIB_PATH"];
        models.command("models --onnxruntime").arg(library).run().with_code(69).saying(&words)
    };
    replay(&text).saying(&["the loader refuses it"]);
    let other = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"];
    if let Some(other) = other.iter().map(Path::new).find(|library| library.is_file()) {
        replay(other).saying(&["it is no ONNX Runtime"]);
    }
}
