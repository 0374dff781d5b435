//! How many frames of each stream have left the program, for others to read while it runs.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::frame::StreamName;

/// The frames that have left; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Departures(Arc<Mutex<BTreeMap<StreamName, Departed>>>);

/// How many have left, and how well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departed {
    /// Frames whose record was written, and frames that were given up as lost.
    pub frames: u64,
    /// Of these, frames answered by their deadline.
    pub in_time: u64,
    /// Frames that the scheduler has decided about: a model ran, or none could be in time.
    pub decided: u64,
    /// Frames that gave way to newer ones before that.
    pub superseded: u64,
}

impl Departures {
    /// Those of a stream.
    pub fn of(&self, stream: &StreamName) -> Departed {
        self.lock().get(stream).copied().unwrap_or_default()
    }

    /// Those of all streams together.
    pub fn total(&self) -> Departed {
        let mut total = Departed::default();
        self.lock().values().for_each(|departed| total += *departed);
        total
    }

    /// Notes what has left.
    pub(crate) fn note(&self, stream: &StreamName, departed: Departed) {
        let mut streams = self.lock();
        match streams.get_mut(stream) {
            Some(so_far) => *so_far += departed,
            None => drop(streams.insert(stream.clone(), departed)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Departed>> {
        // Counts are whole after every change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Departed {
    /// Those that have left since so many had.
    pub fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            in_time: self.in_time - before.in_time,
            decided: self.decided - before.decided,
            superseded: self.superseded - before.superseded,
        }
    }
}

impl AddAssign for Departed {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.in_time += other.in_time;
        self.decided += other.decided;
        self.superseded += other.superseded;
    }
}
