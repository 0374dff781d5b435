//! A loaded model's answer to a known picture, compared with the answer on record.

use thiserror::Error;

use super::preprocess::normalise;
use crate::frame::PixelFormat;
use crate::models::{Golden, InputSpec, ModelId, golden_pixel};
use crate::onnx::Tensor;

/// How far a probability may lie from the record: half-precision accelerators differ by less, and
/// another network, normalisation or channel order by more.
const TOLERANCE: f32 = 0.02;

/// A model answers otherwise than its golden output says.
#[derive(Debug, Error)]
#[error(
    "model {model} gives class {class} of the golden picture a probability of {found:.4} instead \
     of {expected:.4}: the file, its manifest's [input] or the execution provider is not what the \
     golden output was made with"
)]
pub struct GoldenError {
    model: ModelId,
    class: usize,
    found: f32,
    expected: f32,
}

/// The golden picture as the input tensor that `spec` describes.
pub fn tensor(spec: &InputSpec) -> Tensor {
    let rows = 0..spec.height;
    let pixels: Vec<u8> = rows
        .flat_map(|y| (0..spec.width).flat_map(move |x| (0..3).map(move |c| golden_pixel(x, y, c))))
        .collect();
    normalise(spec, &pixels, PixelFormat::Rgb)
}

/// Compares the answer to [`tensor`] with the record.
pub fn compare(model: &ModelId, golden: &Golden, answer: &[f32]) -> Result<(), GoldenError> {
    for (&class, &expected) in golden.classes.iter().zip(&golden.probabilities) {
        let found = answer[class];
        if (found - expected).abs() > TOLERANCE {
            return Err(GoldenError { model: model.clone(), class, found, expected });
        }
    }
    Ok(())
}
