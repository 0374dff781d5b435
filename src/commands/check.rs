//! `classifyd check`: a configuration file and everything it names, without touching a camera.

use std::path::PathBuf;

use clap::Parser;

use super::{Context, Failure, equipment};
use crate::config::{Config, PolicyKind};
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
    println!("{}: ok", arguments.config.display());
    println!("policy {policy}, models:");
    for manifest in &manifests {
        println!("  {}", manifest.id);
    }
    println!("streams:");
    for stream in &streams {
        println!("  {} from {}", stream.spec.name, stream.spec.source);
    }
    Ok(())
}
