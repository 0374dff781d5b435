//! What extracting the features of a frame costs, on one core.
//!
//! The frames are synthetic: a sky with clouds, ground with texture, shapes, and sensor noise. With
//! `CLASSIFYD_BENCH_IMAGE` naming an image file, that image is measured too.

use std::f32::consts::TAU;
use std::hint::black_box;
use std::path::Path;

use anyhow::Context;
use classifyd::features::Extractor;
use classifyd::frame::{Picture, PixelFormat};
use criterion::{Criterion, Throughput};
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_circle_mut, draw_filled_rect_mut};
use imageproc::rect::Rect;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for (width, height) in [(640, 480), (1280, 720), (3840, 2160)] {
        measure(&mut criterion, &format!("{width}x{height}"), &bgrx(&scene(width, height))?);
    }
    if let Some(path) = std::env::var_os("CLASSIFYD_BENCH_IMAGE") {
        measure(&mut criterion, "image", &read(Path::new(&path))?);
    }
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, name: &str, picture: &Picture) {
    let mut extractor = Extractor::new();
    let mut group = criterion.benchmark_group("features");
    let pixels = u64::from(picture.width()) * u64::from(picture.height());
    group.throughput(Throughput::Elements(pixels));
    group.bench_function(name, |bencher| {
        bencher.iter(|| extractor.extract(black_box(picture)));
    });
    group.finish();
}

fn read(path: &Path) -> anyhow::Result<Picture> {
    let image = image::open(path).with_context(|| {
        format!("cannot read {}, named by CLASSIFYD_BENCH_IMAGE", path.display())
    })?;
    bgrx(&image.into_rgb8())
}

fn bgrx(image: &RgbImage) -> anyhow::Result<Picture> {
    let bytes: Vec<u8> =
        image.pixels().flat_map(|&Rgb([red, green, blue])| [blue, green, red, 255]).collect();
    let stride = image.width() as usize * PixelFormat::Bgrx.bytes();
    Ok(Picture::new(PixelFormat::Bgrx, image.dimensions(), stride, Box::new(bytes))?)
}

/// A scene with edges, corners and texture at all scales; the same each time.
fn scene(width: u32, height: u32) -> RgbImage {
    let mut image = RgbImage::from_fn(width, height, |x, y| {
        backdrop(x as f32 / height as f32, y as f32 / height as f32)
    });
    let mut random = fastrand::Rng::with_seed(2018);
    for _ in 0..60 {
        draw_shape(&mut image, &mut random);
    }
    for value in image.iter_mut() {
        let noise = random.i16(-6..=6) + random.i16(-6..=6);
        *value = (i16::from(*value) + noise).clamp(0, 255) as u8;
    }
    image
}

/// Sky above, ground below; coordinates in picture heights.
fn backdrop(x: f32, y: f32) -> Rgb<u8> {
    let waves = |x: f32, y: f32| (TAU * x).sin() * (TAU * y).cos();
    let texture: f32 =
        (0..5).map(|octave| 2_f32.powi(octave)).map(|f| waves(2.3 * f * x, 3.1 * f * y) / f).sum();
    let ground = texture + 0.8 * waves(37.0 * x + 3.0 * texture, 53.0 * y);
    let (base, change) = if y < 0.45 {
        ([140.0, 180.0, 235.0], 20.0 * texture)
    } else {
        ([95.0, 120.0, 60.0], 30.0 * ground)
    };
    Rgb(base.map(|level: f32| (level + change - 60.0 * y) as u8))
}

/// A disc or a rectangle of random place, size and colour.
fn draw_shape(image: &mut RgbImage, random: &mut fastrand::Rng) {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let at = ((width * random.f32()) as i32, (height * random.f32()) as i32);
    let size = height * (0.01 + 0.15 * random.f32().powi(2));
    let colour = Rgb([random.u8(..), random.u8(..), random.u8(..)]);
    if random.bool() {
        draw_filled_circle_mut(image, at, size as i32 / 2, colour);
    } else {
        let tall = size * (0.3 + 1.4 * random.f32());
        draw_filled_rect_mut(
            image,
            Rect::at(at.0, at.1).of_size(size as u32 + 1, tall as u32 + 1),
            colour,
        );
    }
}
