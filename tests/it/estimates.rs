//! Where a service remembers what runs take.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Clip, Codec, Finished, GREEN, Models};

/// A configuration with a short clip for its stream, and the models to run it with.
struct Service {
    directory: TempDir,
    models: Models,
}

impl Service {
    fn new(scheduler: &str) -> Self {
        let (directory, models) = (tempfile::tempdir().unwrap(), Models::of(&["colour"]));
        Clip::of((64, 48), 12, &[GREEN]).write(&directory.path().join("clip.avi"), Codec::Avi);
        let text = format!(
            "policy.kind = \"fixed:colour\"\n{scheduler}\n\
             [[stream]]\nname = \"door\"\nsource = \"clip.avi\"\nbudget = \"10s\"\nrealtime = false\n"
        );
        fs::write(directory.path().join("classifyd.toml"), text).unwrap();
        fs::create_dir(directory.path().join("state")).unwrap();
        Self { directory, models }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The service from its start to the end of the clip.
    fn run(&self) -> Finished {
        let run = self.models.command("run --config").arg(self.file("classifyd.toml"));
        let finished = run.env("STATE_DIRECTORY", self.file("state")).run().with_code(0);
        assert_eq!(finished.records().len(), 12);
        finished
    }
}

fn json(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_service_remembers_in_its_state_directory_unless_another_file_is_named() {
    let service = Service::new("");
    let kept = service.file("state/latencies.json");
    service.run();
    assert!(json(&kept).to_string().contains("\"cpu\""), "{}", json(&kept));
    let named = Service::new("[scheduler]\nestimates = \"mine.json\"");
    named.run();
    json(&named.file("mine.json"));
    assert!(!named.file("state/latencies.json").exists());
}

#[test]
fn what_was_remembered_is_read_at_the_next_start() {
    let service = Service::new("");
    let kept = service.file("state/latencies.json");
    service.run();
    let first = json(&kept);
    let finished = service.run();
    assert!(!finished.stderr.contains("latencies.json"), "{}", finished.stderr);
    // A runner that is remembered stands there with the runs of both times.
    let length = |value: &Value| value.to_string().len();
    assert!(length(&json(&kept)) > length(&first), "{first} {}", json(&kept));
    fs::write(&kept, "damaged").unwrap();
    service.run().saying(&["latencies.json"]);
    assert!(json(&kept).is_object(), "it was replaced by what was learnt now");
}

#[test]
fn a_state_directory_that_is_not_there_costs_a_warning() {
    let service = Service::new("");
    fs::remove_dir(service.file("state")).unwrap();
    service.run().saying(&["latencies.json"]);
}
