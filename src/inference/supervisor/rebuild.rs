//! Models whose worker was fenced are built anew, in the background.
//!
//! A model is built as at the start: its file's digest and its golden output have to be right, and
//! it is warmed up. How long its runs take is known from before; a warm-up beside the runs of other
//! models would say it worse.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Supervisor, Work};
use crate::inference::RosterError;
use crate::models::ModelId;
use crate::outcome::in_words;

/// How often it is tried to build a model.
const ATTEMPTS: u32 = 3;

/// Time from one attempt to the next: what is missing, say memory, may be there then.
const PAUSE: Duration = Duration::from_secs(2);

/// Time for all attempts. Building a TensorRT engine takes minutes, but that is kept from the start.
const LIMIT: Duration = Duration::from_secs(120);

/// Builds a model: what its new workers do, each with its runner.
pub type Build = Box<dyn Fn(&ModelId) -> Result<Vec<(usize, Work)>, RosterError> + Send + Sync>;

/// Where models are built anew.
pub struct Workshop {
    pub(super) build: Build,
    pub(super) attempts: u32,
    pub(super) pause: Duration,
    pub(super) limit: Duration,
}

impl Workshop {
    /// One that builds with `build`.
    pub fn new(build: Build) -> Self {
        Self { build, attempts: ATTEMPTS, pause: PAUSE, limit: LIMIT }
    }
}

impl Supervisor {
    /// Has a model built that is to be in service and has no worker: those whose sessions it was to go on
    /// with did not come back.
    pub fn supply(self: &Arc<Self>, model: ModelId) {
        log::warn!("model {model} is built anew: its sessions were not to be had");
        self.queue.retire(&model);
        let limit = self.clock.now() + self.workshop.limit;
        self.lock().mending.insert(model.clone(), limit);
        self.start_rebuilding(model);
    }

    pub(super) fn start_rebuilding(self: &Arc<Self>, model: ModelId) {
        let (supervisor, name) = (Arc::clone(self), format!("rebuild-{model}"));
        let of = model.clone();
        if let Err(error) = self.threads.spawn(&name, move || supervisor.rebuild(&of)) {
            self.lose(&model, &format!("no thread can be started to build it anew: {error}"));
        }
    }

    fn rebuild(self: &Arc<Self>, model: &ModelId) {
        for attempt in 1.. {
            match (self.workshop.build)(model) {
                Ok(works) => return self.reinstate(model, works),
                Err(error) if attempt >= self.workshop.attempts => {
                    let error = in_words(&error);
                    return self.lose(model, &format!("it cannot be built anew: {error}"));
                }
                Err(error) => {
                    log::warn!(model:%, reason = "not_rebuilt"; "model {model} is not built anew yet: {}", in_words(&error));
                }
            }
            if !self.pause(model) {
                return;
            }
        }
    }

    /// Waits before the next attempt; whether there should be one.
    fn pause(&self, model: &ModelId) -> bool {
        let start = self.clock.now();
        let mut state = self.lock();
        loop {
            let rest = self.workshop.pause.saturating_sub(self.clock.now() - start);
            if !state.mending.contains_key(model) {
                return false;
            }
            if rest.is_zero() {
                return true;
            }
            let woken = self.changed.wait_timeout(state, rest);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a model back into service, unless it was given up meanwhile or the run is at its end.
    fn reinstate(self: &Arc<Self>, model: &ModelId, works: Vec<(usize, Work)>) {
        let mut state = self.lock();
        if state.mending.remove(model).is_none() {
            return;
        }
        let enlist = |(runner, work)| (state.enlist(model, runner), work);
        let enlisted: Vec<_> = works.into_iter().map(enlist).collect();
        drop(state);
        for (place, work) in enlisted {
            if let Err(error) = self.start(model.clone(), place, work) {
                // The place that was enlisted is gone with the work, which the process notes.
                log::error!("a worker of model {model} cannot be started: {error}");
                return;
            }
        }
        self.queue.restore(model);
        self.lock().counts.rebuilt += 1;
        self.changed.notify_all();
        log::warn!(model:%, reason = "rebuilt"; "model {model} is back in service");
    }
}
