//! How certain a set's answers are: logistic regression on what its fusion shows.

use super::linear::{penalties, solve};
use super::scored::Scored;
use super::{AdaptOptions, Part};
use crate::adaptive::{ModelSet, Right};

const RIDGE: f64 = 3.0;
const STEPS: usize = 12;

/// Learns how often the answers of `set` are right.
pub(super) fn fit(
    scored: &[Scored],
    set: ModelSet,
    weights: &[f32],
    options: &AdaptOptions,
) -> Right {
    let mut room = Vec::new();
    let answers: Vec<_> = scored.iter().map(|one| one.answer(set, weights, &mut room)).collect();
    let inputs = |answer: &super::scored::SetAnswer| {
        let agreement = if options.has(Part::Agreement) { answer.agreement } else { 0.0 };
        Right::inputs(answer.confidence, agreement)
    };
    let rows: Vec<[f32; 4]> = answers.iter().map(inputs).collect();
    let right: Vec<bool> = answers.iter().map(|answer| answer.is_right).collect();
    logistic(&rows, &right)
}

/// Logistic regression by Newton's method, with a ridge penalty.
pub(super) fn logistic(rows: &[[f32; 4]], right: &[bool]) -> Right {
    let penalties = penalties(rows, RIDGE);
    let mut weights = [0.0_f64; 4];
    for _ in 0..STEPS {
        let step = step(rows, right, &weights, penalties);
        for (weight, step) in weights.iter_mut().zip(step) {
            *weight += step;
        }
    }
    Right(weights.map(|weight| weight as f32))
}

fn step(rows: &[[f32; 4]], right: &[bool], weights: &[f64; 4], penalties: [f64; 4]) -> [f64; 4] {
    let mut gradient = [0.0; 4];
    let mut curvature = [[0.0; 4]; 4];
    for (row, &right) in rows.iter().zip(right) {
        let row = row.map(f64::from);
        let sum: f64 = row.iter().zip(weights).map(|(input, weight)| input * weight).sum();
        let probability = 1.0 / (1.0 + (-sum).exp());
        let error = f64::from(u8::from(right)) - probability;
        let spread = probability * (1.0 - probability) + 1e-9;
        for i in 0..4 {
            gradient[i] += error * row[i];
            for j in 0..4 {
                curvature[i][j] += spread * row[i] * row[j];
            }
        }
    }
    for (i, penalty) in penalties.into_iter().enumerate() {
        gradient[i] -= penalty * weights[i];
        curvature[i][i] += penalty;
    }
    solve(curvature, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_follows_how_often_answers_are_right() {
        // Of a hundred answers at each confidence, that many are right.
        let mut rows = Vec::new();
        let mut right = Vec::new();
        for (confidence, hits) in [(0.2_f32, 20), (0.5, 50), (0.8, 80)] {
            for one in 0..100 {
                rows.push(Right::inputs(confidence, 0.0));
                right.push(one < hits);
            }
        }
        let fitted = logistic(&rows, &right);
        for confidence in [0.2, 0.5, 0.8] {
            let certainty = fitted.probability(Right::inputs(confidence, 0.0));
            assert!((certainty - confidence).abs() < 0.05, "{certainty} at {confidence}");
        }
    }

    #[test]
    fn answers_that_are_always_right_are_nearly_certain() {
        let rows = vec![Right::inputs(0.9, 1.0); 500];
        let fitted = logistic(&rows, &[true; 500]);
        let certainty = fitted.probability(rows[0]);
        assert!(certainty > 0.99 && certainty <= 1.0, "{certainty}");
    }
}
