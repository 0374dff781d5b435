//! A picture in a few numbers, to compare it with another.

use fast_image_resize::ResizeAlg;

use crate::frame::{Picture, PixelFormat};
use crate::resample::{Region, ResampleError, Resampler};

/// Cells across and down.
const CELLS: usize = 16;

/// Pixels sampled across and down a cell: enough to average a camera's noise out, and few enough
/// to read in microseconds.
const SAMPLES: usize = 4;

const SIDE: usize = CELLS * SAMPLES;

/// Red, green and blue of each cell.
const VALUES: usize = CELLS * CELLS * 3;

/// The largest value: white in every sample of a cell.
const LARGEST: usize = SAMPLES * SAMPLES * 255;

/// The mean colours of 16x16 cells of a picture, whatever its size.
///
/// Each cell is the mean of 4x4 pixels that lie evenly in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail(Box<[u16; VALUES]>);

impl Thumbnail {
    /// The mean absolute difference of two pictures' cells: 0 for equal ones, 1 for black and
    /// white.
    pub fn difference(&self, other: &Self) -> f32 {
        let pairs = self.0.iter().zip(other.0.iter());
        let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        sum as f32 / (VALUES * LARGEST) as f32
    }
}

/// Makes thumbnails, in memory that it keeps.
#[derive(Debug)]
pub struct Thumbnailer(Resampler);

impl Default for Thumbnailer {
    fn default() -> Self {
        Self(Resampler::new(ResizeAlg::Nearest))
    }
}

impl Thumbnailer {
    /// The thumbnail of a picture.
    pub fn thumbnail(&mut self, picture: &Picture) -> Result<Thumbnail, ResampleError> {
        let size = (SIDE as u32, SIDE as u32);
        let pixels = self.0.resize(picture, Region::whole(picture), size)?;
        Ok(match picture.format() {
            PixelFormat::Rgb => cells::<3>(pixels, PixelFormat::Rgb),
            format @ (PixelFormat::Rgbx | PixelFormat::Bgrx) => cells::<4>(pixels, format),
        })
    }
}

/// Sums the samples of each cell.
fn cells<const BYTES: usize>(pixels: &[u8], format: PixelFormat) -> Thumbnail {
    let mut sums = Box::new([0; VALUES]);
    let offsets = format.rgb_offsets();
    let (pixels, _) = pixels.as_chunks::<BYTES>();
    for (y, row) in pixels.chunks_exact(SIDE).enumerate() {
        let cells = sums.chunks_exact_mut(3).skip(y / SAMPLES * CELLS);
        for (cell, samples) in cells.zip(row.chunks_exact(SAMPLES)) {
            for (sum, offset) in cell.iter_mut().zip(offsets) {
                *sum += samples.iter().map(|pixel| u16::from(pixel[offset])).sum::<u16>();
            }
        }
    }
    Thumbnail(sums)
}

#[cfg(test)]
pub(super) mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn of(image: RgbImage) -> Thumbnail {
        Thumbnailer::default().thumbnail(&Picture::from_rgb(image).unwrap()).unwrap()
    }

    /// The thumbnail of a grey picture.
    pub(crate) fn grey(value: u8) -> Thumbnail {
        of(RgbImage::from_pixel(64, 48, Rgb([value; 3])))
    }

    /// A picture with detail, `shift` pixels to the right.
    fn pattern(shift: u32) -> RgbImage {
        let value =
            |x: u32, y: u32, step: u32| (((x + shift) / 40 * step + y / 30 * 31) % 200) as u8;
        RgbImage::from_fn(640, 360, |x, y| Rgb([17, 43, 71].map(|step| value(x, y, step))))
    }

    #[test]
    fn differences_go_from_none_to_one() {
        assert_eq!(grey(77).difference(&grey(77)), 0.0);
        assert_eq!(grey(0).difference(&grey(255)), 1.0);
        let step = grey(100).difference(&grey(151));
        assert!((step - 0.2).abs() < 1e-6, "{step}");
    }

    #[test]
    fn noise_counts_for_little_and_another_picture_for_much() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut noisy = pattern(0);
        let shaken = |value: u8, by: i16| (i16::from(value) + by).clamp(0, 255) as u8;
        noisy.pixels_mut().for_each(|pixel| {
            pixel.0 = pixel.0.map(|value| shaken(value, random.i16(-8..=8)));
        });
        let noise = of(pattern(0)).difference(&of(noisy));
        let motion = of(pattern(0)).difference(&of(pattern(60)));
        assert!(noise > 0.0 && noise < 0.005, "{noise}");
        assert!(motion > 0.05, "{motion}");
    }

    #[test]
    fn the_layout_of_the_pixels_does_not_matter() {
        let image = pattern(0);
        let (width, height) = image.dimensions();
        let stride = 4 * (width as usize + 5);
        let mut bytes = vec![99; stride * height as usize];
        for (x, y, Rgb([red, green, blue])) in image.enumerate_pixels() {
            let at = y as usize * stride + 4 * x as usize;
            bytes[at..at + 3].copy_from_slice(&[*blue, *green, *red]);
        }
        let picture =
            Picture::new(PixelFormat::Bgrx, (width, height), stride, Box::new(bytes)).unwrap();
        assert_eq!(Thumbnailer::default().thumbnail(&picture).unwrap(), of(image));
    }

    #[test]
    fn the_smallest_picture_has_one_too() {
        let dot = of(RgbImage::from_pixel(1, 1, Rgb([255, 0, 0])));
        let red = of(RgbImage::from_pixel(1920, 1080, Rgb([255, 0, 0])));
        assert_eq!(dot, red);
    }
}
