//! The streams of a run: each has a thread `stream-<name>`, which a reload may leave as it is, give
//! other orders, or end.
//!
//! A stream that takes the place of another of its name goes on with the numbers of its frames, and
//! begins when that one's thread is over. [`News`] of a stream whose place is taken are none any more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::StreamPlan;
use super::changes::{self, Change, Current, State};
use crate::capture::mailbox::Mailbox;
use crate::capture::{CaptureError, Keeping, News, Pulse, Retuning};
use crate::clock::Clock;
use crate::frame::StreamName;
use crate::outcome::Settled;
use crate::threads::Threads;

/// The streams of a run. Dropped, they are stopped, and no other can come.
pub(super) struct Streams {
    /// Those of the present plans.
    planned: BTreeMap<StreamName, Stream>,
    /// The frames of every stream that there ever was.
    frames: BTreeMap<StreamName, Arc<AtomicU64>>,
    incarnations: u64,
    failures: u64,
    ways: Ways,
}

/// Where streams send what they have.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) settled: Sender<Settled>,
    pub(super) news: Sender<News>,
    pub(super) clock: Clock,
}

struct Stream {
    plan: StreamPlan,
    incarnation: u64,
    pulse: Pulse,
    course: Course,
}

/// How far a stream is.
enum Course {
    Running(Tether),
    Complete,
    /// As which of all, and why.
    Failed(u64, CaptureError),
}

/// What main has of a stream that runs.
struct Tether {
    /// Dropped to stop it.
    orders: Sender<Retuning>,
    /// Disconnected when its thread is over.
    over: Receiver<Infallible>,
}

impl Streams {
    /// None so far.
    pub(super) fn new(ways: Ways) -> Self {
        let (planned, frames) = (BTreeMap::new(), BTreeMap::new());
        Self { planned, frames, incarnations: 0, failures: 0, ways }
    }

    /// Whether any has not ended.
    pub(super) fn are_over(&self) -> bool {
        !self.planned.values().any(|stream| matches!(stream.course, Course::Running(_)))
    }

    /// What new plans would do to them.
    pub(super) fn changes(&self, planned: &[StreamPlan]) -> BTreeMap<StreamName, Change> {
        let current = self.planned.iter().map(|(name, stream)| (name, stream.current()));
        changes::changes(&current.collect(), planned)
    }

    /// Makes them as planned.
    pub(super) fn follow(
        &mut self,
        planned: Vec<StreamPlan>,
        changes: &BTreeMap<StreamName, Change>,
        threads: &mut Threads,
    ) -> anyhow::Result<()> {
        let mut before = std::mem::take(&mut self.planned);
        for plan in planned {
            let name = plan.spec.name.clone();
            let old = before.remove(&name);
            let stream = match (changes.get(&name), old) {
                (Some(Change::GoesOn | Change::StaysOver), Some(old)) => old.retuned(plan),
                (_, Some(Stream { course: Course::Running(Tether { over, .. }), .. })) => {
                    self.begin(plan, Some(over), threads)?
                }
                (_, Some(_) | None) => self.begin(plan, None, threads)?,
            };
            self.planned.insert(name, stream);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        plan: StreamPlan,
        predecessor: Option<Receiver<Infallible>>,
        threads: &mut Threads,
    ) -> anyhow::Result<Stream> {
        let name = &plan.spec.name;
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let frames = Arc::clone(self.frames.entry(name.clone()).or_default());
        let Ways { mailbox, settled, news, clock } = self.ways.clone();
        let keeping =
            Keeping::new(plan.spec.clone(), (mailbox, plan.delivery), settled, news, clock).after(
                incarnation,
                frames,
                predecessor,
            );
        let pulse = keeping.pulse();
        let ((orders, ordered), (alive, over)) = (unbounded(), bounded(0));
        threads.spawn(&format!("stream-{name}"), move || {
            let _alive: Sender<Infallible> = alive;
            keeping.run(&ordered);
        })?;
        let course = Course::Running(Tether { orders, over });
        Ok(Stream { plan, incarnation, pulse, course })
    }

    /// Notes that a stream is over, and how it ended.
    pub(super) fn end(
        &mut self,
        name: &StreamName,
        incarnation: u64,
        end: Result<(), CaptureError>,
    ) {
        let course = match end {
            Ok(()) => Course::Complete,
            Err(error) => {
                self.failures += 1;
                Course::Failed(self.failures, error)
            }
        };
        if let Some(stream) = self.current(name, incarnation) {
            stream.course = course;
        }
    }

    /// Whether it is the stream of that name now.
    pub(super) fn is_current(&mut self, name: &StreamName, incarnation: u64) -> bool {
        self.current(name, incarnation).is_some()
    }

    fn current(&mut self, name: &StreamName, incarnation: u64) -> Option<&mut Stream> {
        self.planned.get_mut(name).filter(|stream| stream.incarnation == incarnation)
    }

    /// How those are doing that run.
    pub(super) fn pulses(&self) -> impl Iterator<Item = (&StreamName, Pulse)> {
        let running =
            self.planned.iter().filter(|(_, stream)| matches!(stream.course, Course::Running(_)));
        running.map(|(name, stream)| (name, stream.pulse.clone()))
    }

    /// Calls the reader of their frames.
    pub(super) fn call_reader(&self) {
        self.ways.mailbox.call();
    }

    /// Stops them. The faults of those that had failed, the first one first.
    pub(super) fn stop(self) -> Vec<(StreamName, CaptureError)> {
        let fault = |(name, stream): (StreamName, Stream)| match stream.course {
            Course::Failed(order, error) => Some((order, (name, error))),
            Course::Running(_) | Course::Complete => None,
        };
        let faults: BTreeMap<_, _> = self.planned.into_iter().filter_map(fault).collect();
        faults.into_values().collect()
    }
}

impl Stream {
    fn current(&self) -> Current<'_> {
        let state = match self.course {
            Course::Running(_) => State::Running,
            Course::Complete => State::Complete,
            Course::Failed(..) => State::Failed,
        };
        Current { plan: &self.plan, state }
    }

    /// The same by a new plan with the same source.
    fn retuned(self, plan: StreamPlan) -> Self {
        let retuning =
            |plan: &StreamPlan| Retuning { budget: plan.spec.budget, patience: plan.spec.patience };
        if let Course::Running(tether) = &self.course
            && retuning(&plan) != retuning(&self.plan)
            && tether.orders.send(retuning(&plan)).is_err()
        {
            log::debug!("stream {} has ended before it could be retuned", plan.spec.name);
        }
        Self { plan, ..self }
    }
}
