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
use super::{Capture, Change, Playback, StreamSpec, start_from};
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
    /// Of these, frames before the latest start.
    frames_before: u64,
    clock: Clock,
    up: Option<Up>,
    /// How the stream has ended.
    end: Option<Result<(), CaptureError>>,
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
        let (frames, frames_before, up, end) = (Arc::default(), 0, None, None);
        Self {
            spec,
            keeper,
            mailbox,
            delivery,
            settled,
            news,
            frames,
            frames_before,
            clock,
            up,
            end,
        }
    }

    /// Runs until the source has given its last frame or can never give one, or until the other end of
    /// `stop` is dropped. In the first case the last of the news is [`NewsKind::Over`].
    pub fn run(mut self, stop: &Receiver<()>) {
        loop {
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
        self.frames_before = self.frames.load(Ordering::Relaxed);
        self.keeper.trying(self.clock.now());
        match start_from(&self.spec, mailbox, settled, events, count, self.clock) {
            Ok(capture) => {
                self.up = Some(Up { _capture: capture, events: told });
                self.keeper.started(self.clock.now());
            }
            Err(error) => self.lose(error),
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
            Some(EventKind::Ended) => self.note_end(),
            Some(EventKind::Failed(error)) => self.lose(error),
            Some(EventKind::Changed(change)) => self.note_change(change),
            Some(EventKind::Warning(warning)) => self.tell(NewsKind::Warning(warning)),
            None => {}
        }
        ControlFlow::Continue(())
    }

    /// Whether the source has given a frame since its latest start.
    fn has_given_frames(&self) -> bool {
        self.frames.load(Ordering::Relaxed) > self.frames_before
    }

    /// Notes that the source has given its last frame, or has it begin again. Of one that gives none, that
    /// would go on for ever.
    fn note_end(&mut self) {
        match self.spec.playback {
            Playback::Loop if self.has_given_frames() => {
                self.up = None;
                self.keeper.rewound();
            }
            Playback::Loop | Playback::Once => {
                self.keeper.ended();
                self.end = Some(Ok(()));
            }
        }
    }

    /// Has a source begin anew that does not go on as it began, if it may.
    fn note_change(&mut self, change: Change) {
        if self.spec.patience.is_none() {
            return self.tell(NewsKind::Warning(change.to_string()));
        }
        let (input, reason) = (self.spec.source.to_string(), change.to_string());
        self.lose(CaptureError::Camera { input, loss: change.loss(), reason });
    }

    /// Notes that the source is lost: for good, if waiting does not help.
    fn lose(&mut self, error: CaptureError) {
        let loss = if self.has_given_frames() { error.loss() } else { Loss::NotStarted };
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
        thread: JoinHandle<()>,
    }

    /// A camera made of GStreamer's test pattern and these elements.
    fn camera(elements: &str) -> Source {
        stored_as_camera(&format!("is-live=true {elements}"))
    }

    /// The same for a pattern that comes as fast as it is taken.
    fn stored_as_camera(elements: &str) -> Source {
        described(&format!(
            "description = \"a camera\"\nlive = true\npipeline = \"\"\"\nvideotestsrc {elements}\n\
             \"\"\"\n"
        ))
    }

    fn described(text: &str) -> Source {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("camera.toml"), text).unwrap();
        Source::named("camera", &Values::default(), Some(directory.path())).unwrap()
    }

    fn run(source: Source, patience: Option<Patience>) -> Run {
        let (name, budget) = (StreamName::new("door"), "1s".parse().unwrap());
        let spec = StreamSpec { name, source, budget, patience, playback: Playback::Loop };
        let (mailbox, frames) = mailbox::mailbox();
        let ((stop, stopped), (tell, news), (settled, _)) = (bounded(0), unbounded(), unbounded());
        let to = (Arc::new(mailbox), Delivery::NewestWins);
        let keeping = Keeping::new(spec, to, settled, tell, Clock);
        let thread = thread::spawn(move || keeping.run(&stopped));
        Run { stop: Some(stop), news, frames, thread }
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
        assert_eq!([run.loss(), run.loss(), run.loss()], [Loss::Ended; 3]);
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
            assert_eq!(run.loss(), Loss::NotStarted);
        }
        run.stop();
    }

    #[test]
    fn a_camera_whose_pictures_change_their_size_is_started_again() {
        let sizes = "num-buffers=5 ! video/x-raw,width=16,height=16 ! concat name=c \
                     videotestsrc is-live=true ! video/x-raw,width=32,height=16 ! c. c.";
        let run = run(camera(sizes), Some(HASTY));
        assert_eq!([run.loss(), run.loss()], [Loss::Resized; 2]);
        run.stop();
    }

    #[test]
    fn a_camera_whose_time_jumps_is_started_again() {
        let back = "num-buffers=3 timestamp-offset=60000000000 ! concat name=c adjust-base=false \
                    videotestsrc ! c. c.";
        let ahead = "num-buffers=3 ! concat name=c adjust-base=false \
                     videotestsrc timestamp-offset=60000000000 ! c. c.";
        for elements in [back, ahead] {
            let run = run(stored_as_camera(elements), Some(HASTY));
            assert_eq!([run.loss(), run.loss()], [Loss::TimeJump; 2], "{elements}");
            run.stop();
        }
    }

    #[test]
    fn a_camera_that_sends_rubbish_is_started_again() {
        let rubbish = "num-buffers=3 ! video/x-raw,width=16,height=16 ! jpegenc ! concat name=c \
                       fakesrc sizetype=fixed sizemax=999 filltype=pattern ! \
                       image/jpeg,width=16,height=16,framerate=30/1 ! c. c. ! jpegdec max-errors=0";
        let run = run(stored_as_camera(rubbish), Some(HASTY));
        assert_eq!([run.loss(), run.loss()], [Loss::Undecodable; 2]);
        run.stop();
    }

    #[test]
    fn a_recording_that_loops_is_numbered_on() {
        let description = "description = ''\nlive = false\npipeline = 'videotestsrc num-buffers=5 \
                           ! video/x-raw,width=16,height=16,framerate=100/1'";
        let run = run(described(description), None);
        let mut latest = None;
        while latest < Some(23) {
            let number = run.frames.take().unwrap().ticket.account().origin.id.number;
            assert!(latest < Some(number), "{number} after {latest:?}");
            latest = Some(number);
        }
        assert!(!run.news.try_iter().any(|news| matches!(news.kind, NewsKind::Lost(..))));
        drop(run.stop);
        run.thread.join().unwrap();
    }

    #[test]
    fn a_recording_without_frames_does_not_loop_for_ever() {
        let description = "description = ''\nlive = false\nends = true\n\
                           pipeline = 'videotestsrc num-buffers=5 ! valve drop=true'";
        let run = run(described(description), None);
        assert!(matches!(run.end(), Err(CaptureError::NoVideo { .. })));
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
