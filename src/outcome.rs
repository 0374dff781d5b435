//! What becomes of a frame, and the ticket that makes sure it becomes exactly one thing.
//!
//! A [`Ticket`] is opened when a frame is captured and travels with it. Stages write what they
//! learn into its [`Trace`]; whoever settles the frame consumes the ticket with
//! [`Ticket::report`]. A ticket that is dropped instead reports [`Outcome::Abandoned`], so that
//! captured = classified + reused + superseded + skipped + expired + late + failed + abandoned
//! at every moment the queues are empty.

mod answer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::clock::Clock;
use crate::frame::{Budget, Deadline, Origin, Pace};
use crate::models::ModelId;

pub use answer::{Answer, Basis, Classification, Confidence, Reason, Run, Stop, Weighed};

/// What became of a frame.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A model ran and answered, in time or hardly later.
    Classified(Answer),
    /// Answered with an earlier answer of the stream: no model ran, or it was not over in time.
    Reused(Reuse),
    /// A newer frame of its stream took its place before its turn came.
    Superseded,
    /// It was beyond the rate at which its stream is to be classified, so no model ran.
    Skipped,
    /// No model could have finished before its deadline, so none was started.
    Expired(Shortfall),
    /// A run of this model went on for too long beyond the deadline. Whatever it says is dropped.
    Late(ModelId),
    /// Something about this frame went wrong.
    Failed(Failure),
    /// The program stopped before its turn came.
    Abandoned,
}

impl Outcome {
    /// Why it came out so: the word that records carry.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Classified(answer) => answer.reason.code(),
            Self::Reused(Reuse::Between) => "between_classified_frames",
            Self::Reused(Reuse::NearlyEqual { .. }) => "nearly_equal",
            Self::Reused(Reuse::SameScene { .. }) => "same_scene",
            Self::Superseded => "newer_frame",
            Self::Skipped => "above_target_rate",
            Self::Expired(_) => "no_model_fits",
            Self::Late(_) => "run_too_long",
            Self::Failed(_) => "stage_failed",
            Self::Abandoned => "program_stopped",
        }
    }
}

/// Why a frame takes over an answer, and which.
#[derive(Clone, Debug)]
pub enum Reuse {
    /// It lies between the frames that are classified, and takes over the latest answer in the
    /// order of capture, which the output stage knows.
    Between,
    /// It shows what an answered frame shows.
    NearlyEqual {
        /// The number of that frame.
        from: u64,
        /// The difference of their thumbnails, 0 to 1.
        difference: f32,
        /// Its answer.
        answer: Arc<Answer>,
    },
    /// It seems to show the scene of an answered frame, and no model was worth its time, there was
    /// none, or its run was not over in time.
    SameScene {
        /// The number of that frame.
        from: u64,
        /// The difference of their thumbnails, 0 to 1.
        difference: f32,
        /// Its answer.
        answer: Arc<Answer>,
    },
}

/// By how much the quickest model missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The candidate that would have finished first, if any model may run at all.
    pub quickest: Option<ModelId>,
    /// Time from the decision to its expected finish.
    pub needed: Duration,
    /// Time from the decision to the deadline.
    pub left: Duration,
}

/// What went wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// What, in words, with its causes.
    pub error: String,
}

impl Failure {
    /// A failure of `stage`, its whole chain of causes in words.
    pub fn new(stage: Stage, error: &dyn std::error::Error) -> Self {
        Self { stage, error: in_words(error) }
    }
}

/// An error with the whole chain of its causes.
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// The stages a frame can fail in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decoding or mapping the picture.
    Capture,
    /// Measuring features.
    Features,
    /// Making the tensor.
    Preprocess,
    /// Running the model or reading its output.
    Inference,
}

impl Stage {
    /// The word that records carry.
    pub fn code(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Features => "features",
            Self::Preprocess => "preprocess",
            Self::Inference => "inference",
        }
    }
}

/// What the stages learnt of a frame on its way.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Names and values of the features that the premodel looked at, if the policy needed one.
    pub features: Option<Vec<(&'static str, f32)>>,
    /// How likely each model is to be right, in the order of preference.
    pub scores: Vec<(ModelId, f32)>,
    /// For each decision about the frame, what it chose from; empty unless asked for.
    pub considered: Vec<Vec<Considered>>,
    /// Time spent in each stage that the frame reached.
    pub timings: Timings,
}

/// A run that a frame could have had when the scheduler decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    /// The model.
    pub model: ModelId,
    /// Where it would have run.
    pub device: String,
    /// On how many of its cores.
    pub cores: usize,
    /// Time until its expected end.
    pub finish: Duration,
    /// The probability, 0 to 1, of being in time, if the runs before it end as expected.
    pub chance: f64,
    /// The share of right answers in time that it was expected to bring, less what its time was worth.
    pub utility: f32,
}

/// Time spent in each stage; `None` for stages that the frame did not reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Working copy and features.
    pub features: Option<Duration>,
    /// The premodel's vote.
    pub premodel: Option<Duration>,
    /// The adaptive policy's own work: thumbnail, memory, fusion, decisions.
    pub policy: Option<Duration>,
    /// Waiting for other frames: in the mailbox, for the scheduler's decision, for the device.
    pub queue: Option<Duration>,
    /// Resizing and normalising, for all runs.
    pub preprocess: Option<Duration>,
    /// All runs and the reading of their output.
    pub inference: Option<Duration>,
}

/// All that is known of a frame besides its pixels.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where and when it came from.
    pub origin: Origin,
    /// The time its stream allows.
    pub budget: Budget,
    /// When its answer is due.
    pub deadline: Deadline,
    /// What the deadline counts.
    pub pace: Pace,
    /// Waiting that the deadline does not count; zero under [`Pace::Clock`].
    pub uncounted_wait: Duration,
    /// What the stages learnt.
    pub trace: Trace,
}

/// A frame that has another answer waits for a run until this share of its budget is left. On two busy
/// cores, the thread that settles it had to wait for others for up to 3.7 ms, of 33.
const RESERVE: u32 = 8;

/// The least time that is left then: threads take that long to wake up.
const LEAST_RESERVE: Duration = Duration::from_millis(1);

/// The most.
const GREATEST_RESERVE: Duration = Duration::from_millis(10);

impl Account {
    /// By when a run has to be over: by the deadline. If the frame has another answer, which is to go out
    /// in time, an eighth of the budget before it where the clock counts, at least 1 ms and at most 10.
    pub fn due(&self, has_another_answer: bool) -> Deadline {
        match self.pace {
            Pace::Clock if has_another_answer => {
                let reserve = self.budget.duration() / RESERVE;
                self.deadline.advanced(reserve.clamp(LEAST_RESERVE, GREATEST_RESERVE))
            }
            Pace::Clock | Pace::Work => self.deadline,
        }
    }
}

/// A frame's account, closed.
#[derive(Clone, Debug)]
pub struct Settled {
    /// All that is known of the frame.
    pub account: Account,
    /// What became of it.
    pub outcome: Outcome,
    /// When.
    pub at: Instant,
}

impl Settled {
    /// Time from capture to settlement, less waiting that the deadline does not count.
    pub fn total(&self) -> Duration {
        let elapsed = self.at.saturating_duration_since(self.account.origin.captured);
        elapsed.saturating_sub(self.account.uncounted_wait)
    }

    /// Whether the frame got an answer, and by its deadline.
    pub fn met_deadline(&self) -> bool {
        match self.outcome {
            Outcome::Classified(_) | Outcome::Reused(_) => self.account.deadline.is_met_by(self.at),
            Outcome::Superseded
            | Outcome::Skipped
            | Outcome::Expired(_)
            | Outcome::Late(_)
            | Outcome::Failed(_)
            | Outcome::Abandoned => false,
        }
    }
}

/// The outcome that a frame owes.
#[derive(Debug)]
pub struct Ticket {
    /// `None` once reported.
    account: Option<Box<Account>>,
    settled: Sender<Settled>,
    clock: Clock,
}

/// Expectation of the one private invariant below.
const OPEN: &str = "a ticket is open until it is consumed";

impl Ticket {
    /// Opens the ticket of the frame that came from `origin`. Its outcome goes to `settled`.
    pub fn open(
        origin: Origin,
        budget: Budget,
        pace: Pace,
        settled: Sender<Settled>,
        clock: Clock,
    ) -> Self {
        let deadline = Deadline::new(origin.captured, budget);
        let account = Account {
            origin,
            budget,
            deadline,
            pace,
            uncounted_wait: Duration::ZERO,
            trace: Trace::default(),
        };
        Self { account: Some(Box::new(account)), settled, clock }
    }

    /// What is known of the frame.
    pub fn account(&self) -> &Account {
        self.account.as_ref().expect(OPEN)
    }

    /// Where the stages write what they learn.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.account.as_mut().expect(OPEN).trace
    }

    /// Notes that the frame waited for other frames; under [`Pace::Work`] its deadline moves.
    pub fn waited(&mut self, wait: Duration) {
        let account = self.account.as_mut().expect(OPEN);
        *account.trace.timings.queue.get_or_insert_default() += wait;
        match account.pace {
            Pace::Clock => {}
            Pace::Work => {
                account.deadline = account.deadline.postponed(wait);
                account.uncounted_wait += wait;
            }
        }
    }

    /// Settles the frame.
    pub fn report(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(account) = self.account.take() else { return };
        let settled = Settled { account: *account, outcome, at: self.clock.now() };
        // The output stage outlives every ticket; should it have died, main reports that.
        if self.settled.send(settled).is_err() {
            log::debug!("an outcome was reported after the output stage ended");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.settle(Outcome::Abandoned);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::frame::{FrameId, StreamName};
    use crossbeam_channel::unbounded;

    /// A ticket for frame `number` of stream `test`, captured at `captured`.
    pub(crate) fn ticket(
        number: u64,
        captured: Instant,
        budget: Budget,
        pace: Pace,
        settled: Sender<Settled>,
    ) -> Ticket {
        let id = FrameId { stream: StreamName::new("test"), number };
        let wall = std::time::SystemTime::UNIX_EPOCH;
        let origin = Origin { id, pts: None, captured, wall, file: None };
        Ticket::open(origin, budget, pace, settled, Clock)
    }

    fn budget() -> Budget {
        "100ms".parse().unwrap()
    }

    #[test]
    fn a_ticket_settles_exactly_once() {
        let (send, settled) = unbounded();
        let now = Clock.now();
        ticket(0, now, budget(), Pace::Clock, send.clone()).report(Outcome::Superseded);
        drop(ticket(1, now, budget(), Pace::Clock, send));
        let outcomes: Vec<Settled> = settled.iter().collect();
        assert!(matches!(outcomes[0].outcome, Outcome::Superseded));
        assert!(matches!(outcomes[1].outcome, Outcome::Abandoned));
        assert_eq!(outcomes.len(), 2);
    }

    #[test]
    fn waiting_counts_by_the_clock_and_not_by_work() {
        let (send, _settled) = unbounded();
        let now = Clock.now();
        let wait = Duration::from_millis(40);
        let mut by_clock = ticket(0, now, budget(), Pace::Clock, send.clone());
        let mut by_work = ticket(1, now, budget(), Pace::Work, send);
        by_clock.waited(wait);
        by_work.waited(wait);
        assert_eq!(by_clock.account().deadline.remaining(now), Duration::from_millis(100));
        assert_eq!(by_work.account().deadline.remaining(now), Duration::from_millis(140));
    }
}
