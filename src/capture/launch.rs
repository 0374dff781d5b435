//! Texts in the syntax of gst-launch: placeholders, remarks and quoting.

use std::collections::BTreeMap;

/// A pipeline that can be built where the elements it needs are installed.
#[derive(Clone)]
pub(super) struct Launch {
    /// Elements that must be installed.
    pub(super) needs: Vec<String>,
    /// The text; it may hold a password.
    pub(super) text: String,
}

/// A pipeline's text, cut at its placeholders.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Placeholder { name: String, is_whole_value: bool },
}

/// A placeholder that was found.
pub(super) struct Placeholder<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Whether it is all that stands between `property=` and the next space.
    pub(super) is_whole_value: bool,
}

impl Template {
    /// Cuts `text`; lines that start with `#` are left out. Braces around anything but a name in
    /// lower case are caps lists and stay.
    pub(super) fn new(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let text = lines.collect::<Vec<_>>().join("\n");
        let mut pieces = Vec::new();
        let mut rest = text.trim();
        while let Some((before, name, after)) = cut(rest) {
            let is_whole_value = ends_with_property(before) && starts_with_space(after);
            pieces.push(Piece::Literal(before.to_owned()));
            pieces.push(Piece::Placeholder { name: name.to_owned(), is_whole_value });
            rest = after;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Self(pieces)
    }

    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Literal(text)] if text.is_empty())
    }

    /// The placeholders, in order.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = Placeholder<'_>> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Placeholder { name, is_whole_value } => {
                Some(Placeholder { name, is_whole_value: *is_whole_value })
            }
        })
    }

    /// The text with `words` in the places of the placeholders.
    pub(super) fn fill(&self, words: &BTreeMap<&str, String>) -> String {
        let word = |name: &str| words.get(name).map_or("", String::as_str);
        let filled = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Placeholder { name, .. } => word(name),
        });
        filled.collect()
    }
}

/// The text before the first placeholder, its name, and the text after it.
fn cut(text: &str) -> Option<(&str, &str, &str)> {
    let found = text.match_indices('{').find_map(|(start, _)| {
        let length = text[start + 1..].find('}')?;
        let name = &text[start + 1..start + 1 + length];
        is_name(name).then_some((start, name))
    });
    found.map(|(start, name)| (&text[..start], name, &text[start + name.len() + 2..]))
}

fn is_name(text: &str) -> bool {
    let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(in_name)
}

fn ends_with_property(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let in_property = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    word.strip_suffix('=').is_some_and(|name| !name.is_empty() && name.chars().all(in_property))
}

fn starts_with_space(text: &str) -> bool {
    text.chars().next().is_none_or(char::is_whitespace)
}

/// `value` as one word that gst-launch reads back as `value`.
///
/// A plain word stays as it is. Anything else is written as GStreamer writes strings, between
/// quotation marks and every odd byte in octal; the marks and the backslashes then get a backslash
/// each, which the parser of gst-launch takes off again. (Plain backslash quoting would not do: a
/// backslash at the end would swallow the space that follows.)
pub(super) fn quote(value: &str) -> Result<String, String> {
    if value.contains('\0') {
        return Err("a NUL character cannot be passed to GStreamer".into());
    }
    let is_word = !value.is_empty() && value.bytes().all(is_plain);
    // The plain word NULL would mean: no string.
    if is_word && value != "NULL" {
        return Ok(value.to_owned());
    }
    let bytes: String = value.bytes().map(octal_unless_plain).collect();
    Ok(format!(r#"\"{bytes}\""#))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-+/:.".contains(&byte)
}

fn octal_unless_plain(byte: u8) -> String {
    if is_plain(byte) { char::from(byte).to_string() } else { format!(r"\\{byte:03o}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gstreamer::prelude::*;

    #[test]
    fn gstreamer_reads_quoted_values_back() {
        gstreamer::init().unwrap();
        let long = "x".repeat(3000);
        let values = [
            "/a b/c.mp4",
            "/it's \"quoted\"",
            "/wow! now! mp4",
            r"/back\slash\",
            r#"/end\""#,
            "/caps,a=(int)1;b",
            "/brace{x}[y]",
            "/ünïcödé/日本",
            "/#no=remark",
            "/$HOME/`id`",
            "'",
            "NULL",
            "/line\nbreak\ttab",
            "\"",
            "!",
            "",
            "/a\u{a0}b",
            &long,
        ];
        for value in values {
            let text = format!("filesrc name=f location={} ! fakesink", quote(value).unwrap());
            let bin = gstreamer::parse::launch(&text).unwrap();
            let source = bin.downcast::<gstreamer::Bin>().unwrap().by_name("f").unwrap();
            let read: Option<String> = source.property("location");
            assert_eq!(read.unwrap_or_default(), value);
        }
    }

    #[test]
    fn a_placeholder_knows_whether_it_is_a_whole_value() {
        let template = Template::new("a p={one} q={two}/1 ! b,r={three} s={four}");
        let found: Vec<_> =
            template.placeholders().map(|found| (found.name, found.is_whole_value)).collect();
        assert_eq!(found, [("one", true), ("two", false), ("three", false), ("four", true)]);
    }
}
