//! `classifyd profile`: every model on every image of a labelled set.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use super::equipment::{self, Choice, Execution};
use super::{Context, Failure};
use crate::daemon;
use crate::learn::labels;
use crate::learn::profile::{self, Ending};

/// What `profile` takes.
#[derive(Debug, Parser)]
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
    /// Runs of each model on each image; the median latency counts
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroUsize,
    /// Threads of one inference
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

/// Runs `profile`.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let labels = arguments.labels.unwrap_or_else(|| arguments.images.join("labels.csv"));
    let manifests = equipment::manifests(&context.places.models()?, Choice::Present)?;
    let classes = manifests.iter().map(|manifest| manifest.output.labels.count()).min();
    let images = labels::read(&labels, classes.unwrap_or(0))?;
    let signals = daemon::signals()?;
    let execution = Execution { threads: arguments.threads, ..Execution::default() };
    let mut roster = equipment::load(&equipment::runtime(context)?, manifests, execution, context)?;
    let out = File::create(&arguments.out)
        .with_context(|| format!("cannot create the profile {}", arguments.out.display()))?;
    let bar = context.progress.bar(progress_bar(images.len()));
    let session = profile::Session {
        directory: &arguments.images,
        images: &images,
        runs: arguments.runs,
        clock: context.clock,
        stop: &|| signals.try_recv().is_ok(),
        advance: &|| bar.inc(1),
    };
    let report = session.run(&mut roster.classifiers, out)?;
    bar.finish_and_clear();
    // For people only.
    let _ = writeln!(
        io::stderr(),
        "{} images measured, {} unreadable, written to {}",
        report.measured,
        report.unreadable,
        arguments.out.display()
    );
    match report.ending {
        Ending::Complete if report.measured == 0 => {
            Err(anyhow::anyhow!("none of the {} images could be read", images.len()).into())
        }
        Ending::Complete => Ok(()),
        Ending::Stopped => Err(anyhow::anyhow!("stopped before the last image").into()),
    }
}

fn progress_bar(images: usize) -> ProgressBar {
    let bar = ProgressBar::new(images as u64);
    match ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len}  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
