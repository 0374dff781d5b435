//! A second look at scenes: a model that is too slow for the deadline studies frames that are answered
//! already, for the sake of those that follow.
//!
//! Most frames of a video need no model: they take over the answer of their scene. Their pictures go to
//! the `study` thread, which has `study-run` run a model of its own while a processor would be idle
//! (`SCHED_IDLE`). What the model says is weighed in the scene's answer
//! ([`Guide::study`]), so that frames which no model of that size has time for are answered with its
//! help. A study is no run of the scheduler: no frame waits for it, and it has no deadline.
//!
//! Of each stream the newest picture waits, and streams take turns. A picture that hardly differs from the one
//! studied last is passed over; a study whose scene is over when it ends comes to nothing.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::course::Guide;
use crate::frame::{FrameId, Picture};
use crate::inference::worker::asking;
use crate::inference::{Ask, Classifier, ClassifyError, Measured};
use crate::models::{ModelId, Provider};
use crate::onnx::Terminator;
use crate::outcome::{Run, in_words};
use crate::scene::Thumbnailer;
use crate::threads;

/// What was done by models that study. The keys in JSON are the field names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StudyWork {
    /// Studies that changed what is known of a scene.
    pub done: u64,
    /// Studies whose scene was over when they ended.
    pub in_vain: u64,
    /// Studies that failed.
    pub failed: u64,
    /// What all of them took but those that failed, in seconds.
    pub seconds: f64,
}

impl std::ops::Add for StudyWork {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            in_vain: self.in_vain + other.in_vain,
            failed: self.failed + other.failed,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// Counts [`StudyWork`].
#[derive(Debug, Default)]
pub struct StudyCounts {
    done: AtomicU64,
    in_vain: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
}

impl StudyCounts {
    /// What was done so far.
    pub fn work(&self) -> StudyWork {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = Duration::from_nanos(count(&self.nanoseconds)).as_secs_f64();
        let (done, in_vain, failed) =
            (count(&self.done), count(&self.in_vain), count(&self.failed));
        StudyWork { done, in_vain, failed, seconds }
    }

    /// What it was before.
    fn add(counter: &AtomicU64, number: u64) -> u64 {
        counter.fetch_add(number, Ordering::Relaxed)
    }
}

/// A study that lasts longer is asked to end: it is of no use to a scene that has moved on.
const LONGEST: Duration = Duration::from_secs(5);

/// A frame that is answered already.
pub struct Look {
    /// Which.
    pub frame: FrameId,
    /// Its pixels.
    pub picture: Picture,
}

/// Where pictures are left for the student. Dropped, a run that is under way is asked to end, and the
/// student goes.
pub struct Easel {
    looks: Arc<Looks>,
    clock: Clock,
}

/// The pictures that wait, at most one of each stream, and what is looked at.
#[derive(Default)]
struct Looks {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Default)]
struct Table {
    waiting: VecDeque<Look>,
    /// Since when a run is under way, and what ends it.
    running: Option<(Instant, Ask)>,
    is_closed: bool,
}

impl Easel {
    /// Leaves a picture, in the place of one of its stream that waits.
    pub fn offer(&self, look: Look) {
        let mut table = self.looks.lock();
        let mut waiting = table.waiting.iter_mut();
        match waiting.find(|other| other.frame.stream == look.frame.stream) {
            Some(older) => *older = look,
            None => table.waiting.push_back(look),
        }
        if table.running.as_ref().is_some_and(|(since, _)| self.clock.now() - *since > LONGEST) {
            table.end_run();
        }
        drop(table);
        self.looks.changed.notify_one();
    }
}

impl Drop for Easel {
    fn drop(&mut self) {
        let mut table = self.looks.lock();
        table.is_closed = true;
        table.end_run();
        drop(table);
        self.looks.changed.notify_one();
    }
}

impl Table {
    /// Asks the run that is under way to end, once.
    fn end_run(&mut self) {
        if let Some((_, ask)) = self.running.take() {
            ask();
        }
    }
}

impl Looks {
    /// The picture whose stream has waited longest; `None` once there will be none.
    fn take(&self) -> Option<Look> {
        let mut table = self.lock();
        loop {
            if table.is_closed {
                return None;
            }
            if let Some(look) = table.waiting.pop_front() {
                return Some(look);
            }
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that a run begins; whether it is still wanted.
    fn begin(&self, now: Instant, ask: Ask) -> bool {
        let mut table = self.lock();
        table.running = Some((now, ask));
        !table.is_closed
    }

    /// Notes that it is over; whether what it says is still wanted.
    fn end(&self) -> bool {
        let mut table = self.lock();
        table.running = None;
        !table.is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is whole before the lock is let go, panics included.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A picture to run the model on.
struct Assignment {
    picture: Picture,
    terminator: Terminator,
}

/// What came of it, and the picture: whoever gets it gives it back.
struct Finding {
    picture: Picture,
    measured: Result<Measured<Vec<f32>>, ClassifyError>,
}

/// The model that studies, on a thread that runs only while a processor would be idle. It takes no lock
/// that another thread may wait for: who is never in a hurry must not keep others from going on.
pub struct IdleRuns {
    classifier: Classifier,
    assignments: Receiver<Assignment>,
    findings: Sender<Finding>,
    clock: Clock,
}

impl IdleRuns {
    /// Runs the model until its student is gone.
    pub fn run(mut self) {
        threads::only_when_idle();
        for Assignment { picture, terminator } in self.assignments {
            let measured =
                self.classifier.probabilities_unless_terminated(&picture, self.clock, &terminator);
            if self.findings.send(Finding { picture, measured }).is_err() {
                return;
            }
        }
    }
}

/// Chooses what is studied, and tells what was found.
pub struct Student {
    model: ModelId,
    provider: Provider,
    guide: Arc<Guide>,
    looks: Arc<Looks>,
    assignments: Sender<Assignment>,
    findings: Receiver<Finding>,
    counts: Arc<StudyCounts>,
    thumbnailer: Thumbnailer,
    clock: Clock,
}

impl Student {
    /// A student, the runs of its model, and where pictures are left for it.
    pub fn new(
        classifier: Classifier,
        guide: Arc<Guide>,
        counts: Arc<StudyCounts>,
        clock: Clock,
    ) -> (Easel, (Self, IdleRuns)) {
        let looks = Arc::<Looks>::default();
        let easel = Easel { looks: Arc::clone(&looks), clock };
        let (model, provider) = (classifier.manifest().id.clone(), classifier.session().provider());
        let ((assign, assignments), (find, findings)) = (bounded(1), bounded(1));
        let runs = IdleRuns { classifier, assignments, findings: find, clock };
        let (assignments, thumbnailer) = (assign, Thumbnailer::default());
        let student = Self {
            model,
            provider,
            guide,
            looks,
            assignments,
            findings,
            counts,
            thumbnailer,
            clock,
        };
        (easel, (student, runs))
    }

    /// Studies until the easel is gone.
    pub fn run(mut self) {
        while let Some(Look { frame, picture }) = self.looks.take() {
            if let Err(error) = self.study(&frame, picture) {
                let is_first = StudyCounts::add(&self.counts.failed, 1) == 0;
                let level = if is_first { log::Level::Warn } else { log::Level::Debug };
                log::log!(level, "the study of frame {frame} failed: {}", in_words(&*error));
            }
        }
    }

    fn study(&mut self, frame: &FrameId, picture: Picture) -> Result<(), Box<dyn Error>> {
        let thumbnail = self.thumbnailer.thumbnail(&picture)?;
        if !self.guide.is_worth_study(&frame.stream, &thumbnail) {
            return Ok(());
        }
        let terminator = Terminator::new()?;
        if !self.looks.begin(self.clock.now(), asking(terminator.clone())) {
            return Ok(());
        }
        self.assignments.send(Assignment { picture, terminator })?;
        let Finding { measured, picture } = self.findings.recv()?;
        drop(picture);
        if !self.looks.end() {
            return Ok(());
        }
        let Measured { value, cost } = measured?;
        let (model, provider) = (self.model.clone(), self.provider);
        let run = Run { model, provider, inference: cost.run, batch: 1 };
        let goes_on = self.guide.study(&frame.stream, thumbnail, run, &value);
        let counts = &self.counts;
        StudyCounts::add(if goes_on { &counts.done } else { &counts.in_vain }, 1);
        let nanoseconds = (cost.preprocess + cost.run).as_nanos();
        StudyCounts::add(&counts.nanoseconds, u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::frame::StreamName;

    fn look(stream: &str, number: u64) -> Look {
        let frame = FrameId { stream: StreamName::new(stream), number };
        Look { frame, picture: Picture::from_rgb(RgbImage::new(1, 1)).unwrap() }
    }

    fn taken(looks: &Looks) -> Option<String> {
        looks.take().map(|look| look.frame.to_string())
    }

    #[test]
    fn of_each_stream_the_newest_picture_waits_and_streams_take_turns() {
        let looks = Arc::<Looks>::default();
        let easel = Easel { looks: Arc::clone(&looks), clock: Clock };
        for (stream, number) in [("door", 0), ("yard", 0), ("door", 1), ("door", 2)] {
            easel.offer(look(stream, number));
        }
        let [first, second] = [taken(&looks), taken(&looks)].map(Option::unwrap);
        assert_eq!(first, look("door", 2).frame.to_string());
        assert_eq!(second, look("yard", 0).frame.to_string());
    }

    #[test]
    fn without_an_easel_nothing_more_is_studied() {
        let looks = Arc::<Looks>::default();
        let easel = Easel { looks: Arc::clone(&looks), clock: Clock };
        easel.offer(look("door", 0));
        let waiting = Arc::clone(&looks);
        let student = std::thread::spawn(move || [taken(&waiting), taken(&waiting)]);
        while !looks.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        drop(easel);
        let [first, second] = student.join().unwrap();
        assert!(first.is_some() && second.is_none());
    }

    #[test]
    fn a_run_is_asked_to_end_once_it_has_lasted_too_long_and_when_the_easel_goes() {
        let looks = Arc::<Looks>::default();
        let easel = Easel { looks: Arc::clone(&looks), clock: Clock };
        let (tell, told) = bounded(1);
        let begin = |since| {
            let tell = tell.clone();
            looks.begin(since, Box::new(move || tell.send(()).unwrap()))
        };
        assert!(begin(Clock.now() - LONGEST * 2));
        easel.offer(look("door", 0));
        easel.offer(look("door", 1));
        assert_eq!(told.try_iter().count(), 1, "once");
        assert!(looks.end() && begin(Clock.now()));
        easel.offer(look("door", 2));
        assert_eq!(told.try_iter().count(), 0, "it has time left");
        drop(easel);
        assert_eq!(told.try_iter().count(), 1);
        assert!(!looks.end() && !begin(Clock.now()), "nothing is wanted any more");
    }

    #[test]
    fn work_adds_up() {
        let counts = StudyCounts::default();
        StudyCounts::add(&counts.done, 2);
        StudyCounts::add(&counts.nanoseconds, 1_500_000_000);
        let work = StudyWork { done: 2, in_vain: 0, failed: 0, seconds: 1.5 };
        assert_eq!(counts.work(), work);
        assert_eq!((work + work).seconds, 3.0);
    }
}
