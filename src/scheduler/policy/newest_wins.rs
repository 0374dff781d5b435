//! First in, first out, the newest frame of each stream, whatever its deadline: what programs do that
//! have no scheduler. It is there to be compared with. (A worker still drops a frame whose deadline is over
//! when its turn comes, so that it is compared at its best.)

use super::choice::Choice;
use super::company::Company;
use super::{Decision, Plan, Scheduler, Standing, View};
use crate::outcome::{Reason, Stop};

impl<J> Scheduler<J> {
    /// The job that has waited longest gets the model that it likes best.
    pub(super) fn next_in_line(&mut self, view: &View) -> Decision<J> {
        let waiting = self.waiting.iter().enumerate();
        let first = waiting.min_by_key(|(_, job)| (job.standing, job.submitted));
        let Some((index, job)) = first else { return Decision::Idle };
        let mut places = job.wishes.iter().filter_map(|wish| self.of_model[wish.model].first());
        match (places.next(), job.standing) {
            (Some(&runner), _) if view.is_open_to(job, &self.runners[runner]) => {
                let reason = Reason::Preferred(job.selection.basis);
                let plan = Plan::without_order(self.devices.len());
                self.commit(index, Choice { runner, reason }, Company::none(), &plan, view)
            }
            (Some(_), _) => view.next_due().map_or(Decision::Idle, Decision::Later),
            (None, Standing::New | Standing::Covered) => self.expire(index, None, view),
            (None, Standing::Answered) => self.let_go(index, Stop::Failure, None, view),
        }
    }
}
