//! How strong a prior the classes of the training pictures make.
//!
//! Frequent classes gain by a prior and rare ones lose. The strongest prior is taken that leaves the
//! accuracy *averaged over the classes* no worse than without; each picture is judged by a prior that
//! was not told of it.

use super::scored::Scored;
use super::weights;
use crate::adaptive::ModelSet;

/// Strengths that are tried.
const STRENGTHS: [f32; 6] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5];

/// The strength for pictures of classes seen so often, answered by the whole pool (at most as many
/// as may run together, the largest).
pub(super) fn strength(scored: &mut [Scored], counts: &[usize], pool: usize) -> f32 {
    let first = pool.saturating_sub(crate::adaptive::MAX_SET);
    let set: ModelSet = (first..pool).collect();
    let without = class_accuracy(scored, counts, set, 0.0);
    let mut is_harmless =
        |strength: &f32| class_accuracy(scored, counts, set, *strength) >= without;
    STRENGTHS.into_iter().rev().find(&mut is_harmless).unwrap_or(0.0)
}

/// The mean over the classes of the share of their pictures that are answered right.
fn class_accuracy(scored: &mut [Scored], counts: &[usize], set: ModelSet, strength: f32) -> f64 {
    let weights = weights::equal(set);
    let mut room = Vec::new();
    let mut sum = 0.0;
    for one in scored {
        if one.is_right_under(counts, strength, (set, &weights), &mut room) {
            sum += 1.0 / counts[one.truth] as f64;
        }
    }
    sum / counts.iter().filter(|&&count| count > 0).count().max(1) as f64
}
