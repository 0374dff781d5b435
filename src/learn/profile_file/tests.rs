//! Profiles: written, read, and refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(crate) fn model(name: &str) -> ProfiledModel {
    ProfiledModel {
        id: ModelId::new(name).unwrap(),
        fingerprint: Sha256Hex::of(name.as_bytes()),
        provider: Provider::Cpu,
    }
}

pub(crate) fn header(names: &[&str]) -> Header {
    let models = names.iter().map(|name| model(name)).collect();
    Header { models, classes: 10, machine: "a test".to_owned() }
}

/// The answer of a model that ranks the classes upwards from `first`, in a circle of ten.
pub(crate) fn result(first: usize, class: usize, milliseconds: u64) -> ModelResult {
    let probability = |number: usize| (10 - (number + 10 - first) % 10) as f32 / 55.0;
    let probabilities: Vec<f32> = (0..10).map(probability).collect();
    ModelResult::new(&probabilities, class, Duration::from_millis(milliseconds))
}

/// Numbers that are hard to write.
const NUMBERS: [f32; 7] = [0.1, 2e-7, -3.5, 4.0, 1e9, 0.0, 1.0 / 3.0];

fn image(file: &str) -> ImageRecord {
    ImageRecord {
        file: file.to_owned(),
        class: 3,
        features: Features::new(std::array::from_fn(|column| NUMBERS[column % 7])).unwrap(),
        results: vec![result(3, 3, 5), result(4, 3, 20)],
    }
}

fn written(images: &[ImageRecord]) -> Vec<u8> {
    let mut writer = ProfileWriter::new(Vec::new(), header(&["quick", "slow"])).unwrap();
    images.iter().for_each(|image| writer.write(image).unwrap());
    writer.into_inner()
}

fn line_fault(bytes: &[u8]) -> (usize, LineFault) {
    match Profile::read(bytes).unwrap_err() {
        ProfileError::Line { line, source } => (line, source),
        other => panic!("{other}"),
    }
}

/// The fault of a two-line profile of which the line `number` (0 or 1) was edited.
fn edited(number: usize, edit: impl FnOnce(&mut Value)) -> LineFault {
    let text = String::from_utf8(written(&[image("a.jpg")])).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    edit(&mut lines[number]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (line, fault) = line_fault(text.as_bytes());
    assert_eq!(line, number + 1);
    fault
}

#[test]
fn a_profile_survives_its_file() {
    let images = [image("a.jpg"), image("b \"quoted\".jpg")];
    let bytes = written(&images);
    let read = Profile::read(&bytes[..]).unwrap();
    assert_eq!(read.header, header(&["quick", "slow"]));
    assert_eq!(read.images, images);
    assert_eq!(written(&read.images), bytes);
}

#[test]
fn the_lines_are_as_documented() {
    let text = String::from_utf8(written(&[image("a.jpg")])).unwrap();
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["class"], json!(3));
    assert_eq!(line["models"]["slow"]["rank"], json!(9));
    assert_eq!(line["models"]["slow"]["ms"], json!(20.0));
    assert_eq!(line["models"]["slow"]["top5"][0][0], json!(4));
    assert!(text.starts_with(r#"{"format":"classifyd-profile","version":2,"models":[{"name":"#));
}

#[test]
fn the_true_class_is_ranked_among_all() {
    let result = ModelResult::new(&[0.1, 0.4, 0.1, 0.4], 2, Duration::ZERO);
    assert_eq!(result.best, [(1, 0.4), (3, 0.4), (0, 0.1), (2, 0.1)]);
    assert_eq!(result.rank, 3);
}

#[test]
fn an_interrupted_profile_names_the_line_that_was_cut() {
    let bytes = written(&[image("a.jpg"), image("b.jpg")]);
    let (line, fault) = line_fault(&bytes[..bytes.len() - 1]);
    assert!(matches!((line, fault), (3, LineFault::CutShort)));
    let (line, fault) = line_fault(&bytes[..bytes.len() - 50]);
    assert!(matches!((line, fault), (3, LineFault::CutShort)));
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(Profile::read(&b""[..]), Err(ProfileError::Empty)));
    assert!(matches!(line_fault(b"filename,class\n"), (1, LineFault::Json { .. })));
    assert!(matches!(line_fault(b"\xff\xfe\n"), (1, LineFault::Json { .. })));
    let endless = vec![b' '; 3 << 20];
    assert!(matches!(line_fault(&endless), (1, LineFault::TooLong(_))));
    let foreign = edited(0, |header| header["format"] = json!("recipe"));
    assert!(matches!(foreign, LineFault::Foreign(found) if found == "recipe"));
    let newer = edited(0, |header| *header = json!({"format": "classifyd-profile", "version": 3}));
    assert!(matches!(newer, LineFault::Version { found: 3 }));
}

#[test]
fn a_file_error_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.jsonl");
    assert!(matches!(Profile::load(&path), Err(ProfileError::Open { .. })));
    std::fs::write(&path, b"{}\n").unwrap();
    let error = Profile::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("a.jsonl"), "{error}");
    std::fs::write(&path, written(&[image("a.jpg")])).unwrap();
    assert!(Profile::load(&path).is_ok());
}

#[test]
fn the_first_line_is_read_strictly() {
    let other = edited(0, |header| header["features"][2] = json!("smell"));
    assert!(matches!(other, LineFault::OtherFeatures { .. }));
    let provider = edited(0, |header| header["models"][0]["provider"] = json!("abacus"));
    assert!(matches!(provider, LineFault::Word { role: "execution provider", .. }));
    let name = edited(0, |header| header["models"][0]["name"] = json!("a/b"));
    assert!(matches!(name, LineFault::Word { role: "model name", .. }));
    let twice = edited(0, |header| header["models"][0]["name"] = json!("slow"));
    assert!(matches!(twice, LineFault::Models));
    let unknown = edited(0, |header| header["mood"] = json!(1));
    assert!(matches!(unknown, LineFault::Json { .. }));
}

#[test]
fn pictures_are_read_strictly() {
    let class = edited(1, |image| image["class"] = json!(10));
    assert!(matches!(class, LineFault::Number { what, .. } if what == "the class"));
    let rank = edited(1, |image| image["models"]["slow"]["rank"] = json!(3));
    assert!(matches!(rank, LineFault::Rank { rank: 3, .. }));
    let probability = edited(1, |image| image["models"]["slow"]["top5"][0][1] = json!(1.5));
    assert!(matches!(probability, LineFault::Number { .. }));
    let order = edited(1, |image| image["models"]["slow"]["top5"][4][1] = json!(0.9));
    assert!(matches!(order, LineFault::Results(_)));
    let negative = edited(1, |image| image["models"]["slow"]["ms"] = json!(-1));
    assert!(matches!(negative, LineFault::Number { .. }));
    let huge = edited(1, |image| image["models"]["slow"]["ms"] = json!(1e300));
    assert!(matches!(huge, LineFault::Number { .. }));
    let infinite = edited(1, |image| image["features"][0] = json!(1e39));
    assert!(matches!(&infinite, LineFault::Json { .. }), "{infinite:?}");
    let shown = infinite.to_string();
    assert!(shown.ends_with("number out of range (column 28)"), "{shown}");
    let null = edited(1, |image| image["features"][0] = Value::Null);
    assert!(matches!(null, LineFault::Json { .. }));
}

#[test]
fn every_picture_needs_a_result_of_every_model() {
    let missing = edited(1, |image| {
        image["models"].as_object_mut().unwrap().remove("slow");
    });
    assert_eq!(missing.to_string().split(": ").last().unwrap(), "slow is missing");
    let extra = edited(1, |image| {
        let result = image["models"]["slow"].clone();
        image["models"]["other"] = result;
    });
    assert_eq!(extra.to_string().split(": ").last().unwrap(), "other is not among them");
}

#[test]
fn a_picture_may_not_come_twice() {
    let bytes = written(&[image("a.jpg"), image("b.jpg"), image("a.jpg")]);
    let (line, fault) = line_fault(&bytes);
    assert!(matches!((line, fault), (4, LineFault::Duplicate { first: 2, .. })));
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let mut writer = ProfileWriter::new(Vec::new(), header(&["quick", "slow"])).unwrap();
    let mut wrong = image("a.jpg");
    wrong.results[1].best[0].1 = f32::NAN;
    assert!(matches!(writer.write(&wrong), Err(ProfileError::Line { line: 2, .. })));
    wrong.results.pop();
    assert!(matches!(writer.write(&wrong), Err(ProfileError::Line { line: 2, .. })));
    writer.write(&image("a.jpg")).unwrap();
    assert_eq!(Profile::read(&writer.into_inner()[..]).unwrap().images.len(), 1);
    let twins = header(&["quick", "quick"]);
    assert!(ProfileWriter::new(Vec::new(), twins).is_err());
}

proptest! {
    #[test]
    fn damage_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..5),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written(&[image("a.jpg"), image("b.jpg")]);
        for (position, mask) in flips {
            let position = position.index(bytes.len());
            bytes[position] ^= mask;
        }
        let length = length.index(bytes.len());
        if let Ok(profile) = Profile::read(&bytes[..length]) {
            let mut writer = ProfileWriter::new(Vec::new(), profile.header).unwrap();
            prop_assert!(profile.images.iter().all(|image| writer.write(image).is_ok()));
        }
    }
}
