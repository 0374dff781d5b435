//! What manifests say of where their models run and how wide: the section `[run]`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{BLUE, Finished, GREEN, Models, Program, RED, Record, draw};

/// Three images.
fn images() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, colour) in [("1.png", RED), ("2.png", GREEN), ("3.png", BLUE)] {
        draw(&directory.path().join(name), (64, 48), colour);
    }
    directory
}

/// Puts these lines into the section `[run]` of a manifest.
fn declare(models: &Models, manifest: &str, lines: &str) {
    models.edit(manifest, "[output]", &format!("[run]\n{lines}\n\n[output]"));
}

fn replay(models: &Models, arguments: &str, images: &Path) -> Program {
    models.replay(arguments).args("--budget 10s").arg(images).with_summary()
}

/// The models that answered.
fn answering(finished: &Finished) -> BTreeSet<String> {
    finished.records().iter().map(|record| record.model().to_owned()).collect()
}

#[test]
fn a_model_of_the_processor_never_tries_a_gpu() {
    let (models, images) = (Models::of(&["red", "colour"]), images());
    declare(&models, "red.toml", "devices = [\"cpu\"]");
    let finished = replay(&models, "--policy random -vv", images.path()).run().with_code(0);
    let finished = finished.saying(&["model colour does not run on cuda", "model red runs on cpu"]);
    assert!(!finished.stderr.contains("model red does not run on"), "{}", finished.stderr);
    finished.summary();
}

#[test]
fn a_model_whose_device_is_not_there_is_left_out() {
    let (models, images) = (Models::of(&["red", "colour"]), images());
    declare(&models, "red.toml", "devices = [\"gpu0\"]");
    let finished = replay(&models, "--policy random", images.path()).run().with_code(0);
    let words =
        ["model red is left out", "may only run on gpu0", "run.devices in red.toml", "doctor"];
    assert_eq!(answering(&finished.saying(&words)), ["colour".to_owned()].into());
    models.command("models").run().with_code(0).printing(&["colour", "red"]);
}

#[test]
fn where_no_model_has_its_device_nothing_begins() {
    let (models, images) = (Models::of(&["red", "colour"]), images());
    declare(&models, "red.toml", "devices = [\"gpu0\"]");
    let refused = models.replay("--model red --budget 10s").arg(images.path());
    refused.refusal(69, &["model red may only run on gpu0", "red.toml"]);
    let profile = models.command("profile --teacher red --images").arg(images.path());
    let profile = profile.arg("--out").arg(images.path().join("p.parquet"));
    profile.refusal(64, &["the teacher red is not among the models to measure (colour)"]);
}

#[test]
fn a_provider_that_is_not_allowed_leaves_a_confined_model_none() {
    let (models, images) = (Models::of(&["red", "colour"]), images());
    declare(&models, "red.toml", "devices = [\"gpu0\"]");
    let config = images.path().join("classifyd.toml");
    fs::write(
        &config,
        "[models]\nproviders = [\"cpu\"]\n[[stream]]\nname = \"unused\"\nsource = \"*.png\"\nbudget = \"1s\"\n",
    )
    .unwrap();
    let pictures = images.path().join("*.png");
    let replay = replay(&models, "--policy random", &pictures).arg("--config").arg(config);
    let finished = replay.run().with_code(0);
    let finished = finished.saying(&["model red is left out", "no execution provider is allowed"]);
    assert_eq!(answering(&finished), ["colour".to_owned()].into());
}

#[test]
fn widths_of_a_manifest_go_before_those_of_the_command_line() {
    let (models, images) = (Models::of(&["red", "colour"]), images());
    declare(&models, "red.toml", "threads = [1, 2]");
    let widths = |model: &str| {
        let arguments = format!("--model {model} -vv");
        let records = replay(&models, &arguments, images.path()).run().with_code(0).records();
        let considered = |record: &Record| record.0["considered"].as_array().unwrap().clone();
        let runs = records.iter().flat_map(considered);
        let runs: Vec<_> = runs.flat_map(|runs| runs.as_array().unwrap().clone()).collect();
        runs.iter().map(|run| run["cores"].as_u64().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(widths("red"), [1, 2].into());
    assert_eq!(widths("colour"), [1].into());
}

#[test]
fn a_manifest_that_asks_for_more_threads_than_there_are_cores_is_named() {
    let (models, images) = (Models::of(&["red"]), images());
    declare(&models, "red.toml", "threads = [1, 4]");
    let words = ["model red", "4 threads", "red.toml", "2 cores", "--cores"];
    replay(&models, "--model red --cores 2", images.path()).refusal(78, &words);
    let config = images.path().join("classifyd.toml");
    fs::write(
        &config,
        "[devices]\ncpu_cores = 2\n[policy]\nkind = \"fixed:red\"\n\
         [[stream]]\nname = \"door\"\nsource = \"1.png\"\nbudget = \"1s\"\n",
    )
    .unwrap();
    models.command("check --config").arg(&config).refusal(78, &words);
}

#[test]
fn a_device_that_there_is_not_is_named_with_its_manifest() {
    let (models, images) = (Models::of(&["red"]), images());
    declare(&models, "red.toml", "devices = [\"npu\"]");
    let words = ["red.toml", "run.devices names `npu`", "`gpu0` and `cpu`"];
    models.replay("--model red").arg(images.path()).refusal(78, &words);
}
