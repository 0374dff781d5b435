//! The working copy: the picture reduced to a bounded size, so that what a feature costs and what
//! it says depend on the scene and hardly on the camera's resolution.
//!
//! The longest side of the copy is at most [`LONGEST_SIDE`]; smaller pictures are never enlarged.
//! Reduction is by a triangle filter, which takes sensor noise down with it, over no more than
//! [`SAMPLES`] source pixels a side for each pixel of the copy: a larger picture costs no more, and
//! some of its pixels are never looked at.
//! The picture is read where it lies; padding at the end of its rows never reaches the copy.

use fast_image_resize::{FilterType, ResizeAlg};
use image::GrayImage;

use crate::frame::{Picture, PixelFormat};
use crate::resample::{Region, ResampleError, Resampler};

/// The most pixels that a side of the working copy has.
const LONGEST_SIDE: u32 = 256;

/// Source pixels, each way, that one pixel of the copy is made of at most (its neighbours share
/// them).
const SAMPLES: u8 = 3;

/// The picture at working size, as one plane for each colour and one for grey.
///
/// All four planes are as large, rows without padding.
#[derive(Debug)]
pub(super) struct WorkingCopy {
    resampler: Resampler,
    red: Vec<u8>,
    green: Vec<u8>,
    blue: Vec<u8>,
    grey: GrayImage,
}

impl WorkingCopy {
    /// A copy of nothing yet.
    pub(super) fn new() -> Self {
        Self {
            resampler: Resampler::new(ResizeAlg::SuperSampling(FilterType::Bilinear, SAMPLES)),
            red: Vec::new(),
            green: Vec::new(),
            blue: Vec::new(),
            grey: GrayImage::new(0, 0),
        }
    }

    /// Becomes the copy of `picture`.
    pub(super) fn take(&mut self, picture: &Picture) -> Result<(), ResampleError> {
        let size = reduced_size(picture.width(), picture.height());
        let reduced = self.resampler.resize(picture, Region::whole(picture), size)?;
        let [red, green, blue] = picture.format().rgb_offsets();
        let planes = [(red, &mut self.red), (green, &mut self.green), (blue, &mut self.blue)];
        for (offset, plane) in planes {
            plane.clear();
            match picture.format() {
                PixelFormat::Rgb => pick::<3>(reduced, offset, plane),
                PixelFormat::Rgbx | PixelFormat::Bgrx => pick::<4>(reduced, offset, plane),
            }
        }
        self.mix(size);
        Ok(())
    }

    /// The copy in luma, 0 to 255: 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).
    pub(super) fn grey(&self) -> &GrayImage {
        &self.grey
    }

    /// The red, the green and the blue plane.
    pub(super) fn planes(&self) -> [&[u8]; 3] {
        [&self.red, &self.green, &self.blue]
    }

    /// Pixels across.
    pub(super) fn width(&self) -> usize {
        self.grey.width() as usize
    }

    fn mix(&mut self, size: (u32, u32)) {
        if self.grey.dimensions() != size {
            self.grey = GrayImage::new(size.0, size.1);
        }
        let colours = self.red.iter().zip(&self.green).zip(&self.blue);
        for (grey, ((&red, &green), &blue)) in self.grey.iter_mut().zip(colours) {
            *grey = luma(red, green, blue);
        }
    }
}

/// Luma with the weights of BT.601 in 256ths, rounded.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((77 * u16::from(red) + 150 * u16::from(green) + 29 * u16::from(blue) + 128) >> 8) as u8
}

/// Appends the byte at `offset` of each pixel of `BYTES` bytes to `plane`.
fn pick<const BYTES: usize>(pixels: &[u8], offset: usize, plane: &mut Vec<u8>) {
    plane.extend(pixels.as_chunks::<BYTES>().0.iter().map(|pixel| pixel[offset]));
}

/// The size of the working copy: the same shape, at least one pixel each way.
fn reduced_size(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= LONGEST_SIDE {
        return (width, height);
    }
    let shorten = |side: u32| {
        let scaled = u64::from(side) * u64::from(LONGEST_SIDE);
        let rounded = (scaled + u64::from(longest) / 2) / u64::from(longest);
        (rounded as u32).max(1)
    };
    (shorten(width), shorten(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_keeps_the_shape_and_never_grows() {
        assert_eq!(reduced_size(1280, 720), (256, 144));
        assert_eq!(reduced_size(375, 500), (192, 256));
        assert_eq!(reduced_size(256, 7), (256, 7));
        assert_eq!(reduced_size(31, 17), (31, 17));
        assert_eq!(reduced_size(4096, 1), (256, 1));
        assert_eq!(reduced_size(u32::MAX, u32::MAX), (256, 256));
    }

    #[test]
    fn colours_come_apart_in_every_format() {
        let cases = [
            (PixelFormat::Rgb, vec![10, 20, 30]),
            (PixelFormat::Rgbx, vec![10, 20, 30, 99]),
            (PixelFormat::Bgrx, vec![30, 20, 10, 99]),
        ];
        for (format, pixel) in cases {
            let picture = Picture::new(format, (1, 1), pixel.len(), Box::new(pixel)).unwrap();
            let mut copy = WorkingCopy::new();
            copy.take(&picture).unwrap();
            assert_eq!(copy.planes(), [[10_u8].as_slice(), &[20], &[30]], "{format:?}");
            assert_eq!(copy.grey().as_raw(), &[18]);
        }
    }

    #[test]
    fn white_stays_white_and_black_black() {
        assert_eq!((luma(255, 255, 255), luma(0, 0, 0)), (255, 0));
    }

    #[test]
    fn a_picture_whose_memory_ends_early_is_read_like_one_with_all_its_padding() {
        let (width, height, stride) = (700_usize, 9_usize, 705 * 3);
        let mut bytes = vec![255_u8; stride * height];
        for row in bytes.chunks_exact_mut(stride) {
            row[..width * 3].fill(40);
        }
        let copied = |bytes: Vec<u8>| {
            let size = (width as u32, height as u32);
            let picture = Picture::new(PixelFormat::Rgb, size, stride, Box::new(bytes)).unwrap();
            let mut copy = WorkingCopy::new();
            copy.take(&picture).unwrap();
            copy.grey().clone()
        };
        let short = copied(bytes[..bytes.len() - 15].to_vec());
        assert_eq!(copied(bytes), short);
        assert!(short.iter().all(|&grey| grey == 40), "padding leaked in");
    }
}
