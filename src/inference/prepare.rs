//! The `prepare` thread: carries out the scheduler's decisions up to the tensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::preprocess::Preprocessor;
use super::worker::{Job, Ongoing};
use crate::clock::Clock;
use crate::course;
use crate::frame::Frame;
use crate::models::ModelId;
use crate::outcome::{Failure, Outcome, Stage, Stop};
use crate::scheduler::{Dispatch, Next, Queue, Task};

/// One model's preprocessing and the way to its worker.
pub struct Lane {
    /// Makes the model's tensors.
    pub preprocessor: Preprocessor,
    /// Leads to its worker.
    pub jobs: Sender<Job>,
}

/// Runs until the queue is closed and empty. The workers' channels close with it.
pub fn run(queue: Arc<Queue>, mut lanes: BTreeMap<ModelId, Lane>, clock: Clock) {
    while let Some(next) = queue.next() {
        match next {
            Next::Expired(task, shortfall) => {
                task.frame.ticket.report(Outcome::Expired(shortfall));
            }
            Next::Settle(Task { frame, course }, stop) => {
                // Only frames with a course come back.
                course::end(course, frame.ticket, stop, Outcome::Abandoned);
            }
            Next::Run(dispatch) => match lanes.get_mut(&dispatch.model) {
                Some(lane) => prepare(dispatch, lane, &queue, clock),
                // Only models with a lane have a latency, and only those are ever chosen.
                None => drop(dispatch),
            },
        }
    }
}

fn prepare(dispatch: Dispatch, lane: &mut Lane, queue: &Queue, clock: Clock) {
    let Dispatch { task, model, reason, expected, lease } = dispatch;
    let Task { frame: Frame { picture, mut ticket }, course } = task;
    let start = clock.now();
    let tensor = match lane.preprocessor.tensor(&picture) {
        Ok(tensor) => tensor,
        Err(error) => {
            let failed = Outcome::Failed(Failure::new(Stage::Preprocess, &error));
            course::end(course, ticket, Stop::Failure, failed);
            return;
        }
    };
    // Without a course no other model will look at the picture: its memory goes back.
    let ongoing = course.map(|course| Ongoing { picture, course });
    let prepared = clock.now();
    let preprocess = prepared - start;
    *ticket.trace().timings.preprocess.get_or_insert_default() += preprocess;
    let job = Job { ticket, ongoing, tensor, reason, lease, prepared, preprocess, expected };
    if let Err(refused) = lane.jobs.send(job) {
        queue.retire(&model);
        let error = format!("the worker of model {model} has stopped");
        let failure = Failure { stage: Stage::Inference, error };
        let Job { ticket, ongoing, .. } = refused.into_inner();
        let course = ongoing.map(|ongoing| ongoing.course);
        course::end(course, ticket, Stop::Failure, Outcome::Failed(failure));
    }
}
