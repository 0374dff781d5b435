//! Threads that say when they are over, whichever way they end.
//!
//! [`Threads`] are joined at the end. Those of a [`Spawner`] are not: they may be stuck for good in
//! what they call; all that is heard of them is a panic.

use std::collections::BTreeMap;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, at, select, unbounded};

use crate::clock::Clock;

/// The threads of a run.
pub struct Threads {
    running: Vec<(String, JoinHandle<()>)>,
    farewell: Farewells,
    /// The names of those that are over.
    exits: Receiver<String>,
    /// The names of those that panicked.
    panics: Receiver<String>,
}

impl Default for Threads {
    fn default() -> Self {
        let ((exit, exits), (panic, panics)) = (unbounded(), unbounded());
        Self { running: Vec::new(), farewell: Farewells { exit, panic }, exits, panics }
    }
}

impl Threads {
    /// Starts a thread that [`Self::join`] waits for.
    pub fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<()> {
        let thread = self.farewell.spawn(name, work);
        let thread = thread.with_context(|| format!("cannot start the thread {name}"))?;
        self.running.push((name.to_owned(), thread));
        Ok(())
    }

    /// Starts threads that nobody waits for.
    pub fn spawner(&self) -> Spawner {
        Spawner { farewell: self.farewell.clone() }
    }

    /// The names of threads that panicked, as they do.
    pub fn panics(&self) -> &Receiver<String> {
        &self.panics
    }

    /// Waits for every thread to end of itself, until `limit` or for `grace` after a signal.
    pub fn join(
        self,
        signals: &Receiver<()>,
        mut limit: Receiver<Instant>,
        grace: Duration,
        clock: Clock,
    ) -> anyhow::Result<()> {
        let mut left: BTreeMap<String, JoinHandle<()>> = self.running.into_iter().collect();
        while !left.is_empty() {
            select! {
                recv(self.exits) -> thread => {
                    let name = thread.unwrap_or_default();
                    if let Some(thread) = left.remove(&name) {
                        // Whether it panicked is heard below, as of all others.
                        let _ = thread.join();
                    }
                }
                recv(signals) -> _ => limit = at(clock.now() + grace),
                recv(limit) -> _ => {
                    let names: Vec<&str> = left.keys().map(String::as_str).collect();
                    bail!("given up after {grace:?}, still at work: {}", names.join(", "));
                }
            }
        }
        match self.panics.try_recv() {
            Ok(name) => Err(anyhow!("thread {name} has panicked")),
            Err(_) => Ok(()),
        }
    }
}

/// Starts threads that nobody waits for.
#[derive(Clone)]
pub struct Spawner {
    farewell: Farewells,
}

impl Spawner {
    /// Starts a thread.
    pub fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.farewell.spawn(name, work).map(drop)
    }
}

/// Where threads say that they are over.
#[derive(Clone)]
struct Farewells {
    exit: Sender<String>,
    panic: Sender<String>,
}

impl Farewells {
    fn spawn(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let farewell = Farewell { thread: name.to_owned(), to: self.clone() };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _farewell = farewell;
            work();
        })
    }
}

/// Says that its thread is over, whichever way it ends.
struct Farewell {
    thread: String,
    to: Farewells,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody listens once main has given the threads up.
        if thread::panicking() {
            let _ = self.to.panic.send(self.thread.clone());
        }
        let _ = self.to.exit.send(self.thread.clone());
    }
}
