//! How much a signal (a feature, a confidence) says.

use super::mean;

/// The area under the ROC curve: the probability that the signal of an image with `true` is higher
/// than that of one with `false`, ties counting half. 0.5 is guessing; `None` if one of the two
/// does not occur.
pub fn auc(signals: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = signals.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let positive = ties.iter().filter(|signal| signal.1).count() as f64;
        let negative = ties.len() as f64 - positive;
        won += positive * (below + negative / 2.0);
        below += negative;
    }
    let pairs = below * (signals.len() as f64 - below);
    (pairs > 0.0).then(|| won / pairs)
}

/// Pearson's r of two signals of the same images; `None` if one of them never changes.
pub fn pearson(first: &[f64], second: &[f64]) -> Option<f64> {
    let (mean_first, mean_second) = (mean(first), mean(second));
    let (mut both, mut of_first, mut of_second) = (0.0, 0.0, 0.0);
    for (a, b) in first.iter().zip(second) {
        let (a, b) = (a - mean_first, b - mean_second);
        both += a * b;
        of_first += a * a;
        of_second += b * b;
    }
    let spread = (of_first * of_second).sqrt();
    (spread > 0.0).then(|| both / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        // Of the pairs (0.8, 0.1), (0.8, 0.9), (0.4, 0.1), (0.4, 0.9) two are in order.
        let signals = [(0.8, true), (0.1, false), (0.4, true), (0.9, false)];
        assert_eq!(auc(&signals), Some(0.5));
        assert_eq!(auc(&[(0.1, false), (0.2, true)]), Some(1.0));
        assert_eq!(auc(&[(0.1, true), (0.2, false)]), Some(0.0));
    }

    #[test]
    fn a_tie_is_worth_one_half() {
        assert_eq!(auc(&[(0.3, true), (0.3, false), (0.1, false)]), Some(0.75));
        assert_eq!(auc(&[(0.3, true), (0.3, true)]), None);
    }

    #[test]
    fn correlation_of_lines_and_of_their_mixture() {
        let line = [1.0, 2.0, 3.0];
        assert!((pearson(&line, &[2.0, 4.0, 6.0]).unwrap() - 1.0).abs() < 1e-12);
        assert!((pearson(&line, &[3.0, 2.0, 1.0]).unwrap() + 1.0).abs() < 1e-12);
        assert!((pearson(&line, &[1.0, 3.0, 2.0]).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(pearson(&line, &[5.0, 5.0, 5.0]), None);
    }
}
