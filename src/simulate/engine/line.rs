//! A device: the runs on it, and those that wait for it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::simulate::contender::{FrameKey, Occupancy, RunKey};

/// A run that was decided.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) run: RunKey,
    /// The frames that share it.
    pub(super) frames: Vec<FrameKey>,
    pub(super) model: usize,
    pub(super) units: usize,
    /// When its tensors are there.
    pub(super) prepared: Duration,
    /// What it takes at full speed.
    pub(super) length: Duration,
}

/// A run that is on the device.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) decided: Decided,
    pub(super) began: Duration,
}

/// A device. Runs begin in the order in which they were decided.
#[derive(Clone, Debug)]
pub(super) struct Line {
    units: usize,
    waiting: VecDeque<Decided>,
    running: Vec<Running>,
    pub(super) busy: Duration,
}

impl Line {
    pub(super) fn new(units: usize) -> Self {
        Self { units, waiting: VecDeque::new(), running: Vec::new(), busy: Duration::ZERO }
    }

    pub(super) fn occupancy(&self) -> Occupancy {
        Occupancy { units: self.units, busy: self.taken(), waiting: self.waiting.len() }
    }

    fn taken(&self) -> usize {
        self.running.iter().map(|running| running.decided.units).sum()
    }

    pub(super) fn push(&mut self, decided: Decided) {
        assert!(decided.units <= self.units, "a run takes more units than its device has");
        self.waiting.push_back(decided);
    }

    /// The next run, if its tensor is there and there is room for it; it begins.
    pub(super) fn begin(&mut self, now: Duration) -> Option<&Decided> {
        let next = self.waiting.front()?;
        if next.prepared > now || self.taken() + next.units > self.units {
            return None;
        }
        let decided = self.waiting.pop_front()?;
        self.running.push(Running { decided, began: now });
        self.running.last().map(|running| &running.decided)
    }

    /// Takes a run off the device.
    pub(super) fn end(&mut self, run: RunKey, now: Duration) -> Running {
        let place = self.running.iter().position(|running| running.decided.run == run);
        let running = self.running.swap_remove(place.expect("only runs that began end"));
        self.busy += (now - running.began) * u32::try_from(running.decided.units).unwrap_or(1);
        running
    }
}
