//! Measures models and trains the premodel, off the path of frames.
//!
//! [`labels`] say what training pictures show; [`profile`] shows them to every model, and a
//! [profile file](profile_file) records what the models answered and how long they took; [`train`]
//! makes a premodel of profiles; [`evaluate`] says what models and choosers are worth.

pub mod evaluate;
pub mod labels;
pub mod profile;
pub mod profile_file;
pub mod train;
