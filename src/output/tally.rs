//! Counting, while frames pass: what became of them, which models answered, how long they took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::latency::LatencyHistogram;
use crate::models::{ModelId, Provider};
use crate::outcome::{Answer, Outcome, Settled};

/// What was counted of one stream, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Frames captured, told by their numbers.
    pub(super) captured: u64,
    pub(super) classified: u64,
    pub(super) reused: u64,
    pub(super) superseded: u64,
    pub(super) expired: u64,
    pub(super) failed: u64,
    pub(super) abandoned: u64,
    /// Frames whose outcome never came.
    pub(super) lost: u64,
    /// Frames answered by their deadline.
    pub(super) met_deadline: u64,
    pub(super) models: BTreeMap<ModelId, ModelTally>,
    span: Option<Span>,
}

/// What was counted of one model.
#[derive(Clone, Debug)]
pub(super) struct ModelTally {
    pub(super) provider: Provider,
    pub(super) frames: u64,
    pub(super) inference: LatencyHistogram,
}

/// From the first capture to the last outcome.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    fn joined(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl Tally {
    /// Counts a settled frame.
    pub(super) fn count(&mut self, settled: &Settled, met_deadline: bool) {
        *self.count_of(&settled.outcome) += 1;
        self.met_deadline += u64::from(met_deadline);
        let span = Span { start: settled.account.origin.captured, end: settled.at };
        self.span = Some(self.span.map_or(span, |so_far| so_far.joined(span)));
        if let Outcome::Classified(answer) = &settled.outcome {
            self.count_answer(answer, settled.account.trace.timings.inference);
        }
    }

    /// Counts all that `other` counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captured += other.captured;
        self.classified += other.classified;
        self.reused += other.reused;
        self.superseded += other.superseded;
        self.expired += other.expired;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.met_deadline += other.met_deadline;
        self.span = match (self.span, other.span) {
            (Some(span), Some(others)) => Some(span.joined(others)),
            (span, others) => span.or(others),
        };
        for (model, others) in &other.models {
            let tally = self.model(model, others.provider);
            tally.frames += others.frames;
            tally.inference.merge(&others.inference);
        }
    }

    /// Time from the first capture to the last outcome.
    pub(super) fn wall(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |span| span.end.saturating_duration_since(span.start))
    }

    fn count_of(&mut self, outcome: &Outcome) -> &mut u64 {
        match outcome {
            Outcome::Classified(_) => &mut self.classified,
            Outcome::Reused => &mut self.reused,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Expired(_) => &mut self.expired,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Abandoned => &mut self.abandoned,
        }
    }

    fn count_answer(&mut self, answer: &Answer, inference: Option<Duration>) {
        let model = self.model(&answer.model, answer.provider);
        model.frames += 1;
        if let Some(time) = inference {
            model.inference.record(time);
        }
    }

    fn model(&mut self, model: &ModelId, provider: Provider) -> &mut ModelTally {
        let none = || ModelTally { provider, frames: 0, inference: LatencyHistogram::default() };
        self.models.entry(model.clone()).or_insert_with(none)
    }
}
