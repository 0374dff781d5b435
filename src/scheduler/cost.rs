//! What one classification takes.

use std::time::Duration;

/// What one classification takes, in its two parts: the first can go on while another model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Making the tensor.
    pub preprocess: Duration,
    /// The run, and the reading of its output.
    pub run: Duration,
}

impl Cost {
    /// Both parts, one after the other.
    pub fn total(self) -> Duration {
        self.preprocess + self.run
    }
}
