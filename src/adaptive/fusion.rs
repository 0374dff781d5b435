//! Several models' guesses as one answer.
//!
//! The score of a class is the weighted sum of the logarithms that the models give it, plus its
//! prior; probabilities are the softmax of the scores over the classes that at least one of the
//! models lists (a logarithmic opinion pool: Genest and Zidek, "Combining probability
//! distributions", 1986). The weights contain each model's temperature.

use super::guesses::Guesses;
use super::knowledge::Prior;

/// The fused answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Fused {
    /// Classes and their probabilities, the most probable first; of equals the lower class first.
    pub ranking: Vec<(usize, f32)>,
}

impl Fused {
    /// Fuses guesses, each with its weight.
    pub fn new<'a>(guesses: impl Iterator<Item = (&'a Guesses, f32)>, prior: &Prior) -> Self {
        let guesses: Vec<(&Guesses, f32)> = guesses.collect();
        let mut classes: Vec<usize> =
            guesses.iter().flat_map(|(guesses, _)| guesses.classes()).collect();
        classes.sort_unstable();
        classes.dedup();
        let score = |class: usize| {
            let sum: f32 =
                guesses.iter().map(|(guesses, weight)| weight * guesses.logarithm(class)).sum();
            (class, sum + prior.of(class))
        };
        Self { ranking: softmax(classes.into_iter().map(score).collect()) }
    }

    /// The answer; `None` without guesses.
    pub fn top(&self) -> Option<usize> {
        self.ranking.first().map(|&(class, _)| class)
    }

    /// The probability of the answer; 0 without guesses.
    pub fn confidence(&self) -> f32 {
        self.ranking.first().map_or(0.0, |&(_, probability)| probability)
    }
}

/// Scores to probabilities, the best first.
fn softmax(mut scores: Vec<(usize, f32)>) -> Vec<(usize, f32)> {
    scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let largest = scores.first().map_or(0.0, |&(_, score)| score);
    let sum: f32 = scores.iter().map(|&(_, score)| (score - largest).exp()).sum();
    for (_, score) in &mut scores {
        *score = (*score - largest).exp() / sum;
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fuse(guesses: &[(&[(usize, f32)], f32)], prior: &Prior) -> Fused {
        let guesses: Vec<_> =
            guesses.iter().map(|(best, weight)| (Guesses::new(best, 10), *weight)).collect();
        Fused::new(guesses.iter().map(|(guesses, weight)| (guesses, *weight)), prior)
    }

    #[test]
    fn alone_a_model_keeps_its_order_and_its_weight_is_its_temperature() {
        let one = fuse(&[(&[(4, 0.8), (2, 0.2)], 1.0)], &Prior::none());
        assert_eq!(one.top(), Some(4));
        assert!((one.confidence() - 0.8).abs() < 1e-6);
        let sharper = fuse(&[(&[(4, 0.8), (2, 0.2)], 2.0)], &Prior::none());
        assert!((sharper.confidence() - 0.64 / 0.68).abs() < 1e-5, "{sharper:?}");
    }

    #[test]
    fn two_that_hesitate_agree_on_what_both_find_likely() {
        let fused =
            fuse(&[(&[(1, 0.5), (2, 0.45)], 1.0), (&[(3, 0.5), (2, 0.45)], 1.0)], &Prior::none());
        assert_eq!(fused.top(), Some(2));
        assert_eq!(fused.ranking.len(), 3);
    }

    #[test]
    fn the_prior_decides_between_equals() {
        let prior = Prior { strength: 0.3, seen: vec![(5, 1.2)] };
        let best: &[(usize, f32)] = &[(1, 0.5), (5, 0.5)];
        assert_eq!(fuse(&[(best, 1.0)], &Prior::none()).top(), Some(1));
        assert_eq!(fuse(&[(best, 1.0)], &prior).top(), Some(5));
    }

    #[test]
    fn nothing_fuses_to_nothing() {
        let nothing = fuse(&[], &Prior::none());
        assert_eq!((nothing.top(), nothing.confidence()), (None, 0.0));
    }
}
