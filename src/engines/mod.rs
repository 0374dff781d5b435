//! TensorRT's engines, kept over restarts.
//!
//! TensorRT compiles a model for one GPU, which takes minutes on a small machine; what it makes is an
//! *engine*, a file that is valid for exactly what it was made of and for. An *entry* is the directory
//! of a model's engines; its [key](EngineKey) is everything that would make them invalid, so that no
//! engine meets a model, a library or a GPU that it was not made for. Each model has one entry.
//!
//! An entry is made in a directory of its own and renamed into place when the model has run and
//! answered right; with it goes a seal, the sizes and digests of its files. One that was truncated
//! or altered, whose key is another, or whose engines do not load is made anew, and
//! [counted](EngineCounts). A start that builds although an entry was there says why.
//!
//! Nothing here knows ONNX Runtime: what loads a model comes in as a function.

mod builds;
mod key;
mod memory;
mod platform;
mod seal;
mod store;

pub use builds::EngineBuilds;
pub use key::EngineKey;
pub use memory::TooLittleMemory;
pub use platform::Platform;
pub use store::{EngineCounts, EngineError, EngineStore, Engines};
