//! The `prepare` thread: carries out the scheduler's decisions up to the tensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::preprocess::Preprocessor;
use super::supervisor::Supervisor;
use super::worker::{Job, Ongoing};
use crate::clock::Clock;
use crate::course;
use crate::frame::Frame;
use crate::models::ModelId;
use crate::outcome::{Failure, Outcome, Stage, Stop};
use crate::scheduler::{Dispatch, Next, Queue, Task};

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
    let Dispatch { task, model, reason, expected, lease } = dispatch;
    let Task { frame: Frame { picture, mut ticket }, course } = task;
    let start = clock.now();
    let tensor = match preprocessor.tensor(&picture) {
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
    if let Err(refused) = supervisor.send(job) {
        refused.refuse(&model, clock.now());
    }
}
