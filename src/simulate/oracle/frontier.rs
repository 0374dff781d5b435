//! The best schedule of one unit in a given order of the frames, by dynamic programming.
//!
//! Frame by frame, it holds a *label* for each half-made schedule that may turn out best: when the unit
//! is free, and the value so far. A label that is free later and worth no more than another is dropped;
//! what is left, ordered by either, is a frontier.
//!
//! **Why the order of readiness is enough.** Let frames be due in the order in which they are ready, and
//! let a schedule run `j` directly before `i`, though `i` is ready no later than `j`, and so due no later.
//! To run them the other way round, both in the span that they have, begins `i` where `j` was ready and
//! ends `j` where `i` was due: no frame is worse off. So some best schedule has no such pair.
//!
//! **Bounds.** A frontier that grows too long is thinned: neighbouring labels become one, which is free
//! when the first is and worth what the last is. That is no worse than each of them, so what comes out
//! is no less than the best. To keep the last of them instead is a schedule that exists: what comes out
//! then is no more than the best.

use super::instance::{Choice, Job};

/// Labels beyond which a frontier is thinned, and what it is thinned to at most.
const MOST_LABELS: usize = 1_024;
const THINNED: u64 = 640;

/// Which way a thinned frontier errs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bias {
    /// Upwards.
    Up,
    /// Downwards.
    Down,
}

/// The value of the best schedule, or a bound of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Best {
    pub(super) value: u64,
    pub(super) is_exact: bool,
}

/// Frames in the order in which they are ready and due.
pub(super) fn best(jobs: impl Iterator<Item = Job>, bias: Bias) -> Best {
    let mut frontier = Frontier::new(bias);
    for job in jobs {
        frontier.wait_until(job.ready);
        frontier.take(&job);
    }
    Best { value: frontier.value(), is_exact: frontier.is_exact }
}

/// Frames in any order; what comes out is the value of a schedule in this order, the best or nearly.
pub(super) fn best_in_any_order(jobs: impl Iterator<Item = Job>) -> u64 {
    let mut frontier = Frontier::new(Bias::Down);
    jobs.for_each(|job| frontier.take(&job));
    frontier.value()
}

/// A half-made schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label {
    /// When the unit is free.
    free: u64,
    value: u64,
}

struct Frontier {
    /// Ascending in both, strictly.
    labels: Vec<Label>,
    bias: Bias,
    is_exact: bool,
    /// Scratch.
    merged: Vec<Label>,
    spare: Vec<Label>,
}

impl Frontier {
    fn new(bias: Bias) -> Self {
        let labels = vec![Label { free: 0, value: 0 }];
        Self { labels, bias, is_exact: true, merged: Vec::new(), spare: Vec::new() }
    }

    fn value(&self) -> u64 {
        self.labels.last().map_or(0, |last| last.value)
    }

    /// No further frame is ready before this: of the labels that are free by then the last is best.
    fn wait_until(&mut self, ready: u64) {
        let free = self.labels.partition_point(|label| label.free <= ready);
        self.labels.drain(..free.saturating_sub(1));
    }

    /// Adds the schedules that run a frame after all others.
    fn take(&mut self, job: &Job) {
        self.merged.clone_from(&self.labels);
        for choice in &job.choices {
            self.spare.clear();
            merge(&self.merged, extended(&self.labels, job, *choice), &mut self.spare);
            std::mem::swap(&mut self.merged, &mut self.spare);
        }
        std::mem::swap(&mut self.labels, &mut self.merged);
        if self.labels.len() > MOST_LABELS {
            self.thin();
        }
    }

    fn thin(&mut self) {
        self.is_exact = false;
        let (first, last) = (self.labels[0].free, self.labels[self.labels.len() - 1].free);
        let width = (last - first) / THINNED + 1;
        self.spare.clear();
        for group in
            self.labels.chunk_by(|a, b| (a.free - first) / width == (b.free - first) / width)
        {
            let (earliest, latest) = (group[0], group[group.len() - 1]);
            self.spare.push(match self.bias {
                Bias::Up => Label { free: earliest.free, value: latest.value },
                Bias::Down => latest,
            });
        }
        std::mem::swap(&mut self.labels, &mut self.spare);
    }
}

/// The labels after a run of this choice, as far as it is in time; not descending in `free`.
fn extended(labels: &[Label], job: &Job, choice: Choice) -> impl Iterator<Item = Label> {
    let Job { ready, due, .. } = *job;
    let run = move |label: &Label| Label {
        free: label.free.max(ready) + choice.length,
        value: label.value + choice.value,
    };
    labels.iter().map(run).take_while(move |label| label.free <= due)
}

/// Merges a frontier with further labels, not descending in `free` and ascending in value.
fn merge(frontier: &[Label], further: impl Iterator<Item = Label>, merged: &mut Vec<Label>) {
    let mut push = |label: Label| match merged.last_mut() {
        Some(last) if label.value <= last.value => {}
        Some(last) if label.free == last.free => *last = label,
        Some(_) | None => merged.push(label),
    };
    let mut known = frontier.iter().copied().peekable();
    for label in further {
        while let Some(earlier) = known.next_if(|one| one.free <= label.free) {
            push(earlier);
        }
        push(label);
    }
    known.for_each(push);
}
