//! Plots of reports, as SVG within the page.
//!
//! Drawings have no background. Three colours stand for what the page's style sheet sets by light or
//! dark: [`INK`], [`MUTED`] and [`GRID`]. All others can be read on both. No plot tells things apart
//! by colour alone: there is a shape, a pattern of lines, a label or an order besides.

use std::io;
use std::ops::Range;

use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::marks;
use super::markup::{Markup, clean, element, element_with};

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// What explains.
pub const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6a);
/// What guides the eye.
pub const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);

/// Colours of models where a plot shows many, apart in lightness as well as in hue.
const MODELS: [RGBColor; 12] = [
    RGBColor(0x44, 0x77, 0xaa),
    RGBColor(0xdd, 0xaa, 0x33),
    RGBColor(0x22, 0x88, 0x33),
    RGBColor(0xee, 0x66, 0x77),
    RGBColor(0x66, 0xcc, 0xee),
    RGBColor(0xaa, 0x33, 0x77),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x88, 0x66, 0xcc),
    RGBColor(0xcc, 0x66, 0x22),
    RGBColor(0x44, 0xaa, 0x99),
    RGBColor(0x99, 0x77, 0x66),
    RGBColor(0x77, 0x88, 0x99),
];

/// The size of text, in pixels.
pub const TEXT: u32 = 13;
/// The size of small text, in pixels.
pub const SMALL: u32 = 12;

/// How wide a character is on average, of its height. The reader's font is not known.
const CHARACTER: f64 = 0.55;

/// Longer names are cut, lest they leave the drawing.
const NAME: usize = 42;

/// What is drawn on.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Why a plot cannot be drawn; a string of the back end always can.
pub type DrawError = DrawingAreaErrorKind<io::Error>;

/// What drawing comes to.
pub type Drawn = Result<(), DrawError>;

/// A plot and what is said about it.
pub struct Plot {
    /// Its anchor in the page.
    pub id: String,
    /// Its name, for those who cannot see it.
    pub title: String,
    /// What it shows, for those who cannot see it.
    pub alt: String,
    /// How to read it, for all.
    pub caption: String,
    drawing: String,
}

impl Plot {
    /// Has `paint` draw it on a canvas of this size.
    pub fn draw(
        id: impl Into<String>,
        size: (u32, u32),
        paint: impl FnOnce(&Canvas<'_>) -> Drawn,
    ) -> Result<Self, DrawError> {
        let mut drawing = String::new();
        {
            let canvas = SVGBackend::with_string(&mut drawing, size).into_drawing_area();
            paint(&canvas)?;
            canvas.present()?;
        }
        let nothing = String::new;
        Ok(Self { id: id.into(), title: nothing(), alt: nothing(), caption: nothing(), drawing })
    }

    /// Names it.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Says what it shows and how to read it.
    #[must_use]
    pub fn described(mut self, alt: impl Into<String>, caption: impl Into<String>) -> Self {
        self.alt = alt.into();
        self.caption = caption.into();
        self
    }

    /// A file of its own, on white.
    pub fn svg(&self) -> String {
        let (head, rest) = self.drawing.split_once('>').unwrap_or_default();
        let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>";
        format!("{head}>\n{paper}{rest}")
    }

    /// The figure with its caption, as part of a page.
    pub fn figure(&self) -> Markup {
        let (title, alt) = (format!("{}-title", self.id), format!("{}-alt", self.id));
        let named = format!("{title} {alt}");
        let (size, marks) = parts(&self.drawing);
        let wide = size.split(' ').nth(2).unwrap_or_default();
        let widest = format!("max-width: {wide}px");
        let attributes = [
            ("viewBox", size),
            ("style", widest.as_str()),
            ("role", "img"),
            ("aria-labelledby", named.as_str()),
        ];
        let content = Markup::join([
            element_with("title", &[("id", &title)], &self.title),
            element_with("desc", &[("id", &alt)], &self.alt),
            Markup::drawn(marks.to_owned()),
        ]);
        let svg = element_with("svg", &attributes, content);
        let caption =
            Markup::join([element("b", format!("{}. ", self.title)), Markup::from(&self.caption)]);
        let figure = Markup::join([svg, element("figcaption", caption)]);
        element_with("figure", &[("id", &self.id)], figure)
    }
}

/// The view box of a drawing, and what is within its outermost element.
fn parts(drawing: &str) -> (&str, &str) {
    let (head, rest) = drawing.split_once('>').unwrap_or_default();
    let marks = rest.rsplit_once("</svg>").map_or(rest, |(marks, _)| marks);
    let view = head.split_once("viewBox=\"").and_then(|(_, view)| view.split_once('"'));
    (view.map_or("", |(view, _)| view), marks)
}

/// A colour of its own for the first dozen models.
pub fn model_colour(position: usize) -> RGBColor {
    MODELS[position % MODELS.len()]
}

/// Black or white, whichever can be read on the colour.
pub fn readable_on(colour: RGBColor) -> RGBColor {
    let RGBColor(red, green, blue) = colour;
    let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    if light > 145.0 { RGBColor(0x10, 0x10, 0x10) } else { RGBColor(0xff, 0xff, 0xff) }
}

/// A name fit for a drawing: clean and not too long.
pub fn name(text: &str) -> String {
    let text = clean(text).replace('\n', " ");
    if text.chars().count() <= NAME {
        return text;
    }
    text.chars().take(NAME - 1).chain(['…']).collect()
}

/// About how wide the text is, in pixels.
pub fn width(text: &str, size: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * CHARACTER).ceil() as i32
}

/// Letters of this size and colour.
pub fn font<'a>(size: u32, colour: RGBColor) -> TextStyle<'a> {
    ("sans-serif", size).into_font().color(&colour)
}

/// Writes text with this point of it at this place.
pub fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    anchor: (HPos, VPos),
    style: TextStyle<'_>,
) -> Drawn {
    canvas.draw_text(text, &style.pos(Pos::new(anchor.0, anchor.1)), at)
}

/// What is told apart by a mark: its outlines around a point, its colour, its name.
pub struct Key {
    /// Its outlines around a point.
    pub outlines: marks::Outlines,
    /// Its colour.
    pub colour: RGBColor,
    /// Its name.
    pub name: String,
}

impl Key {
    /// What is told apart by a patch of colour.
    pub fn patch(colour: RGBColor, name: impl Into<String>) -> Self {
        Self { outlines: marks::patch(), colour, name: name.into() }
    }
}

/// The names of marks, one after the other from `at`, wrapping before `right`.
pub fn legend(canvas: &Canvas<'_>, keys: &[Key], at: (i32, i32), right: i32) -> Drawn {
    let (mut x, mut y) = at;
    for key in keys {
        let wide = width(&key.name, SMALL) + 34;
        if x > at.0 && x + wide > right {
            (x, y) = (at.0, y + 20);
        }
        marks::draw(canvas, (x + 6, y), &key.outlines, key.colour)?;
        write(canvas, &key.name, (x + 18, y), (HPos::Left, VPos::Center), font(SMALL, INK))?;
        x += wide;
    }
    Ok(())
}

/// A chart with two even axes.
pub type Linear<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Gives axes and guides the look that they have in all plots.
pub fn plain<'m, 'a, 'b, 'c, X: Ranged, Y: Ranged>(
    mesh: &'m mut MeshStyle<'a, 'b, X, Y, SVGBackend<'c>>,
) -> &'m mut MeshStyle<'a, 'b, X, Y, SVGBackend<'c>> {
    mesh.bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED)
        .label_style(font(SMALL, INK))
        .axis_desc_style(font(TEXT, INK))
}

/// Rows of horizontal bars, the first one on top, each with its name to the left.
pub struct Rows<'t> {
    /// How many there are.
    pub count: usize,
    /// Pixels for their names.
    pub names: i32,
    /// Pixels above them and to their right.
    pub margins: (i32, i32),
    /// What the axis goes from and to.
    pub scale: Range<f64>,
    /// What the axis shows.
    pub title: &'t str,
    /// How numbers on the axis are written.
    pub numbers: &'t dyn Fn(&f64) -> String,
}

impl Rows<'_> {
    /// Draws the axis and its guides; the rows are one unit high each.
    pub fn chart<'c, 'b>(&self, canvas: &Canvas<'b>) -> Result<Linear<'c, 'b>, DrawError> {
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(self.margins.0)
            .margin_right(self.margins.1)
            .x_label_area_size(46)
            .y_label_area_size(self.names)
            .build_cartesian_2d(self.scale.clone(), self.count as f64..0.0)?;
        plain(&mut chart.configure_mesh())
            .disable_y_mesh()
            .y_labels(0)
            .x_label_formatter(&self.numbers)
            .x_desc(self.title)
            .draw()?;
        Ok(chart)
    }

    /// Writes the name of a row whose middle is at this height.
    pub fn name(&self, canvas: &Canvas<'_>, text: &str, middle: i32) -> Drawn {
        let at = (self.names - 8, middle);
        write(canvas, text, at, (HPos::Right, VPos::Center), font(TEXT, INK))
    }
}

/// Where points of a row lie on the canvas, by their value and their height in the row.
pub fn in_row(
    chart: &Linear<'_, '_>,
    canvas: &Canvas<'_>,
    row: usize,
) -> impl Fn(f64, f64) -> (i32, i32) {
    let top = canvas.get_base_pixel().1;
    move |x, y| {
        let (x, y) = chart.backend_coord(&(x, row as f64 + y));
        (x, y - top)
    }
}

/// The values that can be drawn, and some room around them; `None` if there are none.
pub fn span(values: impl Iterator<Item = f64>, room: f64) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let around = ((high - low) * room).max(0.5);
    (low <= high).then_some((low - around, high + around))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_what_it_shows() {
        let plot = Plot::draw("id", (40, 30), |canvas| {
            write(canvas, "a < b", (5, 5), (HPos::Left, VPos::Top), font(TEXT, INK))
        });
        let plot =
            plot.unwrap().titled("Title & more").described("what it shows", "how to read it");
        let html = plot.figure().as_str().to_owned();
        let document = roxmltree::Document::parse(&html).unwrap();
        let named = |tag: &str| {
            let found = document.descendants().find(|node| node.has_tag_name(tag)).unwrap();
            found.text().unwrap_or_default().trim().to_owned()
        };
        assert_eq!(
            (named("title"), named("desc")),
            ("Title & more".into(), "what it shows".into())
        );
        assert_eq!(named("text"), "a < b");
        assert!(html.contains("viewBox=\"0 0 40 30\"") && !html.contains("http"), "{html}");
        let file = plot.svg();
        let root = roxmltree::Document::parse(&file)
            .unwrap()
            .root_element()
            .tag_name()
            .namespace()
            .map(str::to_owned);
        assert_eq!(root.as_deref(), Some("http://www.w3.org/2000/svg"));
    }

    #[test]
    fn long_names_are_cut_and_control_characters_replaced() {
        assert_eq!(name("lite0"), "lite0");
        assert_eq!(name("a\u{1}\nb"), "a\u{fffd} b");
        assert_eq!(name(&"x".repeat(99)).chars().count(), NAME);
    }

    #[test]
    fn a_span_leaves_out_what_is_no_number() {
        assert_eq!(span([10.0, f64::NAN, 20.0].into_iter(), 0.1), Some((9.0, 21.0)));
        assert_eq!(span([f64::NAN].into_iter(), 0.1), None);
        assert_eq!(span([5.0].into_iter(), 0.1), Some((4.5, 5.5)));
    }
}
