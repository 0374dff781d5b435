//! Tables of reports.

use super::markup::{Markup, element, element_with};

/// A table under construction: `columns` are headings, the first of which names the rows.
pub struct Table {
    caption: String,
    columns: Vec<String>,
    bodies: Vec<Markup>,
}

impl Table {
    /// A table of these columns.
    pub fn new(caption: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { caption: caption.to_owned(), columns, bodies: Vec::new() }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Adds rows under a heading of their own.
    pub fn section(&mut self, heading: &str, rows: Vec<Markup>) {
        if rows.is_empty() {
            return;
        }
        let span = self.columns.len().to_string();
        let heading = element_with("th", &[("colspan", &span), ("scope", "rowgroup")], heading);
        let rows = std::iter::once(element("tr", heading)).chain(rows);
        self.bodies.push(element("tbody", Markup::join(rows)));
    }

    /// Adds rows.
    #[must_use]
    pub fn rows(mut self, rows: impl IntoIterator<Item = Markup>) -> Self {
        self.bodies.push(element("tbody", Markup::join(rows)));
        self
    }

    /// The table, which can be scrolled sideways.
    pub fn finish(self) -> Markup {
        let heading = |column: &String| element_with("th", &[("scope", "col")], column);
        let head = element("thead", element("tr", Markup::join(self.columns.iter().map(heading))));
        let caption = element("caption", self.caption);
        let table = element("table", Markup::join([caption, head].into_iter().chain(self.bodies)));
        element_with("div", &[("class", "wide"), ("tabindex", "0")], table)
    }
}

/// A row: its name, and its cells.
pub fn row(name: impl Into<Markup>, cells: impl IntoIterator<Item = String>) -> Markup {
    let name = element_with("th", &[("scope", "row")], name);
    let cells = cells.into_iter().map(|cell| element("td", cell));
    element("tr", Markup::join(std::iter::once(name).chain(cells)))
}
