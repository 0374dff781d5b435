//! What a decision was made of, for people who ask why.

use super::{Plan, Scheduler, View, Waiting};
use crate::frame::Pace;
use crate::outcome::Considered;

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
        let places = |model: usize| self.of_model[model].iter().copied();
        let runs = job.wishes.iter().flat_map(|wish| places(wish.model).map(move |at| (wish, at)));
        let considered = runs.map(|(wish, place)| {
            let runner = &self.runners[place];
            let device = &self.devices[runner.device];
            let clearing = plan.map_or(0.0, |plan| plan.prices[runner.device]);
            let utility = match job.pace {
                Pace::Clock => {
                    let of_work = clearing * runner.alone.work.as_secs_f32();
                    let price = of_work.max(self.price_of(place, job.asked.work));
                    wish.value * self.chance(job, runner, view) - price
                }
                Pace::Work => wish.value,
            };
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
}
