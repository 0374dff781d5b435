//! Frames that do not get their answer in time, by the clock and by the work.
//!
//! Nothing here depends on how fast the machine is, only on one model being slower than another.

use std::fs;

use serde_json::Value;

use crate::harness::{BLUE, Clip, Codec, GREEN, Models, RED, Record};

fn count(records: &[Record], outcome: &str) -> usize {
    records.iter().filter(|record| record.outcome() == outcome).count()
}

#[test]
fn by_the_clock_frames_give_way_or_expire_when_the_model_is_too_slow() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 30, &[RED, GREEN, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    // Three copies at 30 frames per second: no processor runs the slow model 90 times a second.
    let program = models.replay("--model slow --realtime --budget 400ms");
    let finished = program.arg(&clip).arg(&clip).arg(&clip).with_summary().run().with_code(0);
    let records = finished.records();
    assert_eq!(finished.total("captured"), 270);
    let missed = count(&records, "superseded") + count(&records, "expired");
    assert!(missed > 0, "{}", finished.stderr);
    assert_eq!(missed + count(&records, "classified"), records.len());
}

#[test]
fn by_the_clock_a_stream_of_a_fast_model_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 10, &[RED, GREEN, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let program = models.replay("--model colour --realtime --budget 10s");
    let records = program.arg(&clip).records();
    assert_eq!(records.len(), 30);
    let expected = |record: &Record| ["red", "green", "blue"][record.frame() as usize / 10];
    let answered: Vec<_> = records.iter().filter(|r| r.outcome() == "classified").collect();
    assert!(!answered.is_empty());
    assert!(answered.iter().all(|record| record.label() == expected(record)));
}

#[test]
fn a_budget_below_the_models_latency_expires_every_frame() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 20, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    let records = models.replay("--model slow --budget 1ms").arg(&clip).records();
    assert_eq!(records.len(), 40);
    for record in &records {
        assert_eq!((record.outcome(), record.reason()), ("expired", "no_model_fits"));
        assert_eq!(record.0["quickest"], "slow");
        let needed = record.0["needed_ms"].as_f64().unwrap();
        assert!(needed > record.0["left_ms"].as_f64().unwrap(), "{}", record.0);
    }
}

#[test]
fn without_the_clock_waiting_for_other_frames_costs_no_frame_its_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 30, &[GREEN, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    // Sixty runs take longer than the budget, each single one much less.
    let records = models.replay("--model slow --budget 2s").arg(&clip).records();
    assert_eq!(count(&records, "classified"), 60);
    let labels: Vec<&str> = records.iter().map(Record::label).collect();
    assert_eq!(labels, [["green"; 30], ["blue"; 30]].concat());
}

#[test]
fn a_reused_frame_without_an_answer_before_it_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 4, &[RED]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    let records = models.replay("--model slow --budget 1ms --every 2").arg(&clip).records();
    let outcomes: Vec<&str> = records.iter().map(Record::outcome).collect();
    assert_eq!(outcomes, ["expired", "reused", "expired", "reused"]);
    assert!(records[1].0["reused_from"].is_null() && !records[1].met_deadline());
}

#[test]
fn asked_why_a_record_says_what_the_scheduler_chose_from() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 2, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour", "slow"]);
    let of = |more| models.replay("--policy random --budget 10s").args(more).arg(&clip).records();
    for record in of("-vv --threads 1,2 --cores 2") {
        let decision = &record.0["considered"][0];
        let chosen = &decision[0];
        assert_eq!(chosen["model"], record.model(), "the preferred one is first");
        let cores: Vec<_> =
            decision.as_array().unwrap().iter().map(|run| run["cores"].as_u64().unwrap()).collect();
        assert_eq!(cores, [1, 2, 1, 2], "each model in both widths");
        assert!(chosen["chance"].as_f64().unwrap() > 0.99, "{decision}");
    }
    assert!(of("-v").iter().all(|record| record.0["considered"].is_null()));
}

#[test]
fn several_cores_run_several_frames_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 8, &[RED, GREEN, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow", "colour"]);
    let program = models.replay("--policy random --budget 10s --cores 2").arg(&clip).arg(&clip);
    let finished = program.with_summary().run().with_code(0);
    let records = finished.records();
    assert_eq!((finished.total("captured"), finished.total("classified")), (48, 48));
    let expected = |record: &Record| ["red", "green", "blue"][record.frame() as usize / 8];
    let decided = records.iter().filter(|record| record.model() == "colour");
    assert!(decided.clone().count() > 0);
    assert!(decided.clone().all(|record| record.label() == expected(record)));
}

#[test]
fn wide_runs_need_their_cores() {
    let models = Models::of(&["colour"]);
    models.replay("--threads 4 --cores 2 test://ball").run().with_code(64).saying(&[
        "inferences of 4 threads do not fit 2 cores",
        "give --cores 4 or more, or fewer --threads",
    ]);
}

#[test]
fn what_runs_take_is_remembered_where_the_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 4, &[RED, GREEN]).write(&clip, Codec::Avi);
    let config = directory.path().join("c.toml");
    let text = "[scheduler]\nestimates = \"latencies.json\"\n\
                [[stream]]\nname = \"a\"\nsource = \"clip.avi\"\nbudget = \"10s\"\n";
    fs::write(&config, text).unwrap();
    let models = Models::of(&["colour"]);
    let replay = || models.replay("--model colour --config").arg(&config).arg(&clip);
    let saved = directory.path().join("latencies.json");
    let runs = || {
        let saved: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
        saved["settings"][0]["models"][0]["run"]["residuals"].as_array().unwrap().len()
    };
    assert_eq!(replay().records().len(), 8);
    let first = runs();
    assert!(first >= 8, "{first}");
    assert_eq!(replay().records().len(), 8);
    assert!(runs() >= first + 8, "{} after {first}", runs());
    fs::write(&saved, "{}").unwrap();
    replay().run().with_code(0).saying(&["latencies.json", "estimates start from the warm-up"]);
    assert!(runs() >= 8, "it was written anew");
}
