//! The models of a run: loaded, proven and warm.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use super::classifier::{Classifier, ClassifyError, LoadError};
use super::stock::{Kept, Stock};
use crate::clock::Clock;
use crate::engines::{EngineCounts, EngineStore};
use crate::frame::{Picture, PictureError};
use crate::models::{Device, Manifest, ModelId, Provider, RunSpec, golden_pixel};
use crate::onnx::{Runtime, SessionError, SessionOptions};
use crate::outcome::in_words;
use crate::scheduler::Cost;

/// Size of the picture that models are warmed up with.
const WARM_UP_SIZE: (u32, u32) = (640, 480);

/// Warm-up runs of one model, unless [`WARM_UP_TIME`] is over sooner.
const WARM_UP_RUNS: usize = 10;

/// Warm-up runs that are made however long they take.
const LEAST_WARM_UP_RUNS: usize = 3;

/// Time after which no further warm-up run begins.
const WARM_UP_TIME: Duration = Duration::from_millis(400);

/// Warm-up runs of each number of frames that may share a run, unless [`SHARED_WARM_UP_TIME`] is over
/// sooner.
const SHARED_WARM_UP_RUNS: usize = 6;

/// Time after which no further one begins.
const SHARED_WARM_UP_TIME: Duration = Duration::from_millis(200);

/// Models that have run, and the time they took.
pub struct Roster {
    /// The models that were loaded.
    pub classifiers: Vec<Classifier>,
    /// Those that go on with sessions of a crew at work.
    pub kept: Vec<Kept>,
    /// What the warm-up runs of each took.
    pub warm_ups: BTreeMap<ModelId, WarmUp>,
    /// What loaded them, and can do so again.
    pub loader: Loader,
}

/// What the warm-up runs of a model took.
#[derive(Clone, Debug)]
pub struct WarmUp {
    /// Runs of one frame: one at least.
    pub single: Vec<Cost>,
    /// Runs of 2, 3, ... frames, up to as many as may share one: of each one at least.
    pub shared: Vec<Vec<Cost>>,
}

/// Loads models and warms them up.
#[derive(Clone)]
pub struct Loader {
    runtime: Runtime,
    options: SessionOptions,
    clock: Clock,
}

/// Why there is no roster.
#[derive(Debug, Error)]
pub enum RosterError {
    /// A model does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model fails on a plain picture.
    #[error("model {model} fails in its warm-up")]
    WarmUp {
        /// Which.
        model: ModelId,
        /// Why.
        source: ClassifyError,
    },
    /// A model has none of the devices that its manifest confines it to.
    #[error(
        "model {model} may only run on {devices} (run.devices in {model}.toml) and cannot: write \
         another device there, or mend this one (`classifyd doctor` says what it lacks)"
    )]
    Confined {
        /// Which.
        model: ModelId,
        /// Where it may run.
        devices: String,
        /// Why it does not.
        source: LoadError,
    },
    /// The warm-up picture cannot be made.
    #[error("cannot make the warm-up picture")]
    Picture(#[from] PictureError),
}

impl Roster {
    /// Loads and warms up every model, telling `begin` before each. One that its manifest confines to
    /// a device that is not there is left out with a warning; that none is left is an error.
    pub fn load(
        runtime: &Runtime,
        manifests: Vec<Manifest>,
        options: &SessionOptions,
        clock: Clock,
        begin: impl FnMut(&Manifest),
    ) -> Result<Self, RosterError> {
        let loader = Loader::new(runtime, options.clone(), clock);
        Self::renew(loader, manifests, &Stock::default(), begin)
    }

    /// The same beside a crew at work: what its sessions can serve is not loaded again, only the file
    /// is looked at.
    pub fn renew(
        loader: Loader,
        manifests: Vec<Manifest>,
        stock: &Stock,
        mut begin: impl FnMut(&Manifest),
    ) -> Result<Self, RosterError> {
        let (classifiers, kept) = (Vec::new(), Vec::new());
        let mut roster = Self { classifiers, kept, warm_ups: BTreeMap::new(), loader };
        let mut left_out = None;
        for manifest in manifests {
            begin(&manifest);
            match roster.take_on(&manifest, stock) {
                Ok(()) => {}
                Err(error) => {
                    let error = confined(&manifest, error)?;
                    log::warn!(
                        model:% = manifest.id, reason = "left_out";
                        "model {} is left out: {}", manifest.id, in_words(&error)
                    );
                    left_out.get_or_insert(error);
                }
            }
        }
        match left_out {
            Some(error) if roster.manifests().next().is_none() => Err(error),
            Some(_) | None => Ok(roster),
        }
    }

    fn take_on(&mut self, manifest: &Manifest, stock: &Stock) -> Result<(), RosterError> {
        let loader = self.loader.confined_to(&manifest.run);
        if let Some(kept) = stock.keep(manifest, loader.providers()) {
            manifest.verify_file().map_err(LoadError::from)?;
            self.kept.push(kept);
            return Ok(());
        }
        let (classifier, costs) = loader.load(manifest)?;
        self.warm_ups.insert(manifest.id.clone(), costs);
        self.classifiers.push(classifier);
        Ok(())
    }

    /// What the models are.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        let loaded = self.classifiers.iter().map(Classifier::manifest);
        loaded.chain(self.kept.iter().map(|kept| &kept.manifest))
    }

    /// What runs each of them.
    pub fn providers(&self) -> impl Iterator<Item = Provider> {
        let loaded = self.classifiers.iter().map(|model| model.session().provider());
        loaded.chain(self.kept.iter().map(|kept| kept.provider))
    }

    /// The names of the models.
    pub fn models(&self) -> Vec<ModelId> {
        self.manifests().map(|manifest| manifest.id.clone()).collect()
    }
}

impl Loader {
    /// One that opens sessions with these options.
    pub fn new(runtime: &Runtime, options: SessionOptions, clock: Clock) -> Self {
        Self { runtime: runtime.clone(), options, clock }
    }

    /// The providers to try.
    pub fn providers(&self) -> &[Provider] {
        &self.options.providers
    }

    /// The same for one provider and so many threads.
    #[must_use]
    pub fn for_session(&self, provider: Provider, threads: usize) -> Self {
        let options = SessionOptions { threads, providers: vec![provider], ..self.options.clone() };
        Self { options, ..self.clone() }
    }

    /// The same where a manifest allows it, with the first of the widths that it names.
    #[must_use]
    pub fn confined_to(&self, run: &RunSpec) -> Self {
        let mut options = self.options.clone();
        options.providers.retain(|provider| run.allows(provider.device()));
        let first = run.threads.as_ref().and_then(|threads| threads.first());
        options.threads = first.map_or(options.threads, |threads| threads.get());
        Self { options, ..self.clone() }
    }

    /// What became of kept TensorRT engines since the process began; `None` if none are kept.
    pub fn engine_counts(&self) -> Option<EngineCounts> {
        self.options.engines.as_ref().map(EngineStore::counts)
    }

    /// Threads of a run.
    pub fn threads(&self) -> usize {
        self.options.threads
    }

    /// Loads and warms up a model; also what its warm-up runs took.
    pub fn load(&self, manifest: &Manifest) -> Result<(Classifier, WarmUp), RosterError> {
        let picture = warm_up_picture()?;
        let mut classifier = Classifier::load(&self.runtime, manifest, &self.options)?;
        let took = warm_up(&mut classifier, &picture, self.clock)
            .map_err(|source| RosterError::WarmUp { model: manifest.id.clone(), source })?;
        Ok((classifier, took))
    }
}

/// What is to be said of a model that has none of the devices that its manifest confines it to; any
/// other error is given back.
fn confined(manifest: &Manifest, error: RosterError) -> Result<RosterError, RosterError> {
    let Some(devices) = &manifest.run.devices else { return Err(error) };
    let RosterError::Load(source) = error else { return Err(error) };
    let lacks_device = match &source {
        LoadError::NoProvider { .. } => true,
        // On the processor every model runs that is in order.
        LoadError::Open(SessionError::Create { provider, .. })
        | LoadError::Run { provider, .. } => provider.device() != Device::Cpu,
        LoadError::Memory(_) => true,
        LoadError::Open(SessionError::Mismatch { .. })
        | LoadError::File(_)
        | LoadError::Golden(_)
        | LoadError::Shared { .. }
        | LoadError::Mixed { .. } => false,
    };
    if !lacks_device {
        return Err(source.into());
    }
    let devices = devices.iter().map(|device| device.as_str()).collect::<Vec<_>>().join(", ");
    Ok(RosterError::Confined { model: manifest.id.clone(), devices, source })
}

fn warm_up(
    classifier: &mut Classifier,
    picture: &Picture,
    clock: Clock,
) -> Result<WarmUp, ClassifyError> {
    let once = |classifier: &mut Classifier| Ok(classifier.probabilities(picture, clock)?.cost);
    let single = run_often(classifier, (WARM_UP_RUNS, WARM_UP_TIME), clock, once)?;
    let limits = (SHARED_WARM_UP_RUNS, SHARED_WARM_UP_TIME);
    let shared = (2..=classifier.manifest().run.most_frames()).map(|frames| {
        run_often(classifier, limits, clock, |one| one.time_shared(picture, frames, clock))
    });
    Ok(WarmUp { single, shared: shared.collect::<Result<_, _>>()? })
}

/// What so many runs took, or fewer if that takes too long.
fn run_often(
    classifier: &mut Classifier,
    (most, time): (usize, Duration),
    clock: Clock,
    mut once: impl FnMut(&mut Classifier) -> Result<Cost, ClassifyError>,
) -> Result<Vec<Cost>, ClassifyError> {
    let start = clock.now();
    let mut costs = Vec::new();
    while costs.len() < most {
        let in_time = clock.now() - start < time;
        if costs.len() >= LEAST_WARM_UP_RUNS && !in_time {
            break;
        }
        costs.push(once(classifier)?);
    }
    // The first run after loading still fills caches: it is no sample of what follows.
    if costs.len() > LEAST_WARM_UP_RUNS {
        costs.remove(0);
    }
    Ok(costs)
}

fn warm_up_picture() -> Result<Picture, PictureError> {
    let (width, height) = WARM_UP_SIZE;
    let pixel = |x, y| image::Rgb([0, 1, 2].map(|channel| golden_pixel(x, y, channel)));
    Picture::from_rgb(image::RgbImage::from_fn(width, height, pixel))
}
