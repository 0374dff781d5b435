//! A source that is kept up: the thread `stream-<name>` starts it, takes it down when it is lost, and
//! starts it again, as its [`Keeper`] says.
//!
//! Taking a pipeline down can take long, or for ever where a camera's driver hangs. It is done on this
//! thread, so that it holds up no other stream; the next start waits for it, as a camera is busy until
//! then.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};

use super::error::CaptureError;
use super::event::{Event, EventKind, Loss, News, NewsKind};
use super::keeper::{Keeper, Step};
use super::mailbox::{Delivery, Mailbox};
use super::{Capture, StreamSpec, start_from};
use crate::clock::Clock;
use crate::outcome::Settled;

/// How often it is looked whether frames come.
const LOOK: Duration = Duration::from_millis(250);

/// A stream to be kept up. [`Keeping::run`] does it.
pub struct Keeping {
    spec: StreamSpec,
    keeper: Keeper,
    mailbox: Arc<Mailbox>,
    delivery: Delivery,
    settled: Sender<Settled>,
    news: Sender<News>,
    /// Frames of all starts.
    frames: Arc<AtomicU64>,
    /// Rounds of the loop in [`Keeping::run`].
    rounds: Arc<AtomicU64>,
    clock: Clock,
    up: Option<Up>,
    /// How the stream has ended.
    end: Option<Result<(), CaptureError>>,
}

/// How a stream is doing that is kept up.
#[derive(Clone, Debug)]
pub struct Pulse {
    frames: Arc<AtomicU64>,
    rounds: Arc<AtomicU64>,
}

impl Pulse {
    /// Frames captured so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// How often its thread has looked after it: several times a second, unless the thread is stuck in
    /// the source.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }
}

/// A source that was started.
struct Up {
    _capture: Capture,
    events: Receiver<Event>,
}

impl Keeping {
    /// A stream whose frames go to a slot of `mailbox` and, if nothing is to be done with them, straight
    /// to `settled`; what happens to its source is told as `news`.
    pub fn new(
        spec: StreamSpec,
        (mailbox, delivery): (Arc<Mailbox>, Delivery),
        settled: Sender<Settled>,
        news: Sender<News>,
        clock: Clock,
    ) -> Self {
        let keeper = Keeper::new(spec.patience, clock.now());
        let (frames, rounds, up, end) = (Arc::default(), Arc::default(), None, None);
        Self { spec, keeper, mailbox, delivery, settled, news, frames, rounds, clock, up, end }
    }

    /// How it is doing, to be read while it runs.
    pub fn pulse(&self) -> Pulse {
        Pulse { frames: Arc::clone(&self.frames), rounds: Arc::clone(&self.rounds) }
    }

    /// Runs until the source has given its last frame or can never give one, or until the other end of
    /// `stop` is dropped. In the first case the last of the news is [`NewsKind::Over`].
    pub fn run(mut self, stop: &Receiver<()>) {
        loop {
            self.rounds.fetch_add(1, Ordering::Relaxed);
            let now = self.clock.now();
            if self.keeper.note_frames(self.frames.load(Ordering::Relaxed), now) {
                self.tell_state();
            }
            match self.keeper.next(now) {
                Step::Start => self.start(),
                Step::TakeDown => self.take_down(),
                Step::Wait(until) => {
                    let look = now + LOOK;
                    if self.wait(stop, until.map_or(look, |until| until.min(look))).is_break() {
                        return;
                    }
                }
                Step::End => {
                    if let Some(end) = self.end.take() {
                        self.tell(NewsKind::Over(end));
                    }
                    return;
                }
            }
        }
    }

    fn start(&mut self) {
        let (events, told) = unbounded();
        let (mailbox, settled) = (self.mailbox.open(self.delivery), self.settled.clone());
        let count = Arc::clone(&self.frames);
        match start_from(&self.spec, mailbox, settled, events, count, self.clock) {
            Ok(capture) => {
                self.up = Some(Up { _capture: capture, events: told });
                self.keeper.started(self.clock.now());
            }
            Err(error) => self.lose(error, Loss::NotStarted),
        }
        self.tell_state();
    }

    fn take_down(&mut self) {
        self.up = None;
        self.keeper.taken_down(fastrand::f64(), self.clock.now());
        self.tell_state();
    }

    /// Waits for news of the source; breaks off if the stream is to stop.
    fn wait(&mut self, stop: &Receiver<()>, until: Instant) -> ControlFlow<()> {
        let silent = never();
        let told = self.up.as_ref().map_or(&silent, |up| &up.events);
        let kind = select! {
            recv(stop) -> _ => return ControlFlow::Break(()),
            recv(told) -> event => event.map(|event| event.kind).ok(),
            recv(at(until)) -> _ => None,
        };
        match kind {
            Some(EventKind::Ended) => {
                self.keeper.ended();
                self.end = Some(Ok(()));
            }
            Some(EventKind::Failed(error)) => self.lose(error, Loss::Failed),
            Some(EventKind::Warning(warning)) => self.tell(NewsKind::Warning(warning)),
            None => {}
        }
        ControlFlow::Continue(())
    }

    /// Notes that the source is lost: for good, if waiting does not help.
    fn lose(&mut self, error: CaptureError, loss: Loss) {
        if self.spec.patience.is_some() && error.may_pass() {
            self.keeper.lost(loss, fastrand::f64(), self.clock.now());
            self.tell(NewsKind::Lost(loss, error));
        } else {
            self.keeper.ended();
            self.end = Some(Err(error));
        }
    }

    fn tell_state(&self) {
        self.tell(NewsKind::State(self.keeper.state().clone()));
    }

    fn tell(&self, kind: NewsKind) {
        let news = News { stream: self.spec.name.clone(), kind };
        if self.news.send(news).is_err() {
            log::debug!("{}: news were dropped, as nobody listens any more", self.spec.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread::{self, JoinHandle};

    use crossbeam_channel::bounded;

    use super::*;
    use crate::capture::keeper::{Patience, SourceState};
    use crate::capture::{Source, Values, mailbox};
    use crate::frame::StreamName;

    const HASTY: Patience = Patience {
        stall_after: Duration::from_millis(500),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(50),
    };

    /// Longer than anything here takes.
    const FOREVER: Duration = Duration::from_secs(60);

    /// A stream on its thread.
    struct Run {
        stop: Option<Sender<()>>,
        news: Receiver<News>,
        frames: mailbox::Receiver,
        pulse: Pulse,
        thread: JoinHandle<()>,
    }

    /// A camera made of GStreamer's test pattern and these elements.
    fn camera(elements: &str) -> Source {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "description = \"a camera\"\nlive = true\npipeline = \"\"\"\nvideotestsrc is-live=true \
             {elements}\n\"\"\"\n"
        );
        fs::write(directory.path().join("camera.toml"), text).unwrap();
        Source::named("camera", &Values::default(), Some(directory.path())).unwrap()
    }

    fn run(source: Source, patience: Option<Patience>) -> Run {
        let (name, budget) = (StreamName::new("door"), "1s".parse().unwrap());
        let spec = StreamSpec { name, source, budget, patience };
        let (mailbox, frames) = mailbox::mailbox();
        let ((stop, stopped), (tell, news), (settled, _)) = (bounded(0), unbounded(), unbounded());
        let to = (Arc::new(mailbox), Delivery::NewestWins);
        let keeping = Keeping::new(spec, to, settled, tell, Clock);
        let pulse = keeping.pulse();
        let thread = thread::spawn(move || keeping.run(&stopped));
        Run { stop: Some(stop), news, frames, pulse, thread }
    }

    impl Run {
        fn next(&self) -> NewsKind {
            self.news.recv_timeout(FOREVER).unwrap().kind
        }

        /// The next loss.
        fn loss(&self) -> Loss {
            loop {
                match self.next() {
                    NewsKind::State(SourceState::Retrying { loss, .. }) => return loss,
                    NewsKind::Over(end) => panic!("{end:?}"),
                    _ => {}
                }
            }
        }

        /// How it ended.
        fn end(self) -> Result<(), CaptureError> {
            loop {
                if let NewsKind::Over(end) = self.next() {
                    self.thread.join().unwrap();
                    return end;
                }
            }
        }

        fn stop(mut self) {
            self.stop = None;
            self.thread.join().unwrap();
            assert!(self.frames.take().is_none(), "no frame can come any more");
        }
    }

    #[test]
    fn a_camera_that_breaks_off_goes_on_with_the_frame_after() {
        let run = run(camera("num-buffers=3 ! video/x-raw,width=16,height=16"), Some(HASTY));
        let mut latest = None;
        while latest < Some(10) {
            let number = run.frames.take().unwrap().ticket.account().origin.id.number;
            assert!(latest < Some(number), "{number} after {latest:?}");
            latest = Some(number);
        }
        assert_eq!([run.loss(), run.loss(), run.loss()], [Loss::Failed; 3]);
        // Frames that nobody took are superseded; the last one is still there.
        while run.frames.take().is_some_and(|frame| frame.ticket.account().origin.id.number < 12) {}
        drop(run.stop);
        run.thread.join().unwrap();
    }

    #[test]
    fn a_camera_that_falls_silent_is_started_again() {
        let run = run(camera("! valve drop=true"), Some(HASTY));
        assert_eq!([run.loss(), run.loss()], [Loss::Stalled; 2]);
        run.stop();
    }

    #[test]
    fn a_camera_that_cannot_be_reached_is_tried_until_the_stream_stops() {
        let source = Source::parse("rtsp://127.0.0.1:1/live", None).unwrap();
        let run = run(source, Some(HASTY));
        for _ in 0..3 {
            let rounds = run.pulse.rounds();
            assert!(matches!(run.loss(), Loss::NotStarted | Loss::Failed));
            assert!(run.pulse.rounds() > rounds, "it is looked after meanwhile");
        }
        assert_eq!(run.pulse.frames(), 0);
        run.stop();
    }

    #[test]
    fn what_cannot_mend_itself_is_not_tried_again() {
        let run = run(camera("! elementthatisnot"), Some(HASTY));
        assert!(matches!(run.end(), Err(CaptureError::MissingElement { .. })));
    }

    #[test]
    fn without_patience_what_is_lost_stays_lost() {
        let run = run(camera("num-buffers=3 ! video/x-raw,width=16,height=16"), None);
        assert!(matches!(run.end(), Err(CaptureError::Camera { .. })));
    }
}
