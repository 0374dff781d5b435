//! Whether confidences mean what they say.

use crate::learn::evaluate::figures::Bin;

/// Puts answers in order of confidence into bins of equal size, or as nearly so as equal
/// confidences, which stay together, allow. Each answer is a confidence from 0 to 1 and whether it
/// was right. There are at most `bins` bins, none of them empty.
pub fn equal_mass_bins(answers: &[(f64, bool)], bins: usize) -> Vec<Bin> {
    let mut sorted = answers.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut filled = Vec::new();
    let mut start = 0;
    for bin in 1..=bins {
        let end = end_of_ties(&sorted, bin * sorted.len() / bins);
        if end > start {
            filled.push(fill(&sorted[start..end]));
            start = end;
        }
    }
    filled
}

/// The first position from `end` on that does not part equal confidences.
fn end_of_ties(sorted: &[(f64, bool)], end: usize) -> usize {
    let Some(last) = end.checked_sub(1).map(|last| sorted[last].0) else { return end };
    end + sorted[end..].iter().take_while(|answer| answer.0 == last).count()
}

fn fill(answers: &[(f64, bool)]) -> Bin {
    let images = answers.len();
    let right = answers.iter().filter(|answer| answer.1).count();
    let confidence: f64 = answers.iter().map(|answer| answer.0).sum();
    Bin {
        images,
        confidence: 100.0 * confidence / images as f64,
        accuracy: 100.0 * right as f64 / images as f64,
    }
}

/// The expected calibration error in percent: how far confidence and accuracy lie apart on average,
/// each bin weighing as much as it has images. 0 of nothing.
pub fn expected_calibration_error(bins: &[Bin]) -> f64 {
    let images: usize = bins.iter().map(|bin| bin.images).sum();
    let apart = |bin: &Bin| bin.images as f64 * (bin.confidence - bin.accuracy).abs();
    bins.iter().map(apart).sum::<f64>() / images.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [(f64, bool); 5] =
        [(0.9, true), (0.2, false), (0.7, false), (0.4, true), (0.8, true)];

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn bins_hold_equally_many_answers_in_order_of_confidence() {
        let bins = equal_mass_bins(&ANSWERS, 2);
        assert_eq!(bins.iter().map(|bin| bin.images).collect::<Vec<_>>(), [2, 3]);
        assert!(close(bins[0].confidence, 30.0) && close(bins[0].accuracy, 50.0));
        assert!(close(bins[1].confidence, 80.0) && close(bins[1].accuracy, 200.0 / 3.0));
    }

    #[test]
    fn the_error_weighs_bins_by_their_images() {
        // (2 * |30 - 50| + 3 * |80 - 66.67|) / 5 = 16
        assert!(close(expected_calibration_error(&equal_mass_bins(&ANSWERS, 2)), 16.0));
        // All in one: |60 - 60| = 0
        assert!(close(expected_calibration_error(&equal_mass_bins(&ANSWERS, 1)), 0.0));
    }

    #[test]
    fn equal_confidences_stay_together_whatever_their_order() {
        let mut answers = [(0.5, true), (0.5, false), (0.5, true), (0.9, true)];
        let bins = equal_mass_bins(&answers, 2);
        assert_eq!(bins.iter().map(|bin| bin.images).collect::<Vec<_>>(), [3, 1]);
        answers.reverse();
        assert_eq!(equal_mass_bins(&answers, 2), bins);
    }

    #[test]
    fn no_bin_is_empty() {
        assert_eq!(equal_mass_bins(&ANSWERS, 100).len(), 5);
        assert!(equal_mass_bins(&[], 10).is_empty());
        assert!(equal_mass_bins(&ANSWERS, 0).is_empty());
        assert_eq!(expected_calibration_error(&[]), 0.0);
    }
}
