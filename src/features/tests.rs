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

fn assert_features(features: Features, expected: [f32; Features::COUNT]) {
    for ((name, value), expected) in features.named().zip(expected) {
        assert!((value - expected).abs() < 1e-4, "{name} is {value}, not {expected}");
    }
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
fn flat_pictures_have_brightness_and_nothing_else() {
    let whole = 64.0 * 48.0 / (2.0 * (64.0 + 48.0)) / 64.0;
    for (level, brightness) in [(0, 0.0), (51, 0.2), (255, 1.0)] {
        let flat = RgbImage::from_pixel(64, 48, Rgb([level; 3]));
        assert_features(extract(&flat), [0.0, brightness, 0.0, 0.0, whole, 0.0, 64.0 / 48.0]);
    }
}

#[test]
fn half_black_half_white_has_the_greatest_contrast_and_one_long_edge() {
    let halves = RgbImage::from_fn(64, 64, |x, _| Rgb([if x < 32 { 0 } else { 255 }; 3]));
    assert_features(extract(&halves), [0.0, 0.5, 0.0, 0.5, 0.25, 0.0, 1.0]);
}

#[test]
fn red_stripes_count_in_the_first_hue() {
    let colours = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255]), Rgb([128; 3])];
    let stripes = RgbImage::from_fn(80, 50, |x, _| colours[x as usize / 20]);
    assert_eq!(value(extract(&stripes), "hue1"), 0.25);
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
        assert!((value(features, "aspect_ratio") - 2.0).abs() < 0.05, "{features:?}");
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
    assert_features(dot, [0.0, 1.0, 0.0, 0.0, 0.25, 0.0, 1.0]);
    let line = extract(&RgbImage::from_pixel(4096, 1, Rgb([255, 0, 0])));
    assert_features(line, [0.0, 0.241_f32.sqrt(), 1.0, 0.0, 1.0 / 514.0, 0.0, 256.0]);
    let column = extract(&RgbImage::from_pixel(1, 4096, Rgb([255, 0, 0])));
    assert_features(column, [0.0, 0.241_f32.sqrt(), 1.0, 0.0, 1.0 / 514.0, 0.0, 1.0 / 256.0]);
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
        let [keypoints, brightness, hue, contrast, area, edge, aspect] = *features.values();
        prop_assert!(keypoints >= 0.0);
        prop_assert!((0.0..=1.0).contains(&brightness));
        prop_assert!((0.0..=1.0).contains(&hue));
        prop_assert!((0.0..=0.5).contains(&contrast));
        prop_assert!(area > 0.0 && area <= 0.25);
        prop_assert!((0.0..=1.0).contains(&edge));
        prop_assert!(aspect > 0.0 && aspect <= 256.0);
        prop_assert_eq!(features, extract(&image));
    }
}
