//! `classifyd evaluate`: profiles and premodels to a report.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{BLUE, GREEN, Models, Program, RED, Trained, classifyd, scene};

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

fn evaluate(profiles: &[&Path], report: &Path) -> Program {
    let command = classifyd("evaluate --folds 4 --resamples 50 --report").arg(report);
    profiles.iter().fold(command, |command, profile| command.arg("--profile").arg(profile))
}

/// Profiles pictures of these classes, so many of each, as a set of their own.
fn set(models: &Models, name: &str, classes: &[usize], count: u32) -> PathBuf {
    let directory = models.file(name);
    for &class in classes {
        fs::create_dir_all(directory.join(class.to_string())).unwrap();
        for number in 0..count {
            let file = format!("{class}/{name}{number}.png");
            scene(&directory.join(file), [RED, GREEN, BLUE][class], number);
        }
    }
    let profile = models.file(&format!("{name}.parquet"));
    models
        .command("profile --images")
        .arg(&directory)
        .args("--out")
        .arg(&profile)
        .run()
        .with_code(0);
    profile
}

fn read(report: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(report.join("report.json")).unwrap()).unwrap()
}

fn entry<'a>(group: &'a Value, name: &str) -> &'a Value {
    let entries = group["entries"].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no entry {name}: {group}"))
}

#[test]
fn profile_train_evaluate() {
    let trained = Trained::on(&["red", "colour"]);
    let directory = tempfile::tempdir().unwrap();
    let reports = ["one", "two"].map(|name| directory.path().join(name));
    for report in &reports {
        let told = evaluate(&[&trained.profile_file()], report)
            .args("--budget 10s,1us --premodel")
            .arg(trained.premodel())
            .run()
            .with_code(0);
        told.printing(&["24 images, 4 folds", "adaptive", "oracle", "report.html"]);
    }
    for file in ["report.html", "report.json"] {
        let [one, two] = [0, 1].map(|run| fs::read(reports[run].join(file)).unwrap());
        assert!(one == two, "{file} differs between two runs");
    }
    let html = fs::read_to_string(reports[0].join("report.html")).unwrap();
    for section in SECTIONS {
        assert!(html.contains(&format!("<section id=\"{section}\"")), "{section}");
    }
    assert!(html.contains("may have been trained on these pictures"));
    let report = read(&reports[0]);
    assert_eq!(report["data"]["premodel"]["file"], "premodel.safetensors");
    let group = &report["groups"][0];
    assert_eq!((&group["selection"], &group["images"]), (&"all".into(), &24.into()));
    // `colour` is always right, and `red` says red.
    assert_eq!(entry(group, "colour")["top1"]["value"], 100.0);
    let red = entry(group, "red")["top1"]["value"].as_f64().unwrap();
    assert!((30.0..70.0).contains(&red), "{red}");
    for name in ["adaptive", "paper's KNN sequence", "best mix of learners", "reference cascade"] {
        let entry = entry(group, name);
        assert_eq!(entry["effective"][0]["budget_ms"], 0.001);
        assert_eq!(entry["effective"][0]["accuracy"]["value"], 0.0, "nothing takes a microsecond");
        assert_eq!(entry["effective"][1]["accuracy"], entry["top1"], "all are in time");
    }
    let refusing = entry(group, "paper's KNN sequence, refusing");
    let fallback = entry(group, "paper's KNN sequence");
    assert!(refusing["top1"]["value"].as_f64() <= fallback["top1"]["value"].as_f64());
    assert_eq!(entry(group, "oracle, all models")["top1"]["value"], 100.0);
    let sum = |key: &str| report[key].as_array().unwrap().len();
    assert_eq!((sum("auc"), sum("calibration"), sum("deployed")), (2, 2, 2));
    assert_eq!(report["correlation"]["features"].as_array().unwrap().len(), 29);
}

#[test]
fn several_sets_are_judged_apart_and_across() {
    let models = Models::of(&["red", "colour"]);
    let [a, b, c] = ["a", "b", "c"].map(|name| set(&models, name, &[0, 1, 2], 3));
    let report = models.file("report");
    evaluate(&[&a, &b, &c], &report).run().with_code(0);
    let report = read(&report);
    let selections: Vec<String> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["selection"].to_string().replace(['"', '{', '}'], ""))
        .collect();
    let sets = ["all", "set:a", "set:b", "set:c", "alone:[b,c]", "alone:[a,c]", "alone:[a,b]"];
    assert_eq!(selections[..7], sets);
    assert_eq!(selections.len(), 10);
    let transfer = &report["groups"][7];
    assert_eq!(transfer["selection"]["transfer"]["tested_on"], "a");
    assert_eq!(transfer["images"], 9);
    assert!(entry(transfer, "adaptive")["top1"]["value"].as_f64().unwrap() > 60.0);
}

#[test]
fn latencies_of_another_device_take_the_place_of_those_measured() {
    let trained = Trained::on(&["red", "colour"]);
    let directory = tempfile::tempdir().unwrap();
    let table = directory.path().join("board.toml");
    let report = directory.path().join("report");
    let with_table = |text: &str| {
        fs::write(&table, text).unwrap();
        evaluate(&[&trained.profile_file()], &report).args("--latency-table").arg(&table)
    };
    let head = "device = \"a board\"\nsource = \"a test\"\n[models]\n";
    with_table(&format!("{head}colour = \"12.5ms\"\nother = \"1ms\"\n")).run().with_code(0);
    let read = read(&report);
    assert_eq!(read["data"]["latency_table"], "a board (a test)");
    let models = read["data"]["models"].as_array().unwrap();
    assert_eq!((models.len(), &models[0]["latency_ms"]), (1, &12.5.into()));
    assert_eq!(entry(&read["groups"][0], "colour")["time_ms"]["mean"]["value"], 12.5);
    with_table(&format!("{head}other = \"1ms\"\n"))
        .refusal(64, &["none of the profiled", "colour"]);
    with_table(&format!("{head}colour = \"soon\"\n")).refusal(1, &["colour", "`soon`", "12.9ms"]);
    with_table("colour = 3\n").refusal(1, &["board.toml", "device"]);
    fs::remove_file(&table).unwrap();
    let missing = evaluate(&[&trained.profile_file()], &report);
    missing.args("--latency-table").arg(&table).refusal(66, &["board.toml"]);
}

#[test]
fn what_cannot_be_evaluated_is_said() {
    let trained = Trained::on(&["red", "colour"]);
    let profile = trained.profile_file();
    let report = trained.models.file("report");
    let of = |arguments: &str| {
        classifyd("evaluate --resamples 10 --report")
            .arg(&report)
            .args(arguments)
            .arg("--profile")
            .arg(&profile)
    };
    of("--folds 25").refusal(64, &["25 folds", "24", "fewer folds"]);
    of("--folds 1").refusal(64, &["1 folds", "at least 2"]);
    of("--budget soon").refusal(64, &["--budget"]);
    evaluate(&[&profile, &profile], &report).refusal(1, &["twice"]);
    evaluate(&[&profile], &profile).refusal(1, &["cannot make the directory"]);
    let whole = fs::read(&profile).unwrap();
    let cut = trained.models.file("cut.parquet");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    evaluate(&[&cut], &report).refusal(1, &["cut.parquet", "cut short"]);
    fs::write(&cut, "").unwrap();
    evaluate(&[&cut], &report).refusal(1, &["cut.parquet", "empty"]);
    evaluate(&[Path::new("/nonexistent.parquet")], &report).refusal(66, &["nonexistent"]);
    of("--premodel /nonexistent.safetensors").refusal(69, &["nonexistent"]);
}

#[test]
fn profiles_and_premodels_of_other_models_are_refused() {
    let trained = Trained::on(&["red", "colour"]);
    let models = Models::of(&["slow"]);
    let other = set(&models, "other", &[0, 1, 2], 3);
    let report = models.file("report");
    evaluate(&[&trained.profile_file(), &other], &report).refusal(1, &["profile 2", "same models"]);
    let with_premodel = evaluate(&[&other], &report).args("--premodel").arg(trained.premodel());
    with_premodel.refusal(1, &["premodel.safetensors", "not profiled"]);
}

#[test]
fn one_class_is_evaluated_with_a_note() {
    let models = Models::of(&["red", "colour"]);
    let report = models.file("report");
    let told = evaluate(&[&set(&models, "reds", &[0], 9)], &report).run().with_code(0);
    told.printing(&["Note: All images are of one class"]);
    assert_eq!(entry(&read(&report)["groups"][0], "adaptive")["top1"]["value"], 100.0);
}
