//! What is under way of a reload. One goes on at a time; whoever asks for another meanwhile gets one
//! after it.
//!
//! 1. A thread `reload` reads the configuration and loads what is new, beside what is at work. It has
//!    only what the other threads leave of the processor, if nothing that it loads is left with its
//!    priority. Whatever fails, the old goes on.
//! 2. Main puts the new engine in the place of the old one, and streams become as planned.
//! 3. When the old engine has done its frames, the new one takes over its sessions and starts.

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use crossbeam_channel::{Receiver, bounded, never};

use super::engine::{Engine, Parts};
use super::{Setup, StreamPlan, refuse_mixed_paces};
use crate::inference::Stock;
use crate::scheduler::estimate::Saved;
use crate::threads::Spawner;

/// Makes what a run is to go on with, beside models at work.
pub type Renew = Arc<dyn Fn(&Stock) -> anyhow::Result<Setup> + Send + Sync>;

/// How a run is reloaded.
pub struct Reload {
    /// Hears when it should be.
    pub asked: Receiver<()>,
    /// Reads and loads anew.
    pub renew: Renew,
}

/// What is told of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadEvent {
    /// It has begun.
    Begun,
    /// It is done: what became of the streams, in words.
    Done(String),
    /// It could not be done, and the old goes on: why, a fault a line.
    Refused(String),
}

/// What a reload has loaded.
pub(super) struct Loaded {
    pub(super) parts: Parts,
    pub(super) streams: Vec<StreamPlan>,
    pub(super) estimates: Option<PathBuf>,
}

/// An engine that has frames left, and one that waits for that.
pub(super) struct Change {
    pub(super) before: Engine,
    /// What became of the streams.
    pub(super) words: String,
}

/// The reload that is under way, if any.
pub(super) struct Reloading {
    reload: Option<Reload>,
    phase: Phase,
}

enum Phase {
    Idle,
    Loading(Receiver<anyhow::Result<Loaded>>),
    Changing(Box<Change>),
}

/// What a reload waits for; all but one are silent.
pub(super) struct Doors {
    /// To begin.
    pub(super) asked: Receiver<()>,
    /// To have loaded what it needs.
    pub(super) loaded: Receiver<anyhow::Result<Loaded>>,
    /// For the old engine to be done.
    pub(super) over: Receiver<()>,
}

impl Reloading {
    /// Nothing is under way.
    pub(super) fn new(reload: Option<Reload>) -> Self {
        Self { reload, phase: Phase::Idle }
    }

    pub(super) fn doors(&self) -> Doors {
        let silent = || Doors { asked: never(), loaded: never(), over: never() };
        match &self.phase {
            Phase::Idle => match &self.reload {
                Some(reload) => Doors { asked: reload.asked.clone(), ..silent() },
                None => silent(),
            },
            Phase::Loading(loaded) => Doors { loaded: loaded.clone(), ..silent() },
            Phase::Changing(change) => Doors { over: change.before.over().clone(), ..silent() },
        }
    }

    /// Begins to load.
    pub(super) fn begin(&mut self, stock: Arc<Stock>, saved: Saved, threads: &Spawner) {
        let Some(Reload { renew, .. }) = &self.reload else { return };
        let (renew, (tell, loaded)) = (Arc::clone(renew), bounded(1));
        let fault = tell.clone();
        let spawned = threads.spawn("reload", move || {
            let load = AssertUnwindSafe(|| load(&renew, &stock, &saved));
            let broken_off = |_| Err(anyhow!("it broke off, by a fault of classifyd"));
            // Once the run is at its end nobody waits for it.
            let _ = tell.send(panic::catch_unwind(load).unwrap_or_else(broken_off));
        });
        if let Err(error) = spawned {
            let error = anyhow::Error::from(error).context("cannot start the thread reload");
            // There is room for one, and the thread has sent none.
            let _ = fault.send(Err(error));
        }
        self.phase = Phase::Loading(loaded);
    }

    /// The new engine waits for the one before.
    pub(super) fn change(&mut self, change: Change) {
        self.phase = Phase::Changing(Box::new(change));
    }

    /// Nothing is under way any more: the change that was, if there was one.
    pub(super) fn end(&mut self) -> Option<Change> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Changing(change) => Some(*change),
            Phase::Idle | Phase::Loading(_) => None,
        }
    }

    /// Nobody can ask any more.
    pub(super) fn give_up(&mut self) {
        self.reload = None;
    }

    /// Whether a new engine waits.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.phase, Phase::Changing(_))
    }
}

fn load(renew: &Renew, stock: &Stock, saved: &Saved) -> anyhow::Result<Loaded> {
    let setup = renew(stock)?;
    refuse_mixed_paces(&setup.streams)?;
    let estimates = setup.estimates.clone();
    let (parts, streams) = Parts::of(setup, saved)?;
    Ok(Loaded { parts, streams, estimates })
}
