//! Runs in which much goes wrong at once: every frame has one outcome all the same.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{BLUE, Clip, Codec, Finished, GREEN, Models, RED, Record, Signal};

/// The records, which are as many as frames were captured; the summary adds up with them.
fn accounted(finished: &Finished) -> Vec<Record> {
    let records = finished.records();
    assert_eq!(finished.total("captured"), records.len() as u64);
    records
}

fn count(records: &[Record], outcome: &str) -> usize {
    records.iter().filter(|record| record.outcome() == outcome).count()
}

#[test]
fn every_model_fails_on_every_frame() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 40, &[RED]).write(&clip, Codec::Avi);
    let models = Models::of(&["fails_on_red", "nan_on_red"]);
    for pace in ["", "--realtime"] {
        let replay = models.replay("--policy random --budget 10s").args(pace).arg(&clip);
        let finished = replay.with_summary().run();
        let records = accounted(&finished);
        assert_eq!(records.len(), 40, "{pace}: {}", finished.stderr);
        assert!(count(&records, "failed") > 0, "{pace}: {}", finished.stderr);
        for record in &records {
            match record.outcome() {
                "failed" => assert_eq!((record.reason(), &record.0["stage"]), failure()),
                "superseded" | "expired" => assert_eq!(pace, "--realtime", "{}", record.0),
                other => panic!("{other}: {}", record.0),
            }
        }
    }
}

fn failure() -> (&'static str, &'static Value) {
    static STAGE: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| "inference".into());
    ("stage_failed", &STAGE)
}

#[test]
fn the_only_model_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    let runs = [(GREEN, 60), (RED, 4), (GREEN, 3000)];
    let frames = runs.iter().flat_map(|(colour, count)| vec![*colour; *count]).collect();
    Clip { size: (64, 48), frames }.write(&clip, Codec::Avi);
    let config = directory.path().join("late.toml");
    let late = "[late]\nmargin = \"1ms\"\nfence_after = \"200ms\"\n";
    let stream = "[[stream]]\nname = \"unused\"\nsource = \"clip.avi\"\nbudget = \"1s\"\n";
    fs::write(&config, [late, stream].concat()).unwrap();
    let models = Models::of(&["stuck_on_red"]);
    let replay = models.replay("--model stuck_on_red --realtime --budget 300ms --config");
    let mut running = replay.arg(&config).arg(&clip).with_summary().start();
    running.wait_for_records(1);
    fs::remove_file(models.file("stuck_on_red.onnx")).unwrap();
    running.wait_for_words("model stuck_on_red is lost");
    running.wait_for_more_records(30);
    running.signal(Signal::Interrupt);
    let words = ["model stuck_on_red is taken out", "it cannot be built anew", "1 lost"];
    let finished = running.finish().with_code(1).saying(&words);
    let records = accounted(&finished);
    let late = records.iter().position(|record| record.outcome() == "late").expect("a red one");
    let last = &records[records.len() - 30..];
    assert!(late < records.len() - 30, "{late}");
    for record in last {
        assert!(["expired", "superseded", "abandoned"].contains(&record.outcome()), "{}", record.0);
        assert!(record.outcome() != "expired" || record.0["quickest"].is_null(), "{}", record.0);
    }
    assert!(count(last, "expired") > 0, "{:?}", last[0].0);
}

/// A clip in Matroska whose second half says that it is from when the first was.
fn write_backwards(path: &Path) {
    Clip::of((64, 48), 15, &[RED, GREEN]).write(path, Codec::Mkv);
    let mut bytes = fs::read(path).unwrap();
    // In a block: track 1, milliseconds since its cluster began (16 bits), flags, a picture as JPEG.
    let is_block =
        |at: &usize| bytes[*at] == 0x81 && bytes[at + 4..].starts_with(&[0xff, 0xd8, 0xff]);
    let blocks: Vec<usize> = (0..bytes.len() - 8).filter(is_block).collect();
    assert_eq!(blocks.len(), 30, "one for each frame");
    for (number, at) in blocks.into_iter().enumerate().skip(15) {
        let of_cluster = i16::from_be_bytes([bytes[at + 1], bytes[at + 2]]);
        let cluster = number as i16 * 100 / 3 - of_cluster;
        let back = (number as i16 - 15) * 100 / 3 - cluster;
        bytes[at + 1..at + 3].copy_from_slice(&back.to_be_bytes());
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_clip_whose_time_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.mkv");
    write_backwards(&clip);
    let models = Models::of(&["colour"]);
    for arguments in ["", "--realtime", "--target-rate 10", "--realtime --target-rate 10"] {
        let replay = models.replay("--model colour --budget 10s").args(arguments).arg(&clip);
        let finished = replay.with_summary().run().with_code(0);
        let records = accounted(&finished);
        assert_eq!(records.len(), 30, "{arguments}: {}", finished.stderr);
        // GStreamer's decoder has time stand still rather than go back.
        let times: Vec<_> =
            records.iter().filter_map(|record| record.0["pts_ns"].as_u64()).collect();
        assert!(times.len() == 30 && times.is_sorted(), "{arguments}: {times:?}");
        assert!(times[16..].iter().all(|time| *time == times[15]), "{arguments}: {times:?}");
        let answered = records.iter().filter(|record| record.outcome() == "classified");
        let (red, green) = answered.partition::<Vec<_>, _>(|record| record.frame() < 15);
        assert!(!red.is_empty(), "{arguments}: {}", finished.stderr);
        assert!(red.iter().all(|record| record.label() == "red"), "{arguments}");
        assert!(green.iter().all(|record| record.label() == "green"), "{arguments}");
        match arguments {
            "" => assert_eq!((red.len(), green.len()), (15, 15)),
            "--target-rate 10" => assert_eq!((red.len(), green.len()), (5, 0), "none is due"),
            _ => {}
        }
    }
}

#[test]
fn a_recording_that_floods_waits_for_the_models() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 500, &[RED, GREEN, BLUE]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let replay = models.replay("--model colour --budget 10s").arg(&clip).arg(&clip);
    let finished = replay.with_summary().run().with_code(0);
    let records = accounted(&finished);
    assert_eq!((records.len(), count(&records, "classified")), (3000, 3000));
}

#[test]
fn cameras_that_flood_lose_frames_and_nothing_else() {
    let models = Models::of(&["slow"]);
    let mut replay = models.replay("--model slow --realtime --budget 400ms");
    for _ in 0..4 {
        replay = replay.arg("test://ball?width=64&height=48&fps=240&frames=720");
    }
    let finished = replay.with_summary().run().with_code(0);
    let records = accounted(&finished);
    let given_up = count(&records, "superseded") + count(&records, "expired");
    assert!(given_up > records.len() / 2, "{}", finished.stderr);
    assert!(count(&records, "classified") > 0, "{}", finished.stderr);
    let others = count(&records, "late") + count(&records, "classified");
    assert_eq!(given_up + others, records.len());
}
