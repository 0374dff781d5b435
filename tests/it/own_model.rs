//! "Your own model", as README.md tells it: two files into the models directory, and it runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{BLUE, GREEN, Models, RED, Record, draw, repository};

/// The manifest that README.md shows, with the example's places filled in.
fn manifest_of_the_readme(digest: &str) -> String {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split("## Your own model").nth(1).expect("README.md has the section");
    let block = section.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let manifest = block.expect("the section shows a manifest");
    let digest_line = format!("sha256 = \"{digest}\"\n");
    let filled = |line: &str| match line.split_whitespace().next() {
        Some("sha256") => digest_line.clone(),
        Some(_) | None => format!("{line}\n"),
    };
    manifest.lines().map(filled).collect()
}

fn sha256sum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("coreutils");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_manifest_and_a_file_make_a_model() {
    let images = tempfile::tempdir().unwrap();
    for (name, colour) in [("1.png", RED), ("2.png", GREEN), ("3.png", BLUE)] {
        draw(&images.path().join(name), (50, 40), colour);
    }
    let models = Models::of(&["red"]);
    let original = repository().join("tests/data/models/colour.onnx");
    fs::copy(original, models.file("mine.onnx")).unwrap();
    models.spoil("my_labels.txt", b"rosso\nverde\nblu\n");
    let manifest = format!(
        r#"
        description = "My own"
        file = "mine.onnx"
        sha256 = "{}"
        [source]
        package = "my own"
        licence = "mine"
        [input]
        name = "input"
        layout = "nchw"
        width = 32
        height = 32
        channels = "rgb"
        mean = [0.0, 0.0, 0.0]
        std = [255.0, 255.0, 255.0]
        resize = "bilinear"
        fit = "squash"
        [output]
        name = "output"
        kind = "logits"
        classes = 3
        background = false
        labels = "my_labels.txt"
        "#,
        sha256sum(&models.file("mine.onnx"))
    );
    models.spoil("mine.toml", manifest.as_bytes());
    models.command("models").run().with_code(0).printing(&["mine", "red"]);
    let records = models.replay("--model mine --budget 10s").arg(images.path()).records();
    let labels: Vec<&str> = records.iter().map(Record::label).collect();
    assert_eq!(labels, ["rosso", "verde", "blu"]);
}

#[test]
fn the_manifest_in_the_readme_is_one() {
    let models = Models::of(&["red"]);
    let manifest = manifest_of_the_readme(&"0".repeat(64));
    let value = |key: &str| {
        let line =
            manifest.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}"));
        line.split('"').nth(1).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let classes = manifest.lines().find_map(|line| line.strip_prefix("classes = "));
    let classes: usize = classes.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    models.spoil(&value("labels"), "label\n".repeat(classes).as_bytes());
    models.spoil("porch.toml", manifest.as_bytes());
    models.command("models --list").run().with_code(0).printing(&["porch", "not installed"]);
}
