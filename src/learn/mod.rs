//! Measures models and trains the premodel, off the path of frames.
//!
//! A [`picture_set`] holds images and [`videos`]; [`labels`] and [`folders`] say what they show, or a
//! [`teacher`] does. [`profile`] shows every picture to every model; [`timing`] then measures how long each
//! model takes ([`latency`]) and what it costs ([`energy`]). A [profile file](profile_file) records
//! it all, with the [`machine`](crate::machine). Of profiles [`train`] makes the paper's premodel, and [`adapt`] the
//! adaptive policy; [`evaluate`] says what models and choosers are worth, those made of other
//! [`learners`] among them.

pub mod adapt;
pub mod energy;
pub mod evaluate;
pub mod folders;
pub mod gallery;
pub mod labels;
pub mod latency;
pub mod learners;
pub(crate) mod parallel;
pub mod picture_set;
pub mod profile;
pub mod profile_file;
pub mod teacher;
pub mod timing;
pub mod train;
pub mod videos;
