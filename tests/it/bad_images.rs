//! Image files that are damaged, empty or no images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{BLUE, GREEN, Models, RED, Record, damaged, draw};

/// Replays the images of `directory`; a record for each, by file name.
fn replay(directory: &Path) -> Vec<Record> {
    Models::of(&["colour"]).replay("--model colour --budget 10s").arg(directory).records()
}

#[test]
fn bad_images_fail_and_good_ones_among_them_are_classified() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    draw(&file("1.jpg"), (64, 48), RED);
    draw(&file("2.png"), (64, 48), GREEN);
    draw(&file("9.jpg"), (64, 48), BLUE);
    let jpeg = fs::read(file("1.jpg")).unwrap();
    let png = fs::read(file("2.png")).unwrap();
    fs::write(file("3_cut.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    fs::write(file("4_cut.png"), &png[..png.len() / 2]).unwrap();
    fs::write(file("5_empty.jpg"), "").unwrap();
    fs::write(file("6_text.png"), "no image").unwrap();
    fs::write(file("7_no_pixels.ppm"), "P6 0 0 255\n").unwrap();
    fs::write(file("8_monstrous.ppm"), "P6 60000 60000 255\n").unwrap();

    let records = replay(directory.path());
    let outcomes: Vec<(&str, &str)> =
        records.iter().map(|record| (record.file_name(), record.outcome())).collect();
    let expected = [
        ("1.jpg", "classified"),
        ("2.png", "classified"),
        ("3_cut.jpg", "failed"),
        ("4_cut.png", "failed"),
        ("5_empty.jpg", "failed"),
        ("6_text.png", "failed"),
        ("7_no_pixels.ppm", "failed"),
        ("8_monstrous.ppm", "failed"),
        ("9.jpg", "classified"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(records[8].label(), "blue");
    for failed in records.iter().filter(|record| record.outcome() == "failed") {
        assert_eq!(failed.0["stage"], "capture");
    }
    assert!(records[2].error().contains("truncated"), "{}", records[2].0);
    assert!(records[4].error().contains("empty"), "{}", records[4].0);
}

#[test]
fn flipped_bits_fail_or_show_but_lose_no_image() {
    let directory = tempfile::tempdir().unwrap();
    for (extension, colour) in [("jpg", RED), ("png", GREEN), ("webp", BLUE), ("bmp", RED)] {
        let original = directory.path().join(format!("0_good.{extension}"));
        draw(&original, (64, 48), colour);
        let whole = fs::read(&original).unwrap();
        for seed in 0..12 {
            let flipped = damaged(&whole, 0, 1 + whole.len() / 300, seed);
            fs::write(directory.path().join(format!("{seed}_bad.{extension}")), flipped).unwrap();
        }
    }
    let records = replay(directory.path());
    assert_eq!(records.len(), 4 * 13);
    for record in &records {
        assert!(["classified", "failed"].contains(&record.outcome()), "{}", record.0);
        let good = record.file_name().starts_with("0_good");
        assert!(!good || record.outcome() == "classified", "{}", record.0);
    }
}

#[test]
fn an_image_that_is_called_a_video_and_a_video_that_is_called_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.png");
    draw(&image, (64, 48), RED);
    let misnamed = directory.path().join("image.jpg");
    fs::copy(&image, &misnamed).unwrap();
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&misnamed).records();
    assert_eq!(records[0].label(), "red", "the content counts, not the name");
}

#[test]
fn a_pattern_that_matches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let models = Models::of(&["colour"]);
    let pattern = directory.path().join("*.png");
    models.replay("--model colour").arg(pattern).refusal(66, &["*.png", "no image"]);
    let pattern = directory.path().join("[.png");
    models.replay("--model colour").arg(pattern).refusal(64, &["[.png", "pattern"]);
}

#[test]
fn a_directory_that_may_not_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let locked = directory.path().join("locked");
    fs::create_dir(&locked).unwrap();
    draw(&locked.join("1.png"), (8, 8), RED);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if locked.read_dir().is_ok() {
        eprintln!("skipped: permissions do not bind this user");
        return;
    }
    let models = Models::of(&["colour"]);
    let replay = models.replay("--model colour").arg(&locked);
    replay.refusal(66, &["locked", "Permission denied"]);
}

#[test]
fn an_image_that_may_not_be_read_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let locked = directory.path().join("1.png");
    draw(&locked, (8, 8), RED);
    draw(&directory.path().join("2.png"), (8, 8), GREEN);
    std::os::unix::fs::symlink("gone", directory.path().join("3.png")).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let may_read = fs::read(&locked).is_ok();
    let records = replay(directory.path());
    let outcomes: Vec<&str> = records.iter().map(Record::outcome).collect();
    let first = if may_read { "classified" } else { "failed" };
    assert_eq!(outcomes, [first, "classified", "failed"]);
    assert!(records[2].error().contains("cannot be read"), "{}", records[2].0);
}

#[test]
fn a_named_pipe_among_images_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("1.png");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    draw(&directory.path().join("2.png"), (8, 8), GREEN);
    let records = replay(directory.path());
    let of = |name: &str| records.iter().find(|record| record.file_name() == name);
    assert_eq!(of("2.png").map(Record::label), Some("green"));
    assert!(of("1.png").is_none_or(|record| record.outcome() == "failed"));
}

#[test]
fn an_image_that_goes_away_while_others_are_worked_on() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..30 {
        draw(&directory.path().join(format!("{number}.png")), (64, 48), RED);
    }
    let models = Models::of(&["slow"]);
    let mut running =
        models.replay("--model slow --budget 10s").arg(directory.path()).with_summary().start();
    running.wait_for_records(1);
    fs::remove_file(directory.path().join("29.png")).unwrap();
    let finished = running.finish().with_code(0);
    let records = finished.records();
    assert_eq!(finished.total("captured"), 30);
    assert_eq!(records[29].outcome(), "failed");
    assert!(records[29].error().contains("cannot be read"), "{}", records[29].0);
}
