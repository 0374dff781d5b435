//! Which model runs on which frame, and when, so that answers are out by their deadlines.
//!
//! [`Scheduler`] decides; it holds no lock and reads no clock, so that simulated time tests it.
//! [`Queue`] puts it between threads and adds a lock and a condition variable, nothing clever.
//!
//! The rules:
//! - The waiting frame that is due first goes first.
//! - Of the models its selection ranks, it gets the first that is expected to finish by its
//!   deadline: the time the device is free, plus the 95th percentile of the model's latency.
//! - If none is, it expires at once, at no cost.
//! - A frame that comes back with an answer is decided first. It gets another run if one fits its
//!   deadline and costs no frame that waits its own; else its answer goes out.
//! - One model runs at a time: two would share the processor and neither would keep its time. One
//!   more frame is committed ahead, so that its tensor is ready when the device is.

pub mod estimate;
mod latency;
mod policy;
mod queue;
#[cfg(test)]
mod tests;

pub use latency::{Cost, Latency};
pub use policy::{Admission, Decision, Scheduler};
pub use queue::{Dispatch, Lease, Next, Queue, Task};
