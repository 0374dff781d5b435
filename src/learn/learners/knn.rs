//! k nearest neighbours, voting as in [`crate::premodel`].
//!
//! That one is built for seven features and for speed; this one takes rows of any width.

use super::table::Table;

/// The neighbours that vote.
const K: usize = 5;

#[derive(Debug)]
pub(super) struct Knn {
    /// Row after row.
    values: Vec<f32>,
    width: usize,
    yes: Vec<bool>,
}

impl Knn {
    pub(super) fn fit(table: &Table, yes: &[bool]) -> Self {
        Self { values: table.rows().concat(), width: table.width(), yes: yes.to_vec() }
    }

    /// The share of yes among the nearest rows: k of them, or all if there are fewer.
    pub(super) fn score(&self, query: &[f32]) -> f32 {
        let mut nearest: Vec<(f32, bool)> = Vec::with_capacity(K);
        for (row, &yes) in self.values.chunks_exact(self.width).zip(&self.yes) {
            let distance = squared_distance(row, query);
            if nearest.len() < K || distance < nearest[K - 1].0 {
                // Behind its equals: of equally near rows the earlier stay.
                let place = nearest.partition_point(|&(kept, _)| kept <= distance);
                nearest.truncate(K - 1);
                nearest.insert(place, (distance, yes));
            }
        }
        let votes = nearest.iter().filter(|&&(_, yes)| yes).count();
        votes as f32 / nearest.len() as f32
    }
}

/// Summed in the order of the columns, as the premodel does: else ties would fall otherwise.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.fold(0.0, |sum, square| sum + square)
}
