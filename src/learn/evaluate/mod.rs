//! Says what single models and ways to choose among them are worth.
//!
//! [`evaluate`] compares every model and every chooser, each on pictures that it has not seen.
//! [`metrics`] reckons with what was answered to each image; [`figures`] is all that an evaluation
//! has to say, as numbers; [`mod@findings`] says the most important of it in sentences; [`report`]
//! writes it down as one HTML file and one JSON file.
//!
//! An **entry** is anything that answers images: a single model, or a *chooser*, which picks models
//! for each image. Every image counts, whatever the entry says: a refusal is wrong, and an answer
//! after its deadline is wrong where there is a deadline.

mod adaptive;
mod chooser;
pub mod figures;
pub mod findings;
mod given;
mod guided;
mod latency_table;
mod material;
pub mod metrics;
mod mixes;
mod reference;
pub mod report;
mod run;
mod sequence;
mod singles;
mod summary;
mod told;

pub use figures::Evaluation;
pub use findings::findings;
pub use given::{Given, OtherModels};
pub use latency_table::{LatencyTable, NothingListed, TableError};
pub use report::Written;
pub use run::{EvaluateError, Options, Overheads, evaluate};
pub use summary::summary;
