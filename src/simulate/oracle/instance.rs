//! The scheduling problem that a world amounts to.

use std::time::Duration;

use crate::simulate::setting::{Model, Setting};
use crate::simulate::world::{Frame, World};

/// The value of an answer that is surely right. Values are whole numbers of such parts, so that equal
/// sums are equal in whatever order they are added.
pub(super) const ONE: u64 = 1_000_000_000;

/// What an oracle knows besides all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// How likely each model is to be right, as contenders do.
    Times,
    /// Which models are right.
    Answers,
}

/// A frame: times in nanoseconds of the clock of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// When a run can begin.
    pub(super) ready: u64,
    /// When it has to be over.
    pub(super) due: u64,
    /// What may run: each fits between the two, and none is worse than another in every respect.
    pub(super) choices: Vec<Choice>,
}

/// A way to answer a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) device: usize,
    pub(super) units: usize,
    pub(super) length: u64,
    pub(super) value: u64,
}

/// The problem of a world.
pub(super) struct Instance<'w, 'a> {
    world: &'w World<'a>,
    knowledge: Knowledge,
    units: Vec<usize>,
}

impl<'w, 'a> Instance<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>, knowledge: Knowledge) -> Self {
        let units = world.setting().devices.iter().map(|device| device.units).collect();
        Self { world, knowledge, units }
    }

    /// The units of each device.
    pub(super) fn units(&self) -> &[usize] {
        &self.units
    }

    pub(super) fn has_one_unit(&self) -> bool {
        self.units == [1]
    }

    /// Whether all frames have the same budget, so that the first to be ready is the first to be due.
    pub(super) fn is_in_order(&self) -> bool {
        let streams = &self.setting().streams;
        streams.iter().all(|stream| stream.budget == streams[0].budget)
    }

    /// Whether it is easier than the world: tensors are made without waiting for each other, or frames
    /// take no more of a run than if as many shared it as is best.
    pub(super) fn is_relaxed(&self) -> bool {
        let is_shared = |model: &Model| model.placements.iter().any(|one| !one.batches.is_empty());
        self.setting().models.iter().any(|model| !model.preprocess.is_zero() || is_shared(model))
    }

    fn setting(&self) -> &'a Setting {
        self.world.setting()
    }

    /// The frames, in the order in which they are ready.
    pub(super) fn jobs(&self) -> impl Iterator<Item = Job> {
        let models = &self.setting().models;
        let tensor = models.iter().map(|model| model.preprocess).min().unwrap_or_default();
        // The clock of work is exact to some nanoseconds only; a bound must not suffer from that.
        let slack = if self.world.speed().is_even() { 0 } else { 1_000 };
        let mut values = Vec::new();
        self.world.frames().map(move |frame| {
            let work = |time: Duration| nanoseconds(self.world.speed().work(time));
            let (ready, due) = (work(frame.ready + tensor), work(frame.due) + slack);
            let choices = self.choices(&frame, due.saturating_sub(ready), &mut values);
            Job { ready, due, choices }
        })
    }

    fn choices(&self, frame: &Frame, room: u64, values: &mut Vec<f64>) -> Vec<Choice> {
        self.world.belief(frame, &[], values);
        let mut choices: Vec<Choice> = Vec::new();
        for (model, known) in self.setting().models.iter().enumerate() {
            let value = match self.knowledge {
                Knowledge::Times => (values[model] * ONE as f64).round() as u64,
                Knowledge::Answers if self.world.is_right(frame, model) => ONE,
                Knowledge::Answers => 0,
            };
            for (placement, place) in known.placements.iter().enumerate() {
                let alone = self.world.length(frame, model, placement);
                let length = match place.batches.is_empty() {
                    true => nanoseconds(alone),
                    false => nanoseconds(alone.mul_f64(place.least_share())),
                };
                let choice = Choice { device: place.device, units: place.units, length, value };
                if value > 0 && length <= room {
                    choices.push(choice);
                }
            }
        }
        undominated(choices)
    }
}

/// Leaves out what another choice on the same device is as good as in every respect.
fn undominated(mut choices: Vec<Choice>) -> Vec<Choice> {
    choices.sort_by_key(|choice| {
        (choice.device, choice.length, choice.units, u64::MAX - choice.value)
    });
    let mut kept: Vec<Choice> = Vec::with_capacity(choices.len());
    for choice in choices {
        let is_worse = |other: &Choice| {
            other.device == choice.device
                && other.units <= choice.units
                && other.value >= choice.value
        };
        if !kept.iter().any(is_worse) {
            kept.push(choice);
        }
    }
    kept
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
