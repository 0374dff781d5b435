//! Whether a job that came back gets another run: only if that costs no other its answer, and is worth more
//! than what those that wait and those to come lose by it, as they get a worse model or none.

use super::choice::Choice;
use super::{Decision, Plan, Scheduler, Standing, View, Waiting};
use crate::frame::Pace;
use crate::outcome::{Reason, Stop};
use crate::scheduler::machine::Device;

impl<J> Scheduler<J> {
    /// Another run for the first of the jobs that have an answer, or none; `None` if there is nothing
    /// to decide. A job whose run has to wait for its device is decided before the new ones when that
    /// opens. No more of them wait than runs can be committed: where new jobs run on one device and then
    /// want to go on on another, more could come.
    pub(super) fn decide_again(&mut self, plan: &Plan, view: &View) -> Option<Decision<J>> {
        let answered = self.waiting.iter().take_while(|job| job.standing == Standing::Answered);
        for index in 0..answered.count() {
            let job = &self.waiting[index];
            match self.best_without_harm(job, plan, view) {
                Ok(runner) if !view.is_open_to(job, &self.runners[runner]) => {
                    if index >= self.most_committed() {
                        return Some(self.let_go(index, Stop::Load, Some(plan), view));
                    }
                }
                Ok(runner) => return Some(self.run_again(index, runner, plan, view)),
                Err(stop) => return Some(self.let_go(index, stop, Some(plan), view)),
            }
        }
        None
    }

    fn most_committed(&self) -> usize {
        self.devices.iter().map(Device::most_committed).sum()
    }

    /// Ends a job that came back with the answer that it has.
    pub(super) fn let_go(
        &mut self,
        index: usize,
        stop: Stop,
        plan: Option<&Plan>,
        view: &View,
    ) -> Decision<J> {
        let considered = self.considered(&self.waiting[index], plan, view);
        let answered = self.remove(index, true);
        let waited = view.now.saturating_duration_since(answered.submitted);
        Decision::Settle { job: answered.job, stop, waited, considered }
    }

    fn run_again(&mut self, index: usize, runner: usize, plan: &Plan, view: &View) -> Decision<J> {
        let reason = Reason::Preferred(self.waiting[index].selection.basis);
        let choice = Choice { runner, reason };
        let company = self.company(index, &choice, plan, view);
        self.commit(index, choice, company, plan, view)
    }

    /// Of the runners that are in time or may be tried, cost no other job its answer and are worth their
    /// price, the one that is worth most; or why there is none. One that is tried may last longer than
    /// expected, so none is where a new job waits for the device.
    fn best_without_harm(&self, job: &Waiting<J>, plan: &Plan, view: &View) -> Result<usize, Stop> {
        let (mut best, mut stop) = (None::<(f32, usize)>, Stop::Failure);
        let costs = self.costs(job, Some(plan), view.horizon(), view);
        for wish in &job.wishes {
            if best.is_some_and(|(most, _)| wish.value <= most) {
                break;
            }
            for &place in &self.of_model[wish.model] {
                let runner = &self.runners[place];
                let Some(chance) = self.chance_if_startable(job, runner, view) else {
                    stop = if stop == Stop::Load { stop } else { Stop::Deadline };
                    continue;
                };
                stop = Stop::Load;
                let worth = wish.worth(job.pace, chance, || costs.of(runner, view));
                let is_better = worth > best.map_or(0.0, |(most, _)| most);
                let is_in_time = view.is_in_time(job, runner);
                let does_harm =
                    self.does_harm(place, plan) || !is_in_time && plan.has_first_on(runner.device);
                if (is_better || job.pace == Pace::Work) && !does_harm {
                    best = Some((worth, place));
                    if is_in_time {
                        break;
                    }
                }
            }
        }
        best.map(|(_, place)| place).ok_or(stop)
    }

    /// Whether a run may make a new job miss its deadline, or cost a stream that already has as
    /// many waiting as it may a further frame.
    fn does_harm(&self, place: usize, plan: &Plan) -> bool {
        let runner = &self.runners[place];
        !plan.has_room_besides(runner.longest_work(), runner.device) || self.is_crowded()
    }

    /// Whether a stream has as many jobs waiting as it may.
    pub(super) fn is_crowded(&self) -> bool {
        let is_urgent = |job: &Waiting<J>| job.pace == Pace::Clock && job.standing == Standing::New;
        let mut urgent = self.new_jobs().filter(|(_, job)| is_urgent(job));
        urgent.any(|(_, job)| self.is_full_at(job.stream))
    }
}
