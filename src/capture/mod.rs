//! The capture stage: a source becomes frames, and frames wait in the mailbox.
//!
//! A [`Source`] is what the user names. [`start`] runs it: GStreamer decodes videos and cameras on
//! its own threads, the image decoder reads images on the thread `images-<stream>`. Each picture
//! gets a number, an instant and a ticket, and is posted as a [`crate::frame::Frame`] into the
//! [`mailbox`], where the stream's [`Delivery`] decides what happens if the one before still waits.
//!
//! GStreamer elements are named in the descriptions under `pipelines/` only. Nothing newer than
//! GStreamer 1.14 is used, which is what a Jetson TX2 has.
//!
//! - **Invariant:** every picture that was captured has a ticket; one that cannot be read settles
//!   as failed at once.
//! - **Invariant:** under [`Delivery::NewestWins`] nothing here waits, and frames are lost in the
//!   mailbox only.
//! - **Invariant:** only elements that a description names go to the network; content cannot.
//! - **Invariant:** pixels are not copied: a picture is a mapped buffer of the decoder.

mod argus;
mod autoplug;
mod change;
mod description;
mod error;
mod event;
mod image_file;
mod image_list;
mod image_stream;
pub mod inventory;
mod keeper;
mod kept;
mod launch;
mod login;
pub mod mailbox;
mod natural;
mod pipeline;
mod registrar;
mod sink;
mod source;
mod stall;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Sender;

pub use self::change::Change;
pub use self::description::Values;
pub use self::error::CaptureError;
pub use self::event::{Event, EventKind, Loss, News, NewsKind};
pub use self::image_file::{ImageFileError, read as read_image};
pub use self::image_list::is_image;
pub use self::keeper::{Patience, SourceState};
pub use self::kept::{Keeping, Pulse, Retuning};
pub use self::login::{Login, LoginError, LoginFile};
pub use self::mailbox::Delivery;
pub use self::source::Source;

use self::image_stream::RunningImages;
use self::pipeline::RunningPipeline;
use self::registrar::Registrar;
use self::sink::Intake;
use self::source::{Kind, Recipe};
use self::watch::Watch;
use crate::clock::Clock;
use crate::frame::{Budget, SharedBudget, StreamName};
use crate::outcome::Settled;

/// A stream to capture. Its [`Delivery`] is that of the mailbox's end that it is given.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    /// What its records are filed under.
    pub name: StreamName,
    /// Where its frames come from.
    pub source: Source,
    /// How long each answer stays useful.
    pub budget: Budget,
    /// How long one waits for its frames, and for its return when it is lost; `None` if what is lost
    /// stays lost, and silence is no fault.
    pub patience: Option<Patience>,
    /// How often a recording is played.
    pub playback: Playback,
}

/// How often a recording is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Playback {
    /// Once.
    #[default]
    Once,
    /// Over and over; its frames are numbered on.
    Loop,
}

/// How much there is to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many frames.
    Frames(u64),
    /// So much playing time.
    Time(Duration),
}

/// A stream that runs. Dropped, it is stopped.
pub struct Capture(Running);

enum Running {
    Pipeline(RunningPipeline),
    Images(RunningImages),
}

/// Starts to capture.
///
/// Under [`Delivery::NewestWins`] a live source runs at its own pace and any other is played by the
/// clock: a video at its own rate, images at 30 per second. Under [`Delivery::Lossless`] frames come
/// as fast as they are taken.
///
/// What fails at once (no such camera, no such element) is the error returned; what fails later is
/// an event. After the last event ([`EventKind::is_last`]) the stream waits to be stopped.
/// `events` and `settled` should be unbounded: they are sent to from GStreamer's threads.
pub fn start(
    spec: &StreamSpec,
    mailbox: mailbox::Sender,
    settled: Sender<Settled>,
    events: Sender<Event>,
    clock: Clock,
) -> Result<Capture, CaptureError> {
    start_from(spec, mailbox, settled, events, Bearings::of(spec), clock)
}

/// What outlasts a start of a source: the numbers of the frames, and what may be changed meanwhile.
#[derive(Clone)]
struct Bearings {
    /// Frames so far; the next one has this number.
    count: Arc<AtomicU64>,
    budget: SharedBudget,
}

impl Bearings {
    /// Those of a stream without frames so far.
    fn of(spec: &StreamSpec) -> Self {
        Self { count: Arc::default(), budget: SharedBudget::new(spec.budget) }
    }
}

/// The same for a stream that goes on from there.
fn start_from(
    spec: &StreamSpec,
    mailbox: mailbox::Sender,
    settled: Sender<Settled>,
    events: Sender<Event>,
    Bearings { count, budget }: Bearings,
    clock: Clock,
) -> Result<Capture, CaptureError> {
    let registrar = Registrar {
        stream: spec.name.clone(),
        budget,
        pace: mailbox.delivery().pace(),
        settled,
        clock,
        count,
    };
    let running = match spec.source.kind() {
        Kind::Images(files) => {
            let input = spec.source.to_string();
            let images = RunningImages::start(input, files.clone(), registrar, mailbox, events)?;
            Running::Images(images)
        }
        Kind::Pipeline(recipe) => {
            let watch = Arc::new(watch(spec, recipe, &registrar, events));
            let intake = Intake::new(registrar, mailbox, Arc::clone(&watch));
            Running::Pipeline(RunningPipeline::start(recipe, intake, watch)?)
        }
    };
    Ok(Capture(running))
}

fn watch(
    spec: &StreamSpec,
    recipe: &Recipe,
    registrar: &Registrar,
    events: Sender<Event>,
) -> Watch {
    Watch {
        stream: spec.name.clone(),
        input: spec.source.to_string(),
        flow: recipe.flow,
        device: recipe.device(),
        secrets: recipe.secrets.clone(),
        count: Arc::clone(&registrar.count),
        events,
        state: Mutex::default(),
    }
}

impl Capture {
    /// How much there is to capture, if it is known (already).
    pub fn extent(&self) -> Option<Extent> {
        match &self.0 {
            Running::Pipeline(pipeline) => pipeline.duration().map(Extent::Time),
            Running::Images(images) => Some(Extent::Frames(images.count())),
        }
    }

    /// Stops it and waits for its threads. One that waits in the mailbox is let go; frames that are
    /// in the mailbox stay there.
    pub fn stop(self) {}
}
