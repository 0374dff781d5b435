//! Measures models and trains the premodel, off the path of frames.
//!
//! [`labels`] say what training pictures show; a [profile](profile_file) records what the models
//! answered and how long they took; [`train`] makes a premodel of profiles.

pub mod labels;
pub mod profile_file;
pub mod train;
