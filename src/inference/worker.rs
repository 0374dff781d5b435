//! A `worker-<model>` thread: owns the model's session and runs it, one job at a time.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::classifier::ClassifyError;
use super::postprocess;
use crate::clock::Clock;
use crate::models::Manifest;
use crate::onnx::{Session, Tensor};
use crate::outcome::{Answer, Classification, Failure, Outcome, Reason, Shortfall, Stage, Ticket};
use crate::scheduler::{Cost, Lease};

/// A frame whose tensor is made.
pub struct Job {
    /// The outcome it owes.
    pub ticket: Ticket,
    /// The model's input.
    pub tensor: Tensor,
    /// Why this model.
    pub reason: Reason,
    /// Its place on the device.
    pub lease: Lease,
    /// When the tensor was ready.
    pub prepared: Instant,
    /// What the tensor took.
    pub preprocess: Duration,
    /// What the run is expected to take.
    pub expected: Duration,
}

/// One model's worker.
pub struct Worker {
    /// What the model is.
    pub manifest: Manifest,
    /// The model, loaded.
    pub session: Session,
    /// Labels in an answer.
    pub top_k: usize,
    /// Stamps the runs.
    pub clock: Clock,
}

impl Worker {
    /// Runs until the other end of `jobs` is dropped and every job is done.
    pub fn run(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            self.answer(job);
        }
    }

    fn answer(&mut self, job: Job) {
        let Job { mut ticket, tensor, reason, lease, prepared, preprocess, expected } = job;
        lease.wait_for_turn();
        let start = self.clock.now();
        ticket.waited(start - prepared);
        let deadline = ticket.account().deadline;
        if !deadline.is_met_by(start + expected) {
            // The run before took longer than expected; this one could only be late.
            let quickest = Some(self.manifest.id.clone());
            let left = deadline.remaining(start);
            ticket.report(Outcome::Expired(Shortfall { quickest, needed: expected, left }));
            return;
        }
        let labels = self.classify(&tensor);
        let inference = self.clock.now() - start;
        ticket.trace().timings.inference = Some(inference);
        match labels {
            Ok(labels) => {
                lease.finished(&self.manifest.id, Cost { preprocess, run: inference });
                let model = self.manifest.id.clone();
                let provider = self.session.provider();
                ticket.report(Outcome::Classified(Answer { model, provider, reason, labels }));
            }
            Err(error) => {
                ticket.report(Outcome::Failed(Failure::new(Stage::Inference, &error)));
            }
        }
    }

    fn classify(&mut self, tensor: &Tensor) -> Result<Vec<Classification>, ClassifyError> {
        let raw = self.session.run(tensor)?;
        let probabilities = postprocess::probabilities(raw, &self.manifest.output)?;
        Ok(postprocess::top_k(&probabilities, &self.manifest.output, self.top_k))
    }
}
