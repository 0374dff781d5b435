//! How well scores tell yes from no, whatever the threshold.

/// The area under the receiver operating characteristic: the probability that a random yes scores
/// higher than a random no, a tie counting half (the Mann-Whitney statistic by mid-ranks). 1/2 is
/// chance, below it the scores mislead.
///
/// `None` unless there are both answers and every score is a number.
///
/// # Panics
///
/// Unless there is one label for each score.
pub fn roc_auc(scores: &[f32], labels: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "there must be one label for each score");
    let positives = labels.iter().filter(|&&yes| yes).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let least = positives * (positives + 1.0) / 2.0;
    Some((rank_sum(scores, labels) - least) / (positives * negatives))
}

/// The sum of the ranks of the yes, from 1; equal scores share the middle of their ranks.
fn rank_sum(scores: &[f32], labels: &[bool]) -> f64 {
    let mut pairs: Vec<(f32, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (mut sum, mut below) = (0.0, 0);
    // By value: the two zeros are equal, though sorted apart.
    for equals in pairs.chunk_by(|(a, _), (b, _)| a == b) {
        let rank = below as f64 + (equals.len() + 1) as f64 / 2.0;
        sum += rank * equals.iter().filter(|&&(_, yes)| yes).count() as f64;
        below += equals.len();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tie_counts_half() {
        // Four pairs of a yes and a no: three in the right order, one tie.
        let area = roc_auc(&[0.1, 0.4, 0.4, 0.8], &[false, true, false, true]);
        assert_eq!(area, Some(3.5 / 4.0));
    }

    #[test]
    fn the_ends_of_the_scale_are_reached() {
        let labels = [true, false, true, false];
        assert_eq!(roc_auc(&[0.9, -1.0, 0.8, 0.1], &labels), Some(1.0));
        assert_eq!(roc_auc(&[-3.0, 0.5, 0.1, f32::INFINITY], &labels), Some(0.0));
        assert_eq!(roc_auc(&[0.0, -0.0, -0.0, 0.0], &labels), Some(0.5));
    }

    #[test]
    fn without_both_answers_or_without_numbers_there_is_no_area() {
        assert_eq!(roc_auc(&[], &[]), None);
        assert_eq!(roc_auc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(roc_auc(&[0.1, 0.2], &[false, false]), None);
        assert_eq!(roc_auc(&[0.1, f32::NAN], &[false, true]), None);
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_the_right_order(
            pairs in prop::collection::vec((0..6u8, any::<bool>()), 0..60),
        ) {
            let scores: Vec<f32> = pairs.iter().map(|&(score, _)| f32::from(score)).collect();
            let labels: Vec<bool> = pairs.iter().map(|&(_, yes)| yes).collect();
            let of = |wanted| {
                pairs.iter().filter(move |&&(_, yes)| yes == wanted).map(|&(score, _)| score)
            };
            let points: Vec<f64> = of(true)
                .flat_map(|yes| of(false).map(move |no| (1 + yes.cmp(&no) as i32).into()))
                .collect();
            let count = points.len() as f64;
            let expected = (count > 0.0).then(|| points.iter().sum::<f64>() / 2.0 / count);
            let area = roc_auc(&scores, &labels);
            prop_assert_eq!(area.is_some(), expected.is_some());
            prop_assert!((area.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12);
        }
    }
}
