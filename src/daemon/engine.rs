//! A generation of what chooses and runs models: queue, supervisor, workers. A reload builds another
//! beside it and puts that in its place.
//!
//! The generations do not share the devices: frames wait in the queue of the next one until the last run
//! of the one before is over and its sessions are released, which it is told by [`Engine::over`]. Only
//! then does the next one begin to decide. Frames keep the generation that they were handed to.

use std::sync::Arc;

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::memory::Memory;
use super::{Setup, StreamPlan};
use crate::capture::mailbox::Depth;
use crate::clock::Clock;
use crate::course::Guide;
use crate::frame::StreamName;
use crate::health::Health;
use crate::inference::worker::{Released, Worker};
use crate::inference::{
    Build, Classifier, Complement, Crew, Hand, Heir, LateLimits, Recruiter, RosterError, Stock,
    Supervisor, Work, Workshop, complement, prepare,
};
use crate::models::ModelId;
use crate::operations::{Machinery, Settling, SideWork};
use crate::scheduler::estimate::{OnTime, Saved};
use crate::scheduler::{Discipline, Queue, Scheduler};
use crate::select::{Desk, Selector};
use crate::study::{IdleRuns, Student, StudyCounts};
use crate::threads::Threads;

/// All parts of an engine, the models loaded.
pub(super) struct Parts {
    crew: Crew,
    selector: Selector,
    study: Option<Classifier>,
    on_time: OnTime,
    discipline: Discipline,
    late: LateLimits,
    top_k: usize,
}

impl Parts {
    /// Loads what is missing; what goes with the parts of an engine is given back beside them.
    pub(super) fn of(setup: Setup, saved: &Saved) -> Result<(Self, Vec<StreamPlan>), RosterError> {
        let Setup { streams, roster, widths, on_time, discipline, selector, .. } = setup;
        let Setup { study, top_k, late, .. } = setup;
        let crew = Crew::raise(roster, &widths, saved)?;
        let always_waits = discipline == Discipline::NewestWins;
        let late = LateLimits { always_waits, ..late };
        Ok((Self { crew, selector, study, on_time, discipline, late, top_k }, streams))
    }
}

impl Parts {
    /// When runs will be too late.
    pub(super) fn late(&self) -> LateLimits {
        self.late
    }
}

/// A generation.
pub(super) struct Engine {
    queue: Arc<Queue>,
    supervisor: Arc<Supervisor>,
    stock: Arc<Stock>,
    guide: Option<Arc<Guide>>,
    studies: Arc<StudyCounts>,
    standby: Option<Standby>,
    release: Release,
    released: Receiver<Released>,
    /// Hears, or is disconnected, when the last worker that is not stuck is gone.
    over: Receiver<()>,
}

/// What workers are made with.
#[derive(Clone)]
struct Release {
    top_k: usize,
    to: Sender<Released>,
    clock: Clock,
}

/// What an engine has ready that does not run yet.
struct Standby {
    hands: Vec<Hand>,
    heirs: Vec<Heir>,
    prepare: Box<dyn FnOnce() + Send>,
    student: Option<(Student, IdleRuns)>,
    /// Told when the last worker that is not stuck is gone.
    tell_over: Sender<()>,
}

impl Engine {
    /// Puts parts together, and the desk that frames come to it from. It does nothing before it is
    /// started.
    pub(super) fn assemble(
        Parts { mut crew, selector, study, on_time, discipline, late, top_k }: Parts,
        streams: &[StreamPlan],
        before: Option<&Self>,
        memory: &mut Memory,
        (threads, health, clock): (&Threads, Health, Clock),
    ) -> (Self, Desk) {
        memory.brief(&mut crew);
        let terms = streams.iter().map(|stream| (stream.spec.name.clone(), stream.terms));
        let scheduler = Scheduler::new(&crew.devices, crew.runners, on_time)
            .with_terms(terms.collect())
            .with_discipline(discipline);
        let explains = log::log_enabled!(log::Level::Debug);
        let scheduler = if explains { scheduler.explaining() } else { scheduler };
        let queue = Queue::new(scheduler, clock);
        memory.follow(queue.clone(), crew.recruiter.keys());
        let (to, released) = unbounded();
        let release = Release { top_k, to, clock };
        let workshop = Workshop::new(build(crew.recruiter, release.clone()));
        let supervisor =
            Supervisor::new(queue.clone(), late, workshop, threads.spawner(), health, clock);
        let (preprocessors, employer) = (crew.preprocessors, Arc::clone(&supervisor));
        let prepared = queue.clone();
        let prepare = move || prepare::run(prepared, preprocessors, employer, clock);
        let selector = selector.going_on_from(before.and_then(|before| before.guide.as_ref()));
        let guide = selector.guide().cloned();
        let studies = Arc::<StudyCounts>::default();
        let student = study.zip(guide.clone());
        let student = student.map(|(classifier, guide)| {
            Student::new(classifier, guide, Arc::clone(&studies), clock)
        });
        let (easel, student) = student.unzip();
        let habits = streams.iter().map(|stream| (stream.spec.name.clone(), stream.habit()));
        let (habits, fresh) = (habits.collect(), Vec::new());
        let desk = Desk { selector, habits, fresh, queue: queue.clone(), easel };
        let ((tell_over, over), prepare) = (bounded(1), Box::new(prepare));
        let Crew { hands, heirs, stock, .. } = crew;
        let standby = Some(Standby { hands, heirs, prepare, student, tell_over });
        let stock = Arc::new(stock);
        let engine =
            Self { queue, supervisor, stock, guide, studies, standby, release, released, over };
        (engine, desk)
    }

    /// Starts the workers and the decisions, with what the generation before has released. Does nothing
    /// a second time.
    pub(super) fn start(
        &mut self,
        before: Option<&Self>,
        threads: &mut Threads,
    ) -> anyhow::Result<()> {
        let Some(Standby { hands, heirs, prepare, student, tell_over }) = self.standby.take()
        else {
            return Ok(());
        };
        let released = before.map(|before| before.released.try_iter().collect());
        let Complement { hands, short_of, left } =
            complement(hands, &heirs, released.unwrap_or_default());
        for hand in hands {
            let (model, runner) = (hand.manifest.id.clone(), hand.runner);
            self.supervisor
                .hire(model.clone(), runner, work_of(hand, self.release.clone()))
                .with_context(|| format!("cannot start a worker of model {model}"))?;
        }
        short_of.into_iter().for_each(|model| self.supervisor.supply(model));
        let overseer = Arc::clone(&self.supervisor);
        threads.spawn("supervise", move || {
            overseer.run();
            // Without a reload nobody waits for it.
            let _ = tell_over.send(());
        })?;
        threads.spawn("prepare", prepare)?;
        if let Some((student, runs)) = student {
            threads.spawn("study-run", move || runs.run())?;
            threads.spawn("study", move || student.run())?;
        }
        dismantle(left, threads);
        Ok(())
    }

    /// Hears when all its frames are done and its sessions released.
    pub(super) fn over(&self) -> &Receiver<()> {
        &self.over
    }

    /// The sessions that it has at work.
    pub(super) fn stock(&self) -> Arc<Stock> {
        Arc::clone(&self.stock)
    }

    /// Forgets the scenes of streams that are others now.
    pub(super) fn forget_scenes(&self, streams: &[StreamName]) {
        if let Some(guide) = &self.guide {
            streams.iter().for_each(|stream| guide.memory().forget(stream));
        }
    }

    /// What operators see of it.
    pub(super) fn machinery(
        &self,
        (before, health): (SideWork, Health),
        mailbox: Depth,
        settled: Settling,
    ) -> Machinery {
        let (queue, supervisor) = (self.queue.clone(), Arc::clone(&self.supervisor));
        let (studies, providers) = (Arc::clone(&self.studies), self.stock.providers());
        Machinery { queue, supervisor, studies, before, health, mailbox, settled, providers }
    }

    /// What it did besides answering.
    pub(super) fn side_work(&self) -> SideWork {
        SideWork { late_work: self.supervisor.late_work(), study: self.studies.work() }
    }

    /// The models of which a run is under way.
    pub(super) fn running(&self) -> Vec<ModelId> {
        self.supervisor.running()
    }
}

/// Drops what nobody needs any more, which may take long, where it holds up no one.
fn dismantle<T: Send + 'static>(left: Vec<T>, threads: &Threads) {
    if left.is_empty() {
        return;
    }
    if let Err(error) = threads.spawner().spawn("dismantle", move || drop(left)) {
        // The sessions went with the thread that did not start.
        log::debug!("no thread could be started to take sessions down: {error}");
    }
}

/// How models are built anew.
fn build(recruiter: Recruiter, release: Release) -> Build {
    Box::new(move |model| {
        let hands = recruiter.recruit(model)?.into_iter();
        Ok(hands.map(|hand| (hand.runner, work_of(hand, release.clone()))).collect())
    })
}

fn work_of(Hand { runner, manifest, session }: Hand, release: Release) -> Work {
    let Release { top_k, to, clock } = release;
    Box::new(move |post, jobs| {
        Worker { manifest, session, top_k, clock, runner, release: to, post }.run(jobs);
    })
}
