//! A `worker-<model>` thread: owns the model's session and runs it, one job at a time.
//!
//! While a run is under way, its frame and its place on the device are with the supervisor, which
//! may settle the one and free the other ([`Ended`]). A worker that finds both gone ends.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::classifier::ClassifyError;
use super::overruns::{Ask, Ended};
use super::postprocess;
use super::supervisor::Post;
use crate::clock::Clock;
use crate::course::{self, Course};
use crate::frame::{Frame, Pace, Picture};
use crate::models::{Manifest, ModelId};
use crate::onnx::{Session, Tensor, Terminator};
use crate::outcome::{
    self, Account, Answer, Failure, Outcome, Reason, Shortfall, Stage, Stop, Ticket, in_words,
};
use crate::scheduler::{Cost, Lease, Task, Took};

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

impl Job {
    /// Ends the job without a run: the worker of `model` is gone.
    pub(super) fn refuse(self, model: &ModelId, now: Instant) {
        let Self { mut ticket, ongoing, lease, prepared, expected, .. } = self;
        drop(lease);
        ticket.waited(now - prepared);
        let course = ongoing.map(Ongoing::into_course);
        if !ticket.account().deadline.is_met_by(now + expected) {
            expire(course, ticket, model, expected, now);
            return;
        }
        let error = format!("model {model} was taken out of service");
        let failed = Outcome::Failed(Failure { stage: Stage::Inference, error });
        course::end(course, ticket, Stop::Failure, failed);
    }
}

/// A frame that a model runs on.
pub struct Subject {
    /// The outcome it owes.
    pub ticket: Ticket,
    /// What another run would need; `None` if there will be none.
    pub ongoing: Option<Ongoing>,
    /// The model.
    pub model: ModelId,
    /// When the run began.
    pub start: Instant,
}

impl Subject {
    /// Ends the frame because the run was too late; an answer of an earlier one goes out.
    pub(super) fn settle_late(self, now: Instant) {
        let Self { mut ticket, ongoing, model, start } = self;
        let id = &ticket.account().origin.id;
        log::debug!(
            stream:% = id.stream, frame = id.number, model:%, reason = "run_too_long";
            "frame {id}: model {model} is too late"
        );
        *ticket.trace().timings.inference.get_or_insert_default() += now - start;
        let course = ongoing.map(Ongoing::into_course);
        course::end(course, ticket, Stop::Deadline, Outcome::Late(model));
    }
}

/// Ends a frame whose run could only be late, for the run before it took longer than expected.
fn expire(
    course: Option<Box<Course>>,
    ticket: Ticket,
    model: &ModelId,
    expected: Duration,
    now: Instant,
) {
    let left = ticket.account().deadline.remaining(now);
    let shortfall = Shortfall { quickest: Some(model.clone()), needed: expected, left };
    course::end(course, ticket, Stop::Deadline, Outcome::Expired(shortfall));
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
    /// Its place in the crew; given up when all else is dropped.
    pub post: Post,
}

/// Whether a worker goes on.
enum Standing {
    AtWork,
    Fenced,
}

impl Worker {
    /// Runs until the other end of `jobs` is dropped and every job is done, or until it is fenced.
    pub fn run(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            match self.answer(job) {
                Standing::AtWork => {}
                Standing::Fenced => return,
            }
        }
    }

    fn answer(&mut self, job: Job) -> Standing {
        let Job { mut ticket, ongoing, tensor, reason, lease, prepared, preprocess, expected } =
            job;
        // Behind a run that does not end, the frame is not kept waiting longer than it can be in time.
        let latest = latest_start(ticket.account(), expected);
        let has_turn = lease.wait_for_turn(latest);
        let (start, model) = (self.clock.now(), self.manifest.id.clone());
        ticket.waited(start - prepared);
        if !has_turn || !ticket.account().deadline.is_met_by(start + expected) {
            expire(ongoing.map(Ongoing::into_course), ticket, &model, expected, start);
            return Standing::AtWork;
        }
        let terminator = match Terminator::new() {
            Ok(terminator) => terminator,
            Err(error) => {
                fail(ongoing, ticket, &error.into());
                return Standing::AtWork;
            }
        };
        let subject = Subject { ticket, ongoing, model, start };
        let watched = self.post.begin(subject, lease, asking(terminator.clone()));
        let probabilities = probabilities(&mut self.session, &self.manifest, &tensor, &terminator);
        let cost = Cost { preprocess, run: self.clock.now() - start };
        match watched.end() {
            Ended::InTime(subject, lease) => {
                self.conclude(Run { subject, lease, reason, cost }, probabilities)
            }
            // What it took counts, or the model would be held to be quick for ever.
            Ended::Late(subject, lease) => {
                lease.finished(cost);
                subject.settle_late(self.clock.now());
            }
            // Asked in its last node, it is over all the same.
            Ended::Asked(lease) => match probabilities {
                Ok(_) => lease.finished(cost),
                Err(_) => lease.finished(Took::AtLeast(cost)),
            },
            Ended::Fenced => return Standing::Fenced,
        }
        Standing::AtWork
    }

    /// The end of a run that was in time.
    fn conclude(&self, mut run: Run, probabilities: Result<Vec<f32>, ClassifyError>) {
        *run.subject.ticket.trace().timings.inference.get_or_insert_default() += run.cost.run;
        match (probabilities, run.subject.ongoing.take()) {
            (Ok(probabilities), None) => self.settle(run, &probabilities),
            (Ok(probabilities), Some(ongoing)) => self.go_on(run, ongoing, &probabilities),
            (Err(error), ongoing) => fail(ongoing, run.subject.ticket, &error),
        }
    }

    /// The end of a frame that gets one run.
    fn settle(&self, run: Run, probabilities: &[f32]) {
        let Run { subject, lease, reason, cost } = run;
        let labels = postprocess::top_k(probabilities, &self.manifest.output, self.top_k);
        let run = self.note_of(cost);
        let (model, provider) = (run.model.clone(), run.provider);
        lease.finished(cost);
        let runs = vec![run];
        let answer = Answer { model, provider, reason, labels, runs, weighed: None };
        subject.ticket.report(Outcome::Classified(answer));
    }

    /// Weighs the answers so far: the frame goes back for another run, or they go out as one.
    fn go_on(&self, run: Run, ongoing: Ongoing, probabilities: &[f32]) {
        let Run { subject: Subject { mut ticket, .. }, lease, cost, .. } = run;
        let Ongoing { picture, mut course } = ongoing;
        let start = self.clock.now();
        let next = course.observe(self.note_of(cost), probabilities);
        *ticket.trace().timings.policy.get_or_insert_default() += self.clock.now() - start;
        match next {
            Some(selection) => {
                let task = Task { frame: Frame { picture, ticket }, course: Some(course) };
                lease.finished_for_now(cost, task, selection);
            }
            None => lease.finished_for_good(cost, *course, ticket),
        }
    }

    fn note_of(&self, cost: Cost) -> outcome::Run {
        let (model, provider) = (self.manifest.id.clone(), self.session.provider());
        outcome::Run { model, provider, inference: cost.run }
    }
}

/// When a run has to begin to be in time; `None` where waiting does not count.
fn latest_start(account: &Account, expected: Duration) -> Option<Instant> {
    match account.pace {
        Pace::Clock => account.deadline.instant().checked_sub(expected),
        Pace::Work => None,
    }
}

/// A run that is over and was in time.
struct Run {
    subject: Subject,
    lease: Lease,
    reason: Reason,
    cost: Cost,
}

fn probabilities(
    session: &mut Session,
    manifest: &Manifest,
    tensor: &Tensor,
    terminator: &Terminator,
) -> Result<Vec<f32>, ClassifyError> {
    let raw = session.run_unless_terminated(tensor, terminator)?;
    Ok(postprocess::probabilities(raw, &manifest.output)?)
}

/// How the supervisor ends a run.
fn asking(terminator: Terminator) -> Ask {
    Box::new(move || {
        if let Err(error) = terminator.terminate() {
            log::warn!("a run that is late could not be asked to end: {}", in_words(&error));
        }
    })
}

/// Ends a frame whose run failed.
fn fail(ongoing: Option<Ongoing>, ticket: Ticket, error: &ClassifyError) {
    let failed = Outcome::Failed(Failure::new(Stage::Inference, error));
    course::end(ongoing.map(Ongoing::into_course), ticket, Stop::Failure, failed);
}
