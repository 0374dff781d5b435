//! `classifyd check`: a configuration file and everything it names, without touching a camera.

use std::path::PathBuf;

use clap::Parser;

use super::{Context, Failure, configured, stdout};
use crate::config::Config;

/// What `check` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  classifyd check --config /etc/classifyd.toml
  classifyd check --config doors.toml && systemctl restart classifyd";

/// Runs `check`: every fault of the file at once, or what it will run.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let found = configured::find(&config, &context.places)?;
    for manifest in &found.manifests {
        manifest.verify_file()?;
    }
    let models = found.manifests.iter().map(|manifest| format!("  {}\n", manifest.id));
    let streams = found.streams.iter().map(|stream| &stream.spec);
    let streams = streams.map(|spec| format!("  {} from {}\n", spec.name, spec.source));
    Ok(stdout::print(format_args!(
        "{}: ok\npolicy {}, models:\n{}streams:\n{}",
        arguments.config.display(),
        found.policy,
        models.collect::<String>(),
        streams.collect::<String>()
    ))?)
}
