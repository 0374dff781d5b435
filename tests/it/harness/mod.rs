//! What the tests have in common: running the program, reading what it says, and making its input.

mod adaptive;
mod camera;
mod media;
mod models;
mod network;
mod program;
mod record;
mod running;

pub use adaptive::{VIDEO, quick_then_large, with_knowledge};
pub use camera::NetworkCamera;
pub use media::{BLUE, Clip, Codec, Colour, GREEN, RED, damaged, draw, picture, scene};
pub use models::{Models, Trained};
pub use network::Network;
pub use program::{Finished, Program, classifyd, library, repository};
pub use record::Record;
pub use running::{Running, Signal};

use std::path::Path;

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the tests make paths of ASCII")
}
