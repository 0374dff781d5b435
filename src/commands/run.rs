//! `classifyd run`: the daemon in the foreground.

use std::io;
use std::path::PathBuf;

use clap::Parser;

use super::configured::{self, Found};
use super::equipment::{self, Execution, Wish};
use super::playing::finish;
use super::{Context, Failure};
use crate::config::Config;
use crate::daemon::{self, Plan};
use crate::install;
use crate::scheduler::Discipline;
use crate::systemd::Startup;

/// What `run` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  classifyd run --config /etc/classifyd.toml
  classifyd run --config doors.toml --quiet > records.jsonl

SIGTERM or SIGINT finishes the frames on their way and exits with 0; a second one exits at once.";

/// Runs `run`.
pub fn run(arguments: Arguments, mut context: Context) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let Found { streams, policy, manifests } = configured::find(&config, &context.places)?;
    context.places = context.places.or_config(&config);
    context.startup = Startup::begin(context.clock);
    let signals = daemon::signals()?;
    let execution = Execution::of(&config);
    let runtime = equipment::runtime(&context)?;
    let roster = equipment::load(&runtime, manifests, execution, &context)?;
    let wish = Wish {
        policy,
        seed: config.policy.seed,
        target: config.policy.target.as_ref().map(|target| target.value),
        top_k: config.output.top_k.get(),
    };
    let chooser = equipment::chooser(&wish, &roster, &context.places)?;
    log::info!("{}", equipment::description(&roster, &chooser));
    let (late, widths) = (config.late, config.widths);
    let estimates = config.scheduler.estimates.or_else(install::estimates);
    let plan = Plan {
        streams,
        roster,
        widths,
        on_time: config.scheduler.on_time,
        discipline: Discipline::Deadlines,
        estimates,
        selector: chooser.selector,
        top_k: wish.top_k,
        late,
        sink: Box::new(io::stdout()),
        progress: context.progress.clone(),
        startup: context.startup,
    };
    finish(daemon::run(plan, &signals, context.clock)?, None)
}
