//! What models answer, and why they were asked.

use std::sync::Arc;
use std::time::Duration;

use crate::models::{ModelId, Provider};

/// A model's answer, or that of several.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The model that ran; of several, the last.
    pub model: ModelId,
    /// The execution provider it ran on.
    pub provider: Provider,
    /// Why this model.
    pub reason: Reason,
    /// The best classes, most confident first.
    pub labels: Vec<Classification>,
    /// Every run on the frame, in order.
    pub runs: Vec<Run>,
    /// What the adaptive policy made of them; `None` under any other.
    pub weighed: Option<Weighed>,
}

/// One model's run on a frame.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model.
    pub model: ModelId,
    /// The execution provider it ran on.
    pub provider: Provider,
    /// What the run and the reading of its output took.
    pub inference: Duration,
    /// How many frames shared the run, this one included.
    pub batch: usize,
}

/// How the adaptive policy judges its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighed {
    /// The probability that the answer is right.
    pub certainty: Confidence,
    /// Why no further model ran.
    pub stopped_by: Stop,
}

/// Why no further model ran on a frame that has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// None is worth its time: the answer is as certain as it pays to make it.
    Certain,
    /// None would have finished before the deadline, or the one that ran did not.
    Deadline,
    /// It would have cost another frame its answer.
    Load,
    /// It did not run.
    Failure,
}

impl Stop {
    /// The word that records carry.
    pub fn code(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Deadline => "deadline",
            Self::Load => "load",
            Self::Failure => "failure",
        }
    }
}

/// One class and how sure the model is of it.
#[derive(Clone, Debug)]
pub struct Classification {
    /// 0-based index of the class in the label file (ILSVRC2012 order for the shipped models).
    pub class: usize,
    /// Its name.
    pub label: Arc<str>,
    /// Softmax probability.
    pub confidence: Confidence,
}

/// A probability: between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f32);

impl Confidence {
    /// Accepts 0 to 1; rounding errors just outside are pulled in, anything else is refused.
    pub fn new(value: f32) -> Option<Self> {
        (-1e-3..=1.001).contains(&value).then(|| Self(value.clamp(0.0, 1.0)))
    }

    /// The probability.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// How a model came to be preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A stage of the premodel said yes to it.
    Premodel,
    /// Every stage of the premodel said no; this is the model it names for that case.
    PremodelFallback,
    /// Every stage of the premodel said no and that model is not loaded; this one has the
    /// best share of the neighbours.
    PremodelShare,
    /// The user asked for this model alone.
    Fixed,
    /// Drawn by lot.
    Random,
    /// By what it is expected to add to the answers so far.
    Adaptive,
}

/// Why this model ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was preferred, and it fitted.
    Preferred(Basis),
    /// The preferred model would have finished too late; this is the best one that would not.
    PreferredTooSlow(ModelId),
    /// The time that the preferred model takes is worth more to other frames.
    PreferredTooCostly(ModelId),
}

impl Reason {
    /// The word that records carry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Preferred(Basis::Premodel) => "premodel",
            Self::Preferred(Basis::PremodelFallback) => "premodel_fallback",
            Self::Preferred(Basis::PremodelShare) => "premodel_share",
            Self::Preferred(Basis::Fixed) => "fixed",
            Self::Preferred(Basis::Random) => "random",
            Self::Preferred(Basis::Adaptive) => "adaptive",
            Self::PreferredTooSlow(_) => "preferred_too_slow",
            Self::PreferredTooCostly(_) => "preferred_too_costly",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_refuses_what_is_no_probability() {
        assert_eq!(Confidence::new(1.0005).unwrap().get(), 1.0);
        assert!(Confidence::new(f32::NAN).is_none());
        assert!(Confidence::new(7.2).is_none());
    }
}
