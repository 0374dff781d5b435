//! Outcomes become records: JSON Lines, in the order of capture within each stream, and a tally.
//!
//! The thread `output` is the last on a frame's path. It ends when every sender of outcomes is
//! gone, that is, when every ticket is settled, and then gives the [`Summary`]. Records are flushed
//! whenever no further outcome waits: live output is prompt, and a replay is not slowed by writes.
//!
//! A frame between classified ones gets its stream's latest answer here, where the order of capture decides
//! which answer that is. A reader that goes away ([`OutputEvent::ReaderGone`]) or a full disk
//! ([`OutputEvent::Failed`]) is main's to act on; until it does, frames are drained and counted.

mod clock_steps;
mod departures;
mod latency;
mod losses;
mod order;
mod progress;
mod record;
mod reuse;
mod sink;
mod summary;
pub(crate) mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

pub use departures::{Departed, Departures};
pub use losses::Losses;
pub use progress::{LogWriter, Progress};
pub use record::RECORD_SCHEMA;
pub(crate) use record::rfc3339;
pub use sink::OutputEvent;
pub use summary::{Figures, Imbalance, ModelFigures, StreamFigures, Summary};

use crate::frame::StreamName;
use crate::operations::Operations;
use crate::outcome::Settled;
use clock_steps::ClockSteps;
use order::{CaptureOrder, Next};
use progress::RunBar;
use record::Record;
use reuse::Reusable;
use sink::Sink;
use tally::Tally;

/// The work of the thread `output`: writes the records of `settled` frames to `sink` until all
/// senders of `settled` are gone. `events` hears of a sink that refuses records; operations hear of every
/// frame, and departures of every one that is written.
pub fn run(
    settled: &Receiver<Settled>,
    sink: Box<dyn Write + Send>,
    events: Sender<OutputEvent>,
    progress: &Progress,
    (operations, departures): (Arc<Operations>, Departures),
) -> Summary {
    let sink = Sink::new(sink, events);
    let exit = Exit { sink, bar: progress.start(), operations, departures };
    Output { settled, streams: BTreeMap::new(), exit }.run()
}

/// The output stage.
struct Output<'a> {
    settled: &'a Receiver<Settled>,
    streams: BTreeMap<StreamName, Stream>,
    exit: Exit,
}

/// Where frames leave the program.
struct Exit {
    sink: Sink,
    bar: RunBar,
    operations: Arc<Operations>,
    departures: Departures,
}

/// What is kept of one stream.
#[derive(Default)]
struct Stream {
    order: CaptureOrder<Settled>,
    latest: Option<Reusable>,
    clock_steps: ClockSteps,
    tally: Tally,
}

impl Output<'_> {
    fn run(mut self) -> Summary {
        while let Some(settled) = self.next() {
            let name = settled.account.origin.id.stream.clone();
            let stream = self.streams.entry(name.clone()).or_default();
            let departed = stream.accept(&name, settled, &mut self.exit);
            self.exit.departures.note(&name, departed);
        }
        self.finish()
    }

    /// The next outcome in the order of settlement; flushes before it waits for one.
    fn next(&mut self) -> Option<Settled> {
        match self.settled.try_recv() {
            Ok(settled) => Some(settled),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                self.exit.sink.flush();
                self.settled.recv().ok()
            }
        }
    }

    fn finish(self) -> Summary {
        let mut exit = self.exit;
        let close = |(name, stream): (StreamName, Stream)| {
            let tally = stream.close(&name, &mut exit);
            (name, tally)
        };
        let tallies = self.streams.into_iter().map(close).collect();
        exit.sink.flush();
        exit.bar.finish();
        let summary = Summary::new(&tallies);
        if let Err(imbalance) = summary.balance() {
            log::error!("{imbalance}; please report this as a fault of classifyd");
        }
        summary
    }
}

impl Stream {
    fn accept(&mut self, name: &StreamName, settled: Settled, exit: &mut Exit) -> Departed {
        if let Err(stray) = self.order.insert(settled.account.origin.id.number, settled) {
            let id = &stray.account.origin.id;
            log::error!(
                stream = id.stream.as_str(), frame = id.number;
                "frame {id} was settled twice, or after it was given up as lost"
            );
        }
        let before = self.departed();
        self.let_out(name, exit);
        self.departed().since(before)
    }

    fn departed(&self) -> Departed {
        Departed {
            frames: self.order.passed(),
            in_time: self.tally.met_deadline,
            decided: self.tally.decided(),
            superseded: self.tally.superseded,
        }
    }

    fn close(mut self, name: &StreamName, exit: &mut Exit) -> Tally {
        self.order.close();
        self.let_out(name, exit);
        self.tally.captured = self.order.passed();
        self.tally
    }

    /// Lets out every frame whose turn has come.
    fn let_out(&mut self, name: &StreamName, exit: &mut Exit) {
        while let Some(next) = self.order.pop() {
            match next {
                Next::Item(settled) => self.emit(settled, exit),
                Next::Lost(frames) => {
                    let count = frames.end - frames.start;
                    self.tally.lost += count;
                    exit.operations.note_lost(name, count);
                    log::error!(
                        stream = name.as_str(), frame = frames.start;
                        "no outcome ever came for frames {frames:?} of stream {name}; they are lost"
                    );
                }
            }
        }
    }

    fn emit(&mut self, mut settled: Settled, exit: &mut Exit) {
        if let Some(latest) = &self.latest {
            latest.postpone(&mut settled);
        }
        let clock_step_ms = self.clock_steps.note(&settled.account.origin);
        let record = Record::new(&settled, self.latest.as_ref(), clock_step_ms);
        exit.sink.write(&record);
        exit.bar.advance(&settled);
        exit.operations.note_published(&settled, record.met_deadline());
        self.tally.count(&settled, record.met_deadline());
        if let Some(latest) = Reusable::from_settled(settled) {
            self.latest = Some(latest);
        }
    }
}
