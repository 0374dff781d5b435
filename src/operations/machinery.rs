//! What is asked of the stages when an operator looks.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::{Arc, Weak};

use crossbeam_channel::Receiver;

use crate::capture::mailbox::Depth;
use crate::health::Health;
use crate::inference::{LateWork, Supervisor};
use crate::models::{ModelId, Provider};
use crate::outcome::Settled;
use crate::scheduler::{Glance, Queue};
use crate::study::{StudyCounts, StudyWork};

/// The stages that can be asked.
pub struct Machinery {
    /// Which models run, and what that takes.
    pub queue: Arc<Queue>,
    /// What was done about late runs.
    pub supervisor: Arc<Supervisor>,
    /// What was studied.
    pub studies: Arc<StudyCounts>,
    /// What engines did that a reload has replaced: counts never go back.
    pub before: SideWork,
    /// Whether the process can go on.
    pub health: Health,
    /// Frames that wait to be looked at.
    pub mailbox: Depth,
    /// Frames that wait to be written.
    pub settled: Settling,
    /// What each model runs on.
    pub providers: BTreeMap<ModelId, Provider>,
}

/// What an engine does besides answering frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SideWork {
    /// What was done about runs that lasted too long.
    pub late_work: LateWork,
    /// What was studied.
    pub study: StudyWork,
}

impl Add for SideWork {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { late_work: self.late_work + other.late_work, study: self.study + other.study }
    }
}

/// The channel to the output stage, seen from aside: it ends with its reader.
#[derive(Clone)]
pub struct Settling(Weak<Receiver<Settled>>);

impl Settling {
    /// Watches a channel, and gives it back for its reader.
    pub fn watch(settled: Receiver<Settled>) -> (Self, Arc<Receiver<Settled>>) {
        let settled = Arc::new(settled);
        (Self(Arc::downgrade(&settled)), settled)
    }

    fn frames(&self) -> usize {
        self.0.upgrade().map_or(0, |settled| settled.len())
    }
}

/// How many frames wait, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Depths {
    /// For the features and the ranking of models.
    pub(super) mailbox: usize,
    /// For the scheduler's decision.
    pub(super) scheduler: usize,
    /// For the output.
    pub(super) output: usize,
}

impl Machinery {
    /// What the scheduler knows.
    pub(super) fn glance(&self) -> Glance {
        self.queue.glance()
    }

    /// How many frames wait, of which so many for the scheduler.
    pub(super) fn depths(&self, scheduler: usize) -> Depths {
        let (mailbox, output) = (self.mailbox.frames(), self.settled.frames());
        Depths { mailbox, scheduler, output }
    }

    /// What was done besides answering frames.
    pub(super) fn side_work(&self) -> SideWork {
        let (late_work, study) = (self.supervisor.late_work(), self.studies.work());
        self.before + SideWork { late_work, study }
    }
}
