//! Command lines and configurations that are wrong: each fault is named, with what would be right.

use std::fs;

use crate::harness::{Models, Program, RED, classifyd, draw};

#[test]
fn wrong_options_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("1.png");
    draw(&image, (8, 8), RED);
    let models = Models::of(&["colour"]);
    let cases: [(&str, &[&str]); 16] = [
        ("--budgets 5ms", &["--budgets", "--budget"]),
        ("--budget -5ms", &["-5ms"]),
        ("--budget=-5ms", &["-5ms", "budget"]),
        ("--budget 0", &["budget", "0"]),
        ("--budget 0ms", &["budget", "0ms"]),
        ("--budget 5", &["budget", "5"]),
        ("--budget 2h", &["budget", "2h"]),
        ("--budget soon", &["budget", "soon"]),
        ("--every 0", &["--every", "0"]),
        ("--top-k 0", &["--top-k", "0"]),
        ("--threads 0", &["--threads", "0"]),
        ("--seed x", &["--seed", "x"]),
        ("--policy best", &["best", "premodel"]),
        ("--policy fixed:", &["fixed:"]),
        ("--model a/b", &["a/b"]),
        ("--model colour --policy random", &["--model", "--policy"]),
    ];
    for (options, words) in cases {
        let refused = models.replay(options).arg(&image).refusal(64, words);
        assert!(refused.stdout.is_empty(), "{options}: {}", refused.stdout);
    }
}

#[test]
fn missing_arguments_and_commands() {
    let cases: [(&str, &[&str]); 6] = [
        ("", &["Usage"]),
        ("replay", &["URI"]),
        ("run", &["--config"]),
        ("profile", &["--images", "--out"]),
        ("train", &["--profile", "--out"]),
        ("reply clip.mp4", &["reply", "replay"]),
    ];
    for (arguments, words) in cases {
        classifyd(arguments).refusal(64, words);
    }
}

#[test]
fn help_and_version() {
    classifyd("--help").run().with_code(0).printing(&["replay", "Examples:", "Exit codes"]);
    classifyd("replay --help").run().with_code(0).printing(&["Examples:", "--budget", "100ms"]);
    let version = env!("CARGO_PKG_VERSION");
    classifyd("--version").run().with_code(0).printing(&["classifyd", version]);
}

#[test]
fn a_summary_that_cannot_be_written_is_refused_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("1.png");
    draw(&image, (8, 8), RED);
    let models = Models::of(&["colour"]);
    let replay = |file: &str| {
        let file = directory.path().join(file);
        models.replay("--model colour").arg(&image).arg("--summary").arg(file).run()
    };
    for file in ["gone/summary.json", "."] {
        let refused = replay(file);
        assert_ne!(refused.code, Some(0));
        assert!(refused.stdout.is_empty(), "{}", refused.stdout);
        refused.saying(&["summary"]);
    }
}

/// `check` and `run` over a configuration text, in a directory with a file `clip.avi`.
fn over(configuration: &str, models: &Models) -> [(&'static str, Program); 2] {
    let config = models.file("classifyd.toml.txt");
    fs::write(&config, configuration).unwrap();
    fs::write(models.file("clip.avi"), "").unwrap();
    ["check", "run"].map(|name| (name, models.command(name).arg("--config").arg(&config)))
}

#[test]
fn all_faults_of_a_configuration_at_once() {
    let models = Models::of(&["colour"]);
    let configuration = r#"
colour = "red"
[models]
thread = 4
providers = ["gpu"]
[policy]
kind = "best"
[output]
top_k = 0
[[stream]]
name = "door"
source = 7
budget = "-5ms"
every = 0
[[stream]]
name = "door"
budget = "soon"
"#;
    for (name, program) in over(configuration, &models) {
        let words = [
            "classifyd.toml.txt:2:",
            "colour", // no such key
            ":4:",
            "`threads`", // meant
            ":5:",
            "cuda", // instead of gpu
            ":7:",
            "premodel", // instead of best
            ":9:",
            "top_k",
            ":12:",
            "source",
            ":13:",
            "-5ms",
            ":14:",
            "every",
            ":16:",
            "door", // twice
            ":17:",
            "soon",
        ];
        let refused = program.refusal(78, &words);
        assert!(refused.stdout.is_empty(), "{name}: {}", refused.stdout);
    }
}

#[test]
fn a_configuration_that_is_no_toml() {
    let models = Models::of(&["colour"]);
    for (_, program) in over("[[stream]\nname = \n", &models) {
        program.refusal(78, &["classifyd.toml.txt", "1"]);
    }
}

#[test]
fn an_empty_configuration() {
    let models = Models::of(&["colour"]);
    for (_, program) in over("", &models) {
        program.refusal(78, &["classifyd.toml.txt", "stream"]);
    }
}

#[test]
fn a_missing_configuration() {
    for command in ["check", "run"] {
        let program = classifyd(command).args("--config /nonexistent/classifyd.toml");
        program.refusal(78, &["/nonexistent/classifyd.toml"]);
    }
}

const POLICY: &str = "policy.kind = \"fixed:colour\"\n";

fn stream(source: &str, more: &str) -> String {
    format!("[[stream]]\nname = \"{source}\"\nsource = \"{source}\"\nbudget = \"1s\"\n{more}\n")
}

#[test]
fn faults_of_sources_are_found_at_once_and_have_their_lines() {
    let models = Models::of(&["colour"]);
    let streams = [
        stream("http://host/a.mp4", ""),
        stream("test://nonsense", ""),
        stream("test://ball", "parameters = { widht = 5 }"),
    ];
    for (_, program) in over(&[POLICY, &streams.concat()].concat(), &models) {
        let words = [":4:", "http", ":9:", "nonsense", ":14:", "widht"];
        program.refusal(78, &words);
    }
}

#[test]
fn a_configured_model_that_does_not_exist() {
    let models = Models::of(&["colour"]);
    let configuration = "policy.kind = \"fixed:crimson\"\n".to_owned() + &stream("clip.avi", "");
    for (name, program) in over(&configuration, &models) {
        let refused = program.run().saying(&["crimson", "colour"]);
        assert_eq!(refused.code, Some(78), "{name}: {}", refused.stderr);
    }
}

#[test]
fn all_that_a_configuration_names_and_that_is_not_there_at_once() {
    let models = Models::of(&["colour"]);
    let configuration = "models.use = [\"colour\", \"crimson\"]\n\
                         models.premodel = \"gone.safetensors\"\n"
        .to_owned()
        + &stream("gone.avi", "")
        + &stream("test://nonsense", "");
    for (_, program) in over(&configuration, &models) {
        let words = [":1:", "crimson", ":2:", "gone.safetensors", ":5:", "gone.avi", ":10:"];
        program.refusal(78, &words);
    }
}
