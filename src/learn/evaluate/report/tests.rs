//! The report as a whole.

use std::fs;

use super::*;
use crate::report::checks::{HOSTILE, assert_described, assert_on_its_own, parse, text, with_id};

const SECTIONS: [&str; 10] = [
    "summary",
    "entries",
    "in-time",
    "chosen",
    "number",
    "signals",
    "confidence",
    "sets",
    "transfers",
    "method",
];

const PLOTS: [&str; 7] =
    ["accuracy", "effective", "shares", "deployed", "importance", "correlation", "calibration"];

#[test]
fn the_report_is_written_and_stands_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let written = write(&directory.path().join("new/report"), &example::evaluation()).unwrap();
    let html = fs::read_to_string(&written.html).unwrap();
    let document = parse(&html);
    assert_on_its_own(&document);
    assert!(!html.contains("http:") && !html.contains("https:"));
    for section in SECTIONS {
        assert!(with_id(&document, section).has_tag_name("section"), "{section}");
    }
    for plot in PLOTS {
        assert_described(&document, plot);
    }
    assert!(!html.contains("Not part of this evaluation"));
}

#[test]
fn tables_name_every_entry_of_every_group() {
    let evaluation = example::evaluation();
    let html = html(&evaluation).unwrap();
    let document = parse(&html);
    for (section, selection) in [("entries", "all images"), ("sets", "matched")] {
        let content = text(with_id(&document, section));
        assert!(content.contains(selection), "{section}");
        for entry in &evaluation.groups[0].entries {
            assert!(content.contains(&entry.name), "{section} lacks {}", entry.name);
        }
    }
    let transfers = text(with_id(&document, "transfers"));
    assert!(transfers.contains("trained on matched, tested on validation"));
    let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "no id twice");
}

#[test]
fn names_cannot_break_out() {
    let mut evaluation = example::evaluation();
    let hostile = HOSTILE.to_owned();
    evaluation.data.sets[0].name = hostile.clone();
    evaluation.data.models[0].name = hostile.clone();
    evaluation.data.machines = vec![hostile.clone()];
    evaluation.data.latency_table = Some(hostile.clone());
    for group in &mut evaluation.groups {
        group.selection = Selection::Set(hostile.clone());
        for entry in &mut group.entries {
            (entry.name, entry.note) = (hostile.clone(), hostile.clone());
            entry.shares.iter_mut().for_each(|share| share.model = hostile.clone());
        }
        group.curves.iter_mut().for_each(|curve| curve.name = hostile.clone());
    }
    evaluation.auc[0].model = hostile.clone();
    evaluation.importance[0].feature = hostile.clone();
    evaluation.correlation.as_mut().unwrap().features[0] = hostile.clone();
    evaluation.calibration[0].model = hostile.clone();
    evaluation.deployed.iter_mut().for_each(|one| one.chooser = hostile.clone());
    let html = html(&evaluation).unwrap();
    assert_on_its_own(&parse(&html));
    assert!(!html.contains(['\u{1}', '\u{202e}']) && !html.contains("<!--"));
    assert!(html.contains("&lt;script"));
}

#[test]
fn an_empty_evaluation_says_what_it_lacks() {
    let html = html(&Evaluation::default()).unwrap();
    let document = parse(&html);
    for section in &SECTIONS[1..9] {
        assert!(text(with_id(&document, section)).contains("Not part of"), "{section}");
    }
}

#[test]
fn figures_that_are_no_numbers_are_left_out() {
    let mut evaluation = example::evaluation();
    for (number, entry) in evaluation.groups[0].entries.iter_mut().enumerate() {
        let bad = [f64::NAN, f64::INFINITY, 0.0, -1.0][number % 4];
        entry.time_ms.mean.value = bad;
        entry.top1.high = f64::NAN;
        entry.shares.iter_mut().for_each(|share| share.percent = f64::NAN);
        entry.effective.iter_mut().for_each(|at| at.accuracy.value = bad);
    }
    evaluation.importance.iter_mut().for_each(|one| one.points_lost = f64::NAN);
    evaluation.deployed.iter_mut().for_each(|one| one.accuracy.low = f64::INFINITY);
    evaluation.calibration[0].before[0].accuracy = f64::NAN;
    let html = html(&evaluation).unwrap();
    let document = parse(&html);
    for number in document.descendants().filter_map(|node| node.attribute("points")) {
        assert!(!number.contains("NaN") && !number.contains("inf"), "{number}");
    }
}

#[test]
fn the_figures_are_json_with_their_units() {
    let evaluation = example::evaluation();
    let json: serde_json::Value = serde_json::from_str(&json(&evaluation).unwrap()).unwrap();
    assert_eq!(json["format"], "classifyd-evaluation");
    assert_eq!(json["version"], 1);
    assert!(json["units"].as_str().unwrap().contains("percent"));
    let entry = &json["groups"][0]["entries"][0];
    assert_eq!(entry["kind"], "single");
    assert_eq!(entry["top1"]["value"], 80.7);
    assert_eq!(entry["time_ms"]["mean"]["value"], 9.6);
    assert_eq!(entry["effective"][1]["budget_ms"], 16.7);
    assert_eq!(json["groups"][3]["selection"]["transfer"]["tested_on"], "matched");
    assert_eq!(json["findings"].as_array().unwrap().len(), findings(&evaluation).len());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = write(&file.join("report"), &Evaluation::default()).unwrap_err();
    assert!(matches!(&error, ReportError::Directory { path, .. } if path.ends_with("file/report")));
    let taken = directory.path().join("taken");
    fs::create_dir_all(taken.join("report.html")).unwrap();
    let error = write(&taken, &Evaluation::default()).unwrap_err();
    assert!(error.to_string().ends_with("report.html"), "{error}");
}
