//! The adaptive policy: how sure are the models that ran, and is another one worth its time?
//!
//! The premodel of the paper looks at a picture once, before any model has run. This policy looks
//! at what the models answer. Terms:
//!
//! - **guesses** of a model: its [`GUESSES`] most probable classes and their probabilities;
//! - **evidence**: the guesses of the models that ran on a frame, and, in a scene that goes on, those
//!   carried over from the frames before, with forgetting;
//! - **fusion**: the evidence as one probability for each class: weighted log-probabilities, with
//!   weights learnt for each *set* of models, and a prior for the classes that training saw;
//! - **certainty**: the calibrated probability that the fused answer is right;
//! - **gain** of a model: by how much running it, and going on as seems best from there, is expected
//!   to raise the share of right answers, its time already paid for at the *price* of a millisecond;
//! - **operating point**: a price, and the gains learnt for it. A low price buys accuracy, a high
//!   one saves time.
//!
//! A frame starts with one model. After each run the model with the largest gain runs next, as long
//! as a gain is positive and the deadline allows it; then the fused answer goes out.
//!
//! [`Knowledge`] is what training learns and the premodel file holds; [`Adaptive`] is the same for
//! the models that are loaded. Everything here is arithmetic on some dozen numbers: no clock, no
//! lock, no pixels.

mod evidence;
mod fusion;
mod guesses;
mod knowledge;
mod policy;
mod target;
#[cfg(test)]
pub(crate) mod tests;

pub use evidence::Evidence;
pub use fusion::Fused;
pub use guesses::{GUESSES, Guesses};
pub use knowledge::{
    GainFit, Knowledge, KnowledgeFault, MAX_POOL, MAX_SET, ModelSet, OperatingPoint, Prior, Right,
    SetFit, TimeFit,
};
pub use policy::{Adaptive, NoPoolLeft, Preference};
pub use target::{NoSuchPoint, Target, TargetError};
