//! Whole pictures, from pixels to features.

use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_circle_mut, draw_filled_rect_mut};
use imageproc::rect::Rect;
use proptest::prelude::*;

use super::*;
use crate::frame::PixelFormat;

const FORMATS: [PixelFormat; 3] = [PixelFormat::Rgb, PixelFormat::Rgbx, PixelFormat::Bgrx];

/// Whether the padding after the last row is in the memory too.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Padded,
    LastPixel,
}

/// Lays `image` out with `padding` bright pixels after each row.
fn picture(image: &RgbImage, format: PixelFormat, padding: usize, ending: Ending) -> Picture {
    let stride = (image.width() as usize + padding) * format.bytes();
    let mut memory = vec![0xEE; stride * image.height() as usize];
    let [red, green, blue] = format.rgb_offsets();
    for (x, y, colour) in image.enumerate_pixels() {
        let at = y as usize * stride + x as usize * format.bytes();
        memory[at + red] = colour[0];
        memory[at + green] = colour[1];
        memory[at + blue] = colour[2];
    }
    if matches!(ending, Ending::LastPixel) {
        memory.truncate(memory.len() - padding * format.bytes());
    }
    Picture::new(format, image.dimensions(), stride, Box::new(memory)).unwrap()
}

fn extract(image: &RgbImage) -> Features {
    let picture = picture(image, PixelFormat::Rgb, 0, Ending::Padded);
    Extractor::new().extract(&picture).unwrap()
}

fn value(features: Features, name: &str) -> f32 {
    features.named().find(|(known, _)| *known == name).unwrap().1
}

/// Checks the features that are named, and that all others are 0.
fn assert_features(features: Features, expected: &[(&str, f32)]) {
    for (name, value) in features.named() {
        let expected = expected.iter().find(|(known, _)| *known == name);
        let expected = expected.map_or(0.0, |(_, value)| *value);
        assert!((value - expected).abs() < 1e-4, "{name} is {value}, not {expected}");
    }
    let unknown = expected.iter().find(|(name, _)| !Features::NAMES.contains(name));
    assert_eq!(unknown, None);
}

/// All four brightnesses, of a picture without contrast.
fn flat(brightness: f32) -> [(&'static str, f32); 4] {
    [
        ("avg_brightness", brightness),
        ("brightness_rms", brightness),
        ("avg_perceived_brightness", brightness),
        ("perceived_brightness_rms", brightness),
    ]
}

/// A scene that keeps its proportions at any size.
fn scene(width: u32, height: u32) -> RgbImage {
    let mut image = RgbImage::from_fn(width, height, |_, y| {
        if y < height / 2 { Rgb([130, 180, 240]) } else { Rgb([60, 140, 60]) }
    });
    let (w, h) = (width as i32, height as i32);
    let body = Rect::at(w / 4, h / 4).of_size(width / 4, height / 2);
    draw_filled_rect_mut(&mut image, body, Rgb([210, 60, 30]));
    draw_filled_circle_mut(&mut image, (3 * w / 4, h / 3), h / 8, Rgb([250, 240, 200]));
    image
}

#[test]
fn the_names_are_those_of_the_paper_in_its_order() {
    let first = ["n_keypoints", "avg_brightness", "brightness_rms", "avg_perceived_brightness"];
    assert_eq!(Features::NAMES[..4], first);
    assert_eq!(Features::NAMES[4..6], ["perceived_brightness_rms", "contrast"]);
    assert_eq!(Features::NAMES[20..22], ["area_by_perim", "aspect_ratio"]);
    for (start, family) in [(6, "edge_length"), (13, "edge_angle"), (22, "hue")] {
        let names: Vec<String> = (1..=7).map(|bin| format!("{family}{bin}")).collect();
        assert_eq!(Features::NAMES[start..start + 7], names);
    }
}

#[test]
fn flat_pictures_have_brightness_and_nothing_else() {
    let whole = 64.0 * 48.0 / (2.0 * (64.0 + 48.0)) / 64.0;
    let outline = [("area_by_perim", whole), ("aspect_ratio", (64.0_f32 / 48.0).log2())];
    for (level, brightness) in [(0, 0.0), (51, 0.2), (255, 1.0)] {
        let picture = RgbImage::from_pixel(64, 48, Rgb([level; 3]));
        assert_features(extract(&picture), &[&flat(brightness)[..], &outline].concat());
    }
}

#[test]
fn half_black_half_white_has_the_greatest_contrast_and_one_long_upright_edge() {
    let halves = RgbImage::from_fn(64, 64, |x, _| Rgb([if x < 32 { 0 } else { 255 }; 3]));
    let expected = [
        ("avg_brightness", 0.5),
        ("brightness_rms", 0.5_f32.sqrt()),
        ("avg_perceived_brightness", 0.5),
        ("perceived_brightness_rms", 0.5_f32.sqrt()),
        ("contrast", 0.5),
        // 60 of 64 pixels: at the outermost there is no gradient.
        ("edge_length6", 1.0),
        ("edge_angle1", 1.0),
        ("area_by_perim", 0.25),
    ];
    assert_features(extract(&halves), &expected);
}

#[test]
fn edges_are_counted_by_length_and_their_pixels_by_angle() {
    let mut picture = RgbImage::from_pixel(128, 128, Rgb([20; 3]));
    // Two level lines across the picture; between them a notch, 20 wide and 12 high.
    draw_filled_rect_mut(&mut picture, Rect::at(0, 32).of_size(128, 64), Rgb([200; 3]));
    draw_filled_rect_mut(&mut picture, Rect::at(0, 52).of_size(20, 12), Rgb([20; 3]));
    let features = extract(&picture);
    let lengths: f32 = (1..=7).map(|bin| value(features, &format!("edge_length{bin}"))).sum();
    assert!((lengths - 1.0).abs() < 1e-5, "{features:?}");
    assert!((value(features, "edge_length6") - 2.0 / 3.0).abs() < 1e-5, "{features:?}");
    assert!((value(features, "edge_length5") - 1.0 / 3.0).abs() < 1e-5, "{features:?}");
    assert!(value(features, "edge_angle4") > 0.9, "{features:?}");
    let upright = value(features, "edge_angle1");
    assert!((0.02..0.05).contains(&upright), "{features:?}");
}

#[test]
fn stripes_count_in_their_hues_and_grey_in_none() {
    let colours = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255]), Rgb([128; 3])];
    let features = extract(&RgbImage::from_fn(80, 50, |x, _| colours[x as usize / 20]));
    let hues: Vec<f32> = (1..=7).map(|bin| value(features, &format!("hue{bin}"))).collect();
    assert_eq!(hues, [0.25, 0.0, 0.25, 0.0, 0.25, 0.0, 0.0]);
}

#[test]
fn squares_on_a_board_have_four_corners_each() {
    let board = RgbImage::from_fn(220, 100, |x, y| {
        let square = (x / 20) % 2 == 1 && (y / 20) % 2 == 1;
        Rgb([if square { 230 } else { 20 }; 3])
    });
    assert!((value(extract(&board), "n_keypoints") - 10.0 * 4.0 / 2.2).abs() < 1e-4);
}

#[test]
fn a_rectangle_gives_its_outline_at_full_and_at_reduced_size() {
    let expected = 3200.0 / 240.0 / 160.0;
    for scale in [1, 8] {
        let mut image = RgbImage::from_pixel(160 * scale, 120 * scale, Rgb([20, 30, 90]));
        let at = Rect::at(40 * scale as i32, 40 * scale as i32).of_size(80 * scale, 40 * scale);
        draw_filled_rect_mut(&mut image, at, Rgb([240, 220, 40]));
        let features = extract(&image);
        assert!((value(features, "area_by_perim") - expected).abs() < 0.002, "{features:?}");
        assert!((value(features, "aspect_ratio") - 1.0).abs() < 0.03, "{features:?}");
    }
}

#[test]
fn formats_and_strides_make_no_difference() {
    for (width, height) in [(640, 360), (641, 479), (97, 31)] {
        let image = scene(width, height);
        let expected = extract(&image);
        for format in FORMATS {
            for padding in [0, 1, 5, 64] {
                for ending in [Ending::Padded, Ending::LastPixel] {
                    let picture = picture(&image, format, padding, ending);
                    let features = Extractor::new().extract(&picture).unwrap();
                    assert_eq!(features, expected, "{picture:?} {padding} {ending:?}");
                }
            }
        }
    }
}

#[test]
fn an_extractor_remembers_nothing() {
    let mut extractor = Extractor::new();
    let images = [scene(640, 360), scene(33, 21), scene(640, 360), RgbImage::new(1, 1)];
    for (image, format) in images.iter().zip(FORMATS.into_iter().cycle()) {
        let picture = picture(image, format, 3, Ending::LastPixel);
        assert_eq!(extractor.extract(&picture).unwrap(), extract(image), "{picture:?}");
    }
}

#[test]
fn a_scene_has_nearly_the_same_features_at_every_resolution() {
    let small = extract(&scene(640, 360));
    for (width, height) in [(1280, 720), (1920, 1080), (3840, 2160)] {
        let large = extract(&scene(width, height));
        for ((name, small), large) in small.named().zip(*large.values()) {
            let apart = (small - large).abs();
            assert!(apart <= 0.05 * small.abs() + 0.005, "{name}: {small} {large} at {width}");
        }
    }
}

#[test]
fn the_smallest_and_the_longest_pictures_have_features() {
    let dot = extract(&RgbImage::from_pixel(1, 1, Rgb([255; 3])));
    assert_features(dot, &[&flat(1.0)[..], &[("area_by_perim", 0.25)]].concat());
    let red = 0.241_f32.sqrt();
    let line = |aspect_ratio| {
        [
            ("avg_brightness", 77.0 / 255.0),
            ("brightness_rms", 77.0 / 255.0),
            ("avg_perceived_brightness", red),
            ("perceived_brightness_rms", red),
            ("area_by_perim", 1.0 / 514.0),
            ("aspect_ratio", aspect_ratio),
            ("hue1", 1.0),
        ]
    };
    let row = extract(&RgbImage::from_pixel(4096, 1, Rgb([255, 0, 0])));
    assert_features(row, &line(3.0));
    let column = extract(&RgbImage::from_pixel(1, 4096, Rgb([255, 0, 0])));
    assert_features(column, &line(-3.0));
}

#[test]
fn values_that_are_not_finite_make_no_features() {
    assert!(Features::new([0.5; Features::COUNT]).is_some());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = [0.5; Features::COUNT];
        values[3] = bad;
        assert_eq!(Features::new(values), None);
    }
}

prop_compose! {
    fn any_image()(width in 1_u32..48, height in 1_u32..48)(
        noise in prop::collection::vec(any::<u8>(), (width * height * 3) as usize),
        levels in 1_u8..=255,
        width in Just(width),
        height in Just(height),
    ) -> RgbImage {
        let noise = noise.into_iter().map(|byte| byte / levels * levels).collect();
        RgbImage::from_raw(width, height, noise).unwrap()
    }
}

proptest! {
    #[test]
    fn any_picture_has_features_in_their_range(
        image in any_image(),
        format in prop::sample::select(&FORMATS[..]),
        padding in 0_usize..4,
        ending in prop::sample::select(&[Ending::Padded, Ending::LastPixel][..]),
    ) {
        let picture = picture(&image, format, padding, ending);
        let features = Extractor::new().extract(&picture).unwrap();
        for (name, value) in features.named() {
            let range = match name {
                "n_keypoints" => 0.0..=10_000.0,
                "contrast" => 0.0..=0.5,
                "area_by_perim" => f32::MIN_POSITIVE..=0.25,
                "aspect_ratio" => -3.0..=3.0,
                _ => 0.0..=1.0,
            };
            prop_assert!(range.contains(&value), "{} is {}", name, value);
        }
        prop_assert_eq!(features, extract(&image));
    }
}
