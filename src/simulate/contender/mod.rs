//! What is compared: schedulers, ours and others, behind one interface.
//!
//! A contender is told what a scheduler would be told and no more: frames as they come, what every
//! model is likely to be worth on them, when runs begin and end. It answers with one [`Step`] at a
//! time. [`ours`] is the daemon's own scheduler; it is the only file here that knows it.

mod fixed;
pub mod ours;

use std::time::Duration;

use super::setting::{Placement, Setting};
use super::world::World;
use crate::scheduler::Cost;

pub use fixed::{Edf, NewestWins};

/// Runs of each model before the first frame, as the daemon makes them.
const WARM_UP_RUNS: u64 = 10;

/// Names a frame until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKey(pub(super) usize);

/// Names a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey(pub(super) u64);

/// A frame that a contender is handed.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Its name.
    pub frame: FrameKey,
    /// Its stream, by its place in the setting.
    pub stream: usize,
    /// When it was captured.
    pub captured: Duration,
    /// When a run has to be over for its answer to be out in time.
    pub due: Duration,
    /// How likely each model is to be right on it, given what the premodel and the runs so far say.
    pub values: &'a [f64],
    /// The models that have run on it.
    pub ran: &'a [usize],
}

impl Offer<'_> {
    /// Of the models that have run the one that is most likely right: its answer would go out.
    pub fn answer(&self) -> Option<usize> {
        answer(self.ran, self.values)
    }
}

/// Of the models that have run the one that is most likely right; of equals the last.
pub(super) fn answer(ran: &[usize], values: &[f64]) -> Option<usize> {
    ran.iter().copied().max_by(|&a, &b| values[a].total_cmp(&values[b]))
}

/// What a contender wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run a model on a frame. Its tensor is made at once; it runs when the runs decided before for
    /// the same device leave it room.
    Run {
        /// The frame.
        frame: FrameKey,
        /// The frames that share the run.
        company: Vec<FrameKey>,
        /// The model.
        model: usize,
        /// Where, by its place in the model's placements.
        placement: usize,
    },
    /// Give a frame up: no answer would be in time.
    Expire(FrameKey),
    /// Give a frame up for a newer one of its stream.
    Supersede(FrameKey),
    /// Let the answer out of a frame that came back for another run.
    Settle(FrameKey),
    /// Nothing until then, unless something happens before.
    Later(Duration),
    /// Nothing, until something happens.
    Idle,
}

/// A run that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The run.
    pub run: RunKey,
    /// What it took.
    pub cost: Cost,
}

/// What becomes of the frames whose run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Their answers go out.
    Answer,
    /// They are handed in again, for another run or none.
    Again,
}

/// What a contender can see of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Its units.
    pub units: usize,
    /// Units that runs are on.
    pub busy: usize,
    /// Runs that are decided and have not begun.
    pub waiting: usize,
}

/// A scheduler.
pub trait Contender {
    /// Takes a frame in: a new one, or one that comes back as [`Contender::ended`] asked.
    fn arrive(&mut self, offer: &Offer<'_>, now: Duration);

    /// The next step. It is asked again after every step until it is idle; while a tensor is made it
    /// is not asked.
    fn step(&mut self, now: Duration, devices: &[Occupancy]) -> Step;

    /// Learns the name of the run that it has just decided.
    fn decided(&mut self, run: RunKey);

    /// Notes that a run begins.
    fn began(&mut self, run: RunKey, now: Duration);

    /// Notes that a run is over, and says what becomes of its frames.
    fn ended(&mut self, ended: &Ended, now: Duration) -> After;
}

/// What is known of the models before the first frame.
#[derive(Clone, Debug)]
pub struct Briefing<'a> {
    /// The circumstances; contenders look at devices, models and streams only.
    pub setting: &'a Setting,
    /// For each model and each of its placements what its warm-up took.
    pub warm_up: Vec<Vec<WarmUp>>,
}

/// What the runs of a warm-up took.
#[derive(Clone, Debug)]
pub struct WarmUp {
    /// Runs of one frame.
    pub single: Vec<Duration>,
    /// Runs of 2, 3, ... frames.
    pub shared: Vec<Vec<Duration>>,
}

impl<'a> Briefing<'a> {
    /// What a world lets contenders know.
    pub fn new(world: &World<'a>) -> Self {
        let setting = world.setting();
        let of_model = |model: usize| {
            let placements = setting.models[model].placements.iter().enumerate();
            let warm_up = |(place, placement): (usize, &Placement)| {
                let of = |frames| world.warm_up(model, place, frames, WARM_UP_RUNS);
                let most = 1 + placement.batches.len();
                WarmUp { single: of(1), shared: (2..=most).map(of).collect() }
            };
            placements.map(warm_up).collect()
        };
        Self { setting, warm_up: (0..setting.models.len()).map(of_model).collect() }
    }
}
