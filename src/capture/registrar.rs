//! The birth of a frame: its number, its instant, its ticket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Sender;

use crate::clock::Clock;
use crate::frame::{FrameId, Origin, Pace, SharedBudget, StreamName};
use crate::outcome::{Settled, Ticket};

/// When a frame was captured, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// For deadlines.
    pub(super) captured: Instant,
    /// For people.
    pub(super) wall: SystemTime,
}

impl Moment {
    /// The moment of an instant that has passed.
    pub(super) fn of(captured: Instant, clock: Clock) -> Self {
        let (now, wall) = (clock.now(), clock.wall());
        let age = now.saturating_duration_since(captured);
        Self { captured, wall: wall.checked_sub(age).unwrap_or(wall) }
    }

    /// The moment that lies `age` before now.
    pub(super) fn ago(age: Duration, clock: Clock) -> Self {
        let now = clock.now();
        Self::of(now.checked_sub(age).unwrap_or(now), clock)
    }
}

/// Numbers the frames of one stream, densely from 0, and opens their tickets.
pub(super) struct Registrar {
    pub(super) stream: StreamName,
    pub(super) budget: SharedBudget,
    pub(super) pace: Pace,
    pub(super) settled: Sender<Settled>,
    pub(super) clock: Clock,
    /// Frames so far; others read it.
    pub(super) count: Arc<AtomicU64>,
}

impl Registrar {
    /// Opens the ticket of the stream's next frame.
    pub(super) fn open(
        &mut self,
        moment: Moment,
        pts: Option<Duration>,
        file: Option<Arc<str>>,
    ) -> Ticket {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = FrameId { stream: self.stream.clone(), number };
        let Moment { captured, wall } = moment;
        let origin = Origin { id, pts, captured, wall, file };
        Ticket::open(origin, self.budget.get(), self.pace, self.settled.clone(), self.clock)
    }
}
