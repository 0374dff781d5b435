//! Exact search for the nearest examples.
//!
//! Some thousand rows of a few numbers are scanned faster than any tree is walked: the rows lie in
//! blocks, column by column, and the compiler turns the distance loops into SIMD instructions.
//! A distance is summed in the order of the columns, so it does not depend on the block size.

/// Rows whose distances are computed together; their working set fits the first-level cache.
pub(crate) const BLOCK: usize = 64;

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
    width: usize,
    /// `width` columns for each block; rows that are not filled lie infinitely far away.
    columns: Vec<[f32; BLOCK]>,
}

impl NeighbourIndex {
    /// Indexes rows of `width` numbers, at least one.
    pub(super) fn new(width: usize, rows: impl Iterator<Item = Vec<f32>>) -> Self {
        let mut columns: Vec<[f32; BLOCK]> = Vec::new();
        for (number, row) in rows.enumerate() {
            if number % BLOCK == 0 {
                columns.extend(std::iter::repeat_n([f32::INFINITY; BLOCK], width));
            }
            let block = &mut columns[number / BLOCK * width..];
            for (column, value) in block.iter_mut().zip(row) {
                column[number % BLOCK] = value;
            }
        }
        Self { width, columns }
    }

    /// The `k` nearest rows, nearest first; of equally near ones those of lower number. All rows
    /// if there are fewer.
    pub(super) fn nearest(&self, query: &[f32], k: usize) -> Vec<Neighbour> {
        let mut nearest = Nearest::new(k);
        for (number, block) in self.columns.chunks_exact(self.width).enumerate() {
            nearest.offer(number * BLOCK, &squared_distances(block, query));
        }
        let unsquared = |kept: Neighbour| Neighbour { distance: kept.distance.sqrt(), ..kept };
        nearest.kept.into_iter().map(unsquared).collect()
    }
}

/// The squared distances of the rows of a block, which is given by its columns.
fn squared_distances(block: &[[f32; BLOCK]], query: &[f32]) -> [f32; BLOCK] {
    let mut sums = [0.0; BLOCK];
    for (column, value) in block.iter().zip(query) {
        add_squares(&mut sums, column, *value);
    }
    sums
}

/// Adds to each sum the squared difference of a row's coordinate and a value.
pub(crate) fn add_squares(sums: &mut [f32; BLOCK], column: &[f32; BLOCK], value: f32) {
    for (sum, coordinate) in sums.iter_mut().zip(column) {
        let difference = coordinate - value;
        *sum += difference * difference;
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
pub(crate) struct Nearest {
    kept: Vec<Neighbour>,
    k: usize,
    bound: f32,
}

impl Nearest {
    /// Keeps `k` rows, at least one.
    pub(crate) fn new(k: usize) -> Self {
        Self { kept: Vec::with_capacity(k), k, bound: f32::INFINITY }
    }

    /// The same, of rows nearer than `bound` (a squared distance).
    pub(crate) fn within(k: usize, bound: f32) -> Self {
        Self { bound, ..Self::new(k) }
    }

    /// A row must be nearer than this squared distance to be kept.
    pub(crate) fn bound(&self) -> f32 {
        self.bound
    }

    /// Considers a row behind all those considered before, at a squared distance.
    pub(crate) fn offer_row(&mut self, row: usize, distance: f32) {
        if distance < self.bound {
            self.keep(Neighbour { example: row, distance });
        }
    }

    /// The numbers of the rows kept, nearest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.kept.iter().map(|row| row.example)
    }

    /// Considers a block of rows, of which the first has that number. Blocks come in ascending
    /// order; a row that lies infinitely far away is never kept.
    pub(crate) fn offer(&mut self, first: usize, distances: &[f32; BLOCK]) {
        if lowest(distances) < self.bound {
            self.keep_nearer(first, distances);
        }
    }

    fn keep_nearer(&mut self, first: usize, distances: &[f32; BLOCK]) {
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

    type Row = Vec<f32>;

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
    fn row(width: usize) -> impl Strategy<Value = Row> {
        let coarse = (0..4u8).prop_map(|step| f32::from(step) / 3.0);
        prop_oneof![
            prop::collection::vec(coarse, width),
            prop::collection::vec(0.0..=1.0f32, width)
        ]
    }

    fn rows_and_query() -> impl Strategy<Value = (Vec<Row>, Row)> {
        (1..=29usize).prop_flat_map(|width| (prop::collection::vec(row(width), 1..300), row(width)))
    }

    proptest! {
        #[test]
        fn the_search_equals_brute_force(
            (rows, query) in rows_and_query(),
            k in 1..9usize,
        ) {
            let found = NeighbourIndex::new(query.len(), rows.iter().cloned()).nearest(&query, k);
            prop_assert_eq!(found, brute_force(&rows, &query, k));
        }
    }

    #[test]
    fn of_equally_near_rows_the_first_win() {
        let index = NeighbourIndex::new(7, (0..200).map(|_| vec![0.5; 7]));
        let found = index.nearest(&[0.25; 7], 3);
        assert_eq!(found.iter().map(|near| near.example).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
