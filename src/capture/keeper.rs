//! When a source is started, taken down and started again. Pure: time comes in as `now`, chance as a
//! number.
//!
//! ```text
//! starting ──frame──▶ live ──silence──▶ stalled
//!     │                │ fault, end        │ taken down
//!     ▼                ▼                   ▼
//!  retrying ◀──────────┴───────────────────┘
//!     │ pause is over
//!     └──▶ starting
//! ```
//!
//! Pauses double from the first to the longest, each made up to a fifth longer or shorter by chance, so
//! that cameras which were lost together are not all asked at once. They count from the start before, so
//! that one which took long to fail is followed by the next after the first pause. A source that has given
//! frames for a while begins with the first pause again.

use std::fmt;
use std::time::{Duration, Instant};

use super::event::Loss;

/// A source that gave frames for so long is taken to be well.
const STEADY: Duration = Duration::from_secs(10);

/// A source that has answered at the last moment may take so long to its first frame.
const FIRST_FRAME: Duration = Duration::from_secs(1);

/// By what share a pause is longer or shorter.
const JITTER: f64 = 0.2;

/// How patient one is with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A source that gives no frame for so long has stalled.
    pub stall_after: Duration,
    /// A source that was started may take so long to its first frame, if that is longer.
    pub begin_within: Duration,
    /// The first pause before it is started again.
    pub first_pause: Duration,
    /// The longest one.
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Five seconds without a frame; pauses of a tenth of a second to one second, so that a camera that
    /// is back is found within two.
    fn default() -> Self {
        let [stall_after, first_pause, longest_pause] =
            [5_000, 100, 1_000].map(Duration::from_millis);
        Self { stall_after, begin_within: Duration::ZERO, first_pause, longest_pause }
    }
}

impl Patience {
    /// The same with a source that may take so long to answer: it is given up by its pipeline, which knows
    /// why, before it has stalled here.
    #[must_use]
    pub fn with_answer_within(self, answer: Duration) -> Self {
        Self { begin_within: answer + FIRST_FRAME, ..self }
    }
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It was started and has given no frame yet.
    Starting,
    /// It gives frames.
    Live,
    /// It has given none for too long, and is being taken down.
    Stalled,
    /// It is started again at `next`.
    Retrying {
        /// Why.
        loss: Loss,
        /// How often in a row, from 1.
        attempt: u32,
        /// When.
        next: Instant,
    },
    /// It has given its last frame.
    Ended,
}

impl SourceState {
    /// Its name: one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Retrying { .. } => "retrying",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Start the source, and say how that went: [`Keeper::started`] or [`Keeper::lost`].
    Start,
    /// Take it down, and say so: [`Keeper::taken_down`].
    TakeDown,
    /// Nothing before then; `None` if nothing is due.
    Wait(Option<Instant>),
    /// Nothing any more.
    End,
}

/// Keeps one source.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `None` if silence is no fault and what is lost stays lost.
    patience: Option<Patience>,
    state: SourceState,
    /// Whether there is something to be taken down.
    is_up: bool,
    /// When it last gave a frame, or was started.
    heard: Instant,
    /// When a start was last begun.
    tried: Instant,
    /// When it became live.
    live_since: Option<Instant>,
    frames: u64,
    attempt: u32,
}

impl Keeper {
    /// One whose source is to be started at `now`.
    pub(super) fn new(patience: Option<Patience>, now: Instant) -> Self {
        let (state, live_since) = (SourceState::Starting, None);
        let (is_up, heard, tried) = (false, now, now);
        Self { patience, state, is_up, heard, tried, live_since, frames: 0, attempt: 0 }
    }

    /// Has another patience from now on.
    pub(super) fn be_as_patient_as(&mut self, patience: Option<Patience>) {
        self.patience = patience;
    }

    /// How the source is doing.
    pub(super) fn state(&self) -> &SourceState {
        &self.state
    }

    /// What is to be done at `now`.
    pub(super) fn next(&self, now: Instant) -> Step {
        match &self.state {
            SourceState::Ended | SourceState::Retrying { .. } | SourceState::Stalled
                if self.is_up =>
            {
                Step::TakeDown
            }
            SourceState::Ended => Step::End,
            SourceState::Retrying { next, .. } if now < *next => Step::Wait(Some(*next)),
            SourceState::Starting | SourceState::Live if self.is_up => {
                Step::Wait(self.silent_too_long())
            }
            _ => Step::Start,
        }
    }

    /// A start begins.
    pub(super) fn trying(&mut self, now: Instant) {
        self.tried = now;
    }

    /// The source was started.
    pub(super) fn started(&mut self, now: Instant) {
        self.state = SourceState::Starting;
        (self.is_up, self.heard, self.live_since) = (true, now, None);
    }

    /// The source has given so many frames by now, those of earlier starts included. Whether that makes
    /// a difference.
    pub(super) fn note_frames(&mut self, frames: u64, now: Instant) -> bool {
        let is_watched = matches!(self.state, SourceState::Starting | SourceState::Live);
        if !is_watched || !self.is_up {
            self.frames = frames;
            return false;
        }
        if frames > self.frames {
            (self.frames, self.heard) = (frames, now);
            let since = *self.live_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= STEADY {
                self.attempt = 0;
            }
            return std::mem::replace(&mut self.state, SourceState::Live) != SourceState::Live;
        }
        if self.silent_too_long().is_some_and(|late| late <= now) {
            self.state = SourceState::Stalled;
            return true;
        }
        false
    }

    /// When the source will have been silent for too long.
    fn silent_too_long(&self) -> Option<Instant> {
        let Patience { stall_after, begin_within, .. } = self.patience?;
        Some(match self.state {
            SourceState::Starting => self.heard + stall_after.max(begin_within),
            _ => self.heard + stall_after,
        })
    }

    /// The source is lost: it did not start, or it broke. It is started again after a pause; `chance` is
    /// from 0 to 1.
    pub(super) fn lost(&mut self, loss: Loss, chance: f64, now: Instant) {
        if self.state == SourceState::Ended {
            return;
        }
        self.attempt = self.attempt.saturating_add(1);
        let next = (self.tried + self.pause(self.attempt, chance)).max(now + self.pause(1, chance));
        self.state = SourceState::Retrying { loss, attempt: self.attempt, next };
    }

    fn pause(&self, attempt: u32, chance: f64) -> Duration {
        let Patience { first_pause, longest_pause, .. } = self.patience.unwrap_or_default();
        let doublings = attempt.saturating_sub(1).min(16);
        let pause = first_pause.saturating_mul(1 << doublings).min(longest_pause);
        pause.mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }

    /// The source has given its last frame, was taken down, and begins anew at once.
    pub(super) fn rewound(&mut self) {
        (self.state, self.is_up) = (SourceState::Starting, false);
    }

    /// The source has given its last frame, or can never give one.
    pub(super) fn ended(&mut self) {
        self.state = SourceState::Ended;
    }

    /// What was up is taken down.
    pub(super) fn taken_down(&mut self, chance: f64, now: Instant) {
        self.is_up = false;
        if self.state == SourceState::Stalled {
            self.lost(Loss::Stalled, chance, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use proptest::prelude::*;

    const EVEN: f64 = 0.5;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A keeper whose source was started at the instant.
    fn started() -> (Keeper, Instant) {
        let now = Clock.now();
        let mut keeper = Keeper::new(Some(Patience::default()), now);
        assert_eq!(keeper.next(now), Step::Start);
        start(&mut keeper, now);
        (keeper, now)
    }

    fn start(keeper: &mut Keeper, now: Instant) {
        keeper.trying(now);
        keeper.started(now);
    }

    fn attempt(keeper: &Keeper) -> u32 {
        match keeper.state() {
            SourceState::Retrying { attempt, .. } => *attempt,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_source_is_live_from_its_first_frame_on() {
        let (mut keeper, now) = started();
        assert_eq!(*keeper.state(), SourceState::Starting);
        assert_eq!(keeper.next(now), Step::Wait(Some(now + ms(5_000))));
        assert!(keeper.note_frames(1, now + ms(300)));
        assert_eq!(*keeper.state(), SourceState::Live);
        assert!(!keeper.note_frames(2, now + ms(333)), "nothing new");
        assert_eq!(keeper.next(now + ms(333)), Step::Wait(Some(now + ms(5_333))));
    }

    #[test]
    fn a_source_that_may_take_long_to_answer_is_waited_for_at_its_start_alone() {
        let now = Clock.now();
        let patience = Patience { stall_after: ms(1_000), ..Patience::default() };
        let mut keeper = Keeper::new(Some(patience.with_answer_within(ms(10_000))), now);
        start(&mut keeper, now);
        assert_eq!(keeper.next(now), Step::Wait(Some(now + ms(11_000))));
        assert!(!keeper.note_frames(0, now + ms(10_999)), "its pipeline gives it up before");
        assert!(keeper.note_frames(1, now + ms(10_999)));
        assert!(keeper.note_frames(1, now + ms(11_999)));
        assert_eq!(*keeper.state(), SourceState::Stalled);
        let hasty =
            Keeper { patience: Some(Patience::default().with_answer_within(ms(500))), ..keeper };
        let hasty = Keeper { state: SourceState::Starting, heard: now, ..hasty };
        assert_eq!(
            hasty.next(now),
            Step::Wait(Some(now + ms(5_000))),
            "never less than `stall_after`"
        );
    }

    #[test]
    fn silence_is_a_stall_and_leads_to_a_new_start() {
        let (mut keeper, now) = started();
        keeper.note_frames(1, now);
        assert!(!keeper.note_frames(1, now + ms(4_999)));
        let late = now + ms(5_000);
        assert!(keeper.note_frames(1, late));
        assert_eq!((keeper.state(), keeper.next(late)), (&SourceState::Stalled, Step::TakeDown));
        keeper.taken_down(EVEN, late);
        assert_eq!(keeper.next(late), Step::Wait(Some(late + ms(100))));
        assert_eq!(keeper.next(late + ms(100)), Step::Start);
    }

    #[test]
    fn a_source_that_never_gives_a_frame_has_stalled_too() {
        let (mut keeper, now) = started();
        assert!(keeper.note_frames(0, now + ms(5_000)));
        assert_eq!(*keeper.state(), SourceState::Stalled);
    }

    #[test]
    fn what_broke_is_taken_down_before_it_is_started_again() {
        let (mut keeper, now) = started();
        keeper.lost(Loss::Failed, EVEN, now);
        assert_eq!(keeper.next(now + ms(500)), Step::TakeDown);
        keeper.taken_down(EVEN, now + ms(500));
        assert_eq!(keeper.next(now + ms(500)), Step::Start, "the pause has passed meanwhile");
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_a_steady_source_begins_anew() {
        let (mut keeper, mut now) = started();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            keeper.lost(Loss::Failed, EVEN, now);
            keeper.taken_down(EVEN, now);
            let Step::Wait(Some(next)) = keeper.next(now) else { panic!("no pause") };
            pauses.push((next - now).as_millis());
            now = next;
            start(&mut keeper, now);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(attempt_after(&mut keeper, ms(9_999), &mut now), 7, "it was well for too short");
        keeper.taken_down(EVEN, now);
        start(&mut keeper, now);
        assert_eq!(attempt_after(&mut keeper, ms(10_000), &mut now), 1);
    }

    /// The attempt that follows when the source gave frames for so long and broke.
    fn attempt_after(keeper: &mut Keeper, live: Duration, now: &mut Instant) -> u32 {
        let frames = keeper.frames;
        keeper.note_frames(frames + 1, *now);
        *now += live;
        keeper.note_frames(frames + 2, *now);
        keeper.lost(Loss::Failed, EVEN, *now);
        attempt(keeper)
    }

    #[test]
    fn a_start_that_takes_long_to_fail_is_soon_followed_by_the_next() {
        let (mut keeper, mut now) = started();
        for _ in 0..9 {
            start(&mut keeper, now);
            now += ms(2_000);
            keeper.lost(Loss::NotStarted, EVEN, now);
            keeper.taken_down(EVEN, now);
            assert_eq!(keeper.next(now), Step::Wait(Some(now + ms(100))));
        }
    }

    #[test]
    fn a_recording_that_is_rewound_starts_at_once() {
        let (mut keeper, now) = started();
        keeper.note_frames(9, now);
        keeper.rewound();
        assert_eq!((keeper.state(), keeper.next(now)), (&SourceState::Starting, Step::Start));
    }

    #[test]
    fn the_end_is_the_end() {
        let (mut keeper, now) = started();
        keeper.ended();
        assert_eq!(keeper.next(now), Step::TakeDown);
        keeper.taken_down(EVEN, now);
        keeper.lost(Loss::Failed, EVEN, now);
        assert_eq!(keeper.next(now + ms(60_000)), Step::End);
    }

    proptest! {
        #[test]
        fn a_source_that_is_back_is_started_within_two_seconds(
            losses in 1..200_usize,
            chances in prop::collection::vec(0.0..=1.0_f64, 200),
        ) {
            let (mut keeper, mut now) = started();
            for chance in &chances[..losses] {
                keeper.lost(Loss::Failed, *chance, now);
                keeper.taken_down(*chance, now);
                let Step::Wait(Some(next)) = keeper.next(now) else { panic!("no pause") };
                prop_assert!(next - now >= ms(80) && next - now <= ms(1_200));
                now = next;
                prop_assert_eq!(keeper.next(now), Step::Start);
                start(&mut keeper, now);
            }
        }
    }
}
