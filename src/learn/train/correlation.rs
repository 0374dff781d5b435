//! Features that say nothing, or nothing that another one does not say.
//!
//! A feature that is the same on every picture goes first. Of two features whose Pearson
//! correlation is beyond [`LIMIT`] either way, the one goes that is, in the mean over all other
//! features, the more strongly correlated. Pairs are taken by the strength of their correlation;
//! one that has lost a feature to a stronger pair is left alone.

use super::samples::Picture;
use super::selection::{Dropped, Reason};
use crate::features::Features;

/// The paper's.
const LIMIT: f64 = 0.75;

/// The columns that are left, ascending, and those that went, in that order.
pub(super) fn filter(pictures: &[&Picture]) -> (Vec<usize>, Vec<Dropped>) {
    let columns: Vec<Column> =
        (0..Features::COUNT).map(|column| standard(pictures, column)).collect();
    let constant = |column: &usize| columns[*column].is_none();
    let (constant, mut left): (Vec<usize>, Vec<usize>) = (0..Features::COUNT).partition(constant);
    let mut dropped: Vec<Dropped> =
        constant.into_iter().map(|column| Dropped { column, reason: Reason::Constant }).collect();
    let pairs = pairs(&columns, &left);
    let means = mean_strengths(&pairs, left.len());
    for pair in pairs.iter().filter(|pair| pair.r.abs() > LIMIT) {
        if left.contains(&pair.one) && left.contains(&pair.other) {
            // Of equals the later goes.
            let first_goes = means[pair.one] > means[pair.other];
            let (column, with) =
                if first_goes { (pair.one, pair.other) } else { (pair.other, pair.one) };
            left.retain(|kept| *kept != column);
            dropped.push(Dropped { column, reason: Reason::Correlated { with, r: pair.r } });
        }
    }
    (left, dropped)
}

/// A feature of all pictures, with mean 0 and length 1; `None` if it is constant.
type Column = Option<Vec<f64>>;

fn standard(pictures: &[&Picture], column: usize) -> Column {
    let values = || pictures.iter().map(|picture| f64::from(picture.features.values()[column]));
    let first = values().next()?;
    if values().all(|value| value == first) {
        return None;
    }
    let mean = values().sum::<f64>() / pictures.len() as f64;
    let length = values().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt();
    Some(values().map(|value| (value - mean) / length).collect())
}

struct Pair {
    one: usize,
    other: usize,
    r: f64,
}

/// All pairs of columns, the most strongly correlated first, of equals the first.
fn pairs(columns: &[Column], left: &[usize]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (number, &one) in left.iter().enumerate() {
        for &other in &left[number + 1..] {
            let products = columns[one].iter().flatten().zip(columns[other].iter().flatten());
            pairs.push(Pair { one, other, r: products.map(|(a, b)| a * b).sum() });
        }
    }
    pairs.sort_by(|a, b| b.r.abs().total_cmp(&a.r.abs()));
    pairs
}

/// For each column its mean correlation with the others, whichever the sign.
fn mean_strengths(pairs: &[Pair], columns: usize) -> [f64; Features::COUNT] {
    let mut means = [0.0; Features::COUNT];
    let others = columns.saturating_sub(1).max(1) as f64;
    for pair in pairs {
        means[pair.one] += pair.r.abs() / others;
        means[pair.other] += pair.r.abs() / others;
    }
    means
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Pictures whose first columns are given, and whose others are constant.
    fn pictures(columns: &[Vec<f32>]) -> Vec<Picture> {
        let picture = |row: usize| {
            let value = |column: usize| columns.get(column).map_or(7.0, |values| values[row]);
            Picture {
                features: Features::new(std::array::from_fn(value)).unwrap(),
                right: [0].into_iter().collect(),
                latencies: vec![Duration::ZERO],
                group: row,
            }
        };
        (0..columns[0].len()).map(picture).collect()
    }

    fn filtered(columns: &[Vec<f32>]) -> (Vec<usize>, Vec<Dropped>) {
        let pictures = pictures(columns);
        filter(&pictures.iter().collect::<Vec<_>>())
    }

    fn noise(seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..500).map(|_| random.f32()).collect()
    }

    fn mix(parts: &[(f32, &[f32])]) -> Vec<f32> {
        let sum = |row: usize| parts.iter().map(|(weight, values)| weight * values[row]).sum();
        (0..500).map(sum).collect()
    }

    #[test]
    fn constant_features_go_first() {
        let (left, dropped) = filtered(&[noise(1), vec![3.0; 500], noise(2)]);
        assert_eq!(left, [0, 2]);
        assert_eq!(dropped.len(), Features::COUNT - 2);
        assert_eq!(dropped[0], Dropped { column: 1, reason: Reason::Constant });
    }

    #[test]
    fn of_a_correlated_pair_the_one_that_resembles_more_others_goes() {
        let (a, b, c) = (noise(1), noise(2), noise(3));
        // Column 1 is nearly column 0, with some of column 2; their correlation is negative.
        let near = mix(&[(-1.0, &a), (0.4, &b)]);
        let (left, dropped) = filtered(&[a, near, b, c]);
        assert_eq!(left, [0, 2, 3]);
        let last = dropped.last().unwrap();
        let Reason::Correlated { with: 0, r } = last.reason else { panic!("{last:?}") };
        assert!(last.column == 1 && r < -0.75, "{last:?}");
    }

    #[test]
    fn what_a_stronger_pair_has_cost_its_partner_is_left_alone() {
        let (a, b) = (noise(1), noise(2));
        // 0 and 1 are twins; 2 resembles both, beyond the limit, and both resemble it.
        let twin = mix(&[(1.0, &a), (0.01, &b)]);
        let cousin = mix(&[(1.0, &a), (0.6, &b)]);
        let (left, dropped) = filtered(&[a.clone(), twin, cousin, b.clone()]);
        assert_eq!(dropped.len(), Features::COUNT - 4 + 2);
        assert_eq!(left.len(), 2);
        assert!(left.contains(&3), "{left:?}: independent noise stays");
        // At the limit itself both stay.
        let independent = filtered(&[a, b]);
        assert_eq!(independent.0, [0, 1]);
    }
}
