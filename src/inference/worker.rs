//! A `worker-<model>` thread: owns the model's session and runs it, one job at a time: on one frame, or
//! on several that share the run.
//!
//! While a run is under way, its frames and its place on the device are with the supervisor, which
//! may settle these and free the other ([`Ended`]). A worker that finds both gone ends.

use std::error::Error;
use std::mem;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use ndarray::Axis;

use super::overruns::{Ask, Ended};
use super::postprocess::{self, OutputError};
use super::supervisor::Post;
use crate::clock::Clock;
use crate::course::{self, Course};
use crate::frame::{Deadline, Frame, Pace, Picture};
use crate::models::{Manifest, ModelId};
use crate::onnx::{RunError, Session, Tensor, Terminator};
use crate::outcome::{
    self, Account, Answer, Failure, Outcome, Reason, Shortfall, Stage, Stop, Ticket, in_words,
};
use crate::premodel::Selection;
use crate::scheduler::{Cost, Lease, Task, Took};

/// Frames whose tensor is made: one, or several that share a run.
pub struct Job {
    /// The frames, in the order of the pictures in the tensor.
    pub riders: Vec<Rider>,
    /// The model's input.
    pub tensor: Tensor,
    /// Its place on the device.
    pub lease: Lease,
    /// When the tensor was ready.
    pub prepared: Instant,
    /// What the tensor took.
    pub preprocess: Duration,
    /// What the run is expected to take.
    pub expected: Duration,
}

/// A frame of a job.
pub struct Rider {
    /// The outcome it owes.
    pub ticket: Ticket,
    /// What another run would need; `None` if there will be none.
    pub ongoing: Option<Ongoing>,
    /// Why this model.
    pub reason: Reason,
}

impl Rider {
    /// Notes that its own part of the tensor took `own`, and the whole one `all`.
    pub(super) fn prepared(mut self, own: Duration, all: Duration) -> Self {
        *self.ticket.trace().timings.preprocess.get_or_insert_default() += own;
        self.ticket.waited(all.saturating_sub(own));
        self
    }

    /// Ends the frame because its run could only be late: that before it took longer than expected.
    fn expire(self, model: &ModelId, expected: Duration, now: Instant) {
        let left = self.ticket.account().deadline.remaining(now);
        let shortfall = Shortfall { quickest: Some(model.clone()), needed: expected, left };
        self.end(Stop::Deadline, Outcome::Expired(shortfall));
    }

    /// Whether the frame can be answered without the run.
    pub(super) fn has_another_answer(&self) -> bool {
        self.ongoing.as_ref().is_some_and(|ongoing| ongoing.course.has_another_answer())
    }

    /// By when the run has to be over.
    fn due(&self) -> Deadline {
        self.ticket.account().due(self.has_another_answer())
    }

    /// When a run has to begin to be in time; `None` where waiting does not count.
    fn latest_start(&self, expected: Duration) -> Option<Instant> {
        match self.ticket.account().pace {
            Pace::Clock => self.due().instant().checked_sub(expected),
            Pace::Work => None,
        }
    }

    fn end(self, stop: Stop, outcome: Outcome) {
        course::end(self.ongoing.map(Ongoing::into_course), self.ticket, stop, outcome);
    }
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

impl Job {
    /// Ends the job without a run: the worker of `model` is gone.
    pub(super) fn refuse(self, model: &ModelId, now: Instant) {
        let Self { riders, lease, prepared, expected, .. } = self;
        drop(lease);
        for mut rider in riders {
            rider.ticket.waited(now - prepared);
            if !rider.ticket.account().deadline.is_met_by(now + expected) {
                rider.expire(model, expected, now);
                continue;
            }
            let error = format!("model {model} was taken out of service");
            let failed = Outcome::Failed(Failure { stage: Stage::Inference, error });
            rider.end(Stop::Failure, failed);
        }
    }

    /// When the run has to begin so that no frame is late; `None` where waiting does not count.
    fn latest_start(&self) -> Option<Instant> {
        self.riders.iter().filter_map(|rider| rider.latest_start(self.expected)).min()
    }

    /// Takes frames out, and their pictures.
    fn take_out(&mut self, is_out: impl Fn(&Rider) -> bool) -> Vec<Rider> {
        let (out, rest): (Vec<_>, Vec<_>) =
            mem::take(&mut self.riders).into_iter().enumerate().partition(|(_, one)| is_out(one));
        let (rows, riders): (Vec<usize>, Vec<Rider>) = rest.into_iter().unzip();
        self.riders = riders;
        if !out.is_empty() && !rows.is_empty() {
            self.tensor = self.tensor.select(Axis(0), &rows);
            self.lease.shrink(rows.len());
        }
        out.into_iter().map(|(_, rider)| rider).collect()
    }
}

/// A frame that a model runs on.
pub struct Subject {
    /// The frame.
    pub rider: Rider,
    /// Its place among the pictures of the tensor.
    pub row: usize,
    /// The model.
    pub model: ModelId,
    /// When the run began.
    pub start: Instant,
}

impl Subject {
    /// What is known of the frame's way.
    pub(super) fn account(&self) -> &Account {
        self.rider.ticket.account()
    }

    /// Ends the frame because the run was too late; an answer of an earlier one goes out.
    pub(super) fn settle_late(self, now: Instant) {
        let Self { mut rider, model, start, .. } = self;
        let id = &rider.ticket.account().origin.id;
        log::debug!(
            stream:% = id.stream, frame = id.number, model:%, reason = "run_too_long";
            "frame {id}: model {model} is too late"
        );
        *rider.ticket.trace().timings.inference.get_or_insert_default() += now - start;
        rider.end(Stop::Deadline, Outcome::Late(model));
    }
}

/// A session whose worker is done.
pub struct Released {
    /// The worker's runner.
    pub runner: usize,
    /// The session, for another worker.
    pub session: Session,
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
    /// Its runner.
    pub runner: usize,
    /// Where the session goes when all jobs are done.
    pub release: Sender<Released>,
    /// Its place in the crew; given up when all else is dropped.
    pub post: Post,
}

/// Whether a worker goes on.
enum Standing {
    AtWork,
    Fenced,
}

impl Worker {
    /// Runs until the other end of `jobs` is dropped and every job is done, or until it is fenced. Dismissed
    /// with all others, it releases its session before it gives up its post; taken out with another worker
    /// of its model, which is then built anew, it drops it.
    pub fn run(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            match self.answer(job) {
                Standing::AtWork => {}
                Standing::Fenced => return,
            }
        }
        let Self { session, runner, release, post, .. } = self;
        if !post.is_dismissed() || release.send(Released { runner, session }).is_err() {
            log::debug!("the session of runner {runner} is not needed any more");
        }
        drop(post);
    }

    fn answer(&mut self, job: Job) -> Standing {
        let Some((job, start)) = self.await_turn(job) else { return Standing::AtWork };
        let Job { riders, tensor, lease, preprocess, .. } = job;
        let frames = riders.len();
        let terminator = match Terminator::new() {
            Ok(terminator) => terminator,
            Err(error) => {
                riders.into_iter().for_each(|rider| fail(rider, &error));
                return Standing::AtWork;
            }
        };
        let subject = |(row, rider)| Subject { rider, row, model: self.manifest.id.clone(), start };
        let subjects = riders.into_iter().enumerate().map(subject).collect();
        let watched = self.post.begin(subjects, lease, asking(terminator.clone()));
        let answers = answers(&mut self.session, &self.manifest, &tensor, &terminator);
        let cost = Cost { preprocess, run: self.clock.now() - start };
        match watched.end() {
            Ended::Over { in_time, late, place } => {
                self.conclude(Run { lease: place, cost, frames, answers }, in_time, late);
            }
            // Asked in its last node, it is over all the same.
            Ended::Asked(lease) => match answers {
                Ok(_) => lease.finished(cost),
                Err(_) => lease.finished(Took::AtLeast(cost)),
            },
            Ended::Fenced => return Standing::Fenced,
        }
        Standing::AtWork
    }

    /// Waits until a job has its turn. What is left of it then, without the frames that cannot be in
    /// time any more, and when it begins; `None` if no frame is left.
    fn await_turn(&self, mut job: Job) -> Option<(Job, Instant)> {
        let (model, expected, prepared) = (&self.manifest.id, job.expected, job.prepared);
        loop {
            // Behind a run that does not end, no frame is kept waiting longer than it can be in time.
            let has_turn = job.lease.wait_for_turn(job.latest_start());
            let now = self.clock.now();
            if has_turn {
                job.riders.iter_mut().for_each(|rider| rider.ticket.waited(now - prepared));
            }
            let is_late = |rider: &Rider| match rider.latest_start(expected) {
                Some(latest) if !has_turn => latest <= now,
                Some(_) | None => !rider.due().is_met_by(now + expected),
            };
            for mut rider in job.take_out(is_late) {
                if !has_turn {
                    rider.ticket.waited(now - prepared);
                }
                rider.expire(model, expected, now);
            }
            match (job.riders.is_empty(), has_turn) {
                (true, _) => return None,
                (false, true) => return Some((job, now)),
                (false, false) => {}
            }
        }
    }

    /// The end of a run that was not asked to end.
    fn conclude(&self, run: Run, in_time: Vec<Subject>, late: Vec<Subject>) {
        let mut endings = Endings::default();
        if let (true, Err(error)) = (in_time.is_empty(), &run.answers) {
            // No frame is left to say so.
            log::warn!(
                model:% = self.manifest.id, reason = Stage::Inference.code();
                "a late run of model {} has failed: {}", self.manifest.id, in_words(error)
            );
        }
        for Subject { mut rider, row, .. } in in_time {
            *rider.ticket.trace().timings.inference.get_or_insert_default() += run.cost.run;
            match run.answer(row) {
                Ok(probabilities) => self.go_on(rider, &run, probabilities, &mut endings),
                Err(failure) => endings.failed.push((rider, failure)),
            }
        }
        let Run { lease, cost, answers, .. } = run;
        // What a run took that no frame waited for counts, or the model would be held to be quick for ever.
        if answers.is_ok() {
            lease.finished_for_good(cost, endings.back, endings.answered);
        } else {
            drop(lease);
        }
        let failed =
            |(rider, failure): (Rider, _)| rider.end(Stop::Failure, Outcome::Failed(failure));
        endings.failed.into_iter().for_each(failed);
        endings.classified.into_iter().for_each(|(ticket, answer)| {
            ticket.report(Outcome::Classified(answer));
        });
        late.into_iter().for_each(|subject| self.post.settle_late(subject));
    }

    /// What becomes of a frame that a model has answered. One that gets one run is classified; for others
    /// the answers so far are weighed: the frame goes back for another run, or they go out as one.
    fn go_on(&self, rider: Rider, run: &Run, probabilities: &[f32], endings: &mut Endings) {
        let Rider { mut ticket, ongoing, reason } = rider;
        let Some(Ongoing { picture, mut course }) = ongoing else {
            endings.classified.push((ticket, self.classification(reason, run, probabilities)));
            return;
        };
        let start = self.clock.now();
        let next = course.observe(self.note_of(run), probabilities);
        *ticket.trace().timings.policy.get_or_insert_default() += self.clock.now() - start;
        match next {
            Some(selection) => {
                let task = Task { frame: Frame { picture, ticket }, course: Some(course) };
                endings.back.push((task, selection));
            }
            None => endings.answered.push((*course, ticket)),
        }
    }

    fn classification(&self, reason: Reason, run: &Run, probabilities: &[f32]) -> Answer {
        let labels = postprocess::top_k(probabilities, &self.manifest.output, self.top_k);
        let run = self.note_of(run);
        let (model, provider) = (run.model.clone(), run.provider);
        Answer { model, provider, reason, labels, runs: vec![run], weighed: None }
    }

    fn note_of(&self, run: &Run) -> outcome::Run {
        let (model, provider) = (self.manifest.id.clone(), self.session.provider());
        outcome::Run { model, provider, inference: run.cost.run, batch: run.frames }
    }
}

/// A run that is over.
struct Run {
    lease: Lease,
    cost: Cost,
    /// How many shared it.
    frames: usize,
    answers: Answers,
}

impl Run {
    /// The probabilities of the classes in the picture of a row, or why there are none.
    fn answer(&self, row: usize) -> Result<&[f32], Failure> {
        let failure = |error: &dyn Error| Failure::new(Stage::Inference, error);
        let answers = self.answers.as_ref().map_err(|error| failure(error))?;
        match answers.get(row) {
            Some(answer) => answer.as_deref().map_err(|error| failure(error)),
            None => Err(Failure { stage: Stage::Inference, error: "it has no answer".to_owned() }),
        }
    }
}

/// What becomes of the frames of a run.
#[derive(Default)]
struct Endings {
    classified: Vec<(Ticket, Answer)>,
    /// Those that may get another run.
    back: Vec<(Task, Selection)>,
    answered: Vec<(Course, Ticket)>,
    failed: Vec<(Rider, Failure)>,
}

/// Of each picture of a tensor: the probabilities of its classes.
type Answers = Result<Vec<Result<Vec<f32>, OutputError>>, RunError>;

fn answers(
    session: &mut Session,
    manifest: &Manifest,
    tensor: &Tensor,
    terminator: &Terminator,
) -> Answers {
    let raw = session.run_unless_terminated(tensor, terminator)?;
    let read = |raw| postprocess::probabilities(raw, &manifest.output);
    Ok(raw.into_iter().map(read).collect())
}

/// How a run is ended that is not waited for any longer.
pub fn asking(terminator: Terminator) -> Ask {
    Box::new(move || {
        if let Err(error) = terminator.terminate() {
            log::warn!("a run could not be asked to end: {}", in_words(&error));
        }
    })
}

/// Ends a frame whose run failed.
fn fail(rider: Rider, error: &RunError) {
    rider.end(Stop::Failure, Outcome::Failed(Failure::new(Stage::Inference, error)));
}
