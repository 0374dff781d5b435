//! Frames of several streams that share runs of a model.
//!
//! `together` takes tens of milliseconds for a run, and no longer for one of four frames: while it runs,
//! frames of the other streams come and wait, and get the next run together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::{
    BLUE, Clip, Codec, Colour, Finished, GREEN, Models, Program, RED, Record, VIDEO, draw,
    quick_then_large, with_knowledge,
};

/// A second of each of these colours, as a clip of its own.
fn clips(colours: &[(&str, Colour)]) -> (TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let clip = |(name, colour): &(&str, Colour)| {
        let path = directory.path().join(format!("{name}.avi"));
        Clip::of((64, 48), 30, &[*colour]).write(&path, Codec::Avi);
        path
    };
    let clips = colours.iter().map(clip).collect();
    (directory, clips)
}

const COLOURS: [(&str, Colour); 3] = [("red", RED), ("green", GREEN), ("blue", BLUE)];

fn replay(program: Program, clips: &[PathBuf]) -> Finished {
    let program = clips.iter().fold(program, |program, clip| program.arg(clip));
    program.with_summary().run().with_code(0)
}

/// How many frames shared the last run on this one; `None` if none ran.
fn batch(record: &Record) -> Option<u64> {
    let last = record.0["runs"].as_array()?.last()?;
    Some(last["batch"].as_u64().unwrap_or(1))
}

/// How many answers came of runs of 1, 2, ... frames.
fn by_batch(records: &[Record]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for frames in records.iter().filter_map(batch) {
        *counts.entry(frames).or_default() += 1;
    }
    counts
}

fn is_labelled_by_its_stream(record: &Record) -> bool {
    record.outcome() != "classified" || record.stream().contains(record.label())
}

#[test]
fn frames_of_several_cameras_share_runs_and_each_gets_its_own_answer() {
    let models = Models::of(&["together"]);
    let (_directory, clips) = clips(&COLOURS);
    let program = models.replay("--model together --realtime --budget 2s -vv");
    let finished = replay(program, &clips);
    let records = finished.records();
    assert_eq!(records.len(), 90);
    assert!(records.iter().all(is_labelled_by_its_stream), "{}", finished.stderr);
    let counts = by_batch(&records);
    let shared: usize = counts.range(2..).map(|(_, count)| count).sum();
    assert!(shared > 10 && counts.keys().all(|frames| (1..=4).contains(frames)), "{counts:?}");
    for record in records.iter().filter(|record| record.outcome() == "classified") {
        assert_eq!((record.model(), record.reason()), ("together", "fixed"));
        assert_eq!(record.0["considered"].as_array().unwrap().len(), 1, "each was decided once");
    }
}

#[test]
fn by_default_every_frame_has_a_run_of_its_own() {
    let models = Models::of(&["together"]);
    models.edit("together.toml", "batch = 4", "");
    let (_directory, clips) = clips(&COLOURS);
    let finished = replay(models.replay("--model together --realtime --budget 2s"), &clips);
    assert!(!finished.stdout.contains("\"batch\""), "{}", finished.stdout);
    assert!(finished.records().iter().all(is_labelled_by_its_stream));
}

#[test]
fn where_only_work_counts_no_run_is_shared() {
    let models = Models::of(&["together"]);
    let (_directory, clips) = clips(&COLOURS[..2]);
    let finished = replay(models.replay("--model together --budget 10s"), &clips);
    let records = finished.records();
    assert_eq!(by_batch(&records), [(1, 60)].into());
    assert!(records.iter().all(is_labelled_by_its_stream));
}

#[test]
fn frames_that_come_back_for_another_model_share_its_runs() {
    // On one core: of three frames that come at once the first has a run of its own, the others share one,
    // and so come back at the same time.
    let models = with_knowledge(["together", "together_too"], Some(quick_then_large(VIDEO)));
    let directory = tempfile::tempdir().unwrap();
    // Hardly coloured, so that the first model doubts, and another scene in every frame.
    let tinted = |channel: usize, level: u8| -> Colour {
        let mut colour = [level; 3];
        colour[channel] += 8;
        colour
    };
    let clip = |channel: usize| {
        let path = directory.path().join(format!("{}.avi", COLOURS[channel].0));
        let frames: Vec<Colour> =
            (0..90).map(|frame| tinted(channel, if frame % 20 < 10 { 40 } else { 220 })).collect();
        Clip { size: (64, 48), frames }.write(&path, Codec::Avi);
        path
    };
    let clips: Vec<PathBuf> = (0..3).map(clip).collect();
    let program = models.replay("--policy adaptive --realtime --budget 2s --every 10 --cores 1");
    let finished = replay(program, &clips);
    let records = finished.records();
    let again = |record: &&Record| record.0["runs"].as_array().is_some_and(|runs| runs.len() == 2);
    let again: Vec<Record> = records.iter().filter(again).cloned().collect();
    let counts = by_batch(&again);
    assert!(counts.range(2..).any(|(_, count)| *count > 0), "{counts:?}");
    assert!(again.iter().all(is_labelled_by_its_stream), "{}", finished.stdout);
}

/// What a replay with a model says that cannot start.
fn refuses(models: &Models, model: &str, code: i32, words: &[&str]) {
    let images = tempfile::tempdir().unwrap();
    draw(&images.path().join("1.png"), (64, 48), RED);
    models.replay("--model").arg(model).arg(images.path()).refusal(code, words);
}

#[test]
fn numbers_of_frames_that_make_no_sense_are_named() {
    for (written, words) in [
        ("0", "run.batch = 0: frames that may share a run, 1 to 16"),
        ("17", "run.batch = 17"),
        ("-3", "run.batch = -3"),
        ("9223372036854775807", "run.batch = 9223372036854775807"),
        ("\"many\"", "`batch = \"many\"`"),
        ("2.5", "`batch = 2.5`"),
    ] {
        let models = Models::of(&["together"]);
        models.edit("together.toml", "batch = 4", &format!("batch = {written}"));
        refuses(&models, "together", 78, &["together.toml", words]);
    }
}

#[test]
fn a_model_that_takes_one_frame_at_a_time_says_so() {
    let models = Models::of(&["colour"]);
    models.edit("colour.toml", "[golden]", "[run]\nbatch = 2\n\n[golden]");
    let words =
        ["colour.onnx", "run.batch = 2", "batch axis of its input is fixed", "leave run.batch out"];
    refuses(&models, "colour", 69, &words);
}

#[test]
fn a_model_that_mixes_up_the_frames_of_a_run_is_refused() {
    let models = Models::of(&["mixes"]);
    let words = ["model mixes gives other answers", "2 frames share a run", "mixes.toml"];
    refuses(&models, "mixes", 69, &words);
    models.edit("mixes.toml", "batch = 2", "batch = 1");
    let images = tempfile::tempdir().unwrap();
    draw(&images.path().join("1.png"), (64, 48), RED);
    let records = models.replay("--model mixes --budget 10s").arg(images.path()).records();
    assert_eq!(records[0].label(), "red", "alone it is right");
}
