//! What a decision was made of, for people who ask why.

use super::choice::{Costs, Wish};
use super::{Plan, Scheduler, View, Waiting};
use crate::outcome::Considered;
use crate::scheduler::machine::Runner;

impl<J> Scheduler<J> {
    /// The runs that a job could get now, those of the model that it likes best first; none unless the
    /// scheduler explains itself.
    pub(super) fn considered(
        &self,
        job: &Waiting<J>,
        plan: Option<&Plan>,
        view: &View,
    ) -> Vec<Considered> {
        if !self.explains {
            return Vec::new();
        }
        let costs = self.costs(job, plan, view.horizon(), view);
        let places = |model: usize| self.of_model[model].iter().copied();
        let runs = job.wishes.iter().flat_map(|wish| places(wish.model).map(move |at| (wish, at)));
        let considered = runs.map(|(wish, place)| {
            let runner = &self.runners[place];
            let device = &self.devices[runner.device];
            let utility = self.utility(job, wish, runner, &costs, view);
            let (begin, finish) = view.expected(job, runner);
            Considered {
                model: runner.model.clone(),
                device: device.name().to_owned(),
                cores: runner.cores,
                finish: finish.saturating_duration_since(job.now(view.now)),
                chance: device.chance(runner, job.deadline.remaining(begin)),
                utility,
            }
        });
        considered.collect()
    }

    /// What a run is worth to a job, as that is decided.
    fn utility(
        &self,
        job: &Waiting<J>,
        wish: &Wish,
        runner: &Runner,
        costs: &Costs<'_>,
        view: &View,
    ) -> f32 {
        let startable = self.chance_if_startable(job, runner, view);
        let chance = startable.unwrap_or_else(|| self.chance(job, runner, view));
        wish.worth(job.pace, chance, || costs.of(runner, view))
    }
}
