//! Profiles: what every model answered to every training picture, and how long it took.
//!
//! # Format, version 2
//!
//! JSON Lines. The first line describes the profile:
//!
//! ```json
//! {"format":"classifyd-profile","version":2,
//!  "models":[{"name":"lite0","fingerprint":"…","provider":"cpu"}],
//!  "features":["n_keypoints","…"],"classes":1000,"machine":"…"}
//! ```
//!
//! Every further line is a picture:
//!
//! ```json
//! {"file":"a.jpg","class":207,"features":[12,…],
//!  "models":{"lite0":{"top5":[[207,0.81],[208,0.1],…],"rank":0,"ms":5.912}}}
//! ```
//!
//! `class` is the true class and `rank` its 0-based rank among all classes, by the same order that
//! `top5` (fewer, if there are fewer classes) begins. `ms` is the median latency of the model on the
//! picture. Every picture has a result of every model of the first line, and no other key. Each line
//! ends in a line feed: one without was cut short.
//!
//! A line that breaks these rules is refused when it is written and when it is read.

mod lines;
mod reader;
#[cfg(test)]
pub(crate) mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::features::Features;
use crate::models::{ModelId, Provider, Sha256Hex};

/// The version of the format that is written, and the only one read.
pub const VERSION: u32 = 2;

/// How many guesses of a model are kept.
pub const GUESSES: usize = 5;

/// A profile, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What all pictures have in common.
    pub header: Header,
    /// The pictures, in the order of the file; no file twice.
    pub images: Vec<ImageRecord>,
}

/// What all pictures of a profile have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The models that were measured.
    pub models: Vec<ProfiledModel>,
    /// How many classes each of them tells apart.
    pub classes: usize,
    /// The machine that measured, for people.
    pub machine: String,
}

/// A model that was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfiledModel {
    /// Its name.
    pub id: ModelId,
    /// The fingerprint of its manifest.
    pub fingerprint: Sha256Hex,
    /// What it ran on.
    pub provider: Provider,
}

/// A picture that every model was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// The name of its file, as in the labels.
    pub file: String,
    /// The true class, 0-based.
    pub class: usize,
    /// Its features.
    pub features: Features,
    /// One result per model, in the order of [`Header::models`].
    pub results: Vec<ModelResult>,
}

/// What a model answered, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// Its [`GUESSES`] best classes and their probabilities, best first.
    pub best: Vec<(usize, f32)>,
    /// The 0-based rank of the true class among all classes.
    pub rank: usize,
    /// The median of its runs.
    pub latency: Duration,
}

impl ModelResult {
    /// Ranks the true class among the probabilities of all classes. Of equally probable classes the
    /// lower number ranks higher. Panics if there is no probability for the class.
    pub fn new(probabilities: &[f32], class: usize, latency: Duration) -> Self {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let rank = order.iter().position(|&ranked| ranked == class);
        let rank = rank.expect("the true class is one of the model's classes");
        let best = order.into_iter().take(GUESSES).map(|class| (class, probabilities[class]));
        Self { best: best.collect(), rank, latency }
    }
}

/// Why a profile cannot be read or written.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The file cannot be opened.
    #[error("cannot read the profile {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file is no profile.
    #[error("cannot use the profile {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ProfileError>,
    },
    /// Reading or writing stopped.
    #[error("cannot read or write line {line} of the profile")]
    Transfer {
        /// The line, from 1.
        line: usize,
        /// The system's word.
        source: std::io::Error,
    },
    /// It has no line.
    #[error("the profile is empty; make one with `classifyd profile`")]
    Empty,
    /// A line makes no sense.
    #[error("line {line} of the profile")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: LineFault,
    },
}

/// What is wrong with a line of a profile.
#[derive(Debug, Error)]
pub enum LineFault {
    /// It does not end in a line feed.
    #[error("it was cut short, so the profiling was interrupted; delete the line or profile anew")]
    CutShort,
    /// It is longer than any record.
    #[error("it is longer than {0} bytes; this is no profile")]
    TooLong(usize),
    /// It is no JSON, or not of the documented form.
    #[error("it is not as documented: {reason} (column {column})")]
    Json {
        /// What is wrong.
        reason: String,
        /// Where, from 1.
        column: usize,
    },
    /// It starts another kind of file.
    #[error("its format is `{0}`; this is no profile")]
    Foreign(String),
    /// Another version.
    #[error("its format version is {found}; this classifyd reads {VERSION}: profile anew")]
    Version {
        /// The version it states.
        found: u32,
    },
    /// Measured with other features.
    #[error("it has other features ({found}); profile anew")]
    OtherFeatures {
        /// Their names.
        found: String,
    },
    /// A name with characters that names don't have, or an unknown word.
    #[error("`{word}` is no {role}")]
    Word {
        /// What it was to be.
        role: &'static str,
        /// The word.
        word: String,
    },
    /// The header lists no model, or one twice.
    #[error("its models must be at least one, each named once")]
    Models,
    /// A picture lacks a model, or has one too many.
    #[error("its results must be of exactly the models of the first line: {0}")]
    Results(String),
    /// A number that is none, or too large.
    #[error("{what} is {value}, {expected}")]
    Number {
        /// What it was to be.
        what: String,
        /// The number.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// A rank that the guesses contradict.
    #[error("the rank {rank} of {model} contradicts its best classes")]
    Rank {
        /// The model.
        model: ModelId,
        /// The rank.
        rank: usize,
    },
    /// A picture that an earlier line has.
    #[error("{file} is on line {first} already")]
    Duplicate {
        /// The picture.
        file: String,
        /// The line that has it first.
        first: usize,
    },
}

impl From<serde_json::Error> for LineFault {
    /// Drops the line that the JSON reader states: it is always the first of what it was given.
    fn from(error: serde_json::Error) -> Self {
        let column = error.column();
        let place = format!(" at line {} column {column}", error.line());
        let text = error.to_string();
        let reason = text.strip_suffix(&place).unwrap_or(&text).to_owned();
        Self::Json { reason, column }
    }
}

/// Writes a profile, line by line.
#[derive(Debug)]
pub struct ProfileWriter<W> {
    output: W,
    header: Header,
    lines: usize,
}

impl<W: Write> ProfileWriter<W> {
    /// Writes the first line.
    pub fn new(output: W, header: Header) -> Result<Self, ProfileError> {
        let line = lines::header_line(&header).map_err(|source| line_error(1, source))?;
        let mut writer = Self { output, header, lines: 0 };
        writer.put(line)?;
        Ok(writer)
    }

    /// Writes a picture and hands it to the system, so that an interruption loses at most one.
    pub fn write(&mut self, image: &ImageRecord) -> Result<(), ProfileError> {
        let line = lines::image_line(&self.header, image);
        self.put(line.map_err(|source| line_error(self.lines + 1, source))?)
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.output
    }

    fn put(&mut self, mut line: String) -> Result<(), ProfileError> {
        self.lines += 1;
        line.push('\n');
        let written = self.output.write_all(line.as_bytes()).and_then(|()| self.output.flush());
        written.map_err(|source| ProfileError::Transfer { line: self.lines, source })
    }
}

fn line_error(line: usize, source: LineFault) -> ProfileError {
    ProfileError::Line { line, source }
}
