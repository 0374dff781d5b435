//! What a live source does not do while it is well: change the size of its pictures, or jump in time.
//!
//! Decoders and converters of cameras differ in whether they survive such a change, and after a jump
//! the stamps say nothing of when a picture was taken. So the source is started anew, which gives it a
//! clean pipeline and its stamps a new beginning. Pure: time comes in.

use std::fmt;
use std::time::{Duration, Instant};

use super::event::Loss;

/// Stamps that go back by more have jumped. By less they go back where a camera corrects its clock.
const BACK: Duration = Duration::from_secs(1);

/// Stamps that gain so much on the clock have jumped. They gain where frames are missing among those
/// that were held up on their way.
const AHEAD: Duration = Duration::from_secs(10);

/// What has changed in mid-stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The pictures have another size.
    Size {
        /// Width and height before.
        from: (u32, u32),
        /// Width and height now.
        to: (u32, u32),
    },
    /// The stamps went back by so much.
    Back(Duration),
    /// The stamps went ahead of the clock by so much.
    Ahead(Duration),
}

impl Change {
    /// How a source is lost by it.
    pub(super) fn loss(self) -> Loss {
        match self {
            Self::Size { .. } => Loss::Resized,
            Self::Back(_) | Self::Ahead(_) => Loss::TimeJump,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { from: (width, height), to: (new_width, new_height) } => write!(
                f,
                "its pictures have changed from {width}x{height} to {new_width}x{new_height}"
            ),
            Self::Back(by) => write!(f, "its timestamps went back by {:.1} s", by.as_secs_f64()),
            Self::Ahead(by) => write!(f, "its timestamps went ahead by {:.1} s", by.as_secs_f64()),
        }
    }
}

/// What the frames of one start of a source were like so far.
#[derive(Debug, Default)]
pub(super) struct Constancy {
    size: Option<(u32, u32)>,
    latest: Option<Stamp>,
    has_jumped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stamp {
    /// Time in the stream.
    at: Duration,
    /// When the frame came.
    came: Instant,
}

impl Constancy {
    /// Looks at the size of the next picture.
    pub(super) fn note_size(&mut self, to: (u32, u32)) -> Option<Change> {
        let from = self.size.replace(to)?;
        (from != to).then_some(Change::Size { from, to })
    }

    /// Looks at the stamp of the next frame, which came at `came`.
    pub(super) fn note_stamp(&mut self, at: Duration, came: Instant) -> Option<Change> {
        let before = self.latest.replace(Stamp { at, came })?;
        let change = jump(before, Stamp { at, came });
        self.has_jumped |= change.is_some();
        change
    }

    /// Whether the stamps still say when a frame was taken.
    pub(super) fn is_on_time(&self) -> bool {
        !self.has_jumped
    }
}

fn jump(before: Stamp, now: Stamp) -> Option<Change> {
    let back = before.at.saturating_sub(now.at);
    if back > BACK {
        return Some(Change::Back(back));
    }
    let by_clock = now.came.saturating_duration_since(before.came);
    let ahead = now.at.saturating_sub(before.at).saturating_sub(by_clock);
    (ahead > AHEAD).then_some(Change::Ahead(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The changes that are seen in frames of these stamps and arrivals, in milliseconds.
    fn changes(frames: &[(u64, u64)]) -> Vec<Change> {
        let (mut constancy, start) = (Constancy::default(), Clock.now());
        let mut note = |&(at, came): &(u64, u64)| constancy.note_stamp(ms(at), start + ms(came));
        frames.iter().filter_map(&mut note).collect()
    }

    #[test]
    fn a_source_that_is_held_up_has_not_jumped() {
        assert_eq!(
            changes(&[(0, 0), (33, 60_000), (67, 60_001)]),
            [],
            "what was held up comes late"
        );
        assert_eq!(changes(&[(0, 0), (60_000, 60_000)]), [], "a gap in both");
        assert_eq!(changes(&[(0, 0), (33, 3_000), (3_000, 3_010)]), [], "some is missing");
        assert_eq!(changes(&[(2_000, 0), (1_500, 33)]), [], "the camera's clock is corrected");
    }

    #[test]
    fn stamps_that_jump_are_noticed_once() {
        assert_eq!(changes(&[(5_000, 0), (0, 33), (33, 67)]), [Change::Back(ms(5_000))]);
        assert_eq!(changes(&[(0, 0), (60_033, 33), (60_067, 67)]), [Change::Ahead(ms(60_000))]);
    }

    #[test]
    fn after_a_jump_the_stamps_are_not_trusted() {
        let (mut constancy, now) = (Constancy::default(), Clock.now());
        constancy.note_stamp(ms(5_000), now);
        assert!(constancy.is_on_time());
        constancy.note_stamp(ms(0), now);
        constancy.note_stamp(ms(33), now);
        assert!(!constancy.is_on_time());
    }

    #[test]
    fn a_picture_of_another_size_is_a_change() {
        let mut constancy = Constancy::default();
        let sizes = [(64, 48), (64, 48), (48, 64), (48, 64)];
        let changes: Vec<_> = sizes.iter().filter_map(|size| constancy.note_size(*size)).collect();
        assert_eq!(changes, [Change::Size { from: (64, 48), to: (48, 64) }]);
        assert!(changes[0].to_string().contains("from 64x48 to 48x64"));
    }
}
