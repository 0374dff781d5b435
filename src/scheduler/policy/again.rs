//! Whether a job that came back gets another run: only if that harms no other.

use super::{COMMITTED, Decision, Device, Scheduler, Waiting};
use crate::frame::Pace;
use crate::models::ModelId;
use crate::outcome::{Reason, Stop};
use crate::scheduler::{Cost, Latency};

impl<J> Scheduler<J> {
    /// Another run for the first job, which has an answer, or none.
    pub(super) fn decide_again(&mut self, device: Device) -> Decision<J> {
        let job = &self.waiting[0];
        match self.first_without_harm(job, device) {
            Ok(_) if self.committed.len() >= COMMITTED => Decision::Idle,
            Ok(model) => {
                let reason = Reason::Preferred(job.selection.basis);
                self.commit(model, reason, device)
            }
            Err(stop) => self.settle(stop, device),
        }
    }

    /// The first model that fits and costs no other job its answer, or why there is none.
    fn first_without_harm(&self, job: &Waiting<J>, device: Device) -> Result<ModelId, Stop> {
        let mut stop = Stop::Failure;
        for (model, latency) in self.candidates(job) {
            let cost = latency.expected();
            stop = match (job.fits(cost, device), stop) {
                (true, _) if !self.does_harm(cost, device) => return Ok(model.clone()),
                (true, _) | (false, Stop::Load) => Stop::Load,
                (false, _) => Stop::Deadline,
            };
        }
        Err(stop)
    }

    /// Whether a run of such a cost would make a new job miss its deadline, or cost a stream that
    /// already has as many waiting as it may a further frame.
    fn does_harm(&self, cost: Cost, device: Device) -> bool {
        let later = Device { free: device.finish(cost), ..device };
        let (now, then) = (self.in_time(device), self.in_time(later));
        let by_clock = |job: &&Waiting<J>| job.pace == Pace::Clock;
        now.zip(then).any(|(now, then)| now && !then)
            || self.new_jobs().filter(by_clock).any(|job| self.is_full(&job.stream))
    }

    /// For each new job by the clock, whether its quickest model can be in time, if each of those
    /// before it that can gets its quickest.
    fn in_time(&self, mut device: Device) -> impl Iterator<Item = bool> {
        let by_clock = |job: &&Waiting<J>| job.pace == Pace::Clock;
        self.new_jobs().filter(by_clock).map(move |job| {
            let finish = |(_, latency): (_, &Latency)| device.finish(latency.expected());
            match self.candidates(job).map(finish).min() {
                Some(finish) if job.deadline.is_met_by(finish) => {
                    device.free = finish;
                    true
                }
                Some(_) | None => false,
            }
        })
    }

    fn settle(&mut self, stop: Stop, device: Device) -> Decision<J> {
        let answered = self.waiting.remove(0);
        self.hold_back(&answered, None, device);
        let waited = device.now.saturating_duration_since(answered.submitted);
        Decision::Settle { job: answered.job, stop, waited }
    }
}
