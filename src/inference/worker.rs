//! A `worker-<model>` thread: owns the model's session and runs it, one job at a time.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::classifier::ClassifyError;
use super::postprocess;
use crate::clock::Clock;
use crate::course::{self, Course};
use crate::frame::{Frame, Picture};
use crate::models::Manifest;
use crate::onnx::{Session, Tensor};
use crate::outcome::{Answer, Failure, Outcome, Reason, Run, Shortfall, Stage, Stop, Ticket};
use crate::scheduler::{Cost, Lease, Task};

/// A frame whose tensor is made.
pub struct Job {
    /// The outcome it owes.
    pub ticket: Ticket,
    /// What another run would need; `None` if there will be none.
    pub ongoing: Option<Ongoing>,
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

/// What a frame keeps that may get another run.
pub struct Ongoing {
    /// The pixels.
    pub picture: Picture,
    /// What models have said of them.
    pub course: Box<Course>,
}

impl Ongoing {
    /// Gives the pixels back.
    fn into_course(self) -> Box<Course> {
        self.course
    }
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
        let Job { mut ticket, ongoing, tensor, reason, lease, prepared, preprocess, expected } =
            job;
        lease.wait_for_turn();
        let start = self.clock.now();
        ticket.waited(start - prepared);
        let deadline = ticket.account().deadline;
        if !deadline.is_met_by(start + expected) {
            // The run before took longer than expected; this one could only be late.
            let quickest = Some(self.manifest.id.clone());
            let left = deadline.remaining(start);
            let expired = Outcome::Expired(Shortfall { quickest, needed: expected, left });
            course::end(ongoing.map(Ongoing::into_course), ticket, Stop::Deadline, expired);
            return;
        }
        let probabilities = self.probabilities(&tensor);
        let inference = self.clock.now() - start;
        *ticket.trace().timings.inference.get_or_insert_default() += inference;
        match probabilities {
            Ok(probabilities) => {
                let cost = Cost { preprocess, run: inference };
                let done = Done { lease, cost, ticket, reason };
                match ongoing {
                    None => self.settle(done, &probabilities),
                    Some(ongoing) => self.go_on(done, ongoing, &probabilities),
                }
            }
            Err(error) => {
                let failed = Outcome::Failed(Failure::new(Stage::Inference, &error));
                course::end(ongoing.map(Ongoing::into_course), ticket, Stop::Failure, failed);
            }
        }
    }

    /// The end of a frame that gets one run.
    fn settle(&self, done: Done, probabilities: &[f32]) {
        let labels = postprocess::top_k(probabilities, &self.manifest.output, self.top_k);
        let run = self.note_of(done.cost);
        let (model, provider) = (run.model.clone(), run.provider);
        done.lease.finished(done.cost);
        let (reason, runs) = (done.reason, vec![run]);
        let answer = Answer { model, provider, reason, labels, runs, weighed: None };
        done.ticket.report(Outcome::Classified(answer));
    }

    /// Weighs the answers so far: the frame goes back for another run, or they go out as one.
    fn go_on(&self, done: Done, ongoing: Ongoing, probabilities: &[f32]) {
        let Done { lease, cost, mut ticket, .. } = done;
        let Ongoing { picture, mut course } = ongoing;
        let start = self.clock.now();
        let next = course.observe(self.note_of(cost), probabilities);
        *ticket.trace().timings.policy.get_or_insert_default() += self.clock.now() - start;
        match next {
            Some(selection) => {
                let task = Task { frame: Frame { picture, ticket }, course: Some(course) };
                lease.finished_for_now(cost, task, selection);
            }
            None => {
                lease.finished(cost);
                course.settle(ticket, Stop::Certain);
            }
        }
    }

    fn note_of(&self, cost: Cost) -> Run {
        let (model, provider) = (self.manifest.id.clone(), self.session.provider());
        Run { model, provider, inference: cost.run }
    }

    fn probabilities(&mut self, tensor: &Tensor) -> Result<Vec<f32>, ClassifyError> {
        let raw = self.session.run(tensor)?;
        Ok(postprocess::probabilities(raw, &self.manifest.output)?)
    }
}

/// A run that is over and went well.
struct Done {
    lease: Lease,
    cost: Cost,
    ticket: Ticket,
    reason: Reason,
}
