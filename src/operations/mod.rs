//! What operators see of a running daemon: a status document, metrics for Prometheus, and its health.
//!
//! [`Operations`] is fed by the stages (`note_...`) and read by the threads that answer operators. The
//! two meet in counters that are atomic, and in locks that are held to copy a few words: no stage waits
//! for a reader, however slow. What others know anyway (the queue's estimates, the supervisor's counts)
//! is asked for when somebody reads ([`Machinery`]).
//!
//! All memory is bounded: there is a set of counters for each stream and model of the configuration and
//! for nothing else, and of errors the latest few are kept.
//!
//! - `board` reads sensors, clocks and the power mode of the machine.
//! - `stream` is what is known of one stream, `meters` are the counters and histograms of all.
//! - [`status`] is the document, `exposition` the text for Prometheus.
//! - `serve` answers connections, few at a time and none for long; [`socket`] is where the document is
//!   to be had, `http` where metrics and health are. [`Endpoints`] opens both.

mod board;
mod endpoints;
mod errors;
mod exposition;
mod http;
mod machinery;
mod meters;
mod process;
mod serve;
pub mod socket;
pub mod status;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

pub use endpoints::{DEFAULT_LISTEN, EndpointError, Endpoints};
pub use machinery::{Machinery, Settling, SideWork};

use crate::capture::{News, NewsKind};
use crate::clock::Clock;
use crate::engines::EngineBuilds;
use crate::frame::StreamName;
use crate::outcome::{Outcome, Settled, in_words};
use meters::Meters;
use stream::StreamBoard;

/// What is known of a run, for those who operate it. One without streams ignores all frames.
pub struct Operations {
    started: Started,
    streams: RwLock<BTreeMap<StreamName, Arc<StreamBoard>>>,
    meters: Meters,
    engine_builds: EngineBuilds,
    /// `None` until the stages are up.
    machinery: RwLock<Option<Machinery>>,
    /// Where the machine's files are: `/`, but in tests.
    root: PathBuf,
    clock: Clock,
}

/// When the process began.
#[derive(Clone, Copy, Debug)]
struct Started {
    at: Instant,
    wall: SystemTime,
}

impl Default for Operations {
    fn default() -> Self {
        Self::new(Clock)
    }
}

impl Operations {
    /// What is known at the start: nothing, of no stream.
    pub fn new(clock: Clock) -> Self {
        Self {
            started: Started { at: clock.now(), wall: clock.wall() },
            streams: RwLock::default(),
            meters: Meters::default(),
            engine_builds: EngineBuilds::default(),
            machinery: RwLock::default(),
            root: PathBuf::from("/"),
            clock,
        }
    }

    /// Where engine builds are counted.
    pub fn engine_builds(&self) -> EngineBuilds {
        self.engine_builds.clone()
    }

    /// Says that there is a stream, from this source, whose name must not hold secrets.
    pub fn declare(&self, stream: &StreamName, source: &str) {
        let meters = self.meters.of_stream(stream.as_str());
        let board = Arc::new(StreamBoard::new(source.to_owned(), meters, self.clock.now()));
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.clone(), board);
    }

    /// Says that there is no such stream any more: nothing of it is shown.
    pub fn forget(&self, stream: &StreamName) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(stream);
        self.meters.forget_stream(stream.as_str());
    }

    /// Says what there is to be asked from now on: the stages are up.
    pub fn attach(&self, machinery: Machinery) {
        for (model, provider) in &machinery.providers {
            self.meters.runs(model, *provider);
        }
        *self.machinery.write().unwrap_or_else(PoisonError::into_inner) = Some(machinery);
    }

    /// Counts a frame whose record was just handed out; `met_deadline` says whether it has an answer
    /// that was in time.
    pub fn note_published(&self, settled: &Settled, met_deadline: bool) {
        let id = &settled.account.origin.id;
        let Some(board) = self.stream(&id.stream) else { return };
        let now = self.clock.now();
        self.meters.count_stages(&settled.account.trace.timings);
        if let Outcome::Classified(answer) = &settled.outcome {
            for run in &answer.runs {
                self.meters.runs(&run.model, run.provider).inc();
            }
        }
        board.count(settled, met_deadline, now);
        if let Outcome::Failed(failure) = &settled.outcome {
            let (stream, frame, reason) = (id.stream.as_str(), id.number, failure.stage.code());
            log::debug!(stream, frame, reason; "frame {id} failed: {}", failure.error);
            board.note_error(failure.error.clone(), self.clock.wall());
        }
    }

    /// Counts frames whose outcome never came.
    pub fn note_lost(&self, stream: &StreamName, frames: u64) {
        if let Some(board) = self.stream(stream) {
            board.count_lost(frames);
        }
    }

    /// Notes what happened to a stream.
    pub fn note_news(&self, News { stream, kind, .. }: &News) {
        let Some(board) = self.stream(stream) else { return };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        match kind {
            NewsKind::State(state) => board.note_state(state, now),
            NewsKind::Lost(_, error) => board.note_error(in_words(error), wall),
            NewsKind::Warning(warning) => board.note_error(warning.clone(), wall),
            NewsKind::Over(end) => {
                board.note_end(now);
                if let Err(error) = end {
                    board.note_error(in_words(error), wall);
                }
            }
        }
    }

    fn stream(&self, stream: &StreamName) -> Option<Arc<StreamBoard>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).get(stream).cloned()
    }

    /// All streams there are.
    fn boards(&self) -> Vec<(StreamName, Arc<StreamBoard>)> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.iter().map(|(name, board)| (name.clone(), Arc::clone(board))).collect()
    }

    /// Asks the stages, if they are up.
    fn ask<T>(&self, question: impl FnOnce(&Machinery) -> T) -> Option<T> {
        let machinery = self.machinery.read().unwrap_or_else(PoisonError::into_inner);
        machinery.as_ref().map(question)
    }

    /// Why the process should be started anew, in words; `None` as long as the stages are not up.
    fn faults(&self) -> Option<Vec<String>> {
        self.ask(|machinery| machinery.health.faults())
    }
}
