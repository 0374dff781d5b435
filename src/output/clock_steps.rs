//! Steps of the time of day, seen in a stream's own frames: how much it gained on the monotonic clock
//! from one frame to the next. Deadlines know nothing of it; records say so, since `captured_at` steps
//! as well.

use std::time::{Duration, Instant, SystemTime};

use crate::frame::Origin;

/// Gains and losses below it are no steps. Services that set the clock step from 0.128 s on; by less
/// they let it run faster or slower.
const SMALLEST: i128 = 100_000_000;

/// Of so much time, a clock that is let run faster or slower gains or loses a nanosecond at most.
const SLEWED: i128 = 1_000;

/// Compares the two clocks from frame to frame of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClockSteps {
    latest: Option<(Instant, SystemTime)>,
}

impl ClockSteps {
    /// The milliseconds by which the time of day has stepped since the frame before, forward if above
    /// 0; `None` if it has not.
    pub(super) fn note(&mut self, Origin { captured, wall, .. }: &Origin) -> Option<i64> {
        let (before, wall_before) = self.latest.replace((*captured, *wall))?;
        let passed = passed(before, *captured);
        let step = passed_by_wall(wall_before, *wall) - passed;
        let is_step = step.abs() >= SMALLEST + passed.abs() / SLEWED;
        is_step.then(|| i64::try_from(step / 1_000_000).unwrap_or(i64::MAX))
    }
}

/// Nanoseconds from the one to the other.
fn passed(from: Instant, to: Instant) -> i128 {
    nanoseconds(to.saturating_duration_since(from))
        - nanoseconds(from.saturating_duration_since(to))
}

fn passed_by_wall(from: SystemTime, to: SystemTime) -> i128 {
    match to.duration_since(from) {
        Ok(forward) => nanoseconds(forward),
        Err(error) => -nanoseconds(error.duration()),
    }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::frame::{FrameId, StreamName};

    /// The steps seen in frames at these milliseconds by the monotonic clock and by the time of day.
    fn steps(frames: &[(u64, u64)]) -> Vec<Option<i64>> {
        let (start, mut steps) = (Clock.now(), ClockSteps::default());
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let origin = |&(captured, wall): &(u64, u64)| Origin {
            id: FrameId { stream: StreamName::new("door"), number: 0 },
            pts: None,
            captured: start + Duration::from_millis(captured),
            wall: day + Duration::from_millis(wall),
            file: None,
        };
        frames.iter().map(|frame| steps.note(&origin(frame))).collect()
    }

    #[test]
    fn a_step_is_told_once() {
        assert_eq!(
            steps(&[(0, 0), (40, 40), (80, 3_680_080), (120, 3_680_120)])[1..],
            [None, Some(3_680_000), None]
        );
        assert_eq!(steps(&[(0, 9_000), (40, 40)]), [None, Some(-9_000)]);
        assert_eq!(steps(&[(0, 0), (40, 168)]), [None, Some(128)]);
    }

    #[test]
    fn slewing_and_frames_that_come_before_their_turn_are_no_steps() {
        let day = 86_400_000;
        assert_eq!(steps(&[(0, 0), (day, day + day / 2_000)]), [None, None]);
        assert_eq!(steps(&[(40, 40), (0, 0), (80, 80)]), [None, None, None]);
    }
}
