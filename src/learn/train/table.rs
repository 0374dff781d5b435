//! Nearest pictures of other folds, for one set of features after the other.
//!
//! The rows are scaled over all pictures and lie fold after fold in blocks, column by column, as in
//! the premodel's own search; a query skips its own fold, so one table serves every fold of a
//! cross-validation.
//!
//! To try what each feature is worth, one scan serves all sets that lack one. Without a feature, a row
//! lies at its distance by all features less its squared difference in that one; it matters if that
//! is below the bound of the set, the distance of the farthest row kept so far. So it is looked at
//! more closely only where its distance by all is below the largest sum of difference and bound. Rows
//! that are known to be near (the *seeds*) give bounds from the beginning.

use std::ops::Range;

use super::samples::Picture;
use crate::features::FeatureSet;
use crate::premodel::{BLOCK, Nearest, Scaling, add_squares};

/// The scaled features of pictures, which are given by their position.
pub(super) struct FoldTable {
    width: usize,
    /// `width` columns for each block; rows that are not filled lie infinitely far away.
    columns: Vec<[f32; BLOCK]>,
    /// The blocks of each fold.
    folds: Vec<Range<usize>>,
    /// The picture in each row; what is in rows that are not filled is never looked at.
    pictures: Vec<usize>,
    /// Where each picture is.
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    fold: usize,
    row: usize,
}

impl FoldTable {
    /// Scales the features of `set` and lays the pictures out by folds, which hold each once.
    /// `None` without pictures.
    pub(super) fn new(
        pictures: &[&Picture],
        set: &FeatureSet,
        folds: &[Vec<usize>],
    ) -> Option<Self> {
        let rows: Vec<_> = pictures.iter().map(|picture| set.pick(&picture.features)).collect();
        let scaling = Scaling::of(rows.iter())?;
        let mut table = Self {
            width: set.len(),
            columns: Vec::new(),
            folds: Vec::new(),
            pictures: Vec::new(),
            places: vec![Place::default(); pictures.len()],
        };
        for (fold, members) in folds.iter().enumerate() {
            let first = table.blocks();
            for chunk in members.chunks(BLOCK) {
                let scaled = chunk.iter().map(|&picture| scaling.apply(&rows[picture]));
                table.push_block(fold, chunk, scaled);
            }
            table.folds.push(first..table.blocks());
        }
        Some(table)
    }

    fn blocks(&self) -> usize {
        self.columns.len() / self.width
    }

    fn push_block(
        &mut self,
        fold: usize,
        pictures: &[usize],
        rows: impl Iterator<Item = Vec<f32>>,
    ) {
        let start = self.columns.len();
        self.columns.extend(std::iter::repeat_n([f32::INFINITY; BLOCK], self.width));
        for (offset, (row, &picture)) in rows.zip(pictures).enumerate() {
            for (column, value) in self.columns[start..].iter_mut().zip(row) {
                column[offset] = value;
            }
            self.places[picture] = Place { fold, row: self.pictures.len() + offset };
        }
        self.pictures.extend(pictures);
        self.pictures.resize(self.columns.len() / self.width * BLOCK, usize::MAX);
    }

    /// The `k` nearest pictures of other folds, by the features in these columns; nearest first,
    /// fewer if there are fewer.
    pub(super) fn nearest(&self, picture: usize, k: usize, columns: &[usize]) -> Vec<usize> {
        let query = self.values(picture);
        let mut nearest = Nearest::new(k);
        for (first, block) in self.other_blocks(self.places[picture].fold) {
            let mut distances = [0.0; BLOCK];
            for &column in columns {
                add_squares(&mut distances, &block[column], query[column]);
            }
            nearest.offer(first, &distances);
        }
        self.found(nearest)
    }

    /// The same, once without each of the columns. `seeds` are at least `k` pictures of other folds,
    /// or all of them; the nearer they are, the faster the search.
    pub(super) fn nearest_without_each(
        &self,
        picture: usize,
        k: usize,
        columns: &[usize],
        seeds: &[usize],
    ) -> Vec<Vec<usize>> {
        let query = self.values(picture);
        let mut search = Search::new(&query, columns, k);
        search.reach(seeds.iter().map(|&seed| self.values(seed)), seeds.len());
        for (first, block) in self.other_blocks(self.places[picture].fold) {
            search.scan(first, block);
        }
        search.nearest.into_iter().map(|nearest| self.found(nearest)).collect()
    }

    fn values(&self, picture: usize) -> Vec<f32> {
        let row = self.places[picture].row;
        let block = &self.columns[row / BLOCK * self.width..][..self.width];
        block.iter().map(|column| column[row % BLOCK]).collect()
    }

    /// The blocks of all folds but one, with the number of their first row.
    fn other_blocks(&self, fold: usize) -> impl Iterator<Item = (usize, &[[f32; BLOCK]])> {
        let own = &self.folds[fold];
        let blocks = self.columns.chunks_exact(self.width).enumerate();
        let others = blocks.filter(move |(number, _)| !own.contains(number));
        others.map(|(number, block)| (number * BLOCK, block))
    }

    fn found(&self, nearest: Nearest) -> Vec<usize> {
        nearest.rows().map(|row| self.pictures[row]).collect()
    }
}

/// The rows nearest to a query by each set of columns that lacks one.
struct Search<'a> {
    query: &'a [f32],
    columns: &'a [usize],
    k: usize,
    /// Without each of the columns.
    nearest: Vec<Nearest>,
    /// The bounds of `nearest`.
    bounds: Vec<f32>,
    without: Vec<f32>,
}

/// Rows that are looked at together: what is known of them fits the registers.
const LANES: usize = 16;

/// More than the rounding errors of a sum of squares of all features.
const SLACK: f32 = 1e-4;

impl<'a> Search<'a> {
    fn new(query: &'a [f32], columns: &'a [usize], k: usize) -> Self {
        let nearest = columns.iter().map(|_| Nearest::new(k)).collect();
        let without = vec![0.0; columns.len()];
        let bounds = vec![f32::INFINITY; columns.len()];
        Self { query, columns, k, nearest, bounds, without }
    }

    /// Seeks only as far as the seeds lie, if they are enough.
    fn reach(&mut self, seeds: impl Iterator<Item = Vec<f32>>, count: usize) {
        if count < self.k {
            return;
        }
        let mut farthest = vec![0.0_f32; self.columns.len()];
        for seed in seeds {
            self.measure(|column| seed[column]);
            for (farthest, distance) in farthest.iter_mut().zip(&self.without) {
                *farthest = farthest.max(*distance);
            }
        }
        self.bounds = farthest.iter().map(|far| far + SLACK).collect();
        self.nearest = self.bounds.iter().map(|bound| Nearest::within(self.k, *bound)).collect();
    }

    fn scan(&mut self, first: usize, block: &[[f32; BLOCK]]) {
        for chunk in 0..BLOCK / LANES {
            for (lane, excess) in self.excesses(block, chunk).into_iter().enumerate() {
                if excess < SLACK {
                    let row = chunk * LANES + lane;
                    self.measure(|column| block[column][row]);
                    self.offer(first + row);
                }
            }
        }
    }

    /// By how much rows lie beyond the bounds of all sets; below 0 if some set keeps the row.
    fn excesses(&self, block: &[[f32; BLOCK]], chunk: usize) -> [f32; LANES] {
        let (mut sums, mut largest) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (&column, bound) in self.columns.iter().zip(&self.bounds) {
            let (value, rows) = (self.query[column], &block[column].as_chunks::<LANES>().0[chunk]);
            for ((sum, largest), row) in sums.iter_mut().zip(&mut largest).zip(rows) {
                let square = (row - value) * (row - value);
                *sum += square;
                let allowed = square + bound;
                *largest = if allowed > *largest { allowed } else { *largest };
            }
        }
        std::array::from_fn(|lane| sums[lane] - largest[lane])
    }

    /// Works out a row's squared distances without each column: what lies before and behind it.
    fn measure(&mut self, row: impl Fn(usize) -> f32) {
        let square = |column: usize| (row(column) - self.query[column]).powi(2);
        let mut before = 0.0;
        for (&column, without) in self.columns.iter().zip(&mut self.without) {
            *without = before;
            before += square(column);
        }
        let mut behind = 0.0;
        for (&column, without) in self.columns.iter().zip(&mut self.without).rev() {
            *without += behind;
            behind += square(column);
        }
    }

    fn offer(&mut self, row: usize) {
        let sets = self.nearest.iter_mut().zip(&mut self.bounds);
        for ((nearest, bound), &distance) in sets.zip(&self.without) {
            nearest.offer_row(row, distance);
            *bound = nearest.bound();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::features::Features;
    use crate::learn::train::folds::deal;

    /// Pictures whose features are multiples of 1/64, so that sums of squares are exact.
    fn pictures(count: usize) -> Vec<Picture> {
        let mut random = fastrand::Rng::with_seed(3);
        let mut picture = |group| {
            let features = std::array::from_fn(|_| f32::from(random.u8(0..=64)) / 64.0);
            Picture {
                features: Features::new(features).unwrap(),
                right: [0].into_iter().collect(),
                latencies: vec![Duration::ZERO],
                group,
            }
        };
        (0..count).map(&mut picture).collect()
    }

    /// Sorts all pictures of other folds by distance, then by fold and position.
    fn brute_force(
        pictures: &[Picture],
        folds: &[Vec<usize>],
        picture: usize,
        columns: &[usize],
    ) -> Vec<usize> {
        let others = folds.iter().filter(|fold| !fold.contains(&picture)).flatten();
        let distance = |other: usize| -> f32 {
            let value = |picture: usize, column: usize| pictures[picture].features.values()[column];
            columns.iter().map(|&c| (value(picture, c) - value(other, c)).powi(2)).sum()
        };
        let mut others: Vec<usize> = others.copied().collect();
        others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        others
    }

    #[test]
    fn the_nearest_of_other_folds_are_found_with_all_features_and_without_each() {
        let mut pictures = pictures(300);
        // The extremes, so that scaling changes nothing.
        pictures[0].features = Features::new([0.0; Features::COUNT]).unwrap();
        pictures[1].features = Features::new([1.0; Features::COUNT]).unwrap();
        let folds = deal(&(0..300).collect::<Vec<_>>(), 4, 1);
        let referred: Vec<&Picture> = pictures.iter().collect();
        let table = FoldTable::new(&referred, &FeatureSet::all(), &folds).unwrap();
        let columns = [2, 3, 11, 20, 28];
        for picture in (0..300).step_by(7) {
            let expected = brute_force(&pictures, &folds, picture, &columns);
            assert_eq!(table.nearest(picture, 9, &columns), expected[..9]);
            let seeds = table.nearest(picture, 5, &[4, 5, 6]);
            let without = table.nearest_without_each(picture, 5, &columns, &seeds);
            let unseeded = table.nearest_without_each(picture, 5, &columns, &[]);
            assert_eq!(without, unseeded);
            for (gone, found) in columns.iter().zip(without) {
                let left: Vec<usize> = columns.into_iter().filter(|c| c != gone).collect();
                assert_eq!(found, brute_force(&pictures, &folds, picture, &left)[..5]);
            }
        }
    }

    #[test]
    fn there_may_be_fewer_pictures_than_votes() {
        let pictures = pictures(3);
        let referred: Vec<&Picture> = pictures.iter().collect();
        let folds = [vec![0], vec![1, 2]];
        let table = FoldTable::new(&referred, &FeatureSet::all(), &folds).unwrap();
        assert_eq!(table.nearest(1, 5, &[0, 1]), [0]);
        assert_eq!(table.nearest(0, 5, &[0, 1]).len(), 2);
        assert!(FoldTable::new(&[], &FeatureSet::all(), &[]).is_none());
    }
}
