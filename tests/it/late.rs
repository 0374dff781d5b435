//! Runs that last too long: they are ended, or their worker is fenced, and the rest goes on.
//!
//! `loops_on_red` and `stuck_on_red` answer as `colour` does, at once, but run on and on when the
//! picture is red: the one can be ended between two of its nodes, the other is in one of them.

use std::fs;
use std::path::{Path, PathBuf};

use classifyd::adaptive::TimeFit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    BLUE, Clip, Codec, Colour, Finished, GREEN, Models, Program, RED, Record, Signal, draw,
    quick_then_large, with_knowledge,
};

/// A directory with a clip of runs of frames, so many of each colour, and a configuration by which
/// a worker has `fence_after`.
struct Scene {
    directory: TempDir,
}

impl Scene {
    fn of(runs: &[(Colour, usize)], fence_after: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let frames = runs.iter().flat_map(|(colour, count)| vec![*colour; *count]).collect();
        Clip { size: (64, 48), frames }.write(&directory.path().join("clip.avi"), Codec::Avi);
        let text = format!(
            "[late]\nmargin = \"1ms\"\nfence_after = \"{fence_after}\"\n\
             [[stream]]\nname = \"unused\"\nsource = \"clip.avi\"\nbudget = \"1s\"\n"
        );
        fs::write(directory.path().join("late.toml"), text).unwrap();
        Self { directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its replay with `models`.
    fn replay(&self, models: &Models, arguments: &str) -> Program {
        self.replay_of(&self.file("clip.avi"), models, arguments)
    }

    fn replay_of(&self, source: &Path, models: &Models, arguments: &str) -> Program {
        let program = models.replay(arguments).arg("--config").arg(self.file("late.toml"));
        program.arg(source).with_summary()
    }
}

fn outcomes(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::outcome).collect()
}

fn late_work(finished: &Finished) -> Value {
    finished.summary()["late_work"].clone()
}

#[test]
fn a_run_beyond_its_deadline_is_ended_and_the_frames_after_it_are_classified() {
    let scene = Scene::of(&[(GREEN, 30), (RED, 1), (BLUE, 3)], "1s");
    let models = Models::of(&["loops_on_red"]);
    let replay = scene.replay(&models, "--model loops_on_red --budget 800ms");
    let finished = replay
        .run()
        .with_code(0)
        .saying(&["late runs: 0 frames answered without, 1 ended, 0 stuck"]);
    let records = finished.records();
    let expected = [vec!["classified"; 30], vec!["late"], vec!["classified"; 3]].concat();
    assert_eq!(outcomes(&records), expected);
    let late = &records[30];
    assert_eq!((late.reason(), &late.0["ran"]), ("run_too_long", &json!("loops_on_red")));
    assert!(late.0["timings_ms"]["inference"].as_f64().unwrap() >= 800.0, "{}", late.0);
    assert!(records[31..].iter().all(|record| record.label() == "blue"), "the session is usable");
    assert_eq!(finished.total("late"), 1);
    let ended =
        json!({"answered_without": 0, "terminated": 1, "fenced": 0, "rebuilt": 0, "lost": 0});
    assert_eq!(late_work(&finished), ended);
}

#[test]
fn by_the_clock_the_next_frames_do_not_wait_for_a_late_one() {
    // So many that one run does not count for what is expected of the next; two of them would.
    let scene = Scene::of(&[(GREEN, 60), (RED, 1), (GREEN, 60)], "1h");
    let models = Models::of(&["loops_on_red"]);
    let replay = scene.replay(&models, "--model loops_on_red --realtime --budget 200ms");
    let finished = replay.run().with_code(0);
    let records = finished.records();
    let late = records.iter().find(|record| record.outcome() == "late").expect("a red one");
    assert_eq!(late.frame(), 60, "{}", late.0);
    let after = records[61..].iter().filter(|record| record.outcome() == "classified");
    assert!(after.clone().count() > 0, "{}", finished.stderr);
    assert!(after.into_iter().all(|record| record.label() == "green"));
}

#[test]
fn a_model_that_is_stuck_leaves_its_frames_to_the_others() {
    let scene = Scene::of(&[(RED, 8), (GREEN, 20)], "1s");
    let models = Models::of(&["stuck_on_red", "colour"]);
    let finished = scene.replay(&models, "--policy random --budget 1s").run().with_code(0);
    let finished = finished.saying(&["model stuck_on_red is taken out"]);
    let records = finished.records();
    let (reds, greens) = records.split_at(8);
    let stuck = finished.total("late");
    assert!(stuck > 0 && late_work(&finished)["fenced"] == stuck, "{:?}", outcomes(reds));
    for red in reds {
        match red.outcome() {
            "classified" => assert_eq!((red.model(), red.label()), ("colour", "red")),
            "late" => assert_eq!(red.0["ran"], "stuck_on_red"),
            // It waited behind one that was stuck.
            _ => assert!(red.error().contains("stuck_on_red was taken out"), "{}", red.0),
        }
    }
    assert!(reds.iter().any(|red| red.outcome() == "classified"), "{:?}", outcomes(reds));
    assert!(greens.iter().all(|record| record.label() == "green"), "{:?}", outcomes(greens));
}

#[test]
fn a_model_that_was_stuck_comes_back_with_a_new_worker() {
    let scene = Scene::of(&[(RED, 4), (GREEN, 3000)], "200ms");
    let models = Models::of(&["stuck_on_red"]);
    let replay = scene.replay(&models, "--model stuck_on_red --realtime --budget 300ms");
    let mut running = replay.start();
    running.wait_for_words("model stuck_on_red is back in service");
    running.wait_for_more_records(60);
    running.signal(Signal::Interrupt);
    let finished = running.finish().with_code(0);
    let records = finished.records();
    assert_eq!(finished.total("captured"), records.len() as u64);
    let answered = records.iter().filter(|record| record.outcome() == "classified");
    assert!(answered.clone().count() > 0, "{}", finished.stderr);
    assert!(answered.into_iter().all(|r| (r.model(), r.label()) == ("stuck_on_red", "green")));
    assert!(finished.total("late") > 0);
    let done = late_work(&finished);
    assert_eq!(
        (&done["fenced"], &done["rebuilt"], &done["lost"]),
        (&json!(1), &json!(1), &json!(0))
    );
}

#[test]
fn a_model_that_cannot_be_built_anew_is_lost_and_the_rest_goes_on() {
    let scene = Scene::of(&[(GREEN, 90), (RED, 10), (GREEN, 3000)], "200ms");
    let models = Models::of(&["stuck_on_red", "colour"]);
    let mut running = scene.replay(&models, "--policy random --realtime --budget 300ms").start();
    running.wait_for_records(1);
    fs::remove_file(models.file("stuck_on_red.onnx")).unwrap();
    running.wait_for_words("model stuck_on_red is lost");
    running.wait_for_more_records(60);
    running.signal(Signal::Interrupt);
    let words = ["it cannot be built anew", "stuck_on_red.onnx", "1 lost"];
    let finished = running.finish().with_code(1).saying(&words);
    let records = finished.records();
    let late = records.iter().find(|record| record.outcome() == "late").expect("the stuck one");
    let after = &records[late.frame() as usize..];
    assert!(after.iter().any(|r| r.outcome() == "classified" && r.model() == "colour"));
    assert!(after.iter().all(|record| record.0["model"] != "stuck_on_red"));
    let done = late_work(&finished);
    assert_eq!(
        (&done["fenced"], &done["rebuilt"], &done["lost"]),
        (&json!(1), &json!(0), &json!(1))
    );
}

#[test]
fn the_end_does_not_wait_for_a_run_that_is_stuck() {
    let scene = Scene::of(&[(GREEN, 1)], "200ms");
    let red = scene.file("red.png");
    draw(&red, (64, 48), RED);
    let models = Models::of(&["stuck_on_red"]);
    let replay = scene.replay_of(&red, &models, "--model stuck_on_red --budget 100ms");
    let finished = replay.run().with_code(0);
    assert_eq!(outcomes(&finished.records()), ["late"]);
    assert_eq!(late_work(&finished)["fenced"], 1);
}

/// Grey to `colour`, which is undecided about it, and red enough for the other two.
const LIGHT_GREY: Colour = [230; 3];

#[test]
fn a_frame_that_has_an_answer_keeps_it_when_its_further_run_is_late() {
    let scene = Scene::of(&[(LIGHT_GREY, 1)], "500ms");
    for (large, fenced) in [("loops_on_red", 0), ("stuck_on_red", 1)] {
        let by_the_clock = ["--realtime", "--realtime --scheduler newest-wins"];
        for (pace, is_in_time) in [("", false), (by_the_clock[0], true), (by_the_clock[1], false)] {
            let models = with_knowledge(["colour", large], Some(quick_then_large(TimeFit::NONE)));
            let replay = scene.replay(&models, &format!("--policy adaptive --budget 400ms {pace}"));
            let finished = replay.run().with_code(0);
            let record = &finished.records()[0];
            assert_eq!((record.outcome(), record.model()), ("classified", "colour"));
            assert_eq!(record.0["stopped_by"], "deadline");
            assert_eq!(record.met_deadline(), is_in_time, "by the clock it is answered in time");
            assert_eq!(record.0["runs"].as_array().unwrap().len(), 1, "{}", record.0);
            let done = late_work(&finished);
            assert_eq!((&done["terminated"], &done["fenced"]), (&json!(1), &json!(fenced)));
            assert_eq!(done["answered_without"], 1);
            assert_eq!(finished.total("late"), 0);
        }
    }
}
