//! Measures every model on every image.
//!
//! Each model's latency on an image is the median of its runs, made one after the other while
//! nothing else runs, preprocessing to labels, as the scheduler counts it.

use std::error::Error as _;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use crate::capture::{ImageFileError, read_image};
use crate::clock::Clock;
use crate::features::{Extractor, FeatureError};
use crate::frame::Picture;
use crate::inference::{Classifier, ClassifyError};
use crate::learn::labels::LabelledImage;
use crate::learn::profile_file::{
    Header, ImageRecord, ModelResult, ProfileError, ProfileWriter, ProfiledModel,
};

/// What to measure, and whom to tell.
pub struct Session<'a> {
    /// Where the image files are.
    pub directory: &'a Path,
    /// The images.
    pub images: &'a [LabelledImage],
    /// How many classes every model tells apart.
    pub classes: usize,
    /// Runs of each model on each image.
    pub runs: NonZeroUsize,
    /// Times the runs.
    pub clock: Clock,
    /// Says whether to stop before the next image; what is measured by then is kept.
    pub stop: &'a dyn Fn() -> bool,
    /// Called after each image.
    pub advance: &'a dyn Fn(),
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Images in the profile.
    pub measured: usize,
    /// Images left out, each with a warning.
    pub unreadable: usize,
    /// Whether every image had its turn.
    pub ending: Ending,
}

/// Whether every image had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every one.
    Complete,
    /// It was asked to stop.
    Stopped,
}

/// Why an image is left out.
#[derive(Debug, Error)]
enum MeasureError {
    /// It is no image.
    #[error(transparent)]
    Read(#[from] ImageFileError),
    /// It has no features.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A model gives no answer.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
}

impl Session<'_> {
    /// Measures, and writes the profile to `out`.
    pub fn run(
        &self,
        classifiers: &mut [Classifier],
        out: impl Write,
    ) -> Result<Report, ProfileError> {
        let mut writer = ProfileWriter::new(out, header(classifiers, self.classes))?;
        let mut extractor = Extractor::new();
        let mut report = Report { measured: 0, unreadable: 0, ending: Ending::Complete };
        for image in self.images {
            if (self.stop)() {
                report.ending = Ending::Stopped;
                break;
            }
            match self.measure(image, classifiers, &mut extractor) {
                Ok(record) => {
                    writer.write(&record)?;
                    report.measured += 1;
                }
                Err(error) => {
                    log::warn!("{} is left out: {}", image.file, in_full(&error));
                    report.unreadable += 1;
                }
            }
            (self.advance)();
        }
        Ok(report)
    }

    fn measure(
        &self,
        image: &LabelledImage,
        classifiers: &mut [Classifier],
        extractor: &mut Extractor,
    ) -> Result<ImageRecord, MeasureError> {
        let picture = read_image(&self.directory.join(&image.file))?;
        let features = extractor.extract(&picture)?;
        let results = classifiers
            .iter_mut()
            .map(|classifier| self.result(classifier, &picture, image.class))
            .collect::<Result<Vec<ModelResult>, ClassifyError>>()?;
        Ok(ImageRecord { file: image.file.clone(), class: image.class, features, results })
    }

    fn result(
        &self,
        classifier: &mut Classifier,
        picture: &Picture,
        class: usize,
    ) -> Result<ModelResult, ClassifyError> {
        let first = classifier.probabilities(picture, self.clock)?;
        let mut times = vec![first.cost.total()];
        while times.len() < self.runs.get() {
            times.push(classifier.probabilities(picture, self.clock)?.cost.total());
        }
        Ok(ModelResult::new(&first.value, class, median(times)))
    }
}

/// An error with its causes.
fn in_full(error: &MeasureError) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// The middle one, of an even number the upper.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn header(classifiers: &[Classifier], classes: usize) -> Header {
    let model = |classifier: &Classifier| ProfiledModel {
        id: classifier.manifest().id.clone(),
        fingerprint: classifier.manifest().fingerprint(),
        provider: classifier.session().provider(),
    };
    let models = classifiers.iter().map(model).collect();
    Header { models, classes, machine: machine() }
}

/// The processor's own name, and how many of it there are.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, name)| name);
    format!("{name}, {cores} cores")
}
