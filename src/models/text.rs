//! Reading the text files that describe models, which anyone may have put there.

use std::fs;
use std::io;
use std::path::{Component, Path};

/// Longest text that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// The text of a regular file of at most 16 MiB.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let size = regular_size(path)?;
    if size > LIMIT {
        let fault = format!("it is larger than {} MiB", LIMIT >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, fault));
    }
    fs::read_to_string(path)
}

/// The size of a regular file; a device or a pipe could keep its reader waiting for ever.
pub(super) fn regular_size(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// Whether a path leads to somewhere below the directory that it starts from.
pub(super) fn stays_below(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some()
        && components.all(|component| matches!(component, Component::Normal(_)))
}
