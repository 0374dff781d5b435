//! Exact search for the nearest examples.
//!
//! Some thousand rows of seven numbers are scanned faster than any tree is walked: the rows lie in
//! blocks, column by column, and the compiler turns the distance loops into SIMD instructions.
//! A distance is summed in the order of the columns, so it does not depend on the block size.

use crate::features::Features;

/// Rows whose distances are computed together; their working set fits the first-level cache.
const BLOCK: usize = 64;

/// An example near a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The number of the example, from 0.
    pub example: usize,
    /// Its Euclidean distance in scaled features.
    pub distance: f32,
}

/// The scaled features of all examples.
#[derive(Clone, Debug)]
pub(super) struct NeighbourIndex {
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    columns: [[f32; BLOCK]; Features::COUNT],
}

impl NeighbourIndex {
    pub(super) fn new(rows: impl Iterator<Item = [f32; Features::COUNT]>) -> Self {
        let mut blocks = Vec::new();
        for (number, row) in rows.enumerate() {
            if number % BLOCK == 0 {
                blocks.push(Block::empty());
            }
            let block = &mut blocks[number / BLOCK];
            for (column, value) in block.columns.iter_mut().zip(row) {
                column[number % BLOCK] = value;
            }
        }
        Self { blocks }
    }

    /// The `k` nearest rows, nearest first; of equally near ones those of lower number. All rows
    /// if there are fewer.
    pub(super) fn nearest(&self, query: &[f32; Features::COUNT], k: usize) -> Vec<Neighbour> {
        let mut nearest = Nearest::new(k);
        for (number, block) in self.blocks.iter().enumerate() {
            let distances = block.squared_distances(query);
            if lowest(&distances) < nearest.bound {
                nearest.offer_block(number * BLOCK, &distances);
            }
        }
        let unsquared = |kept: Neighbour| Neighbour { distance: kept.distance.sqrt(), ..kept };
        nearest.kept.into_iter().map(unsquared).collect()
    }
}

impl Block {
    /// Rows that are not filled lie infinitely far away.
    fn empty() -> Self {
        Self { columns: [[f32::INFINITY; BLOCK]; Features::COUNT] }
    }

    fn squared_distances(&self, query: &[f32; Features::COUNT]) -> [f32; BLOCK] {
        let mut sums = [0.0; BLOCK];
        for (column, value) in self.columns.iter().zip(query) {
            for (sum, coordinate) in sums.iter_mut().zip(column) {
                let difference = coordinate - value;
                *sum += difference * difference;
            }
        }
        sums
    }
}

fn lowest(distances: &[f32; BLOCK]) -> f32 {
    let smaller = |a: f32, b: f32| if b < a { b } else { a };
    let mut lanes = [f32::INFINITY; 8];
    for chunk in distances.chunks_exact(8) {
        for (lane, &distance) in lanes.iter_mut().zip(chunk) {
            *lane = smaller(*lane, distance);
        }
    }
    lanes.into_iter().fold(f32::INFINITY, smaller)
}

/// The best rows so far, sorted; distances are squared.
struct Nearest {
    kept: Vec<Neighbour>,
    k: usize,
    /// A row must be nearer than this to be kept.
    bound: f32,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { kept: Vec::with_capacity(k), k, bound: f32::INFINITY }
    }

    fn offer_block(&mut self, first: usize, distances: &[f32; BLOCK]) {
        for (offset, &distance) in distances.iter().enumerate() {
            if distance < self.bound {
                self.keep(Neighbour { example: first + offset, distance });
            }
        }
    }

    /// Rows come in ascending order and go behind their equals: lower numbers stay ahead.
    fn keep(&mut self, row: Neighbour) {
        let place = self.kept.partition_point(|kept| kept.distance <= row.distance);
        self.kept.truncate(self.k - 1);
        self.kept.insert(place, row);
        if let Some(last) = self.kept.get(self.k - 1) {
            self.bound = last.distance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = [f32; Features::COUNT];

    /// Sorts everything; the order of summation is that of the columns.
    fn brute_force(rows: &[Row], query: &Row, k: usize) -> Vec<Neighbour> {
        let distance = |row: &Row| {
            let squares = row.iter().zip(query).map(|(a, b)| (a - b) * (a - b));
            squares.fold(0.0, |sum: f32, square| sum + square)
        };
        let rows = rows.iter().enumerate();
        let mut all: Vec<Neighbour> =
            rows.map(|(example, row)| Neighbour { example, distance: distance(row) }).collect();
        all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        all.truncate(k);
        all.iter_mut().for_each(|near| near.distance = near.distance.sqrt());
        all
    }

    /// A coarse grid makes ties frequent.
    fn row() -> impl Strategy<Value = Row> {
        let coarse = (0..4u8).prop_map(|step| f32::from(step) / 3.0);
        prop_oneof![prop::array::uniform29(coarse), prop::array::uniform29(0.0..=1.0f32)]
    }

    proptest! {
        #[test]
        fn the_search_equals_brute_force(
            rows in prop::collection::vec(row(), 1..300),
            query in row(),
            k in 1..9usize,
        ) {
            let found = NeighbourIndex::new(rows.iter().copied()).nearest(&query, k);
            prop_assert_eq!(found, brute_force(&rows, &query, k));
        }
    }

    #[test]
    fn of_equally_near_rows_the_first_win() {
        let index = NeighbourIndex::new((0..200).map(|_| [0.5; Features::COUNT]));
        let found = index.nearest(&[0.25; Features::COUNT], 3);
        assert_eq!(found.iter().map(|near| near.example).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
