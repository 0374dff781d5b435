//! The axes of a grid.

use crate::simulate::figures::Point;

/// What the points of a grid are told apart by, each ascending.
pub(super) struct Coordinates {
    pub(super) streams: Vec<usize>,
    /// In milliseconds.
    pub(super) budgets: Vec<f64>,
    pub(super) loads: Vec<f64>,
}

impl Coordinates {
    /// Those of these points.
    pub(super) fn of(points: &[Point]) -> Self {
        let mut streams: Vec<usize> = points.iter().map(|point| point.streams).collect();
        streams.sort_unstable();
        streams.dedup();
        let distinct = |of: fn(&Point) -> f64| {
            let mut values: Vec<f64> = points.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            values
        };
        let (budgets, loads) = (distinct(|point| point.budget_ms), distinct(|point| point.load));
        Self { streams, budgets, loads }
    }

    /// Every budget with every number of streams.
    pub(super) fn panels(&self) -> impl Iterator<Item = (f64, usize)> {
        let with = |budget: f64| self.streams.iter().map(move |streams| (budget, *streams));
        self.budgets.iter().copied().flat_map(with)
    }

    /// The least and the greatest load, and some room around them.
    pub(super) fn span_of_loads(&self) -> (f64, f64) {
        const ROOM: f64 = 1.15;
        let ends = self.loads.first().zip(self.loads.last());
        ends.map_or((0.5, 2.0), |(first, last)| (first / ROOM, last * ROOM))
    }
}
