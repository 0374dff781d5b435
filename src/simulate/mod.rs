//! Simulates cameras, models and devices, to compare schedulers and to plan.
//!
//! A [`setting`] says what there is: devices, models with their latencies and accuracies, streams with
//! rates and budgets, slowdowns. A [`world`] is a setting and a seed: it knows when each frame comes,
//! how long each run would take and which models are right. The [`engine`] lets a [`contender`] loose
//! on it, which sees no more than the daemon's scheduler would; [`contender::ours`] is that scheduler.
//!
//! Terms:
//!
//! - **effective accuracy**: of the captured frames, the share answered rightly and in time;
//! - **load**: the rate of all streams times the run time of the *reference* (the model that a user
//!   would pick as the fixed one), over the devices' capacity ([`setting::Setting::load`]);
//! - **miss ratio**: of the frames that a model was run on, the share answered too late.

pub mod contender;
pub mod engine;
#[cfg(test)]
pub(crate) mod example;
pub mod experiment;
pub mod figures;
pub mod oracle;
pub mod report;
pub mod scenario;
pub mod setting;
pub mod summary;
pub mod world;
