//! A worker's end of the supervisor.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::{Ask, Ended, Lanes, Supervisor, Waiting, WorkerId};
use crate::inference::worker::{Job, Subject};
use crate::models::ModelId;
use crate::scheduler::Lease;

/// A worker's place in the crew. Dropped, the worker is gone.
pub struct Post {
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) worker: WorkerId,
}

/// How a worker left.
pub(super) enum Leave {
    /// Its jobs ran out.
    Known,
    /// It panicked, or was never started; these were its jobs.
    Early(ModelId, Receiver<Job>),
    /// It had been fenced, and came back.
    Fenced(ModelId),
}

impl Post {
    /// Begins a run on `subjects`, whose place is `lease`. `ask` is called if the run is to end.
    ///
    /// A worker begins its next run when it has ended this one.
    pub fn begin(&self, subjects: Vec<Subject>, lease: Lease, ask: Ask) -> Watched<'_> {
        let supervisor = &self.supervisor;
        let limits = supervisor.limits;
        let last = |frame: &Subject| limits.run_may_last_until(frame.account(), frame.start);
        let end = subjects.iter().map(last).max().unwrap_or_else(|| supervisor.clock.now());
        let waiting = |frame: Subject| {
            let has_answer = frame.rider.has_another_answer();
            let until = limits.frame_waits_until(frame.account(), frame.start, has_answer);
            Waiting { frame, until }
        };
        let frames: Vec<Waiting<Subject>> = subjects.into_iter().map(waiting).collect();
        let until = frames.iter().map(|frame| frame.until).fold(end, Instant::min);
        let mut state = supervisor.lock();
        state.overruns.begin(self.worker, frames, lease, (ask, end));
        let is_next = state.wakes.is_none_or(|wakes| until < wakes);
        drop(state);
        if is_next {
            supervisor.changed.notify_all();
        }
        Watched { post: self, over: false }
    }

    /// Ends a frame that should not have waited so long for its run.
    pub fn settle_late(&self, subject: Subject) {
        self.supervisor.settle_late(subject);
    }

    /// Whether there will be no more jobs for any worker. A worker whose jobs ran out before that was taken
    /// out with another one of its model.
    pub fn is_dismissed(&self) -> bool {
        matches!(self.supervisor.lock().lanes, Lanes::Closed)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let supervisor = &self.supervisor;
        let leave = supervisor.lock().discharge(self.worker);
        match leave {
            Leave::Known => {}
            Leave::Early(model, jobs) => {
                supervisor.queue.retire(&model);
                let now = supervisor.clock.now();
                jobs.try_iter().for_each(|job| job.refuse(&model, now));
                supervisor.health.give_up(format!("the worker of model {model} has broken down"));
            }
            Leave::Fenced(model) => {
                log::warn!("model {model}: the run that did not end has ended; its worker is gone");
            }
        }
        supervisor.changed.notify_all();
    }
}

/// A run under way. Dropped before its end, as by a panic, it gives up its frame and its place.
pub struct Watched<'a> {
    post: &'a Post,
    over: bool,
}

impl Watched<'_> {
    /// Ends the run: what the worker gets back of it.
    pub fn end(mut self) -> Ended<Subject, Lease> {
        self.over = true;
        self.take()
    }

    fn take(&self) -> Ended<Subject, Lease> {
        let supervisor = &self.post.supervisor;
        supervisor.lock().overruns.end(self.post.worker, supervisor.clock.now())
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.over {
            drop(self.take());
        }
    }
}
