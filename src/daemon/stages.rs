//! The stages that frames pass through, and how the engine among them is changed while they do.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use crossbeam_channel::{Receiver, Sender, at, bounded, select, unbounded};

use super::StreamPlan;
use super::changes;
use super::engine::{Engine, Parts};
use super::memory::Memory;
use super::reload::{Change, Doors, Loaded, Reload, ReloadEvent, Reloading};
use super::streams::Streams;
use crate::capture::mailbox::{self, Depth};
use crate::clock::Clock;
use crate::frame::StreamName;
use crate::health::Health;
use crate::models::in_a_row;
use crate::operations::{Operations, Settling, SideWork};
use crate::outcome::Settled;
use crate::output::{self, Departures, OutputEvent, Progress, Summary};
use crate::select::{self, Desk};
use crate::systemd;
use crate::threads::Threads;

/// All stages but capture.
pub(super) struct Stages {
    pub(super) threads: Threads,
    pub(super) memory: Memory,
    pub(super) reloading: Reloading,
    engine: Engine,
    /// What was done by the engines before it.
    side_work: SideWork,
    /// That of the engine: a reload begins anew with models that were lost.
    pub(super) health: Health,
    pub(super) showing: Showing,
    /// Where `select` gets its next desk.
    desks: Sender<Desk>,
    clock: Clock,
}

/// What shows the stages to operators.
pub(super) struct Showing {
    pub(super) operations: Arc<Operations>,
    pub(super) mailbox: Depth,
    pub(super) settling: Settling,
}

impl Showing {
    /// Has operators see this engine, after others that have done so much besides.
    fn attach(&self, engine: &Engine, before: SideWork, health: Health) {
        let (mailbox, settled) = (self.mailbox.clone(), self.settling.clone());
        self.operations.attach(engine.machinery((before, health), mailbox, settled));
    }

    /// Has them see the streams as they are after these changes.
    fn follow(&self, changes: &BTreeMap<StreamName, changes::Change>, planned: &[StreamPlan]) {
        for plan in planned {
            let name = &plan.spec.name;
            if changes.get(name).is_some_and(|change| change.is_of_source()) {
                self.operations.declare(name, &plan.spec.source.to_string());
            }
        }
        let is_planned = |name: &StreamName| planned.iter().any(|plan| plan.spec.name == *name);
        let gone = changes.keys().filter(|name| !is_planned(name));
        gone.for_each(|name| self.operations.forget(name));
    }
}

/// Where records go, and who else hears of them.
pub(super) type Outlets = (Box<dyn Write + Send>, Progress, Arc<Operations>, Departures);

/// The output stage, as main sees it.
pub(super) struct Output {
    /// Where settled frames go.
    pub(super) settled: Sender<Settled>,
    pub(super) settling: Settling,
    pub(super) events: Receiver<OutputEvent>,
    pub(super) summary: Receiver<Summary>,
}

impl Output {
    /// Starts it, so far behind the others at most.
    pub(super) fn start(
        capacity: usize,
        (sink, progress, operations, departures): Outlets,
        threads: &mut Threads,
    ) -> anyhow::Result<Self> {
        let ((settled, outcomes), (tell, events)) = (bounded(capacity), unbounded());
        let (summarise, summary) = bounded(1);
        let (settling, outcomes) = Settling::watch(outcomes);
        threads.spawn("output", move || {
            let summary = output::run(&outcomes, sink, tell, &progress, (operations, departures));
            // Main waits for it, or is gone and needs none.
            let _ = summarise.send(summary);
        })?;
        Ok(Self { settled, settling, events, summary })
    }
}

impl Stages {
    /// Starts them from the last to the first.
    pub(super) fn start(
        mut threads: Threads,
        parts: Parts,
        streams: &[StreamPlan],
        mut memory: Memory,
        reload: Option<Reload>,
        showing: Showing,
        (frames, clock): (mailbox::Receiver, Clock),
    ) -> anyhow::Result<Self> {
        let health = Health::default();
        let around = (&threads, health.clone(), clock);
        let (mut engine, desk) = Engine::assemble(parts, streams, None, &mut memory, around);
        engine.start(None, &mut threads)?;
        showing.attach(&engine, SideWork::default(), health.clone());
        let (desks, successors) = unbounded();
        threads.spawn("select", move || select::run(frames, desk, successors, clock))?;
        let (side_work, reloading) = (SideWork::default(), Reloading::new(reload));
        Ok(Self { threads, memory, reloading, engine, side_work, health, showing, desks, clock })
    }

    /// Begins to load what a reload needs.
    pub(super) fn begin_reload(&mut self) {
        note_reload(&ReloadEvent::Begun);
        systemd::reloading();
        let (stock, saved) = (self.engine.stock(), self.memory.saved().clone());
        self.reloading.begin(stock, saved, &self.threads.spawner());
    }

    /// Notes that a reload cannot be done.
    pub(super) fn refuse_reload(&mut self, error: &anyhow::Error) {
        self.reloading.end();
        note_reload(&ReloadEvent::Refused(format!("{error:#}")));
    }

    /// Has frames go to a new engine from the next one on, and makes the streams as planned. News of them
    /// should have been heard: what has ended is not to be taken for running.
    pub(super) fn change_over(
        &mut self,
        Loaded { parts, streams: planned, estimates }: Loaded,
        streams: &mut Streams,
    ) -> anyhow::Result<()> {
        let changes = streams.changes(&planned);
        self.health = Health::default();
        let around = (&self.threads, self.health.clone(), self.clock);
        let (engine, desk) =
            Engine::assemble(parts, &planned, Some(&self.engine), &mut self.memory, around);
        self.memory.move_to(estimates);
        let others = changes.iter().filter(|(_, change)| change.is_of_source());
        let fresh: Vec<_> = others.map(|(name, _)| name.clone()).collect();
        engine.forget_scenes(&fresh);
        // `select` takes it before the first frame of a new stream; it runs as long as streams may come.
        let _ = self.desks.send(Desk { fresh, ..desk });
        streams.call_reader();
        let side_work = self.side_work + self.engine.side_work();
        self.showing.attach(&engine, side_work, self.health.clone());
        self.showing.follow(&changes, &planned);
        let before = std::mem::replace(&mut self.engine, engine);
        self.reloading.change(Change { before, words: changes::in_words(&changes) });
        streams.follow(planned, &changes, &mut self.threads)
    }

    /// Starts the new engine: the one before has done its frames.
    pub(super) fn complete_change(&mut self) -> anyhow::Result<()> {
        let Some(Change { before, words }) = self.reloading.end() else { return Ok(()) };
        self.engine.start(Some(&before), &mut self.threads)?;
        self.side_work = self.side_work + before.side_work();
        self.showing.attach(&self.engine, self.side_work, self.health.clone());
        note_reload(&ReloadEvent::Done(words));
        Ok(())
    }

    /// Waits for every stage to run out of work, until `limit` or for `grace` after a signal; capture has
    /// ended. What was done about runs that lasted too long.
    pub(super) fn join(
        mut self,
        signals: &Receiver<()>,
        mut limit: Receiver<Instant>,
        grace: Duration,
    ) -> (SideWork, anyhow::Result<()>) {
        let changed = self.complete_change_within(signals, &mut limit, grace);
        let joined = changed.and_then(|()| self.threads.join(signals, limit, grace, self.clock));
        let joined = joined.map_err(|error| match &*in_a_row(&self.engine.running()) {
            "" => error,
            models => error.context(format!("models that run: {models}")),
        });
        self.memory.keep();
        let unsound = self.health.faults().into_iter().next().map(anyhow::Error::msg);
        (self.side_work + self.engine.side_work(), joined.and(unsound.map_or(Ok(()), Err)))
    }

    fn complete_change_within(
        &mut self,
        signals: &Receiver<()>,
        limit: &mut Receiver<Instant>,
        grace: Duration,
    ) -> anyhow::Result<()> {
        while self.reloading.is_changing() {
            let Doors { over, .. } = self.reloading.doors();
            select! {
                recv(over) -> _ => self.complete_change()?,
                recv(signals) -> _ => *limit = at(self.clock.now() + grace),
                recv(limit) -> _ => bail!("given up after {grace:?}, a reload was under way"),
            }
        }
        Ok(())
    }
}

/// Says what becomes of a reload. Whoever else is to hear of it is told here.
fn note_reload(event: &ReloadEvent) {
    match event {
        ReloadEvent::Begun => log::info!("reloading"),
        ReloadEvent::Done(words) => log::info!("reloaded: {words}"),
        ReloadEvent::Refused(faults) => {
            log::error!("the reload is refused, and the old configuration goes on");
            faults.lines().for_each(|fault| log::error!("{fault}"));
        }
    }
}
