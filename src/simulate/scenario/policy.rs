//! What is compared, as scenarios name it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::models::ModelId;

/// What is compared. Those with a model run no other; without one they stand for all models, each by
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The daemon's scheduler with one model: `fixed`, `fixed:NAME`.
    Fixed(Option<ModelId>),
    /// Newest wins, first come first served: `fifo`, `fifo:NAME`.
    Fifo(Option<ModelId>),
    /// Earliest deadline first, with firm deadlines: `edf`, `edf:NAME`.
    Edf(Option<ModelId>),
    /// The daemon's scheduler, each frame run once: `ours`.
    Ours,
    /// The daemon's scheduler, doubtful answers given another look: `adaptive`.
    Adaptive,
    /// What knows all times: `oracle`.
    Oracle,
    /// What knows all times and answers: `omniscient`.
    Omniscient,
}

/// Text names no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no policy `{0}`")]
pub struct PolicyError(String);

impl Policy {
    /// What there is to compare.
    pub const ALL: [Self; 7] = [
        Self::Omniscient,
        Self::Oracle,
        Self::Adaptive,
        Self::Ours,
        Self::Fixed(None),
        Self::Edf(None),
        Self::Fifo(None),
    ];

    /// The one model that it runs, if it is named.
    pub fn model(&self) -> Option<&ModelId> {
        match self {
            Self::Fixed(model) | Self::Fifo(model) | Self::Edf(model) => model.as_ref(),
            Self::Ours | Self::Adaptive | Self::Oracle | Self::Omniscient => None,
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let unknown = || PolicyError(text.to_owned());
        let (kind, model) = match text.split_once(':') {
            Some((kind, name)) => (kind, Some(ModelId::new(name).ok_or_else(unknown)?)),
            None => (text, None),
        };
        match (kind, model) {
            ("fixed", model) => Ok(Self::Fixed(model)),
            ("fifo", model) => Ok(Self::Fifo(model)),
            ("edf", model) => Ok(Self::Edf(model)),
            ("ours", None) => Ok(Self::Ours),
            ("adaptive", None) => Ok(Self::Adaptive),
            ("oracle", None) => Ok(Self::Oracle),
            ("omniscient", None) => Ok(Self::Omniscient),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Fixed(_) => "fixed",
            Self::Fifo(_) => "fifo",
            Self::Edf(_) => "edf",
            Self::Ours => "ours",
            Self::Adaptive => "adaptive",
            Self::Oracle => "oracle",
            Self::Omniscient => "omniscient",
        };
        match self.model() {
            Some(model) => write!(f, "{kind}:{model}"),
            None => f.write_str(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in
            ["fixed", "fixed:a", "fifo:b-1.0", "edf", "ours", "adaptive", "oracle", "omniscient"]
        {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for text in ["", "Ours", "ours:a", "fixed:", "edf:a b", "lifo"] {
            assert_eq!(text.parse::<Policy>(), Err(PolicyError(text.to_owned())));
        }
    }
}
