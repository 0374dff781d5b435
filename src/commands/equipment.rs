//! What the commands that run models have in common: finding the parts and loading them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;

use super::{Context, ExitCode, Failure};
use crate::config::{Config, Fault, Faults, Located, PolicyKind};
use crate::inference::Roster;
use crate::install;
use crate::models::{self, Manifest, ModelId, Provider};
use crate::onnx::{Runtime, SessionOptions};
use crate::premodel::{Premodel, RankedPremodel};
use crate::select::Selector;

/// Where the parts are that are not in the program.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Places {
    /// Directory of model manifests [default: models/ here, by the program, or installed]
    #[arg(long, value_name = "DIR", env = "CLASSIFYD_MODELS", global = true)]
    pub models: Option<PathBuf>,
    /// The ONNX Runtime library [default: lib/libonnxruntime.so beside the models, or installed]
    #[arg(long, value_name = "FILE", env = "ORT_DYLIB_PATH", global = true)]
    pub onnxruntime: Option<PathBuf>,
    /// Directory of pipeline descriptions of your own [default: pipelines/ beside the models]
    #[arg(long, value_name = "DIR", env = "CLASSIFYD_PIPELINES", global = true)]
    pub pipelines: Option<PathBuf>,
    /// The premodel [default: premodel.safetensors beside the models]
    #[arg(long, value_name = "FILE", env = "CLASSIFYD_PREMODEL", global = true)]
    pub premodel: Option<PathBuf>,
}

impl Places {
    /// Takes from the configuration what the command line leaves open.
    pub fn or_config(mut self, config: &Config) -> Self {
        let models = &config.models;
        self.models = self.models.or_else(|| models.directory.as_ref().map(|d| d.value.clone()));
        self.premodel = self.premodel.or_else(|| models.premodel.as_ref().map(|p| p.value.clone()));
        self.onnxruntime =
            self.onnxruntime.or_else(|| config.onnxruntime.as_ref().map(|l| l.value.clone()));
        self
    }

    /// The directory of manifests.
    pub fn models(&self) -> Result<PathBuf, Failure> {
        Ok(install::models_directory(self.models.as_deref())?)
    }

    /// The ONNX Runtime library.
    pub fn library(&self) -> Result<PathBuf, Failure> {
        Ok(install::onnxruntime_library(self.onnxruntime.as_deref(), &self.models()?))
    }

    /// The user's pipeline descriptions, if there are any.
    pub fn pipelines(&self) -> Option<PathBuf> {
        let models = self.models().ok();
        let models = models.as_deref().unwrap_or(Path::new("."));
        install::pipelines_directory(self.pipelines.as_deref(), models)
    }

    /// The premodel's file.
    pub fn premodel(&self) -> Result<PathBuf, Failure> {
        match &self.premodel {
            Some(file) => Ok(file.clone()),
            None => Ok(self.models()?.join("premodel.safetensors")),
        }
    }
}

/// How models run.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Threads of one run.
    pub threads: NonZeroUsize,
    /// The providers to try, the best first.
    pub providers: Vec<Provider>,
}

impl Default for Execution {
    fn default() -> Self {
        Self { threads: NonZeroUsize::MIN, providers: Provider::LADDER.to_vec() }
    }
}

impl Execution {
    /// As a configuration says.
    pub fn of(config: &Config) -> Self {
        Self { threads: config.models.threads, providers: config.models.providers.clone() }
    }
}

impl From<Execution> for SessionOptions {
    fn from(execution: Execution) -> Self {
        Self {
            threads: execution.threads.get(),
            providers: execution.providers,
            engine_cache: install::engine_cache(),
        }
    }
}

/// Which of the models to load.
pub enum Choice<'a> {
    /// Every one whose file is there.
    Present,
    /// These, all of which must be there.
    Named(&'a [ModelId]),
}

/// The manifests of the models that a policy may need.
pub fn manifests_for(
    policy: &PolicyKind,
    config: Option<&Config>,
    places: &Places,
) -> Result<Vec<Manifest>, Failure> {
    let directory = places.models()?;
    let configured = config.and_then(|config| config.models.names.as_ref());
    let names = match (policy, configured) {
        (PolicyKind::Fixed(model), _) => vec![model.clone()],
        (PolicyKind::Premodel | PolicyKind::Random, Some(names)) => {
            names.iter().map(|name| name.value.clone()).collect()
        }
        (PolicyKind::Premodel | PolicyKind::Random, None) => {
            return manifests(&directory, Choice::Present);
        }
    };
    let found = manifests(&directory, Choice::Named(&names));
    match config {
        Some(config) => found.map_err(|failure| where_written(failure, policy, config)),
        None => found,
    }
}

/// Turns unknown models that a configuration names into faults of its lines.
fn where_written(failure: Failure, policy: &PolicyKind, config: &Config) -> Failure {
    let Some(unknown) = failure.error.downcast_ref::<UnknownModels>() else { return failure };
    let policy = config.policy.kind.as_ref().filter(|kind| kind.value == *policy);
    let place = |model: &ModelId| match policy {
        Some(Located { value: PolicyKind::Fixed(_), location }) => Some(location),
        Some(_) | None => {
            let mut names = config.models.names.iter().flatten();
            names.find(|name| name.value == *model).map(|name| &name.location)
        }
    };
    let remedy = format!("there are {}", listed(&unknown.known));
    let fault = |model| Some(place(model)?.fault("there is no such model", remedy.as_str()));
    let faults: Vec<Fault> = unknown.names.iter().filter_map(fault).collect();
    match faults.is_empty() {
        true => failure,
        false => Failure::new(ExitCode::Configuration, Faults::new(faults)),
    }
}

/// The manifests of the models to load.
pub fn manifests(directory: &Path, choice: Choice<'_>) -> Result<Vec<Manifest>, Failure> {
    let all = models::load_directory(directory)?;
    match choice {
        Choice::Present => {
            let present: Vec<Manifest> = all.into_iter().filter(Manifest::is_present).collect();
            if present.is_empty() {
                let error = anyhow::anyhow!(
                    "{} has manifests, but no model file is there: run `make setup`",
                    directory.display()
                );
                return Err(Failure::new(ExitCode::Unavailable, error));
            }
            Ok(present)
        }
        Choice::Named(names) => named(&all, names, directory),
    }
}

/// Models that are named and are not there.
#[derive(Debug, Error)]
#[error(
    "there is no model {} in {}; there are {}",
    listed(.names),
    .directory.display(),
    listed(.known)
)]
struct UnknownModels {
    names: Vec<ModelId>,
    directory: PathBuf,
    known: Vec<ModelId>,
}

fn listed(models: &[ModelId]) -> String {
    if models.is_empty() {
        return "none".to_owned();
    }
    models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ")
}

fn named(all: &[Manifest], names: &[ModelId], directory: &Path) -> Result<Vec<Manifest>, Failure> {
    let find = |name: &ModelId| all.iter().find(|manifest| manifest.id == *name);
    let unknown: Vec<ModelId> = names.iter().filter(|name| find(name).is_none()).cloned().collect();
    if unknown.is_empty() {
        return Ok(names.iter().filter_map(find).cloned().collect());
    }
    let known = all.iter().map(|manifest| manifest.id.clone()).collect();
    let error = UnknownModels { names: unknown, directory: directory.to_owned(), known };
    Err(Failure::new(ExitCode::Usage, error))
}

/// Loads the ONNX Runtime library.
pub fn runtime(context: &Context) -> Result<Runtime, Failure> {
    Ok(Runtime::load(&context.places.library()?)?)
}

/// Loads models, showing which one on stderr if that is a terminal.
pub fn load(
    runtime: &Runtime,
    manifests: Vec<Manifest>,
    execution: Execution,
    context: &Context,
) -> Result<Roster, Failure> {
    let bar = context.progress.bar(loading_bar(manifests.len()));
    let begin = |manifest: &Manifest| {
        bar.set_message(manifest.id.to_string());
        bar.inc(1);
    };
    let roster = Roster::load(runtime, manifests, &execution.into(), context.clock, begin);
    bar.finish_and_clear();
    Ok(roster?)
}

fn loading_bar(models: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("loading model {pos}/{len} {msg}");
    let bar = ProgressBar::new(models as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The selector of a policy, over loaded models.
pub fn selector(
    policy: &PolicyKind,
    seed: u64,
    roster: &Roster,
    places: &Places,
) -> Result<Selector, Failure> {
    Ok(match policy {
        PolicyKind::Fixed(model) => Selector::Fixed(model.clone()),
        PolicyKind::Random => Selector::Random(roster.models(), fastrand::Rng::with_seed(seed)),
        PolicyKind::Premodel => {
            let premodel = premodel(&places.premodel()?, roster)?;
            Selector::Premodel(Box::default(), Box::new(premodel))
        }
    })
}

/// The premodel, narrowed to the loaded models.
pub fn premodel(file: &Path, roster: &Roster) -> Result<RankedPremodel, Failure> {
    let manifests = || roster.classifiers.iter().map(|classifier| classifier.manifest());
    let loaded: Vec<_> = manifests().map(|manifest| (&manifest.id, &manifest.sha256)).collect();
    let restriction = Premodel::load(file)?.restrict_to(&loaded)?;
    for model in &restriction.changed {
        log::warn!(
            "model {model} is left out: the premodel was trained with another file of that name \
             (train again with `classifyd profile` and `classifyd train`)"
        );
    }
    for model in &restriction.unknown {
        log::info!("model {model} is left out: the premodel was trained without it");
    }
    for model in &restriction.missing {
        log::info!("model {model}, which the premodel knows, is not loaded");
    }
    Ok(restriction.premodel)
}
