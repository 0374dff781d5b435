//! Marks of points, as polygons in pixels around the point.

use plotters::prelude::*;

use super::plot::{Canvas, Drawn};

/// The outlines of a mark.
pub type Outlines = Vec<Vec<(i32, i32)>>;

/// A patch of colour.
pub fn patch() -> Outlines {
    vec![rectangle(6, 6)]
}

/// A ring, for where two marks may lie on each other.
pub fn ring() -> Outlines {
    let (mut outline, mut hole) = (round(4), round(2));
    // One polygon with a slit: around, in, and around the other way.
    outline.push(outline[0]);
    hole.push(hole[0]);
    outline.extend(hole.into_iter().rev());
    vec![outline]
}

/// A disc.
pub fn disc() -> Outlines {
    vec![round(3)]
}

/// Draws a mark at a point of the canvas.
pub fn draw(canvas: &Canvas<'_>, at: (i32, i32), outlines: &Outlines, colour: RGBColor) -> Drawn {
    outlines.iter().try_for_each(|outline| {
        let moved: Vec<_> = outline.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
        canvas.draw(&Polygon::new(moved, colour.filled()))
    })
}

/// A rectangle, so far across and up from its middle.
pub fn rectangle(across: i32, up: i32) -> Vec<(i32, i32)> {
    vec![(-across, -up), (across, -up), (across, up), (-across, up)]
}

/// A disc of this radius.
pub fn round(radius: i32) -> Vec<(i32, i32)> {
    let corner = |number: i32| {
        let angle = f64::from(number) * std::f64::consts::TAU / 20.0;
        let along = |share: f64| (share * f64::from(radius)).round() as i32;
        (along(angle.cos()), along(angle.sin()))
    };
    (0..20).map(corner).collect()
}
