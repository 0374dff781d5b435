//! The files of a report.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::plot;

/// Why a report cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The directory cannot be made.
    #[error("cannot make the directory {} for the report", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A plot cannot be drawn.
    #[error("cannot draw a plot of the report: {0}")]
    Plot(String),
    /// The figures cannot be put as JSON.
    #[error("cannot put the figures of the report as JSON")]
    Json(#[from] serde_json::Error),
}

impl From<plot::DrawError> for ReportError {
    fn from(error: plot::DrawError) -> Self {
        Self::Plot(error.to_string())
    }
}

/// Makes the directory if need be, and finds out whether files can be written there, by one of them.
pub fn prepare(directory: &Path, name: &str) -> Result<(), ReportError> {
    make(directory)?;
    let path = directory.join(name);
    let opened = fs::OpenOptions::new().create(true).append(true).open(&path);
    opened.map(drop).map_err(|source| ReportError::File { path, source })
}

/// Writes a file into the directory, which is made if need be. What is there is overwritten.
pub fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf, ReportError> {
    make(directory)?;
    let path = directory.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::File { path, source }),
    }
}

fn make(directory: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(directory)
        .map_err(|source| ReportError::Directory { path: directory.to_owned(), source })
}
