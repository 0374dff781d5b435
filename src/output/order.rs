//! One stream's outcomes, put back into the order of capture.
//!
//! Frames are settled in any order; their numbers are dense from 0, so the next one is always
//! known. What settles early waits here. A frame whose outcome never comes cannot hold its stream
//! up for ever: once [`PATIENCE`] later ones wait, it is given up as lost.

use std::collections::BTreeMap;
use std::ops::Range;

/// How many early outcomes may wait for a missing one: over two minutes of 30 frames a second,
/// longer than any frame takes that is still going to settle.
pub(super) const PATIENCE: usize = 4096;

/// Outcomes on their way back into capture order.
#[derive(Debug)]
pub(super) struct CaptureOrder<T> {
    next: u64,
    early: BTreeMap<u64, T>,
    patience: usize,
}

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// The next frame's outcome.
    Item(T),
    /// Frames whose outcomes were waited for in vain.
    Lost(Range<u64>),
}

impl<T> Default for CaptureOrder<T> {
    fn default() -> Self {
        Self { next: 0, early: BTreeMap::new(), patience: PATIENCE }
    }
}

impl<T> CaptureOrder<T> {
    /// Takes frame `number`'s outcome in; gives it back if that number was passed or taken before.
    pub(super) fn insert(&mut self, number: u64, item: T) -> Result<(), T> {
        if number < self.next || self.early.contains_key(&number) {
            return Err(item);
        }
        self.early.insert(number, item);
        Ok(())
    }

    /// What comes next, if that is decided yet.
    pub(super) fn pop(&mut self) -> Option<Next<T>> {
        let first = self.early.first_entry()?;
        let number = *first.key();
        if number == self.next {
            self.next += 1;
            return Some(Next::Item(first.remove()));
        }
        self.give_up_before(number)
    }

    /// Declares that no more outcomes come: from now on, gaps are losses.
    pub(super) fn close(&mut self) {
        self.patience = 0;
    }

    /// Frames passed so far, lost ones included.
    pub(super) fn passed(&self) -> u64 {
        self.next
    }

    /// The overflow rule: when too many wait, the frames before `number` are lost.
    fn give_up_before(&mut self, number: u64) -> Option<Next<T>> {
        if self.early.len() <= self.patience {
            return None;
        }
        let lost = self.next..number;
        self.next = number;
        Some(Next::Lost(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(order: &mut CaptureOrder<u64>) -> Vec<Next<u64>> {
        std::iter::from_fn(|| order.pop()).collect()
    }

    #[test]
    fn early_outcomes_wait_for_the_missing_one() {
        let mut order = CaptureOrder::default();
        order.insert(1, 1).unwrap();
        order.insert(2, 2).unwrap();
        assert_eq!(order.pop(), None);
        order.insert(0, 0).unwrap();
        assert_eq!(drain(&mut order), [Next::Item(0), Next::Item(1), Next::Item(2)]);
        assert_eq!(order.passed(), 3);
    }

    #[test]
    fn a_gap_at_the_end_is_a_loss() {
        let mut order = CaptureOrder::default();
        order.insert(0, 0).unwrap();
        order.insert(3, 3).unwrap();
        assert_eq!(drain(&mut order), [Next::Item(0)]);
        order.close();
        assert_eq!(drain(&mut order), [Next::Lost(1..3), Next::Item(3)]);
        assert_eq!(order.passed(), 4);
    }

    #[test]
    fn a_missing_outcome_does_not_hold_its_stream_up_for_ever() {
        let mut order = CaptureOrder::default();
        let waiting = PATIENCE as u64;
        for number in 1..=waiting {
            order.insert(number, number).unwrap();
            assert_eq!(order.pop(), None);
        }
        order.insert(waiting + 1, waiting + 1).unwrap();
        let out = drain(&mut order);
        assert_eq!(out[0], Next::Lost(0..1));
        assert_eq!(out.len(), PATIENCE + 2);
        assert_eq!(order.insert(0, 0), Err(0), "it was declared lost");
    }

    #[test]
    fn a_number_is_taken_once() {
        let mut order = CaptureOrder::default();
        order.insert(4, 4).unwrap();
        assert_eq!(order.insert(4, 40), Err(40));
    }

    proptest! {
        #[test]
        fn any_order_of_settling_leaves_in_order_of_capture(
            numbers in Just((0..60_u64).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let mut order = CaptureOrder::default();
            let mut left = Vec::new();
            for number in numbers {
                order.insert(number, number).unwrap();
                left.extend(drain(&mut order));
            }
            let expected: Vec<_> = (0..60).map(Next::Item).collect();
            prop_assert_eq!(left, expected);
        }
    }
}
