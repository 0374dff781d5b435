//! What is known of one stream.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::errors::{LatestErrors, Noted};
use super::meters::{OUTCOMES, StreamMeters};
use super::status::{ErrorStatus, Frames, Losses, StreamStatus, seconds};
use crate::capture::{Loss, SourceState};
use crate::frame::StreamName;
use crate::outcome::{Outcome, Settled};
use crate::output::rfc3339;

/// What is known of one stream.
pub(super) struct StreamBoard {
    /// Where its frames come from, without secrets.
    source: String,
    meters: StreamMeters,
    condition: Mutex<Condition>,
}

/// What changes rarely.
struct Condition {
    state: SourceState,
    /// When it came to be in this state; or was lost, if it has given no frame since.
    since: Instant,
    /// Whether it was lost and has given no frame since.
    is_missed: bool,
    errors: LatestErrors,
    /// When its latest record went out.
    latest: Option<Instant>,
}

/// A frame's place among the outcomes, and among the reasons if it has no answer.
fn places(outcome: &Outcome) -> (usize, Option<usize>) {
    match outcome {
        Outcome::Classified(_) => (0, None),
        Outcome::Reused(_) => (1, None),
        Outcome::Superseded => (2, Some(0)),
        Outcome::Skipped => (3, Some(1)),
        Outcome::Expired(_) => (4, Some(2)),
        Outcome::Late(_) => (5, Some(3)),
        Outcome::Failed(_) => (6, Some(4)),
        Outcome::Abandoned => (7, Some(5)),
    }
}

/// The places of frames whose outcome never came.
const LOST: (usize, usize) = (8, 6);

impl StreamBoard {
    /// A stream that is about to start.
    pub(super) fn new(source: String, meters: StreamMeters, now: Instant) -> Self {
        let state = SourceState::Starting;
        meters.show(&state);
        let (errors, latest) = (LatestErrors::default(), None);
        let condition = Condition { state, since: now, is_missed: false, errors, latest };
        Self { source, meters, condition: Mutex::new(condition) }
    }

    /// Counts a frame whose record goes out `now`.
    pub(super) fn count(&self, settled: &Settled, met_deadline: bool, now: Instant) {
        let age = now.saturating_duration_since(settled.account.origin.captured);
        self.meters.age.observe(age.as_secs_f64());
        let (outcome, drop) = places(&settled.outcome);
        self.meters.outcomes[outcome].inc();
        match drop {
            Some(reason) => self.meters.drops[reason].inc(),
            None => {
                self.meters.count_choice(settled.outcome.reason());
                let by_deadline = if met_deadline {
                    &self.meters.met_deadline
                } else {
                    &self.meters.missed_deadline
                };
                by_deadline.inc();
            }
        }
        if let Outcome::Failed(failure) = &settled.outcome {
            self.meters.count_failure(failure.stage);
        }
        self.lock().latest = Some(now);
    }

    /// Counts frames whose outcome never came.
    pub(super) fn count_lost(&self, frames: u64) {
        self.meters.outcomes[LOST.0].inc_by(frames);
        self.meters.drops[LOST.1].inc_by(frames);
    }

    /// Notes how the source is doing.
    pub(super) fn note_state(&self, state: &SourceState, now: Instant) {
        let mut condition = self.lock();
        if condition.state == *state {
            return;
        }
        let was_missed = condition.is_missed;
        match state {
            SourceState::Retrying { loss, .. } => {
                self.meters.count_loss(*loss);
                condition.is_missed = true;
            }
            SourceState::Live if condition.is_missed => {
                self.meters.recoveries.inc();
                condition.is_missed = false;
            }
            SourceState::Ended => condition.is_missed = false,
            SourceState::Live | SourceState::Starting | SourceState::Stalled => {}
        }
        self.meters.show(state);
        condition.state = state.clone();
        if !(was_missed && condition.is_missed) {
            condition.since = now;
        }
    }

    /// Notes that the source has given its last frame.
    pub(super) fn note_end(&self, now: Instant) {
        self.note_state(&SourceState::Ended, now);
    }

    /// Notes what went wrong.
    pub(super) fn note_error(&self, error: String, at: SystemTime) {
        self.lock().errors.note(error, at);
    }

    /// The stream as the status document shows it.
    pub(super) fn status(&self, name: &StreamName, now: Instant) -> StreamStatus {
        let (state, since, latest, errors) = {
            let condition = self.lock();
            let errors: Vec<_> = condition.errors.iter().map(error_status).collect();
            (condition.state.clone(), condition.since, condition.latest, errors)
        };
        let ago = |instant: Instant| seconds(now.saturating_duration_since(instant));
        let (loss, attempt, retry_in_s) = match &state {
            SourceState::Retrying { loss, attempt, next } => {
                let left = seconds(next.saturating_duration_since(now));
                (Some(loss.name().to_owned()), Some(*attempt), Some(left))
            }
            SourceState::Starting
            | SourceState::Live
            | SourceState::Stalled
            | SourceState::Ended => (None, None, None),
        };
        let frames = self.frames();
        let met_deadline = self.meters.met_deadline.get();
        StreamStatus {
            stream: name.as_str().to_owned(),
            source: self.source.clone(),
            state: state.name().to_owned(),
            state_for_s: ago(since),
            loss,
            attempt,
            retry_in_s,
            in_time_share: share(met_deadline, frames.total()),
            frames,
            met_deadline,
            missed_deadline: self.meters.missed_deadline.get(),
            latest_record_age_s: latest.map(ago),
            losses: Losses {
                not_started: self.meters.losses(Loss::NotStarted),
                failed: self.meters.losses(Loss::Failed),
                ended: self.meters.losses(Loss::Ended),
                stalled: self.meters.losses(Loss::Stalled),
                undecodable: self.meters.losses(Loss::Undecodable),
                resized: self.meters.losses(Loss::Resized),
                time_jump: self.meters.losses(Loss::TimeJump),
            },
            recoveries: self.meters.recoveries.get(),
            errors,
        }
    }

    fn frames(&self) -> Frames {
        let counts: [u64; OUTCOMES.len()] =
            std::array::from_fn(|place| self.meters.outcomes[place].get());
        let [classified, reused, superseded, skipped, expired, late, failed, abandoned, lost] =
            counts;
        Frames { classified, reused, superseded, skipped, expired, late, failed, abandoned, lost }
    }

    fn lock(&self) -> MutexGuard<'_, Condition> {
        // Every change is whole before the lock is let go.
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error_status(Noted { at, error, times }: &Noted) -> ErrorStatus {
    ErrorStatus { at: rfc3339(*at), error: error.clone(), times: *times }
}

/// A share of a whole; `None` of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::operations::meters::Meters;

    fn board() -> (StreamBoard, Instant) {
        let now = Clock.now();
        (StreamBoard::new("v4l2://0".to_owned(), Meters::default().of_stream("door"), now), now)
    }

    fn retrying(loss: Loss, attempt: u32, now: Instant) -> SourceState {
        SourceState::Retrying { loss, attempt, next: now + Duration::from_millis(250) }
    }

    #[test]
    fn losses_and_recoveries_are_counted_once_each() {
        let (board, now) = board();
        board.note_state(&SourceState::Live, now);
        assert_eq!(board.meters.recoveries.get(), 0, "it was never lost");
        let lost = retrying(Loss::Stalled, 1, now);
        for state in [&SourceState::Stalled, &lost, &lost, &SourceState::Starting] {
            board.note_state(state, now);
        }
        board.note_state(&retrying(Loss::NotStarted, 2, now), now);
        board.note_state(&SourceState::Live, now);
        let status = board.status(&StreamName::new("door"), now);
        assert_eq!(status.losses, Losses { not_started: 1, stalled: 1, ..Losses::default() });
        assert_eq!((status.recoveries, &*status.state), (1, "live"));
    }

    #[test]
    fn a_source_that_is_lost_says_since_when() {
        let (board, now) = board();
        let seconds = |seconds| now + Duration::from_secs(seconds);
        let states = [
            (SourceState::Live, 0.0),
            (retrying(Loss::Ended, 1, now), 0.0),
            (SourceState::Starting, 1.0),
            (retrying(Loss::NotStarted, 2, now), 2.0),
            (SourceState::Live, 0.0),
            (retrying(Loss::Ended, 1, now), 0.0),
            (SourceState::Ended, 0.0),
        ];
        for (second, (state, expected)) in (0..).zip(states) {
            board.note_state(&state, seconds(second));
            let status = board.status(&StreamName::new("door"), seconds(second));
            assert_eq!(status.state_for_s, expected, "{second}: {state:?}");
        }
    }

    #[test]
    fn a_source_that_is_tried_again_says_why_and_when() {
        let (board, now) = board();
        board.note_state(&retrying(Loss::Failed, 3, now), now);
        let status = board.status(&StreamName::new("door"), now + Duration::from_millis(50));
        assert_eq!((status.loss.as_deref(), status.attempt), (Some("failed"), Some(3)));
        assert_eq!((status.retry_in_s, status.state_for_s), (Some(0.2), 0.05));
        assert_eq!(status.in_time_share, None, "no frame came yet");
    }
}
