//! ONNX Runtime: the one place that names `ort`.
//!
//! [`Runtime`] is the loaded library, one per process. A [`Session`] is a model on an execution
//! provider. Opening one can fail when the provider is registered (its libraries are missing) as
//! well as when the session is created (there is no such device); whoever descends the ladder of
//! providers tries the next one either way.
//!
//! Libraries of [version](Version) 1.17 and later are loaded by `ort`. Those from 1.11 to 1.16, which
//! JetPack 4 needs, have fewer functions than `ort` knows; `old_api` makes up for them.

#[expect(
    unsafe_code,
    reason = "a library of another language is loaded, and its table of functions copied"
)]
mod old_api;
mod runtime;
mod session;
mod version;

pub use old_api::LibraryFault;
pub use runtime::{Runtime, RuntimeError};
pub use session::{RunError, Session, SessionError, SessionOptions, Tensor, Terminator};
pub use version::Version;
