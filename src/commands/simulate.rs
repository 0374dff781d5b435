//! `classifyd simulate`: a scenario to tables, plots and figures.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use indicatif::ProgressBar;

use super::{Context, Failure, stderr, stdout};
use crate::scheduler::estimate::OnTime;
use crate::simulate::experiment::{self, Watch};
use crate::simulate::report;
use crate::simulate::scenario::Scenario;
use crate::simulate::summary::summary;

/// What `simulate` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What to simulate: a TOML file; those in scenarios/ explain every key
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Where simulation.html, simulation.json, the tables as CSV and the plots go
    #[arg(long, value_name = "DIRECTORY")]
    report: Option<PathBuf>,
    /// The first seed, in place of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Runs of each setting, with a seed each, in place of the scenario's
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroUsize>,
    /// The daemon's scheduler starts a run only if it will be in time with this probability, in place of
    /// the scenario's
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    on_time: Option<OnTime>,
}

const EXAMPLES: &str = "\
Examples:
  classifyd simulate --scenario scenarios/planning.toml
  classifyd simulate --scenario scenarios/jetson_tx2.toml --report simulation";

const SHOWN: &str = "simulating {wide_bar} {pos}/{len}  {elapsed} of {duration}";

/// Runs `simulate`.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut scenario = Scenario::load(&arguments.scenario)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.seeds = arguments.seeds.unwrap_or(scenario.seeds);
    scenario.setting.on_time = arguments.on_time.unwrap_or(scenario.setting.on_time);
    if let Some(directory) = &arguments.report {
        // Before minutes of work that could not be written down.
        report::prepare(directory)?;
    }
    let bar = context.progress.bar(stderr::bar(0, SHOWN));
    let simulation = experiment::run(&scenario, context.clock.now(), &Bar(&bar));
    bar.finish_and_clear();
    let mut told = summary(&simulation);
    if let Some(directory) = &arguments.report {
        let written = report::write(directory, &simulation)?;
        told.push_str(&format!("\nwrote {}\n", written.html.display()));
    }
    Ok(stdout::print(told)?)
}

/// The bar that people watch.
struct Bar<'a>(&'a ProgressBar);

impl Watch for Bar<'_> {
    fn expect(&self, runs: u64) {
        self.0.inc_length(runs);
    }

    fn tick(&self) {
        self.0.inc(1);
    }
}
