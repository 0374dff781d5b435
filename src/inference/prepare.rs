//! The `prepare` thread: carries out the scheduler's decisions up to the tensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::preprocess::{Preprocessor, stacked};
use super::supervisor::Supervisor;
use super::worker::{Job, Ongoing, Rider};
use crate::clock::Clock;
use crate::course;
use crate::frame::Frame;
use crate::models::ModelId;
use crate::onnx::Tensor;
use crate::outcome::{Failure, Outcome, Stage, Stop};
use crate::scheduler::{Dispatch, Next, Passenger, Queue, Task};

/// Runs until the queue is closed and empty. The workers are dismissed with it.
pub fn run(
    queue: Arc<Queue>,
    mut preprocessors: BTreeMap<ModelId, Preprocessor>,
    supervisor: Arc<Supervisor>,
    clock: Clock,
) {
    let employment = Employment(supervisor);
    while let Some(next) = queue.next() {
        match next {
            Next::Expired(Task { frame, course }, shortfall) => {
                course::end(course, frame.ticket, Stop::Deadline, Outcome::Expired(shortfall));
            }
            Next::Settle(Task { frame, course }, stop) => {
                let stream = frame.ticket.account().origin.id.stream.clone();
                // Only frames with a course come back.
                course::end(course, frame.ticket, stop, Outcome::Abandoned);
                queue.catch_up(&stream);
            }
            Next::Run(dispatch) => match preprocessors.get_mut(&dispatch.model) {
                Some(preprocessor) => prepare(dispatch, preprocessor, &employment.0, clock),
                // Only models that were loaded have a latency, and only those are ever chosen.
                None => drop(dispatch),
            },
        }
    }
}

/// Dropped, it dismisses the workers, whichever way the thread ends.
struct Employment(Arc<Supervisor>);

impl Drop for Employment {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}

fn prepare(
    dispatch: Dispatch,
    preprocessor: &mut Preprocessor,
    supervisor: &Supervisor,
    clock: Clock,
) {
    let Dispatch { passengers, model, expected, lease } = dispatch;
    let (start, decided) = (clock.now(), passengers.len());
    let (mut riders, mut tensors, mut prepared) = (Vec::new(), Vec::new(), start);
    for passenger in passengers {
        let boarded = board(passenger, preprocessor);
        let took = clock.now() - prepared;
        prepared += took;
        if let Some((rider, tensor)) = boarded {
            tensors.push(tensor);
            riders.push((rider, took));
        }
    }
    let tensor = match tensors.pop() {
        None => return,
        Some(only) if tensors.is_empty() => only,
        Some(last) => {
            tensors.push(last);
            let all = stacked(&tensors);
            prepared = clock.now();
            all
        }
    };
    if riders.len() < decided {
        lease.shrink(riders.len());
    }
    let preprocess = prepared - start;
    let riders = riders.into_iter().map(|(rider, took)| rider.prepared(took, preprocess)).collect();
    let job = Job { riders, tensor, lease, prepared, preprocess, expected };
    if let Err(refused) = supervisor.send(job) {
        refused.refuse(&model, clock.now());
    }
}

/// A frame and its tensor; `None` if none can be made, which ends the frame.
fn board(passenger: Passenger, preprocessor: &mut Preprocessor) -> Option<(Rider, Tensor)> {
    let Passenger { task: Task { frame: Frame { picture, ticket }, course }, reason } = passenger;
    match preprocessor.tensor(&picture) {
        Ok(tensor) => {
            // Without a course no other model will look at the picture: its memory goes back.
            let ongoing = course.map(|course| Ongoing { picture, course });
            Some((Rider { ticket, ongoing, reason }, tensor))
        }
        Err(error) => {
            let failed = Outcome::Failed(Failure::new(Stage::Preprocess, &error));
            course::end(course, ticket, Stop::Failure, failed);
            None
        }
    }
}
