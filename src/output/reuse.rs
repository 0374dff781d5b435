//! The latest answer of a stream, for the frames in between that reuse it.

use std::time::Instant;

use crate::frame::Pace;
use crate::outcome::{Answer, Outcome, Reuse, Settled};

/// A stream's latest answer.
#[derive(Debug)]
pub(super) struct Reusable {
    /// The frame that a model answered.
    pub(super) number: u64,
    /// The model's answer.
    pub(super) answer: Answer,
    /// When it came.
    at: Instant,
}

impl Reusable {
    /// Keeps the answer of a classified frame; `None` for all others.
    pub(super) fn from_settled(settled: Settled) -> Option<Self> {
        let Outcome::Classified(answer) = settled.outcome else { return None };
        Some(Self { number: settled.account.origin.id.number, answer, at: settled.at })
    }

    /// Moves the settlement of a frame that reuses it to when the answer came, if that was later: a
    /// frame has no answer before there is one. Where only work counts, the wait does not.
    pub(super) fn postpone(&self, settled: &mut Settled) {
        let reused = matches!(settled.outcome, Outcome::Reused(Reuse::Between));
        match settled.account.pace {
            Pace::Clock if reused => settled.at = settled.at.max(self.at),
            Pace::Clock | Pace::Work => {}
        }
    }
}
