//! A source that is kept up: the thread `stream-<name>` starts it, takes it down when it is lost, and
//! starts it again, as its [`Keeper`] says.
//!
//! Taking a pipeline down can take long, or for ever where a camera's driver hangs. It is done on this
//! thread, so that it holds up no other stream; the next start waits for it, as a camera is busy until
//! then. For the same reason a stream that takes the place of another begins when that one's thread is
//! over.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};

use super::error::CaptureError;
use super::event::{Event, EventKind, Loss, News, NewsKind};
use super::keeper::{Keeper, Patience, Step};
use super::mailbox::{Delivery, Mailbox};
use super::{Bearings, Capture, Change, Playback, StreamSpec, start_from};
use crate::clock::Clock;
use crate::frame::Budget;
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
    /// Of all starts.
    bearings: Bearings,
    incarnation: u64,
    /// Disconnected when the stream before it is over.
    predecessor: Option<Receiver<Infallible>>,
    /// Of the frames of all starts, those before the latest one.
    frames_before: u64,
    /// Rounds of the loop in [`Keeping::run`].
    rounds: Arc<AtomicU64>,
    clock: Clock,
    up: Option<Up>,
    /// How the stream has ended.
    end: Option<Result<(), CaptureError>>,
}

/// What of a stream may be changed while its source runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retuning {
    /// How long answers stay useful, from the next frame on.
    pub budget: Budget,
    /// How long one waits for frames, and for the return of a source.
    pub patience: Option<Patience>,
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
        let bearings = Bearings::of(&spec);
        Self {
            spec,
            keeper,
            mailbox,
            delivery,
            settled,
            news,
            bearings,
            incarnation: 0,
            predecessor: None,
            frames_before: 0,
            rounds: Arc::default(),
            clock,
            up: None,
            end: None,
        }
    }

    /// The same for a stream that others of its name went before, with so many frames together. It
    /// waits until the other end of `predecessor` is dropped.
    #[must_use]
    pub fn after(
        mut self,
        incarnation: u64,
        frames: Arc<AtomicU64>,
        predecessor: Option<Receiver<Infallible>>,
    ) -> Self {
        (self.incarnation, self.bearings.count) = (incarnation, frames);
        Self { predecessor, ..self }
    }

    /// How it is doing, to be read while it runs.
    pub fn pulse(&self) -> Pulse {
        Pulse { frames: Arc::clone(&self.bearings.count), rounds: Arc::clone(&self.rounds) }
    }

    /// Runs until the source has given its last frame or can never give one, or until the other end of
    /// `orders` is dropped. In the first case the last of the news is [`NewsKind::Over`].
    pub fn run(mut self, orders: &Receiver<Retuning>) {
        if self.wait_for_predecessor(orders).is_break() {
            return;
        }
        loop {
            self.rounds.fetch_add(1, Ordering::Relaxed);
            let now = self.clock.now();
            if self.keeper.note_frames(self.bearings.count.load(Ordering::Relaxed), now) {
                self.tell_state();
            }
            match self.keeper.next(now) {
                Step::Start => self.start(),
                Step::TakeDown => self.take_down(),
                Step::Wait(until) => {
                    let look = now + LOOK;
                    if self.wait(orders, until.map_or(look, |until| until.min(look))).is_break() {
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
        let bearings = self.bearings.clone();
        self.frames_before = bearings.count.load(Ordering::Relaxed);
        self.keeper.trying(self.clock.now());
        match start_from(&self.spec, mailbox, settled, events, bearings, self.clock) {
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

    /// Breaks off if the stream is to stop.
    fn wait_for_predecessor(&mut self, orders: &Receiver<Retuning>) -> ControlFlow<()> {
        let Some(predecessor) = self.predecessor.take() else { return ControlFlow::Continue(()) };
        loop {
            select! {
                recv(orders) -> order => match order {
                    Ok(retuning) => self.retune(retuning),
                    Err(_) => return ControlFlow::Break(()),
                },
                recv(predecessor) -> _ => return ControlFlow::Continue(()),
            }
        }
    }

    fn retune(&mut self, Retuning { budget, patience }: Retuning) {
        self.bearings.budget.set(budget);
        self.spec.patience = patience;
        self.keeper.be_as_patient_as(patience);
    }

    /// Waits for news of the source; breaks off if the stream is to stop.
    fn wait(&mut self, orders: &Receiver<Retuning>, until: Instant) -> ControlFlow<()> {
        let silent = never();
        let told = self.up.as_ref().map_or(&silent, |up| &up.events);
        let kind = select! {
            recv(orders) -> order => match order {
                Ok(retuning) => {
                    self.retune(retuning);
                    None
                }
                Err(_) => return ControlFlow::Break(()),
            },
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
        self.bearings.count.load(Ordering::Relaxed) > self.frames_before
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
        let (stream, incarnation) = (self.spec.name.clone(), self.incarnation);
        let news = News { stream, incarnation, kind };
        if self.news.send(news).is_err() {
            log::debug!("{}: news were dropped, as nobody listens any more", self.spec.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::capture::keeper::{Patience, SourceState};
    use crate::capture::{Source, Values, mailbox};
    use crate::frame::StreamName;

    const HASTY: Patience = Patience {
        stall_after: Duration::from_millis(500),
        begin_within: Duration::ZERO,
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(50),
    };

    /// Longer than anything here takes.
    const FOREVER: Duration = Duration::from_secs(60);

    /// A stream on its thread.
    struct Run {
        orders: Option<Sender<Retuning>>,
        news: Receiver<News>,
        frames: mailbox::Receiver,
        pulse: Pulse,
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
        let ((orders, told), (tell, news), (settled, _)) = (unbounded(), unbounded(), unbounded());
        let to = (Arc::new(mailbox), Delivery::NewestWins);
        let keeping = Keeping::new(spec, to, settled, tell, Clock);
        let pulse = keeping.pulse();
        let thread = thread::spawn(move || keeping.run(&told));
        Run { orders: Some(orders), news, frames, pulse, thread }
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
            self.orders = None;
            self.thread.join().unwrap();
            // What waits is still to be had; then it is heard that no frame can come any more.
            while self.frames.take().is_some() {}
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
        drop(run.orders);
        run.thread.join().unwrap();
    }

    #[test]
    fn a_stream_is_retuned_while_its_source_runs() {
        let run = run(camera("! video/x-raw,width=16,height=16"), Some(HASTY));
        let account = |frame: crate::frame::Frame| {
            let account = frame.ticket.account();
            (account.origin.id.number, account.budget)
        };
        let (first, budget) = account(run.frames.take().unwrap());
        assert_eq!(budget, "1s".parse().unwrap());
        let retuning = Retuning { budget: "2s".parse().unwrap(), patience: Some(HASTY) };
        run.orders.as_ref().unwrap().send(retuning).unwrap();
        let after = std::iter::from_fn(|| run.frames.take()).map(account);
        let (number, _) = after.take(100).find(|(_, budget)| *budget == retuning.budget).unwrap();
        assert!(number > first);
        assert!(!run.news.try_iter().any(|news| matches!(news.kind, NewsKind::Lost(..))));
        run.stop();
    }

    #[test]
    fn a_stream_waits_for_the_one_whose_place_it_takes_and_goes_on_with_its_numbers() {
        let source = camera("! video/x-raw,width=16,height=16");
        let (name, budget) = (StreamName::new("door"), "1s".parse().unwrap());
        let spec =
            StreamSpec { name, source, budget, patience: Some(HASTY), playback: Playback::Once };
        let (mailbox, frames) = mailbox::mailbox();
        let ((orders, told), (tell, news), (settled, _)) = (unbounded(), unbounded(), unbounded());
        let (before, predecessor) = crossbeam_channel::bounded(0);
        let to = (Arc::new(mailbox), Delivery::NewestWins);
        let keeping = Keeping::new(spec, to, settled, tell, Clock).after(
            7,
            Arc::new(AtomicU64::new(40)),
            Some(predecessor),
        );
        let thread = thread::spawn(move || keeping.run(&told));
        assert!(news.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
        drop(before);
        assert_eq!(news.recv_timeout(FOREVER).unwrap().incarnation, 7);
        assert!(frames.take().unwrap().ticket.account().origin.id.number >= 40);
        drop(orders);
        thread.join().unwrap();
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
            assert_eq!(run.loss(), Loss::NotStarted);
            assert!(run.pulse.rounds() > rounds, "it is looked after meanwhile");
        }
        assert_eq!(run.pulse.frames(), 0);
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
        // Either the decoder complains first, or the source that nobody listens to any more.
        for _ in 0..2 {
            assert!(matches!(run.loss(), Loss::Undecodable | Loss::Failed));
        }
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
        drop(run.orders);
        run.thread.join().unwrap();
    }

    #[test]
    fn a_recording_without_frames_does_not_loop_for_ever() {
        let description = "description = ''\nlive = false\nends = true\n\
                           pipeline = 'videotestsrc num-buffers=5 ! valve drop=true'";
        let run = run(described(description), None);
        // It comes to an end, whatever is said of it.
        drop(run.end());
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
