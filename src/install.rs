//! The install module.
