//! What the service manager is told, and what it asks for: sd_notify(3).
//!
//! Without a service manager (`$NOTIFY_SOCKET` is not set) nothing here does anything, so nobody who
//! calls it asks whether there is one. A service manager tells its service how often it wants to hear
//! that all is well ([`watchdog`]); when that is so says [`crate::watchdog`].
//!
//! ```text
//! Startup::begin ── STATUS, EXTEND_TIMEOUT_USEC, again and again ── ready
//! ready ── STATUS, WATCHDOG ── reloading ── Startup::begin ── ... ── ready ── ... ── stopping
//! ```

use std::env;
use std::fmt;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, tick, unbounded};
use sd_notify::NotifyState;

use crate::clock::Clock;

/// How long the service manager is asked to wait on.
const EXTENSION: Duration = Duration::from_secs(60);

/// How often it is asked.
const EXTEND_EVERY: Duration = Duration::from_secs(10);

/// No step of a start lasts longer unless it is stuck. A Jetson builds the engine of a large network in
/// some ten minutes.
const LONGEST_STEP: Duration = Duration::from_secs(3600);

/// Whether there is a service manager that listens.
pub fn is_listening() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// The longest pause between two [`alive`] that the service manager allows; `None` if it does not
/// watch.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Says that the service does its work, from the start or again after [`reloading`].
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the configuration is read anew. [`ready`] must follow, whether the new one is used or
/// not.
pub fn reloading() {
    let status = NotifyState::Status("reading the configuration anew");
    match NotifyState::monotonic_usec_now() {
        // The time tells the service manager which READY is the answer to this.
        Ok(now) => tell(&[NotifyState::Reloading, now, status]),
        Err(error) => log::warn!("the service manager is not told of the reload: {error}"),
    }
}

/// Says that the service ends.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Says what the service does, in one line for people.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Says that all is well: feeds the watchdog.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the service manager cannot be told anything ($NOTIFY_SOCKET): {error}");
    }
}

/// The time before the service is ready, or ready again: as long as this lives, the service manager waits.
///
/// To load models can take minutes where engines are built. A step that lasts longer than an hour is
/// taken to be stuck, and the service manager may lose its patience.
#[derive(Debug, Default)]
pub struct Startup(Option<Companion>);

/// The thread that speaks while the others work.
#[derive(Debug)]
struct Companion {
    steps: Sender<String>,
    thread: JoinHandle<()>,
}

impl Startup {
    /// Begins, if there is a service manager.
    pub fn begin(clock: Clock) -> Self {
        if !is_listening() {
            return Self::default();
        }
        let (steps, begun) = unbounded();
        let work = move || accompany(&begun, clock);
        match thread::Builder::new().name("startup".to_owned()).spawn(work) {
            Ok(thread) => Self(Some(Companion { steps, thread })),
            Err(error) => {
                log::warn!("the service manager is not told how the start goes: {error}");
                Self::default()
            }
        }
    }

    /// Says what is done now.
    pub fn step(&self, what: impl fmt::Display) {
        if let Some(companion) = &self.0 {
            // It listens until it is dropped here.
            let _ = companion.steps.send(what.to_string());
        }
    }

    /// Ends it. Nothing is said any more when this returns.
    pub fn end(self) {
        if let Some(Companion { steps, thread }) = self.0 {
            drop(steps);
            if thread.join().is_err() {
                log::warn!("thread startup has panicked");
            }
        }
    }
}

fn accompany(begun: &Receiver<String>, clock: Clock) {
    let ticks = tick(EXTEND_EVERY);
    let mut step = Step { what: "starting".to_owned(), since: clock.now() };
    loop {
        step.say(clock.now());
        select! {
            recv(begun) -> what => match what {
                Ok(what) => step = Step { what, since: clock.now() },
                Err(_) => return,
            },
            recv(ticks) -> _ => {}
        }
    }
}

/// A step of the start, or of a reload.
struct Step {
    what: String,
    since: Instant,
}

impl Step {
    fn say(&self, now: Instant) {
        match self.words(now) {
            Some(words) => {
                let extension = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
                tell(&[NotifyState::ExtendTimeoutUsec(extension), NotifyState::Status(&words)]);
            }
            None => status(&format!("{}: stuck for more than an hour", self.what)),
        }
    }

    /// What it is, and for how long if that is long; `None` if it is stuck.
    fn words(&self, now: Instant) -> Option<String> {
        let lasted = now.saturating_duration_since(self.since);
        if lasted > LONGEST_STEP {
            return None;
        }
        let Self { what, .. } = self;
        Some(match lasted.as_secs() {
            0..10 => what.clone(),
            seconds => format!("{what}, for {seconds} s (to build an engine takes minutes)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_start_says_how_long_it_lasts_until_it_is_stuck() {
        let since = Clock.now();
        let step = Step { what: "loading model 1 of 6: a".to_owned(), since };
        let after = |seconds| step.words(since + Duration::from_secs(seconds));
        assert_eq!(after(9).as_deref(), Some("loading model 1 of 6: a"));
        let long = "loading model 1 of 6: a, for 240 s (to build an engine takes minutes)";
        assert_eq!(after(240).as_deref(), Some(long));
        assert_eq!((after(3600).is_some(), after(3601)), (true, None));
    }

    #[test]
    fn a_start_without_a_service_manager_has_no_thread() {
        let startup = Startup::default();
        startup.step("loading");
        startup.end();
    }
}
