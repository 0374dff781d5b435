//! Image files as streams.

use std::fs;

use image::{DynamicImage, GrayAlphaImage, GrayImage, LumaA, Rgba, RgbaImage};

use crate::harness::{BLUE, GREEN, Models, RED, Record, draw, picture};

#[test]
fn a_directory_of_images_of_all_kinds_and_sizes() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    draw(&file("1.png"), (1, 1), RED);
    draw(&file("2.png"), (321, 241), GREEN);
    draw(&file("3.jpg"), (642, 480), BLUE);
    draw(&file("10.jpg"), (3840, 2160), RED);
    draw(&file("11.bmp"), (7, 500), GREEN);
    draw(&file("12.webp"), (500, 7), BLUE);
    draw(&file("13.ppm"), (2, 2), RED);
    RgbaImage::from_pixel(33, 33, Rgba([0, 255, 0, 255])).save(file("14.png")).unwrap();
    DynamicImage::from(picture((20, 20), BLUE)).into_rgb16().save(file("15.png")).unwrap();
    GrayImage::from_pixel(40, 30, image::Luma([90])).save(file("20.png")).unwrap();
    GrayAlphaImage::from_pixel(40, 30, LumaA([90, 0])).save(file("21.png")).unwrap();
    fs::write(file("notes.txt"), "not an image, and not taken for one").unwrap();
    fs::create_dir(file("below.png")).unwrap();

    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(directory.path()).records();
    let names: Vec<&str> = records.iter().map(Record::file_name).collect();
    let natural_order = [
        "1.png", "2.png", "3.jpg", "10.jpg", "11.bmp", "12.webp", "13.ppm", "14.png", "15.png",
        "20.png", "21.png",
    ];
    assert_eq!(names, natural_order);
    let labels: Vec<&str> = records.iter().map(Record::label).collect();
    let colours = ["red", "green", "blue"].repeat(3);
    assert_eq!(labels[..9], colours);
    for grey in &records[9..] {
        assert!(grey.confidence() < 0.34, "grey is as much red as green and blue: {}", grey.0);
    }
}

#[test]
fn a_glob_of_images() {
    let directory = tempfile::tempdir().unwrap();
    for (name, colour) in [("a1.png", RED), ("a2.png", BLUE), ("b1.png", GREEN)] {
        draw(&directory.path().join(name), (20, 10), colour);
    }
    let models = Models::of(&["colour"]);
    let replay = models.replay("--model colour --budget 10s");
    let records = replay.arg(directory.path().join("a*.png")).records();
    let labels: Vec<&str> = records.iter().map(Record::label).collect();
    assert_eq!(labels, ["red", "blue"]);
}

#[test]
fn one_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("one.JPG");
    draw(&directory.path().join("one.jpg"), (100, 80), BLUE);
    fs::rename(directory.path().join("one.jpg"), &image).unwrap();
    let models = Models::of(&["colour"]);
    let records = models.replay("--model colour --budget 10s").arg(&image).records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].label(), records[0].class()), ("blue", 2));
    assert!(records[0].0["pts_ns"].is_null());
}

#[test]
fn images_by_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..10 {
        draw(&directory.path().join(format!("{number}.png")), (20, 10), GREEN);
    }
    let models = Models::of(&["colour"]);
    let records =
        models.replay("--model colour --realtime --budget 10s").arg(directory.path()).records();
    assert_eq!(records.len(), 10);
    let answered = records.iter().filter(|record| record.outcome() == "classified");
    assert!(answered.clone().count() > 0);
    assert!(answered.clone().all(|record| record.label() == "green"));
}
