//! Where the parts are that are not in the program.

use std::path::PathBuf;

use super::Failure;
use crate::config::Config;
use crate::install;

/// Where the parts are that are not in the program.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Places {
    /// Directory of model manifests [default: models/ by the program, or installed]
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
        install::pipelines_directory(self.pipelines.as_deref(), models.as_deref())
    }

    /// The premodel's file.
    pub fn premodel(&self) -> Result<PathBuf, Failure> {
        match &self.premodel {
            Some(file) => Ok(file.clone()),
            None => Ok(self.models()?.join("premodel.safetensors")),
        }
    }
}
