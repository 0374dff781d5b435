//! The marks of kinds and series.

use crate::learn::evaluate::figures::Kind;

pub use crate::report::marks::{Outlines, disc, draw, ring};
use crate::report::marks::{rectangle, round};

/// The mark of a kind.
pub fn of(kind: Kind) -> Outlines {
    match kind {
        Kind::Single => vec![rectangle(4, 4)],
        Kind::PaperSequence => vec![vec![(0, -7), (7, 5), (-7, 5)]],
        Kind::LearnerMix => vec![vec![(0, 4), (3, -3), (-3, -3)]],
        Kind::Reference => vec![rectangle(2, 6), rectangle(6, 2)],
        Kind::Given => vec![vec![(-7, 0), (0, -4), (7, 0), (0, 4)]],
        Kind::Adaptive => vec![round(5)],
        Kind::Ablation => vec![round(3)],
        Kind::RandomMix => vec![rectangle(6, 1)],
        Kind::Oracle => vec![vec![(0, -8), (6, 0), (0, 8), (-6, 0)]],
    }
}

/// A mark for each of a few series.
pub fn of_series(number: usize) -> Outlines {
    const KINDS: [Kind; 5] =
        [Kind::Adaptive, Kind::PaperSequence, Kind::Single, Kind::Oracle, Kind::Reference];
    of(KINDS[number % KINDS.len()])
}
