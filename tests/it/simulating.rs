//! `classifyd simulate`: a scenario to tables and a report.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Program, Trained, classifyd, repository};

const SCENARIO: &str = r#"
name = "two cameras"
duration = "4s"
seeds = 2

[[model]]
name = "small"
accuracy = 0.5
latency = "4ms"

[[model]]
name = "large"
accuracy = 0.8
latency = { median = "20ms", p95 = "24ms" }

[[stream]]
name = "door"
rate = 20
count = 2
budget = "60ms"

[grid]
streams = [1, 2]
budgets = ["30ms", "60ms"]
loads = [0.5, 2.0]
frames = 120

[plan]
rates = [10]
budget = "60ms"
accuracy = 0.7
"#;

fn simulate(scenario: &Path) -> Program {
    classifyd("simulate --scenario").arg(scenario)
}

/// A file that holds a scenario.
fn file(directory: &Path, text: &str) -> std::path::PathBuf {
    let file = directory.join("scenario.toml");
    fs::write(&file, text).unwrap();
    file
}

fn json(report: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(report.join("simulation.json")).unwrap()).unwrap()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = file(directory.path(), SCENARIO);
    let run = |name: &str, seed: u64| {
        let report = directory.path().join(name);
        let told = simulate(&scenario).args(&format!("--seed {seed} --report")).arg(&report).run();
        (told.with_code(0).stdout.replace(report.to_str().unwrap(), ""), report)
    };
    let [(told, one), (again, two), (otherwise, _)] = [run("a", 5), run("b", 5), run("c", 6)];
    assert_eq!(told, again);
    assert_ne!(told, otherwise);
    let mut files: Vec<_> =
        fs::read_dir(&one).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let [one, two] = [&one, &two].map(|report| fs::read(report.join(&file)).unwrap());
        assert!(one == two, "{} differs", file.display());
    }
}

#[test]
fn to_be_surer_of_the_time_costs_answers() {
    let directory = tempfile::tempdir().unwrap();
    // A model that is in time in 99.7 % of its runs, and one that always is.
    let scenario = file(
        directory.path(),
        "name = \"tight\"\nduration = \"60s\"\npolicies = [\"ours\"]\n\
         [[model]]\nname = \"quick\"\naccuracy = 0.5\nlatency = \"5ms\"\n\
         [[model]]\nname = \"large\"\naccuracy = 0.9\n\
         latency = { median = \"30ms\", p99 = \"39ms\" }\n\
         [[stream]]\nname = \"a\"\nrate = 10\nbudget = \"41ms\"\n",
    );
    let right = |on_time: &str| {
        let report = directory.path().join(on_time);
        let run = simulate(&scenario).args(&format!("--on-time {on_time} --report")).arg(&report);
        run.run().with_code(0);
        let entry = &json(&report)["cases"][0]["entries"][0];
        entry["expected_accuracy"]["mean"].as_f64().unwrap()
    };
    let (sure, surer) = (right("0.9"), right("0.9999"));
    assert!(sure > surer + 10.0, "{sure} {surer}");
}

#[test]
fn a_scenario_becomes_tables_and_figures() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("new/report");
    let scenario = file(directory.path(), SCENARIO);
    let told = simulate(&scenario).args("--report").arg(&report).run().with_code(0);
    told.printing(&[
        "two cameras: 2 streams, 40.0 frames/s, load 0.8",
        "by large; 4 s, 2 seeds",
        "oracle",
        "ours answers by",
        "edf:large",
        "grid: 8 points",
        "cameras with at least 70 % right in time in 60 ms each",
    ]);
    let figures = json(&report);
    assert_eq!(
        (&figures["format"], &figures["seeds"]),
        (&"classifyd-simulation".into(), &2.into())
    );
    assert_eq!(figures["grid"].as_array().unwrap().len(), 8);
    let entries = figures["cases"][0]["entries"].as_array().unwrap();
    let expected = |entry: &Value| entry["expected_accuracy"]["mean"].as_f64().unwrap();
    let oracle = entries.iter().find(|entry| entry["kind"] == "oracle").unwrap();
    for entry in entries.iter().filter(|entry| entry["model"].is_string()) {
        assert!(expected(entry) <= expected(oracle) + 1e-9, "{entry}");
        let run = &entry["run"];
        let sum: f64 = ["in_time", "late", "expired", "superseded"]
            .iter()
            .map(|part| run[part]["mean"].as_f64().unwrap())
            .sum();
        assert!((sum - 100.0).abs() < 1e-9, "the books balance: {entry}");
    }
    let points = fs::read_to_string(report.join("grid.csv")).unwrap();
    assert_eq!(points.lines().count(), 1 + 8);
    let table = fs::read_to_string(report.join("simulation.csv")).unwrap();
    assert!(table.starts_with("part,case,streams,"));
    assert_eq!(table.lines().count(), 1 + 9 * 10, "ten policies in nine cases");
}

#[test]
fn a_profile_gives_models_latencies_and_answers() {
    let trained = Trained::on(&["red", "colour"]);
    let directory = tempfile::tempdir().unwrap();
    let profile = trained.profile_file();
    let text = |lines: &str| {
        format!(
            "name = \"profiled\"\nduration = \"20s\"\n{lines}\n[models]\nprofile = {:?}\n\
             [[stream]]\nname = \"a\"\nrate = 5\nbudget = \"1s\"\n",
            profile.to_str().unwrap()
        )
    };
    let scenario = file(directory.path(), &text("policies = [\"edf\", \"oracle\"]"));
    let report = directory.path().join("report");
    simulate(&scenario).args("--report").arg(&report).run().with_code(0);
    let figures = json(&report);
    let entries = figures["cases"][0]["entries"].as_array().unwrap();
    let accuracy = |policy: &str| {
        let entry = entries.iter().find(|entry| entry["policy"] == policy).unwrap();
        entry["effective_accuracy"]["mean"].as_f64().unwrap()
    };
    // `colour` is always right, and `red` says red.
    assert_eq!(accuracy("edf:colour"), 100.0);
    assert!((20.0..80.0).contains(&accuracy("edf:red")));
    let unknown = file(directory.path(), &text("policies = [\"edf:blue\"]"));
    simulate(&unknown).refusal(78, &["policies[0]", "no such model", "`red`"]);
}

#[test]
fn bad_scenarios_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |text: &str, words: &[&str]| {
        simulate(&file(directory.path(), text)).refusal(78, words);
    };
    refused("name = 3\n", &["scenario.toml:1:8", "name = 3", "stream: this is missing"]);
    refused(
        &SCENARIO.replace("rate = 20", "rates = 20"),
        &["stream[0].rates", "did you mean `rate`?"],
    );
    refused("name = \n", &["not TOML"]);
    refused(
        &format!("{SCENARIO}\n[models]\nprofile = \"none.parquet\"\n"),
        &["models.profile", "none.parquet"],
    );
    simulate(Path::new("/nonexistent.toml")).refusal(66, &["/nonexistent.toml"]);
    classifyd("simulate").refusal(64, &["--scenario"]);
    let scenario = file(directory.path(), SCENARIO);
    simulate(&scenario).args("--seeds 0").refusal(64, &["--seeds"]);
    simulate(&scenario).args("--on-time -1").refusal(64, &["--on-time", "like 0.999"]);
    simulate(&scenario).args("--report").arg(&scenario).refusal(1, &["cannot make the directory"]);
}

#[test]
fn the_example_of_a_slowdown_runs() {
    let scenario = repository().join("scenarios/slowdown.toml");
    let told = simulate(&scenario).args("--seeds 1").run().with_code(0);
    told.printing(&["a hot board: 4 streams", "oracle", "ours"]);
}
