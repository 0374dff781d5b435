//! The scheduler stage.
