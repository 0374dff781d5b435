//! A loaded, proven model.

use thiserror::Error;

use super::golden::{self, GoldenError};
use super::postprocess::{self, OutputError};
use super::preprocess::{Preprocessor, stacked};
use crate::clock::Clock;
use crate::engines::{EngineError, EngineStore, Engines, TooLittleMemory};
use crate::frame::Picture;
use crate::models::{Manifest, ManifestError, ModelId, Provider};
use crate::onnx::{RunError, Runtime, Session, SessionError, SessionOptions, Tensor, Terminator};
use crate::outcome::Classification;
use crate::resample::ResampleError;
use crate::scheduler::Cost;

/// A model: its manifest, its preprocessing, and a session that has run before.
pub struct Classifier {
    manifest: Manifest,
    preprocessor: Preprocessor,
    session: Session,
}

/// Why a model cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Its file is missing or another one.
    #[error(transparent)]
    File(#[from] ManifestError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] SessionError),
    /// The list of providers is empty.
    #[error("model {model}: no execution provider is allowed (name one of tensorrt, cuda, cpu)")]
    NoProvider {
        /// Which.
        model: ModelId,
    },
    /// It opens and does not run.
    #[error("model {model} does not run on {provider}")]
    Run {
        /// Which.
        model: ModelId,
        /// The last rung of the ladder.
        provider: Provider,
        /// Why.
        source: ClassifyError,
    },
    /// It runs and answers wrong.
    #[error(transparent)]
    Golden(#[from] GoldenError),
    /// It runs on one frame, and not on several.
    #[error(
        "model {model} does not run on {frames} frames at once on {provider}, as run.batch in \
         {model}.toml says: leave run.batch out, or export the model anew with a free batch axis"
    )]
    Shared {
        /// Which.
        model: ModelId,
        /// How many.
        frames: usize,
        /// The last rung of the ladder.
        provider: Provider,
        /// Why.
        source: ClassifyError,
    },
    /// It answers otherwise if frames share its run.
    #[error(
        "model {model} gives other answers on {provider} when {frames} frames share a run \
         (run.batch in {model}.toml): its graph mixes them up; leave run.batch out"
    )]
    Mixed {
        /// Which.
        model: ModelId,
        /// How many.
        frames: usize,
        /// The last rung of the ladder.
        provider: Provider,
    },
    /// Its engine would have to be built.
    #[error(transparent)]
    Memory(#[from] TooLittleMemory),
}

/// Why a picture got no answer.
#[derive(Debug, Error)]
pub enum ClassifyError {
    /// No tensor could be made of it.
    #[error(transparent)]
    Preprocess(#[from] ResampleError),
    /// The model did not run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What came out is no answer.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A result and what it took.
#[derive(Clone, Debug)]
pub struct Measured<T> {
    /// The result.
    pub value: T,
    /// What it took.
    pub cost: Cost,
}

impl Classifier {
    /// Loads a model on the first provider of the ladder on which it opens, runs, and answers the
    /// golden picture right.
    pub fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        options: &SessionOptions,
    ) -> Result<Self, LoadError> {
        manifest.verify_file()?;
        let mut refusal = LoadError::NoProvider { model: manifest.id.clone() };
        for &provider in &options.providers {
            match Self::load_on(provider, runtime, manifest, options) {
                Ok(classifier) => {
                    log::info!(model:% = manifest.id; "model {} runs on {provider}", manifest.id);
                    return Ok(classifier);
                }
                Err(error) => {
                    log::debug!("model {} does not run on {provider}: {error}", manifest.id);
                    refusal = error;
                }
            }
        }
        Err(refusal)
    }

    fn load_on(
        provider: Provider,
        runtime: &Runtime,
        manifest: &Manifest,
        options: &SessionOptions,
    ) -> Result<Self, LoadError> {
        let load = |engines: Option<&Engines>| {
            Self::open(provider, runtime, manifest, options.threads, engines)
        };
        match (provider, &options.engines) {
            (Provider::TensorRt, Some(store)) => {
                Session::check_provider(runtime, manifest, provider)?;
                Self::load_kept(store, runtime, manifest, load)
            }
            (Provider::TensorRt, None) | (Provider::Cuda | Provider::Cpu, _) => load(None),
        }
    }

    /// Loads a model by what `store` keeps of it, or adds to what it keeps.
    fn load_kept(
        store: &EngineStore,
        runtime: &Runtime,
        manifest: &Manifest,
        load: impl FnMut(Option<&Engines>) -> Result<Self, LoadError>,
    ) -> Result<Self, LoadError> {
        let key = Session::engine_key(runtime, manifest, store);
        store.open(manifest, &key, load).map_err(|error| match error {
            EngineError::Memory(error) => error.into(),
            EngineError::Load(error) => error,
        })
    }

    /// Opens a model on one provider, and has it answer the golden picture.
    fn open(
        provider: Provider,
        runtime: &Runtime,
        manifest: &Manifest,
        threads: usize,
        engines: Option<&Engines>,
    ) -> Result<Self, LoadError> {
        let session = Session::open(runtime, manifest, threads, provider, engines)?;
        let preprocessor = Preprocessor::new(&manifest.input);
        let mut classifier = Self { manifest: manifest.clone(), preprocessor, session };
        classifier.prove()?;
        classifier.prove_shared(manifest.run.most_frames())?;
        Ok(classifier)
    }

    fn prove(&mut self) -> Result<(), LoadError> {
        let tensor = golden::tensor(&self.manifest.input);
        let answer = self.run(&tensor).map_err(|source| LoadError::Run {
            model: self.manifest.id.clone(),
            provider: self.session.provider(),
            source,
        })?;
        match &self.manifest.golden {
            Some(golden) => Ok(golden::compare(&self.manifest.id, golden, &answer)?),
            None => Ok(()),
        }
    }

    /// Whether frames that share a run get the answers that they get alone.
    fn prove_shared(&mut self, frames: usize) -> Result<(), LoadError> {
        if frames == 1 {
            return Ok(());
        }
        let (model, provider) = (self.manifest.id.clone(), self.session.provider());
        let picture = golden::tensor(&self.manifest.input);
        // Others than the first must not look like it.
        let share = |frame: usize| 1.0 - 2.0 * frame as f32 / (frames - 1) as f32;
        let tensors: Vec<Tensor> =
            (0..frames).map(|frame| picture.mapv(|value| value * share(frame))).collect();
        match self.answers_as_alone(&tensors) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LoadError::Mixed { model, frames, provider }),
            Err(source) => Err(LoadError::Shared { model, frames, provider, source }),
        }
    }

    /// Whether the model answers to these tensors in one run what it answers to each in its own.
    fn answers_as_alone(&mut self, tensors: &[Tensor]) -> Result<bool, ClassifyError> {
        let mut alone = Vec::new();
        for tensor in tensors {
            alone.extend(self.session.run(tensor)?);
        }
        Ok(golden::are_alike(&alone, &self.session.run(&stacked(tensors))?))
    }

    /// What is known of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The session, for who runs tensors of his own.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The parts, for threads of their own.
    pub fn into_parts(self) -> (Manifest, Preprocessor, Session) {
        (self.manifest, self.preprocessor, self.session)
    }

    /// The probability of every class, background dropped.
    pub fn probabilities(
        &mut self,
        picture: &Picture,
        clock: Clock,
    ) -> Result<Measured<Vec<f32>>, ClassifyError> {
        self.measured(picture, clock, Session::run)
    }

    /// The same, unless `terminator` ends the run before.
    pub fn probabilities_unless_terminated(
        &mut self,
        picture: &Picture,
        clock: Clock,
        terminator: &Terminator,
    ) -> Result<Measured<Vec<f32>>, ClassifyError> {
        let run = |session: &mut Session, tensor: &Tensor| {
            session.run_unless_terminated(tensor, terminator)
        };
        self.measured(picture, clock, run)
    }

    fn measured(
        &mut self,
        picture: &Picture,
        clock: Clock,
        run: impl FnOnce(&mut Session, &Tensor) -> Result<Vec<Vec<f32>>, RunError>,
    ) -> Result<Measured<Vec<f32>>, ClassifyError> {
        let start = clock.now();
        let tensor = self.preprocessor.tensor(picture)?;
        let prepared = clock.now();
        let raw = run(&mut self.session, &tensor)?;
        let value = self.probabilities_of(raw)?;
        let cost = Cost { preprocess: prepared - start, run: clock.now() - prepared };
        Ok(Measured { value, cost })
    }

    /// What it takes to classify `picture` so many times in one run.
    pub fn time_shared(
        &mut self,
        picture: &Picture,
        frames: usize,
        clock: Clock,
    ) -> Result<Cost, ClassifyError> {
        let start = clock.now();
        let tensors = (0..frames).map(|_| self.preprocessor.tensor(picture));
        let tensor = stacked(&tensors.collect::<Result<Vec<_>, _>>()?);
        let prepared = clock.now();
        self.run_shared(&tensor)?;
        Ok(Cost { preprocess: prepared - start, run: clock.now() - prepared })
    }

    /// The best classes among `probabilities`.
    pub fn top_k(&self, probabilities: &[f32], k: usize) -> Vec<Classification> {
        postprocess::top_k(probabilities, &self.manifest.output, k)
    }

    /// The probabilities of the classes in the one picture of a tensor.
    fn run(&mut self, tensor: &Tensor) -> Result<Vec<f32>, ClassifyError> {
        let raw = self.session.run(tensor)?;
        self.probabilities_of(raw)
    }

    /// The probabilities in the output of the first picture.
    fn probabilities_of(&self, raw: Vec<Vec<f32>>) -> Result<Vec<f32>, ClassifyError> {
        let raw = raw.into_iter().next().unwrap_or_default();
        Ok(postprocess::probabilities(raw, &self.manifest.output)?)
    }

    /// The same of each picture of a tensor.
    fn run_shared(&mut self, tensor: &Tensor) -> Result<Vec<Vec<f32>>, ClassifyError> {
        let raw = self.session.run(tensor)?;
        let read = |raw| Ok(postprocess::probabilities(raw, &self.manifest.output)?);
        raw.into_iter().map(read).collect()
    }
}
