//! What can run: compute devices, and models on them.

use std::time::{Duration, Instant};

use super::cost::{Cost, Took};
use super::estimate::{Estimator, OnTime, Remembered, RunnerId};
use super::price::Price;
use super::trials::{Trial, Trials};
use crate::models::ModelId;

/// Runs committed beyond those that the cores can take: the tensor of one more frame is made
/// meanwhile.
const AHEAD: usize = 1;

/// That one is decided so many times as long as its tensor may take before a core is expected to be
/// free: runs may end earlier than expected. Frames that come until then are part of the decision.
const LEAD: u32 = 2;

/// A tensor that takes no longer can as well be made when a core is free.
const AT_ONCE: Duration = Duration::from_micros(100);

/// A compute device as it is before any run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTerms {
    /// Its name, as manifests and configurations say: `cpu`, `gpu0`.
    pub name: String,
    /// How many cores runs may take at a time. A device that runs one model at a time, like most
    /// GPUs, has one.
    pub cores: usize,
}

/// A model on a device, with a number of threads, as it is before any run.
#[derive(Clone, Debug)]
pub struct RunnerTerms {
    /// The model.
    pub model: ModelId,
    /// The device, by its place in the list.
    pub device: usize,
    /// The cores that a run takes: its threads on a processor, one elsewhere. At most the device's.
    pub cores: usize,
    /// What its warm-up runs took, one at least.
    pub warm_up: Vec<Cost>,
    /// The same of runs of 2, 3, ... frames, up to as many as may share a run; of each one at least.
    pub batches: Vec<Vec<Cost>>,
    /// What is remembered of it from before a restart.
    pub remembered: Option<Remembered>,
}

/// A model on a device, with a number of threads.
#[derive(Debug)]
pub(super) struct Runner {
    /// Its place in the list of all.
    pub(super) place: usize,
    pub(super) model: ModelId,
    pub(super) device: usize,
    pub(super) cores: usize,
    id: RunnerId,
    /// A run of one frame.
    pub(super) alone: Load,
    /// Runs of 2, 3, ... frames.
    batches: Vec<Batch>,
}

/// Runs of several frames.
#[derive(Debug)]
struct Batch {
    id: RunnerId,
    load: Load,
}

/// What a run takes, with whatever number of frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// In the middle.
    pub(super) expected: Cost,
    /// How much longer it may take, with the probability that is asked for.
    pub(super) spread: Duration,
    /// The same without what is allowed for doubt and for long tails.
    pub(super) usual_spread: Duration,
    /// How much less it may well take in the middle.
    pub(super) hoped: Duration,
    /// Core time as expected.
    pub(super) work: Duration,
}

impl Load {
    fn of(id: RunnerId, cores: usize, estimator: &Estimator) -> Self {
        let expected = estimator.expected(id);
        let beyond = |longest: Cost| longest.total().saturating_sub(expected.total());
        let (spread, usual_spread) = (estimator.allowance(id), estimator.usual(id));
        let (spread, usual_spread) = (beyond(spread), beyond(usual_spread));
        let hoped = expected.total().saturating_sub(estimator.hoped(id).total());
        Self { expected, spread, usual_spread, hoped, work: expected.run * cores as u32 }
    }
}

impl Runner {
    /// How many frames may share a run.
    pub(super) fn most_frames(&self) -> usize {
        1 + self.batches.len()
    }

    /// What a run of so many frames takes.
    pub(super) fn load(&self, frames: usize) -> Load {
        self.batch(frames).map_or(self.alone, |batch| batch.load)
    }

    fn batch(&self, frames: usize) -> Option<&Batch> {
        self.batches.get(frames.checked_sub(2)?)
    }

    /// Names its runs of so many frames.
    fn id_of(&self, frames: usize) -> RunnerId {
        self.batch(frames).map_or(self.id, |batch| batch.id)
    }

    /// What a run takes at most, with the probability that is asked for, and its preprocessing.
    pub(super) fn longest(&self) -> Duration {
        self.alone.expected.total() + self.alone.spread
    }

    /// The core time that a run takes at most, with that probability.
    pub(super) fn longest_work(&self) -> Duration {
        self.alone.work + self.alone.spread * self.cores as u32
    }

    /// Takes over what its device has learnt.
    fn learn(&mut self, estimator: &Estimator) {
        self.alone = Load::of(self.id, self.cores, estimator);
        for Batch { id, load } in &mut self.batches {
            *load = Load::of(*id, self.cores, estimator);
        }
    }
}

/// A device and the runs that are decided for it.
#[derive(Debug)]
pub(super) struct Device {
    name: String,
    cores: usize,
    /// In the order of the decisions.
    committed: Vec<Commitment>,
    pub(super) price: Price,
    estimator: Estimator,
    trials: Trials,
}

/// When a further run is better decided than left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Now: a core is free.
    Now,
    /// From this instant: the tensor should be ready when a core is free.
    From(Instant),
    /// When a core is free: the tensor takes hardly any time.
    WhenFree,
    /// Not before a run ends.
    Never,
}

/// A decided run.
#[derive(Debug)]
struct Commitment {
    serial: u64,
    /// How many share it.
    frames: usize,
    cores: usize,
    cost: Cost,
    /// How much longer the run may take than its cost says, with the probability asked for.
    spread: Duration,
    decided: Instant,
    started: Option<Instant>,
}

impl Device {
    pub(super) fn new(terms: &DeviceTerms, on_time: OnTime) -> Self {
        let (cores, price) = (terms.cores.max(1), Price::default());
        let (name, committed) = (terms.name.clone(), Vec::new());
        let (estimator, trials) = (Estimator::new(on_time), Trials::new(on_time));
        Self { name, cores, committed, price, estimator, trials }
    }

    /// Adds a runner, which comes to this place in the list of all; `None` without any warm-up run.
    pub(super) fn add(&mut self, place: usize, terms: RunnerTerms) -> Option<Runner> {
        let RunnerTerms { model, device, cores, warm_up, batches, remembered } = terms;
        let id = self.estimator.add(&warm_up, remembered.as_ref())?;
        let batch = |(number, warm_up): (usize, &Vec<Cost>)| {
            let remembered = remembered.as_ref().and_then(|known| known.of_batch(number + 2));
            let id = self.estimator.add(warm_up, remembered.as_ref())?;
            Some(Batch { id, load: Load::default() })
        };
        let batches = batches.iter().enumerate().map(batch).collect::<Option<_>>()?;
        let (cores, alone) = (cores.clamp(1, self.cores), Load::default());
        Some(Runner { place, model, device, cores, id, alone, batches })
    }

    /// Learns what a run of one of `runners` on so many frames took, for all of them that are its own.
    pub(super) fn learn(&mut self, ran: usize, frames: usize, took: Took, runners: &mut [Runner]) {
        let device = runners[ran].device;
        self.estimator.learn(runners[ran].id_of(frames), took);
        self.trials.count_run();
        self.teach(device, runners);
    }

    /// What is worth remembering of a runner.
    pub(super) fn remember(&self, runner: &Runner) -> Remembered {
        let batches = runner.batches.iter().map(|batch| self.estimator.remember(batch.id));
        self.estimator.remember(runner.id).with_batches(batches)
    }

    /// Notes that the device does nothing and yet none of its runners, not even this one, seemed quick
    /// enough for the time that was left.
    pub(super) fn refuse(&mut self, quickest: usize, left: Duration, runners: &mut [Runner]) {
        let Runner { device, id, .. } = runners[quickest];
        self.estimator.refused(id, left);
        self.teach(device, runners);
    }

    pub(super) fn teach(&self, device: usize, runners: &mut [Runner]) {
        let own = runners.iter_mut().filter(|runner| runner.device == device);
        own.for_each(|runner| runner.learn(&self.estimator));
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The probability that a run is over within `slack` once its tensor is ready.
    pub(super) fn chance(&self, runner: &Runner, slack: Duration) -> f64 {
        self.estimator.chance(runner.id, slack)
    }

    /// The run, begun at once, if it is refused for want of certainty alone and may be tried on a frame that
    /// is late if the run is, or on one that is not.
    pub(super) fn trial(&self, runner: &Runner, left: Duration, is_risky: bool) -> Option<Trial> {
        if left < runner.alone.expected.total() || !self.is_idle() {
            return None;
        }
        let slack = left.saturating_sub(runner.alone.expected.preprocess);
        let chance = self.chance(runner, slack);
        let trial = Trial { chance, hope: self.estimator.hope(runner.id, slack), is_risky };
        self.trials.allow(trial).then_some(trial)
    }

    /// Notes that a trial is made.
    pub(super) fn make(&mut self, trial: Trial) {
        self.trials.make(trial);
    }

    pub(super) fn cores(&self) -> usize {
        self.cores
    }

    /// Runs that may be decided and not over at once.
    pub(super) fn most_committed(&self) -> usize {
        self.cores + AHEAD
    }

    /// Runs that are decided and not over.
    pub(super) fn committed(&self) -> usize {
        self.committed.len()
    }

    /// By what factor runs take longer than usual.
    pub(super) fn slowdown(&self) -> f64 {
        self.estimator.slowdown().mean
    }

    pub(super) fn is_idle(&self) -> bool {
        self.committed.is_empty()
    }

    /// Whether a further run may be decided, if making its tensor takes as long as this at most.
    pub(super) fn opening(&self, occupancy: &Occupancy, preprocess: Duration) -> Opening {
        let mut taken = 0;
        let beyond = self.committed.iter().filter(|run| {
            taken += run.cores;
            taken > self.cores
        });
        let (beyond, free) = (beyond.count(), occupancy.slot(1).free);
        if taken < self.cores {
            Opening::Now
        } else if beyond >= AHEAD {
            Opening::Never
        } else if preprocess <= AT_ONCE {
            Opening::WhenFree
        } else {
            Opening::From(free.checked_sub(preprocess * LEAD).unwrap_or(free))
        }
    }

    pub(super) fn commit(&mut self, serial: u64, runner: &Runner, frames: usize, now: Instant) {
        let (cores, Load { expected: cost, spread, .. }) = (runner.cores, runner.load(frames));
        let (decided, started) = (now, None);
        let commitment = Commitment { serial, frames, cores, cost, spread, decided, started };
        self.committed.push(commitment);
    }

    /// Notes that fewer frames share a run than was decided.
    pub(super) fn shrink(&mut self, serial: u64, runner: &Runner, frames: usize) {
        if let Some(run) = self.committed.iter_mut().find(|run| run.serial == serial) {
            let Load { expected, spread, .. } = runner.load(frames);
            (run.frames, run.cost, run.spread) = (frames, expected, spread);
        }
    }

    /// Whether a run may begin: all decided before have begun, and there are cores for it.
    pub(super) fn is_turn_of(&self, serial: u64) -> bool {
        let mut taken = 0;
        for run in &self.committed {
            taken += run.cores;
            if run.serial == serial {
                return taken <= self.cores;
            }
            if run.started.is_none() {
                return false;
            }
        }
        false
    }

    pub(super) fn start(&mut self, serial: u64, now: Instant) {
        if let Some(run) = self.committed.iter_mut().find(|run| run.serial == serial) {
            run.started = Some(now);
        }
    }

    /// Takes a run off; how many frames shared it, if it was there.
    pub(super) fn release(&mut self, serial: u64) -> Option<usize> {
        let place = self.committed.iter().position(|run| run.serial == serial)?;
        Some(self.committed.remove(place).frames)
    }

    /// When the cores are expected to be free.
    pub(super) fn occupancy(&self, now: Instant) -> Occupancy {
        let mut occupancy = Occupancy::idle(self.cores, now);
        for run in &self.committed {
            match run.started {
                Some(started) => {
                    occupancy.take(run.cores, (started + run.cost.run).max(now), run.spread);
                }
                None => {
                    let slot = occupancy.slot(run.cores);
                    let finish = slot.finish(run.cost, run.decided);
                    occupancy.take(run.cores, finish, slot.with(run.spread));
                }
            }
        }
        occupancy
    }
}

/// When each core of a device is expected to be free, the first one first.
#[derive(Clone, Debug)]
pub(super) struct Occupancy {
    cores: Vec<Slot>,
    now: Instant,
}

/// When cores are expected to be free, and by how much later that may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) free: Instant,
    late_by: Duration,
}

impl Slot {
    /// When a run of such a cost would end, if its tensor can be begun at `from`. The tensor is made
    /// while the runs before go on.
    pub(super) fn finish(self, cost: Cost, from: Instant) -> Instant {
        self.free.max(from + cost.preprocess) + cost.run
    }

    /// How much later than expected a run with such a spread of its own may end: spreads of
    /// independent runs add up as their squares do.
    pub(super) fn with(self, spread: Duration) -> Duration {
        if self.late_by.is_zero() {
            return spread;
        }
        let squares = self.late_by.as_secs_f64().powi(2) + spread.as_secs_f64().powi(2);
        Duration::from_secs_f64(squares.sqrt())
    }
}

impl Occupancy {
    fn idle(cores: usize, now: Instant) -> Self {
        let slot = Slot { free: now, late_by: Duration::ZERO };
        Self { cores: vec![slot; cores], now }
    }

    /// When so many cores are free at once.
    pub(super) fn slot(&self, cores: usize) -> Slot {
        self.cores[cores.clamp(1, self.cores.len()) - 1]
    }

    /// So many cores are taken until then.
    pub(super) fn take(&mut self, cores: usize, until: Instant, late_by: Duration) {
        let taken = cores.min(self.cores.len());
        self.cores[..taken].fill(Slot { free: until, late_by });
        self.cores.sort_by_key(|slot| slot.free);
    }

    /// When the first core is free that is not among the first `taken`, if there is any.
    pub(super) fn free_besides(&self, taken: usize) -> Option<Instant> {
        self.cores.get(taken).map(|slot| slot.free)
    }

    /// Core time until all cores are free.
    pub(super) fn backlog(&self) -> Duration {
        self.cores.iter().map(|slot| slot.free.saturating_duration_since(self.now)).sum()
    }

    /// The latest that any core may be late.
    pub(super) fn late_by(&self) -> Duration {
        self.cores.iter().map(|slot| slot.late_by).max().unwrap_or_default()
    }
}
