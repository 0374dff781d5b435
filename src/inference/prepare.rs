//! The `prepare` thread: carries out the scheduler's decisions up to the tensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::preprocess::Preprocessor;
use super::worker::Job;
use crate::clock::Clock;
use crate::frame::Frame;
use crate::models::ModelId;
use crate::outcome::{Failure, Outcome, Stage};
use crate::scheduler::{Dispatch, Next, Queue};

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
            Next::Expired(frame, shortfall) => frame.ticket.report(Outcome::Expired(shortfall)),
            Next::Run(dispatch) => match lanes.get_mut(&dispatch.model) {
                Some(lane) => prepare(dispatch, lane, &queue, clock),
                // Only models with a lane have a latency, and only those are ever chosen.
                None => drop(dispatch),
            },
        }
    }
}

fn prepare(dispatch: Dispatch, lane: &mut Lane, queue: &Queue, clock: Clock) {
    let Dispatch { frame: Frame { picture, mut ticket }, model, reason, expected, lease } =
        dispatch;
    let start = clock.now();
    let tensor = match lane.preprocessor.tensor(&picture) {
        Ok(tensor) => tensor,
        Err(error) => {
            ticket.report(Outcome::Failed(Failure::new(Stage::Preprocess, &error)));
            return;
        }
    };
    drop(picture);
    let prepared = clock.now();
    let preprocess = prepared - start;
    ticket.trace().timings.preprocess = Some(preprocess);
    let job = Job { ticket, tensor, reason, lease, prepared, preprocess, expected };
    if let Err(refused) = lane.jobs.send(job) {
        queue.retire(&model);
        let error = format!("the worker of model {model} has stopped");
        let failure = Failure { stage: Stage::Inference, error };
        refused.into_inner().ticket.report(Outcome::Failed(failure));
    }
}
