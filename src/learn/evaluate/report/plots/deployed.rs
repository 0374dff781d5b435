//! Accuracy by the number of models to choose among.

use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::labels::{Area, Labels};
use super::{
    Canvas, DrawError, Drawn, Key, MUTED, Plot, SMALL, font, legend, marks, model_colour, name,
    span, width, write,
};
use crate::learn::evaluate::figures::Deployed;
use crate::report::numbers::ms;
use crate::report::plot::plain;

const SIZE: (u32, u32) = (960, 420);

/// `None` if nothing was measured.
pub fn plot(all: &[Deployed]) -> Result<Option<Plot>, DrawError> {
    let points: Vec<&Deployed> = all.iter().filter(|one| one.accuracy.value.is_finite()).collect();
    let ends = |one: &&Deployed| [one.accuracy.low, one.accuracy.value, one.accuracy.high];
    let Some(accuracy) = span(points.iter().flat_map(ends), 0.15) else { return Ok(None) };
    let plot = Plot::draw("deployed", SIZE, |canvas| paint(canvas, &points, accuracy))?;
    let alt = format!(
        "Lines: top-1 accuracy of {} by the number of models. The table has the same figures.",
        choosers(&points).join(", ")
    );
    let caption = "What a further model to choose among is worth. Each point is labelled with the \
                   mean time of an image; bars are 95 % intervals.";
    let title = "Accuracy by the number of deployed models";
    Ok(Some(plot.titled(title).described(alt, caption)))
}

fn choosers<'a>(points: &[&'a Deployed]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.chooser.as_str()) {
            names.push(&point.chooser);
        }
    }
    names
}

fn paint(canvas: &Canvas<'_>, points: &[&Deployed], accuracy: (f64, f64)) -> Drawn {
    let (top, rest) = canvas.split_vertically(32);
    let choosers = choosers(points);
    let key = |(number, chooser): (usize, &&str)| Key {
        outlines: marks::of_series(number),
        colour: model_colour(number),
        name: name(chooser),
    };
    let keys: Vec<Key> = choosers.iter().enumerate().map(key).collect();
    legend(&top, &keys, (68, 14), SIZE.0 as i32)?;
    let most = points.iter().map(|point| point.count).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(&rest)
        .margin_left(10)
        .margin_right(60)
        .margin_top(8)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(0.6..most as f64 + 0.4, accuracy.0..accuracy.1)?;
    plain(&mut chart.configure_mesh())
        .disable_x_mesh()
        .x_labels(most + 2)
        .x_label_formatter(&whole)
        .y_label_formatter(&|accuracy| format!("{accuracy:.0}"))
        .x_desc("models to choose among")
        .y_desc("top-1 accuracy, %")
        .draw()?;
    let lines: Vec<Vec<&Deployed>> = choosers.iter().map(|one| line_of(points, one)).collect();
    for (key, points) in keys.iter().zip(&lines) {
        line(chart.plotting_area(), points, key)?;
    }
    times(&rest, &lines, |point| {
        let (x, y) = chart.backend_coord(&(point.count as f64, point.accuracy.value));
        (x, y - rest.get_base_pixel().1)
    })
}

fn whole(count: &f64) -> String {
    if count.fract().abs() < 1e-9 { format!("{count:.0}") } else { String::new() }
}

type Area2d<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The points of one chooser, the fewest models first.
fn line_of<'a>(points: &[&'a Deployed], chooser: &str) -> Vec<&'a Deployed> {
    let mut own: Vec<&Deployed> =
        points.iter().copied().filter(|point| point.chooser == chooser).collect();
    own.sort_by_key(|point| point.count);
    own
}

fn line(area: &Area2d<'_>, points: &[&Deployed], key: &Key) -> Drawn {
    let place = |point: &&Deployed| (point.count as f64, point.accuracy.value);
    let places: Vec<(f64, f64)> = points.iter().map(place).collect();
    area.draw(&PathElement::new(places, key.colour.stroke_width(2)))?;
    points.iter().try_for_each(|point| mark(area, point, key))
}

fn mark(area: &Area2d<'_>, point: &Deployed, key: &Key) -> Drawn {
    let count = point.count as f64;
    let (low, high) = (point.accuracy.low, point.accuracy.high);
    if low.is_finite() && high.is_finite() {
        area.draw(&PathElement::new(vec![(count, low), (count, high)], key.colour.mix(0.6)))?;
    }
    key.outlines.iter().try_for_each(|outline| {
        let polygon = Polygon::new(outline.clone(), key.colour.filled());
        area.draw(&(EmptyElement::at((count, point.accuracy.value)) + polygon))
    })
}

/// Beside each point its mean time.
fn times(
    canvas: &Canvas<'_>,
    lines: &[Vec<&Deployed>],
    pixel: impl Fn(&Deployed) -> (i32, i32),
) -> Drawn {
    let marks = lines.iter().flatten().map(|point| Area::around(pixel(point), 7));
    let steps = lines.iter().flat_map(|line| line.windows(2));
    let steps = steps.flat_map(|two| Area::along(pixel(two[0]), pixel(two[1])));
    let within = Area { x: 70, y: 0, width: SIZE.0 as i32 - 70, height: SIZE.1 as i32 - 84 };
    let mut labels = Labels::new(within, marks.collect(), steps.collect());
    lines.iter().flatten().try_for_each(|point| {
        let text = ms(point.time_ms);
        let place = labels.place(pixel(point), (width(&text, SMALL), 14));
        let at = (place.x, place.y + 7);
        write(canvas, &text, at, (HPos::Left, VPos::Center), font(SMALL, MUTED))
    })
}
