//! From a model's output vector to labels.

use thiserror::Error;

use crate::models::{OutputKind, OutputSpec};
use crate::outcome::{Classification, Confidence};

/// Why numbers are no answer.
#[derive(Debug, Error, PartialEq)]
pub enum OutputError {
    /// A number is infinite or not a number.
    #[error("the model gave {value} for class {class}")]
    NotFinite {
        /// Which of its numbers, from 0.
        class: usize,
        /// The number.
        value: f32,
    },
    /// What should be a probability is none.
    #[error(
        "the model gave {value} for class {class}, which is no probability (are its outputs \
         logits? then its manifest must say `kind = \"logits\"`)"
    )]
    NoProbability {
        /// Which of its numbers, from 0.
        class: usize,
        /// The number.
        value: f32,
    },
}

/// The probability of each class, by class index, the background dropped.
pub fn probabilities(raw: Vec<f32>, spec: &OutputSpec) -> Result<Vec<f32>, OutputError> {
    if let Some((class, &value)) = raw.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(OutputError::NotFinite { class, value });
    }
    let mut probabilities = match spec.kind {
        OutputKind::Logits => softmax(raw),
        OutputKind::Probabilities => checked(raw)?,
    };
    if spec.background {
        probabilities.remove(0);
    }
    Ok(probabilities)
}

fn checked(raw: Vec<f32>) -> Result<Vec<f32>, OutputError> {
    match raw.iter().enumerate().find(|(_, value)| Confidence::new(**value).is_none()) {
        Some((class, &value)) => Err(OutputError::NoProbability { class, value }),
        None => Ok(raw),
    }
}

/// Finite logits to probabilities, shifted by the largest so that nothing overflows.
pub fn softmax(mut logits: Vec<f32>) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut logits {
        *value = (*value - largest).exp();
        sum += *value;
    }
    for value in &mut logits {
        *value /= sum;
    }
    logits
}

/// The `k` most probable classes, most probable first; of equals, the lower class first.
pub fn top_k(probabilities: &[f32], spec: &OutputSpec, k: usize) -> Vec<Classification> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    let better = |a: &usize, b: &usize| {
        probabilities[*b].total_cmp(&probabilities[*a]).then_with(|| a.cmp(b))
    };
    let k = k.min(classes.len());
    if k > 0 && k < classes.len() {
        classes.select_nth_unstable_by(k - 1, better);
    }
    classes.truncate(k);
    classes.sort_unstable_by(better);
    let label = |class| {
        let confidence = Confidence::new(probabilities[class])?;
        Some(Classification { class, label: spec.labels.name(class), confidence })
    };
    classes.into_iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Labels;

    fn spec(kind: OutputKind, background: bool) -> OutputSpec {
        let labels = Labels::from_names(["ant", "bee", "cat"]);
        let classes = 3 + usize::from(background);
        OutputSpec { name: "out".to_owned(), kind, classes, background, labels }
    }

    #[test]
    fn logits_become_probabilities() {
        let spec = spec(OutputKind::Logits, false);
        let probabilities = probabilities(vec![1000.0, 1000.0, 0.0], &spec).unwrap();
        assert_eq!(probabilities, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_background_is_dropped() {
        let spec = spec(OutputKind::Probabilities, true);
        let probabilities = probabilities(vec![0.1, 0.2, 0.3, 0.4], &spec).unwrap();
        assert_eq!(probabilities, [0.2, 0.3, 0.4]);
    }

    #[test]
    fn numbers_that_are_no_answer_are_refused() {
        let nan = probabilities(vec![0.0, f32::NAN, 0.0], &spec(OutputKind::Logits, false));
        assert!(matches!(nan, Err(OutputError::NotFinite { class: 1, .. })));
        let logits = vec![0.2, 9.5, 0.1];
        let logits = probabilities(logits, &spec(OutputKind::Probabilities, false));
        assert_eq!(logits, Err(OutputError::NoProbability { class: 1, value: 9.5 }));
    }

    #[test]
    fn the_best_classes_come_first_and_ties_in_order() {
        let spec = spec(OutputKind::Probabilities, false);
        let best = |k| -> Vec<usize> {
            top_k(&[0.25, 0.25, 0.5], &spec, k).iter().map(|label| label.class).collect()
        };
        assert_eq!(best(2), [2, 0]);
        assert_eq!(best(9), [2, 0, 1]);
        assert!(best(0).is_empty());
    }
}
