//! Whether there is memory enough to build an engine.
//!
//! A Jetson's GPU has no memory of its own. Where it runs out, the kernel kills a process, and rarely
//! the one that took too much: so a build that is likely to run out is not begun.

use std::fmt;
use std::fs;
use std::path::Path;

use thiserror::Error;

use crate::models::ModelId;

/// What CUDA, its libraries and TensorRT's workspace take, whatever the model.
///
/// This and [`WEIGHTS_TIMES`] are estimates, on the safe side for networks of up to 100 MB by what
/// users of TensorRT report. They were not measured on a Jetson.
const FIXED: u64 = 1 << 30;

/// How many times its weights a model takes while it is built: the parsed graph, the candidates that
/// TensorRT times against one another, and the engine.
const WEIGHTS_TIMES: u64 = 8;

/// A build would likely run out of memory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "model {model}: building its TensorRT engine takes about {needed} of memory, and {available} are \
     free: stop other programs, or add swap, and build it with `classifyd prebuild`"
)]
pub struct TooLittleMemory {
    model: ModelId,
    needed: Bytes,
    available: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0 >> 20)
    }
}

/// Whether the machine whose root is `root` has memory for building a model of so many bytes. Swap
/// counts, since other programs make room by it; a machine that does not say passes.
pub fn check(root: &Path, model: &ModelId, weights: u64) -> Result<(), TooLittleMemory> {
    let needed = FIXED + WEIGHTS_TIMES * weights;
    match available(root) {
        Some(available) if available < needed => Err(TooLittleMemory {
            model: model.clone(),
            needed: Bytes(needed),
            available: Bytes(available),
        }),
        Some(_) | None => Ok(()),
    }
}

fn available(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kibibytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some((kibibytes("MemAvailable:")? + kibibytes("SwapFree:").unwrap_or(0)) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(meminfo: &str) -> Result<(), TooLittleMemory> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/meminfo"), meminfo).unwrap();
        check(root.path(), &ModelId::new("m").unwrap(), 100 << 20)
    }

    #[test]
    fn a_build_that_would_run_out_of_memory_is_refused_with_the_remedy() {
        let error = check_with("MemTotal: 3963548 kB\nMemAvailable:   1048576 kB\n").unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("takes about 1824 MiB") && words.contains("1024 MiB are free"),
            "{words}"
        );
        assert!(words.contains("swap") && words.contains("classifyd prebuild"), "{words}");
    }

    #[test]
    fn swap_makes_room_and_what_is_not_known_is_no_obstacle() {
        assert!(check_with("MemAvailable: 1048576 kB\nSwapFree: 1048576 kB\n").is_ok());
        assert!(check_with("MemAvailable: 4194304 kB\nSwapFree: 0 kB\n").is_ok());
        assert!(check_with("nothing\n").is_ok());
    }
}
