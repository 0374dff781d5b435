//! Reading manifests: the form of the file, and the checks that make a [`Manifest`] of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    Channels, Fit, Golden, InputSpec, Labels, Layout, Manifest, ManifestError, ModelId, OutputKind,
    OutputSpec, Provenance, Published, Resize, Sha256Hex, run::RawRun, text,
};

impl Manifest {
    /// Reads and checks the manifest at `path` and the label file it names; the ONNX file is not
    /// touched.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = text::read(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let raw: RawManifest =
            toml::from_str(&text).map_err(|error| unparsed(path, &text, &error))?;
        raw.check(path)
    }
}

/// Says in one line what the TOML reader draws on several.
fn unparsed(path: &Path, text: &str, error: &toml::de::Error) -> ManifestError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default().matches('\n').count();
    let written = text.lines().nth(before).unwrap_or_default().trim();
    let fault = format!("`{written}`: {}", error.message().replace('\n', " "));
    ManifestError::Parse { path: path.to_owned(), line: before + 1, fault }
}

/// A manifest of a directory: what it describes, or what is wrong with it.
#[derive(Debug)]
pub struct ManifestEntry {
    /// The stem of its file name; the model's, if it can be one.
    pub name: String,
    /// What it describes.
    pub manifest: Result<Manifest, ManifestError>,
}

/// Reads every manifest of a directory, in the order of their names. One that is faulty does not
/// stand in the way of the others.
pub fn load_directory(directory: &Path) -> Result<Vec<ManifestEntry>, ManifestError> {
    let unlisted = |source| ManifestError::Directory { path: directory.to_owned(), source };
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        let is_manifest = path.extension().is_some_and(|extension| extension == "toml");
        if is_manifest {
            paths.insert(path);
        }
    }
    Ok(paths.iter().map(|path| entry(path)).collect())
}

fn entry(path: &Path) -> ManifestEntry {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ManifestEntry { name, manifest: Manifest::load(path) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    description: String,
    file: PathBuf,
    sha256: Sha256Hex,
    source: Provenance,
    input: RawInput,
    output: RawOutput,
    run: Option<RawRun>,
    published: Option<Published>,
    golden: Option<Golden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    name: String,
    layout: Layout,
    width: u32,
    height: u32,
    channels: Channels,
    mean: [f32; 3],
    std: [f32; 3],
    resize: Resize,
    crop: Option<f32>,
    fit: Option<RawFit>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFit {
    Squash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    name: String,
    kind: OutputKind,
    classes: usize,
    background: bool,
    labels: PathBuf,
}

impl RawManifest {
    fn check(self, path: &Path) -> Result<Manifest, ManifestError> {
        let value = |fault: String| ManifestError::Value { path: path.to_owned(), fault };
        let directory = path.parent().unwrap_or(Path::new("."));
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let id = ModelId::new(stem).ok_or_else(|| {
            value("its file name must be made of letters, digits, `_`, `-` and `.`".to_owned())
        })?;
        check_place("file", &self.file).map_err(value)?;
        check_place("output.labels", &self.output.labels).map_err(value)?;
        let input = self.input.check().map_err(value)?;
        let labels = load_labels(&id, directory.join(&self.output.labels))?;
        let output = self.output.check(labels).map_err(value)?;
        let run = self.run.unwrap_or_default().check().map_err(value)?;
        if let Some(published) = &self.published {
            published.check().map_err(value)?;
        }
        if let Some(golden) = &self.golden {
            golden.check(output.labels.count()).map_err(value)?;
        }
        Ok(Manifest {
            id,
            description: self.description,
            file: directory.join(self.file),
            sha256: self.sha256,
            source: self.source,
            input,
            output,
            run,
            published: self.published,
            golden: self.golden,
        })
    }
}

/// A manifest describes what lies beside it, and reaches for nothing else.
fn check_place(key: &str, path: &Path) -> Result<(), String> {
    if text::stays_below(path) {
        return Ok(());
    }
    let path = path.display();
    Err(format!("{key} = \"{path}\": write a path beside the manifest, relative and without `..`"))
}

impl RawInput {
    fn check(self) -> Result<InputSpec, String> {
        let sides = 1..=4096;
        if !sides.contains(&self.width) || !sides.contains(&self.height) {
            let (width, height) = (self.width, self.height);
            return Err(format!(
                "input.width = {width}, input.height = {height}: each must be 1 to 4096"
            ));
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return Err("input.mean must hold finite numbers".to_owned());
        }
        if !self.std.iter().all(|std| std.is_normal()) {
            return Err("input.std must hold finite numbers other than 0".to_owned());
        }
        let fit = match (self.crop, self.fit) {
            (Some(crop), None) if crop > 0.0 && crop <= 1.0 => Fit::CentreCrop(crop),
            (Some(crop), None) => {
                return Err(format!("input.crop = {crop}: it must be above 0 and at most 1"));
            }
            (None, Some(RawFit::Squash)) => Fit::Squash,
            (None, None) | (Some(_), Some(_)) => {
                return Err("input needs either `crop = 0.875` or `fit = \"squash\"`".to_owned());
            }
        };
        Ok(InputSpec {
            name: self.name,
            layout: self.layout,
            width: self.width,
            height: self.height,
            channels: self.channels,
            mean: self.mean,
            std: self.std,
            resize: self.resize,
            fit,
        })
    }
}

impl RawOutput {
    fn check(self, labels: Labels) -> Result<OutputSpec, String> {
        let named = labels.count() + usize::from(self.background);
        if self.classes != named {
            return Err(format!(
                "output.classes = {}, but {} names {} classes{}",
                self.classes,
                self.labels.display(),
                labels.count(),
                if self.background { " and the background makes one more" } else { "" },
            ));
        }
        Ok(OutputSpec {
            name: self.name,
            kind: self.kind,
            classes: self.classes,
            background: self.background,
            labels,
        })
    }
}

impl Published {
    fn check(&self) -> Result<(), String> {
        if (0.0..=100.0).contains(&self.top1) {
            return Ok(());
        }
        Err(format!("published.top1 = {}: write percent, 0 to 100", self.top1))
    }
}

impl Golden {
    fn check(&self, classes: usize) -> Result<(), String> {
        if self.classes.is_empty() || self.classes.len() != self.probabilities.len() {
            return Err("golden needs as many probabilities as classes, at least one".to_owned());
        }
        if let Some(class) = self.classes.iter().find(|class| **class >= classes) {
            return Err(format!("golden.classes names class {class}, of {classes} from 0 on"));
        }
        // Comparisons with NaN are false, so it is refused too.
        let is_probability = |value: &&f32| (0.0..=1.0).contains(*value);
        if let Some(value) = self.probabilities.iter().find(|value| !is_probability(value)) {
            return Err(format!("golden.probabilities has {value}: each must be 0 to 1"));
        }
        Ok(())
    }
}

fn load_labels(model: &ModelId, path: PathBuf) -> Result<Labels, ManifestError> {
    let text = match text::read(&path) {
        Ok(text) => text,
        Err(source) => return Err(ManifestError::Labels { model: model.clone(), path, source }),
    };
    if let Some(blank) = text.lines().position(|name| name.trim().is_empty()) {
        let fault = format!("line {} is blank; each line must name a class", blank + 1);
        return Err(ManifestError::LabelNames { path, fault });
    }
    if text.is_empty() {
        let fault = "it is empty; each line must name a class".to_owned();
        return Err(ManifestError::LabelNames { path, fault });
    }
    Ok(Labels::from_names(text.lines()))
}
