//! How many engines were built, by model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::models::ModelId;

/// How many engines were built, by model; clones share it. A start that finds all engines kept builds
/// none.
#[derive(Clone, Debug, Default)]
pub struct EngineBuilds(Arc<Mutex<BTreeMap<ModelId, u64>>>);

impl EngineBuilds {
    /// Counts an engine that was built for a model.
    pub fn note(&self, model: &ModelId) {
        *self.lock().entry(model.clone()).or_default() += 1;
    }

    /// Those of each model of which any was built.
    pub fn counts(&self) -> BTreeMap<ModelId, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModelId, u64>> {
        // An addition leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
