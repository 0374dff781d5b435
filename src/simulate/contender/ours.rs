//! The daemon's scheduler as a contender: the same decisions in simulated time.
//!
//! The scheduler reckons in [`Instant`]s; simulated time counts from one of them. It prefers models by
//! how likely they are to be right, or knows one model only. If it looks again, a frame comes back after
//! each run for those of the other models that are more likely right than its answer, and by how much
//! is what another run is worth.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::{After, Briefing, Contender, Ended, FrameKey, Occupancy, Offer, RunKey, Step, WarmUp};
use crate::frame::{Budget, Deadline, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::Basis;
use crate::premodel::Selection;
use crate::scheduler::{Admission, Cost, Decision, DeviceTerms, RunnerTerms, Scheduler};

/// How often a frame may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Once.
    Once,
    /// As often as another model promises a better answer, in time and at no other frame's cost.
    Again,
}

/// The daemon's scheduler.
pub struct Ours {
    scheduler: Scheduler<FrameKey>,
    /// The instant that simulated time counts from.
    start: Instant,
    streams: Vec<StreamName>,
    models: Vec<ModelId>,
    /// The models that it may choose from.
    choice: Vec<usize>,
    /// The scheduler's runners: a model and one of its placements each.
    runners: Vec<(usize, usize)>,
    look: Look,
    /// Frames that the scheduler need not be asked about.
    settled: VecDeque<Step>,
    /// The run that the scheduler has just decided.
    undelivered: Option<Decided>,
    decided: BTreeMap<RunKey, Decided>,
}

/// A run as the scheduler knows it.
#[derive(Clone, Copy, Debug)]
struct Decided {
    serial: u64,
    runner: usize,
}

impl Ours {
    /// The scheduler with a choice of models; `start` is any instant.
    pub fn new(briefing: &Briefing<'_>, choice: Vec<usize>, look: Look, start: Instant) -> Self {
        let setting = briefing.setting;
        let devices: Vec<DeviceTerms> = setting
            .devices
            .iter()
            .map(|device| DeviceTerms { name: device.name.clone(), cores: device.units })
            .collect();
        let placements = |&model: &usize| {
            (0..setting.models[model].placements.len()).map(move |placement| (model, placement))
        };
        let runners: Vec<(usize, usize)> = choice.iter().flat_map(placements).collect();
        let terms = runners.iter().map(|&runner| terms(briefing, runner)).collect();
        Self {
            scheduler: Scheduler::new(&devices, terms, setting.on_time),
            start,
            streams: setting.streams.iter().map(|one| StreamName::new(&one.name)).collect(),
            models: setting.models.iter().map(|model| model.id.clone()).collect(),
            choice,
            runners,
            look,
            settled: VecDeque::new(),
            undelivered: None,
            decided: BTreeMap::new(),
        }
    }

    fn at(&self, time: Duration) -> Instant {
        self.start + time
    }

    /// The models that may run on a frame, those first that gain the most: how much likelier it then is
    /// that the answer is right.
    fn selection(&self, offer: &Offer<'_>) -> Selection {
        let answer = offer.answer();
        let known = answer.map_or(0.0, |answer| offer.values[answer]);
        let gain = |model: usize| offer.values[model] - known;
        let promises =
            |model: &usize| answer.is_none() || (!offer.ran.contains(model) && gain(*model) > 0.0);
        let mut order: Vec<usize> = self.choice.iter().copied().filter(promises).collect();
        order.sort_by(|&a, &b| gain(b).total_cmp(&gain(a)).then_with(|| a.cmp(&b)));
        let ranked = |&model: &usize| (self.models[model].clone(), gain(model) as f32);
        let basis = match (self.look, self.choice.len()) {
            (Look::Again, _) => Basis::Adaptive,
            (Look::Once, 1) => Basis::Fixed,
            (Look::Once, _) => Basis::Premodel,
        };
        Selection { ranking: order.iter().map(ranked).collect(), basis }
    }

    fn hand_in(&mut self, offer: &Offer<'_>, selection: Selection, now: Instant) {
        let (frame, due) = (offer.frame, (self.deadline(offer.due), Pace::Clock));
        let stream = self.streams[offer.stream].clone();
        if !offer.ran.is_empty() {
            self.scheduler.submit_again(frame, &stream, selection, due, now);
            return;
        }
        match self.scheduler.submit(frame, &stream, selection, due, now) {
            Admission::Waits => {}
            Admission::Displaced(older) => self.settled.push_back(Step::Supersede(older)),
        }
    }

    /// The deadline that is met by ending a run at `due`.
    fn deadline(&self, due: Duration) -> Deadline {
        // Deadlines are made of a start and a budget; the shortest budget leaves most to the start.
        let shortest = Budget::new(Duration::from_millis(1)).unwrap_or(Budget::LONGEST);
        Deadline::new(self.at(due) - shortest.duration(), shortest)
    }
}

impl Contender for Ours {
    fn arrive(&mut self, offer: &Offer<'_>, now: Duration) {
        let selection = self.selection(offer);
        if selection.ranking.is_empty() {
            self.settled.push_back(Step::Settle(offer.frame));
        } else {
            self.hand_in(offer, selection, self.at(now));
        }
    }

    fn step(&mut self, now: Duration, _: &[Occupancy]) -> Step {
        if let Some(settled) = self.settled.pop_front() {
            return settled;
        }
        match self.scheduler.next(self.at(now)) {
            Decision::Run { job, company, runner, serial, .. } => {
                self.undelivered = Some(Decided { serial, runner });
                let (model, placement) = self.runners[runner];
                let company = company.into_iter().map(|companion| companion.job).collect();
                Step::Run { frame: job, company, model, placement }
            }
            Decision::Expired { job, .. } => Step::Expire(job),
            Decision::Settle { job, .. } => Step::Settle(job),
            Decision::Later(at) => Step::Later(at.saturating_duration_since(self.start)),
            Decision::Idle => Step::Idle,
        }
    }

    fn decided(&mut self, run: RunKey) {
        if let Some(decided) = self.undelivered.take() {
            self.decided.insert(run, decided);
        }
    }

    fn began(&mut self, run: RunKey, now: Duration) {
        if let Some(decided) = self.decided.get(&run) {
            self.scheduler.started(decided.serial, self.start + now);
        }
    }

    fn ended(&mut self, ended: &Ended, _: Duration) -> After {
        if let Some(Decided { serial, runner }) = self.decided.remove(&ended.run) {
            self.scheduler.finished(serial, runner, ended.cost);
        }
        match self.look {
            Look::Once => After::Answer,
            Look::Again => After::Again,
        }
    }
}

fn terms(briefing: &Briefing<'_>, (model, placement): (usize, usize)) -> RunnerTerms {
    let known = &briefing.setting.models[model];
    let place = &known.placements[placement];
    let preprocess = known.preprocess;
    let costs = |frames: u32, runs: &[Duration]| -> Vec<Cost> {
        runs.iter().map(|&run| Cost { preprocess: preprocess * frames, run }).collect()
    };
    let WarmUp { single, shared } = &briefing.warm_up[model][placement];
    RunnerTerms {
        model: known.id.clone(),
        device: place.device,
        cores: place.units,
        warm_up: costs(1, single),
        batches: (2..).zip(shared).map(|(frames, runs)| costs(frames, runs)).collect(),
        remembered: None,
    }
}
