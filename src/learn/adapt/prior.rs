//! How strong a prior the classes of the training pictures make.
//!
//! Frequent classes gain by a prior and rare ones lose. The strongest prior is taken that lowers the
//! accuracy *averaged over the classes* by no more than half its standard error, which is to say not
//! measurably; each picture is judged by a prior that was not told of it. The strongest that is tried
//! makes a class seen thirty times in training 3.4 times as likely as one never seen.

use super::scored::Scored;
use super::weights;
use crate::adaptive::ModelSet;

/// Strengths that are tried.
const STRENGTHS: [f32; 4] = [0.0, 0.1, 0.2, 0.3];

/// The strength for pictures of classes seen so often, answered by the whole pool (at most as many
/// as may run together, the largest).
pub(super) fn strength(scored: &mut [Scored], counts: &[usize], pool: usize) -> f32 {
    let first = pool.saturating_sub(crate::adaptive::MAX_SET);
    let set: ModelSet = (first..pool).collect();
    let (without, error) = class_accuracy(scored, counts, set, 0.0);
    let mut is_harmless =
        |strength: &f32| class_accuracy(scored, counts, set, *strength).0 >= without - error / 2.0;
    STRENGTHS.into_iter().rev().find(&mut is_harmless).unwrap_or(0.0)
}

/// The mean over the classes of the share of their pictures that are answered right, and its
/// standard error.
fn class_accuracy(
    scored: &mut [Scored],
    counts: &[usize],
    set: ModelSet,
    strength: f32,
) -> (f64, f64) {
    let weights = weights::equal(set);
    let mut room = Vec::new();
    let (mut right, mut seen) = (vec![0_usize; counts.len()], vec![0_usize; counts.len()]);
    for one in scored {
        let is_right = one.is_right_under(counts, strength, (set, &weights), &mut room);
        right[one.truth] += usize::from(is_right);
        seen[one.truth] += 1;
    }
    let shares = right.iter().zip(seen).filter(|(_, seen)| *seen > 0);
    let shares: Vec<f64> = shares.map(|(right, seen)| *right as f64 / seen as f64).collect();
    let classes = shares.len().max(1) as f64;
    let mean = shares.iter().sum::<f64>() / classes;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / classes;
    (mean, (variance / classes).sqrt())
}
