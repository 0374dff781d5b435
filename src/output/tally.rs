//! Counting, while frames pass: what became of them, which models answered, how long they took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::latency::LatencyHistogram;
use crate::models::{ModelId, Provider};
use crate::outcome::{Answer, Outcome, Reuse, Settled};

/// What was counted of one stream, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Frames captured, told by their numbers.
    pub(super) captured: u64,
    pub(super) classified: u64,
    /// Frames between those that are classified.
    pub(super) reused_between: u64,
    /// Frames that show what an answered one shows.
    pub(super) reused_nearly_equal: u64,
    pub(super) reused_same_scene: u64,
    pub(super) superseded: u64,
    /// Frames beyond the target rate.
    pub(super) skipped: u64,
    pub(super) expired: u64,
    pub(super) late: u64,
    pub(super) failed: u64,
    pub(super) abandoned: u64,
    /// Frames whose outcome never came.
    pub(super) lost: u64,
    /// Frames answered by their deadline.
    pub(super) met_deadline: u64,
    /// Runs on classified frames.
    pub(super) runs: u64,
    /// What they took, all together.
    pub(super) inference: Duration,
    pub(super) models: BTreeMap<ModelId, ModelTally>,
    span: Option<Span>,
}

/// What was counted of one model.
#[derive(Clone, Debug)]
pub(super) struct ModelTally {
    pub(super) provider: Provider,
    /// Frames whose answer came out of a run of it.
    pub(super) frames: u64,
    pub(super) runs: u64,
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
            self.count_answer(answer);
        }
    }

    /// Counts all that `other` counted.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captured += other.captured;
        self.classified += other.classified;
        self.reused_between += other.reused_between;
        self.reused_nearly_equal += other.reused_nearly_equal;
        self.reused_same_scene += other.reused_same_scene;
        self.superseded += other.superseded;
        self.skipped += other.skipped;
        self.expired += other.expired;
        self.late += other.late;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.met_deadline += other.met_deadline;
        self.runs += other.runs;
        self.inference += other.inference;
        self.span = match (self.span, other.span) {
            (Some(span), Some(others)) => Some(span.joined(others)),
            (span, others) => span.or(others),
        };
        for (model, others) in &other.models {
            let tally = self.model(model, others.provider);
            tally.frames += others.frames;
            tally.runs += others.runs;
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
            Outcome::Reused(Reuse::Between) => &mut self.reused_between,
            Outcome::Reused(Reuse::NearlyEqual { .. }) => &mut self.reused_nearly_equal,
            Outcome::Reused(Reuse::SameScene { .. }) => &mut self.reused_same_scene,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Expired(_) => &mut self.expired,
            Outcome::Late(_) => &mut self.late,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Abandoned => &mut self.abandoned,
        }
    }

    fn count_answer(&mut self, answer: &Answer) {
        self.model(&answer.model, answer.provider).frames += 1;
        for run in &answer.runs {
            self.runs += 1;
            self.inference += run.inference / run.batch.max(1) as u32;
            let model = self.model(&run.model, run.provider);
            model.runs += 1;
            model.inference.record(run.inference);
        }
    }

    /// Frames that the scheduler decided about.
    pub(super) fn decided(&self) -> u64 {
        self.classified + self.expired + self.late + self.failed
    }

    /// Frames that took over an answer.
    pub(super) fn reused(&self) -> u64 {
        self.reused_between + self.reused_nearly_equal + self.reused_same_scene
    }

    fn model(&mut self, model: &ModelId, provider: Provider) -> &mut ModelTally {
        let none =
            || ModelTally { provider, frames: 0, runs: 0, inference: LatencyHistogram::default() };
        self.models.entry(model.clone()).or_insert_with(none)
    }
}
