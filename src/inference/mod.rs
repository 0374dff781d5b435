//! The inference stage.
