//! Clips, replayed as fast as the models go: every frame, in order, with its right label.

use std::fs;

use crate::harness::{BLUE, Clip, Codec, Colour, GREEN, Models, RED, Record, classifyd, text};

const RED_GREEN_BLUE: [Colour; 3] = [RED, GREEN, BLUE];

fn labels(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::label).collect()
}

/// The labels of a clip of `length` red, then green, then blue frames.
fn red_green_blue(length: usize) -> Vec<&'static str> {
    ["red", "green", "blue"].iter().flat_map(|label| std::iter::repeat_n(*label, length)).collect()
}

/// Replays a clip of six frames, two in each colour, and expects their labels.
fn replays_well(name: &str, size: (u32, u32), codec: Codec) {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join(name);
    Clip::of(size, 2, &RED_GREEN_BLUE).write(&clip, codec);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    assert_eq!(labels(&records), red_green_blue(2), "{codec:?}");
    for record in &records {
        assert_eq!(record.stream(), name);
        assert!(record.met_deadline(), "{:?}", record.0);
        assert_eq!(record.0["provider"], "cpu");
        assert_eq!(record.reason(), "fixed");
    }
}

#[test]
fn h264_in_mp4() {
    replays_well("clip.mp4", (64, 48), Codec::Mp4);
}

#[test]
fn h264_with_odd_sides() {
    replays_well("odd.mp4", (321, 241), Codec::Mp4);
}

#[test]
fn h264_whose_rows_are_padded() {
    replays_well("padded.mp4", (642, 362), Codec::Mp4);
}

#[test]
fn motion_jpeg_in_avi() {
    replays_well("clip.avi", (321, 241), Codec::Avi);
}

#[test]
fn vp8_in_webm() {
    replays_well("clip.webm", (64, 48), Codec::WebM);
}

#[test]
fn theora_in_ogg() {
    replays_well("clip.ogg", (64, 48), Codec::Ogg);
}

#[test]
fn video_without_a_container() {
    replays_well("clip.h264", (64, 48), Codec::BareH264);
}

#[test]
fn video_of_one_pixel() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("dot.mkv");
    // The elements that make the clip mix up frames of one pixel, so they are all alike.
    Clip::of((1, 1), 4, &[GREEN]).write(&clip, Codec::Mkv);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    assert_eq!(labels(&records), ["green"; 4]);
}

#[test]
fn video_in_4k() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("large.avi");
    Clip::of((3840, 2160), 1, &[RED, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    assert_eq!(labels(&records), ["red", "blue"]);
}

#[test]
fn grey_video() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("grey.avi");
    Clip::of((64, 48), 2, &RED_GREEN_BLUE).write(&clip, Codec::GreyAvi);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    assert_eq!(records.len(), 6);
    let undecided = |record: &Record| record.confidence() < 0.4;
    assert!(records.iter().all(undecided), "grey is as much red as green and blue");
}

#[test]
fn a_stream_that_changes_its_size_half_way() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    Clip::of((64, 48), 2, &RED_GREEN_BLUE).write(&file("small.h264"), Codec::BareH264);
    Clip::of((322, 180), 2, &RED_GREEN_BLUE).write(&file("large.h264"), Codec::BareH264);
    let [small, large] = ["small.h264", "large.h264"].map(|name| fs::read(file(name)).unwrap());
    fs::write(file("both.h264"), [small, large].concat()).unwrap();
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(file("both.h264")).records();
    assert_eq!(labels(&records), [red_green_blue(2), red_green_blue(2)].concat());
}

#[test]
fn presentation_times_are_the_clips() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.webm");
    Clip::of((64, 48), 10, &RED_GREEN_BLUE).write(&clip, Codec::WebM);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    let times: Vec<u64> = records.iter().map(|r| r.0["pts_ns"].as_u64().unwrap()).collect();
    for pair in times.windows(2) {
        let milliseconds = (pair[1] - pair[0]) as f64 / 1e6;
        assert!((32.0..35.0).contains(&milliseconds), "one thirtieth of a second: {milliseconds}");
    }
}

#[test]
fn streams_side_by_side_keep_their_own_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    Clip::of((64, 48), 20, &RED_GREEN_BLUE).write(&file("a.mp4"), Codec::Mp4);
    Clip::of((80, 60), 10, &[BLUE, RED]).write(&file("b.avi"), Codec::Avi);
    let models = Models::of(&["colour"]);
    let program = models.replay("--model colour --budget 10s");
    let finished = program
        .arg(file("a.mp4"))
        .arg(file("b.avi"))
        .arg(file("a.mp4"))
        .with_summary()
        .run()
        .with_code(0);
    let records = finished.records();
    let of = |stream: &str| -> Vec<&str> {
        let records = records.iter().filter(|record| record.stream() == stream);
        records.map(Record::label).collect()
    };
    assert_eq!(of("a.mp4"), red_green_blue(20));
    assert_eq!(of("a.mp4-2"), red_green_blue(20), "the second of that name");
    assert_eq!(of("b.avi"), [["blue"; 10], ["red"; 10]].concat());
    assert_eq!(finished.total("captured"), 140);
    assert_eq!(finished.summary()["streams"].as_array().unwrap().len(), 3);
}

#[test]
fn the_same_file_gives_the_same_answers_in_another_run() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.mp4");
    Clip::of((64, 48), 20, &RED_GREEN_BLUE).write(&clip, Codec::Mp4);
    let models = Models::of(&["colour", "slow", "red"]);
    let answers = || -> Vec<_> {
        let program = models.replay("--policy random --seed 7 --budget 10s");
        let records = program.arg(&clip).records();
        records
            .iter()
            .map(|record| (record.0["model"].clone(), record.0["labels"].clone()))
            .collect()
    };
    assert_eq!(answers(), answers());
}

#[test]
fn frames_between_reuse_the_answer_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 2, &RED_GREEN_BLUE).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --every 3 --budget 10s").arg(&clip).records();
    let outcomes: Vec<&str> = records.iter().map(Record::outcome).collect();
    assert_eq!(outcomes, ["classified", "reused", "reused"].repeat(2));
    // Frames 0 to 5 are red, red, green, green, blue, blue.
    assert_eq!(labels(&records), ["red", "red", "red", "green", "green", "green"]);
    let source = |record: &Record| record.0["reused_from"].as_u64();
    let sources: Vec<_> = records.iter().map(source).collect();
    assert_eq!(sources, [None, Some(0), Some(0), None, Some(3), Some(3)]);
    for reused in records.iter().filter(|record| record.outcome() == "reused") {
        assert_eq!((reused.model(), reused.reason()), ("colour", "between_classified_frames"));
    }
}

#[test]
fn as_many_labels_as_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 1, &[[255, 100, 0]]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    for (asked, given) in [("1", 1), ("2", 2), ("3", 3), ("50", 3)] {
        let program = models.replay("--model colour --budget 10s --top-k").arg(asked);
        let records = program.arg(&clip).records();
        let labels = records[0].0["labels"].as_array().unwrap();
        let names: Vec<&str> = labels.iter().map(|l| l["label"].as_str().unwrap()).collect();
        assert_eq!(names, ["red", "green", "blue"][..given]);
    }
}

#[test]
fn a_model_with_other_layout_channels_and_background() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.webm");
    Clip::of((64, 48), 2, &RED_GREEN_BLUE).write(&clip, Codec::WebM);
    let models = Models::of(&["colour", "colour_nhwc"]);
    let program = models.replay("--model colour_nhwc --budget 10s");
    let records = program.arg(&clip).records();
    assert_eq!(labels(&records), red_green_blue(2));
    let classes: Vec<u64> = records.iter().map(Record::class).collect();
    assert_eq!(classes, [0, 0, 1, 1, 2, 2], "the background is no class");
}

#[test]
fn the_summary_of_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 4, &RED_GREEN_BLUE).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let program = models.replay("--model colour --every 2 --budget 10s").arg(&clip);
    let finished = program.with_summary().run().with_code(0).saying(&["12 frames in", "colour"]);
    let total = &finished.summary()["total"];
    assert_eq!((total["classified"].as_u64(), total["reused"].as_u64()), (Some(6), Some(6)));
    assert_eq!((total["effective"].as_f64(), total["late"].as_u64()), (Some(1.0), Some(0)));
    let model = &total["models"][0];
    assert_eq!((model["model"].as_str(), model["frames"].as_u64()), (Some("colour"), Some(6)));
    assert_eq!((model["provider"].as_str(), model["share"].as_f64()), (Some("cpu"), Some(1.0)));
    assert!(total["wall_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn stdout_holds_records_and_stderr_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 1, &RED_GREEN_BLUE).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let finished = models.replay("--model colour -vvv --budget 10s").arg(&clip).run().with_code(0);
    assert_eq!(finished.records().len(), 3);
    let quiet = models.replay("--model colour --quiet --budget 10s").arg(&clip).run().with_code(0);
    assert_eq!(quiet.records().len(), 3);
    assert!(!quiet.stderr.contains("warn"), "{}", quiet.stderr);
}

#[test]
fn a_path_with_special_characters_is_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("my \"clip\" [1] ä=?!.avi");
    Clip::of((64, 48), 1, &RED_GREEN_BLUE).write(&directory.path().join("clip.avi"), Codec::Avi);
    fs::rename(directory.path().join("clip.avi"), &clip).unwrap();
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&clip).records();
    assert_eq!(labels(&records), red_green_blue(1));
}

#[test]
fn a_file_uri_is_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("a%20clip.avi");
    Clip::of((64, 48), 1, &RED_GREEN_BLUE).write(&clip, Codec::Avi);
    let uri = format!("file://{}", text(&clip).replace("%20", "%2520"));
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(uri).records();
    assert_eq!(labels(&records), red_green_blue(1));
}

#[test]
fn a_test_pattern_that_ends() {
    let models = Models::of(&["colour"]);
    let program = models.replay("--model colour --budget 10s");
    let finished =
        program.arg("test://red?frames=5&width=64&height=48").with_summary().run().with_code(0);
    assert_eq!(finished.total("captured"), 5);
    let red = |record: &Record| record.outcome() != "classified" || record.label() == "red";
    assert!(finished.records().iter().all(red));
}

#[test]
fn settings_come_from_a_configuration_too() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 1, &RED_GREEN_BLUE).write(&clip, Codec::Avi);
    let models = Models::of(&["colour", "red"]);
    let config = directory.path().join("classifyd.toml");
    let settings = format!(
        "models.directory = {:?}\npolicy.kind = \"fixed:red\"\noutput.top_k = 2\n\
         [[stream]]\nname = \"a\"\nsource = \"clip.avi\"\nbudget = \"1s\"\n",
        models.path()
    );
    fs::write(&config, settings).unwrap();
    let replay = || classifyd("replay --budget 10s --config").arg(&config).arg(&clip);
    let records = replay().records();
    assert_eq!(labels(&records), ["red"; 3]);
    assert_eq!(records[0].0["labels"].as_array().unwrap().len(), 2);
    let records = replay().args("--model colour --top-k 1").records();
    assert_eq!(labels(&records), red_green_blue(1), "the command line goes first");
    assert_eq!(records[0].0["labels"].as_array().unwrap().len(), 1);
}
