//! The only place that reads the time.
//!
//! Everything that decides takes `now` as an argument; what stamps or waits holds a [`Clock`].
//! Deadlines use the monotonic clock, which steps of the wall clock do not disturb.
#![allow(clippy::disallowed_methods)]

use std::time::{Instant, SystemTime};

/// The time of the machine: monotonic for deadlines, wall time for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// The monotonic time.
    pub fn now(self) -> Instant {
        Instant::now()
    }

    /// The time of day; it may step.
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }
}
