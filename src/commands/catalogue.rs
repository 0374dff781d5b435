//! The models of a directory of manifests, to choose from. A manifest that is not asked for by name
//! stops nothing, however faulty.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::models::{self, Manifest, ManifestEntry, ManifestError, ModelId};

/// Why a model cannot be had.
#[derive(Debug, Error)]
pub enum ModelFault {
    /// There is no manifest of that name.
    #[error("there is no model {model} in {}; there are {known}", directory.display())]
    Unknown {
        /// The name.
        model: ModelId,
        /// The directory of manifests.
        directory: PathBuf,
        /// The names that there are.
        known: String,
    },
    /// Its manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is described, but not installed.
    #[error(
        "model {model} is not installed: {} is not there (run `make setup` or `make models-all`)",
        file.display()
    )]
    Absent {
        /// The model.
        model: ModelId,
        /// Its file.
        file: PathBuf,
    },
    /// No model at all is installed.
    #[error("no model described in {} is installed and in order: run `make setup`", .0.display())]
    NoneLeft(PathBuf),
}

/// Models that must agree on their classes do not.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "model {odd} has other classes than {usual}: use only models of the same classes (name them \
     with --use of `classifyd profile`, or with models.use in a configuration)"
)]
pub struct MixedClasses {
    /// A model that differs from most others.
    pub odd: ModelId,
    /// One of the others.
    pub usual: ModelId,
}

/// Reads the name of a model on the command line.
pub fn model_name(text: &str) -> Result<ModelId, String> {
    let wanted = "a model's name (1 to 64 letters, digits, `_`, `-` and `.`, as `classifyd models` \
                  lists them)";
    ModelId::new(text).ok_or_else(|| format!("this cannot be {wanted}"))
}

/// The installed model of that name.
pub fn named(directory: &Path, model: &ModelId) -> Result<Manifest, ModelFault> {
    let path = directory.join(format!("{model}.toml"));
    if !path.exists() {
        let (model, directory) = (model.clone(), directory.to_owned());
        let known = names(&models::load_directory(&directory)?);
        return Err(ModelFault::Unknown { model, directory, known });
    }
    let manifest = Manifest::load(&path)?;
    if manifest.is_present() {
        return Ok(manifest);
    }
    Err(ModelFault::Absent { model: manifest.id, file: manifest.file })
}

fn names(entries: &[ManifestEntry]) -> String {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Every installed model, at least one; those that are faulty are left out with a warning.
pub fn present(directory: &Path) -> Result<Vec<Manifest>, ModelFault> {
    let entries = models::load_directory(directory)?;
    let mut present: Vec<Manifest> = entries.into_iter().filter_map(usable).collect();
    present.retain(Manifest::is_present);
    if present.is_empty() {
        return Err(ModelFault::NoneLeft(directory.to_owned()));
    }
    Ok(present)
}

fn usable(entry: ManifestEntry) -> Option<Manifest> {
    let warn = |error: ManifestError| {
        log::warn!("model {} is left out: {:#}", entry.name, anyhow::Error::from(error));
    };
    entry.manifest.map_err(warn).ok()
}

/// How many classes the models tell apart, if they are the same ones for all.
pub fn common_classes(manifests: &[Manifest]) -> Result<usize, MixedClasses> {
    let agreeing = |manifest: &&Manifest| {
        let labels = |other: &&Manifest| other.output.labels == manifest.output.labels;
        manifests.iter().filter(labels).count()
    };
    // Of several, the last maximum counts: reversed, the first.
    let Some(usual) = manifests.iter().rev().max_by_key(agreeing) else { return Ok(0) };
    match manifests.iter().find(|manifest| manifest.output.labels != usual.output.labels) {
        None => Ok(usual.output.labels.count()),
        Some(odd) => Err(MixedClasses { odd: odd.id.clone(), usual: usual.id.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn id(name: &str) -> ModelId {
        ModelId::new(name).unwrap()
    }

    /// A model `name` of the classes in `labels`, installed in `directory`.
    fn install(directory: &TempDir, name: &str, labels: &[&str]) {
        let at = |suffix: &str| directory.path().join(format!("{name}.{suffix}"));
        let manifest = format!(
            "description = ''\nfile = '{name}.onnx'\nsha256 = '{:0<64}'\n\
             [source]\npackage = ''\nlicence = ''\n\
             [input]\nname = 'i'\nlayout = 'nchw'\nwidth = 8\nheight = 8\nchannels = 'rgb'\n\
             mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\nresize = 'bilinear'\ncrop = 1.0\n\
             [output]\nname = 'o'\nkind = 'logits'\nclasses = {}\nbackground = false\n\
             labels = '{name}.txt'\n",
            "0",
            labels.len()
        );
        fs::write(at("toml"), manifest).unwrap();
        fs::write(at("txt"), labels.join("\n")).unwrap();
        fs::write(at("onnx"), "").unwrap();
    }

    #[test]
    fn a_broken_manifest_stops_only_whom_it_is_asked_of() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("porch.toml"), "x = ").unwrap();
        assert!(matches!(present(directory.path()), Err(ModelFault::NoneLeft(_))));
        install(&directory, "lite", &["cat"]);
        assert_eq!(named(directory.path(), &id("lite")).unwrap().id, id("lite"));
        assert_eq!(present(directory.path()).unwrap().len(), 1);
        let porch = named(directory.path(), &id("porch"));
        assert!(matches!(porch, Err(ModelFault::Manifest(ManifestError::Parse { .. }))));
        let unknown = named(directory.path(), &id("door")).unwrap_err().to_string();
        assert!(unknown.contains("there are lite, porch"), "{unknown}");
        fs::remove_file(directory.path().join("lite.onnx")).unwrap();
        assert!(matches!(named(directory.path(), &id("lite")), Err(ModelFault::Absent { .. })));
    }

    #[test]
    fn the_model_with_other_classes_is_named() {
        let directory = tempfile::tempdir().unwrap();
        install(&directory, "a", &["door", "gate"]);
        install(&directory, "b", &["cat", "dog"]);
        install(&directory, "c", &["cat", "dog"]);
        let mut manifests = present(directory.path()).unwrap();
        let mixed = common_classes(&manifests).unwrap_err();
        assert_eq!(mixed, MixedClasses { odd: id("a"), usual: id("b") });
        assert!(mixed.to_string().contains("--use"));
        manifests.remove(0);
        assert_eq!(common_classes(&manifests), Ok(2));
    }
}
