//! The commands stage.
