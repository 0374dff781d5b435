//! A TOML file being read: its tables, its values, and the faults found so far.
//!
//! A [`Section`] is asked for its keys one after the other; faults are noted and reading goes on.
//! What it was never asked for is unknown, which [`Section::finish`] reports.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Location};

/// A file's text and its faults.
pub(super) struct Document<'a> {
    file: Arc<Path>,
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Document<'a> {
    /// A file without faults so far.
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        Self { file: file.into(), text, faults: RefCell::default() }
    }

    /// Notes a fault.
    pub(super) fn note(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// The place of a key, with what is written there.
    pub(super) fn locate(&self, key: &str, span: &Range<usize>) -> Location {
        self.location(key, span.start, self.text.get(span.clone()))
    }

    /// The place of a key without a value to show.
    pub(super) fn locate_key(&self, key: &str, start: usize) -> Location {
        self.location(key, start, None)
    }

    /// `value` if no fault was noted; all faults otherwise.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        let faults = self.faults.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            Some(_) | None => Err(Faults::new(faults)),
        }
    }

    fn location(&self, key: &str, start: usize, written: Option<&str>) -> Location {
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Location::new(Arc::clone(&self.file), (line, column), key.to_owned(), written)
    }
}

/// A value of a document.
pub(super) struct Node<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) key: String,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    /// Where it stands.
    pub(super) fn location(&self) -> Location {
        self.document.locate(&self.key, &self.value.span())
    }

    /// A fault of this value.
    pub(super) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        self.location().fault(problem, remedy)
    }

    /// The fault of being of another type than `expected`.
    pub(super) fn wrong_type(&self, expected: &str) -> Fault {
        let found = type_name(self.value.get_ref());
        self.fault(format!("this is {found}"), format!("write {expected}"))
    }

    /// Its elements, if it is a list; `expected` says what the list is of.
    pub(super) fn elements(&self, expected: &str) -> Result<Vec<Node<'a>>, Fault> {
        let elements = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type(expected))?;
        let element = |(index, value)| {
            let key = format!("{}[{index}]", self.key);
            Node { document: self.document, key, value }
        };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    /// Its keys and values, if it is a table.
    pub(super) fn entries(&self, expected: &str) -> Result<Vec<(&'a str, Node<'a>)>, Fault> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type(expected))?;
        let entry = |(key, value): (&'a Spanned<_>, _)| {
            let name: &std::borrow::Cow<'a, str> = key.get_ref();
            (&**name, Node { document: self.document, key: joined(&self.key, name), value })
        };
        Ok(table.iter().map(entry).collect())
    }

    /// It as a section, if it is a table.
    pub(super) fn section(&self, expected: &str) -> Result<Section<'a>, Fault> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type(expected))?;
        let (key, start) = (self.key.clone(), self.value.span().start);
        Ok(Section::new(self.document, key, start, Some(table)))
    }
}

/// A table of a document; one that is left out reads like an empty one.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    key: String,
    start: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The section `key`, whose header starts at byte `start`.
    pub(super) fn new(
        document: &'a Document<'a>,
        key: String,
        start: usize,
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { document, key, start, table, known: Vec::new() }
    }

    /// The value of a key that may be left out; `None` too if `read` finds it faulty.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        let node = self.node(key)?;
        read(&node).map_err(|fault| self.document.note(fault)).ok()
    }

    /// The value of a key that must be there; `example` shows how to write it.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.table.is_none_or(|table| !table.contains_key(key)) {
            let location = self.document.locate_key(&joined(&self.key, key), self.start);
            self.document.note(location.fault("this is missing", format!("add {example}")));
        }
        self.optional(key, read)
    }

    /// The table of a key.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let expected = format!("a table, [{key}]");
        let section = self.optional(key, |node| node.section(&expected));
        section.unwrap_or_else(|| Section::new(self.document, key.to_owned(), self.start, None))
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        let keys = self.table.into_iter().flat_map(|table| table.keys());
        for key in keys.filter(|key| !self.known.contains(&&**key.get_ref())) {
            let path = joined(&self.key, key.get_ref());
            let location = self.document.locate_key(&path, key.span().start);
            let remedy = suggestion(key.get_ref(), &self.known);
            self.document.note(location.fault("there is no such key", remedy));
        }
    }

    fn node(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        let value = self.table?.get(key)?;
        Some(Node { document: self.document, key: joined(&self.key, key), value })
    }
}

/// The remedy that lists all that would be right.
pub(super) fn choice(options: &[&str]) -> String {
    format!("choose from `{}`", options.join("`, `"))
}

/// The key that was probably meant, or all that there are.
fn suggestion(key: &str, known: &[&str]) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(key, known);
    let nearest = known.iter().min_by_key(|known| distance(known));
    match nearest.filter(|nearest| distance(nearest) <= nearest.len().div_ceil(3)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => choice(known),
    }
}

/// The path of `key` in the table at `path`.
fn joined(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let quoted = key.is_empty() || !key.chars().all(bare);
    let key = if quoted { format!("{key:?}") } else { key.to_owned() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
