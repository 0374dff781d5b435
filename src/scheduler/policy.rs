//! The decisions.

mod again;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::latency::{Cost, Latency};
use crate::frame::{Deadline, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Reason, Shortfall, Stop};
use crate::premodel::Selection;

/// Frames of one stream that may wait for the device.
const WAITING_PER_STREAM: usize = 4;

/// Frames bound to the device: one that runs, and one whose tensor is made meanwhile.
const COMMITTED: usize = 2;

/// Decides which waiting job runs next, and with which model. Pure: time comes in as `now`.
pub struct Scheduler<J> {
    latencies: BTreeMap<ModelId, Latency>,
    waiting: Vec<Waiting<J>>,
    committed: VecDeque<Commitment>,
    next_serial: u64,
}

/// What the scheduler knows of a job.
struct Waiting<J> {
    job: J,
    stream: StreamName,
    standing: Standing,
    selection: Selection,
    deadline: Deadline,
    pace: Pace,
    submitted: Instant,
}

/// What is lost with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Little: it has an answer, which another run may better.
    Answered,
    /// All: no model has run on it.
    New,
}

/// A decided run.
struct Commitment {
    serial: u64,
    expected: Cost,
    finish: Instant,
}

/// What became of a job handed in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<J> {
    /// It waits.
    Waits,
    /// It waits in the place of this older job of its stream.
    Displaced(J),
}

/// What to do next.
#[derive(Debug)]
pub enum Decision<J> {
    /// Run the job with this model.
    Run {
        /// The job.
        job: J,
        /// The model.
        model: ModelId,
        /// Why this model.
        reason: Reason,
        /// Time the job waited for this decision.
        waited: Duration,
        /// What the run is expected to take, its preprocessing left out.
        expected: Duration,
        /// Names the run in [`Scheduler::is_turn_of`] and [`Scheduler::finished`].
        serial: u64,
    },
    /// No model can answer the job in time.
    Expired {
        /// The job.
        job: J,
        /// By how much the quickest model misses.
        shortfall: Shortfall,
        /// Time the job waited for this decision.
        waited: Duration,
    },
    /// The job came back for another run and gets none: its answer goes out.
    Settle {
        /// The job.
        job: J,
        /// Why it gets none.
        stop: Stop,
        /// Time the job waited for this decision.
        waited: Duration,
    },
    /// There is nothing to do until a job comes or a run ends.
    Idle,
}

impl<J> Scheduler<J> {
    /// A scheduler of models with these latencies.
    pub fn new(latencies: BTreeMap<ModelId, Latency>) -> Self {
        Self { latencies, waiting: Vec::new(), committed: VecDeque::new(), next_serial: 0 }
    }

    /// Takes a job in. A stream whose share of waiting frames is full loses its oldest one: the
    /// newest frame wins.
    pub fn submit(
        &mut self,
        job: J,
        stream: &StreamName,
        selection: Selection,
        (deadline, pace): (Deadline, Pace),
        now: Instant,
    ) -> Admission<J> {
        let oldest = self.is_full(stream).then(|| self.oldest_of(stream)).flatten();
        let displaced = oldest.map(|index| self.waiting.remove(index).job);
        let (stream, standing) = (stream.clone(), Standing::New);
        let waiting = Waiting { job, stream, standing, selection, deadline, pace, submitted: now };
        self.insert(waiting);
        displaced.map_or(Admission::Waits, Admission::Displaced)
    }

    /// Takes a job in again whose run is over and which has an answer, for another run or none.
    ///
    /// It is decided before any new job and gives way to no newer one, so that no more jobs come
    /// back than were committed.
    pub fn submit_again(
        &mut self,
        job: J,
        stream: &StreamName,
        selection: Selection,
        (deadline, pace): (Deadline, Pace),
        now: Instant,
    ) {
        let (stream, standing) = (stream.clone(), Standing::Answered);
        self.insert(Waiting { job, stream, standing, selection, deadline, pace, submitted: now });
    }

    fn insert(&mut self, waiting: Waiting<J>) {
        let place = self.waiting.partition_point(|other| other.turn() <= waiting.turn());
        self.waiting.insert(place, waiting);
    }

    /// Whether a further job of `stream` would displace one.
    pub fn is_full(&self, stream: &StreamName) -> bool {
        let of_stream = self.new_jobs().filter(|waiting| waiting.stream == *stream);
        of_stream.count() >= WAITING_PER_STREAM
    }

    fn oldest_of(&self, stream: &StreamName) -> Option<usize> {
        let is_of_stream =
            |job: &Waiting<J>| job.standing == Standing::New && job.stream == *stream;
        let of_stream = self.waiting.iter().enumerate().filter(|(_, job)| is_of_stream(job));
        of_stream.min_by_key(|(_, waiting)| waiting.submitted).map(|(index, _)| index)
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no job waits and none can come back.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.committed.is_empty()
    }

    fn new_jobs(&self) -> impl Iterator<Item = &Waiting<J>> {
        self.waiting.iter().filter(|job| job.standing == Standing::New)
    }

    /// The next thing to do at `now`.
    pub fn next(&mut self, now: Instant) -> Decision<J> {
        let device = Device { now, free: self.free_at(now) };
        if let Some(index) = self.waiting.iter().position(|job| self.is_hopeless(job, device)) {
            return self.expire(index, device);
        }
        let Some(first) = self.waiting.first() else { return Decision::Idle };
        if first.standing == Standing::Answered {
            return self.decide_again(device);
        }
        if self.committed.len() >= COMMITTED {
            return Decision::Idle;
        }
        match self.first_that_fits(first, device) {
            Some((model, reason)) => self.commit(model, reason, device),
            // The search for hopeless jobs found none; were it wrong, this still is an outcome.
            None => self.expire(0, device),
        }
    }

    fn free_at(&self, now: Instant) -> Instant {
        self.committed.back().map_or(now, |last| last.finish.max(now))
    }

    fn is_hopeless(&self, job: &Waiting<J>, device: Device) -> bool {
        let is_new = job.standing == Standing::New;
        is_new && !self.candidates(job).any(|(_, latency)| job.fits(latency.expected(), device))
    }

    /// The models that the job's selection ranks, less those that are gone.
    fn candidates<'a>(
        &'a self,
        job: &'a Waiting<J>,
    ) -> impl Iterator<Item = (&'a ModelId, &'a Latency)> {
        let ranking = job.selection.ranking.iter();
        ranking.filter_map(|(model, _)| Some((model, self.latencies.get(model)?)))
    }

    fn first_that_fits(&self, job: &Waiting<J>, device: Device) -> Option<(ModelId, Reason)> {
        let (preferred, _) = self.candidates(job).next()?;
        let mut candidates = self.candidates(job);
        let (model, _) = candidates.find(|(_, latency)| job.fits(latency.expected(), device))?;
        let reason = if model == preferred {
            Reason::Preferred(job.selection.basis)
        } else {
            Reason::PreferredTooSlow(preferred.clone())
        };
        Some((model.clone(), reason))
    }

    fn expire(&mut self, index: usize, device: Device) -> Decision<J> {
        let expired = self.waiting.remove(index);
        let shortfall = self.shortfall(&expired, device);
        self.hold_back(&expired, None, device);
        let waited = device.now.saturating_duration_since(expired.submitted);
        Decision::Expired { job: expired.job, shortfall, waited }
    }

    /// Tells the models ranked before `chosen` that only their estimates kept them from running.
    fn hold_back(&mut self, job: &Waiting<J>, chosen: Option<&ModelId>, device: Device) {
        let ranked = job.selection.ranking.iter().map(|(model, _)| model);
        for model in ranked.take_while(|model| Some(*model) != chosen) {
            if let Some(latency) = self.latencies.get_mut(model)
                && job.fits(latency.fastest(), device)
                && !job.fits(latency.expected(), device)
            {
                latency.hold_back();
            }
        }
    }

    fn shortfall(&self, job: &Waiting<J>, device: Device) -> Shortfall {
        let finish = |latency: &Latency| job.finish(latency.expected(), device);
        let finishes = self.candidates(job).map(|(model, latency)| (finish(latency), model));
        let quickest = finishes.min();
        let from = job.now(device);
        Shortfall {
            quickest: quickest.map(|(_, model)| model.clone()),
            needed: quickest.map_or(Duration::ZERO, |(finish, _)| finish - from),
            left: job.deadline.remaining(from),
        }
    }

    fn commit(&mut self, model: ModelId, reason: Reason, device: Device) -> Decision<J> {
        let job = self.waiting.remove(0);
        self.hold_back(&job, Some(&model), device);
        let expected = self.latencies.get(&model).map(Latency::expected).unwrap_or_default();
        let serial = self.next_serial;
        self.next_serial += 1;
        let finish = device.finish(expected);
        self.committed.push_back(Commitment { serial, expected, finish });
        Decision::Run {
            waited: device.now.saturating_duration_since(job.submitted),
            job: job.job,
            model,
            reason,
            expected: expected.run,
            serial,
        }
    }

    /// Whether it is this run's turn on the device: runs go in the order of their decisions.
    pub fn is_turn_of(&self, serial: u64) -> bool {
        self.committed.front().is_some_and(|first| first.serial == serial)
    }

    /// Notes that the run whose turn it is has the device now.
    pub fn started(&mut self, now: Instant) {
        let mut finish = now;
        for commitment in &mut self.committed {
            // The tensor is there, or made while the run before goes on.
            finish += commitment.expected.run;
            commitment.finish = finish;
        }
    }

    /// Notes that a run is over, and what the classification took.
    pub fn finished(&mut self, serial: u64, model: &ModelId, cost: Cost) {
        self.given_up(serial);
        if let Some(latency) = self.latencies.get_mut(model) {
            latency.learn(cost);
        }
    }

    /// Notes that a decided run is over without a measure: it failed, or was not begun.
    pub fn given_up(&mut self, serial: u64) {
        self.committed.retain(|commitment| commitment.serial != serial);
    }

    /// Takes a model out of the choice, until it is restored.
    pub fn retire(&mut self, model: &ModelId) {
        self.latencies.remove(model);
    }

    /// Takes a model into the choice, again or anew, whose runs take about this long.
    pub fn restore(&mut self, model: ModelId, latency: Latency) {
        self.latencies.insert(model, latency);
    }
}

/// The compute device, when a decision is made.
#[derive(Clone, Copy)]
struct Device {
    now: Instant,
    /// When the runs decided so far are expected to be over.
    free: Instant,
}

impl Device {
    /// When a run of such a cost would end. Its tensor is made while the runs before it go on.
    fn finish(self, cost: Cost) -> Instant {
        self.free.max(self.now + cost.preprocess) + cost.run
    }
}

impl<J> Waiting<J> {
    /// Jobs are decided in ascending order: those that came back, then those that are due first. A
    /// job that does not wait by the clock has no claim on one that does.
    fn turn(&self) -> (Standing, bool, Deadline) {
        (self.standing, self.pace == Pace::Work, self.deadline)
    }

    /// The time by the clock that the job's deadline counts: under [`Pace::Work`] it stands still
    /// while the job waits.
    fn now(&self, device: Device) -> Instant {
        match self.pace {
            Pace::Clock => device.now,
            Pace::Work => self.submitted,
        }
    }

    /// When a run of such a cost would end, by that clock.
    fn finish(&self, cost: Cost, device: Device) -> Instant {
        match self.pace {
            Pace::Clock => device.finish(cost),
            Pace::Work => self.submitted + cost.total(),
        }
    }

    fn fits(&self, cost: Cost, device: Device) -> bool {
        self.deadline.is_met_by(self.finish(cost, device))
    }
}
