//! The residuals of a runner's recent runs, and their quantiles.

use std::collections::VecDeque;

/// Runs that a window holds at most. So many are needed to see what one run in a thousand takes.
pub(super) const WINDOW: usize = 2048;

/// A window of the latest values, also in ascending order.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    sorted: Vec<f32>,
}

/// A value and the number of the run it is from.
#[derive(Clone, Copy, Debug)]
struct Entry {
    value: f32,
    number: u64,
}

impl Window {
    /// Adds the value of run `number`; the oldest gives way if the window is full.
    pub(super) fn push(&mut self, value: f64, number: u64) {
        if self.entries.len() == WINDOW {
            self.pop();
        }
        let value = value as f32;
        self.entries.push_back(Entry { value, number });
        self.sorted.insert(self.place(value), value);
    }

    /// Drops the values of runs before `number`.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.entries.front().is_some_and(|oldest| oldest.number < number) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.sorted.remove(self.place(oldest.value));
        }
    }

    /// Where the first value stands that is not below `value`.
    fn place(&self, value: f32) -> usize {
        self.sorted.partition_point(|other| other.total_cmp(&value).is_lt())
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The values, the oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.entries.iter().map(|entry| entry.value.into())
    }

    /// The quantile, interpolated between neighbours (type 7 of Hyndman and Fan); 0 of no values.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let position = share * self.len().saturating_sub(1) as f64;
        let (below, above) = (position.floor() as usize, position.ceil() as usize);
        let at = |index: usize| self.sorted.get(index).copied().map_or(0.0, f64::from);
        at(below) + (at(above) - at(below)) * position.fract()
    }

    /// The largest value if `count` larger ones are left out.
    pub(super) fn largest_but(&self, count: usize) -> Option<f64> {
        let index = self.len().checked_sub(count + 1)?;
        self.sorted.get(index).copied().map(f64::from)
    }

    /// How many values are above `limit`.
    pub(super) fn count_above(&self, limit: f64) -> usize {
        self.len() - self.sorted.partition_point(|&value| f64::from(value) <= limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_values(
            values in prop::collection::vec((-30.0..30.0, 0_u64..3), 0..3000),
        ) {
            let mut window = Window::default();
            let mut number = 0;
            for (value, step) in values {
                number += step;
                window.push(value, number);
                window.forget_before(number.saturating_sub(1000));
            }
            let mut sorted: Vec<f32> = window.entries.iter().map(|entry| entry.value).collect();
            sorted.sort_unstable_by(f32::total_cmp);
            prop_assert_eq!(&sorted, &window.sorted);
            prop_assert!(window.len() <= WINDOW);
        }
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let mut window = Window::default();
        assert_eq!((window.quantile(0.5), window.largest_but(0)), (0.0, None));
        (0..=10).rev().for_each(|value| window.push(value.into(), 0));
        assert_eq!(
            [0.0, 0.25, 0.5, 0.99, 1.0].map(|share| window.quantile(share) as f32),
            [0.0, 2.5, 5.0, 9.9, 10.0]
        );
        assert_eq!(
            [0, 1, 10, 11].map(|count| window.largest_but(count)),
            [Some(10.0), Some(9.0), Some(0.0), None]
        );
        assert_eq!([-1.0, 0.0, 9.5, 10.0].map(|limit| window.count_above(limit)), [11, 10, 1, 0]);
    }

    #[test]
    fn old_values_are_forgotten_by_room_and_by_age() {
        let mut window = Window::default();
        (0..WINDOW as u64 + 5).for_each(|number| window.push(number as f64, number));
        assert_eq!((window.len(), window.values().next()), (WINDOW, Some(5.0)));
        window.forget_before(WINDOW as u64);
        assert_eq!(window.values().collect::<Vec<_>>(), [2048.0, 2049.0, 2050.0, 2051.0, 2052.0]);
    }
}
