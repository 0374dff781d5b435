//! `classifyd evaluate`: profiles to a report on what models and choosers are worth.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use super::{Failure, stdout};
use crate::learn::evaluate::metrics::bootstrap::RESAMPLES;
use crate::learn::evaluate::{self, Given, LatencyTable, Options, Overheads, report};
use crate::learn::profile_file::Profile;
use crate::premodel::Premodel;

/// What `evaluate` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A profile; give the option several times to compare several sets
    #[arg(long, value_name = "FILE", required = true)]
    profile: Vec<PathBuf>,
    /// Where report.html and report.json go
    #[arg(long, value_name = "DIRECTORY")]
    report: PathBuf,
    /// A premodel to evaluate as it is, besides those that are trained in each fold
    #[arg(long, value_name = "FILE")]
    premodel: Option<PathBuf>,
    /// Folds of cross-validation
    #[arg(long, value_name = "N", default_value_t = Options::default().folds)]
    folds: usize,
    /// What an image may take, separated by commas: right but later is wrong
    #[arg(
        long,
        value_name = "TIMES",
        default_value = "33ms,66ms,100ms",
        value_delimiter = ',',
        value_parser = humantime::parse_duration
    )]
    budget: Vec<Duration>,
    /// Latencies of another device instead of those measured (models/latency has some); models that
    /// it does not list are left out
    #[arg(long, value_name = "FILE")]
    latency_table: Option<PathBuf>,
    /// Decides which pictures come into which fold, and how they are drawn anew for intervals
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    seed: u64,
    /// How often the pictures are drawn anew for intervals
    #[arg(long, value_name = "N", default_value_t = RESAMPLES as u64,
        value_parser = clap::value_parser!(u64).range(0..=100_000))]
    resamples: u64,
    /// What the features of a picture take
    #[arg(long, value_name = "TIME", default_value = "1ms",
        value_parser = humantime::parse_duration)]
    features_time: Duration,
    /// What the adaptive policy's decisions on a picture take
    #[arg(long, value_name = "TIME", default_value = "50us",
        value_parser = humantime::parse_duration)]
    decision_time: Duration,
}

const EXAMPLES: &str = "\
Examples:
  classifyd evaluate --profile photos.parquet --report evaluation
  classifyd evaluate --profile a.parquet --profile b.parquet --budget 16ms,33ms --report evaluation
  classifyd evaluate --profile a.parquet --latency-table models/latency/jetson_tx2.toml --report tx2";

/// Runs `evaluate`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let profiles: Vec<Profile> =
        arguments.profile.iter().map(|file| Profile::load(file)).collect::<Result<_, _>>()?;
    let given = arguments.premodel.as_deref().map(given).transpose()?;
    let table = arguments.latency_table.as_deref().map(LatencyTable::load).transpose()?;
    // Before minutes of work that could not be written down.
    report::prepare(&arguments.report)?;
    let options = arguments.options();
    let evaluation = evaluate::evaluate(profiles, given.as_ref(), table.as_ref(), &options)?;
    let written = report::write(&arguments.report, &evaluation)?;
    let table = evaluate::summary(&evaluation);
    let (html, json) = (written.html.display(), written.json.display());
    Ok(stdout::print(format_args!("{table}wrote {html} and {json}\n"))?)
}

fn given(path: &Path) -> Result<Given, Failure> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(Given { file: name.to_string_lossy().into_owned(), premodel: Premodel::load(path)? })
}

impl Arguments {
    fn options(&self) -> Options {
        let mut budgets = self.budget.clone();
        budgets.sort_unstable();
        budgets.dedup();
        Options {
            folds: self.folds,
            budgets,
            seed: self.seed,
            resamples: usize::try_from(self.resamples).unwrap_or(RESAMPLES),
            overheads: Overheads {
                features: self.features_time,
                decision: self.decision_time,
                ..Overheads::default()
            },
        }
    }
}
