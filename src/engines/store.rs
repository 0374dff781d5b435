//! Where entries are kept, and how they come there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use super::EngineBuilds;
use super::seal::{self, Condition};
use super::{EngineKey, Platform, TooLittleMemory, memory};
use crate::models::{Manifest, ModelId};

/// What a directory is called that an entry is being made in; the process and a number follow.
const BUILDING: &str = ".building-";

/// The number of the next, for threads of one process that build for the same model.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The kept engines of a machine. Clones share the counts.
#[derive(Clone, Debug)]
pub struct EngineStore {
    directory: PathBuf,
    root: PathBuf,
    platform: Platform,
    counters: Arc<Counters>,
    builds: EngineBuilds,
}

/// Where the engines of a model are, or are to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// The directory, which exists and holds this model's alone.
    pub directory: PathBuf,
    /// What their names begin with, so that those of two models differ wherever they end up.
    pub prefix: String,
}

/// Why a model with kept engines is not loaded.
#[derive(Debug, Error)]
pub enum EngineError<E> {
    /// There is too little memory to build one.
    #[error(transparent)]
    Memory(TooLittleMemory),
    /// It does not load.
    #[error(transparent)]
    Load(E),
}

/// What became of entries since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounts {
    /// Engines built, for whatever reason: of a model, once for each entry.
    pub built: u64,
    /// Those of them that a start had not to expect, for the model had an entry.
    pub built_anew: u64,
    /// Entries that were as they were sealed, and loaded.
    pub reused: u64,
    /// Entries that were truncated or altered.
    pub damaged: u64,
    /// Entries that were as they were sealed, and did not load or answered wrong.
    pub refused: u64,
    /// Entries of other keys, removed when another took their place.
    pub stale: u64,
}

#[derive(Debug, Default)]
struct Counters {
    built: AtomicU64,
    built_anew: AtomicU64,
    reused: AtomicU64,
    damaged: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
}

impl EngineStore {
    /// What `directory` keeps for the machine whose root is `root`.
    pub fn new(directory: PathBuf, root: &Path) -> Self {
        let (platform, counters) = (Platform::read(root), Arc::default());
        let builds = EngineBuilds::default();
        Self { directory, root: root.to_owned(), platform, counters, builds }
    }

    /// The same, whose builds are counted there.
    #[must_use]
    pub fn counting(self, builds: EngineBuilds) -> Self {
        Self { builds, ..self }
    }

    /// What the machine has.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// What became of entries since the process began.
    pub fn counts(&self) -> EngineCounts {
        let Counters { built, built_anew, reused, damaged, refused, stale } = &*self.counters;
        let [built, built_anew, reused, damaged, refused, stale] =
            [built, built_anew, reused, damaged, refused, stale]
                .map(|counter| counter.load(Ordering::Relaxed));
        EngineCounts { built, built_anew, reused, damaged, refused, stale }
    }

    /// Loads a model by its entry, which is made if there is none or it is of no use.
    ///
    /// `load` loads the model with the engines of a directory and has TensorRT write there what it
    /// lacks; it succeeds only if the model answers right. It may be called twice. Where nothing can
    /// be kept it gets `None`.
    pub fn open<T, E>(
        &self,
        manifest: &Manifest,
        key: &EngineKey,
        mut load: impl FnMut(Option<&Engines>) -> Result<T, E>,
    ) -> Result<T, EngineError<E>> {
        let place = Place::of(self, &manifest.id, key);
        let reason = match seal::check(&place.entry, key) {
            Condition::Sound(sealed) => match load(Some(&place.engines(&place.entry))) {
                Ok(loaded) => {
                    self.used(&place, key, &sealed);
                    return Ok(loaded);
                }
                Err(_) => Reason::Refused,
            },
            Condition::Damaged(fault) => {
                count(&self.counters.damaged);
                place.clear();
                Reason::Damaged(fault)
            }
            Condition::Absent => place.reason_of_absence(key),
        };
        self.build(manifest, key, &place, &reason, load)
    }

    /// Notes that an entry was of use; TensorRT may have thought otherwise and built in its place.
    fn used(&self, place: &Place, key: &EngineKey, sealed: &seal::Seal) {
        count(&self.counters.reused);
        let is_as_it_was = match seal::check(&place.entry, key) {
            Condition::Sound(_) => !seal::has_more(&place.entry, sealed),
            Condition::Absent | Condition::Damaged(_) => false,
        };
        if is_as_it_was {
            return;
        }
        self.count_one(&place.model);
        count(&self.counters.built_anew);
        log::warn!("model {}: TensorRT built an engine although one was kept", place.model);
        if let Err(error) = seal::seal(&place.entry, key) {
            log::warn!("its engine is not kept: {error}");
        }
    }

    fn build<T, E>(
        &self,
        manifest: &Manifest,
        key: &EngineKey,
        place: &Place,
        reason: &Reason,
        mut load: impl FnMut(Option<&Engines>) -> Result<T, E>,
    ) -> Result<T, EngineError<E>> {
        let weights = manifest.file.metadata().map_or(0, |file| file.len());
        memory::check(&self.root, &manifest.id, weights)
            .inspect_err(|error| log::warn!("{error}"))
            .map_err(EngineError::Memory)?;
        reason.tell(&manifest.id);
        let workplace = match place.workplace() {
            Ok(workplace) => workplace,
            Err(error) => {
                let directory = place.of_model.display();
                log::warn!("engines are not kept, because {directory} cannot be written: {error}");
                return self.count_build(&place.model, reason, load(None));
            }
        };
        let loaded = load(Some(&place.engines(&workplace)));
        if loaded.is_ok() {
            match self.keep(place, &workplace, key) {
                Ok(Kept::Entry) => {}
                Ok(Kept::Nothing) => log::warn!(
                    "model {}: TensorRT left no engine to keep, and builds it at every start",
                    manifest.id
                ),
                Err(error) => log::warn!("model {}: its engine is not kept: {error}", manifest.id),
            }
        }
        // Empty, renamed, or of no use.
        let _ = fs::remove_dir_all(&workplace);
        self.count_build(&place.model, reason, loaded)
    }

    fn count_one(&self, model: &ModelId) {
        count(&self.counters.built);
        self.builds.note(model);
    }

    fn count_build<T, E>(
        &self,
        model: &ModelId,
        reason: &Reason,
        loaded: Result<T, E>,
    ) -> Result<T, EngineError<E>> {
        let loaded = loaded.map_err(EngineError::Load)?;
        self.count_one(model);
        match reason {
            Reason::First => return Ok(loaded),
            Reason::Changed(_) | Reason::Damaged(_) => {}
            Reason::Refused => count(&self.counters.refused),
        }
        count(&self.counters.built_anew);
        Ok(loaded)
    }

    /// Puts a finished entry in its place, and removes the model's others.
    fn keep(&self, place: &Place, workplace: &Path, key: &EngineKey) -> io::Result<Kept> {
        if seal::seal(workplace, key)?.is_none() {
            return Ok(Kept::Nothing);
        }
        // A directory cannot replace one that has files; nothing of use is lost if this is the end.
        if place.entry.exists() {
            fs::remove_dir_all(&place.entry)?;
        }
        fs::rename(workplace, &place.entry)?;
        fs::File::open(&place.of_model)?.sync_all()?;
        for other in place.others() {
            fs::remove_dir_all(&other)?;
            count(&self.counters.stale);
        }
        Ok(Kept::Entry)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Whether there was something to keep.
enum Kept {
    Entry,
    Nothing,
}

/// Why an engine is built.
enum Reason {
    /// The model never had one.
    First,
    /// It has one for something else, in words.
    Changed(String),
    /// Its entry was truncated or altered, in words.
    Damaged(String),
    /// Its entry does not load, or answers wrong.
    Refused,
}

impl Reason {
    fn tell(&self, model: &ModelId) {
        let why = match self {
            Self::First => {
                log::info!("model {model}: its TensorRT engine is built, which takes minutes");
                return;
            }
            Self::Changed(changes) => format!("the one that is kept is for another: {changes}"),
            Self::Damaged(fault) => format!("the one that is kept is damaged: {fault}"),
            Self::Refused => "the one that is kept does not load, or answers wrong".to_owned(),
        };
        log::warn!("model {model}: its TensorRT engine is built anew, which takes minutes: {why}");
    }
}

/// Where a model's entry is.
struct Place {
    model: ModelId,
    of_model: PathBuf,
    entry: PathBuf,
    prefix: String,
}

impl Place {
    fn of(store: &EngineStore, model: &ModelId, key: &EngineKey) -> Self {
        let of_model = store.directory.join(model.as_str());
        let digest = key.short_digest();
        let (entry, prefix) = (of_model.join(&digest), format!("{model}-{digest}"));
        Self { model: model.clone(), of_model, entry, prefix }
    }

    fn engines(&self, directory: &Path) -> Engines {
        Engines { directory: directory.to_owned(), prefix: self.prefix.clone() }
    }

    /// Removes the entry, which is of no use. That it stays would be noticed at the next start.
    fn clear(&self) {
        let _ = fs::remove_dir_all(&self.entry);
    }

    /// A new directory to make an entry in. What processes left there that are no more is removed.
    fn workplace(&self) -> io::Result<PathBuf> {
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let workplace = self.of_model.join(format!("{BUILDING}{process}-{number}"));
        for abandoned in self.directories(is_abandoned) {
            let _ = fs::remove_dir_all(abandoned);
        }
        // A process before this one may have had its number.
        if workplace.exists() {
            fs::remove_dir_all(&workplace)?;
        }
        fs::create_dir_all(&workplace)?;
        Ok(workplace)
    }

    /// The model's other entries.
    fn others(&self) -> Vec<PathBuf> {
        let own = self.entry.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        self.directories(|name| !name.starts_with(BUILDING) && Some(name) != own.as_deref())
    }

    fn directories(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.of_model) else { return Vec::new() };
        let wanted = entries.flatten().filter(|entry| {
            entry.file_name().to_str().is_some_and(&wanted) && entry.path().is_dir()
        });
        let mut paths: Vec<PathBuf> = wanted.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    /// What the model's other entries say about why it has none for `key`.
    fn reason_of_absence(&self, key: &EngineKey) -> Reason {
        let others = self.others();
        let Some(other) = others.first() else { return Reason::First };
        match seal::read(other) {
            Ok(seal) => Reason::Changed(key.changes_since(&seal.key)),
            Err(fault) => Reason::Damaged(fault),
        }
    }
}

/// Whether a directory is that of a build whose process is no more.
fn is_abandoned(name: &str) -> bool {
    let process = name.strip_prefix(BUILDING).and_then(|name| name.split('-').next());
    process.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

#[cfg(test)]
mod tests;
