//! What the commands that run models have in common: finding the parts and loading them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::slice;

use super::{Context, Failure, Places, catalogue, stderr};
use crate::config::{Config, PolicyKind};
use crate::inference::Roster;
use crate::install;
use crate::models::{Manifest, ModelId, Provider};
use crate::onnx::{Runtime, SessionOptions};
use crate::premodel::{Premodel, RankedPremodel};
use crate::select::Selector;

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
pub fn manifests_for(policy: &PolicyKind, places: &Places) -> Result<Vec<Manifest>, Failure> {
    let directory = places.models()?;
    match policy {
        PolicyKind::Fixed(model) => manifests(&directory, Choice::Named(slice::from_ref(model))),
        PolicyKind::Premodel => manifests(&directory, Choice::Present),
        PolicyKind::Random => {
            let manifests = manifests(&directory, Choice::Present)?;
            catalogue::common_classes(&manifests)?;
            Ok(manifests)
        }
    }
}

/// The manifests of the models to load.
pub fn manifests(directory: &Path, choice: Choice<'_>) -> Result<Vec<Manifest>, Failure> {
    match choice {
        Choice::Present => Ok(catalogue::present(directory)?),
        Choice::Named(names) => {
            let named = |name| Ok(catalogue::named(directory, name)?);
            names.iter().map(named).collect()
        }
    }
}

/// Loads the ONNX Runtime library.
pub fn runtime(context: &Context) -> Result<Runtime, Failure> {
    Ok(Runtime::load(&context.places.library()?)?)
}

const LOADING: &str = "loading model {pos}/{len} {msg}";

/// Loads models, showing which one on stderr if that is a terminal.
pub fn load(
    runtime: &Runtime,
    manifests: Vec<Manifest>,
    execution: Execution,
    context: &Context,
) -> Result<Roster, Failure> {
    let bar = context.progress.bar(stderr::bar(manifests.len(), LOADING));
    let begin = |manifest: &Manifest| {
        bar.set_message(manifest.id.to_string());
        bar.inc(1);
    };
    let roster = Roster::load(runtime, manifests, &execution.into(), context.clock, begin);
    bar.finish_and_clear();
    Ok(roster?)
}

/// How models are chosen, and what it is called.
pub struct Chooser {
    /// Chooses.
    pub selector: Selector,
    /// The policy in words, as in `premodel of 2358 examples`.
    pub name: String,
}

/// The chooser of a policy, over loaded models.
pub fn chooser(
    policy: &PolicyKind,
    seed: u64,
    roster: &Roster,
    places: &Places,
) -> Result<Chooser, Failure> {
    let selector = match policy {
        PolicyKind::Fixed(model) => Selector::Fixed(model.clone()),
        PolicyKind::Random => Selector::Random(roster.models(), fastrand::Rng::with_seed(seed)),
        PolicyKind::Premodel => {
            let premodel = premodel(&places.premodel()?, roster)?;
            let name = format!("premodel of {} examples", premodel.premodel().training_size());
            let selector = Selector::Premodel(Box::default(), Box::new(premodel));
            return Ok(Chooser { selector, name });
        }
    };
    Ok(Chooser { selector, name: policy.to_string() })
}

/// What runs, as in `8 models on cpu, premodel of 2358 examples`.
pub fn description(roster: &Roster, chooser: &Chooser) -> String {
    let mut models_by_provider: BTreeMap<Provider, usize> = BTreeMap::new();
    for classifier in &roster.classifiers {
        *models_by_provider.entry(classifier.session().provider()).or_default() += 1;
    }
    let on = |(provider, models): (Provider, usize)| {
        format!("{models} model{} on {provider}", if models == 1 { "" } else { "s" })
    };
    let mut parts: Vec<String> = models_by_provider.into_iter().map(on).collect();
    parts.push(chooser.name.clone());
    parts.join(", ")
}

/// The premodel, narrowed to the loaded models.
pub fn premodel(file: &Path, roster: &Roster) -> Result<RankedPremodel, Failure> {
    let manifests = || roster.classifiers.iter().map(|classifier| classifier.manifest());
    let loaded: Vec<_> =
        manifests().map(|manifest| (&manifest.id, manifest.fingerprint())).collect();
    let restriction = Premodel::load(file)?.restrict_to(&loaded)?;
    for model in &restriction.changed {
        log::warn!(
            "model {model} is left out: the premodel was trained with another file of that name, or \
             its manifest described another input or output (train again with `classifyd profile` and `classifyd train`)"
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
