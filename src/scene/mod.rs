//! Frames that follow one another: how much they differ, and what is remembered of those before.
//!
//! The adaptive policy ([`crate::adaptive`]) looks at models' answers, so it needs no features of a
//! picture; what it needs to know is whether the scene goes on. A [`Thumbnail`] of each frame tells,
//! at a small part of the cost of features. A [`Memory`] keeps, for each stream, the thumbnail, the
//! evidence and the answer of the newest frame that models have answered.
//!
//! - A frame that hardly differs from that one takes over its answer, so many times at most.
//! - One that differs a lot begins a new scene, without evidence.
//! - All others go on from its evidence, faded by the frames that lie between.
//!
//! Images that have nothing to do with each other ([`Continuity::Unrelated`]) have no memory.

mod memory;
mod thumbnail;

pub use memory::{Known, Memory, Recall, Resembling, Scene, Witness};
pub use thumbnail::{Thumbnail, Thumbnailer};

/// Whether a stream's frames show what the frames before them show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Frames of a video or a camera.
    Continuous,
    /// Single images.
    Unrelated,
}
