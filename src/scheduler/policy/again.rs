//! Whether a job that came back gets another run: only if that harms no other and is worth its price.

use super::choice::Choice;
use super::{Decision, Device, Plan, Scheduler, View, Waiting};
use crate::frame::Pace;
use crate::outcome::{Reason, Stop};

impl<J> Scheduler<J> {
    /// Another run for the first job, which has an answer, or none.
    pub(super) fn decide_again(&mut self, plan: &Plan, view: &View) -> Decision<J> {
        let job = &self.waiting[0];
        match self.first_without_harm(job, plan, view) {
            Ok(_) if !self.devices.iter().any(Device::is_open) => Decision::Idle,
            Ok(runner) => {
                let reason = Reason::Preferred(job.selection.basis);
                let (work, device) = (self.runners[runner].work(), self.runners[runner].device);
                if job.pace == Pace::Clock {
                    self.devices[device].price.ask(work);
                }
                self.commit(0, Choice { runner, reason }, view.now)
            }
            Err(stop) => {
                let answered = self.remove(0, true);
                let waited = view.now.saturating_duration_since(answered.submitted);
                Decision::Settle { job: answered.job, stop, waited }
            }
        }
    }

    /// The first runner that is in time, costs no other job its answer and is worth its price, or
    /// why there is none.
    fn first_without_harm(
        &self,
        job: &Waiting<J>,
        plan: &Plan,
        view: &View,
    ) -> Result<usize, Stop> {
        let mut stop = Stop::Failure;
        for wish in &job.wishes {
            for &place in &wish.runners {
                let runner = &self.runners[place];
                let is_dear =
                    job.pace == Pace::Clock && wish.value <= self.price_of(place, job.asked);
                stop = match (view.is_in_time(job, runner), stop) {
                    (true, _) if !is_dear && !self.does_harm(place, plan) => return Ok(place),
                    (true, _) | (false, Stop::Load) => Stop::Load,
                    (false, _) => Stop::Deadline,
                };
            }
        }
        Err(stop)
    }

    /// Whether a run would make a new job miss its deadline, or cost a stream that already has as
    /// many waiting as it may a further frame.
    fn does_harm(&self, place: usize, plan: &Plan) -> bool {
        let runner = &self.runners[place];
        let mut by_clock = self.new_jobs().filter(|(_, job)| job.pace == Pace::Clock);
        !plan.has_room_besides(runner.work(), runner.device)
            || by_clock.any(|(_, job)| self.is_full_at(job.stream))
    }
}
