//! The program as users run it: the built binary, on files that the tests make, judged by its
//! records, its summary, its words on stderr and its exit code.
//!
//! Most tests use the tiny models of `tests/data/models`, which tell colours, on pictures drawn in
//! known colours. Every record that any of them gets is held against `schema/record.schema.json`,
//! and every summary has to add up with the records: see [`harness::Finished`].
//!
//! `make setup` provides the ONNX Runtime library, and the models and clips of the module `real`.

mod harness;

mod adaptive;
mod bad_images;
mod bad_models;
mod bad_premodel;
mod bad_video;
mod command_line;
mod commands;
mod deadlines;
mod declared;
mod engines;
mod estimates;
mod evaluating;
mod images;
mod late;
mod lost_cameras;
mod old_runtime;
mod operating;
mod own_model;
mod policies;
mod profiling;
mod rates;
mod real;
mod reloading;
mod replay;
mod service;
mod sharing;
mod simulating;
mod stopping;
mod troubled;
