//! A second look at scenes: a model that is too slow for the deadline studies frames that are answered
//! already, for the sake of those that follow.
//!
//! Most frames of a video need no model: they take over the answer of their scene. Their pictures go to
//! the `study` thread, which has one model of its own and runs while a processor would be idle
//! (`SCHED_IDLE`). What the model says is weighed in the scene's answer
//! ([`Guide::study`]), so that frames which no model of that size has time for are answered with its
//! help. A study is no run of the scheduler: no frame waits for it, and it has no deadline.
//!
//! Of each stream the newest picture waits, and streams take turns. A picture that hardly differs from the one
//! studied last is passed over; a study whose scene is over when it ends comes to nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::course::Guide;
use crate::frame::{FrameId, Picture};
use crate::inference::Classifier;
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
    /// What all of them took, in seconds.
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

    fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}

/// A frame that is answered already.
pub struct Look {
    /// Which.
    pub frame: FrameId,
    /// Its pixels.
    pub picture: Picture,
}

/// Where pictures are left for the student. Dropped, the student goes when its study is over.
pub struct Easel(Arc<Looks>);

/// The pictures that wait, at most one of each stream.
#[derive(Default)]
struct Looks {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    looks: VecDeque<Look>,
    is_closed: bool,
}

impl Easel {
    /// Leaves a picture, in the place of one of its stream that waits.
    pub fn offer(&self, look: Look) {
        let mut waiting = self.0.lock();
        let of_stream = waiting.looks.iter_mut();
        match of_stream.into_iter().find(|other| other.frame.stream == look.frame.stream) {
            Some(older) => *older = look,
            None => waiting.looks.push_back(look),
        }
        drop(waiting);
        self.0.changed.notify_one();
    }
}

impl Drop for Easel {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Looks {
    /// The picture whose stream has waited longest; `None` once there will be none.
    fn take(&self) -> Option<Look> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(look) = waiting.looks.pop_front() {
                return Some(look);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change is whole before the lock is let go, panics included.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model that studies, and whom it tells.
pub struct Student {
    classifier: Classifier,
    guide: Arc<Guide>,
    looks: Arc<Looks>,
    counts: Arc<StudyCounts>,
    thumbnailer: Thumbnailer,
    clock: Clock,
}

impl Student {
    /// A student, and where pictures are left for it.
    pub fn new(
        classifier: Classifier,
        guide: Arc<Guide>,
        counts: Arc<StudyCounts>,
        clock: Clock,
    ) -> (Easel, Self) {
        let looks = Arc::default();
        let easel = Easel(Arc::clone(&looks));
        let thumbnailer = Thumbnailer::default();
        (easel, Self { classifier, guide, looks, counts, thumbnailer, clock })
    }

    /// Studies until the easel is gone, on a thread that gives way to all others at once.
    pub fn run(mut self) {
        threads::only_when_idle();
        while let Some(look) = self.looks.take() {
            self.study(&look);
        }
    }

    fn study(&mut self, Look { frame, picture }: &Look) {
        let thumbnail = match self.thumbnailer.thumbnail(picture) {
            Ok(thumbnail) => thumbnail,
            Err(error) => return self.note_failure(frame, &error),
        };
        if !self.guide.is_worth_study(frame, &thumbnail) {
            return;
        }
        let measured = match self.classifier.probabilities(picture, self.clock) {
            Ok(measured) => measured,
            Err(error) => return self.note_failure(frame, &error),
        };
        let (model, provider) =
            (self.classifier.manifest().id.clone(), self.classifier.session().provider());
        let run = Run { model, provider, inference: measured.cost.run, batch: 1 };
        let took = measured.cost.preprocess + measured.cost.run;
        let goes_on = self.guide.study(frame, thumbnail, run, &measured.value);
        let counts = &self.counts;
        StudyCounts::add(if goes_on { &counts.done } else { &counts.in_vain }, 1);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        StudyCounts::add(&counts.nanoseconds, nanoseconds);
    }

    fn note_failure(&self, frame: &FrameId, error: &dyn std::error::Error) {
        let is_first = self.counts.failed.fetch_add(1, Ordering::Relaxed) == 0;
        let level = if is_first { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "the study of frame {frame} failed: {}", in_words(error));
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
        let easel = Easel(Arc::clone(&looks));
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
        let easel = Easel(Arc::clone(&looks));
        easel.offer(look("door", 0));
        let waiting = Arc::clone(&looks);
        let student = std::thread::spawn(move || [taken(&waiting), taken(&waiting)]);
        while !looks.lock().looks.is_empty() {
            std::thread::yield_now();
        }
        drop(easel);
        let [first, second] = student.join().unwrap();
        assert!(first.is_some() && second.is_none());
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
