//! The learn stage.
