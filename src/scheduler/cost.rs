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

/// What is known of the time that one classification took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// It was over.
    Whole(Cost),
    /// Its run was ended then, and would have taken longer; making its tensor took as long as this
    /// says.
    AtLeast(Cost),
}

impl From<Cost> for Took {
    fn from(cost: Cost) -> Self {
        Self::Whole(cost)
    }
}
