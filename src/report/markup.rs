//! HTML that is well-formed by construction.
//!
//! A [`Markup`] is made of text, which is escaped, and of elements, which are closed. Names of models,
//! sets and files come from users: they get in as text only. The result is XML as well as HTML.

use std::fmt::Write as _;

/// A piece of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// One after the other.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    /// Trusts that `xml` is well-formed: for drawings that this program made.
    pub fn drawn(xml: String) -> Self {
        Self(xml)
    }

    /// As it goes into a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for Markup {
    fn from(text: T) -> Self {
        Self(escape(text.as_ref()))
    }
}

/// An element without attributes.
pub fn element(name: &'static str, content: impl Into<Markup>) -> Markup {
    element_with(name, &[], content)
}

/// An element with attributes; their values are escaped.
pub fn element_with(
    name: &'static str,
    attributes: &[(&'static str, &str)],
    content: impl Into<Markup>,
) -> Markup {
    let mut html = String::new();
    open(&mut html, name, attributes);
    let content = content.into();
    // Writing to a `String` cannot fail.
    let _ = write!(html, ">{}</{name}>", content.0);
    Markup(html)
}

/// An element that has no content by its nature, such as `meta`.
pub fn void(name: &'static str, attributes: &[(&'static str, &str)]) -> Markup {
    let mut html = String::new();
    open(&mut html, name, attributes);
    html.push_str("/>");
    Markup(html)
}

fn open(html: &mut String, name: &str, attributes: &[(&'static str, &str)]) {
    let _ = write!(html, "<{name}");
    for (key, value) in attributes {
        let _ = write!(html, " {key}=\"{}\"", escape(value));
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().map(printable) {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// The text without control characters, which XML forbids, and without marks that change the
/// direction of what follows; a replacement character stands for each.
pub fn clean(text: &str) -> String {
    text.chars().map(printable).collect()
}

fn printable(character: char) -> char {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(character, '\u{2066}'..='\u{2069}' | '\u{61c}');
    let forbidden = matches!(character, '\u{fffe}' | '\u{ffff}');
    match character {
        '\n' => character,
        _ if character.is_control() || turns || forbidden => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let html = element("td", "</td><script>alert('1 & 2')</script>");
        assert_eq!(
            html.as_str(),
            "<td>&lt;/td&gt;&lt;script&gt;alert(&#39;1 &amp; 2&#39;)&lt;/script&gt;</td>"
        );
    }

    #[test]
    fn a_value_cannot_leave_its_attribute() {
        let html = element_with("p", &[("title", "\" onload=\"x")], Markup::none());
        assert_eq!(html.as_str(), "<p title=\"&quot; onload=&quot;x\"></p>");
        assert_eq!(void("meta", &[("charset", "utf-8")]).as_str(), "<meta charset=\"utf-8\"/>");
    }

    #[test]
    fn control_characters_and_direction_marks_are_replaced() {
        assert_eq!(
            clean("a\0b\u{1b}[31m\u{202e}c\u{ffff}"),
            "a\u{fffd}b\u{fffd}[31m\u{fffd}c\u{fffd}"
        );
        assert_eq!(Markup::from("a\u{7}").as_str(), "a\u{fffd}");
    }

    #[test]
    fn markup_is_not_escaped_again() {
        let inner = element("b", "1 < 2");
        assert_eq!(element("p", inner).as_str(), "<p><b>1 &lt; 2</b></p>");
    }
}
