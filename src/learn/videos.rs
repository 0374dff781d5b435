//! Frames of recordings, through the capture stage, without losing any.
//!
//! The stream is [`Delivery::Lossless`]: its decoder waits while a frame is worked on. A thread
//! `recording` hears what happens to the stream and stops it when it has ended or broken.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select, unbounded};

use crate::capture::mailbox::{self, Delivery};
use crate::capture::{
    self, Capture, CaptureError, EventKind, Extent, Playback, Source, StreamSpec,
};
use crate::clock::Clock;
use crate::frame::{Budget, Picture, StreamName};
use crate::outcome::{Outcome, Settled};

/// A recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What its frames are filed under.
    pub name: String,
    /// Where they come from.
    pub source: Source,
}

/// A frame of a recording.
pub struct Shown<'a> {
    /// Frames before it.
    pub number: u64,
    /// What it shows.
    pub picture: &'a Picture,
    /// When it plays and how long the recording is, if both are known.
    pub position: Option<(Duration, Duration)>,
}

/// How playing a recording went.
#[derive(Debug)]
pub struct Played<B> {
    /// What `visit` broke off with.
    pub broken: Option<B>,
    /// Frames that could not be read.
    pub unreadable: usize,
    /// What ended the recording before its end.
    pub fault: Option<CaptureError>,
}

impl Recording {
    /// Shows every frame to `visit`, in order, until it breaks off.
    pub fn play<B>(
        &self,
        clock: Clock,
        mut visit: impl FnMut(Shown<'_>) -> ControlFlow<B>,
    ) -> Result<Played<B>, CaptureError> {
        let (mailbox, frames) = mailbox::mailbox();
        let (settled, outcomes) = unbounded();
        let (events, told) = unbounded();
        let sender = mailbox.open(Delivery::Lossless);
        let capture = capture::start(&self.spec(), sender, settled, events, clock)?;
        drop(mailbox);
        let capture = Mutex::new(Some(capture));
        let (leave, left) = bounded(0);
        thread::scope(|scope| {
            let watcher = thread::Builder::new()
                .name("recording".to_owned())
                .spawn_scoped(scope, || watch(&capture, &told, &left));
            let watcher = watcher.map_err(|source| CaptureError::Thread {
                input: self.source.to_string(),
                source,
            })?;
            let mut played = Played { broken: None, unreadable: 0, fault: None };
            while let Some(frame) = frames.take() {
                let origin = &frame.ticket.account().origin;
                let position = origin.pts.zip(length(&capture));
                let shown = Shown { number: origin.id.number, picture: &frame.picture, position };
                if let ControlFlow::Break(broken) = visit(shown) {
                    played.broken = Some(broken);
                    break;
                }
                drop(frame);
                played.unreadable += failures(&outcomes);
            }
            drop((frames, leave));
            played.fault = watcher.join().ok().flatten();
            played.unreadable += failures(&outcomes);
            Ok(played)
        })
    }

    fn spec(&self) -> StreamSpec {
        let (name, source) = (StreamName::new(&self.name), self.source.clone());
        let playback = Playback::Once;
        StreamSpec { name, source, budget: Budget::LONGEST, patience: None, playback }
    }
}

/// How long the recording is, while it plays.
fn length(capture: &Mutex<Option<Capture>>) -> Option<Duration> {
    let capture = capture.lock().unwrap_or_else(PoisonError::into_inner);
    match capture.as_ref()?.extent()? {
        Extent::Time(length) => Some(length),
        Extent::Frames(_) => None,
    }
}

/// Stops the stream when it is over or nobody takes frames any more. What it broke with, if it did.
fn watch(
    capture: &Mutex<Option<Capture>>,
    told: &Receiver<capture::Event>,
    left: &Receiver<Infallible>,
) -> Option<CaptureError> {
    let fault = last_event(told, left);
    let capture = capture.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(capture) = capture {
        capture.stop();
    }
    fault
}

fn last_event(
    told: &Receiver<capture::Event>,
    left: &Receiver<Infallible>,
) -> Option<CaptureError> {
    loop {
        let event = select! {
            recv(told) -> event => event.ok()?,
            recv(left) -> _ => told.try_iter().find(|event| event.kind.is_last())?,
        };
        match event.kind {
            EventKind::Changed(change) => log::warn!("{}: {change}", event.stream),
            EventKind::Warning(warning) => log::warn!("{}: {warning}", event.stream),
            EventKind::Ended => return None,
            EventKind::Failed(error) => return Some(error),
        }
    }
}

/// How many frames came to nothing since they were last counted, each with a warning.
fn failures(outcomes: &Receiver<Settled>) -> usize {
    let failure = |settled: Settled| match settled.outcome {
        Outcome::Failed(failure) => {
            let frame = settled.account.origin.id;
            log::warn!("frame {frame} is left out: {}", failure.error);
            Some(())
        }
        _ => None,
    };
    outcomes.try_iter().filter_map(failure).count()
}
