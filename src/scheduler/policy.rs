//! The decisions.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::latency::Latency;
use crate::frame::{Deadline, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Reason, Shortfall};
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
    selection: Selection,
    deadline: Deadline,
    pace: Pace,
    submitted: Instant,
}

struct Commitment {
    serial: u64,
    expected: Duration,
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
        /// Names the run in [`Scheduler::is_turn_of`] and [`Scheduler::finished`].
        serial: u64,
    },
    /// No model can answer the job in time.
    Expired(J, Shortfall),
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
        let place = self.waiting.partition_point(|other| other.deadline <= deadline);
        let stream = stream.clone();
        let waiting = Waiting { job, stream, selection, deadline, pace, submitted: now };
        self.waiting.insert(place, waiting);
        displaced.map_or(Admission::Waits, Admission::Displaced)
    }

    /// Whether a further job of `stream` would displace one.
    pub fn is_full(&self, stream: &StreamName) -> bool {
        let of_stream = self.waiting.iter().filter(|waiting| waiting.stream == *stream);
        of_stream.count() >= WAITING_PER_STREAM
    }

    fn oldest_of(&self, stream: &StreamName) -> Option<usize> {
        let of_stream =
            self.waiting.iter().enumerate().filter(|(_, waiting)| waiting.stream == *stream);
        of_stream.min_by_key(|(_, waiting)| waiting.submitted).map(|(index, _)| index)
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next thing to do at `now`.
    pub fn next(&mut self, now: Instant) -> Decision<J> {
        let free = self.free_at(now);
        if let Some((index, shortfall)) = self.first_hopeless(now, free) {
            let hopeless = self.waiting.remove(index);
            self.pass_over(hopeless.selection.ranking.iter().map(|(model, _)| model));
            return Decision::Expired(hopeless.job, shortfall);
        }
        if self.waiting.is_empty() || self.committed.len() >= COMMITTED {
            return Decision::Idle;
        }
        let first = self.waiting.remove(0);
        let start = first.start(free);
        match self.first_that_fits(&first, start) {
            Some((model, reason)) => self.commit(first, model, reason, free, now),
            // Unreachable after the search for hopeless jobs; still an outcome, not a panic.
            None => {
                let shortfall = self.shortfall(&first, now, free);
                Decision::Expired(first.job, shortfall)
            }
        }
    }

    fn free_at(&self, now: Instant) -> Instant {
        self.committed.back().map_or(now, |last| last.finish.max(now))
    }

    fn first_hopeless(&self, now: Instant, free: Instant) -> Option<(usize, Shortfall)> {
        let hopeless = |waiting: &Waiting<J>| {
            let start = waiting.start(free);
            !self.candidates(waiting).any(|(_, latency)| waiting.fits(start, latency))
        };
        let index = self.waiting.iter().position(hopeless)?;
        Some((index, self.shortfall(&self.waiting[index], now, free)))
    }

    /// The models that the job's selection ranks, less those that are gone.
    fn candidates<'a>(
        &'a self,
        waiting: &'a Waiting<J>,
    ) -> impl Iterator<Item = (&'a ModelId, &'a Latency)> {
        let ranking = waiting.selection.ranking.iter();
        ranking.filter_map(|(model, _)| Some((model, self.latencies.get(model)?)))
    }

    fn first_that_fits(
        &mut self,
        waiting: &Waiting<J>,
        start: Instant,
    ) -> Option<(ModelId, Reason)> {
        let mut slower = Vec::new();
        let mut chosen = None;
        for (model, latency) in self.candidates(waiting) {
            if waiting.fits(start, latency) {
                chosen = Some(model.clone());
                break;
            }
            slower.push(model.clone());
        }
        self.pass_over(slower.iter());
        let reason = match slower.into_iter().next() {
            None => Reason::Preferred(waiting.selection.basis),
            Some(preferred) => Reason::PreferredTooSlow(preferred),
        };
        Some((chosen?, reason))
    }

    fn pass_over<'a>(&mut self, models: impl Iterator<Item = &'a ModelId>) {
        for model in models {
            if let Some(latency) = self.latencies.get_mut(model) {
                latency.passed_over();
            }
        }
    }

    fn shortfall(&self, waiting: &Waiting<J>, now: Instant, free: Instant) -> Shortfall {
        let quickest = self.candidates(waiting).min_by_key(|(_, latency)| latency.expected());
        let start = waiting.start(free);
        // Under `Pace::Work` the job's own clock stands still at its submission.
        let from = match waiting.pace {
            Pace::Clock => now,
            Pace::Work => waiting.submitted,
        };
        let run = quickest.map_or(Duration::ZERO, |(_, latency)| latency.expected());
        Shortfall {
            quickest: quickest.map(|(model, _)| model.clone()),
            needed: start.saturating_duration_since(from) + run,
            left: waiting.deadline.remaining(from),
        }
    }

    fn commit(
        &mut self,
        waiting: Waiting<J>,
        model: ModelId,
        reason: Reason,
        free: Instant,
        now: Instant,
    ) -> Decision<J> {
        let expected = self.latencies.get(&model).map_or(Duration::ZERO, Latency::expected);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.committed.push_back(Commitment { serial, expected, finish: free + expected });
        let waited = now.saturating_duration_since(waiting.submitted);
        Decision::Run { job: waiting.job, model, reason, waited, serial }
    }

    /// Whether it is this run's turn on the device: runs go in the order of their decisions.
    pub fn is_turn_of(&self, serial: u64) -> bool {
        self.committed.front().is_some_and(|first| first.serial == serial)
    }

    /// Notes that the run whose turn it is has the device now.
    pub fn started(&mut self, now: Instant) {
        let mut finish = now;
        for commitment in &mut self.committed {
            finish += commitment.expected;
            commitment.finish = finish;
        }
    }

    /// Notes that a run is over and took so long, preprocessing included.
    pub fn finished(&mut self, serial: u64, model: &ModelId, took: Duration) {
        self.given_up(serial);
        if let Some(latency) = self.latencies.get_mut(model) {
            latency.ran(took);
        }
    }

    /// Notes that a decided run is over without a measure: it failed, or was not begun.
    pub fn given_up(&mut self, serial: u64) {
        self.committed.retain(|commitment| commitment.serial != serial);
    }

    /// Takes a model out of the choice for good.
    pub fn retire(&mut self, model: &ModelId) {
        self.latencies.remove(model);
    }
}

impl<J> Waiting<J> {
    /// When the job's run would start, by the clock that its deadline counts.
    fn start(&self, free: Instant) -> Instant {
        match self.pace {
            Pace::Clock => free,
            Pace::Work => self.submitted,
        }
    }

    fn fits(&self, start: Instant, latency: &Latency) -> bool {
        self.deadline.is_met_by(start + latency.expected())
    }
}
