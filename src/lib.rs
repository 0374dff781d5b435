//! classifyd classifies live video: for each frame it runs, of several DNNs, the one that is worth
//! running, in time.
//!
//! # The path of a frame
//!
//! The modules below stand in the order in which a frame passes through them.
//!
//! 1. [`capture`]: GStreamer (or the image decoder) yields a [`frame::Frame`], stamped with its
//!    capture instant and holding a [`outcome::Ticket`]. It waits in the mailbox.
//! 2. [`features`]: 29 cheap numbers are measured on a small working copy of the picture.
//! 3. [`premodel`]: the numbers choose and rank the models: a [`premodel::Selection`].
//! 4. [`scheduler`]: of the ranked models, the best that will finish before the frame's deadline.
//! 5. [`inference`]: the picture becomes a tensor, the model runs, its output becomes labels. A run
//!    that goes on too long beyond the deadline is ended, and its frame is late.
//!    Under the adaptive policy ([`adaptive`]) a frame has a [`course`]: the answer is weighed, and
//!    the frame may go back to the scheduler for another model. It needs no features but a
//!    thumbnail, for what is remembered of its stream ([`scene`]).
//!    A slow model may look at the scene for frames to come ([`study`]).
//! 6. [`output`]: the ticket is settled; records leave in capture order.
//!
//! **Every captured frame owes exactly one outcome.** The ticket a frame carries enforces it:
//! dropped unpaid, it reports [`outcome::Outcome::Abandoned`].
//!
//! [`daemon`] builds the stages and joins them; [`health`] says whether the process can go on;
//! [`operations`] is what operators see of it, [`logging`] what they read;
//! [`learn`] measures models and trains the premodel, off the path; [`simulate`] has the scheduler
//! decide in simulated time.

pub mod clock;
pub mod frame;
pub mod models;
pub mod outcome;

pub mod adaptive;
pub mod capture;
pub mod course;
pub mod features;
pub mod inference;
pub mod output;
pub mod premodel;
pub mod scene;
pub mod scheduler;

pub mod commands;
pub mod config;
pub mod daemon;
pub mod engines;
pub mod health;
pub mod install;
#[cfg(all(test, feature = "loom"))]
mod interleavings;
pub mod learn;
pub mod logging;
pub mod machine;
pub mod onnx;
pub mod operations;
mod redact;
pub mod report;
pub mod resample;
pub mod select;
pub mod simulate;
pub mod study;
mod sync;
pub mod systemd;
pub mod threads;
pub mod watchdog;
mod whole_file;
