//! `classifyd profile`: every model on every image of a labelled set.

use std::collections::BTreeSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use super::catalogue::{self, model_name};
use super::equipment::{self, Choice, Execution};
use super::{Context, ExitCode, Failure, stderr};
use crate::daemon;
use crate::learn::labels;
use crate::learn::profile::{self, Ending};
use crate::models::{Manifest, ModelId};

/// What `profile` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Directory of the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// CSV of `filename,class`, the class 0-based [default: labels.csv in the directory]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Where the profile goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Models to measure, separated by commas; all must have the same classes [default: every model
    /// that is installed]
    #[arg(long = "use", value_name = "NAMES", value_delimiter = ',', value_parser = model_name)]
    used: Vec<ModelId>,
    /// Runs of each model on each image; the median latency counts
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroUsize,
    /// Threads of one inference
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

const EXAMPLES: &str = "\
Examples:
  classifyd profile --images photos --out photos.jsonl
  classifyd profile --images photos --labels truth.csv --use mobilenet_v1,inception_v3 --out two.jsonl

SIGTERM or SIGINT ends it after the image at hand; what is measured by then is kept.";

/// Runs `profile`.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    arguments.check_images()?;
    let labels = arguments.labels.clone().unwrap_or_else(|| arguments.images.join("labels.csv"));
    let manifests = arguments.manifests(context)?;
    let classes = catalogue::common_classes(&manifests)?;
    let images = labels::read(&labels, classes)?;
    let signals = daemon::signals()?;
    let execution = Execution { threads: arguments.threads, ..Execution::default() };
    let mut roster = equipment::load(&equipment::runtime(context)?, manifests, execution, context)?;
    let out = File::create(&arguments.out)
        .with_context(|| format!("cannot create the profile {}", arguments.out.display()))?;
    let bar = context.progress.bar(stderr::bar(images.len(), MEASURING));
    let session = profile::Session {
        directory: &arguments.images,
        images: &images,
        classes,
        runs: arguments.runs,
        clock: context.clock,
        stop: &|| signals.try_recv().is_ok(),
        advance: &|| bar.inc(1),
    };
    let report = session.run(&mut roster.classifiers, out)?;
    bar.finish_and_clear();
    stderr::tell(format!(
        "{} images measured, {} unreadable, written to {}\n",
        report.measured,
        report.unreadable,
        arguments.out.display()
    ));
    match report.ending {
        Ending::Complete if report.measured == 0 => {
            Err(anyhow::anyhow!("none of the {} images could be read", images.len()).into())
        }
        Ending::Complete => Ok(()),
        Ending::Stopped => Err(anyhow::anyhow!("stopped before the last image").into()),
    }
}

const MEASURING: &str = "{elapsed_precise} {wide_bar} {pos}/{len}  {eta} left";

impl Arguments {
    fn check_images(&self) -> Result<(), Failure> {
        if self.images.is_dir() {
            return Ok(());
        }
        let error = anyhow::anyhow!("there is no directory of images {}", self.images.display());
        Err(Failure::new(ExitCode::NoInput, error))
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
}
