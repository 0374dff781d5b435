//! A picture becomes labels: preprocess, run, read the output.
//!
//! In the daemon the two halves of the work run beside each other: the `prepare` thread makes the
//! tensor of the next frame ([`prepare`]) while a `worker-<model>` thread runs the model on the
//! present one ([`worker`]), under the eyes of a thread `supervise`, which contains runs that last
//! too long ([`Supervisor`]). The tensor made, the frame's pixels go back to the decoder, unless it
//! is under the adaptive policy: then another model may look at them.
//! Off the path, [`Classifier`] does it all in one call.
//!
//! A model is trusted once [`Classifier::load`] has checked its file against the manifest's digest
//! and its answer to the golden picture against the manifest's golden output.

mod classifier;
mod crew;
mod golden;
mod late;
mod overruns;
mod postprocess;
pub mod prepare;
mod preprocess;
mod roster;
mod stock;
mod supervisor;
pub mod worker;

pub use classifier::{Classifier, ClassifyError, LoadError, Measured};
pub use crew::{Crew, Hand, Recruiter, TooWide, Widths};
pub use golden::GoldenError;
pub use late::{LateLimits, LateWork};
pub use overruns::{Ask, Ended};
pub use postprocess::{OutputError, probabilities, softmax, top_k};
pub use preprocess::Preprocessor;
pub use roster::{Loader, Roster, RosterError, WarmUp};
pub use stock::{Complement, Heir, Kept, Stock, complement};
pub use supervisor::{Build, Post, Supervisor, Watched, Work, Workshop};
