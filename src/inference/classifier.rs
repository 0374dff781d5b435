//! A loaded, proven model.

use thiserror::Error;

use super::golden::{self, GoldenError};
use super::postprocess::{self, OutputError};
use super::preprocess::Preprocessor;
use crate::clock::Clock;
use crate::frame::Picture;
use crate::models::{Manifest, ManifestError, ModelId, Provider};
use crate::onnx::{RunError, Runtime, Session, SessionError, SessionOptions, Tensor};
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
        let session = Session::open(runtime, manifest, options, provider)?;
        let preprocessor = Preprocessor::new(&manifest.input);
        let mut classifier = Self { manifest: manifest.clone(), preprocessor, session };
        classifier.prove()?;
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
        let start = clock.now();
        let tensor = self.preprocessor.tensor(picture)?;
        let prepared = clock.now();
        let value = self.run(&tensor)?;
        let cost = Cost { preprocess: prepared - start, run: clock.now() - prepared };
        Ok(Measured { value, cost })
    }

    /// The best classes among `probabilities`.
    pub fn top_k(&self, probabilities: &[f32], k: usize) -> Vec<Classification> {
        postprocess::top_k(probabilities, &self.manifest.output, k)
    }

    fn run(&mut self, tensor: &Tensor) -> Result<Vec<f32>, ClassifyError> {
        let raw = self.session.run(tensor)?;
        Ok(postprocess::probabilities(raw, &self.manifest.output)?)
    }
}
