//! Models, manifests, labels and the ONNX Runtime library, missing or wrong.

use std::fs;

use tempfile::TempDir;

use crate::harness::{BLUE, Finished, GREEN, Models, RED, draw, repository};

/// Three images: red, green, blue.
fn images() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, colour) in [("1.png", RED), ("2.png", GREEN), ("3.png", BLUE)] {
        draw(&directory.path().join(name), (64, 48), colour);
    }
    directory
}

/// Replays with the model `colour` of `models` and expects a refusal before the first record.
fn refuses(models: &Models, code: i32, words: &[&str]) -> Finished {
    let images = images();
    let replay = models.replay("--model colour --budget 10s").arg(images.path());
    let refused = replay.refusal(code, words);
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    refused
}

#[test]
fn a_model_of_that_name_does_not_exist() {
    let models = Models::of(&["colour", "red"]);
    let images = images();
    let replay = models.replay("--model crimson").arg(images.path());
    replay.refusal(64, &["crimson", "colour", "red"]);
}

#[test]
fn a_missing_model_file() {
    let models = Models::of(&["colour"]);
    fs::remove_file(models.file("colour.onnx")).unwrap();
    refuses(&models, 69, &["colour.onnx", "make setup"]);
}

#[test]
fn no_model_file_at_all() {
    let models = Models::of(&["colour"]);
    fs::remove_file(models.file("colour.onnx")).unwrap();
    let images = images();
    models.replay("--policy random").arg(images.path()).refusal(69, &["make setup"]);
}

#[test]
fn a_truncated_model_file() {
    let models = Models::of(&["colour"]);
    let whole = fs::read(models.file("colour.onnx")).unwrap();
    models.spoil("colour.onnx", &whole[..whole.len() / 2]);
    refuses(&models, 69, &["colour.onnx", "sha256", "damaged", "make setup"]);
}

#[test]
fn another_models_file() {
    let models = Models::of(&["colour", "red"]);
    fs::copy(models.file("red.onnx"), models.file("colour.onnx")).unwrap();
    refuses(&models, 69, &["colour.onnx", "sha256"]);
}

#[test]
fn a_file_that_is_no_model_though_its_checksum_is_right() {
    let models = Models::of(&["colour"]);
    models.spoil("colour.onnx", b"");
    let manifest = fs::read_to_string(models.file("colour.toml")).unwrap();
    let digest = manifest.split('"').find(|text| text.len() == 64).unwrap();
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    models.edit("colour.toml", digest, of_nothing);
    refuses(&models, 69, &["colour", "does not load"]);
}

#[test]
fn manifests_that_are_wrong() {
    let cases: [(&str, &str, &[&str]); 15] = [
        ("width = 32", "widht = 32", &["widht"]),
        ("width = 32", "width = \"32\"", &["width"]),
        ("width = 32\n", "", &["width"]),
        ("width = 32", "width = 0", &["input.width = 0", "1 to 4096"]),
        ("width = 32", "width = 5000", &["5000", "4096"]),
        ("layout = \"nchw\"", "layout = \"chwn\"", &["chwn", "nhwc"]),
        ("channels = \"rgb\"", "channels = \"rbg\"", &["rbg", "bgr"]),
        ("kind = \"logits\"", "kind = \"votes\"", &["votes", "logits"]),
        ("resize = \"bilinear\"", "resize = \"nearest\"", &["nearest", "bicubic"]),
        ("crop = 1.0", "crop = 1.5", &["crop", "1.5"]),
        ("crop = 1.0", "", &["crop", "squash"]),
        ("std = [255.0, ", "std = [0.0, ", &["input.std"]),
        ("mean = [0.0, ", "mean = [nan, ", &["input.mean"]),
        ("sha256 = \"", "sha256 = \"X", &["SHA-256"]),
        ("description", "[description", &["line 2"]),
    ];
    for (old, new, words) in cases {
        let models = Models::of(&["colour"]);
        models.edit("colour.toml", old, new);
        let words: Vec<&str> = words.iter().copied().chain(["colour.toml"]).collect();
        refuses(&models, 78, &words);
    }
}

#[test]
fn a_wrong_number_of_labels() {
    let models = Models::of(&["colour"]);
    models.spoil("colours.txt", b"red\ngreen\n");
    refuses(&models, 78, &["colour.toml", "3", "colours.txt", "2"]);
}

#[test]
fn a_wrong_number_of_classes() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "classes = 3", "classes = 4");
    refuses(&models, 78, &["colour.toml", "output.classes = 4"]);
}

#[test]
fn a_forgotten_background_class() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "background = false", "background = true");
    refuses(&models, 78, &["colour.toml", "background"]);
}

#[test]
fn missing_labels() {
    let models = Models::of(&["colour"]);
    fs::remove_file(models.file("colours.txt")).unwrap();
    refuses(&models, 69, &["colours.txt", "colour", "make setup"]);
}

#[test]
fn a_shape_that_is_not_the_manifests() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "width = 32", "width = 16");
    refuses(&models, 69, &["colour.onnx", "shape", "16", "32"]);
}

#[test]
fn a_layout_that_is_not_the_manifests() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "nchw", "nhwc");
    refuses(&models, 69, &["colour.onnx", "shape"]);
}

#[test]
fn an_input_and_an_output_of_other_names() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "name = \"input\"", "name = \"image\"");
    refuses(&models, 69, &["`input`", "`image`"]);
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "name = \"output\"", "name = \"scores\"");
    refuses(&models, 69, &["output", "`scores`"]);
}

#[test]
fn an_output_of_more_classes_than_the_manifest_says() {
    let models = Models::of(&["colour"]);
    models.spoil("colours.txt", b"red\ngreen\nblue\nblack\n");
    models.edit("colour.toml", "classes = 3", "classes = 4");
    refuses(&models, 69, &["3 classes, not 4"]);
}

#[test]
fn an_answer_that_is_not_the_golden_one() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "std = [255.0, 255.0", "std = [25.5, 255.0");
    refuses(&models, 69, &["colour", "golden"]);
}

#[test]
fn a_golden_output_of_classes_that_do_not_exist() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "classes = [1, 0, 2]", "classes = [1, 0, 3]");
    refuses(&models, 78, &["golden.classes", "3"]);
}

#[test]
fn logits_that_are_called_probabilities() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "kind = \"logits\"", "kind = \"probabilities\"");
    refuses(&models, 69, &["colour", "kind = \"logits\""]);
}

#[test]
fn a_model_that_never_gives_a_number() {
    let models = Models::of(&["always_nan"]);
    let images = images();
    let replay = models.replay("--model always_nan").arg(images.path());
    replay.refusal(69, &["always_nan", "NaN"]);
}

#[test]
fn a_wrong_manifest_stops_only_those_who_ask_for_its_model() {
    let models = Models::of(&["colour", "red"]);
    models.edit("red.toml", "width = 32", "widht = 32");
    let images = images();
    let replay = |choice| models.replay("--budget 10s").args(choice).arg(images.path());
    assert_eq!(replay("--model colour").records().len(), 3);
    let drawn = replay("--policy random").run().with_code(0).saying(&["red.toml", "widht"]);
    assert_eq!(drawn.stdout.lines().count(), 3);
    replay("--model red").refusal(78, &["red.toml", "widht"]);
    let listed = models.command("models --list").run().with_code(0);
    listed.printing(&["faulty", "red.toml", "widht"]);
    let doctor = models.command("doctor").run().with_code(69);
    doctor.printing(&["MISSING  model red", "widht", "model colour: installed"]);
}

/// Replays red, green and blue with a model that cannot answer red.
fn fails_on_red(model: &str, words: &str) {
    let models = Models::of(&[model]);
    let images = images();
    let replay = models.replay("--budget 10s --model").arg(model);
    let records = replay.arg(images.path()).records();
    assert_eq!((records[0].outcome(), &records[0].0["stage"]), ("failed", &"inference".into()));
    assert!(records[0].error().contains(words), "{}", records[0].0);
    assert_eq!((records[1].label(), records[2].label()), ("green", "blue"));
}

#[test]
fn a_frame_whose_answer_is_no_number_fails_and_the_next_is_classified() {
    fails_on_red("nan_on_red", "NaN");
}

#[test]
fn a_frame_on_which_the_model_does_not_run_fails_and_the_next_is_classified() {
    fails_on_red("fails_on_red", "did not run");
}

#[test]
fn no_onnx_runtime_library() {
    let models = Models::of(&["colour"]);
    let images = images();
    let replay = |library: &std::path::Path| {
        models.replay("--model colour --onnxruntime").arg(library).arg(images.path())
    };
    let words = ["/nonexistent/libonnxruntime.so", "make setup"];
    replay("/nonexistent/libonnxruntime.so".as_ref()).refusal(69, &words);
    let text = repository().join("Cargo.toml");
    replay(&text).refusal(69, &["Cargo.toml", "ONNX Runtime"]);
    replay("/".as_ref()).refusal(69, &["ONNX Runtime"]);
    // A library, but another one.
    let other = std::env::current_exe().unwrap();
    replay(&other).refusal(69, &["ONNX Runtime"]);
}

#[test]
fn no_directory_of_models() {
    let images = images();
    let models = Models::of(&[]);
    let replay = |directory| {
        crate::harness::classifyd("replay --model colour --models")
            .arg(directory)
            .arg(images.path())
    };
    let gone = models.file("gone");
    replay(gone.as_path()).refusal(69, &["gone"]);
    replay(models.path()).refusal(64, &["colour"]);
}
