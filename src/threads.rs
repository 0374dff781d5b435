//! Threads that say when they are over, whichever way they end.
//!
//! [`Threads`] are joined at the end. Those of a [`Spawner`] are not: they may be stuck for good in
//! what they call; all that is heard of them is a panic.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, at, select, unbounded};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use crate::clock::Clock;

/// The threads of a run.
pub struct Threads {
    /// Those that are not known to be over.
    running: BTreeMap<ThreadId, Running>,
    farewell: Farewells,
    /// Those that are over.
    exits: Receiver<ThreadId>,
    /// The names of those that panicked.
    panics: Receiver<String>,
}

struct Running {
    name: String,
    thread: JoinHandle<()>,
}

impl Default for Threads {
    fn default() -> Self {
        let ((exit, exits), (panic, panics)) = (unbounded(), unbounded());
        Self { running: BTreeMap::new(), farewell: Farewells { exit, panic }, exits, panics }
    }
}

impl Threads {
    /// Starts a thread that [`Self::join`] waits for.
    pub fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<()> {
        self.forget_those_that_are_over();
        let thread = self.farewell.spawn(name, work);
        let (id, thread) = thread.with_context(|| format!("cannot start the thread {name}"))?;
        self.running.insert(id, Running { name: name.to_owned(), thread });
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
        mut self,
        signals: &Receiver<()>,
        mut limit: Receiver<Instant>,
        grace: Duration,
        clock: Clock,
    ) -> anyhow::Result<()> {
        while !self.running.is_empty() {
            select! {
                recv(self.exits) -> thread => if let Ok(thread) = thread {
                    self.forget(thread);
                },
                recv(signals) -> _ => limit = at(clock.now() + grace),
                recv(limit) -> _ => {
                    let names = self.running.values().map(|running| running.name.as_str());
                    let names = names.collect::<Vec<_>>().join(", ");
                    bail!("given up after {grace:?}, still at work: {names}");
                }
            }
        }
        match self.panics.try_recv() {
            Ok(name) => Err(anyhow!("thread {name} has panicked")),
            Err(_) => Ok(()),
        }
    }

    fn forget_those_that_are_over(&mut self) {
        while let Ok(thread) = self.exits.try_recv() {
            self.forget(thread);
        }
    }

    fn forget(&mut self, thread: ThreadId) {
        if let Some(Running { thread, .. }) = self.running.remove(&thread) {
            // Whether it panicked is heard of as of all others.
            let _ = thread.join();
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

/// Tells threads apart, which may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ThreadId(u64);

static THREADS_STARTED: AtomicU64 = AtomicU64::new(0);

/// Where threads say that they are over.
#[derive(Clone)]
struct Farewells {
    exit: Sender<ThreadId>,
    panic: Sender<String>,
}

impl Farewells {
    fn spawn(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<(ThreadId, JoinHandle<()>)> {
        let id = ThreadId(THREADS_STARTED.fetch_add(1, Ordering::Relaxed));
        let farewell = Farewell { id, thread: name.to_owned(), to: self.clone() };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _farewell = farewell;
            work();
        })?;
        Ok((id, thread))
    }
}

/// Says that its thread is over, whichever way it ends.
struct Farewell {
    id: ThreadId,
    thread: String,
    to: Farewells,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody listens once main has given the threads up.
        if thread::panicking() {
            let _ = self.to.panic.send(self.thread.clone());
        }
        let _ = self.to.exit.send(self.id);
    }
}

/// Has the calling thread, and all that it starts, give way to other threads wherever they want the
/// processor. There is no way back without privileges.
pub fn give_way() {
    if let Err(error) = rustix::process::nice(LEAST_URGENT) {
        log::debug!("the priority of a thread stays as it is: {error}");
    }
}

/// Has the calling thread run only while a processor would be idle: any other thread that wakes takes its
/// place at once. Where that is not allowed it [gives way](give_way).
pub fn only_when_idle() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let (thread, least) = (thread_native_id(), ThreadPriority::Min);
    if let Err(error) = set_thread_priority_and_policy(thread, least, idle) {
        log::debug!("a thread that should run when all others are idle only gives way: {error}");
        give_way();
    }
}

/// The niceness of a thread that only has what others leave.
const LEAST_URGENT: i32 = 19;

#[cfg(test)]
mod tests {
    use crossbeam_channel::{bounded, never};

    use super::*;

    #[test]
    fn threads_of_the_same_name_are_each_waited_for() {
        let mut threads = Threads::default();
        threads.spawn("twin", || {}).unwrap();
        let (go, told) = bounded::<()>(1);
        threads.spawn("twin", move || told.recv().unwrap()).unwrap();
        let (joined, limit) = bounded(1);
        let waiter = thread::spawn(move || {
            joined.send(threads.join(&never(), never(), Duration::ZERO, Clock).is_ok()).unwrap();
        });
        assert!(limit.recv_timeout(Duration::from_millis(50)).is_err(), "one is at work");
        go.send(()).unwrap();
        assert!(limit.recv().unwrap());
        waiter.join().unwrap();
    }

    #[test]
    fn a_thread_that_gives_way_leaves_the_others_as_they_are() {
        let before = rustix::process::nice(0).unwrap();
        thread::spawn(|| {
            give_way();
            assert_eq!(rustix::process::nice(0).unwrap(), LEAST_URGENT);
        })
        .join()
        .unwrap();
        assert_eq!(rustix::process::nice(0).unwrap(), before);
    }

    #[test]
    fn a_thread_that_runs_when_all_others_are_idle_is_the_only_one_that_does() {
        use thread_priority::unix::thread_schedule_policy;
        let before = thread_schedule_policy().unwrap();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        thread::spawn(move || {
            only_when_idle();
            assert_eq!(thread_schedule_policy().unwrap(), idle);
        })
        .join()
        .unwrap();
        assert_eq!(thread_schedule_policy().unwrap(), before);
        assert_ne!(before, idle);
    }
}
