//! Which image files a path or a pattern names.

use std::path::{Path, PathBuf};

use super::error::CaptureError;
use super::natural;

/// What the image decoder is built to read.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "pbm", "pgm", "ppm", "pnm"];

/// The images that `path` names, in natural order: the images of a directory (not of those below
/// it), those that match a pattern, or the one that it is. `None` if it names no image but may name
/// something else. `text` is what the user wrote.
pub(super) fn find(text: &str, path: &str) -> Result<Option<Vec<PathBuf>>, CaptureError> {
    let file = Path::new(path);
    if file.is_dir() {
        return directory(text, file).map(Some);
    }
    if file.exists() {
        return Ok(is_image(file).then(|| vec![file.to_owned()]));
    }
    if path.contains(['*', '?', '[']) {
        return pattern(text, path).map(Some);
    }
    Ok(None)
}

fn directory(text: &str, path: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let unlisted = |error: std::io::Error| missing(text, error.to_string());
    let entries = path.read_dir().map_err(unlisted)?;
    let files = entries.map(|entry| entry.map(|entry| entry.path()));
    let files: Vec<PathBuf> = files.collect::<Result<_, _>>().map_err(unlisted)?;
    images(text, files)
}

fn pattern(text: &str, pattern: &str) -> Result<Vec<PathBuf>, CaptureError> {
    let paths = glob::glob(pattern).map_err(|error| CaptureError::Uri {
        text: text.to_owned(),
        fault: format!("the pattern is wrong: {error}"),
    })?;
    let files: Vec<PathBuf> =
        paths.collect::<Result<_, _>>().map_err(|error| missing(text, error.to_string()))?;
    images(text, files)
}

/// Those of `files` that are images, in natural order; at least one.
fn images(text: &str, mut files: Vec<PathBuf>) -> Result<Vec<PathBuf>, CaptureError> {
    files.retain(|file| is_image(file) && !file.is_dir());
    if files.is_empty() {
        let fault =
            format!("there is no image ({}); videos are named one by one", EXTENSIONS.join(", "));
        return Err(missing(text, fault));
    }
    files
        .sort_by(|left, right| natural::compare(&left.to_string_lossy(), &right.to_string_lossy()));
    Ok(files)
}

/// Whether the image decoder is built to read a file of this name.
pub fn is_image(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(found)))
}

fn missing(text: &str, fault: String) -> CaptureError {
    CaptureError::MissingInput { input: text.to_owned(), fault }
}
