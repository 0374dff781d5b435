//! The journal of a profile that is being measured: `OUT.partial`.
//!
//! JSON Lines: the first line is the [`Task`], every further one a picture. Each line is handed to
//! the system as soon as its picture is measured, so a process that is killed loses at most the one
//! at hand; a last line that was cut short is dropped. The journal is of use to the program that
//! wrote it only, and is removed when the profile is complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::check::{self, Seen};
use super::{ImageRecord, JournalError, ModelResult, RecordFault, Shape, VERSION};
use crate::features::Features;
use crate::models::Sha256Hex;

const FORMAT: &str = "classifyd-profile-journal";

/// What is measured. A journal is gone on with only if all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Name, fingerprint and provider of each model.
    pub models: Vec<(String, Sha256Hex, String)>,
    /// How many classes each of them tells apart.
    pub classes: usize,
    /// Where the true classes come from.
    pub truth: String,
    /// The name of the set.
    pub set: String,
    /// Threads of one inference.
    pub threads: usize,
    /// Which part of the set.
    pub shard: String,
    /// Of a video's frames, one in this many.
    pub every: usize,
    /// The digest of all names and labels.
    pub pictures: Sha256Hex,
}

/// The first line.
#[derive(Serialize)]
struct FirstLine<'a> {
    format: &'static str,
    version: u32,
    features: [&'static str; Features::COUNT],
    #[serde(flatten)]
    task: &'a Task,
}

impl Task {
    fn first_line(&self) -> FirstLine<'_> {
        FirstLine { format: FORMAT, version: VERSION, features: Features::NAMES, task: self }
    }

    /// The key whose values differ, and how they are here and there.
    fn difference(&self, line: &[u8]) -> Option<(String, String, String)> {
        let there: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let here = serde_json::to_value(self.first_line()).unwrap_or_default();
        let keys = here.as_object().into_iter().flat_map(|object| object.keys());
        let differs = |key: &&String| there.get(key) != here.get(key);
        let key = keys.into_iter().find(differs)?;
        let shown = |value: Option<&serde_json::Value>| {
            value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        Some((key.clone(), shown(there.get(key)), shown(here.get(key))))
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    shape: Shape,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    file: String,
    group: Option<String>,
    change: Option<f32>,
    class: usize,
    features: [f32; Features::COUNT],
    results: Vec<RawResult>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResult {
    best: Vec<(usize, f32)>,
    rank: usize,
    entropy: f32,
    margin: f32,
}

impl Journal {
    /// The journal of the profile `out`.
    pub fn path_of(out: &Path) -> PathBuf {
        let mut name = out.file_name().map(OsString::from).unwrap_or_default();
        name.push(".partial");
        out.with_file_name(name)
    }

    /// Begins the journal of the profile `out`; there must be none.
    pub fn begin(out: &Path, task: &Task, shape: Shape) -> Result<Self, JournalError> {
        let path = Self::path_of(out);
        let created = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = created.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists { path: path.clone() },
            _ => JournalError::Write { path: path.clone(), source },
        })?;
        let mut journal = Self { path, file, shape };
        journal.put(&task.first_line())?;
        Ok(journal)
    }

    /// Goes on with the journal of the profile `out`: what it holds, in its order. Begins one where
    /// there is none.
    pub fn resume(
        out: &Path,
        task: &Task,
        shape: Shape,
    ) -> Result<(Self, Vec<ImageRecord>), JournalError> {
        let path = Self::path_of(out);
        let unread = |source| JournalError::Read { path: path.clone(), source };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self::begin(out, task, shape)?, Vec::new()));
            }
            opened => opened.map_err(unread)?,
        };
        let mut lines = Lines { input: BufReader::new(file), length: 0 };
        let first = lines.next().map_err(unread)?;
        let images = match &first {
            None => Vec::new(),
            Some(line) => {
                refuse_another(&path, task, line)?;
                read_images(&path, &shape, &mut lines)?
            }
        };
        let mut file = lines.input.into_inner();
        let cut = file.set_len(lines.length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|source| JournalError::Write { path: path.clone(), source })?;
        let mut journal = Self { path, file, shape };
        if first.is_none() {
            journal.put(&task.first_line())?;
        }
        Ok((journal, images))
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a picture and hands it to the system.
    pub fn write(&mut self, image: &ImageRecord) -> Result<(), JournalError> {
        let checked = check::check_image(&self.shape, image);
        checked.map_err(|source| JournalError::Measurement { file: image.file.clone(), source })?;
        let result = |result: &ModelResult| RawResult {
            best: result.best.clone(),
            rank: result.rank,
            entropy: result.entropy,
            margin: result.margin,
        };
        self.put(&RawImage {
            file: image.file.clone(),
            group: image.group.clone(),
            change: image.change,
            class: image.class,
            features: *image.features.values(),
            results: image.results.iter().map(result).collect(),
        })
    }

    /// Removes it: the profile is complete.
    pub fn remove(self) -> Result<(), JournalError> {
        let unwritten = |source| JournalError::Write { path: self.path.clone(), source };
        fs::remove_file(&self.path).map_err(unwritten)
    }

    fn put(&mut self, content: &impl Serialize) -> Result<(), JournalError> {
        let line = serde_json::to_string(content).map_err(io::Error::other);
        let written = line.and_then(|line| self.file.write_all((line + "\n").as_bytes()));
        written.map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }
}

fn refuse_another(path: &Path, task: &Task, line: &[u8]) -> Result<(), JournalError> {
    match task.difference(line) {
        None => Ok(()),
        Some((what, there, here)) => {
            Err(JournalError::Different { path: path.to_owned(), what, there, here })
        }
    }
}

fn read_images(
    path: &Path,
    shape: &Shape,
    lines: &mut Lines,
) -> Result<Vec<ImageRecord>, JournalError> {
    let (mut images, mut seen) = (Vec::new(), Seen::default());
    let unread = |source| JournalError::Read { path: path.to_owned(), source };
    while let Some(line) = lines.next().map_err(unread)? {
        let number = images.len() + 2;
        let located = |source| JournalError::Line { path: path.to_owned(), line: number, source };
        let image = read_image(shape, &line).map_err(located)?;
        seen.note(&image.file, images.len() + 1).map_err(located)?;
        images.push(image);
    }
    Ok(images)
}

fn read_image(shape: &Shape, line: &[u8]) -> Result<ImageRecord, RecordFault> {
    let json = |fault: String| RecordFault::Json(fault);
    let raw: RawImage = serde_json::from_slice(line).map_err(|error| json(error.to_string()))?;
    let features =
        Features::new(raw.features).ok_or_else(|| json("a feature is not finite".to_owned()))?;
    let result = |raw: RawResult| ModelResult {
        best: raw.best,
        rank: raw.rank,
        entropy: raw.entropy,
        margin: raw.margin,
    };
    let image = ImageRecord {
        file: raw.file,
        group: raw.group,
        change: raw.change,
        class: raw.class,
        features,
        results: raw.results.into_iter().map(result).collect(),
    };
    check::check_image(shape, &image)?;
    Ok(image)
}

struct Lines {
    input: BufReader<File>,
    /// Bytes of the whole lines so far.
    length: u64,
}

impl Lines {
    /// The next whole line; `None` after the last, even if a piece of another follows.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.length += line.len() as u64;
        Ok(Some(line))
    }
}
