//! The jobs that wait.

use std::time::{Duration, Instant};

use super::choice::Wish;
use crate::frame::{Deadline, Pace};
use crate::premodel::Selection;

/// What the scheduler knows of a job.
pub(super) struct Waiting<J> {
    pub(super) job: J,
    pub(super) stream: usize,
    pub(super) standing: Standing,
    pub(super) selection: Selection,
    /// The models that may run, the best first.
    pub(super) wishes: Vec<Wish>,
    pub(super) asked: Asked,
    /// By device: the quickest of the runners that it wishes for.
    pub(super) quickest: Vec<Option<usize>>,
    /// The [`super::Scheduler::age`] that they are of.
    pub(super) age: u64,
    pub(super) deadline: Deadline,
    pub(super) pace: Pace,
    pub(super) submitted: Instant,
}

/// Core time that a job has asked a device for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) work: Duration,
    pub(super) device: usize,
}

/// What is lost with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Little: it has an answer, which another run may better.
    Answered,
    /// All: no model has run on it.
    New,
    /// Little: no model has run on it, but its scene has a recent answer.
    Covered,
}

/// What is to be had for a job on which no model has run.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The models that may run.
    pub selection: Selection,
    /// Whether it can do without: then it expires, too, when no run is worth its price, and makes no
    /// other job give way. What the models are worth to it is what they add.
    pub is_covered: bool,
}

impl Offer {
    pub(super) fn standing(&self) -> Standing {
        if self.is_covered { Standing::Covered } else { Standing::New }
    }
}

impl From<Selection> for Offer {
    /// For a job that cannot do without.
    fn from(selection: Selection) -> Self {
        Self { selection, is_covered: false }
    }
}

impl<J> Waiting<J> {
    /// Whether the job can do without a run that is not worth its time.
    pub(super) fn is_covered_by_clock(&self) -> bool {
        self.standing == Standing::Covered && self.pace == Pace::Clock
    }

    /// Jobs are decided in ascending order: those that came back, then those that are due first. A
    /// job that does not wait by the clock has no claim on one that does.
    pub(super) fn turn(&self) -> (Standing, bool, Deadline) {
        (self.standing, self.pace == Pace::Work, self.deadline)
    }

    /// The time by the clock that the job's deadline counts: under [`Pace::Work`] it stands still
    /// while the job waits.
    pub(super) fn now(&self, now: Instant) -> Instant {
        match self.pace {
            Pace::Clock => now,
            Pace::Work => self.submitted,
        }
    }
}
