//! Where the parts that are not in the binary lie: manifests, weights, the ONNX Runtime library.
//!
//! A root holds `models/` and, usually, `lib/` and `pipelines/`. Roots are tried in this order:
//! the working directory, the directories above the executable (a build tree), then the places a
//! package installs to. Whatever the user names goes before all of them.

use std::env;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Roots of an installed package.
const SYSTEM_ROOTS: [&str; 3] =
    ["/usr/local/share/classifyd", "/usr/share/classifyd", "/var/lib/classifyd"];

/// Where ONNX Runtime lies when a package of the system brings it.
const SYSTEM_LIBRARIES: [&str; 5] = [
    "/usr/lib/classifyd/libonnxruntime.so",
    "/usr/local/lib/libonnxruntime.so",
    "/usr/lib/x86_64-linux-gnu/libonnxruntime.so",
    "/usr/lib/aarch64-linux-gnu/libonnxruntime.so",
    "/usr/lib/libonnxruntime.so",
];

/// There are no models anywhere.
#[derive(Debug, Error)]
#[error(
    "no model manifests in models/ here, by the program, or under {}: run `make setup`, or say \
     where they are with --models DIR",
    SYSTEM_ROOTS.join(", ")
)]
pub struct NoModels;

/// The directory of model manifests: `named` if the user named one.
pub fn models_directory(named: Option<&Path>) -> Result<PathBuf, NoModels> {
    if let Some(directory) = named {
        return Ok(directory.to_owned());
    }
    roots().map(|root| root.join("models")).find(|models| has_manifest(models)).ok_or(NoModels)
}

/// The ONNX Runtime library: `named`, else beside `models`, else in a root, else the system's. The
/// first candidate is returned where none exists, for the error to name.
pub fn onnxruntime_library(named: Option<&Path>, models: &Path) -> PathBuf {
    if let Some(library) = named {
        return library.to_owned();
    }
    let beside = models.parent().unwrap_or(Path::new(".")).join("lib/libonnxruntime.so");
    let in_roots = roots().map(|root| root.join("lib/libonnxruntime.so"));
    let system = SYSTEM_LIBRARIES.iter().map(PathBuf::from);
    let mut candidates = std::iter::once(beside.clone()).chain(in_roots).chain(system);
    candidates.find(|library| library.is_file()).unwrap_or(beside)
}

/// A directory of pipeline descriptions that go before the built-in ones, if there is one.
pub fn pipelines_directory(named: Option<&Path>, models: &Path) -> Option<PathBuf> {
    if let Some(directory) = named {
        return Some(directory.to_owned());
    }
    let beside = models.parent().unwrap_or(Path::new(".")).join("pipelines");
    beside.is_dir().then_some(beside)
}

/// Where engines built for this machine are kept: systemd's cache directory, else the user's.
pub fn engine_cache() -> Option<PathBuf> {
    if let Some(directory) = env::var_os("CACHE_DIRECTORY") {
        return Some(PathBuf::from(directory).join("engines"));
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("classifyd/engines"))
}

fn roots() -> impl Iterator<Item = PathBuf> {
    let working = env::current_dir().ok();
    let program = env::current_exe().ok();
    let above: Vec<PathBuf> = program
        .iter()
        .flat_map(|program| program.ancestors().skip(1).take(4).map(Path::to_owned))
        .collect();
    working.into_iter().chain(above).chain(SYSTEM_ROOTS.iter().map(PathBuf::from))
}

fn has_manifest(directory: &Path) -> bool {
    let Ok(entries) = directory.read_dir() else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|ext| ext == "toml"))
}
