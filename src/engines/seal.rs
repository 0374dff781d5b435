//! The seal of an entry: what it was made for, and its files with their sizes and digests.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::EngineKey;
use crate::models::Sha256Hex;
use crate::whole_file;

/// The file that a seal is in.
const FILE: &str = "entry.json";

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// What it was made for.
    pub key: EngineKey,
    files: Vec<SealedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedFile {
    name: String,
    bytes: u64,
    sha256: Sha256Hex,
}

/// What is found at an entry's place.
#[derive(Debug, PartialEq, Eq)]
pub enum Condition {
    /// All as it was sealed.
    Sound(Seal),
    /// Nothing.
    Absent,
    /// Something else than was sealed, in words.
    Damaged(String),
}

/// Seals a directory's files, which are on the disk then; `None` if it holds none.
pub fn seal(directory: &Path, key: &EngineKey) -> io::Result<Option<Seal>> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type()?.is_file()
            && name != FILE
        {
            names.push(name);
        }
    }
    names.sort();
    let files = names.into_iter().map(|name| sealed(directory, name));
    let files = files.collect::<io::Result<Vec<_>>>()?;
    if files.is_empty() {
        return Ok(None);
    }
    let seal = Seal { key: key.clone(), files };
    let text = serde_json::to_string_pretty(&seal)?;
    whole_file::write(&directory.join(FILE), |mut file: File| {
        file.write_all(text.as_bytes()).map(|()| file)
    })?;
    File::open(directory)?.sync_all()?;
    Ok(Some(seal))
}

fn sealed(directory: &Path, name: String) -> io::Result<SealedFile> {
    let path = directory.join(&name);
    let file = File::open(&path)?;
    file.sync_all()?;
    Ok(SealedFile { bytes: file.metadata()?.len(), sha256: Sha256Hex::of_file(&path)?, name })
}

/// Holds an entry for `key` against its seal, every byte of it.
pub fn check(directory: &Path, key: &EngineKey) -> Condition {
    if !directory.is_dir() {
        return Condition::Absent;
    }
    let seal = match read(directory) {
        Ok(seal) if seal.key == *key => seal,
        Ok(seal) => {
            let changes = key.changes_since(&seal.key);
            return Condition::Damaged(format!("it was made for another key: {changes}"));
        }
        Err(fault) => return Condition::Damaged(fault),
    };
    match seal.files.iter().find_map(|file| fault_of(directory, file)) {
        Some(fault) => Condition::Damaged(fault),
        None => Condition::Sound(seal),
    }
}

/// The seal of an entry, if it has a legible one.
pub fn read(directory: &Path) -> Result<Seal, String> {
    let text = fs::read_to_string(directory.join(FILE));
    let text = text.map_err(|error| format!("its {FILE} cannot be read ({error})"))?;
    serde_json::from_str(&text).map_err(|error| format!("its {FILE} is not one ({error})"))
}

fn fault_of(directory: &Path, sealed: &SealedFile) -> Option<String> {
    let SealedFile { name, bytes, sha256 } = sealed;
    let path = directory.join(name);
    let found = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return Some(format!("{name} cannot be read ({error})")),
    };
    if found != *bytes {
        return Some(format!("{name} has {found} bytes instead of {bytes}"));
    }
    match Sha256Hex::of_file(&path) {
        Ok(digest) if digest == *sha256 => None,
        Ok(_) => Some(format!("{name} was altered")),
        Err(error) => Some(format!("{name} cannot be read ({error})")),
    }
}

/// Whether an entry has files that its seal does not name.
pub fn has_more(directory: &Path, seal: &Seal) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name != FILE && seal.files.iter().all(|file| *file.name != *name))
}
