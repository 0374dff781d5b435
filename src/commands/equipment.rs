//! What the commands that run models have in common: finding the parts and loading them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::slice;

use thiserror::Error;

use super::{Context, Failure, Places, catalogue, stderr};
use crate::adaptive::{Adaptive, Target};
use crate::clock::Clock;
use crate::config::{Config, PolicyKind};
use crate::course::Guide;
use crate::engines::{EngineBuilds, EngineStore};
use crate::inference::{Classifier, Loader, Roster, Stock, Widths};
use crate::install;
use crate::models::{Labels, Manifest, ModelId, Provider, in_a_row};
use crate::onnx::{Runtime, SessionOptions};
use crate::premodel::{Premodel, RankedPremodel};
use crate::select::Selector;
use crate::systemd::Startup;

/// How models run.
#[derive(Clone, Debug)]
pub struct Execution {
    /// How many runs there may be at once, and how wide.
    pub widths: Widths,
    /// The providers to try, the best first.
    pub providers: Vec<Provider>,
    /// Where engines are counted that have to be built.
    pub builds: EngineBuilds,
}

impl Default for Execution {
    fn default() -> Self {
        let (widths, builds) = (Widths::default(), EngineBuilds::default());
        Self { widths, providers: Provider::LADDER.to_vec(), builds }
    }
}

impl Execution {
    /// As a configuration says.
    pub fn of(config: &Config) -> Self {
        let (widths, providers) = (config.widths.clone(), config.models.providers.clone());
        Self { widths, providers, ..Self::default() }
    }

    /// The same, which counts the engines that have to be built there.
    #[must_use]
    pub fn counting(self, builds: EngineBuilds) -> Self {
        Self { builds, ..self }
    }

    /// One run at a time, with so many threads.
    pub fn with_threads(threads: NonZeroUsize) -> Self {
        let widths = Widths { threads: vec![threads], ..Widths::default() };
        Self { widths, ..Self::default() }
    }
}

impl From<Execution> for SessionOptions {
    fn from(execution: Execution) -> Self {
        let engines = install::engine_cache()
            .map(|kept| EngineStore::new(kept, Path::new("/")).counting(execution.builds));
        Self {
            threads: execution.widths.threads.first().map_or(1, |threads| threads.get()),
            providers: execution.providers,
            engines,
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

/// The policy if the user names none. The adaptive one needs a premodel that has learnt it; with
/// any other it gives way to [`PolicyKind::Premodel`].
const DEFAULT: PolicyKind = PolicyKind::Adaptive;

/// The policy if the user names none.
pub fn default_policy(places: &Places) -> PolicyKind {
    let has_adaptive_part = || {
        let premodel = places.premodel().ok().and_then(|file| Premodel::load(&file).ok());
        premodel.is_some_and(|premodel| premodel.recipe().adaptive.is_some())
    };
    match DEFAULT {
        PolicyKind::Adaptive if !has_adaptive_part() => PolicyKind::Premodel,
        policy => policy,
    }
}

/// The manifests of the models that a policy may need.
pub fn manifests_for(policy: &PolicyKind, places: &Places) -> Result<Vec<Manifest>, Failure> {
    let directory = places.models()?;
    match policy {
        PolicyKind::Fixed(model) => manifests(&directory, Choice::Named(slice::from_ref(model))),
        PolicyKind::Premodel => manifests(&directory, Choice::Present),
        PolicyKind::Adaptive => Ok(of_pool(manifests(&directory, Choice::Present)?, places)),
        PolicyKind::Random => {
            let manifests = manifests(&directory, Choice::Present)?;
            catalogue::common_classes(&manifests)?;
            Ok(manifests)
        }
    }
}

/// Those of the models that the adaptive policy chooses among: no other needs loading. All of them,
/// if there is no such policy or it knows none of them, which [`chooser`] says in words.
pub fn of_pool(manifests: Vec<Manifest>, places: &Places) -> Vec<Manifest> {
    let premodel = places.premodel().ok().and_then(|file| Premodel::load(&file).ok());
    let recipe = premodel.as_ref().map(Premodel::recipe);
    let Some((recipe, knowledge)) =
        recipe.and_then(|recipe| Some((recipe, recipe.adaptive.as_ref()?)))
    else {
        return manifests;
    };
    let is_of_pool = |manifest: &Manifest| {
        knowledge.pool.iter().any(|&model| recipe.models[model].id == manifest.id)
    };
    let (pool, others): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_of_pool);
    if pool.is_empty() { others } else { pool }
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
    execution.widths.check(&manifests)?;
    let count = manifests.len();
    let bar = context.progress.bar(stderr::bar(count, LOADING));
    let begin = |manifest: &Manifest| {
        bar.set_message(manifest.id.to_string());
        bar.inc(1);
        let number = bar.position();
        context.startup.step(format_args!("loading model {number} of {count}: {}", manifest.id));
    };
    let roster = Roster::load(runtime, manifests, &execution.into(), context.clock, begin);
    bar.finish_and_clear();
    Ok(roster?)
}

/// The same beside models at work, which stay in memory if they are among them. An error names the model.
pub fn renew(
    runtime: &Runtime,
    manifests: Vec<Manifest>,
    execution: Execution,
    stock: &Stock,
    (startup, clock): (&Startup, Clock),
) -> Result<Roster, (Option<ModelId>, Failure)> {
    execution.widths.check(&manifests).map_err(|error| (None, error.into()))?;
    let mut loading = None;
    let begin = |manifest: &Manifest| {
        startup.step(format_args!("reloading: model {}", manifest.id));
        loading = Some(manifest.id.clone());
    };
    let loader = Loader::new(runtime, execution.into(), clock);
    let renewed = Roster::renew(loader, manifests, stock, begin);
    renewed.map_err(|error| (loading, error.into()))
}

/// The models with the threads that the command line names, whatever their manifests say: where
/// measurements are made for that number.
pub fn of_named_width(mut manifests: Vec<Manifest>) -> Vec<Manifest> {
    manifests.iter_mut().for_each(|manifest| manifest.run.threads = None);
    manifests
}

/// How models are chosen, and what it is called.
pub struct Chooser {
    /// Chooses.
    pub selector: Selector,
    /// The model that studies scenes; `None` for none.
    pub study: Option<Classifier>,
    /// The policy in words, as in `premodel of 2358 examples`.
    pub name: String,
}

/// What the user wants of the choice.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The policy.
    pub policy: PolicyKind,
    /// What the random policy starts from.
    pub seed: u64,
    /// What the adaptive policy is to give; `None` for what its training chose.
    pub target: Option<Target>,
    /// The model that studies scenes for the adaptive policy; `None` for none.
    pub study: Option<ModelId>,
    /// Labels in each answer.
    pub top_k: usize,
}

/// The chooser that was wished for, over loaded models.
pub fn chooser(wish: &Wish, roster: &Roster, places: &Places) -> Result<Chooser, Failure> {
    let selector = match &wish.policy {
        PolicyKind::Fixed(model) => Selector::Fixed(model.clone()),
        PolicyKind::Random => {
            Selector::Random(roster.models(), fastrand::Rng::with_seed(wish.seed))
        }
        PolicyKind::Premodel => {
            let premodel = premodel(&places.premodel()?, roster)?;
            let name = format!("premodel of {} examples", premodel.premodel().training_size());
            let selector = Selector::Premodel(Box::default(), Box::new(premodel));
            return Ok(Chooser { selector, study: None, name });
        }
        PolicyKind::Adaptive => return adaptive_chooser(wish, roster, places),
    };
    Ok(Chooser { selector, study: None, name: wish.policy.to_string() })
}

fn adaptive_chooser(wish: &Wish, roster: &Roster, places: &Places) -> Result<Chooser, Failure> {
    let premodel = premodel(&places.premodel()?, roster)?;
    let mut policy = adaptive(&premodel, roster)?;
    if let Some(target) = wish.target {
        let point = policy.knowledge().point_for(target)?;
        policy = policy.at(point);
    }
    let mut name = format!("adaptive policy ({})", policy.point());
    let study = wish.study.as_ref().map(|model| student(model, &policy, roster)).transpose()?;
    if let Some(model) = &wish.study {
        name += &format!(", scenes studied by {model}");
    }
    let labels = common_labels(&policy, roster)?;
    let selector = Selector::Adaptive(Box::default(), Guide::new(policy, labels, wish.top_k));
    Ok(Chooser { selector, study, name })
}

/// A further session of a model, on one thread of the processor, for studies.
fn student(model: &ModelId, policy: &Adaptive, roster: &Roster) -> Result<Classifier, Failure> {
    let is_of_pool = |manifest: &&Manifest| policy.place(&manifest.id).is_some();
    let pool = || roster.manifests().filter(is_of_pool);
    let manifest = pool().find(|manifest| manifest.id == *model).ok_or_else(|| {
        let pool = pool().map(|manifest| manifest.id.clone()).collect();
        AdaptiveFault::Study { model: model.clone(), pool }
    })?;
    let (classifier, _) = roster.loader.for_session(Provider::Cpu, 1).load(manifest)?;
    Ok(classifier)
}

/// Why the adaptive policy cannot run.
#[derive(Debug, Error, PartialEq)]
pub enum AdaptiveFault {
    /// Training did not learn it.
    #[error(
        "the premodel has no adaptive part: train it with `classifyd train`, or use --policy \
         premodel"
    )]
    NoPart,
    /// A model is to study that it does not know.
    #[error(
        "model {model} cannot study scenes: it is none of the adaptive policy's models that are \
         loaded ({})",
        in_a_row(.pool)
    )]
    Study {
        /// The model.
        model: ModelId,
        /// Those that can.
        pool: Vec<ModelId>,
    },
    /// A model tells other classes apart than those that it was trained with.
    #[error(
        "model {model} tells {found} classes apart, and the adaptive policy was trained for \
         {expected}; train it again with `classifyd train`"
    )]
    Classes {
        /// The model.
        model: ModelId,
        /// How many classes it knows.
        found: usize,
        /// How many it should.
        expected: usize,
    },
    /// Two models have different names for the classes.
    #[error(
        "models {model} and {other} name their classes differently, so the adaptive policy cannot \
         weigh their answers; give both manifests the same labels"
    )]
    Labels {
        /// One model.
        model: ModelId,
        /// Another.
        other: ModelId,
    },
}

/// The adaptive policy, over those of its models that are loaded.
pub fn adaptive(premodel: &RankedPremodel, roster: &Roster) -> Result<Adaptive, Failure> {
    let recipe = premodel.premodel().recipe();
    let knowledge = recipe.adaptive.clone().ok_or(AdaptiveFault::NoPart)?;
    let pool: Vec<ModelId> =
        knowledge.pool.iter().map(|&model| recipe.models[model].id.clone()).collect();
    let loaded = roster.models();
    let is_known = |model: &ModelId| premodel.models().any(|known| known == model);
    let policy = Adaptive::new(knowledge, pool, |model| loaded.contains(model) && is_known(model))?;
    common_labels(&policy, roster)?;
    Ok(policy)
}

/// The names of the classes, which are the same for all models of the pool.
fn common_labels(policy: &Adaptive, roster: &Roster) -> Result<Labels, AdaptiveFault> {
    let mut pool = roster.manifests().filter(|manifest| policy.place(&manifest.id).is_some());
    // There is one: a policy without a loaded model does not come about.
    let Some(first) = pool.next() else { return Err(AdaptiveFault::NoPart) };
    let (labels, expected) = (&first.output.labels, policy.knowledge().classes);
    if labels.count() != expected {
        let (model, found) = (first.id.clone(), labels.count());
        return Err(AdaptiveFault::Classes { model, found, expected });
    }
    match pool.find(|manifest| manifest.output.labels != *labels) {
        None => Ok(labels.clone()),
        Some(odd) => Err(AdaptiveFault::Labels { model: first.id.clone(), other: odd.id.clone() }),
    }
}

/// What runs, as in `8 models on cpu, premodel of 2358 examples`.
pub fn description(roster: &Roster, chooser: &Chooser) -> String {
    let mut models_by_provider: BTreeMap<Provider, usize> = BTreeMap::new();
    for provider in roster.providers() {
        *models_by_provider.entry(provider).or_default() += 1;
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
    let loaded: Vec<_> =
        roster.manifests().map(|manifest| (&manifest.id, manifest.fingerprint())).collect();
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
