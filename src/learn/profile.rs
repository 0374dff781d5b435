//! Shows every picture to every model.
//!
//! The first of two passes: each picture is decoded once, its features are measured, every model
//! answers once, and the record goes into the journal. What the models take is measured afterwards, in
//! a pass of its own ([`timing`](super::timing)), on the pictures that the [`Gallery`] kept.

use std::collections::HashSet;
use std::error::Error as _;
use std::ops::ControlFlow;

use thiserror::Error;

use crate::capture::{ImageFileError, read_image};
use crate::clock::Clock;
use crate::features::{Extractor, FeatureError};
use crate::frame::Picture;
use crate::inference::{Classifier, ClassifyError};
use crate::learn::gallery::Gallery;
use crate::learn::picture_set::{Item, PictureSet, Turn, Video};
use crate::learn::profile_file::journal::Journal;
use crate::learn::profile_file::{ImageRecord, JournalError, ModelResult, Truth};
use crate::learn::videos::Shown;
use crate::models::ModelId;
use crate::resample::ResampleError;
use crate::scene::{Thumbnail, Thumbnailer};

/// What a session needs from outside.
pub struct Surroundings<'a> {
    /// Stamps the frames of recordings.
    pub clock: Clock,
    /// Says whether to stop before the next picture.
    pub stop: &'a dyn Fn() -> bool,
    /// Hears what is worked on, how much is done, and of how much.
    pub progress: &'a dyn Fn(&str, u64, u64),
}

/// The answers of the models to a set of pictures, as they come.
pub struct Session<'a> {
    set: &'a PictureSet,
    truth: &'a Truth,
    around: Surroundings<'a>,
    models: Vec<ModelId>,
    classifiers: &'a mut [Classifier],
    extractor: Extractor,
    thumbnailer: Thumbnailer,
    /// Of the frame of the present video that was recorded last.
    previous: Option<Thumbnail>,
    journal: Journal,
    known: HashSet<String>,
    images: Vec<ImageRecord>,
    gallery: Gallery,
    report: Report,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Pictures that an earlier run of the same profiling had measured.
    pub resumed: usize,
    /// Pictures that could not be read or answered, each left out with a warning.
    pub unreadable: usize,
    /// Frames in no labelled segment, left out.
    pub unlabelled: usize,
    /// Recordings that broke off, each with a warning.
    pub broken: usize,
    /// Whether every picture had its turn.
    pub ending: Ending,
}

/// Whether every picture had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every one.
    Complete,
    /// It was asked to stop.
    Stopped,
}

/// What a session leaves.
pub struct Measured {
    /// The records, those of the journal first.
    pub images: Vec<ImageRecord>,
    /// Pictures to measure latencies on.
    pub gallery: Gallery,
    /// The journal, which holds the same records.
    pub journal: Journal,
    /// How it went.
    pub report: Report,
}

/// Why a picture is left out.
#[derive(Debug, Error)]
enum MeasureError {
    /// It is no image.
    #[error(transparent)]
    Read(#[from] ImageFileError),
    /// It has no features.
    #[error(transparent)]
    Features(#[from] Box<FeatureError>),
    /// It has no thumbnail.
    #[error(transparent)]
    Thumbnail(#[from] ResampleError),
    /// A model gives no answer.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// Nobody says what it shows.
    #[error("it has no label, and the teacher is not among the models")]
    NoTruth,
}

/// Why no further picture is looked at.
enum Break {
    Asked,
    Journal(JournalError),
}

impl From<JournalError> for Break {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// A picture that is to be recorded.
struct Subject<'a> {
    file: &'a str,
    group: Option<&'a str>,
    change: Option<f32>,
    class: Option<usize>,
}

impl<'a> Session<'a> {
    /// A session that goes on after what the journal holds already.
    pub fn new(
        set: &'a PictureSet,
        truth: &'a Truth,
        classifiers: &'a mut [Classifier],
        (journal, images): (Journal, Vec<ImageRecord>),
        around: Surroundings<'a>,
    ) -> Self {
        let models = classifiers.iter().map(|classifier| classifier.manifest().id.clone());
        Self {
            models: models.collect(),
            set,
            truth,
            around,
            classifiers,
            extractor: Extractor::new(),
            thumbnailer: Thumbnailer::default(),
            previous: None,
            journal,
            known: images.iter().map(|image| image.file.clone()).collect(),
            gallery: Gallery::default(),
            report: Report {
                resumed: images.len(),
                unreadable: 0,
                unlabelled: 0,
                broken: 0,
                ending: Ending::Complete,
            },
            images,
        }
    }

    /// Works through the set.
    pub fn run(mut self) -> Result<Measured, JournalError> {
        let outcome = self.show_images().and_then(|()| self.show_videos());
        match outcome {
            Ok(()) => {}
            Err(Break::Asked) => self.report.ending = Ending::Stopped,
            Err(Break::Journal(error)) => return Err(error),
        }
        let Self { images, gallery, journal, report, .. } = self;
        Ok(Measured { images, gallery, journal, report })
    }

    fn show_images(&mut self) -> Result<(), Break> {
        let set = self.set;
        let total = set.own_images().count() as u64;
        for (done, item) in (1..).zip(set.own_images()) {
            if (self.around.stop)() {
                return Err(Break::Asked);
            }
            self.show_image(item)?;
            (self.around.progress)("images", done, total);
        }
        Ok(())
    }

    /// An image that the journal has is decoded for the gallery only.
    fn show_image(&mut self, item: &Item) -> Result<(), Break> {
        let is_known = self.known.contains(&item.file);
        if is_known && !self.gallery.wants_next() {
            self.gallery.pass();
            return Ok(());
        }
        let subject = Subject { file: &item.file, group: None, change: None, class: item.class };
        match read_image(&self.set.directory.join(&item.file)) {
            Ok(picture) => self.show(&subject, &picture),
            Err(_) if is_known => Ok(()),
            Err(error) => {
                self.leave_out(&item.file, &error.into());
                Ok(())
            }
        }
    }

    fn show_videos(&mut self) -> Result<(), Break> {
        let set = self.set;
        set.videos.iter().try_for_each(|video| self.show_video(video))
    }

    fn show_video(&mut self, video: &Video) -> Result<(), Break> {
        let clock = self.around.clock;
        self.previous = None;
        let visit = |shown: Shown<'_>| match self.show_frame(video, &shown) {
            Ok(()) => ControlFlow::Continue(()),
            Err(broken) => ControlFlow::Break(broken),
        };
        let played = video.recording.play(clock, visit);
        let fault = match played {
            Err(error) => Some(error),
            Ok(played) => {
                self.report.unreadable += played.unreadable;
                if let Some(broken) = played.broken {
                    return Err(broken);
                }
                played.fault
            }
        };
        if let Some(fault) = fault {
            log::warn!("{} broke off: {fault}", video.recording.name);
            self.report.broken += 1;
        }
        Ok(())
    }

    fn show_frame(&mut self, video: &Video, shown: &Shown<'_>) -> Result<(), Break> {
        if (self.around.stop)() {
            return Err(Break::Asked);
        }
        let name = video.recording.name.as_str();
        if let Some((at, length)) = shown.position {
            (self.around.progress)(name, at.as_millis() as u64, length.as_millis() as u64);
        }
        match self.set.turn(video, shown.number) {
            Turn::Passed => Ok(()),
            Turn::Unlabelled => {
                self.report.unlabelled += 1;
                Ok(())
            }
            Turn::Taken(class) => {
                let file = format!("{name}#{}", shown.number);
                self.show_next(&file, name, class, shown.picture)
            }
        }
    }

    /// Compares a frame with the one of its video that was recorded last, in this run or the one
    /// that the journal is of, and records it.
    fn show_next(
        &mut self,
        file: &str,
        video: &str,
        class: Option<usize>,
        picture: &Picture,
    ) -> Result<(), Break> {
        let thumbnail = match self.thumbnailer.thumbnail(picture) {
            Ok(thumbnail) => thumbnail,
            Err(error) => {
                self.leave_out(file, &error.into());
                return Ok(());
            }
        };
        let change = self.previous.as_ref().map(|previous| previous.difference(&thumbnail));
        self.show(&Subject { file, group: Some(video), change, class }, picture)?;
        if self.known.contains(file) {
            self.previous = Some(thumbnail);
        }
        Ok(())
    }

    /// Measures a picture unless the journal has it, and lets the gallery see it.
    fn show(&mut self, subject: &Subject<'_>, picture: &Picture) -> Result<(), Break> {
        if !self.known.contains(subject.file) {
            match self.measure(subject, picture) {
                Ok(record) => {
                    self.journal.write(&record)?;
                    self.known.insert(record.file.clone());
                    self.images.push(record);
                }
                Err(error) => {
                    self.leave_out(subject.file, &error);
                    return Ok(());
                }
            }
        }
        self.gallery.offer(picture);
        Ok(())
    }

    fn measure(
        &mut self,
        subject: &Subject<'_>,
        picture: &Picture,
    ) -> Result<ImageRecord, MeasureError> {
        let features = self.extractor.extract(picture).map_err(Box::new)?;
        let clock = self.around.clock;
        let answer =
            |classifier: &mut Classifier| Ok(classifier.probabilities(picture, clock)?.value);
        let answers: Vec<Vec<f32>> =
            self.classifiers.iter_mut().map(answer).collect::<Result<_, ClassifyError>>()?;
        let taught = || self.truth.teach(&self.models, &answers);
        let class = subject.class.or_else(taught).ok_or(MeasureError::NoTruth)?;
        Ok(ImageRecord {
            file: subject.file.to_owned(),
            group: subject.group.map(str::to_owned),
            change: subject.change,
            class,
            features,
            results: answers.iter().map(|answer| ModelResult::new(answer, class)).collect(),
        })
    }

    fn leave_out(&mut self, file: &str, error: &MeasureError) {
        log::warn!("{file} is left out: {}", in_full(error));
        self.report.unreadable += 1;
    }
}

/// An error with its causes.
fn in_full(error: &MeasureError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}
