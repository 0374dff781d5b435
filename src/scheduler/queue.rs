//! The scheduler between threads: `select` submits, `prepare` asks for the next job, workers take
//! turns on the device.

use std::iter;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::cost::{Cost, Took};
use super::estimate::Remembered;
use super::policy::{Admission, Companion, Decision, Glance, Offer, Scheduler};
use crate::clock::Clock;
use crate::course::{self, Course};
use crate::frame::{Frame, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Considered, Outcome, Reason, Shortfall, Stop, Ticket};
use crate::premodel::Selection;
use crate::sync::{Condvar, Mutex, MutexGuard};

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

/// A run that is decided.
pub struct Dispatch {
    /// The frames that it is on: one, or several that share it.
    pub passengers: Vec<Passenger>,
    /// The model.
    pub model: ModelId,
    /// What the run is expected to take, its preprocessing left out.
    pub expected: Duration,
    /// Its place on the device.
    pub lease: Lease,
}

/// A frame of a run.
pub struct Passenger {
    /// The frame.
    pub task: Task,
    /// Why this model.
    pub reason: Reason,
}

impl Queue {
    /// A queue of frames that a scheduler decides about.
    pub fn new(scheduler: Scheduler<Task>, clock: Clock) -> Arc<Self> {
        let state = State { scheduler, closed: false };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), clock })
    }

    /// Hands a frame in. Under [`Pace::Work`] this waits until there is room; under
    /// [`Pace::Clock`] the stream's oldest waiting frame gives way instead, superseded.
    pub fn submit(&self, mut task: Task, offer: impl Into<Offer>) {
        let (arrived, offer) = (self.clock.now(), offer.into());
        let ticket = &mut task.frame.ticket;
        let stream = ticket.account().origin.id.stream.clone();
        let pace = ticket.account().pace;
        let mut state = self.lock();
        while pace == Pace::Work && state.scheduler.is_full(&stream) {
            state = self.wait(state);
        }
        let now = self.clock.now();
        ticket.waited(now - arrived);
        let due = ticket.account().due(offer.is_covered);
        let admission = state.scheduler.submit(task, &stream, offer, (due, pace), now);
        drop(state);
        self.changed.notify_all();
        match admission {
            Admission::Waits => {}
            Admission::Displaced(Task { frame, course }) => {
                course::end(course, frame.ticket, Stop::Deadline, Outcome::Superseded);
            }
        }
    }

    /// Waits for the next decision; `None` once the queue is closed and empty and no frame can come
    /// back.
    pub fn next(self: &Arc<Self>) -> Option<Next> {
        let mut state = self.lock();
        loop {
            match state.scheduler.next(self.clock.now()) {
                Decision::Run {
                    job,
                    runner,
                    model,
                    reason,
                    waited,
                    considered,
                    company,
                    expected,
                    serial,
                } => {
                    self.announce(state);
                    let first = Companion { job, reason, waited, considered };
                    let passengers = iter::once(first).chain(company).map(passenger).collect();
                    let lease = Lease { queue: Arc::clone(self), serial, runner, over: false };
                    return Some(Next::Run(Dispatch { passengers, model, expected, lease }));
                }
                Decision::Expired { job, shortfall, waited, considered } => {
                    self.announce(state);
                    return Some(Next::Expired(decided(job, waited, considered), shortfall));
                }
                Decision::Settle { job, stop, waited, considered } => {
                    self.announce(state);
                    return Some(Next::Settle(decided(job, waited, considered), stop));
                }
                Decision::Idle if state.closed && state.scheduler.is_over() => return None,
                Decision::Idle => state = self.wait(state),
                Decision::Later(at) => state = self.wait_until(state, at),
            }
        }
    }

    /// Tells everyone that a decision was made.
    fn announce(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changed.notify_all();
    }

    /// Has the frames of a stream that wait go on from what is known of their scene by now: an older
    /// frame of the stream has its answer.
    pub fn catch_up(&self, stream: &StreamName) {
        let mut state = self.lock();
        let now = self.clock.now();
        let over = state.scheduler.revise(stream, now, |task| {
            let course = task.course.as_deref_mut()?;
            let offer = course.catch_up().then(|| course.offer())?;
            let due = task.frame.ticket.account().due(offer.is_covered);
            Some((offer, due))
        });
        drop(state);
        if !over.is_empty() {
            self.changed.notify_all();
        }
        for Task { frame, course } in over {
            course::end(course, frame.ticket, Stop::Certain, Outcome::Superseded);
        }
    }

    /// Says that no frame will be submitted any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// What a run of each runner is expected to take now.
    pub fn expected(&self) -> Vec<Cost> {
        self.lock().scheduler.expected()
    }

    /// What is worth remembering of each runner over a restart.
    pub fn remember(&self) -> Vec<Remembered> {
        self.lock().scheduler.remember()
    }

    /// What the scheduler knows now, for operators.
    pub fn glance(&self) -> Glance {
        self.lock().scheduler.glance()
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

/// Tells a frame how long it waited for a decision and what it was chosen from.
fn decided(mut task: Task, waited: Duration, considered: Vec<Considered>) -> Task {
    let ticket = &mut task.frame.ticket;
    ticket.waited(waited);
    if !considered.is_empty() {
        ticket.trace().considered.push(considered);
    }
    task
}

fn passenger(decision: Companion<Task>) -> Passenger {
    let Companion { job, reason, waited, considered } = decision;
    Passenger { task: decided(job, waited, considered), reason }
}

/// A decided run's place on the device. Dropped, it frees the place.
pub struct Lease {
    queue: Arc<Queue>,
    serial: u64,
    runner: usize,
    over: bool,
}

impl Lease {
    /// The runner, by its place in the list that the scheduler was made of.
    pub fn runner(&self) -> usize {
        self.runner
    }

    /// Waits until the device has room, after the runs decided before, but no longer than until then;
    /// `None` is for ever. Whether it has.
    pub fn wait_for_turn(&self, until: Option<Instant>) -> bool {
        let queue = &self.queue;
        let mut state = queue.lock();
        while !state.scheduler.is_turn_of(self.serial) {
            let left = until.map(|until| until.saturating_duration_since(queue.clock.now()));
            state = match left {
                None => queue.wait(state),
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    let woken = queue.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.scheduler.started(self.serial, queue.clock.now());
        true
    }

    /// Frees the place after a run, and says what the classification took.
    pub fn finished(mut self, took: impl Into<Took>) {
        self.over = true;
        self.queue.lock().scheduler.finished(self.serial, self.runner, took);
        self.queue.changed.notify_all();
    }

    /// The same, and hands frames that have an answer in again for another run: one step, so that the
    /// queue cannot be found empty in between.
    pub fn finished_for_now(mut self, cost: Cost, back: Vec<(Task, Selection)>) {
        self.over = true;
        let mut state = self.queue.lock();
        let now = self.queue.clock.now();
        state.scheduler.finished(self.serial, self.runner, cost);
        for (task, selection) in back {
            let account = task.frame.ticket.account();
            let stream = account.origin.id.stream.clone();
            let due = (account.due(true), account.pace);
            state.scheduler.submit_again(task, &stream, selection, due, now);
        }
        drop(state);
        self.queue.changed.notify_all();
    }

    /// The same where answers go out, besides: the frames of their scenes that wait learn of them.
    pub fn finished_for_good(
        self,
        cost: Cost,
        back: Vec<(Task, Selection)>,
        answered: Vec<(Course, Ticket)>,
    ) {
        let queue = Arc::clone(&self.queue);
        self.finished_for_now(cost, back);
        for (course, ticket) in answered {
            let stream = ticket.account().origin.id.stream.clone();
            course.settle(ticket, Stop::Certain);
            queue.catch_up(&stream);
        }
    }

    /// Notes that no more than so many frames share the run: the others are settled.
    pub fn shrink(&self, frames: usize) {
        self.queue.lock().scheduler.shrunk(self.serial, self.runner, frames);
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
