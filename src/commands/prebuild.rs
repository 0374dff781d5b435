//! `classifyd prebuild`: builds TensorRT's engines before they are needed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::equipment::{self, Choice, Execution};
use super::{Context, ExitCode, Failure, configured, doctor, stderr, stdout};
use crate::clock::Clock;
use crate::config::Config;
use crate::engines::{EngineCounts, EngineStore};
use crate::inference::{Classifier, LoadError};
use crate::models::{Device, Manifest, Provider};
use crate::onnx::{Runtime, SessionOptions};
use crate::outcome::in_words;

/// What `prebuild` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Build for the models that this configuration needs [default: for every model that is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  classifyd prebuild --config /etc/classifyd.toml
  classifyd prebuild --models /srv/models

One engine after the other, each minutes on a small machine; those that are kept already are only
checked. Run it as the user whose cache the daemon uses: engines are kept in $CACHE_DIRECTORY/engines,
$XDG_CACHE_HOME/classifyd/engines or ~/.cache/classifyd/engines.";

const BUILDING: &str = "engine {pos}/{len} {msg} [{elapsed}]";

/// Runs `prebuild`; fails if there is no TensorRT, or an engine cannot be built.
pub fn run(arguments: &Arguments, mut context: Context) -> Result<(), Failure> {
    let Plan { manifests, execution } = plan(arguments, &mut context)?;
    let runtime = equipment::runtime(&context)?;
    runtime.probe(Provider::TensorRt).map_err(no_tensorrt)?;
    let options = SessionOptions { providers: vec![Provider::TensorRt], ..execution.into() };
    let store = options.engines.clone().ok_or_else(no_place)?;
    let builder = Builder { runtime, options, store, clock: context.clock };
    let bar = context.progress.bar(stderr::bar(manifests.len(), BUILDING));
    bar.enable_steady_tick(Duration::from_secs(1));
    let (mut failed, total) = (0, manifests.len());
    for manifest in manifests {
        bar.set_message(manifest.id.to_string());
        bar.inc(1);
        let built = builder.build(&manifest);
        let line = match &built {
            Ok(built) => format!("{}: {built}\n", manifest.id),
            Err(error) => format!("{}: not built: {}\n", manifest.id, in_words(error)),
        };
        context.progress.suspend(|| stdout::print(line))?;
        failed += usize::from(built.is_err());
    }
    bar.finish_and_clear();
    match failed {
        0 => Ok(()),
        failed => {
            let error = anyhow::anyhow!("{failed} of {total} engines are not built, see above");
            Err(Failure::new(ExitCode::Unavailable, error))
        }
    }
}

/// What to build, and how the models would run.
struct Plan {
    manifests: Vec<Manifest>,
    execution: Execution,
}

fn plan(arguments: &Arguments, context: &mut Context) -> Result<Plan, Failure> {
    let (mut manifests, execution) = match &arguments.config {
        Some(file) => {
            let config = Config::load(file)?;
            let found = configured::find(&config, &context.places)?;
            context.places = context.places.clone().or_config(&config);
            (found.manifests, Execution::of(&config))
        }
        None => {
            let directory = context.places.models()?;
            (equipment::manifests(&directory, Choice::Present)?, Execution::default())
        }
    };
    if !execution.providers.contains(&Provider::TensorRt) {
        let error = anyhow::anyhow!(
            "the configuration has no model run on TensorRT: add \"tensorrt\" to models.providers, or \
             leave that out"
        );
        return Err(Failure::new(ExitCode::Configuration, error));
    }
    manifests.retain(|manifest| manifest.run.allows(Device::Gpu));
    Ok(Plan { manifests, execution })
}

fn no_tensorrt(reason: String) -> Failure {
    let reason = reason.trim().trim_end_matches('.');
    let error =
        anyhow::anyhow!("there is no TensorRT to build for: {reason}; {}", doctor::TENSORRT);
    Failure::new(ExitCode::Unavailable, error)
}

fn no_place() -> Failure {
    let error = anyhow::anyhow!("there is no place to keep engines: set CACHE_DIRECTORY or HOME");
    Failure::new(ExitCode::Unavailable, error)
}

struct Builder {
    runtime: Runtime,
    options: SessionOptions,
    store: EngineStore,
    clock: Clock,
}

impl Builder {
    /// Loads a model, has it answer the golden picture, and drops it.
    fn build(&self, manifest: &Manifest) -> Result<Built, LoadError> {
        let EngineCounts { built: before, .. } = self.store.counts();
        let start = self.clock.now();
        Classifier::load(&self.runtime, manifest, &self.options)?;
        let EngineCounts { built: after, .. } = self.store.counts();
        if after == before { Ok(Built::Before) } else { Ok(Built::In(self.clock.now() - start)) }
    }
}

/// When an engine was built.
enum Built {
    Before,
    In(Duration),
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before => f.write_str("was built before, and is in order"),
            Self::In(time) => write!(f, "built in {:.1} s", time.as_secs_f64()),
        }
    }
}
