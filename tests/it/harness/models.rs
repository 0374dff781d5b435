//! Directories of models, and premodels trained on them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::media::{BLUE, GREEN, RED, scene};
use super::program::{Program, classifyd, repository};
use super::text;

/// A directory with copies of some of the tiny models, which a test may spoil.
pub struct Models {
    directory: TempDir,
}

impl Models {
    /// Copies of `names` out of `tests/data/models`.
    pub fn of(names: &[&str]) -> Self {
        let models = Self { directory: tempfile::tempdir().expect("a directory for models") };
        models.copy("colours.txt");
        for name in names {
            models.copy(&format!("{name}.toml"));
            models.copy(&format!("{name}.onnx"));
        }
        models
    }

    fn copy(&self, file: &str) {
        let original = repository().join("tests/data/models").join(file);
        fs::copy(&original, self.file(file))
            .unwrap_or_else(|error| panic!("{}: {error}", original.display()));
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Replaces `old`, which must be there, by `new` in a manifest.
    pub fn edit(&self, manifest: &str, old: &str, new: &str) {
        let path = self.file(manifest);
        let manifest = fs::read_to_string(&path).expect("a manifest");
        assert!(manifest.contains(old), "`{old}` is not in {manifest}");
        fs::write(&path, manifest.replace(old, new)).expect("the directory is writable");
    }

    /// Writes `bytes` to a file in the place of what is there.
    pub fn spoil(&self, file: &str, bytes: &[u8]) {
        fs::write(self.file(file), bytes).expect("the directory is writable");
    }

    /// A replay over these models.
    pub fn replay(&self, arguments: &str) -> Program {
        self.command("replay").args(arguments)
    }

    /// A command over these models.
    pub fn command(&self, command: &str) -> Program {
        classifyd("--models").arg(self.path()).args(command)
    }
}

/// Models and a premodel that was trained on them, by the program itself.
pub struct Trained {
    pub models: Models,
    images: TempDir,
}

/// Pictures of each colour to train with.
const PICTURES: u32 = 8;

impl Trained {
    /// Draws scenes, profiles the models `names` on them, and trains a premodel.
    pub fn on(names: &[&str]) -> Self {
        let trained = Self {
            models: Models::of(names),
            images: tempfile::tempdir().expect("a directory for images"),
        };
        let mut labels = String::from("filename,class\n");
        for (class, colour) in [RED, GREEN, BLUE].into_iter().enumerate() {
            for number in 0..PICTURES {
                let name = format!("{class}_{number}.png");
                scene(&trained.images.path().join(&name), colour, number);
                labels += &format!("{name},{class}\n");
            }
        }
        fs::write(trained.images.path().join("labels.csv"), labels).expect("a writable directory");
        trained.profile().run().with_code(0).saying(&["24 images measured, 0 unreadable"]);
        trained.train(&trained.premodel()).run().with_code(0);
        trained
    }

    /// The images, with `labels.csv`.
    pub fn images(&self) -> &Path {
        self.images.path()
    }

    pub fn premodel(&self) -> PathBuf {
        self.models.file("premodel.safetensors")
    }

    pub fn profile_file(&self) -> PathBuf {
        self.images.path().join("profile.parquet")
    }

    /// The command that made the profile.
    pub fn profile(&self) -> Program {
        let program = self.models.command("profile").arg("--images").arg(self.images());
        program.arg("--out").arg(self.profile_file())
    }

    /// The command that makes a premodel of the profile.
    pub fn train(&self, out: &Path) -> Program {
        classifyd("train --profile").arg(self.profile_file()).args("--out").arg(text(out))
    }
}
