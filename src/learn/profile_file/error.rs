//! Why a profile or its journal cannot be read or written.

use std::path::PathBuf;

use thiserror::Error;

use super::VERSION;
use crate::models::ModelId;

/// Why a profile cannot be read or written.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The file cannot be opened or read.
    #[error("cannot read the profile {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file is no profile, or a damaged one.
    #[error("cannot use the profile {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ProfileFault>,
    },
    /// The file cannot be written.
    #[error("cannot write the profile {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// What is wrong with a profile.
#[derive(Debug, Error)]
pub enum ProfileFault {
    /// There is nothing in the file.
    #[error("the file is empty; make a profile with `classifyd profile`")]
    Empty,
    /// It has the form of older profiles.
    #[error("it is JSON Lines, as profiles of classifyd 0.1.0 were: profile anew")]
    JsonLines,
    /// It is something else.
    #[error("it is no Parquet file; make a profile with `classifyd profile`")]
    NotParquet,
    /// Its end is missing.
    #[error("it was cut short: a Parquet file ends in PAR1; copy it again, or profile anew")]
    CutShort,
    /// It is Parquet of another kind.
    #[error(
        "it is a Parquet file, but no profile: its metadata have no key `classifyd-profile` \
         (programs that rewrite Parquet files drop it)"
    )]
    Foreign,
    /// Another version.
    #[error("its format version is {found}; this classifyd reads {VERSION}: profile anew")]
    Version {
        /// The version it states.
        found: u32,
    },
    /// Its metadata are not as documented.
    #[error("its metadata `classifyd-profile` are not as documented: {0}")]
    Document(String),
    /// Measured with other features.
    #[error("it has other features than this classifyd ({found}); profile anew")]
    OtherFeatures {
        /// Their names.
        found: String,
    },
    /// It lists no model, or one twice.
    #[error("its models must be at least one, each named once")]
    Models,
    /// Its columns are not those that its metadata ask for.
    #[error("column {number} should be {expected}, and is {found}")]
    Column {
        /// From 1.
        number: usize,
        /// Name and type.
        expected: String,
        /// Name and type.
        found: String,
    },
    /// Rows are missing.
    #[error("it has {found} pictures where its metadata state {stated}; profile anew")]
    Rows {
        /// What the metadata state.
        stated: usize,
        /// What there is.
        found: usize,
    },
    /// The Parquet reader gave up.
    #[error("its content is damaged ({0}); copy it again, or profile anew")]
    Damaged(String),
    /// A picture that makes no sense.
    #[error("picture {row} of it ({file})")]
    Record {
        /// From 1.
        row: usize,
        /// Its file.
        file: String,
        /// What is wrong with it.
        source: RecordFault,
    },
}

/// What is wrong with the record of a picture.
#[derive(Debug, Error)]
pub enum RecordFault {
    /// It is no JSON, or not of the documented form.
    #[error("it is not as documented: {0}")]
    Json(String),
    /// It has no name.
    #[error("the name of its file is empty")]
    NoFile,
    /// It is compared with the frame before, and is no frame.
    #[error("it has a change to the frame before, but is of no video")]
    StrayChange,
    /// A number that is none, or beyond its range.
    #[error("{what} is {value}, {expected}")]
    Number {
        /// What it was to be.
        what: String,
        /// The number.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// A picture lacks a model or a guess, or has one too many.
    #[error("its results do not fit: {0}")]
    Results(String),
    /// A rank that the guesses contradict.
    #[error("the rank {rank} of {model} contradicts its best classes")]
    Rank {
        /// The model.
        model: ModelId,
        /// The rank.
        rank: usize,
    },
    /// A picture that was there before.
    #[error("it was there before, as picture {first}")]
    Duplicate {
        /// The number of the first one, from 1.
        first: usize,
    },
}

/// Why a journal cannot be begun or gone on with.
#[derive(Debug, Error)]
pub enum JournalError {
    /// There is one already.
    #[error(
        "{} holds what a profiling that did not end has measured: go on with --resume, or remove \
         it to begin anew",
        path.display()
    )]
    Exists {
        /// The journal.
        path: PathBuf,
    },
    /// It cannot be made or written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The journal.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The journal.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It was begun for something else.
    #[error(
        "{} was begun with other {what} ({there}; now {here}): give the same options, or remove it \
         to begin anew",
        path.display()
    )]
    Different {
        /// The journal.
        path: PathBuf,
        /// What differs.
        what: String,
        /// As it is in the journal.
        there: String,
        /// As it was asked for.
        here: String,
    },
    /// A picture was measured that no profile may hold.
    #[error("the measurement of {file} makes no sense; report it")]
    Measurement {
        /// The picture.
        file: String,
        /// What is wrong with it.
        source: RecordFault,
    },
    /// A line makes no sense.
    #[error("line {line} of {} is damaged: remove the file to begin anew", path.display())]
    Line {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        source: RecordFault,
    },
}
