//! What tests of reports ask of every page.

use roxmltree::{Document, Node, ParsingOptions};

/// A name that breaks out of whatever does not escape it.
pub(crate) const HOSTILE: &str =
    "</text></svg><script src=\"http://x/\">alert('&')</script>\u{1}\u{202e}<!--";

/// The page, which has to be well-formed.
pub(crate) fn parse(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap_or_else(|error| panic!("{error}"))
}

/// The element with this anchor, which has to be there.
pub(crate) fn with_id<'a, 'input>(document: &'a Document<'input>, id: &str) -> Node<'a, 'input> {
    let found = document.descendants().find(|node| node.attribute("id") == Some(id));
    found.unwrap_or_else(|| panic!("nothing has the id {id}"))
}

/// All text in an element.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.is_text().then(|| node.text()).flatten()).collect()
}

/// Nothing is loaded, run or linked to but the page's own anchors.
pub(crate) fn assert_on_its_own(document: &Document<'_>) {
    let active = ["script", "link", "iframe", "object", "img", "image", "use", "base", "form"];
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        assert!(!active.contains(&tag), "<{tag}> in the report");
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(!key.starts_with("on") && key != "src", "{key} in <{tag}>");
            assert!(key != "href" || value.starts_with('#'), "a link to {value}");
        }
    }
    let style = document.descendants().find(|node| node.has_tag_name("style")).unwrap();
    let style = text(style);
    assert!(!style.contains("url(") && !style.contains("@import"));
}

/// A figure has a title, a longer text for those who do not see it, and a caption.
pub(crate) fn assert_described(document: &Document<'_>, plot: &str) {
    let figure = with_id(document, plot);
    let svg = figure.children().find(|node| node.has_tag_name("svg")).unwrap();
    let [title, alt] = ["title", "desc"].map(|tag| {
        let found = svg.children().find(|node| node.has_tag_name(tag));
        text(found.unwrap_or_else(|| panic!("{plot} has no <{tag}>")))
    });
    assert!(!title.is_empty() && alt.len() > title.len(), "{plot}: {title}, {alt}");
    let caption = figure.children().find(|node| node.has_tag_name("figcaption")).unwrap();
    assert!(text(caption).len() > 60, "{plot}");
}
