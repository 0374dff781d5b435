//! Which waiting jobs share the run of another.
//!
//! A model may take several frames at once in less time than one after the other. When a run is decided,
//! the jobs that wait are gone through in the order of their turns, and one joins it if
//!
//! - the longer run is in time for it and for all that are in it already, with the probability that is
//!   asked for;
//! - the device's time is saved: by a tenth of a run of its own at least, or noise would decide;
//! - it is worth at least as much to the job as any run of its own, with what each costs other frames;
//! - no other job loses its answer by it ([`Plan::can_share`]).
//!
//! Nobody waits for company. Jobs under [`Pace::Work`] have none: what waits when one of them is decided
//! is a matter of chance, and their answers are to be the same in every run.

use std::cmp::Reverse;
use std::time::Instant;

use super::admission::Sharing;
use super::choice::{Choice, Wish};
use super::{Companion, Plan, Scheduler, Standing, View, Waiting};
use crate::frame::{Deadline, Pace};
use crate::outcome::{Basis, Reason};
use crate::scheduler::machine::{Load, Runner};

/// So much of a run of its own a job saves by joining another.
const LEAST_SAVING: f64 = 0.1;

/// Waiting jobs that are asked whether they join.
const MOST_ASKED: usize = 32;

/// Jobs that share the run of another.
pub(super) struct Company {
    /// Where they wait, and why they get this model.
    members: Vec<(usize, Reason)>,
}

/// A run with so many frames, if it is decided now.
#[derive(Clone, Copy)]
struct Shared {
    load: Load,
    /// As expected.
    finish: Instant,
    /// Later than this it ends only with the probability that is allowed.
    latest_finish: Instant,
}

impl Company {
    pub(super) fn none() -> Self {
        Self { members: Vec::new() }
    }

    /// How many of them wait before this place.
    pub(super) fn before(&self, index: usize) -> usize {
        self.members.iter().filter(|(place, _)| *place < index).count()
    }
}

/// A run in the making.
struct Party<'a> {
    runner: &'a Runner,
    /// Where its jobs wait, that which it was chosen for first.
    places: Vec<usize>,
    /// By when it has to be over.
    due: Deadline,
    /// By the number of frames: the run.
    runs: Vec<Shared>,
}

impl Party<'_> {
    /// The run as it is.
    fn present(&self) -> Shared {
        self.runs[self.places.len() - 1]
    }

    /// The run with one more, if that is in time for all, and worth it.
    fn next(&self) -> Option<Shared> {
        let next = *self.runs.get(self.places.len())?;
        let most = self.present().load.work + self.runner.alone.work.mul_f64(1.0 - LEAST_SAVING);
        (self.due.is_met_by(next.latest_finish) && next.load.work <= most).then_some(next)
    }
}

impl<J> Scheduler<J> {
    /// The jobs that share the run which was chosen for that at `index`.
    pub(super) fn company(
        &self,
        index: usize,
        choice: &Choice,
        plan: &Plan,
        view: &View,
    ) -> Company {
        let (job, runner) = (&self.waiting[index], &self.runners[choice.runner]);
        let mut company = Company::none();
        // One that is tried is to show what it takes, and may be late.
        let is_alone = job.pace == Pace::Work || !view.is_in_time(job, runner);
        if runner.most_frames() == 1 || is_alone {
            return company;
        }
        let runs = (1..=runner.most_frames()).map(|frames| view.shared(runner, frames)).collect();
        let mut party = Party { runner, places: vec![index], due: job.deadline, runs };
        for place in self.in_the_order_of_turns(plan).take(MOST_ASKED) {
            let Some(next) = party.next() else { break };
            if let Some(reason) = self.would_join(place, next, &party, plan, view) {
                party.places.push(place);
                party.due = party.due.min(self.waiting[place].deadline);
                company.members.push((place, reason));
            }
        }
        company
    }

    fn in_the_order_of_turns(&self, plan: &Plan) -> impl Iterator<Item = usize> {
        let answered = self.waiting.iter().take_while(|job| job.standing == Standing::Answered);
        (0..answered.count()).chain(plan.order.iter().copied())
    }

    /// Why a job gets the model of a run, if it would make the run longer like that.
    fn would_join(
        &self,
        place: usize,
        next: Shared,
        party: &Party<'_>,
        plan: &Plan,
        view: &View,
    ) -> Option<Reason> {
        let (job, runner) = (&self.waiting[place], party.runner);
        let may = job.pace == Pace::Clock
            && job.deadline.is_met_by(next.latest_finish)
            && !party.places.contains(&place)
            && !self.learns_from(job, party);
        let rank = self.rank_of(job, runner).filter(|_| may)?;
        let costs = self.costs(job, Some(plan), view.horizon().max(next.finish), view);
        let cost_of = |run: Shared| {
            costs.of_run(runner.device, run.load.work, view.busy_until(run.finish, runner))
        };
        let more = cost_of(next) - cost_of(party.present());
        let worth = job.wishes[rank].value - more;
        let own = |wish: &Wish| {
            let runners = self.of_model[wish.model].iter().map(|&place| &self.runners[place]);
            let in_time = runners.filter(|runner| view.is_in_time(job, runner));
            in_time.map(|runner| wish.value - costs.of(runner, view)).reduce(f32::max)
        };
        let alternatives = job.wishes.iter().filter_map(own);
        let is_worth_it = more <= costs.of(runner, view)
            && worth >= alternatives.fold(f32::NEG_INFINITY, f32::max)
            && match job.standing {
                Standing::New => true,
                Standing::Covered => worth > 0.0,
                Standing::Answered => worth > 0.0 && !self.is_crowded(),
            };
        let is_welcome = is_worth_it && self.is_harmless(place, next, party, plan, view);
        is_welcome.then(|| self.reason(job, rank, view))
    }

    /// Whether a job goes on from what will be known of its stream by a run.
    fn learns_from(&self, job: &Waiting<J>, party: &Party<'_>) -> bool {
        let mut streams = party.places.iter().map(|&place| self.waiting[place].stream);
        job.selection.basis == Basis::Adaptive && streams.any(|stream| stream == job.stream)
    }

    /// The place of a runner's model among the wishes of a job.
    fn rank_of(&self, job: &Waiting<J>, runner: &Runner) -> Option<usize> {
        job.wishes.iter().position(|wish| self.of_model[wish.model].contains(&runner.place))
    }

    /// Whether no further job loses its answer if one more joins.
    fn is_harmless(
        &self,
        place: usize,
        next: Shared,
        party: &Party<'_>,
        plan: &Plan,
        view: &View,
    ) -> bool {
        let (device, alone) = (party.runner.device, party.runner.alone.work);
        let others: Vec<usize> = party.places[1..].iter().copied().chain([place]).collect();
        plan.can_share(&Sharing {
            first: party.places[0],
            others: &others,
            device,
            busy: view.occupancies[device].backlog(),
            alone,
            together: next.load.work,
        })
    }

    /// Takes the jobs out that share a run of a runner.
    pub(super) fn take_along(
        &mut self,
        Company { mut members }: Company,
        runner: usize,
        plan: &Plan,
        view: &View,
    ) -> Vec<Companion<J>> {
        // The last first, so that the places of the others stay.
        members.sort_unstable_by_key(|(place, _)| Reverse(*place));
        // Before any is taken out: the plan knows where they wait.
        let considered =
            |(place, _): &(usize, Reason)| self.considered(&self.waiting[*place], Some(plan), view);
        let considered: Vec<_> = members.iter().map(considered).collect();
        let mut company: Vec<Companion<J>> = Vec::with_capacity(members.len());
        for ((place, reason), considered) in members.into_iter().zip(considered) {
            let job = self.remove(place, true);
            self.charge(&job, runner);
            let waited = view.now.saturating_duration_since(job.submitted);
            company.push(Companion { job: job.job, reason, waited, considered });
        }
        company.reverse();
        self.give_back_savings(runner, 1 + company.len());
        company
    }

    /// Takes back what jobs have asked for and do not take, since they share a run.
    fn give_back_savings(&mut self, place: usize, frames: usize) {
        if frames > 1 {
            let runner = &self.runners[place];
            let saved =
                (runner.alone.work * frames as u32).saturating_sub(runner.load(frames).work);
            self.devices[runner.device].price.take_back(saved);
        }
    }
}

impl View {
    /// A run of so many frames that is decided now.
    fn shared(&self, runner: &Runner, frames: usize) -> Shared {
        let (load, slot) =
            (runner.load(frames), self.occupancies[runner.device].slot(runner.cores));
        let finish = slot.finish(load.expected, self.now);
        Shared { load, finish, latest_finish: finish + slot.with(load.spread) }
    }
}
