//! Images as a stream: a thread that decodes one after the other.
//!
//! Under [`Delivery::Lossless`] the next image is decoded while the one before is worked on. Under
//! [`Delivery::NewestWins`] the images play as a video of 30 per second would: each is captured at
//! its turn, and decoding it counts against its deadline. None is left out; if decoding does not
//! keep up, they come slower.

use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::error::CaptureError;
use super::event::{Event, EventKind};
use super::image_file;
use super::mailbox::{self, Delivery, Gate};
use super::registrar::{Moment, Registrar};
use crate::frame::Frame;
use crate::outcome::{Failure, Outcome, Stage};

/// Time between two images that play by the clock.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// A thread that decodes images; dropped, it is stopped.
pub(super) struct RunningImages {
    count: u64,
    gate: Gate,
    /// Dropped to stop the thread.
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Images {
    registrar: Registrar,
    mailbox: mailbox::Sender,
    /// Disconnected once the thread should stop.
    stopped: Receiver<Infallible>,
    /// When the next image may come, if they play by the clock.
    due: Option<Instant>,
}

/// The stream is to end before its last image.
struct Stopped;

impl RunningImages {
    /// Starts to decode `files`, in their order. `input` is what the user named.
    pub(super) fn start(
        input: String,
        files: Vec<PathBuf>,
        registrar: Registrar,
        mailbox: mailbox::Sender,
        events: Sender<Event>,
    ) -> Result<Self, CaptureError> {
        let (stop, stopped) = bounded(0);
        let (count, gate) = (files.len() as u64, mailbox.gate());
        let name = format!("images-{}", registrar.stream).replace('\0', "");
        let images = Images { registrar, mailbox, stopped, due: None };
        let shown = input.clone();
        let run = move || images.run_to_end(files.into_iter(), shown, &events);
        let thread = thread::Builder::new()
            .name(name)
            .spawn(run)
            .map_err(|source| CaptureError::Thread { input, source })?;
        Ok(Self { count, gate, stop: Some(stop), thread: Some(thread) })
    }

    /// How many images there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

impl Drop for RunningImages {
    fn drop(&mut self) {
        self.gate.close();
        self.stop = None;
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = joined {
            log::error!("the image thread broke off");
        }
    }
}

impl Images {
    /// Runs, and says how it ended, be it by a panic. Only then is the stream's end of the settled
    /// frames let go of: without it the stages behind run out of work.
    fn run_to_end(
        mut self,
        mut files: impl Iterator<Item = PathBuf>,
        input: String,
        events: &Sender<Event>,
    ) {
        let play_all = || files.try_for_each(|file| self.play(&file));
        let kind = match panic::catch_unwind(AssertUnwindSafe(play_all)) {
            Ok(Ok(())) => EventKind::Ended,
            Ok(Err(Stopped)) => return,
            Err(_) => EventKind::Failed(broken_off(input)),
        };
        let stream = self.registrar.stream.clone();
        if events.send(Event { stream, kind }).is_err() {
            log::debug!("images ended, and nobody listens any more");
        }
    }

    fn play(&mut self, file: &Path) -> Result<(), Stopped> {
        let turn = self.wait_for_turn()?;
        let decoded = image_file::read(file);
        let moment = turn.unwrap_or_else(|| Moment::ago(Duration::ZERO, self.registrar.clock));
        let shown: Arc<str> = file.to_string_lossy().into();
        let ticket = self.registrar.open(moment, None, Some(shown));
        match decoded {
            Ok(picture) => self.mailbox.post(Frame { picture, ticket }).map_err(|_| Stopped),
            Err(error) => {
                ticket.report(Outcome::Failed(Failure::new(Stage::Capture, &error)));
                Ok(())
            }
        }
    }

    /// Waits until the next image may come. The moment of its turn, if they play by the clock.
    fn wait_for_turn(&mut self) -> Result<Option<Moment>, Stopped> {
        let clock = self.registrar.clock;
        let due = match self.mailbox.delivery() {
            Delivery::Lossless => clock.now(),
            Delivery::NewestWins => self.due.unwrap_or_else(|| clock.now()),
        };
        match self.stopped.recv_deadline(due) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
            Err(RecvTimeoutError::Timeout) => Ok(self.take_turn(due)),
        }
    }

    fn take_turn(&mut self, due: Instant) -> Option<Moment> {
        match self.mailbox.delivery() {
            Delivery::Lossless => None,
            Delivery::NewestWins => {
                self.due = Some((due + PERIOD).max(self.registrar.clock.now()));
                Some(Moment::of(due, self.registrar.clock))
            }
        }
    }
}

fn broken_off(input: String) -> CaptureError {
    let reason = "the thread that reads its images has panicked, a fault of classifyd";
    CaptureError::Undecodable { input, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use crossbeam_channel::unbounded;

    use super::*;
    use crate::clock::Clock;
    use crate::frame::{Pace, SharedBudget, StreamName};
    use crate::outcome::Settled;

    /// Images that are never told to stop, the channel's ends that must outlive them, and their
    /// settled frames.
    fn images() -> (Images, (Sender<Infallible>, mailbox::Receiver), Receiver<Settled>) {
        let (settled, outcomes) = unbounded();
        let (stop, stopped) = bounded(0);
        let (mailbox, receiver) = mailbox::mailbox();
        let registrar = Registrar {
            stream: StreamName::new("test"),
            budget: SharedBudget::new("100ms".parse().unwrap()),
            pace: Pace::Work,
            settled,
            clock: Clock,
            count: Arc::new(AtomicU64::new(0)),
        };
        let mailbox = mailbox.open(Delivery::Lossless);
        (Images { registrar, mailbox, stopped, due: None }, (stop, receiver), outcomes)
    }

    #[test]
    fn the_end_is_told_before_the_stages_behind_run_out_of_work() {
        let (images, _ends, outcomes) = images();
        let (events, told) = bounded(0);
        let run = move || images.run_to_end(std::iter::empty(), "none".into(), &events);
        let thread = thread::spawn(run);
        let silence = outcomes.recv_timeout(Duration::from_millis(200)).unwrap_err();
        assert_eq!(silence, RecvTimeoutError::Timeout, "nobody has heard of the end yet");
        assert!(matches!(told.recv().unwrap().kind, EventKind::Ended));
        thread.join().unwrap();
        assert!(outcomes.recv().is_err());
    }

    #[test]
    fn a_panic_fails_the_stream() {
        let (images, _ends, _outcomes) = images();
        let (events, told) = unbounded();
        let broken = std::iter::from_fn(|| panic!("meant to"));
        images.run_to_end(broken, "photos/".into(), &events);
        let EventKind::Failed(error) = told.recv().unwrap().kind else { panic!("no failure") };
        assert!(error.to_string().contains("photos/"), "{error}");
    }
}
