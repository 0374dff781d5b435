//! Records and summaries, checked as they are read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// The outcomes, as records and summaries name them.
const OUTCOMES: [&str; 8] =
    ["classified", "reused", "superseded", "skipped", "expired", "late", "failed", "abandoned"];

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(classifyd::output::RECORD_SCHEMA).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
});

/// One line of output.
#[derive(Clone, Debug)]
pub struct Record(pub Value);

impl Record {
    pub fn stream(&self) -> &str {
        self.text("stream")
    }

    pub fn frame(&self) -> u64 {
        self.0["frame"].as_u64().expect("a number")
    }

    pub fn outcome(&self) -> &str {
        self.text("outcome")
    }

    pub fn reason(&self) -> &str {
        self.text("reason")
    }

    /// The model that answered.
    pub fn model(&self) -> &str {
        self.text("model")
    }

    /// What went wrong.
    pub fn error(&self) -> &str {
        self.text("error")
    }

    /// The most confident label.
    pub fn label(&self) -> &str {
        self.0["labels"][0]["label"].as_str().unwrap_or_else(|| panic!("no label: {}", self.0))
    }

    /// The most confident label's class.
    pub fn class(&self) -> u64 {
        self.0["labels"][0]["class"].as_u64().unwrap_or_else(|| panic!("no label: {}", self.0))
    }

    /// The most confident label's confidence.
    pub fn confidence(&self) -> f64 {
        self.0["labels"][0]["confidence"].as_f64().unwrap_or_else(|| panic!("no label: {}", self.0))
    }

    pub fn met_deadline(&self) -> bool {
        self.0["met_deadline"].as_bool().expect("a truth value")
    }

    /// The name of its image file.
    pub fn file_name(&self) -> &str {
        self.text("file").rsplit('/').next().unwrap_or_default()
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("no {key}: {}", self.0))
    }
}

/// Reads JSON Lines: each must be as the schema says, numbered densely from 0 in its stream, and
/// must not claim to be in time when it was not.
pub(super) fn read(lines: &str) -> Vec<Record> {
    let parsed = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    let records: Vec<Record> = lines.lines().map(|line| Record(parsed(line))).collect();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for record in &records {
        assert_valid(record);
        let expected = next.entry(record.stream()).or_default();
        assert_eq!(record.frame(), *expected, "frames of {} in order", record.stream());
        *expected += 1;
        let total = record.0["timings_ms"]["total"].as_f64().expect("a number");
        let deadline = record.0["deadline_ms"].as_f64().expect("a number");
        // A reused frame may settle before the answer that it reuses comes.
        let in_time = record.outcome() != "classified" || total <= deadline + 0.001;
        assert!(in_time || !record.met_deadline(), "late, not in time: {}", record.0);
    }
    records
}

fn assert_valid(record: &Record) {
    let faults: Vec<String> = SCHEMA
        .iter_errors(&record.0)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "not as the schema says: {}\n{}", faults.join("\n"), record.0);
}

/// Every captured frame has one outcome, in each stream and in total, and none is lost.
pub(super) fn assert_balanced(summary: &Value) {
    let streams = summary["streams"].as_array().expect("a list");
    let number = |figures: &Value, key: &str| figures[key].as_u64().expect("a number");
    for figures in streams.iter().chain([&summary["total"]]) {
        let outcomes: u64 = OUTCOMES.iter().map(|outcome| number(figures, outcome)).sum();
        assert_eq!(number(figures, "captured"), outcomes, "the outcomes add up: {figures}");
        assert_eq!(number(figures, "lost"), 0, "{figures}");
        let judged = number(figures, "met_deadline") + number(figures, "missed_deadline");
        let answered = number(figures, "classified") + number(figures, "reused");
        assert_eq!(judged, answered, "{figures}");
    }
    let captured: u64 = streams.iter().map(|figures| number(figures, "captured")).sum();
    assert_eq!(number(&summary["total"], "captured"), captured, "the streams add up");
}

/// The summary counts what the records say.
pub(super) fn assert_counted(summary: &Value, records: &[Record]) {
    for outcome in OUTCOMES {
        let counted = records.iter().filter(|record| record.outcome() == outcome).count() as u64;
        assert_eq!(summary["total"][outcome].as_u64(), Some(counted), "records that are {outcome}");
    }
    let met = records.iter().filter(|record| record.met_deadline()).count() as u64;
    assert_eq!(summary["total"]["met_deadline"].as_u64(), Some(met), "records in time");
}
