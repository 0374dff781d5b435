//! What runs took is remembered over restarts, if there is a place to keep it. Nothing depends on it:
//! without, estimates start from the warm-up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::models::Sha256Hex;
use crate::outcome::in_words;
use crate::scheduler::Queue;
use crate::scheduler::estimate::{DeviceKey, PowerMode, Saved};

/// What was remembered at the start.
pub(super) struct Opened {
    file: Option<PathBuf>,
    saved: Saved,
}

/// Keeps what runs took.
pub(super) struct Memory {
    file: Option<PathBuf>,
    saved: Saved,
    queue: Arc<Queue>,
    keys: Vec<(DeviceKey, Sha256Hex)>,
}

impl Memory {
    /// Reads a file. One that cannot be used is as good as none, with a warning.
    pub(super) fn open(file: Option<PathBuf>) -> Opened {
        let saved = file.as_deref().and_then(|file| match Saved::load(file) {
            Ok(saved) => saved,
            Err(error) => {
                log::warn!("{}", in_words(&error));
                None
            }
        });
        Opened { file, saved: saved.unwrap_or_default() }
    }

    /// Writes down what is known of the runners now.
    pub(super) fn keep(&mut self) {
        let Some(file) = &self.file else { return };
        let mode = PowerMode::read(Path::new("/"));
        for ((device, fingerprint), remembered) in self.keys.iter().zip(self.queue.remember()) {
            let (device, fingerprint) = (device.clone(), fingerprint.clone());
            self.saved.remember(device, mode.clone(), fingerprint, remembered);
        }
        if let Err(error) = self.saved.save(file) {
            log::warn!("{}", in_words(&error));
            // Once is enough.
            self.file = None;
        }
    }
}

impl Opened {
    pub(super) fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Keeps what is known of the runners of a queue, each by such a key.
    pub(super) fn of(self, queue: Arc<Queue>, keys: Vec<(DeviceKey, Sha256Hex)>) -> Memory {
        Memory { file: self.file, saved: self.saved, queue, keys }
    }
}
