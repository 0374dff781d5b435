//! What one model thinks a picture shows: its best classes.

/// How many classes of a model take part in fusion.
///
/// With 20, fused answers are right as often as with all 1,000 classes to a tenth of a percent;
/// with 5, up to a percent less often.
pub const GUESSES: usize = 20;

/// The least probability that is told from none.
const LEAST: f32 = 1e-7;

/// A model's best classes, the most probable first, and what to assume of all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Guesses {
    /// Classes and the natural logarithms of their probabilities.
    best: Vec<(usize, f32)>,
    /// The logarithm of the probability of any other class.
    floor: f32,
}

impl Guesses {
    /// The best of the probabilities of all classes; of equals, the lower class comes first.
    pub fn of(probabilities: &[f32]) -> Self {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        let better = |a: &usize, b: &usize| {
            probabilities[*b].total_cmp(&probabilities[*a]).then_with(|| a.cmp(b))
        };
        if order.len() > GUESSES {
            order.select_nth_unstable_by(GUESSES - 1, better);
            order.truncate(GUESSES);
        }
        order.sort_unstable_by(better);
        let best: Vec<_> = order.into_iter().map(|class| (class, probabilities[class])).collect();
        Self::new(&best, probabilities.len())
    }

    /// From classes and their probabilities, the most probable first, of `classes` in all.
    ///
    /// What probability they leave is shared evenly by the other classes, none of which gets more
    /// than the last that is listed.
    pub fn new(best: &[(usize, f32)], classes: usize) -> Self {
        let best = &best[..best.len().min(GUESSES)];
        let listed: f32 = best.iter().map(|&(_, probability)| probability).sum();
        let others = classes.saturating_sub(best.len()).max(1) as f32;
        let last = best.last().map_or(1.0, |&(_, probability)| probability);
        let floor = ((1.0 - listed).max(0.0) / others).min(last);
        let logarithm = |probability: f32| probability.max(LEAST).ln();
        let best = best.iter().map(|&(class, probability)| (class, logarithm(probability)));
        Self { best: best.collect(), floor: logarithm(floor) }
    }

    /// What the model says of two frames of a scene, on average: the weighted mean of the logarithms,
    /// this frame counting 1, the `other` one `share`.
    #[must_use]
    pub fn blended(&self, other: &Self, share: f32) -> Self {
        let mean = |own: f32, others: f32| (own + share * others) / (1.0 + share);
        let mut classes: Vec<usize> = self.classes().chain(other.classes()).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut best: Vec<(usize, f32)> = classes
            .into_iter()
            .map(|class| (class, mean(self.logarithm(class), other.logarithm(class))))
            .collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(GUESSES);
        Self { best, floor: mean(self.floor, other.floor) }
    }

    /// The most probable class; `None` without any.
    pub fn top(&self) -> Option<usize> {
        self.best.first().map(|&(class, _)| class)
    }

    /// The classes it lists.
    pub fn classes(&self) -> impl Iterator<Item = usize> {
        self.best.iter().map(|&(class, _)| class)
    }

    /// The logarithm of the probability of a class.
    pub fn logarithm(&self, class: usize) -> f32 {
        let listed = self.best.iter().find(|&&(other, _)| other == class);
        listed.map_or(self.floor, |&(_, logarithm)| logarithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_listed_and_the_rest_share_what_is_left() {
        let mut probabilities = vec![0.001_f32; 40];
        probabilities[7] = 0.7;
        probabilities[3] = 0.262;
        let guesses = Guesses::of(&probabilities);
        assert_eq!(guesses.top(), Some(7));
        assert_eq!(guesses.classes().take(3).collect::<Vec<_>>(), [7, 3, 0]);
        assert_eq!(guesses.classes().count(), GUESSES);
        assert!((guesses.logarithm(3) - 0.262_f32.ln()).abs() < 1e-6);
        assert!((guesses.logarithm(39) - 0.001_f32.ln()).abs() < 1e-3);
    }

    #[test]
    fn two_frames_are_blended_by_what_they_count() {
        let (own, other) = (Guesses::new(&[(1, 0.6)], 10), Guesses::new(&[(2, 0.9), (1, 0.1)], 10));
        assert_eq!(own.blended(&other, 0.0).logarithm(1), own.logarithm(1));
        let halves = own.blended(&other, 1.0);
        let mean = (own.logarithm(2) + 0.9_f32.ln()) / 2.0;
        assert!((halves.logarithm(2) - mean).abs() < 1e-6);
        assert_eq!(halves.top(), Some(1));
        assert_eq!(own.blended(&other, 5.0).top(), Some(2), "an old frame that counts more");
        let many: Vec<(usize, f32)> = (20..40).map(|class| (class, 0.05)).collect();
        assert_eq!(own.blended(&Guesses::new(&many, 100), 0.5).classes().count(), GUESSES);
    }

    #[test]
    fn no_class_that_is_not_listed_beats_one_that_is() {
        let guesses = Guesses::new(&[(0, 0.5), (1, 0.001)], 3);
        assert_eq!(guesses.logarithm(2), 0.001_f32.ln());
    }

    #[test]
    fn impossible_classes_keep_a_finite_logarithm() {
        let guesses = Guesses::of(&[1.0, 0.0]);
        assert_eq!(guesses.logarithm(1), LEAST.ln());
        assert!(Guesses::of(&[]).top().is_none());
    }
}
