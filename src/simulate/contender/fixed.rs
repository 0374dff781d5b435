//! What a user without a scheduler would do: one model for every frame.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::{After, Contender, Ended, FrameKey, Occupancy, Offer, RunKey, Step};
use crate::simulate::setting::{Placement, Setting};

/// One model, and where it runs.
#[derive(Clone, Debug)]
struct Fixed {
    model: usize,
    /// Its placements, the quickest first.
    order: Vec<usize>,
    placements: Vec<Placement>,
    /// Runs that may be decided ahead on a device: one where making a tensor takes time, so that it is
    /// made meanwhile; none where it does not, so that frames are chosen as late as can be.
    ahead: usize,
}

impl Fixed {
    fn new(setting: &Setting, model: usize) -> Self {
        let placements = setting.models[model].placements.clone();
        let mut order: Vec<usize> = (0..placements.len()).collect();
        order.sort_by_key(|&placement| placements[placement].latency.median());
        let ahead = usize::from(!setting.models[model].preprocess.is_zero());
        Self { model, order, placements, ahead }
    }

    /// Where a run could be decided now: where it would begin at once, else ahead of the device.
    fn room(&self, devices: &[Occupancy]) -> Option<usize> {
        let fits = |&placement: &usize| {
            let Placement { device, units, .. } = self.placements[placement];
            let Occupancy { units: all, busy, waiting } = devices[device];
            waiting == 0 && busy + units <= all
        };
        let ahead =
            |&placement: &usize| devices[self.placements[placement].device].waiting < self.ahead;
        let mut order = self.order.iter().copied();
        order.clone().find(fits).or_else(|| order.find(ahead))
    }

    fn run(&self, frame: FrameKey, placement: usize) -> Step {
        Step::Run { frame, company: Vec::new(), model: self.model, placement }
    }
}

/// Newest wins, first come first served: a stream has one frame that waits, its newest, and streams
/// take turns in the order in which they began to wait. Deadlines are not looked at: this is how a
/// loop of capturing and inferring behaves.
#[derive(Clone, Debug)]
pub struct NewestWins {
    fixed: Fixed,
    /// The waiting frame of each stream.
    waiting: Vec<Option<FrameKey>>,
    /// Streams with a waiting frame.
    turns: VecDeque<usize>,
    superseded: VecDeque<FrameKey>,
}

impl NewestWins {
    /// Runs this model.
    pub fn new(setting: &Setting, model: usize) -> Self {
        Self {
            fixed: Fixed::new(setting, model),
            waiting: vec![None; setting.streams.len()],
            turns: VecDeque::new(),
            superseded: VecDeque::new(),
        }
    }
}

impl Contender for NewestWins {
    fn arrive(&mut self, offer: &Offer<'_>, _: Duration) {
        match self.waiting[offer.stream].replace(offer.frame) {
            Some(older) => self.superseded.push_back(older),
            None => self.turns.push_back(offer.stream),
        }
    }

    fn step(&mut self, _: Duration, devices: &[Occupancy]) -> Step {
        if let Some(older) = self.superseded.pop_front() {
            return Step::Supersede(older);
        }
        let Some(placement) = self.fixed.room(devices) else { return Step::Idle };
        let newest = self.turns.pop_front().and_then(|stream| self.waiting[stream].take());
        newest.map_or(Step::Idle, |frame| self.fixed.run(frame, placement))
    }

    fn decided(&mut self, _: RunKey) {}

    fn began(&mut self, _: RunKey, _: Duration) {}

    fn ended(&mut self, _: &Ended, _: Duration) -> After {
        After::Answer
    }
}

/// Earliest deadline first, with firm deadlines: a frame that a run of median length would not answer
/// in time is given up, so that it does not make others late.
#[derive(Clone, Debug)]
pub struct Edf {
    fixed: Fixed,
    /// By when it is due.
    waiting: BTreeSet<(Duration, FrameKey)>,
    /// The quickest placement's median, and the tensor.
    least: Duration,
}

impl Edf {
    /// Runs this model.
    pub fn new(setting: &Setting, model: usize) -> Self {
        let medians = setting.models[model].placements.iter().map(|one| one.latency.median());
        let least = setting.models[model].preprocess + medians.min().unwrap_or_default();
        Self { fixed: Fixed::new(setting, model), waiting: BTreeSet::new(), least }
    }
}

impl Contender for Edf {
    fn arrive(&mut self, offer: &Offer<'_>, _: Duration) {
        self.waiting.insert((offer.due, offer.frame));
    }

    fn step(&mut self, now: Duration, devices: &[Occupancy]) -> Step {
        let Some(&(due, frame)) = self.waiting.first() else { return Step::Idle };
        let step = if now + self.least > due {
            Step::Expire(frame)
        } else {
            let room = self.fixed.room(devices);
            room.map_or(Step::Idle, |placement| self.fixed.run(frame, placement))
        };
        if step != Step::Idle {
            self.waiting.pop_first();
        }
        step
    }

    fn decided(&mut self, _: RunKey) {}

    fn began(&mut self, _: RunKey, _: Duration) {}

    fn ended(&mut self, _: &Ended, _: Duration) -> After {
        After::Answer
    }
}
