//! Which model runs on which frame, and when, so that answers are out by their deadlines.
//!
//! [`Scheduler`] decides; it holds no lock and reads no clock, so that simulated time tests it.
//! [`Queue`] puts it between threads and adds a lock and a condition variable, nothing clever.
//!
//! What runs: a [`RunnerTerms`] is a model on a compute device ([`DeviceTerms`]), and takes some of the
//! device's cores. The rules:
//! - The waiting frame that is due first goes first, whatever its stream. A run is started only if it
//!   is expected to be over by the frame's deadline with the probability that was asked for, or as a
//!   trial (`trials`): at least nine in ten, and all trials together may cause a fifth of the late frames
//!   that were allowed for. A frame that has another answer is in time whatever its run takes, so that
//!   any run may be tried on it that is likelier over in time than not.
//! - If not all waiting frames can be in time, those with the weakest claim are given up first: a
//!   stream below its minimum share ([`Terms`]) claims more than any priority, then priority counts,
//!   then the newer frame. What is given up still runs if there is room after all.
//! - Of the models that are in time and cost no other frame its answer, a frame gets the one that is
//!   worth most when the time it takes is paid for. A second's price is what it is worth to the
//!   frames that are still to come (`price`); it is 0 until more is asked for than the cores can do.
//!   Frames that are expected while the run goes on (`policy::arrivals`) count with what they would
//!   lose by waiting for it, and in an overload those that would wait for these (`policy::knock_on`).
//! - A frame that no model can answer in time expires at once, at no cost.
//! - A frame that comes back with an answer is decided first. It gets another run if one fits its
//!   deadline, is worth its price and costs no frame that waits its own; else its answer goes out.
//! - Where a model takes several frames at once, waiting frames join the run of another
//!   (`policy::company`): those to which that is worth at least as much as a run of their own, if all of
//!   them are in time and no other frame loses its answer by it.
//! - Runs of a device begin in the order of the decisions. One more run than its cores can take is
//!   decided ahead, so that its tensor is ready when a core is; but no earlier than that needs, so that
//!   frames which come meanwhile are part of the decision.

mod cost;
pub mod estimate;
mod machine;
mod policy;
mod price;
mod queue;
mod terms;
#[cfg(test)]
mod tests;
mod trials;

pub use cost::{Cost, Took};
pub use machine::{DeviceTerms, RunnerTerms};
pub use policy::{
    Admission, Companion, Decision, DeviceGlance, Discipline, Glance, Offer, RunnerGlance,
    Scheduler,
};
pub use queue::{Dispatch, Lease, Next, Passenger, Queue, Task};
pub use terms::Terms;
