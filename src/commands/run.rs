//! `classifyd run`: the daemon in the foreground.

use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::equipment::{self, Execution};
use super::replay::{delivery, finish};
use super::{Context, ExitCode, Failure};
use crate::capture::{CaptureError, Source, StreamSpec};
use crate::config::{Config, Faults, StreamConfig};
use crate::daemon::{self, Plan, StreamPlan};

/// What `run` takes.
#[derive(Debug, Parser)]
#[command(after_help = "SIGTERM or SIGINT finishes the frames on their way and exits with 0; a \
                        second one exits at once.")]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs `run`.
pub fn run(arguments: Arguments, mut context: Context) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    context.places = context.places.or_config(&config);
    let signals = daemon::signals()?;
    let streams = streams(&config.streams, context.places.pipelines().as_deref())?;
    let policy = config.policy();
    let manifests = equipment::manifests_for(&policy, Some(&config), &context.places)?;
    let execution = Execution::of(&config);
    let roster = equipment::load(&equipment::runtime(&context)?, manifests, execution, &context)?;
    let selector = equipment::selector(&policy, config.policy.seed, &roster, &context.places)?;
    let plan = Plan {
        streams,
        roster,
        selector,
        top_k: config.output.top_k.get(),
        sink: Box::new(io::stdout()),
        progress: context.progress.clone(),
    };
    finish(daemon::run(plan, &signals, context.clock)?, None)
}

/// The streams of a configuration; what is wrong with a source is a fault of its line.
pub fn streams(
    configured: &[StreamConfig],
    pipelines: Option<&Path>,
) -> Result<Vec<StreamPlan>, Failure> {
    let mut faults = Vec::new();
    let mut streams = Vec::new();
    for stream in configured {
        match source(stream, pipelines) {
            Ok(source) => streams.push(plan(stream, source)),
            Err(error @ (CaptureError::Uri { .. } | CaptureError::Parameter { .. })) => {
                let remedy = "README.md, \"Sources\", lists what can stand here";
                faults.push(stream.source.location.fault(error.to_string(), remedy));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if faults.is_empty() {
        return Ok(streams);
    }
    Err(Failure::new(ExitCode::Configuration, Faults::new(faults)))
}

fn source(stream: &StreamConfig, pipelines: Option<&Path>) -> Result<Source, CaptureError> {
    Source::parse_with(&stream.source.value, &stream.parameters, pipelines)
}

fn plan(stream: &StreamConfig, source: Source) -> StreamPlan {
    let delivery = delivery(&source, stream.pace);
    let spec = StreamSpec { name: stream.name.clone(), source, budget: stream.budget };
    StreamPlan { spec, delivery, every: stream.every }
}
