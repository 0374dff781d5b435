//! The version of an ONNX Runtime library, and what follows from it.

use std::fmt;
use std::str::FromStr;

/// What a library calls itself, as in `1.11.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// A version.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The version of its C interface: version 1.N has the Nth.
    pub const fn interface(self) -> u32 {
        self.minor
    }

    /// Whether log messages can be held back for the whole library.
    pub fn has_log_level(self) -> bool {
        self >= Self::new(1, 14, 0)
    }

    /// Whether a session can be refused if some of its nodes would run on the processor. Where it
    /// cannot, a model on an accelerator may do so in part, unseen.
    pub fn can_refuse_fallback(self) -> bool {
        self >= Self::new(1, 16, 0)
    }

    /// Whether the names of TensorRT's engines can be given a prefix.
    pub fn has_engine_prefix(self) -> bool {
        self >= Self::new(1, 18, 0)
    }
}

impl FromStr for Version {
    type Err = ();

    /// Reads `1.11.0`, and what builds of one's own add to it, as in `1.12.1-jetson` or `1.17`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = |part: &str| part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let number = |part: &str| part[..digits(part)].parse().map_err(|_| ());
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().map(number);
        let major = next().ok_or(())??;
        let minor = next().ok_or(())??;
        Ok(Self { major, minor, patch: next().and_then(Result::ok).unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch } = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_libraries_state_them() {
        let read = |text: &str| text.parse::<Version>();
        assert_eq!(read("1.11.0"), Ok(Version::new(1, 11, 0)));
        assert_eq!(read("1.12.1-jetson.2"), Ok(Version::new(1, 12, 1)));
        assert_eq!(read("1.17"), Ok(Version::new(1, 17, 0)));
        assert_eq!(read("1.20rc1"), Ok(Version::new(1, 20, 0)));
        for text in ["", "1", "x.1", "1.x.2"] {
            assert_eq!(read(text), Err(()), "{text}");
        }
        assert!(Version::new(1, 9, 0) < Version::new(1, 11, 0));
    }
}
