//! Whether the process can still do what it was started for.
//!
//! Faults of single frames, runs and streams are outcomes and events; they are not noted here. What
//! is noted is what the process cannot mend itself, and a new one could: a service manager's
//! watchdog should then not be fed any more, so that it starts the process anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The health of the process, until a reload; clones share it. It begins sound, and what is lost stays
/// lost.
#[derive(Clone, Debug, Default)]
pub struct Health {
    faults: Arc<Mutex<Vec<String>>>,
}

impl Health {
    /// Whether nothing was given up.
    pub fn is_sound(&self) -> bool {
        self.lock().is_empty()
    }

    /// What was given up and why, in words, the first fault first.
    pub fn faults(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Notes what cannot be mended.
    pub fn give_up(&self, fault: String) {
        log::error!("{fault}");
        self.lock().push(fault);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        // A push leaves the list whole.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_known_to_all_who_share_it() {
        let health = Health::default();
        let watchdog = health.clone();
        assert!(watchdog.is_sound());
        health.give_up("model a is lost".to_owned());
        assert!(!watchdog.is_sound());
        assert_eq!(watchdog.faults(), ["model a is lost"]);
    }
}
