//! Lines, to the letter; and the schema that describes them.

use super::*;
use crate::outcome::Considered;
use serde_json::json;

/// A frame with everything in its account.
fn full(outcome: Outcome) -> Settled {
    let mut settled = Camera::new("door").settle(0, outcome);
    settled.account.origin.file = Some("photos/cat.jpg".into());
    settled.account.trace = Trace {
        features: Some(vec![("n_keypoints", 210.0), ("hue1", 0.25), ("hue7", 0.0)]),
        scores: vec![(model("small"), 0.8), (model("big"), 0.6)],
        considered: vec![vec![Considered {
            model: model("big"),
            device: "cpu".to_owned(),
            cores: 2,
            finish: Duration::from_micros(12_300),
            chance: 0.999_000_2,
            utility: -0.25,
        }]],
        timings: Timings {
            features: Some(Duration::from_nanos(1_234_567)),
            premodel: Some(Duration::from_micros(90)),
            policy: None,
            queue: Some(Duration::ZERO),
            preprocess: Some(Duration::from_millis(1)),
            inference: Some(Duration::from_micros(9_500)),
        },
    };
    settled
}

/// A run with every outcome and every conditional key, in one valid file of records.
fn every_kind() -> Run {
    let camera = Camera::new("door");
    let mut first = full(between());
    first.account.origin.file = None;
    let too_slow = Reason::PreferredTooSlow(model("big"));
    let too_costly = Reason::PreferredTooCostly(model("big"));
    let none_may_run = Shortfall { quickest: None, needed: Duration::ZERO, left: Duration::ZERO };
    run([
        first,
        camera.settle(1, classified("small", too_slow)),
        camera.settle(2, between()),
        camera.settle(3, Outcome::Superseded),
        camera.settle(4, expired()),
        camera.settle(5, Outcome::Expired(none_may_run)),
        camera.settle(6, failed()),
        camera.settle(7, Outcome::Abandoned),
        camera.settle(8, by_premodel("big")),
        camera.settle(9, nearly_equal(1)),
        camera.settle(10, classified("small", too_costly)),
        camera.settle(11, Outcome::Classified(weighed())),
        camera.settle(12, late()),
        camera.settle(13, same_scene(11)),
        camera.settle(14, Outcome::Skipped),
        after_a_step(camera.settle(15, Outcome::Superseded)),
    ])
}

/// The same frame by a clock that was set an hour forward.
fn after_a_step(mut settled: Settled) -> Settled {
    settled.account.origin.wall += Duration::from_secs(3600);
    settled
}

#[test]
fn the_first_record_after_a_step_of_the_clock_says_so() {
    let records = every_kind().records();
    let steps: Vec<_> = records.iter().map(|record| record.get("clock_step_ms")).collect();
    assert_eq!(steps[15], Some(&json!(3_600_000)));
    assert!(steps[..15].iter().all(Option::is_none), "{steps:?}");
}

fn record_of(outcome: &str) -> Value {
    let records = every_kind().records();
    records.into_iter().rev().find(|record| record["outcome"] == outcome).unwrap()
}

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(RECORD_SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn a_classified_record_to_the_letter() {
    let expected = concat!(
        r#"{"stream":"door","frame":0,"pts_ns":0,"captured_at":"2023-11-14T22:13:20.000000Z","#,
        r#""file":"photos/cat.jpg","outcome":"classified","model":"small","provider":"cpu","#,
        r#""reason":"premodel","labels":[{"class":281,"label":"tabby, \"tabby cat\"","#,
        r#""confidence":0.7},{"class":282,"label":"tiger cat","confidence":1e-7}],"#,
        r#""runs":[{"model":"small","inference_ms":10.0}],"#,
        r#""deadline_ms":100.0,"met_deadline":true,"features":{"n_keypoints":210.0,"#,
        r#""hue1":0.25,"hue7":0.0},"scores":{"small":0.8,"big":0.6},"#,
        r#""considered":[[{"model":"big","device":"cpu","cores":2,"finish_ms":12.3,"chance":0.999,"#,
        r#""utility":-0.25}]],"#,
        r#""timings_ms":{"features":1.235,"premodel":0.09,"policy":null,"queue":0.0,"preprocess":1.0,"#,
        r#""inference":9.5,"total":12.346}}"#,
        "\n",
    );
    assert_eq!(run([full(by_premodel("small"))]).text, expected);
}

#[test]
fn an_expired_record_to_the_letter() {
    let expected = concat!(
        r#"{"stream":"door","frame":0,"pts_ns":0,"captured_at":"2023-11-14T22:13:20.000000Z","#,
        r#""outcome":"expired","model":null,"provider":null,"reason":"no_model_fits","labels":[],"runs":[],"#,
        r#""deadline_ms":100.0,"met_deadline":false,"features":null,"scores":{},"#,
        r#""timings_ms":{"features":null,"premodel":null,"policy":null,"queue":null,"preprocess":null,"#,
        r#""inference":null,"total":12.346},"quickest":"small","needed_ms":30.0,"left_ms":12.5}"#,
        "\n",
    );
    assert_eq!(run([Camera::new("door").settle(0, expired())]).text, expected);
}

#[test]
fn a_run_that_frames_shared_says_so() {
    let mut answer = weighed();
    answer.runs[1].batch = 3;
    let record = run([full(Outcome::Classified(answer))]).records().remove(0);
    let runs = json!([
        {"model": "small", "inference_ms": 10.0}, {"model": "big", "inference_ms": 90.0, "batch": 3},
    ]);
    assert_eq!(record["runs"], runs);
}

#[test]
fn an_answer_of_several_models_says_so() {
    let record = run([full(Outcome::Classified(weighed()))]).records().remove(0);
    let runs = json!([
        {"model": "small", "inference_ms": 10.0}, {"model": "big", "inference_ms": 90.0},
    ]);
    assert_eq!((&record["runs"], &record["model"]), (&runs, &json!("big")));
    assert_eq!((&record["reason"], &record["certainty"]), (&json!("adaptive"), &json!(0.75)));
    assert_eq!(record["stopped_by"], "deadline");
}

#[test]
fn a_clock_set_outside_the_years_of_rfc_3339_is_no_reason_to_panic() {
    let mut early = full(Outcome::Superseded);
    early.account.origin.wall = SystemTime::UNIX_EPOCH - Duration::from_secs(9);
    assert_eq!(run([early]).records()[0]["captured_at"], "1970-01-01T00:00:00.000000Z");
    let mut late = full(Outcome::Superseded);
    late.account.origin.wall += Duration::from_secs(300_000_000_000);
    assert_eq!(run([late]).records()[0]["captured_at"], "9999-12-31T23:59:59.000000Z");
}

#[test]
fn records_of_every_outcome_are_as_the_schema_says() {
    let schema = schema();
    for record in every_kind().records() {
        let faults: Vec<_> = schema.iter_errors(&record).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{record}: {faults:?}");
    }
}

#[test]
fn broken_records_are_not_as_the_schema_says() {
    let schema = schema();
    let broken: [(&str, &str, Value); 35] = [
        ("classified", "/frame", json!(-1)),
        ("classified", "/captured_at", json!("2023-11-14 22:13:20")),
        ("classified", "/outcome", json!("guessed")),
        ("classified", "/model", json!(null)),
        ("classified", "/provider", json!("gpu")),
        ("classified", "/reason", json!("newer_frame")),
        ("classified", "/reason", json!("fixed")),
        ("classified", "/labels", json!([])),
        ("classified", "/labels/0/confidence", json!(1.5)),
        ("classified", "/labels/0/class", json!(2.5)),
        ("classified", "/deadline_ms", json!(0)),
        ("classified", "/met_deadline", json!("yes")),
        ("classified", "/timings_ms/total", json!(null)),
        ("classified", "/scores", json!({"small": 2})),
        ("classified", "/features", json!({"hue8": 0.5})),
        ("classified", "/features", json!({})),
        ("classified", "/runs", json!([])),
        ("classified", "/runs/0/inference_ms", json!(-1)),
        ("classified", "/runs/0", json!({"model": "small", "inference_ms": 1, "batch": 1})),
        ("classified", "/certainty", json!(1.5)),
        ("classified", "/stopped_by", json!("lunch")),
        ("reused", "/reused_from", json!(null)),
        ("reused", "/difference", json!(2)),
        ("superseded", "/runs", json!([{"model": "small", "inference_ms": 1}])),
        ("superseded", "/met_deadline", json!(true)),
        ("superseded", "/model", json!("small")),
        ("expired", "/needed_ms", json!(-1)),
        ("late", "/ran", json!(null)),
        ("late", "/reason", json!("no_model_fits")),
        ("late", "/met_deadline", json!(true)),
        ("failed", "/stage", json!("coffee")),
        ("failed", "/error", json!("")),
        ("skipped", "/labels", json!([{"class": 1, "label": "x", "confidence": 0.5}])),
        ("skipped", "/reason", json!("newer_frame")),
        ("abandoned", "/labels", json!([{"class": 1, "label": "x", "confidence": 0.5}])),
    ];
    for (outcome, pointer, value) in broken {
        let mut record = record_of(outcome);
        assert!(schema.is_valid(&record));
        *record.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&record), "{outcome} {pointer}: {record}");
    }
}

#[test]
fn no_key_may_be_missing_and_none_may_be_added() {
    let schema = schema();
    for record in every_kind().records() {
        let optional = ["considered", "clock_step_ms"];
        let keys = record.as_object().unwrap().keys();
        for key in keys.filter(|key| !optional.contains(&key.as_str())) {
            let mut without = record.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(!schema.is_valid(&without), "{record} without {key}");
        }
        for (key, value) in [
            ("colour", json!("red")),
            ("error", json!("none")),
            ("reused_from", json!(1)),
            ("quickest", json!("small")),
            ("ran", json!("small")),
            ("preferred", json!("big")),
            ("certainty", json!(0.5)),
            ("stopped_by", json!("load")),
            ("difference", json!(0.5)),
        ] {
            let mut with = record.clone();
            if with.get(key).is_none() {
                with[key] = value;
                assert!(!schema.is_valid(&with), "{record} with {key}");
            }
        }
    }
}

#[test]
fn the_schema_describes_every_key_and_knows_the_features() {
    let schema: Value = serde_json::from_str(RECORD_SCHEMA).unwrap();
    let objects = ["", "/$defs/run", "/$defs/label", "/$defs/features", "/$defs/timings"];
    for object in objects {
        let properties = schema.pointer(&format!("{object}/properties")).unwrap();
        for (key, property) in properties.as_object().unwrap() {
            assert!(property["description"].is_string(), "{object}/{key} is not described");
        }
    }
    let features = schema["$defs"]["features"]["properties"].as_object().unwrap();
    let known: Vec<&str> = features.keys().map(String::as_str).collect();
    let mut names = Features::NAMES;
    // An object's keys come sorted.
    names.sort_unstable();
    assert_eq!(known, names);
}
