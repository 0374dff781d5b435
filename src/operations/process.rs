//! What the system counts of this process: memory, threads, open files. A leak shows here.

use std::fs;
use std::path::Path;

/// What the system counts of this process; `None` is what it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessFigures {
    pub(super) resident_bytes: Option<i64>,
    pub(super) threads: Option<i64>,
    pub(super) open_files: Option<i64>,
}

impl ProcessFigures {
    /// What the system whose root directory is `root` tells.
    pub(super) fn read(root: &Path) -> Self {
        let directory = root.join("proc/self");
        let status = fs::read_to_string(directory.join("status")).unwrap_or_default();
        let figure = |key: &str| -> Option<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir(directory.join("fd")).ok().map(Iterator::count);
        Self {
            resident_bytes: figure("VmRSS:").map(|kibibytes| kibibytes.saturating_mul(1024)),
            threads: figure("Threads:"),
            open_files: files.and_then(|files| i64::try_from(files).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let figures = ProcessFigures::read(Path::new("/"));
        assert!(figures.resident_bytes > Some(1_000_000), "{figures:?}");
        assert!(figures.threads >= Some(1) && figures.open_files >= Some(3), "{figures:?}");
    }
}
