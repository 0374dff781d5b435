//! What operators see, without a daemon: the document, the text for Prometheus, and what is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::unbounded;

use super::board::tests::jetson;
use super::meters::{CHOICES, DROPS};
use super::*;
use crate::capture::{CaptureError, Loss, SourceState};
use crate::frame::Pace;
use crate::models::ModelId;
use crate::outcome::tests::ticket;
use crate::outcome::{Failure, Stage};
use crate::output::RECORD_SCHEMA;

/// Operations of a stream `test`, on the board of a Jetson.
fn operations() -> (Operations, tempfile::TempDir) {
    let root = jetson();
    let operations = Operations { root: root.path().to_owned(), ..Operations::new(Clock) };
    operations.declare(&StreamName::new("test"), "rtsp://me:***@cam/live");
    (operations, root)
}

fn settle(outcome: Outcome) -> Settled {
    let (send, settled) = unbounded();
    let mut ticket = ticket(0, Clock.now(), "100ms".parse().unwrap(), Pace::Clock, send);
    ticket.trace().timings.preprocess = Some(Duration::from_micros(300));
    ticket.report(outcome);
    settled.recv().unwrap()
}

fn assert_valid(document: &serde_json::Value) {
    let schema = serde_json::from_str(status::STATUS_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(document)
        .map(|fault| format!("{fault} ({})", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:?} in {document}");
}

#[test]
fn frames_are_counted_by_outcome_deadline_and_reason() {
    let (operations, _root) = operations();
    operations.note_published(&settle(Outcome::Superseded), false);
    operations.note_published(&settle(Outcome::Reused(crate::outcome::Reuse::Between)), true);
    let failure = Failure { stage: Stage::Preprocess, error: "no memory".to_owned() };
    operations.note_published(&settle(Outcome::Failed(failure)), false);
    operations.note_lost(&StreamName::new("test"), 2);
    let text = operations.exposition();
    let lines = [
        "classifyd_frames_total{outcome=\"superseded\",stream=\"test\"} 1",
        "classifyd_frames_total{outcome=\"lost\",stream=\"test\"} 2",
        "classifyd_answers_total{deadline=\"met\",stream=\"test\"} 1",
        "classifyd_answers_total{deadline=\"missed\",stream=\"test\"} 0",
        "classifyd_answer_reasons_total{reason=\"between_classified_frames\",stream=\"test\"} 1",
        "classifyd_answer_reasons_total{reason=\"adaptive\",stream=\"test\"} 0",
        "classifyd_frames_dropped_total{reason=\"newer_frame\",stream=\"test\"} 1",
        "classifyd_frames_dropped_total{reason=\"never_settled\",stream=\"test\"} 2",
        "classifyd_frame_failures_total{stage=\"preprocess\",stream=\"test\"} 1",
        "classifyd_preprocess_duration_seconds_bucket{le=\"0.0005\"} 3",
        "classifyd_preprocess_duration_seconds_bucket{le=\"0.00025\"} 0",
        "classifyd_frame_age_seconds_count{stream=\"test\"} 3",
        "classifyd_temperature_celsius{sensor=\"BCPU-therm\",zone=\"thermal_zone0\"} 41.5",
        "classifyd_clock_hertz{device=\"17000000.gp10b\",kind=\"devfreq\"} 1300500000",
        "classifyd_power_mode_info{mode=\"nvpmodel 0 MAXN\"} 1",
    ];
    for line in lines {
        assert!(text.lines().any(|other| other == line), "`{line}` is not in\n{text}");
    }
}

#[test]
fn every_reason_that_records_give_is_counted() {
    let schema: serde_json::Value = serde_json::from_str(RECORD_SCHEMA).unwrap();
    let given = schema["properties"]["reason"]["enum"].as_array().unwrap();
    let given: BTreeSet<&str> = given.iter().map(|reason| reason.as_str().unwrap()).collect();
    let in_no_record = "never_settled";
    let drops = DROPS.into_iter().filter(|reason| *reason != in_no_record);
    let counted: BTreeSet<&str> = CHOICES.into_iter().chain(drops).collect();
    assert_eq!(counted, given);
}

#[test]
fn frames_of_unknown_streams_make_no_series() {
    let operations = Operations::new(Clock);
    operations.note_published(&settle(Outcome::Superseded), false);
    operations.note_lost(&StreamName::new("test"), 2);
    assert!(!operations.exposition().contains("test"));
    assert!(operations.status().streams.is_empty());
}

#[test]
fn a_stream_that_is_gone_is_shown_no_more() {
    let (operations, _root) = operations();
    operations.note_published(&settle(Outcome::Superseded), false);
    operations.forget(&StreamName::new("test"));
    assert!(!operations.exposition().contains("stream=\"test\""));
    assert!(operations.status().streams.is_empty());
    operations.declare(&StreamName::new("test"), "v4l2://0");
    assert_eq!(operations.status().streams[0].frames.total(), 0, "it begins anew");
}

#[test]
fn the_document_is_as_its_schema_says_and_names_the_latest_errors() {
    let (operations, _root) = operations();
    let news = |kind| {
        operations.note_news(&News { stream: StreamName::new("test"), incarnation: 1, kind })
    };
    let lost = || CaptureError::Camera {
        input: "cam".to_owned(),
        loss: Loss::Failed,
        reason: "gone".to_owned(),
    };
    let next = Clock.now() + Duration::from_secs(1);
    for attempt in 1..=20 {
        news(NewsKind::Lost(Loss::NotStarted, lost()));
        news(NewsKind::State(SourceState::Retrying { loss: Loss::NotStarted, attempt, next }));
    }
    operations.engine_builds().note(&ModelId::new("large").unwrap());
    let status = operations.status();
    assert_eq!(status.state, "starting", "no stage is up");
    let [stream] = &status.streams[..] else { panic!("{status:?}") };
    assert_eq!((stream.losses.not_started, stream.attempt), (20, Some(20)));
    let [error] = &stream.errors[..] else { panic!("{:?}", stream.errors) };
    assert!(error.error.contains("gone") && error.times == 20, "{error:?}");
    assert_eq!(status.engine_builds["large"], 1);
    assert_valid(&serde_json::to_value(&status).unwrap());
}

#[test]
fn the_example_of_a_document_is_as_its_schema_says() {
    assert_valid(&serde_json::from_str(include_str!("../../tests/data/status.json")).unwrap());
}

#[test]
fn the_schema_knows_every_state_and_loss() {
    let schema: serde_json::Value = serde_json::from_str(status::STATUS_SCHEMA).unwrap();
    let stream = &schema["properties"]["streams"]["items"]["properties"];
    let words = |key: &str| stream[key]["enum"].as_array().unwrap().clone();
    assert_eq!(words("state"), meters::STATES);
    let losses: Vec<_> = words("loss").into_iter().filter(|loss| !loss.is_null()).collect();
    assert_eq!(losses, Loss::ALL.map(Loss::name));
}

#[test]
fn readers_that_wait_hold_up_no_stage() {
    let (operations, _root) = operations();
    let operations = Arc::new(operations);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("classifyd.sock");
    let _endpoints = Endpoints::open(Some(&path), None, &operations, Clock).unwrap();
    // As many as are answered at a time; none reads.
    let _idle: Vec<_> =
        (0..3).map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap()).collect();
    for _ in 0..100 {
        operations.note_published(&settle(Outcome::Superseded), false);
    }
    let document = socket::ask(Some(&path)).unwrap();
    let status: status::Status = serde_json::from_str(&document).unwrap();
    assert!(status.streams[0].frames.superseded >= 100);
}
