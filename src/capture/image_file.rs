//! One image file becomes a picture of 8-bit RGB.
//!
//! Grey, palette and 16-bit images are converted. Where an image is transparent, white shows
//! through, as on a page. The orientation that a camera noted (EXIF) is applied.

use std::any::Any;
use std::fs::File;
use std::io::{Cursor, Error, ErrorKind, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use thiserror::Error;

use crate::frame::{Picture, PictureError};

/// The longest side of an image, in pixels.
const LONGEST_SIDE: u32 = 16_384;

/// Bytes that decoding one image may take: a small file can claim any size. They hold 178 million
/// pixels, more than any camera's; with a copy of them for turning, there is room for the models in
/// the 8 GB that a Jetson TX2 shares between processor and GPU.
const MOST_MEMORY: u64 = 512 << 20;

/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 256 << 20;

/// Why a file is no picture.
#[derive(Debug, Error)]
pub enum ImageFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It breaks off.
    #[error("the file is truncated: its image has no end")]
    Truncated,
    /// It is damaged, too large, or no image.
    #[error("the file cannot be decoded")]
    Decode(#[from] ImageError),
    /// The decoder has a fault of its own.
    #[error("the decoder broke off on this file: {0}")]
    Decoder(String),
    /// It has no pixels.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// Decodes the image at `path`; its content says what it is, not its name.
pub fn read(path: &Path) -> Result<Picture, ImageFileError> {
    let bytes = contents(path).map_err(ImageFileError::Read)?;
    if bytes.is_empty() {
        return Err(ImageFileError::Empty);
    }
    // One bad file must not end the stream, even if it finds a fault of the decoder.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| decode(&bytes)));
    let image = decoded.map_err(|cause| ImageFileError::Decoder(words(cause.as_ref())))??;
    Ok(Picture::from_rgb(opaque(image))?)
}

/// All of a regular file. A pipe or a device would block, or never end.
fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let refused = |kind, reason: String| Err(Error::new(kind, reason));
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return refused(ErrorKind::InvalidInput, "it is not a regular file".into());
    }
    if metadata.len() > LARGEST_FILE {
        let most = LARGEST_FILE >> 20;
        return refused(ErrorKind::FileTooLarge, format!("it is larger than {most} MiB"));
    }
    let mut bytes = Vec::new();
    // What is added while it is read is left out.
    File::open(path)?.take(LARGEST_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, ImageFileError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(ImageFileError::Read)?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_has_end(bytes) {
        return Err(ImageFileError::Truncated);
    }
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    limits().reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    limits
}

/// Whether the end marker follows the start of the image data. The decoder fills what is missing
/// with grey, and grey would be classified. A thumbnail before the data has its own end marker.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xFF, marker, high, low, ..] = rest {
        if *marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == [0xFF, 0xD9]);
        }
        let fill = *marker == 0xFF;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = rest.get(if fill { 1 } else { 2 + length }..).unwrap_or_default();
    }
    // Without image data the decoder itself says what is wrong.
    rest.first().is_some_and(|byte| *byte != 0xFF)
}

/// `image` over white.
fn opaque(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let (width, height) = image.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        image::Rgb([red, green, blue].map(|value| over_white(value, alpha)))
    })
}

fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let mixed = value * alpha + 255 * (255 - alpha);
    ((mixed + 127) / 255).try_into().unwrap_or(u8::MAX)
}

fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason".into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbaImage};

    fn path(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        (directory, path)
    }

    fn pixel(image: impl Into<DynamicImage>) -> Vec<u8> {
        let (_directory, path) = path("a.png");
        image.into().save(&path).unwrap();
        read(&path).unwrap().row(0)[..3].to_vec()
    }

    #[test]
    fn every_kind_of_pixel_becomes_rgb() {
        assert_eq!(pixel(RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]))), [1, 2, 3]);
        assert_eq!(pixel(GrayImage::from_pixel(1, 1, Luma([9]))), [9, 9, 9]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([0xFFFF_u16, 0x8080, 0]));
        assert_eq!(pixel(DynamicImage::ImageRgb16(deep)), [255, 128, 0]);
    }

    #[test]
    fn white_shows_through_what_is_transparent() {
        let at = |alpha| pixel(RgbaImage::from_pixel(1, 1, image::Rgba([0, 100, 255, alpha])));
        assert_eq!(at(0), [255, 255, 255]);
        assert_eq!(at(128), [127, 177, 255]);
        assert_eq!(at(255), [0, 100, 255]);
    }

    /// A 2x1 JPEG, black and white, that says that it lies on its side.
    fn sideways_jpeg() -> Vec<u8> {
        let mut image = RgbImage::from_pixel(16, 8, Rgb([0, 0, 0]));
        (8..16).for_each(|x| (0..8).for_each(|y| image.put_pixel(x, y, Rgb([255; 3]))));
        let mut plain = Cursor::new(Vec::new());
        image.write_to(&mut plain, ImageFormat::Jpeg).unwrap();
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, 0xD8, 0xFF, 0xE1], length.as_slice(), exif, &plain.into_inner()[2..]].concat()
    }

    #[test]
    fn the_cameras_orientation_is_applied() {
        let (_directory, path) = path("a.jpg");
        fs::write(&path, sideways_jpeg()).unwrap();
        let picture = read(&path).unwrap();
        assert_eq!((picture.width(), picture.height()), (8, 16));
        assert!(picture.row(0)[0] < 20 && picture.row(15)[0] > 235);
    }

    #[test]
    fn damaged_files_are_refused_and_never_panic() {
        let (_directory, path) = path("a.jpg");
        let whole = sideways_jpeg();
        let outcome = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path)
        };
        assert!(matches!(outcome(b""), Err(ImageFileError::Empty)));
        assert!(outcome(b"not an image").is_err());
        for length in 1..whole.len() - 1 {
            assert!(outcome(&whole[..length]).is_err(), "cut at {length}");
        }
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 0x55;
            let _picture_or_error = outcome(&flipped);
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(ImageFileError::Read(_))));
    }

    #[test]
    fn what_is_no_regular_file_or_too_large_is_not_read() {
        let (directory, path) = path("a.png");
        let refusal = |path: &Path| match read(path) {
            Err(ImageFileError::Read(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refusal(Path::new("/dev/zero")), "it is not a regular file");
        assert_eq!(refusal(directory.path()), "it is not a regular file");
        File::create(&path).unwrap().set_len(LARGEST_FILE + 1).unwrap();
        assert_eq!(refusal(&path), "it is larger than 256 MiB");
    }

    #[test]
    fn an_image_that_claims_a_monstrous_size_is_refused() {
        let (_directory, path) = path("a.ppm");
        for header in
            ["P6 60000 2 255\n", "P6 16384 16384 65535\n", "P6 16384 16384 255\n", "P6 0 0 255\n"]
        {
            fs::write(&path, header).unwrap();
            assert!(read(&path).is_err(), "{header}");
        }
    }
}
