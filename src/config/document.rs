//! A TOML file being read: its tables, its values, and the faults found so far.
//!
//! A [`Section`] is asked for its keys one after the other; faults are noted and reading goes on.
//! What it was never asked for is unknown, which [`Section::finish`] reports.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::fault::{Fault, Faults, Located, Location};
use super::value::located;

/// Reads the bytes of `file`: `build` makes a `T` of its root table and notes the faults it finds.
/// Without a whole table there is nothing to build from, and the faults are those of the syntax.
pub(crate) fn parse<T>(
    file: &Path,
    bytes: &[u8],
    build: impl FnOnce(&Document<'_>, Section<'_>) -> Option<T>,
) -> Result<T, Faults> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = Document::new(file, &readable).locate_key("", readable.len());
            return Err(place.fault("this is not UTF-8 text", "save the file as UTF-8").into());
        }
    };
    let document = Document::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // Guesses at what follows a syntax error would be faults that are none.
        errors.iter().for_each(|error| document.note(syntax_fault(&document, error)));
        return document.finish(None);
    }
    let root = Section::new(&document, String::new(), 0, Some(table.get_ref()));
    let built = build(&document, root);
    document.finish(built)
}

fn syntax_fault(document: &Document<'_>, error: &Error) -> Fault {
    let start = error.span().map_or(0, |span| span.start);
    let place = document.locate_key("", start);
    place.fault(format!("not TOML: {}", error.message()), "https://toml.io explains the syntax")
}

/// A file's text and its faults.
pub(crate) struct Document<'a> {
    file: Arc<Path>,
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Document<'a> {
    /// A file without faults so far.
    pub(crate) fn new(file: &Path, text: &'a str) -> Self {
        Self { file: file.into(), text, faults: RefCell::default() }
    }

    /// Notes a fault.
    pub(crate) fn note(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// The place of a key, with what is written there.
    pub(crate) fn locate(&self, key: &str, span: &Range<usize>) -> Location {
        self.location(key, span.start, self.text.get(span.clone()))
    }

    /// The place of a key without a value to show.
    pub(crate) fn locate_key(&self, key: &str, start: usize) -> Location {
        self.location(key, start, None)
    }

    /// `value` if no fault was noted; all faults otherwise.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
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
pub(crate) struct Node<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) key: String,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    /// Where it stands.
    pub(crate) fn location(&self) -> Location {
        self.document.locate(&self.key, &self.value.span())
    }

    /// A fault of this value.
    pub(crate) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        self.location().fault(problem, remedy)
    }

    /// The fault of being of another type than `expected`.
    pub(crate) fn wrong_type(&self, expected: &str) -> Fault {
        let found = type_name(self.value.get_ref());
        self.fault(format!("this is {found}"), format!("write {expected}"))
    }

    /// Its elements, if it is a list; `expected` says what the list is of.
    pub(crate) fn elements(&self, expected: &str) -> Result<Vec<Node<'a>>, Fault> {
        let elements = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type(expected))?;
        let element = |(index, value)| {
            let key = format!("{}[{index}]", self.key);
            Node { document: self.document, key, value }
        };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    /// Its keys and values, if it is a table.
    pub(crate) fn entries(&self, expected: &str) -> Result<Vec<(&'a str, Node<'a>)>, Fault> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type(expected))?;
        let entry = |(key, value): (&'a Spanned<_>, _)| {
            let name: &std::borrow::Cow<'a, str> = key.get_ref();
            (&**name, Node { document: self.document, key: joined(&self.key, name), value })
        };
        Ok(table.iter().map(entry).collect())
    }

    /// It as a section, if it is a table.
    pub(crate) fn section(&self, expected: &str) -> Result<Section<'a>, Fault> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type(expected))?;
        let (key, start) = (self.key.clone(), self.value.span().start);
        Ok(Section::new(self.document, key, start, Some(table)))
    }
}

/// A table of a document; one that is left out reads like an empty one.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    key: String,
    start: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The section `key`, whose header starts at byte `start`.
    pub(crate) fn new(
        document: &'a Document<'a>,
        key: String,
        start: usize,
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { document, key, start, table, known: Vec::new() }
    }

    /// The value of a key that may be left out; `None` too if `read` finds it faulty.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        let node = self.node(key)?;
        read(&node).map_err(|fault| self.document.note(fault)).ok()
    }

    /// The value of a key that must be there; `example` shows how to write it.
    pub(crate) fn required<T>(
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
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'a> {
        let expected = format!("a table, [{key}]");
        let section = self.optional(key, |node| node.section(&expected));
        section.unwrap_or_else(|| Section::new(self.document, key.to_owned(), self.start, None))
    }

    /// Reports every key that was not asked for.
    pub(crate) fn finish(self) {
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

/// Reads a list of at least one value, none of them twice; `expected` says what it is a list of.
pub(crate) fn distinct<'a, T: PartialEq>(
    expected: &str,
    read: impl Fn(&Node<'a>) -> Result<T, Fault>,
) -> impl FnOnce(&Node<'a>) -> Result<Vec<Located<T>>, Fault> {
    move |node| {
        let elements = node.elements(expected)?;
        if elements.is_empty() {
            return Err(node.fault("this is empty", format!("write {expected}")));
        }
        let (mut distinct, read) = (Distinct::default(), located(read));
        for element in &elements {
            match read(element) {
                Ok(value) => distinct.insert(value, node.document),
                Err(fault) => node.document.note(fault),
            }
        }
        Ok(distinct.0)
    }
}

/// Values that may be written once.
pub(crate) struct Distinct<T>(Vec<Located<T>>);

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Distinct<T> {
    /// Adds a value, or notes the fault that it was written before.
    pub(crate) fn insert(&mut self, value: Located<T>, document: &Document<'_>) {
        match self.0.iter().find(|earlier| earlier.value == value.value) {
            None => self.0.push(value),
            Some(earlier) => {
                let problem = format!("line {} has the same", earlier.location.line());
                document.note(value.location.fault(problem, "rename or remove this one"));
            }
        }
    }
}

/// The remedy that lists all that would be right.
pub(crate) fn choice(options: &[&str]) -> String {
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
