//! The books: what became of every frame, and what the devices did.

use std::time::Duration;

/// What became of a frame. Every frame has exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered in time, and right.
    Right,
    /// Answered in time, and wrong.
    Wrong,
    /// Answered too late.
    Late,
    /// Given up: no answer would have been in time.
    Expired,
    /// Given up for a newer frame of its stream.
    Superseded,
}

/// Counts of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Frames captured.
    pub captured: u64,
    /// Frames answered in time, and right.
    pub right: u64,
    /// Frames answered in time, and wrong.
    pub wrong: u64,
    /// Frames answered too late.
    pub late: u64,
    /// Frames given up because no answer would have been in time.
    pub expired: u64,
    /// Frames given up for newer ones.
    pub superseded: u64,
    /// For each model the frames that got its answer, in time or late.
    pub answered_by: Vec<u64>,
    /// Runs of models on its frames: one that several of them share counts for each.
    pub runs: u64,
    /// The sum over the answers in time of how likely each was to be right, less what models showed of
    /// frames that happened to be easy.
    pub expected: f64,
}

impl Tally {
    /// Nothing yet, for so many models.
    pub fn new(models: usize) -> Self {
        Self { answered_by: vec![0; models], ..Self::default() }
    }

    /// Counts an outcome.
    pub fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Right => &mut self.right,
            Outcome::Wrong => &mut self.wrong,
            Outcome::Late => &mut self.late,
            Outcome::Expired => &mut self.expired,
            Outcome::Superseded => &mut self.superseded,
        };
        *counter += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.captured += other.captured;
        self.right += other.right;
        self.wrong += other.wrong;
        self.late += other.late;
        self.expired += other.expired;
        self.superseded += other.superseded;
        self.answered_by.resize(self.answered_by.len().max(other.answered_by.len()), 0);
        for (own, others) in self.answered_by.iter_mut().zip(&other.answered_by) {
            *own += others;
        }
        self.runs += other.runs;
        self.expected += other.expected;
    }

    /// Frames that were answered, in time or late.
    pub fn answered(&self) -> u64 {
        self.right + self.wrong + self.late
    }

    /// Whether every captured frame has exactly one outcome.
    pub fn is_balanced(&self) -> bool {
        self.captured == self.answered() + self.expired + self.superseded
    }

    /// Of the captured frames those answered rightly and in time.
    pub fn effective_accuracy(&self) -> f64 {
        self.share(self.right as f64)
    }

    /// The same as expected of the answers in time, without the luck of their being right, or of frames
    /// being easy.
    pub fn expected_accuracy(&self) -> f64 {
        self.share(self.expected)
    }

    /// Of the captured frames those answered in time.
    pub fn in_time(&self) -> f64 {
        self.share((self.right + self.wrong) as f64)
    }

    /// Of the frames that a model was run on those answered too late.
    pub fn miss_ratio(&self) -> f64 {
        self.late as f64 / (self.answered() as f64).max(1.0)
    }

    /// A share of the captured frames; 0 without any.
    pub fn share(&self, part: f64) -> f64 {
        part / (self.captured as f64).max(1.0)
    }
}

/// A simulated run of one contender.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// For each stream what became of its frames.
    pub streams: Vec<Tally>,
    /// For each device the time that its units were busy, added up over the units.
    pub busy: Vec<Duration>,
    /// When the last frame was settled; the end of capture, if that is later.
    pub ended: Duration,
    /// Events that were simulated.
    pub events: u64,
}

impl Run {
    /// All streams together.
    pub fn total(&self) -> Tally {
        self.streams.iter().fold(Tally::default(), |mut total, stream| {
            total.add(stream);
            total
        })
    }
}
