//! What is wrong with a configuration, where, and what would be right.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::redact::{HIDDEN, redact, sounds_secret};

/// Most characters of a value that a fault repeats.
const SHOWN: usize = 60;

/// A place in a configuration file, and what is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    file: Arc<Path>,
    line: usize,
    column: usize,
    key: String,
    written: Option<String>,
}

impl Location {
    /// The place of `key` (a path like `stream[0].budget`; empty for none) at a 1-based line and
    /// column, where `written` stands; secrets in it are not kept.
    pub(super) fn new(
        file: Arc<Path>,
        (line, column): (usize, usize),
        key: String,
        written: Option<&str>,
    ) -> Self {
        let written = written.map(|written| shortened(&without_secrets(&key, written)));
        Self { file, line, column, key, written }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// A fault of what stands here: what is wrong with it, and what would be right.
    pub fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { location: Box::new(self.clone()), problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)?;
        match (self.key.as_str(), &self.written) {
            ("", _) => Ok(()),
            (key, Some(written)) => write!(f, ": {key} = {written}"),
            (key, None) => write!(f, ": {key}"),
        }
    }
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub location: Location,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    location: Box<Location>,
    problem: String,
    remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.location, self.problem, self.remedy)
    }
}

/// All that is wrong with a configuration, in the order of its lines. Displayed, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Puts faults into the order of their lines.
    pub fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.location.line, fault.location.column));
        Self(faults)
    }

    /// The faults, by line.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// What is written at `key`, without secrets; the quotation marks stay.
fn without_secrets(key: &str, written: &str) -> String {
    if sounds_secret(key.rsplit('.').next().unwrap_or(key).trim_matches('"')) {
        return HIDDEN.to_owned();
    }
    let text = written.trim_matches(['"', '\'']);
    match written.split_once(text) {
        Some((opening, closing)) if !text.is_empty() => {
            format!("{opening}{}{closing}", redact(text))
        }
        _ => written.to_owned(),
    }
}

/// The first line of the text, cut short, with nothing in it that moves a terminal's cursor.
fn shortened(written: &str) -> String {
    let line = written.lines().next().unwrap_or_default();
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = line.chars().take(SHOWN).map(visible).collect();
    if shown.len() < written.len() {
        shown.push_str("...");
    }
    shown
}
