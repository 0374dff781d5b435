//! `classifyd check`: a configuration file and everything it names, without touching a camera.

use std::path::PathBuf;

use clap::Parser;

use super::{Context, Failure, equipment, stdout};
use crate::config::{Config, PolicyKind};
use crate::daemon::StreamPlan;
use crate::premodel::Premodel;

/// What `check` takes.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs `check`: every fault of the file at once, or what it will run.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let places = context.places.clone().or_config(&config);
    let streams = super::run::streams(&config.streams, places.pipelines().as_deref())?;
    let policy = config.policy();
    let manifests = equipment::manifests_for(&policy, Some(&config), &places)?;
    for manifest in &manifests {
        manifest.verify_file()?;
    }
    if policy == PolicyKind::Premodel {
        let loaded: Vec<_> =
            manifests.iter().map(|manifest| (&manifest.id, &manifest.sha256)).collect();
        Premodel::load(&places.premodel()?)?.restrict_to(&loaded)?;
    }
    let models = manifests.iter().map(|manifest| format!("  {}\n", manifest.id));
    let stream =
        |stream: &StreamPlan| format!("  {} from {}\n", stream.spec.name, stream.spec.source);
    Ok(stdout::print(format_args!(
        "{}: ok\npolicy {policy}, models:\n{}streams:\n{}",
        arguments.config.display(),
        models.collect::<String>(),
        streams.iter().map(stream).collect::<String>(),
    ))?)
}
