//! Resizing a part of a picture, from where its pixels lie.
//!
//! Both readers of pixels, the feature stage and each model's preprocessing, go through here, so
//! that strides are honoured in one place and no full-size copy is made.

use std::borrow::Cow;
use std::error::Error;

use fast_image_resize::images::{Image, TypedCroppedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U8x4};
use fast_image_resize::{PixelTrait, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::frame::{Picture, PixelFormat};

/// A rectangle of a picture, in pixels; its edges may fall between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Columns left of it.
    pub left: f64,
    /// Rows above it.
    pub top: f64,
    /// Columns in it.
    pub width: f64,
    /// Rows in it.
    pub height: f64,
}

impl Region {
    /// The whole picture.
    pub fn whole(picture: &Picture) -> Self {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        Self { left: 0.0, top: 0.0, width, height }
    }

    /// The centred square with `share` of the picture's short side.
    pub fn centred_square(picture: &Picture, share: f64) -> Self {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let side = width.min(height) * share;
        Self { left: (width - side) / 2.0, top: (height - side) / 2.0, width: side, height: side }
    }
}

/// The resampling library refused a picture.
#[derive(Debug, thiserror::Error)]
#[error("cannot resize a {width}x{height} picture: {refusal}")]
pub struct ResampleError {
    width: u32,
    height: u32,
    refusal: String,
}

/// Resizes pictures into memory that it keeps.
#[derive(Debug)]
pub struct Resampler {
    resizer: Resizer,
    algorithm: ResizeAlg,
    target: Image<'static>,
}

impl Resampler {
    /// A resampler that makes pixels between pixels by `algorithm`.
    pub fn new(algorithm: ResizeAlg) -> Self {
        let target = Image::new(0, 0, PixelType::U8x4);
        Self { resizer: Resizer::new(), algorithm, target }
    }

    /// Resizes `region` of `picture` to `size`, pixels across and down. The pixels returned are
    /// tightly packed, row after row, in the picture's own format.
    pub fn resize(
        &mut self,
        picture: &Picture,
        region: Region,
        size: (u32, u32),
    ) -> Result<&[u8], ResampleError> {
        self.fit_target(size, pixel_type(picture.format()));
        let filled = match picture.format() {
            PixelFormat::Rgb => self.fill_target::<U8x3>(picture, region),
            PixelFormat::Rgbx | PixelFormat::Bgrx => self.fill_target::<U8x4>(picture, region),
        };
        filled.map_err(|refusal| ResampleError {
            width: picture.width(),
            height: picture.height(),
            refusal: refusal.to_string(),
        })?;
        Ok(self.target.buffer())
    }

    fn fit_target(&mut self, (width, height): (u32, u32), pixel: PixelType) {
        let is = (self.target.width(), self.target.height(), self.target.pixel_type());
        if is != (width, height, pixel) {
            self.target = Image::new(width, height, pixel);
        }
    }

    /// Typed by the pixel, so that the library is compiled for these two pixels alone.
    fn fill_target<P: PixelTrait>(
        &mut self,
        picture: &Picture,
        region: Region,
    ) -> Result<(), Box<dyn Error>> {
        let bytes = whole_rows(picture);
        let pixels_a_row = u32::try_from(picture.stride() / picture.format().bytes())?;
        let padded = TypedImageRef::<P>::from_buffer(pixels_a_row, picture.height(), &bytes)?;
        let source = TypedCroppedImage::from_ref(&padded, 0, 0, picture.width(), picture.height())?;
        let mut target = self.target.typed_image_mut::<P>().ok_or("the pixels differ in type")?;
        let options = ResizeOptions::new().resize_alg(self.algorithm).use_alpha(false).crop(
            region.left,
            region.top,
            region.width,
            region.height,
        );
        Ok(self.resizer.resize_typed(&source, &mut target, &options)?)
    }
}

fn pixel_type(format: PixelFormat) -> PixelType {
    match format {
        PixelFormat::Rgb => PixelType::U8x3,
        PixelFormat::Rgbx | PixelFormat::Bgrx => PixelType::U8x4,
    }
}

/// The memory as full rows of `stride` bytes. Only where the last row's padding is missing, which
/// decoders do not do, are the pixels copied.
fn whole_rows(picture: &Picture) -> Cow<'_, [u8]> {
    let needed = picture.stride() * picture.height() as usize;
    let bytes = picture.bytes();
    if let Some(rows) = bytes.get(..needed) {
        return Cow::Borrowed(rows);
    }
    let mut padded = bytes.to_vec();
    padded.resize(needed, 0);
    Cow::Owned(padded)
}
