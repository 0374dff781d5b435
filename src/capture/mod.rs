//! The capture stage.
