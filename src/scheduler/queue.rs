//! The scheduler between threads: `select` submits, `prepare` asks for the next job, workers take
//! turns on the device.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cost::Cost;
use super::policy::{Admission, Decision, Scheduler};
use crate::clock::Clock;
use crate::course::Course;
use crate::frame::{Frame, Pace};
use crate::models::ModelId;
use crate::outcome::{Outcome, Reason, Shortfall, Stop};
use crate::premodel::Selection;

/// A [`Scheduler`] of frames, shared.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
}

struct State {
    scheduler: Scheduler<Task>,
    /// No frame will be submitted any more.
    closed: bool,
}

/// A frame that a model should run on.
pub struct Task {
    /// The frame.
    pub frame: Frame,
    /// What models have said of it; `None` if it gets one run and no more.
    pub course: Option<Box<Course>>,
}

/// A frame whose next step is decided.
pub enum Next {
    /// Run it.
    Run(Dispatch),
    /// It cannot be answered in time.
    Expired(Task, Shortfall),
    /// It came back for another run and gets none.
    Settle(Task, Stop),
}

/// A frame and the model it gets.
pub struct Dispatch {
    /// The frame.
    pub task: Task,
    /// The model.
    pub model: ModelId,
    /// Why this model.
    pub reason: Reason,
    /// What the run is expected to take, its preprocessing left out.
    pub expected: Duration,
    /// Its place on the device.
    pub lease: Lease,
}

impl Queue {
    /// A queue of frames that a scheduler decides about.
    pub fn new(scheduler: Scheduler<Task>, clock: Clock) -> Arc<Self> {
        let state = State { scheduler, closed: false };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), clock })
    }

    /// Hands a frame in. Under [`Pace::Work`] this waits until there is room; under
    /// [`Pace::Clock`] the stream's oldest waiting frame gives way instead, superseded.
    pub fn submit(&self, mut task: Task, selection: Selection) {
        let arrived = self.clock.now();
        let ticket = &mut task.frame.ticket;
        let stream = ticket.account().origin.id.stream.clone();
        let pace = ticket.account().pace;
        let mut state = self.lock();
        while pace == Pace::Work && state.scheduler.is_full(&stream) {
            state = self.wait(state);
        }
        let now = self.clock.now();
        ticket.waited(now - arrived);
        let deadline = ticket.account().deadline;
        let admission = state.scheduler.submit(task, &stream, selection, (deadline, pace), now);
        drop(state);
        self.changed.notify_all();
        match admission {
            Admission::Waits => {}
            Admission::Displaced(older) => older.frame.ticket.report(Outcome::Superseded),
        }
    }

    /// Waits for the next decision; `None` once the queue is closed and empty and no frame can come
    /// back.
    pub fn next(self: &Arc<Self>) -> Option<Next> {
        let mut state = self.lock();
        loop {
            match state.scheduler.next(self.clock.now()) {
                Decision::Run { job, runner, model, reason, waited, expected, serial } => {
                    let task = self.decided(state, job, waited);
                    let lease = Lease { queue: Arc::clone(self), serial, runner, over: false };
                    return Some(Next::Run(Dispatch { task, model, reason, expected, lease }));
                }
                Decision::Expired { job, shortfall, waited } => {
                    return Some(Next::Expired(self.decided(state, job, waited), shortfall));
                }
                Decision::Settle { job, stop, waited } => {
                    return Some(Next::Settle(self.decided(state, job, waited), stop));
                }
                Decision::Idle if state.closed && state.scheduler.is_over() => return None,
                Decision::Idle => state = self.wait(state),
                Decision::Later(at) => state = self.wait_until(state, at),
            }
        }
    }

    /// Tells everyone that a decision was made, and the frame how long it waited for it.
    fn decided(&self, state: MutexGuard<'_, State>, mut task: Task, waited: Duration) -> Task {
        drop(state);
        self.changed.notify_all();
        task.frame.ticket.waited(waited);
        task
    }

    /// Says that no frame will be submitted any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes a model out of the choice: its worker is gone.
    pub fn retire(&self, model: &ModelId) {
        self.lock().scheduler.retire(model);
        self.changed.notify_all();
    }

    /// Takes a model that was retired into the choice again: it has a new worker.
    pub fn restore(&self, model: &ModelId) {
        self.lock().scheduler.restore(model);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one call that leaves it whole, panics included.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until<'a>(&self, state: MutexGuard<'a, State>, at: Instant) -> MutexGuard<'a, State> {
        let left = at.saturating_duration_since(self.clock.now());
        let waited = self.changed.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A decided run's place on the device. Dropped, it frees the place.
pub struct Lease {
    queue: Arc<Queue>,
    serial: u64,
    runner: usize,
    over: bool,
}

impl Lease {
    /// Waits until the device has room, after the runs decided before.
    pub fn wait_for_turn(&self) {
        let mut state = self.queue.lock();
        while !state.scheduler.is_turn_of(self.serial) {
            state = self.queue.wait(state);
        }
        state.scheduler.started(self.serial, self.queue.clock.now());
    }

    /// Frees the place after a run, and says what the classification took.
    pub fn finished(mut self, cost: Cost) {
        self.over = true;
        self.queue.lock().scheduler.finished(self.serial, self.runner, cost);
        self.queue.changed.notify_all();
    }

    /// The same for a frame that has an answer, and hands it in again for another run: one step,
    /// so that the queue cannot be found empty in between.
    pub fn finished_for_now(mut self, cost: Cost, task: Task, selection: Selection) {
        self.over = true;
        let account = task.frame.ticket.account();
        let (stream, due) = (account.origin.id.stream.clone(), (account.deadline, account.pace));
        let mut state = self.queue.lock();
        let now = self.queue.clock.now();
        state.scheduler.finished(self.serial, self.runner, cost);
        state.scheduler.submit_again(task, &stream, selection, due, now);
        drop(state);
        self.queue.changed.notify_all();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.queue.lock().scheduler.given_up(self.serial);
        self.queue.changed.notify_all();
    }
}
