//! Says what single models and ways to choose among them are worth.
//!
//! [`metrics`] reckons with what was answered to each image; [`figures`] is all that an evaluation
//! has to say, as numbers; [`mod@findings`] says the most important of it in sentences; [`report`]
//! writes it down as one HTML file and one JSON file.
//!
//! An **entry** is anything that answers images: a single model, or a *chooser*, which picks models
//! for each image. Every image counts, whatever the entry says: a refusal is wrong, and an answer
//! after its deadline is wrong where there is a deadline.

pub mod figures;
pub mod findings;
pub mod metrics;
pub mod report;

pub use figures::Evaluation;
pub use findings::findings;
pub use report::{ReportError, Written};
