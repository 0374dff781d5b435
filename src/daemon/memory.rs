//! What runs took is remembered over restarts, if there is a place to keep it, and over reloads.
//! Nothing depends on it: without, estimates start from the warm-up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::inference::Crew;
use crate::models::Sha256Hex;
use crate::outcome::in_words;
use crate::scheduler::Queue;
use crate::scheduler::estimate::{DeviceKey, PowerMode, Saved};

/// As many runs what is expected at a reload stands for. One would leave much doubt about what is known
/// from many.
const EXPECTED_RUNS: usize = 4;

/// Keeps what runs took.
pub(super) struct Memory {
    file: Option<PathBuf>,
    saved: Saved,
    /// `None` before there is any.
    known: Option<Known>,
}

/// Runners whose runs are learnt from.
struct Known {
    queue: Arc<Queue>,
    /// What each is remembered as.
    keys: Vec<(DeviceKey, Sha256Hex)>,
}

impl Memory {
    /// Reads a file. One that cannot be used is as good as none, with a warning.
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let saved = file.as_deref().and_then(|file| match Saved::load(file) {
            Ok(saved) => saved,
            Err(error) => {
                log::warn!("{}", in_words(&error));
                None
            }
        });
        Self { file, saved: saved.unwrap_or_default(), known: None }
    }

    /// What was remembered when it was last written down.
    pub(super) fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Has it written down somewhere else, or nowhere, from now on.
    pub(super) fn move_to(&mut self, file: Option<PathBuf>) {
        self.file = file;
    }

    /// Tells a crew what is known of its runners now.
    pub(super) fn brief(&self, crew: &mut Crew) {
        let Some(Known { queue, keys }) = &self.known else { return };
        let (expected, remembered) = (queue.expected(), queue.remember());
        for (terms, key) in crew.runners.iter_mut().zip(crew.recruiter.keys()) {
            if let Some(place) = keys.iter().position(|known| *known == key) {
                terms.warm_up = vec![expected[place]; EXPECTED_RUNS];
                terms.remembered = Some(remembered[place].clone());
            }
        }
    }

    /// Keeps what is known of the runners of a queue, each by such a key.
    pub(super) fn follow(&mut self, queue: Arc<Queue>, keys: Vec<(DeviceKey, Sha256Hex)>) {
        self.note();
        self.known = Some(Known { queue, keys });
    }

    /// Writes down what is known of the runners now.
    pub(super) fn keep(&mut self) {
        self.note();
        let Some(file) = &self.file else { return };
        if let Err(error) = self.saved.save(file) {
            log::warn!("{}", in_words(&error));
            // Once is enough.
            self.file = None;
        }
    }

    fn note(&mut self) {
        let Some(Known { queue, keys }) = &self.known else { return };
        let mode = PowerMode::read(Path::new("/"));
        for ((device, fingerprint), remembered) in keys.iter().zip(queue.remember()) {
            let (device, fingerprint) = (device.clone(), fingerprint.clone());
            self.saved.remember(device, mode.clone(), fingerprint, remembered);
        }
    }
}
