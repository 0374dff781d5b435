//! What reports are made of: a page that stands on its own, markup, plots, tables, numbers.
//!
//! A page has its style and its drawings in it, has no script, and asks for nothing from elsewhere. It
//! is well-formed XML as well as HTML; everything a user can name is [escaped](markup).

#[cfg(test)]
pub(crate) mod checks;
pub mod files;
pub mod labels;
pub mod marks;
pub mod markup;
pub mod numbers;
pub mod plot;
pub mod table;

pub use files::ReportError;

use markup::{Markup, element, element_with, void};

const STYLE: &str = include_str!("page.css");

/// A page under construction.
pub struct Page {
    /// The title of the window.
    pub title: &'static str,
    /// The heading.
    pub heading: String,
    /// What it is about, in a sentence.
    pub lead: String,
    /// What it holds; there is a link to each.
    pub sections: Vec<Section>,
}

impl Page {
    /// The whole file.
    pub fn html(self) -> String {
        let head = Markup::join([
            void("meta", &[("charset", "utf-8")]),
            void(
                "meta",
                &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
            ),
            element("title", self.title),
            element("style", Markup::drawn(STYLE.to_owned())),
        ]);
        let link = |section: &Section| {
            let target = format!("#{}", section.id);
            element("li", element_with("a", &[("href", &target)], section.title))
        };
        let contents = element("nav", element("ul", Markup::join(self.sections.iter().map(link))));
        let opening = [
            element("h1", self.heading),
            element_with("p", &[("class", "lead")], self.lead),
            contents,
        ];
        let body = opening.into_iter().chain(self.sections.into_iter().map(Section::markup));
        let page = Markup::join([element("head", head), element("body", Markup::join(body))]);
        let page = element_with("html", &[("lang", "en")], page);
        format!("<!DOCTYPE html>\n{}\n", page.as_str())
    }
}

/// A part of a page.
pub struct Section {
    id: &'static str,
    title: &'static str,
    content: Vec<Markup>,
}

impl Section {
    fn markup(self) -> Markup {
        let heading = element("h2", self.title);
        let content = std::iter::once(heading).chain(self.content);
        element_with("section", &[("id", self.id)], Markup::join(content))
    }
}

/// A part of a page, with its anchor and its heading.
pub fn section(id: &'static str, title: &'static str, content: Vec<Markup>) -> Section {
    Section { id, title, content }
}

/// A remark.
pub fn note(text: &str) -> Markup {
    element_with("p", &[("class", "note")], text)
}
