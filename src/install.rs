//! Where the parts that are not in the binary lie: manifests, weights, the ONNX Runtime library.
//!
//! A root holds `models/` and, usually, `lib/` and `pipelines/`. Roots are tried in this order: the
//! program's own directory, `share/classifyd` beside a `bin/` that holds the program, the checkout
//! that the program was built in, the places a package installs to. Whatever the user names goes
//! before all of them. The working directory is none: whoever filled it could have the program load
//! a library of theirs.

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

/// Directories from a checkout to a program built in it, itself included:
/// `checkout/target/TARGET/release/deps`.
const BUILD_DEPTH: usize = 5;

/// There are no models anywhere.
#[derive(Debug, Error)]
#[error(
    "no model manifests in models/ by the program or in its checkout, or under {}: run `make setup`, \
     or say where they are with --models DIR",
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

/// A directory of pipeline descriptions that go before the built-in ones, if there is one: `named`,
/// else beside `models`.
pub fn pipelines_directory(named: Option<&Path>, models: Option<&Path>) -> Option<PathBuf> {
    if let Some(directory) = named {
        return Some(directory.to_owned());
    }
    let beside = models?.parent()?.join("pipelines");
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

/// Where the service keeps what runs take; `None` if it has no state directory.
pub fn estimates() -> Option<PathBuf> {
    Some(PathBuf::from(env::var_os("STATE_DIRECTORY")?).join("latencies.json"))
}

fn roots() -> impl Iterator<Item = PathBuf> {
    let program = env::current_exe().ok();
    let by_program = program.as_deref().map(roots_of).unwrap_or_default();
    by_program.into_iter().chain(SYSTEM_ROOTS.iter().map(PathBuf::from))
}

/// The roots that go with the program at a path.
fn roots_of(program: &Path) -> Vec<PathBuf> {
    let Some(own) = program.parent() else { return Vec::new() };
    let prefix = own.parent().filter(|_| own.ends_with("bin"));
    let installed = prefix.map(|prefix| prefix.join("share/classifyd"));
    let is_checkout =
        |root: &&Path| root.join("Cargo.toml").is_file() && root.join("models").is_dir();
    let checkout = own.ancestors().take(BUILD_DEPTH).find(is_checkout).map(Path::to_owned);
    [Some(own.to_owned()), installed, checkout].into_iter().flatten().collect()
}

fn has_manifest(directory: &Path) -> bool {
    let Ok(entries) = directory.read_dir() else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|ext| ext == "toml"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_build_finds_its_checkout_and_no_directory_above_it() {
        let outer = tempfile::tempdir().unwrap();
        let checkout = outer.path().join("checkout");
        for root in [outer.path(), &checkout] {
            fs::create_dir_all(root.join("models")).unwrap();
            fs::write(root.join("Cargo.toml"), "").unwrap();
        }
        for place in ["target/release", "target/aarch64-unknown-linux-gnu/release/deps"] {
            let own = checkout.join(place);
            assert_eq!(roots_of(&own.join("classifyd")), [own, checkout.clone()]);
        }
    }

    #[test]
    fn an_installed_program_finds_its_prefix_and_not_what_lies_above() {
        let prefix = tempfile::tempdir().unwrap();
        fs::create_dir_all(prefix.path().join("models")).unwrap();
        let roots = roots_of(&prefix.path().join("bin/classifyd"));
        assert_eq!(roots, [prefix.path().join("bin"), prefix.path().join("share/classifyd")]);
    }

    #[test]
    fn pipelines_lie_beside_the_models_or_where_the_user_says() {
        let root = tempfile::tempdir().unwrap();
        let models = root.path().join("models");
        assert_eq!(pipelines_directory(None, None), None);
        assert_eq!(pipelines_directory(None, Some(&models)), None);
        fs::create_dir(root.path().join("pipelines")).unwrap();
        assert_eq!(pipelines_directory(None, Some(&models)), Some(root.path().join("pipelines")));
        let named = Path::new("/mine");
        assert_eq!(pipelines_directory(Some(named), Some(&models)), Some(named.to_owned()));
    }
}
