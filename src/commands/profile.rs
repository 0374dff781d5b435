//! `classifyd profile`: what every model answers to every picture of a set, and how long each takes.

mod sources;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Parser;
use indicatif::ProgressBar;

use super::catalogue::{self, model_name};
use super::equipment::{self, Choice, Execution};
use super::{Context, ExitCode, Failure, stderr};
use crate::capture::inventory;
use crate::daemon;
use crate::frame::Picture;
use crate::inference::Classifier;
use crate::learn::energy::Meter;
use crate::learn::picture_set::PictureSet;
use crate::learn::profile::{Ending, Measured, Report, Session, Surroundings};
use crate::learn::profile_file::journal::{Journal, Task};
use crate::learn::profile_file::{
    Header, ImageRecord, JournalError, Profile, ProfiledModel, Shape, Shard, Truth, fingerprint,
};
use crate::learn::timing::{CalibratedMeter, Timed, Timing};
use crate::machine::{Machine, Versions};
use crate::models::{Manifest, ModelId};
use crate::onnx::Runtime;

/// What `profile` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Directory of images
    #[arg(long, value_name = "DIR", required_unless_present = "videos")]
    images: Option<PathBuf>,
    /// CSV of `filename,class`, or for videos `video,from_frame,to_frame,class`; give the option
    /// twice for both. Classes and frames count from 0 [default: labels.csv in the directory of
    /// images, else the folders in it, one for each class]
    #[arg(long, value_name = "CSV", conflicts_with = "teacher")]
    labels: Vec<PathBuf>,
    /// Synsets of the classes, one a line in the order of the classes, if folders are named by them
    #[arg(long, value_name = "FILE", conflicts_with = "labels")]
    synsets: Option<PathBuf>,
    /// Recordings whose frames are profiled
    #[arg(long, value_name = "URI", num_args = 1..)]
    videos: Vec<String>,
    /// What stands in for labels: the first guess of a model, or `ensemble`, all models together
    #[arg(long, value_name = "NAME|ensemble", value_parser = teacher)]
    teacher: Option<Truth>,
    /// Of a video's frames, one in N is profiled
    #[arg(long, value_name = "N", default_value = "30")]
    every: NonZeroUsize,
    /// Profile the I-th of N parts of the set only; `train` joins the profiles
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Go on with a profiling that was interrupted
    #[arg(long)]
    resume: bool,
    /// Where the profile goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Models to measure, separated by commas; all must have the same classes [default: every model
    /// that is installed]
    #[arg(long = "use", value_name = "NAMES", value_delimiter = ',', value_parser = model_name)]
    used: Vec<ModelId>,
    /// Threads of one inference
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

const EXAMPLES: &str = "\
Examples:
  classifyd profile --images photos --out photos.parquet
  classifyd profile --images photos --labels truth.csv --use mobilenet_v1,inception_v3 --out two.parquet
  classifyd profile --videos porch.mp4 street.mp4 --teacher ensemble --every 15 --out videos.parquet
  classifyd profile --images imagenet/val --shard 1/4 --resume --out part1.parquet

What is measured is kept in FILE.partial until the profile is complete. SIGTERM or SIGINT ends it
after the image at hand; --resume then goes on.";

/// Reads what `--teacher` names.
fn teacher(text: &str) -> Result<Truth, String> {
    let wanted = "`ensemble`, or a model's name as `classifyd models` lists them";
    Truth::from_teacher(text).ok_or_else(|| format!("a teacher is {wanted}"))
}

/// Runs `profile`.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    arguments.check_out()?;
    let manifests = arguments.manifests(context)?;
    let classes = catalogue::common_classes(&manifests)?;
    let truth = arguments.truth(&manifests)?;
    let set = sources::find(&arguments, &manifests, context)?;
    let signals = daemon::signals()?;
    let runtime = equipment::runtime(context)?;
    let execution = Execution::with_threads(arguments.threads);
    let measured = equipment::of_named_width(manifests);
    let mut roster = equipment::load(&runtime, measured, execution, context)?;
    arguments.check_teacher(&roster.models())?;
    let shape = Shape { models: roster.models(), classes };
    let journal = arguments.journal(&set, &truth, &roster.classifiers, shape)?;
    let bars = Bars { context, shown: RefCell::default() };
    let stop = || signals.try_recv().is_ok();
    let around = Surroundings {
        clock: context.clock,
        stop: &stop,
        progress: &|stage, done, of| bars.show(stage, done, of),
    };
    let session = Session::new(&set, &truth, &mut roster.classifiers, journal, around);
    let measured = session.run()?;
    let pass = Pass { arguments: &arguments, context, bars: &bars, stop: &stop };
    let timed = match measured.report.ending {
        Ending::Stopped => None,
        Ending::Complete => {
            let measured = pass.refuse_nothing(measured, &set)?;
            let pictures = measured.gallery.pictures();
            pass.time_all(&mut roster.classifiers, pictures)?.map(|timed| (measured, timed))
        }
    };
    bars.clear();
    let Some((measured, timed)) = timed else { return Err(arguments.stopped()) };
    let header = arguments.header(&set, truth, (&roster.classifiers, timed), classes, &runtime)?;
    let profile = Profile { header, images: measured.images };
    profile.save(&arguments.out)?;
    measured.journal.remove()?;
    tell(&profile, &measured.report, &arguments.out);
    Ok(())
}

impl Arguments {
    /// A place that cannot be written to must not cost hours.
    fn check_out(&self) -> Result<(), Failure> {
        if self.out.is_dir() || self.out.file_name().is_none() {
            let out = self.out.display();
            return Err(Failure::usage(format!("--out {out} is a directory; name a file")));
        }
        let journal = Journal::path_of(&self.out);
        if !self.resume && journal.exists() {
            let error = JournalError::Exists { path: journal };
            return Err(error.into());
        }
        Ok(())
    }

    fn manifests(&self, context: &Context) -> Result<Vec<Manifest>, Failure> {
        let mut names = BTreeSet::new();
        if let Some(twice) = self.used.iter().find(|name| !names.insert(*name)) {
            return Err(Failure::usage(format!("--use names {twice} twice")));
        }
        let choice = match self.used.as_slice() {
            [] => Choice::Present,
            names => Choice::Named(names),
        };
        equipment::manifests(&context.places.models()?, choice)
    }

    fn truth(&self, manifests: &[Manifest]) -> Result<Truth, Failure> {
        let names: Vec<_> = manifests.iter().map(|manifest| manifest.id.clone()).collect();
        self.check_teacher(&names)?;
        Ok(self.teacher.clone().unwrap_or(Truth::Labels))
    }

    fn check_teacher(&self, models: &[ModelId]) -> Result<(), Failure> {
        match &self.teacher {
            Some(Truth::Teacher(name)) if !models.contains(name) => {
                let names: Vec<&str> = models.iter().map(ModelId::as_str).collect();
                Err(Failure::usage(format!(
                    "the teacher {name} is not among the models to measure ({}): name it with --use",
                    names.join(", ")
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn journal(
        &self,
        set: &PictureSet,
        truth: &Truth,
        classifiers: &[Classifier],
        shape: Shape,
    ) -> Result<(Journal, Vec<ImageRecord>), Failure> {
        let model = |classifier: &Classifier| {
            let (manifest, provider) = (classifier.manifest(), classifier.session().provider());
            (manifest.id.to_string(), fingerprint(manifest), provider.to_string())
        };
        let models = classifiers.iter().map(model).collect();
        let task = Task {
            models,
            classes: shape.classes,
            truth: truth.to_string(),
            set: set.name.clone(),
            threads: self.threads.get(),
            shard: self.shard.to_string(),
            every: self.every.get(),
            pictures: set.digest(),
        };
        if self.resume {
            return Ok(Journal::resume(&self.out, &task, shape)?);
        }
        Ok((Journal::begin(&self.out, &task, shape)?, Vec::new()))
    }

    fn stopped(&self) -> Failure {
        let journal = Journal::path_of(&self.out);
        anyhow!(
            "stopped; what is measured is in {}: the same command with --resume goes on",
            journal.display()
        )
        .into()
    }

    fn header(
        &self,
        set: &PictureSet,
        truth: Truth,
        (classifiers, timed): (&[Classifier], Vec<Timed>),
        classes: usize,
        runtime: &Runtime,
    ) -> Result<Header, Failure> {
        let model = |(classifier, timed): (&Classifier, Timed)| ProfiledModel {
            id: classifier.manifest().id.clone(),
            fingerprint: fingerprint(classifier.manifest()),
            sha256: classifier.manifest().sha256.clone(),
            provider: classifier.session().provider(),
            latency: timed.latency,
            energy: timed.energy,
        };
        Ok(Header {
            models: classifiers.iter().zip(timed).map(model).collect(),
            classes,
            truth,
            set: set.name.clone(),
            threads: self.threads.get(),
            shard: self.shard,
            machine: Machine::read(Path::new("/")),
            versions: Versions {
                classifyd: env!("CARGO_PKG_VERSION").to_owned(),
                onnxruntime: onnxruntime(runtime),
                gstreamer: inventory::version()?,
            },
        })
    }
}

/// The library's file, whose name has the version, and its own words, which have not.
fn onnxruntime(runtime: &Runtime) -> String {
    let file = runtime.library().file_name().unwrap_or_default();
    format!("{}, {}", file.to_string_lossy(), runtime.build_info())
}

/// What comes after the answers.
struct Pass<'a> {
    arguments: &'a Arguments,
    context: &'a Context,
    bars: &'a Bars<'a>,
    stop: &'a dyn Fn() -> bool,
}

impl Pass<'_> {
    /// A set of which nothing was measured leaves nothing behind.
    fn refuse_nothing(&self, measured: Measured, set: &PictureSet) -> Result<Measured, Failure> {
        if !measured.images.is_empty() {
            return match measured.gallery.pictures() {
                [] => Err(no_input(format!(
                    "none of the pictures of {} can be read any more, and latencies are to be \
                     measured on some",
                    set.name
                ))),
                _ => Ok(measured),
            };
        }
        self.bars.clear();
        measured.journal.remove()?;
        let report = measured.report;
        let error = anyhow!(
            "no picture of {} could be measured in the shard {}: {} unreadable, {} frames in no \
             labelled segment, {} videos broken off",
            set.name,
            self.arguments.shard,
            report.unreadable,
            report.unlabelled,
            report.broken
        );
        Err(error.into())
    }

    /// What each model takes; `None` if it was asked to stop.
    fn time_all(
        &self,
        classifiers: &mut [Classifier],
        pictures: &[Picture],
    ) -> Result<Option<Vec<Timed>>, Failure> {
        const STEPS: f64 = 1000.0;
        let meter = self.meter();
        let (clock, stop) = (self.context.clock, self.stop);
        let timing = Timing { pictures, meter: meter.as_ref(), clock, stop };
        let total = (classifiers.len() as f64 * STEPS) as u64;
        let mut all = Vec::new();
        for (number, classifier) in classifiers.iter_mut().enumerate() {
            let show = |share: f64| {
                let done = ((number as f64 + share) * STEPS) as u64;
                self.bars.show("latencies", done, total);
            };
            let model = classifier.manifest().id.clone();
            let timed = timing.time(classifier, &show);
            let timed = timed.with_context(|| format!("cannot measure the latency of {model}"))?;
            let Some(timed) = timed else { return Ok(None) };
            warn_if_uncertain(&model, &timed);
            all.push(timed);
        }
        Ok(Some(all))
    }

    fn meter(&self) -> Option<CalibratedMeter> {
        let meter = CalibratedMeter::new(Meter::find(Path::new("/sys"))?, self.context.clock)?;
        log::info!("energy is measured by {}, idle {:.2} W", meter.name(), meter.idle_watts());
        Some(meter)
    }
}

fn warn_if_uncertain(model: &ModelId, timed: &Timed) {
    let latency = &timed.latency;
    if !latency.is_precise() {
        log::warn!(
            "the latency of {model} is uncertain: after {} runs the median {:.3} ms is known to \
             {:.1} % only (is the machine busy?)",
            latency.runs,
            latency.median.as_secs_f64() * 1e3,
            latency.relative_width() * 100.0
        );
    }
}

fn tell(profile: &Profile, report: &Report, out: &Path) {
    let energy = profile.header.models.iter().find_map(|model| model.energy.as_ref());
    let mut parts = vec![format!("{} images measured", profile.images.len())];
    parts.push(format!("{} unreadable", report.unreadable));
    let further = [
        (report.resumed, "resumed"),
        (report.unlabelled, "frames without a label"),
        (report.broken, "videos broken off"),
    ];
    let further = further.iter().filter(|(count, _)| *count > 0);
    parts.extend(further.map(|(count, what)| format!("{count} {what}")));
    if profile.header.truth != Truth::Labels {
        parts.push(format!("truth: {}, no labels", profile.header.truth));
    }
    parts.push(match energy {
        Some(energy) => format!("energy by {}", energy.sensor),
        None => "energy not available".to_owned(),
    });
    stderr::tell(format!("{}, written to {}\n", parts.join(", "), out.display()));
}

const SHOWN: &str = "{prefix} {elapsed_precise} {wide_bar} {percent} %  {eta} left";

/// Progress, a bar for each stage.
struct Bars<'a> {
    context: &'a Context,
    shown: RefCell<Option<(String, ProgressBar)>>,
}

impl Bars<'_> {
    fn show(&self, stage: &str, done: u64, of: u64) {
        let is_new = self.shown.borrow().as_ref().is_none_or(|(shown, _)| shown != stage);
        if is_new {
            self.clear();
            let bar = self.context.progress.bar(stderr::bar(of as usize, SHOWN));
            bar.set_prefix(stage.to_owned());
            *self.shown.borrow_mut() = Some((stage.to_owned(), bar));
        }
        if let Some((_, bar)) = &*self.shown.borrow() {
            bar.set_position(done);
        }
    }

    fn clear(&self) {
        if let Some((_, bar)) = self.shown.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

/// A set cannot be found, in words.
fn no_input(words: String) -> Failure {
    Failure::new(ExitCode::NoInput, anyhow!(words))
}
