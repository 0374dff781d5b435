//! Models, ready to run on an execution provider.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array4, Axis};
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, SessionOutputs};
use ort::value::{TensorElementType, TensorRef, ValueType};
use thiserror::Error;

use super::{Runtime, Version};
use crate::engines::{EngineKey, EngineStore, Engines};
use crate::models::{Layout, Manifest, ModelId, Provider};

/// A model's input of N pictures: float32, shape Nx3xHxW or NxHxWx3, in standard (row-major) order.
pub type Tensor = Array4<f32>;

/// How sessions are opened.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Threads that one run may use.
    pub threads: usize,
    /// The providers to try, the best first.
    pub providers: Vec<Provider>,
    /// What is kept of TensorRT's engines; without it they are built at every start.
    pub engines: Option<EngineStore>,
}

/// A model, ready to run on one provider.
pub struct Session {
    session: ort::session::Session,
    provider: Provider,
    output: String,
    classes: usize,
}

/// Why a model cannot be opened.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The provider does not take it.
    #[error("model {model}: {} does not load on {provider}", file.display())]
    Create {
        /// Which model.
        model: ModelId,
        /// Its file.
        file: PathBuf,
        /// The provider.
        provider: Provider,
        /// Its word.
        source: ort::Error,
    },
    /// The graph is not as the manifest says.
    #[error("model {model}: its manifest does not fit {}: {fault}", file.display())]
    Mismatch {
        /// Which model.
        model: ModelId,
        /// Its file.
        file: PathBuf,
        /// What differs.
        fault: String,
    },
}

/// Why a run gave no answer.
#[derive(Debug, Error)]
pub enum RunError {
    /// ONNX Runtime failed.
    #[error("the model did not run")]
    Run(#[from] ort::Error),
    /// Fewer or more numbers came out than the manifest says.
    #[error("the model gave {given} numbers instead of {expected}")]
    Size {
        /// What came out.
        given: usize,
        /// What the manifest says.
        expected: usize,
    },
}

impl Session {
    /// Opens a model on one provider, with so many threads. TensorRT reads its engines from `engines`,
    /// and writes there what it lacks.
    pub fn open(
        runtime: &Runtime,
        manifest: &Manifest,
        threads: usize,
        provider: Provider,
        engines: Option<&Engines>,
    ) -> Result<Self, SessionError> {
        let (model, file) = (manifest.id.clone(), manifest.file.clone());
        let session = match create(runtime, manifest, threads, provider, engines) {
            Ok(session) => session,
            Err(source) => return Err(SessionError::Create { model, file, provider, source }),
        };
        check_input(&session, manifest)
            .and_then(|()| check_output(&session, manifest))
            .map_err(|fault| SessionError::Mismatch { model, file, fault })?;
        let output = manifest.output.name.clone();
        Ok(Self { session, provider, output, classes: manifest.output.classes })
    }

    /// Sees whether a provider can be registered at all, before anything is done for a model there.
    pub fn check_provider(
        runtime: &Runtime,
        manifest: &Manifest,
        provider: Provider,
    ) -> Result<(), SessionError> {
        let builder = SessionBuilder::new(runtime.environment());
        let registered = builder.and_then(|b| register(b, runtime.version(), provider, None));
        registered.map(drop).map_err(|source| SessionError::Create {
            model: manifest.id.clone(),
            file: manifest.file.clone(),
            provider,
            source,
        })
    }

    /// What the engines of a model that is opened here are valid for.
    pub fn engine_key(runtime: &Runtime, manifest: &Manifest, store: &EngineStore) -> EngineKey {
        let (input, version) = (&manifest.input, runtime.version().to_string());
        let frames = u32::try_from(manifest.run.most_frames()).unwrap_or(u32::MAX);
        EngineKey::new(&manifest.sha256, input, frames, PRECISION, version, store.platform())
    }

    /// The provider that runs it.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Runs the model on one tensor: the output vector of each of its pictures, background class
    /// included.
    pub fn run(&mut self, input: &Tensor) -> Result<Vec<Vec<f32>>, RunError> {
        let pictures = input.len_of(Axis(0));
        let input = TensorRef::from_array_view(input.view())?;
        let outputs = self.session.run(ort::inputs![input])?;
        vectors(&outputs, &self.output, pictures, self.classes)
    }

    /// The same, unless `terminator` ends it before. The session stays usable either way.
    pub fn run_unless_terminated(
        &mut self,
        input: &Tensor,
        terminator: &Terminator,
    ) -> Result<Vec<Vec<f32>>, RunError> {
        let pictures = input.len_of(Axis(0));
        let input = TensorRef::from_array_view(input.view())?;
        let outputs = self.session.run_with_options(ort::inputs![input], &*terminator.0)?;
        vectors(&outputs, &self.output, pictures, self.classes)
    }
}

/// Ends one run from another thread; clones end the same one.
///
/// ONNX Runtime looks at the flag that it sets before each node of the graph. A node that has begun
/// is always finished, be it one long computation on the processor, a kernel on a GPU, or a whole
/// TensorRT engine: a run may go on for as long as its longest node takes, or for good.
#[derive(Clone)]
pub struct Terminator(Arc<RunOptions>);

impl Terminator {
    /// One for a run to come.
    pub fn new() -> Result<Self, RunError> {
        Ok(Self(Arc::new(RunOptions::new()?)))
    }

    /// Asks the run to end. Returns at once; one that has not begun ends when it does.
    pub fn terminate(&self) -> Result<(), RunError> {
        Ok(self.0.terminate()?)
    }
}

/// The vectors of the output called `name`, one for each picture.
fn vectors(
    outputs: &SessionOutputs<'_>,
    name: &str,
    pictures: usize,
    classes: usize,
) -> Result<Vec<Vec<f32>>, RunError> {
    let (_shape, numbers) = outputs[name].try_extract_tensor::<f32>()?;
    if numbers.len() != pictures * classes {
        return Err(RunError::Size { given: numbers.len(), expected: pictures * classes });
    }
    Ok(numbers.chunks_exact(classes).map(<[f32]>::to_vec).collect())
}

fn create(
    runtime: &Runtime,
    manifest: &Manifest,
    threads: usize,
    provider: Provider,
    engines: Option<&Engines>,
) -> ort::Result<ort::session::Session> {
    let input = &manifest.input;
    let builder = SessionBuilder::new(runtime.environment())?
        .with_log_level(LogLevel::Warning)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        // Graphs with free spatial axes name them so; the manifest fixes them.
        .with_dimension_override("height", i64::from(input.height))?
        .with_dimension_override("width", i64::from(input.width))?;
    register(builder, runtime.version(), provider, engines)?.commit_from_file(&manifest.file)
}

/// Adds `provider` alone; on an accelerator no node may fall back to the processor unseen.
pub(super) fn register(
    builder: SessionBuilder,
    version: Version,
    provider: Provider,
    engines: Option<&Engines>,
) -> ort::Result<SessionBuilder> {
    let dispatch = match provider {
        Provider::Cpu => return Ok(builder),
        Provider::Cuda => ep::CUDA::default().build(),
        Provider::TensorRt => tensorrt(version, engines),
    };
    let builder = builder.with_execution_providers([dispatch.error_on_failure()])?;
    Ok(builder.with_disable_cpu_fallback()?)
}

/// The numbers that TensorRT reckons with, as engines are kept for.
const PRECISION: &str = "fp16";

fn tensorrt(version: Version, engines: Option<&Engines>) -> ep::ExecutionProviderDispatch {
    let provider = ep::TensorRT::default().with_fp16(true);
    let Some(Engines { directory, prefix }) = engines else { return provider.build() };
    let provider = provider.with_engine_cache(true).with_engine_cache_path(directory.display());
    if version.has_engine_prefix() {
        return provider.with_engine_cache_prefix(prefix).build();
    }
    provider.build()
}

fn check_input(session: &ort::session::Session, manifest: &Manifest) -> Result<(), String> {
    let spec = &manifest.input;
    let (height, width) = (i64::from(spec.height), i64::from(spec.width));
    let expected = match spec.layout {
        Layout::Nchw => [1, 3, height, width],
        Layout::Nhwc => [1, height, width, 3],
    };
    let [input] = session.inputs() else {
        return Err(format!("it has {} inputs instead of 1", session.inputs().len()));
    };
    if input.name() != spec.name {
        return Err(format!("its input is called `{}`, not `{}`", input.name(), spec.name));
    }
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = input.dtype() else {
        return Err(format!("its input is {}, not a float32 tensor", input.dtype()));
    };
    let fits = shape.len() == 4
        && shape.iter().zip(expected).all(|(given, wanted)| *given == -1 || *given == wanted);
    if !fits {
        return Err(format!("its input has shape {shape:?}, not {expected:?}"));
    }
    check_batch_axis("input", shape, manifest)
}

/// Where frames may share a run, the first axis has to be free.
fn check_batch_axis(name: &str, shape: &[i64], manifest: &Manifest) -> Result<(), String> {
    let frames = manifest.run.most_frames();
    match shape.first() {
        Some(-1) => Ok(()),
        _ if frames == 1 => Ok(()),
        _ => Err(format!(
            "run.batch = {frames}, and the batch axis of its {name} is fixed (shape {shape:?}): \
             leave run.batch out, or export the model with a free batch axis"
        )),
    }
}

fn check_output(session: &ort::session::Session, manifest: &Manifest) -> Result<(), String> {
    let spec = &manifest.output;
    let Some(output) = session.outputs().iter().find(|output| output.name() == spec.name) else {
        let names: Vec<&str> = session.outputs().iter().map(|output| output.name()).collect();
        return Err(format!("it has no output `{}` (it has {})", spec.name, names.join(", ")));
    };
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = output.dtype() else {
        return Err(format!("its output is {}, not a float32 tensor", output.dtype()));
    };
    let classes = shape.last().copied().unwrap_or(1);
    if classes != -1 && usize::try_from(classes) != Ok(spec.classes) {
        return Err(format!("its output has {classes} classes, not {}", spec.classes));
    }
    check_batch_axis("output", shape, manifest)
}
