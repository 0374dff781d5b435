//! How the user names a policy: in the configuration and on the command line.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::models::ModelId;

/// How the model of a frame is preferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// By the premodel, from the picture's features: `premodel`.
    Premodel,
    /// By what models answer, one after the other: `adaptive`.
    Adaptive,
    /// Always this one: `fixed:NAME`.
    Fixed(ModelId),
    /// By lot: `random`.
    Random,
}

/// Why text names no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// There is no such policy.
    #[error(
        "there is no policy `{0}` (premodel, adaptive, random, or fixed:NAME with a model's name)"
    )]
    Unknown(String),
    /// What follows `fixed:` cannot be a model's name.
    #[error(
        "`{0}` cannot be a model's name (1 to 64 letters, digits, `_`, `-` and `.`, as \
         `classifyd models` lists them)"
    )]
    Model(String),
}

impl FromStr for PolicyKind {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text.split_once(':') {
            Some(("fixed", name)) => match ModelId::new(name) {
                Some(model) => Ok(Self::Fixed(model)),
                None => Err(PolicyError::Model(name.to_owned())),
            },
            None if text == "premodel" => Ok(Self::Premodel),
            None if text == "adaptive" => Ok(Self::Adaptive),
            None if text == "random" => Ok(Self::Random),
            Some(_) | None => Err(PolicyError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Premodel => f.write_str("premodel"),
            Self::Adaptive => f.write_str("adaptive"),
            Self::Fixed(model) => write!(f, "fixed:{model}"),
            Self::Random => f.write_str("random"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in ["premodel", "adaptive", "random", "fixed:mobilenet_v1-1.0"] {
            assert_eq!(text.parse::<PolicyKind>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_policy_is_refused() {
        for text in ["", "Premodel", "fixed", "random:3", "premodel:"] {
            assert_eq!(text.parse::<PolicyKind>(), Err(PolicyError::Unknown(text.to_owned())));
        }
        for name in ["", "a b", "../x"] {
            let error = format!("fixed:{name}").parse::<PolicyKind>();
            assert_eq!(error, Err(PolicyError::Model(name.to_owned())));
        }
    }
}
