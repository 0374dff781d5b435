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

/// Compares the answer to [`tensor`] with the record: each class on record has its probability, and
/// no other class beats the first.
pub fn compare(model: &ModelId, golden: &Golden, answer: &[f32]) -> Result<(), GoldenError> {
    let wrong = |class: usize, found: f32, expected: f32| GoldenError {
        model: model.clone(),
        class,
        found,
        expected,
    };
    for (&class, &expected) in golden.classes.iter().zip(&golden.probabilities) {
        let found = answer.get(class).copied().unwrap_or(f32::NAN);
        let is_near = (found - expected).abs() <= TOLERANCE;
        if !is_near {
            return Err(wrong(class, found, expected));
        }
    }
    let highest = golden.probabilities.iter().copied().fold(0.0, f32::max);
    match answer.iter().position(|found| *found > highest + TOLERANCE) {
        Some(class) => Err(wrong(class, answer[class], highest)),
        None => Ok(()),
    }
}

/// Whether two lists of outputs are the same but for rounding, which is by their largest number.
pub fn are_alike(some: &[Vec<f32>], others: &[Vec<f32>]) -> bool {
    let largest = some.iter().flatten().fold(0.0, |most: f32, number| most.max(number.abs()));
    let is_near = |(one, other): (&f32, &f32)| (one - other).abs() <= TOLERANCE * largest;
    let are_near = |(one, other): (&Vec<f32>, &Vec<f32>)| {
        one.len() == other.len() && one.iter().zip(other).all(is_near)
    };
    some.len() == others.len() && some.iter().zip(others).all(are_near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_answers_are_told_from_rounding() {
        let model = ModelId::new("m").unwrap();
        let golden = Golden { classes: vec![2, 0], probabilities: vec![0.5, 0.25] };
        assert!(compare(&model, &golden, &[0.26, 0.25, 0.49]).is_ok());
        assert!(compare(&model, &golden, &[0.31, 0.25, 0.44]).is_err());
        assert!(compare(&model, &golden, &[0.25, 0.6, 0.5]).is_err(), "another class beats it");
        assert!(compare(&model, &golden, &[f32::NAN, 0.25, 0.5]).is_err());
        assert!(compare(&model, &golden, &[0.25]).is_err(), "too few classes");
    }

    #[test]
    fn answers_that_are_mixed_up_are_told_from_rounding() {
        let answers = [vec![0.9, 0.1], vec![0.2, 0.8]];
        assert!(are_alike(&answers, &[vec![0.91, 0.09], vec![0.2, 0.8]]));
        assert!(!are_alike(&answers, &[vec![0.2, 0.8], vec![0.9, 0.1]]));
        assert!(!are_alike(&answers, &[vec![0.9, 0.1]]));
        assert!(!are_alike(&answers, &[vec![0.9, 0.1], vec![f32::NAN, 0.8]]));
        let logits = [vec![90.0, -10.0]];
        assert!(
            are_alike(&logits, &[vec![91.0, -10.0]]) && !are_alike(&logits, &[vec![93.0, -10.0]])
        );
    }
}
