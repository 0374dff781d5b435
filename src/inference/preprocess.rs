//! From pixels to a model's input tensor.

use fast_image_resize::{FilterType, ResizeAlg};
use ndarray::{Array4, Axis};

use crate::frame::{Picture, PixelFormat};
use crate::models::{Channels, Fit, InputSpec, Layout, Resize};
use crate::onnx::Tensor;
use crate::resample::{Region, ResampleError, Resampler};

/// Makes one model's input tensors.
///
/// Each value is `(v - mean) / std`, with `v` of 0 to 255 resampled from the part of the picture
/// that the manifest's `crop` or `fit` names.
pub struct Preprocessor {
    spec: InputSpec,
    resampler: Resampler,
}

impl Preprocessor {
    /// A preprocessor for the input that `spec` describes.
    pub fn new(spec: &InputSpec) -> Self {
        let filter = match spec.resize {
            Resize::Bilinear => FilterType::Bilinear,
            Resize::Bicubic => FilterType::CatmullRom,
        };
        let resampler = Resampler::new(ResizeAlg::Convolution(filter));
        Self { spec: spec.clone(), resampler }
    }

    /// The tensor of `picture`, of shape 1x3xHxW or 1xHxWx3 by the manifest's layout.
    pub fn tensor(&mut self, picture: &Picture) -> Result<Tensor, ResampleError> {
        let region = match self.spec.fit {
            Fit::CentreCrop(share) => Region::centred_square(picture, f64::from(share)),
            Fit::Squash => Region::whole(picture),
        };
        let size = (self.spec.width, self.spec.height);
        let pixels = self.resampler.resize(picture, region, size)?;
        Ok(normalise(&self.spec, pixels, picture.format()))
    }
}

/// Tensors of one picture each, of the same model, as one of several pictures in their order.
pub(super) fn stacked(tensors: &[Tensor]) -> Tensor {
    let (_, first, second, third) = tensors.first().map_or((0, 0, 0, 0), Tensor::dim);
    let mut stacked = Tensor::zeros((tensors.len(), first, second, third));
    for (mut row, tensor) in stacked.axis_chunks_iter_mut(Axis(0), 1).zip(tensors) {
        row.assign(tensor);
    }
    stacked
}

/// Packed pixels of the input's size to the input tensor.
pub(super) fn normalise(spec: &InputSpec, pixels: &[u8], format: PixelFormat) -> Tensor {
    let (height, width) = (spec.height as usize, spec.width as usize);
    let planes = channel_planes(spec, format);
    match spec.layout {
        Layout::Nchw => {
            let mut tensor = Array4::zeros((1, 3, height, width));
            let values = tensor
                .as_slice_mut()
                .into_iter()
                .flat_map(|all| all.chunks_exact_mut(height * width));
            for (plane, values) in planes.iter().zip(values) {
                plane.fill(values, pixels, format);
            }
            tensor
        }
        Layout::Nhwc => Array4::from_shape_fn((1, height, width, 3), |(_, y, x, channel)| {
            let pixel = &pixels[(y * width + x) * format.bytes()..];
            planes[channel].value(pixel)
        }),
    }
}

/// One channel of the tensor: which byte of a pixel it reads, and `value = byte * scale + bias`.
struct Plane {
    offset: usize,
    scale: f32,
    bias: f32,
}

impl Plane {
    fn value(&self, pixel: &[u8]) -> f32 {
        f32::from(pixel[self.offset]) * self.scale + self.bias
    }

    /// Kept free of anything but the arithmetic, so that the compiler vectorises it.
    fn fill(&self, values: &mut [f32], pixels: &[u8], format: PixelFormat) {
        match format {
            PixelFormat::Rgb => self.fill_from::<3>(values, pixels),
            PixelFormat::Rgbx | PixelFormat::Bgrx => self.fill_from::<4>(values, pixels),
        }
    }

    fn fill_from<const BYTES: usize>(&self, values: &mut [f32], pixels: &[u8]) {
        let (pixels, _) = pixels.as_chunks::<BYTES>();
        for (value, pixel) in values.iter_mut().zip(pixels) {
            *value = f32::from(pixel[self.offset]) * self.scale + self.bias;
        }
    }
}

fn channel_planes(spec: &InputSpec, format: PixelFormat) -> [Plane; 3] {
    let [red, green, blue] = format.rgb_offsets();
    let offsets = match spec.channels {
        Channels::Rgb => [red, green, blue],
        Channels::Bgr => [blue, green, red],
    };
    std::array::from_fn(|channel| Plane {
        offset: offsets[channel],
        scale: 1.0 / spec.std[channel],
        bias: -spec.mean[channel] / spec.std[channel],
    })
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    fn spec(layout: Layout, channels: Channels) -> InputSpec {
        InputSpec {
            name: "input".to_owned(),
            layout,
            width: 2,
            height: 2,
            channels,
            mean: [10.0, 20.0, 30.0],
            std: [1.0, 2.0, 4.0],
            resize: Resize::Bilinear,
            fit: Fit::CentreCrop(1.0),
        }
    }

    /// A 2x2 picture, red 10, green 60 and blue 110 with 1 more for each pixel on, in `format`.
    fn picture(format: PixelFormat, stride: usize) -> Picture {
        let mut bytes = vec![255; stride * 2];
        for (pixel, (x, y)) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate() {
            for (colour, offset) in [10, 60, 110].into_iter().zip(format.rgb_offsets()) {
                bytes[y * stride + x * format.bytes() + offset] = colour + pixel as u8;
            }
        }
        Picture::new(format, (2, 2), stride, Box::new(bytes)).unwrap()
    }

    #[test]
    fn the_tensor_is_normalised_and_planar() {
        let tensor = Preprocessor::new(&spec(Layout::Nchw, Channels::Rgb))
            .tensor(&picture(PixelFormat::Rgb, 6))
            .unwrap();
        let red = [0.0, 1.0, 2.0, 3.0];
        let green = [20.0, 20.5, 21.0, 21.5];
        let blue = [20.0, 20.25, 20.5, 20.75];
        assert_eq!(tensor.as_slice().unwrap(), [red, green, blue].concat());
    }

    #[test]
    fn layout_and_channel_order_follow_the_manifest() {
        let tensor = Preprocessor::new(&spec(Layout::Nhwc, Channels::Bgr))
            .tensor(&picture(PixelFormat::Rgb, 6))
            .unwrap();
        assert_eq!(tensor.shape(), [1, 2, 2, 3]);
        assert_eq!(tensor.as_slice().unwrap()[..3], [100.0, 20.0, -5.0]);
    }

    #[test]
    fn pixel_format_and_stride_make_no_difference() {
        let mut preprocessor = Preprocessor::new(&spec(Layout::Nchw, Channels::Rgb));
        let plain = preprocessor.tensor(&picture(PixelFormat::Rgb, 6)).unwrap();
        for (format, stride) in
            [(PixelFormat::Rgb, 9), (PixelFormat::Rgbx, 8), (PixelFormat::Bgrx, 64)]
        {
            let tensor = preprocessor.tensor(&picture(format, stride)).unwrap();
            assert_eq!(tensor, plain, "{format:?} with a stride of {stride}");
        }
    }

    #[test]
    fn stacked_tensors_keep_their_order() {
        let mut preprocessor = Preprocessor::new(&spec(Layout::Nchw, Channels::Rgb));
        let one = preprocessor.tensor(&picture(PixelFormat::Rgb, 6)).unwrap();
        let other = one.mapv(|value| -value);
        let both = stacked(&[one.clone(), other.clone()]);
        assert_eq!(both.shape(), [2, 3, 2, 2]);
        assert_eq!(
            (both.slice(s![0..1, .., .., ..]), both.slice(s![1..2, .., .., ..])),
            (one.view(), other.view())
        );
    }

    #[test]
    fn padding_is_never_seen() {
        // Half the size: every source pixel counts, and white padding would show.
        let mut one = spec(Layout::Nchw, Channels::Rgb);
        (one.width, one.height) = (1, 1);
        let tensor = Preprocessor::new(&one).tensor(&picture(PixelFormat::Rgbx, 400)).unwrap();
        assert!(tensor.as_slice().unwrap()[0] < 4.0);
    }
}
