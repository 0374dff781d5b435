//! `classifyd models`: what is there, and what it costs on this machine.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;

use super::equipment::{self, Choice, Execution};
use super::{Context, Failure, stdout};
use crate::inference::Roster;
use crate::learn::latency::LatencyStats;
use crate::models::{self, Manifest, ManifestEntry};
use crate::output::table::Table;

/// What `models` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Only list them; load and measure none
    #[arg(long)]
    list: bool,
    /// Threads of one inference
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

const EXAMPLES: &str = "\
Examples:
  classifyd models                 what they cost on this machine
  classifyd models --list          only what is there
  classifyd models --threads 4";

/// Runs `models`.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let directory = context.places.models()?;
    let entries = models::load_directory(&directory)?;
    let roster = if arguments.list {
        None
    } else {
        let execution = Execution::with_threads(arguments.threads);
        let present = equipment::of_named_width(equipment::manifests(&directory, Choice::Present)?);
        Some(equipment::load(&equipment::runtime(context)?, present, execution, context)?)
    };
    let mut table = Table::new([
        "model",
        "input",
        "MB",
        "provider",
        "median ms",
        "p95 ms",
        "top-1 %",
        "licence",
    ]);
    let mut notes =
        "median and p95: preprocessing to labels, here; top-1: as published\n".to_owned();
    for ManifestEntry { name, manifest } in entries {
        match manifest {
            Ok(manifest) => table.row(row(&manifest, roster.as_ref())),
            Err(error) => {
                notes += &format!("{name}: {:#}\n", anyhow::Error::from(error));
                table.row(faulty_row(name));
            }
        }
    }
    Ok(stdout::print(format_args!("{table}{notes}"))?)
}

fn faulty_row(name: String) -> [String; 8] {
    let none = || "-".to_owned();
    [name, none(), none(), "faulty".to_owned(), none(), none(), none(), none()]
}

fn row(manifest: &Manifest, roster: Option<&Roster>) -> [String; 8] {
    let none = || "-".to_owned();
    let input = format!("{}x{}", manifest.input.width, manifest.input.height);
    let size = manifest.file.metadata().map(|file| format!("{:.1}", file.len() as f64 / 1e6));
    let loaded = roster.and_then(|roster| {
        let mut classifiers = roster.classifiers.iter();
        classifiers.find(|classifier| classifier.manifest().id == manifest.id)
    });
    let provider = match (loaded, manifest.is_present()) {
        (Some(classifier), _) => classifier.session().provider().to_string(),
        (None, true) => none(),
        (None, false) => "not installed".to_owned(),
    };
    let warm_up = roster.and_then(|roster| roster.warm_ups.get(&manifest.id));
    let latency = warm_up.and_then(|warm_up| LatencyStats::of(&warm_up.single));
    let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let published = manifest.published.as_ref();
    [
        manifest.id.to_string(),
        input,
        size.unwrap_or_else(|_| none()),
        provider,
        latency.as_ref().map_or_else(none, |latency| milliseconds(latency.median)),
        latency.as_ref().map_or_else(none, |latency| milliseconds(latency.percentile(95))),
        published.map_or_else(none, |published| format!("{:.1}", published.top1)),
        manifest.source.licence.clone(),
    ]
}
