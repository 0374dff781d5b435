//! The `supervise` thread: contains runs that last too long.
//!
//! A worker says when it begins a run and when the run is over ([`Post`]). When the answer of a run
//! does not count any more ([`LateLimits`]), its frame is settled at once, whatever becomes of the
//! run, and ONNX Runtime is asked to end the run, which it does between two nodes of the graph, if
//! ever. Of frames that share a run each is settled at its own time, and the run asked to end with the
//! last. A frame that has another answer is settled with it shortly before its deadline; its run may go
//! on as long as if it had none, so that what such runs take is known. The run keeps its place on the device
//! until it is over; the frame that is committed next waits for it.
//!
//! A worker that has not come back some time after that is *fenced*: its place is freed, jobs that
//! wait for it are settled, its model is taken out of the choice, and the other models go on. What
//! it was stuck in is not stopped; nothing can stop it but the end of the process. It may go on to
//! keep a core busy, or the GPU, so that the others are slower, or get stuck as well. That is
//! honest, and simple: if the others cannot work, they are fenced in their turn. Meanwhile the
//! model is built anew ([`rebuild`]), and comes back with a new worker. If that fails, or too many
//! workers are stuck, the process is not healthy any more ([`Health`]), and its service manager
//! should start a new one.
//!
//! The thread sleeps until something is due; it ends with the last worker that is not fenced.

mod post;
mod rebuild;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::late::{LateLimits, LateWork};
use super::overruns::{Ask, Due, Ended, Overruns, Waiting, WorkerId};
use super::worker::{Job, Subject};
use crate::clock::Clock;
use crate::health::Health;
use crate::models::ModelId;
use crate::scheduler::{Lease, Queue};
use crate::threads::Spawner;

pub use post::{Post, Watched};
pub use rebuild::{Build, Workshop};

use post::Leave;

/// Fenced workers that may be stuck at once. Each keeps a thread, the memory of its session, and
/// perhaps a core; where there are more, no further model is built.
const MOST_STUCK: usize = 3;

/// What a worker does until its jobs run out.
pub type Work = Box<dyn FnOnce(Post, Receiver<Job>) + Send>;

/// The workers, and what is to be done about those that are late.
pub struct Supervisor {
    state: Mutex<State>,
    changed: Condvar,
    queue: Arc<Queue>,
    limits: LateLimits,
    workshop: Workshop,
    threads: Spawner,
    health: Health,
    clock: Clock,
}

struct State {
    /// The workers that are not fenced.
    crew: BTreeMap<WorkerId, Member>,
    /// Those that are and have not come back.
    stuck: BTreeMap<WorkerId, ModelId>,
    /// The ways to the crew.
    lanes: Lanes,
    overruns: Overruns<Subject, Lease>,
    /// Models that are being built anew, and until when that may last.
    mending: BTreeMap<ModelId, Instant>,
    counts: LateWork,
    hired: u64,
    /// When the thread wakes up of itself; `None` if it does not.
    wakes: Option<Instant>,
}

struct Member {
    model: ModelId,
    jobs: Receiver<Job>,
}

/// Where jobs are sent.
enum Lanes {
    /// By runner.
    Open(BTreeMap<usize, Lane>),
    /// There will be no more jobs.
    Closed,
}

/// The way to the workers of a runner: whichever is free takes the next job.
struct Lane {
    model: ModelId,
    sender: Sender<Job>,
    jobs: Receiver<Job>,
    workers: Vec<WorkerId>,
}

impl Lane {
    fn new(model: ModelId) -> Self {
        // It needs no bound of its own: a job has a lease, and the scheduler gives out few.
        let (sender, jobs) = unbounded();
        Self { model, sender, jobs, workers: Vec::new() }
    }
}

/// What the thread does next.
enum Step {
    Act(Action),
    Sleep(Option<Instant>),
}

/// What is to be done about a run or a model.
enum Action {
    /// Settle the frame.
    Settle(Subject),
    /// Ask the run to end, settle its frames.
    Terminate(Ask, Vec<Subject>),
    Fence(Casualty),
    /// It takes too long to build.
    GiveUp(ModelId),
}

/// A worker that was just fenced.
struct Casualty {
    model: ModelId,
    /// Its place on the device.
    lease: Lease,
    /// The jobs that waited for it.
    jobs: Vec<Job>,
    sequel: Sequel,
}

/// What becomes of a model whose worker was fenced.
enum Sequel {
    Rebuild,
    TooManyStuck,
    /// Nothing: it was taken out with another of its workers.
    IsOut,
    /// Nothing: the run is at its end.
    None,
}

impl Supervisor {
    /// One without workers.
    pub fn new(
        queue: Arc<Queue>,
        limits: LateLimits,
        workshop: Workshop,
        threads: Spawner,
        health: Health,
        clock: Clock,
    ) -> Arc<Self> {
        let state = State {
            crew: BTreeMap::new(),
            stuck: BTreeMap::new(),
            lanes: Lanes::Open(BTreeMap::new()),
            overruns: Overruns::new(limits.fence_after),
            mending: BTreeMap::new(),
            counts: LateWork::default(),
            hired: 0,
            wakes: None,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Arc::new(Self { state, changed, queue, limits, workshop, threads, health, clock })
    }

    /// Starts a worker of a model, for one of the runners that the queue knows. Those of the same runner
    /// share its jobs.
    pub fn hire(self: &Arc<Self>, model: ModelId, runner: usize, work: Work) -> io::Result<()> {
        let enlisted = self.lock().enlist(&model, runner);
        self.start(model, enlisted, work)
    }

    fn start(
        self: &Arc<Self>,
        model: ModelId,
        (worker, jobs): (WorkerId, Receiver<Job>),
        work: Work,
    ) -> io::Result<()> {
        let post = Post { supervisor: Arc::clone(self), worker };
        self.threads.spawn(&format!("worker-{model}"), move || work(post, jobs))
    }

    /// Sends a job to the workers of its runner; gives it back if they are gone.
    pub fn send(&self, job: Job) -> Result<(), Box<Job>> {
        let state = self.lock();
        let lane = match &state.lanes {
            Lanes::Open(lanes) => lanes.get(&job.lease.runner()),
            Lanes::Closed => None,
        };
        match lane {
            Some(lane) => lane.sender.send(job).map_err(|refused| Box::new(refused.into_inner())),
            None => Err(Box::new(job)),
        }
    }

    /// Says that no more jobs will come: the workers end when they have done theirs.
    pub fn dismiss(&self) {
        let mut state = self.lock();
        state.lanes = Lanes::Closed;
        state.mending.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// The work of the thread `supervise`. It ends when no worker is left that is not fenced and
    /// none is being built.
    pub fn run(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.is_over() {
            state = match state.next(self.clock.now(), self.workshop.limit) {
                Step::Sleep(until) => self.sleep(state, until),
                Step::Act(action) => {
                    // Settling a frame may take long, if nobody reads the output.
                    drop(state);
                    self.carry_out(action);
                    self.lock()
                }
            };
        }
    }

    fn carry_out(self: &Arc<Self>, action: Action) {
        match action {
            Action::Settle(subject) => self.settle_late(subject),
            Action::Terminate(ask, subjects) => {
                ask();
                subjects.into_iter().for_each(|subject| self.settle_late(subject));
            }
            Action::Fence(casualty) => self.fence(casualty),
            Action::GiveUp(model) => {
                self.lose(&model, &format!("it was not built within {:?}", self.workshop.limit));
            }
        }
    }

    /// Ends a frame that waits no longer for its run. What is known of it the frames of its scene learn.
    fn settle_late(&self, subject: Subject) {
        let stream = subject.account().origin.id.stream.clone();
        if subject.rider.has_another_answer() {
            self.lock().counts.answered_without += 1;
        }
        subject.settle_late(self.clock.now());
        self.queue.catch_up(&stream);
    }

    fn fence(self: &Arc<Self>, Casualty { model, lease, jobs, sequel }: Casualty) {
        let after = self.limits.fence_after;
        if !matches!(sequel, Sequel::IsOut) {
            log::error!(
                model:%, reason = "run_stuck";
                "model {model} is taken out: its run did not end within {after:?} of being asked"
            );
            self.queue.retire(&model);
        }
        drop(lease);
        jobs.into_iter().for_each(|job| job.refuse(&model, self.clock.now()));
        match sequel {
            Sequel::Rebuild => self.start_rebuilding(model),
            Sequel::TooManyStuck => self.lose(&model, "too many runs are stuck to build it anew"),
            Sequel::IsOut | Sequel::None => {}
        }
    }

    /// Gives a model up that was being built anew, unless that is over already.
    fn lose(&self, model: &ModelId, reason: &str) {
        let mut state = self.lock();
        if state.mending.remove(model).is_none() {
            return;
        }
        state.counts.lost += 1;
        drop(state);
        self.health.give_up(format!("model {model} is lost: {reason}"));
        self.changed.notify_all();
    }

    /// What was done so far.
    pub fn late_work(&self) -> LateWork {
        self.lock().counts
    }

    /// The models of which a run is under way, those that are stuck included.
    pub fn running(&self) -> Vec<ModelId> {
        let state = self.lock();
        let busy = state.overruns.workers().filter_map(|worker| state.crew.get(worker));
        let busy = busy.map(|member| &member.model);
        busy.chain(state.stuck.values()).cloned().collect()
    }

    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        state.wakes = until;
        match until.map(|until| until.saturating_duration_since(self.clock.now())) {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(rest) => {
                let woken = self.changed.wait_timeout(state, rest);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before the lock is let go, panics included.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enlist(&mut self, model: &ModelId, runner: usize) -> (WorkerId, Receiver<Job>) {
        let worker = WorkerId(self.hired);
        self.hired += 1;
        let jobs = match &mut self.lanes {
            Lanes::Open(lanes) => {
                let lane = lanes.entry(runner).or_insert_with(|| Lane::new(model.clone()));
                lane.workers.push(worker);
                lane.jobs.clone()
            }
            // It finds no job, and ends.
            Lanes::Closed => Lane::new(model.clone()).jobs,
        };
        self.crew.insert(worker, Member { model: model.clone(), jobs: jobs.clone() });
        (worker, jobs)
    }

    fn is_over(&self) -> bool {
        self.crew.is_empty() && self.mending.is_empty()
    }

    fn next(&mut self, now: Instant, mending_limit: Duration) -> Step {
        let next = match self.overruns.due(now) {
            Due::Settle(subject) => return Step::Act(Action::Settle(subject)),
            Due::Terminate(ask, subjects) => {
                self.counts.terminated += 1;
                return Step::Act(Action::Terminate(ask, subjects));
            }
            Due::Fence(worker, lease) => {
                // A worker with a run is of the crew.
                let Some(member) = self.crew.remove(&worker) else { return Step::Sleep(Some(now)) };
                let limit = now + mending_limit;
                return Step::Act(Action::Fence(self.fence(worker, member, lease, limit)));
            }
            Due::Nothing(until) => until,
        };
        let overdue = self.mending.iter().find(|(_, limit)| **limit <= now);
        if let Some((model, _)) = overdue {
            return Step::Act(Action::GiveUp(model.clone()));
        }
        Step::Sleep(next.into_iter().chain(self.mending.values().copied()).min())
    }

    fn fence(
        &mut self,
        worker: WorkerId,
        Member { model, jobs }: Member,
        lease: Lease,
        mending_limit: Instant,
    ) -> Casualty {
        self.counts.fenced += 1;
        self.stuck.insert(worker, model.clone());
        let sequel = match &mut self.lanes {
            Lanes::Closed => Sequel::None,
            Lanes::Open(lanes) => {
                if !take_out(lanes, worker) {
                    Sequel::IsOut
                } else {
                    self.mending.insert(model.clone(), mending_limit);
                    let are_few = self.stuck.len() <= MOST_STUCK;
                    if are_few { Sequel::Rebuild } else { Sequel::TooManyStuck }
                }
            }
        };
        // No more can come: the only way to them is gone. Those that there are may have another taker.
        let is_last = !self.crew.values().any(|other| other.jobs.same_channel(&jobs));
        let jobs = if is_last { jobs.try_iter().collect() } else { Vec::new() };
        Casualty { model, lease, jobs, sequel }
    }

    /// Takes back what a worker had that has ended.
    fn discharge(&mut self, worker: WorkerId) -> Leave {
        if let Some(model) = self.stuck.remove(&worker) {
            return Leave::Fenced(model);
        }
        let Some(Member { model, jobs }) = self.crew.remove(&worker) else { return Leave::Known };
        let had_a_lane = match &mut self.lanes {
            Lanes::Open(lanes) => take_out(lanes, worker),
            Lanes::Closed => false,
        };
        if had_a_lane || thread::panicking() { Leave::Early(model, jobs) } else { Leave::Known }
    }
}

/// Closes all ways to the model of a worker; whether it was still on one of them. Workers of a model
/// that was built anew have ways of their own.
fn take_out(lanes: &mut BTreeMap<usize, Lane>, worker: WorkerId) -> bool {
    let own = lanes.values().find(|lane| lane.workers.contains(&worker));
    let Some(model) = own.map(|lane| lane.model.clone()) else { return false };
    lanes.retain(|_, lane| lane.model != model);
    true
}
