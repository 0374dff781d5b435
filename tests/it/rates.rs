//! Streams that are classified at a lower rate than they have.

use crate::harness::{
    BLUE, Clip, Codec, GREEN, Models, RED, Record, VIDEO, draw, quick_then_large, with_knowledge,
};

/// A clip of ten frames of each colour, a third of a second each.
fn clip(directory: &tempfile::TempDir) -> std::path::PathBuf {
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 10, &[RED, GREEN, BLUE]).write(&clip, Codec::Avi);
    clip
}

fn numbers(records: &[Record], outcome: &str) -> Vec<u64> {
    let of = records.iter().filter(|record| record.outcome() == outcome);
    of.map(Record::frame).collect()
}

#[test]
fn frames_beyond_the_target_rate_get_no_model() {
    let directory = tempfile::tempdir().unwrap();
    let models = Models::of(&["colour"]);
    let replay = models.replay("--model colour --budget 10s --target-rate 10");
    let finished = replay.arg(clip(&directory)).with_summary().run().with_code(0);
    let records = finished.records();
    assert_eq!(numbers(&records, "classified"), (0..30).step_by(3).collect::<Vec<_>>());
    assert_eq!(finished.total("skipped"), 20);
    for record in records.iter().filter(|record| record.outcome() == "skipped") {
        assert_eq!((record.reason(), record.met_deadline()), ("above_target_rate", false));
        assert!(record.0["timings_ms"]["inference"].is_null(), "{}", record.0);
    }
}

#[test]
fn a_frame_beyond_the_target_rate_takes_over_the_answer_of_its_scene() {
    let directory = tempfile::tempdir().unwrap();
    let models = with_knowledge(["colour", "slow"], Some(quick_then_large(VIDEO)));
    let replay = models.replay("--policy adaptive --budget 10s --target-rate 10");
    let records = replay.arg(clip(&directory)).records();
    // Frames 12 and 21 are the first that may run after the cuts before frames 10 and 20.
    assert_eq!(numbers(&records, "skipped"), [10, 11, 20]);
    let answered = |record: &&Record| record.outcome() != "skipped";
    for record in records.iter().filter(answered) {
        let place = record.frame() as usize / 10;
        assert_eq!(record.label(), ["red", "green", "blue"][place], "{}", record.0);
    }
    let ran = numbers(&records, "classified");
    assert!(ran.iter().all(|number| number.is_multiple_of(3)), "{ran:?}");
}

#[test]
fn a_rate_above_that_of_the_clip_and_images_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let models = Models::of(&["colour"]);
    let replay = || models.replay("--model colour --budget 10s --target-rate");
    let records = replay().arg("60").arg(clip(&directory)).records();
    assert_eq!(numbers(&records, "classified").len(), 30);
    let image = directory.path().join("red.png");
    draw(&image, (50, 40), RED);
    let records = replay().arg("0.001").arg(&image).arg(&image).records();
    assert_eq!(numbers(&records, "classified").len(), 2);
}

#[test]
fn what_is_no_target_rate_is_refused() {
    let models = Models::of(&["colour"]);
    for rate in ["0", "-5", "1001", "often"] {
        let replay = models.replay("--model colour --target-rate").arg(rate).arg("test://ball");
        replay.refusal(64, &["--target-rate", "frames per second", rate]);
    }
    let both = models.replay("--model colour --target-rate 5 --every 2 test://ball");
    both.refusal(64, &["--target-rate", "--every"]);
}
