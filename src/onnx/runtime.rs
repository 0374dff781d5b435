//! The library: loaded once, for the life of the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::environment::{Environment, EnvironmentBuilder};
use ort::logging::LogLevel;
use ort::session::builder::SessionBuilder;
use thiserror::Error;

use super::Version;
use super::old_api::{CURRENT, Library, LibraryFault, OLDEST};
use super::session::register;
use crate::models::Provider;

/// The ONNX Runtime library, loaded.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    version: Version,
}

/// Why ONNX Runtime cannot be used.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The library is not there.
    #[error(
        "there is no ONNX Runtime library at {} (run `make setup`, or name one with \
         ORT_DYLIB_PATH)",
        library.display()
    )]
    Missing {
        /// Where it was looked for.
        library: PathBuf,
    },
    /// The library is there and its functions cannot be called.
    #[error(
        "cannot use {} as ONNX Runtime: put a libonnxruntime.so of version {OLDEST} or later for this \
         machine there, or name one with ORT_DYLIB_PATH",
        library.display()
    )]
    Load {
        /// The library.
        library: PathBuf,
        /// What is wrong with it.
        source: LibraryFault,
    },
    /// `ort` does not take it.
    #[error("cannot load the ONNX Runtime library {}", library.display())]
    Refused {
        /// The library.
        library: PathBuf,
        /// Why.
        source: ort::LoadDynamicError,
    },
    /// It loaded and then refused to start.
    #[error("ONNX Runtime from {} does not start", library.display())]
    Start {
        /// The library.
        library: PathBuf,
        /// Its word.
        source: ort::Error,
    },
}

impl Runtime {
    /// Loads the library. A process can do so once.
    pub fn load(library: &Path) -> Result<Self, RuntimeError> {
        let missing = || RuntimeError::Missing { library: library.to_owned() };
        let library = library.canonicalize().map_err(|_| missing())?;
        let (builder, version) = open(&library)?;
        let environment = builder
            .with_name("classifyd")
            .with_telemetry(false)
            .with_logger(Arc::new(forward_to_log))
            .build()
            .map_err(|source| RuntimeError::Start { library: library.clone(), source })?;
        if version.has_log_level() {
            environment.set_log_level(LogLevel::Warning);
        }
        Ok(Self { environment, library, version })
    }

    /// The file it was loaded from.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its version and how it was built, in its own words.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }

    /// Whether `provider` can be registered, or why not.
    pub fn probe(&self, provider: Provider) -> Result<(), String> {
        let builder = SessionBuilder::new(&self.environment).map_err(|error| error.to_string())?;
        register(builder, self.version, provider, None).map(drop).map_err(|error| error.to_string())
    }

    /// What sessions are made in.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Has `ort` call the library, which it loads itself unless that is too old for it.
fn open(library: &Path) -> Result<(EnvironmentBuilder, Version), RuntimeError> {
    let fault = |source| RuntimeError::Load { library: library.to_owned(), source };
    let loaded = Library::load(library).map_err(fault)?;
    let version = loaded.version();
    if version >= CURRENT {
        let builder = ort::init_from(library);
        let refused = |source| RuntimeError::Refused { library: library.to_owned(), source };
        return Ok((builder.map_err(refused)?, version));
    }
    loaded.install().map_err(fault)?;
    if !version.can_refuse_fallback() {
        log::info!(
            "with ONNX Runtime {version} it is not seen if parts of a model that has an accelerator \
             run on the processor"
        );
    }
    Ok((ort::init(), version))
}

fn forward_to_log(level: LogLevel, category: &str, _id: &str, _location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info => log::Level::Debug,
        LogLevel::Warning => log::Level::Info,
        LogLevel::Error | LogLevel::Fatal => log::Level::Warn,
    };
    log::log!(target: "onnxruntime", level, "{category}: {message}");
}
