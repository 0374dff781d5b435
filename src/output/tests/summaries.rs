//! The summary: as JSON, as a table, and when it does not add up.

use super::*;
use serde_json::json;

/// Two streams; of the five frames of `door`, three are classified, one of these after its deadline.
fn two_streams() -> Summary {
    let door = Camera::new("door");
    let yard = Camera { stream: "yard", start: door.start + Duration::from_millis(100), ..door };
    let timed = |number, name: &str, inference: u64, delay: u64| {
        let Outcome::Classified(answer) = by_premodel(name) else { unreachable!("it is made so") };
        let answer = Answer { runs: vec![run_of(name, inference)], ..answer };
        let delay = Duration::from_millis(delay);
        door.settle_after(number, Outcome::Classified(answer), delay)
    };
    let frames = [
        timed(0, "small", 10, 20),
        timed(1, "big", 90, 120),
        timed(2, "small", 10, 20),
        door.settle(3, Outcome::Superseded),
        door.settle_after(4, between(), Duration::ZERO),
        yard.settle_after(0, failed(), Duration::from_millis(300)),
    ];
    run(frames).summary
}

/// 10 ms and 90 ms lie in the buckets around 10.048 ms and 89.6 ms.
#[test]
fn as_json_it_counts_each_stream_and_the_total() {
    let summary = serde_json::to_value(two_streams()).unwrap();
    let total = json!({
        "captured": 6, "classified": 3, "reused": 1, "reused_between": 1,
        "reused_nearly_equal": 0, "reused_same_scene": 0, "superseded": 1, "skipped": 0, "expired": 0, "late": 0, "failed": 1,
        "abandoned": 0, "lost": 0, "met_deadline": 3, "missed_deadline": 1, "effective": 0.5, "wall_s": 0.4,
        "frames_per_s": 15.0, "runs": 3, "mean_runs": 0.75, "mean_inference_ms": 27.5,
        "models": [
            {"model": "big", "provider": "cpu", "frames": 1, "share": 0.333333, "runs": 1, "run_share": 0.333333,
             "inference_p50_ms": 89.6, "inference_p95_ms": 89.6},
            {"model": "small", "provider": "cpu", "frames": 2, "share": 0.666667, "runs": 2, "run_share": 0.666667,
             "inference_p50_ms": 10.048, "inference_p95_ms": 10.048},
        ],
    });
    assert_eq!(summary["total"], total);
    assert_eq!(summary["streams"][0]["stream"], "door");
    assert_eq!(summary["streams"][0]["wall_s"], 0.16);
    assert_eq!(
        summary["streams"][1],
        json!({
            "stream": "yard", "captured": 1, "classified": 0, "reused": 0, "reused_between": 0,
            "reused_nearly_equal": 0, "reused_same_scene": 0, "runs": 0, "mean_runs": null, "mean_inference_ms": null,
            "superseded": 0, "skipped": 0,
            "expired": 0, "late": 0, "failed": 1, "abandoned": 0, "lost": 0, "met_deadline": 0,
            "missed_deadline": 0,
            "effective": 0.0, "wall_s": 0.3, "frames_per_s": 3.333333, "models": [],
        })
    );
}

#[test]
fn for_people_it_is_a_short_table() {
    let expected = "\
6 frames in 0.4 s (15.0 frames/s), 50.0 % answered in time

stream  captured  classified  reused  superseded  skipped  expired  late  failed  abandoned  lost  missed  in time
door           5           3       1           1        0        0     0       0          0     0       1   60.0 %
yard           1           0       0           0        0        0     0       1          0     0       0    0.0 %
total          6           3       1           1        0        0     0       1          0     0       1   50.0 %

model  provider  frames   share  runs  p50 ms  p95 ms
big         cpu       1  33.3 %     1    89.6    89.6
small       cpu       2  66.7 %     2    10.0    10.0

an answer took 27.5 ms in 0.75 runs of models
";
    assert_eq!(two_streams().to_string(), expected);
}

#[test]
fn every_run_counts_and_the_last_one_answers() {
    let camera = Camera::new("door");
    let frames = [Outcome::Classified(weighed()), by_premodel("small"), nearly_equal(0)];
    let numbered = frames.into_iter().zip(0..);
    let summary = run(numbered.map(|(outcome, number)| camera.settle(number, outcome))).summary;
    let of_model = |model: &ModelFigures| (model.model.to_string(), model.frames, model.runs);
    let models: Vec<_> = summary.total.models.iter().map(of_model).collect();
    assert_eq!(models, [("big".to_owned(), 1, 1), ("small".to_owned(), 1, 2)]);
    assert_eq!((summary.total.runs, summary.total.mean_runs), (3, Some(1.0)));
    assert_eq!(summary.total.mean_inference_ms, Some(36.666667), "10 + 90 + 10 ms by three");
    assert_eq!(summary.balance(), Ok(()));
}

#[test]
fn a_run_without_frames_has_a_summary_too() {
    let summary = run([]).summary;
    assert_eq!(summary.balance(), Ok(()));
    assert_eq!((summary.total.effective, summary.total.frames_per_s), (None, None));
    assert!(summary.to_string().starts_with("0 frames in 0.0 s, - answered in time\n"));
}

#[test]
fn numbers_that_do_not_add_up_are_found() {
    let tampered = |change: fn(&mut Summary)| {
        let mut summary = two_streams();
        assert_eq!(summary.balance(), Ok(()));
        change(&mut summary);
        summary.balance().unwrap_err().to_string()
    };
    assert_eq!(
        tampered(|summary| summary.total.superseded += 1),
        "the counts of all streams do not add up: captured is 6, but the sum of the outcomes is 7"
    );
    assert_eq!(
        tampered(|summary| summary.streams[0].figures.missed_deadline += 1),
        "the counts of door do not add up: met_deadline + missed_deadline is 5, but classified + reused is 4"
    );
    assert_eq!(
        tampered(|summary| summary.total.models[0].frames = 9),
        "the counts of all streams do not add up: classified is 3, but the sum over the models is 11"
    );
    assert_eq!(
        tampered(|summary| summary.total.runs = 4),
        "the counts of all streams do not add up: runs is 4, but the sum over the models is 3"
    );
    assert_eq!(
        tampered(|summary| summary.total.reused_nearly_equal = 1),
        tampered(|summary| summary.total.reused_same_scene = 1),
        "the counts of all streams do not add up: reused is 1, but the sum over the reasons is 2"
    );
    assert_eq!(
        tampered(|summary| drop(summary.streams.pop())),
        "the counts of all streams do not add up: captured is 6, but the sum over the streams is 5"
    );
}
