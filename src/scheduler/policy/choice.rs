//! Which model a job gets.

use std::time::{Duration, Instant};

use super::arrivals::Toll;
use super::knock_on::KnockOn;
use super::{Asked, Plan, Prospect, Scheduler, Standing, View, Waiting};
use crate::frame::Pace;
use crate::outcome::Reason;
use crate::premodel::Selection;
use crate::scheduler::machine::Runner;
use crate::scheduler::trials::Trial;

/// A model that a job would like to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// The share of right answers that it is expected to bring; never more than that of a wish
    /// before it, so that at no price the first is the best.
    pub(super) value: f32,
    /// Its number.
    pub(super) model: usize,
}

impl Wish {
    /// What a run of the model is worth that is in time with this probability and costs other frames so
    /// much.
    pub(super) fn worth(&self, pace: Pace, chance: f32, cost: impl FnOnce() -> f32) -> f32 {
        match pace {
            Pace::Clock => self.value * chance - cost(),
            Pace::Work => self.value,
        }
    }
}

/// What a job gets.
pub(super) struct Choice {
    pub(super) runner: usize,
    pub(super) reason: Reason,
}

/// What runs of a job cost other frames.
pub(super) struct Costs<'a> {
    /// By device: what a second is worth to the frames to come, as far as the backlog tells.
    prices: Vec<f32>,
    /// By device: what a second is worth to the frames that wait, if they count.
    clearing: Option<&'a [f32]>,
    toll: Toll,
    /// By device: what frames to come lose in an overload.
    knock_on: Vec<Option<KnockOn>>,
}

impl Costs<'_> {
    /// What a run costs, as a share of right answers.
    pub(super) fn of(&self, runner: &Runner, view: &View) -> f32 {
        self.of_run(runner.device, runner.alone.work, view.busy_with(runner))
    }

    /// What a run of so much work costs that leaves no core free for so long.
    pub(super) fn of_run(&self, device: usize, work: Duration, busy: Duration) -> f32 {
        let clearing = self.clearing.map_or(0.0, |prices| prices[device]);
        let price = clearing.max(self.prices[device]);
        let busy = busy.as_secs_f32();
        let knock_on = self.knock_on[device].as_ref().map_or(0.0, |knock_on| knock_on.of(busy));
        // In an overload all tell of the same frames.
        self.toll.of(busy).max(knock_on).max(price * work.as_secs_f32())
    }
}

impl<J> Scheduler<J> {
    /// The models of a selection that are there.
    pub(super) fn wishes(&self, selection: &Selection) -> Vec<Wish> {
        let known = selection.ranking.iter().filter_map(|(model, value)| {
            let model = *self.models.get(model)?;
            Some(Wish { value: *value, model })
        });
        let mut wishes: Vec<Wish> = known.collect();
        // What is ranked first is worth at least what comes after it.
        let mut best = f32::NEG_INFINITY;
        for wish in wishes.iter_mut().rev() {
            best = best.max(wish.value);
            wish.value = best;
        }
        wishes
    }

    /// Tells the device of the best that a new job could have at the present prices, if it were alone,
    /// how much time that takes.
    pub(super) fn ask_for(&mut self, wishes: &[Wish], left: Duration) -> Asked {
        let fits = |place: &&usize| {
            let runner = &self.runners[**place];
            runner.alone.expected.total() + runner.alone.spread <= left
        };
        let prices = self.prices(Duration::ZERO);
        let mut best: Option<(f32, usize)> = None;
        for wish in wishes {
            if best.is_some_and(|(most, _)| wish.value <= most) {
                break;
            }
            let Some(&place) = self.of_model[wish.model].iter().find(fits) else { continue };
            let runner = &self.runners[place];
            let worth = wish.value - prices[runner.device] * runner.alone.work.as_secs_f32();
            if best.is_none_or(|(most, _)| worth > most) {
                best = Some((worth, place));
            }
        }
        match best {
            Some((worth, place)) if worth > 0.0 => {
                let (work, device) = (self.runners[place].alone.work, self.runners[place].device);
                self.devices[device].price.ask_of(work, left);
                Asked { work, device }
            }
            Some(_) | None => Asked::default(),
        }
    }

    /// By device: what a second of a core is worth to the frames to come, to a frame that has asked
    /// for `asked` core time.
    fn prices(&self, asked: Duration) -> Vec<f32> {
        self.devices.iter().map(|device| device.price.per_second(asked)).collect()
    }

    /// What runs of a job cost other frames that are over by then; those that wait only with their plan.
    pub(super) fn costs<'a>(
        &self,
        job: &Waiting<J>,
        plan: Option<&'a Plan>,
        horizon: Instant,
        view: &View,
    ) -> Costs<'a> {
        let prices = self.prices(job.asked.work);
        // A job that has an answer takes time from those that have none and are due first: what that costs
        // each of them is known. New jobs are decided in their turn, and have the price that clears them.
        let (clearing, waiting) = match (plan, job.standing) {
            (Some(plan), Standing::Answered) => (None, Some(self.due_first(plan))),
            (Some(plan), _) => (Some(&plan.prices[..]), None),
            (None, _) => (None, None),
        };
        let wishes = self.wishes_to_come(job);
        let toll = self.toll(waiting.into_iter().flatten(), wishes, horizon, view);
        let knock_on = self.knock_on(wishes, horizon, view);
        Costs { prices, clearing, toll, knock_on }
    }

    /// The best that a new job can get on the devices that are open: of the runs that are in time or
    /// may be tried, and cost no other job its answer, the one that is worth most at the present prices;
    /// where each costs another one's, the quickest that is in time. Nothing (`Some(None)`), if it can
    /// do without and that is worth more; `None` if no device is open to it.
    pub(super) fn choose(&self, index: usize, plan: &Plan, view: &View) -> Option<Option<Choice>> {
        let job = &self.waiting[index];
        let costs = self.costs(job, Some(plan), view.horizon(), view);
        let mut best: Option<(f32, usize, usize)> = None;
        let mut quickest: Option<(Duration, usize, usize)> = None;
        for (rank, wish) in job.wishes.iter().enumerate() {
            // Neither it nor those after it are worth more, were they for nothing.
            if best.is_some_and(|(most, ..)| wish.value <= most) {
                break;
            }
            for &place in &self.of_model[wish.model] {
                let runner = &self.runners[place];
                if !view.is_open_to(job, runner) {
                    continue;
                }
                let Some(chance) = self.chance_if_startable(job, runner, view) else { continue };
                let is_in_time = view.is_in_time(job, runner);
                if is_in_time && quickest.is_none_or(|(least, ..)| runner.alone.work < least) {
                    quickest = Some((runner.alone.work, rank, place));
                }
                let has_room = plan.has_room_for(runner.alone.work, index, runner.device);
                if job.pace == Pace::Clock && !has_room {
                    continue;
                }
                let worth = wish.worth(job.pace, chance, || costs.of(runner, view));
                if best.is_none_or(|(most, ..)| worth > most) {
                    best = Some((worth, rank, place));
                }
                // One that takes more cores may be surer than one that is tried.
                if is_in_time {
                    break;
                }
            }
        }
        let worth = best.map(|(worth, ..)| worth);
        let best = best.map(|(_, rank, place)| (rank, place));
        let (rank, place) = best.or(quickest.map(|(_, rank, place)| (rank, place)))?;
        if job.is_covered_by_clock() && worth.is_none_or(|worth| worth <= 0.0) {
            return Some(None);
        }
        Some(Some(Choice { runner: place, reason: self.reason(job, rank, view) }))
    }

    /// The probability that a run of a job by the clock is in time, as its worth is reckoned: doubt of
    /// what it takes is no reason to do without it, as only its runs dispel it.
    pub(super) fn chance(&self, job: &Waiting<J>, runner: &Runner, view: &View) -> f32 {
        let Prospect { finish, late_by, .. } = view.prospects[runner.place];
        let left = (job.deadline.remaining(finish) + runner.alone.hoped).as_secs_f32();
        self.on_time.with(left / late_by.as_secs_f32().max(f32::MIN_POSITIVE))
    }

    /// The same for a run that is certain enough to be in time, and what is hoped of one that may be tried;
    /// `None` for any other.
    pub(super) fn chance_if_startable(
        &self,
        job: &Waiting<J>,
        runner: &Runner,
        view: &View,
    ) -> Option<f32> {
        if view.is_in_time(job, runner) {
            return Some(self.chance(job, runner, view));
        }
        self.trial(job, runner, view).map(|trial| trial.hope as f32)
    }

    /// A run that is not certain enough to be in time, if it may be tried.
    pub(super) fn trial(&self, job: &Waiting<J>, runner: &Runner, view: &View) -> Option<Trial> {
        let (left, is_risky) = (job.deadline.remaining(view.now), job.standing == Standing::New);
        match job.pace {
            Pace::Clock => self.devices[runner.device].trial(runner, left, is_risky),
            Pace::Work => None,
        }
    }

    pub(super) fn reason(&self, job: &Waiting<J>, rank: usize, view: &View) -> Reason {
        let preferred = job.wishes.iter().map(|wish| &self.of_model[wish.model]);
        match preferred.enumerate().find(|(_, runners)| !runners.is_empty()) {
            Some((first, places)) if first < rank => {
                let mut runners = places.iter().map(|&place| &self.runners[place]);
                let model = self.runners[places[0]].model.clone();
                if runners.any(|runner| view.is_in_time(job, runner)) {
                    Reason::PreferredTooCostly(model)
                } else {
                    Reason::PreferredTooSlow(model)
                }
            }
            Some(_) | None => Reason::Preferred(job.selection.basis),
        }
    }
}
