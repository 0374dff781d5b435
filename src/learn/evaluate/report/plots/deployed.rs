//! Accuracy by the number of models to choose among.

use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::labels::{Area, Labels};
use super::{
    Canvas, DrawError, Drawn, GRID, INK, MODELS, MUTED, Plot, SMALL, TEXT, font, legend, name,
    span, width, write,
};
use crate::learn::evaluate::figures::Deployed;
use crate::learn::evaluate::report::numbers::ms;

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
    let names: Vec<_> = choosers
        .iter()
        .enumerate()
        .map(|(number, chooser)| (name(chooser), MODELS[number % MODELS.len()]))
        .collect();
    legend(&top, &names, (58, 14), SIZE.0 as i32)?;
    let most = points.iter().map(|point| point.count).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(&rest)
        .margin_left(10)
        .margin_right(60)
        .margin_top(8)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(0.6..most as f64 + 0.4, accuracy.0..accuracy.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(most + 2)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED)
        .label_style(font(SMALL, INK))
        .axis_desc_style(font(TEXT, INK))
        .x_label_formatter(&whole)
        .y_label_formatter(&|accuracy| format!("{accuracy:.0}"))
        .x_desc("models to choose among")
        .y_desc("top-1 accuracy, %")
        .draw()?;
    for (chooser, (_, colour)) in choosers.iter().zip(&names) {
        let own: Vec<&Deployed> =
            points.iter().copied().filter(|point| point.chooser == *chooser).collect();
        line(chart.plotting_area(), own, *colour)?;
    }
    times(&rest, points, |point| {
        let (x, y) = chart.backend_coord(&(point.count as f64, point.accuracy.value));
        (x, y - rest.get_base_pixel().1)
    })
}

fn whole(count: &f64) -> String {
    if count.fract().abs() < 1e-9 { format!("{count:.0}") } else { String::new() }
}

type Area2d<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn line(area: &Area2d<'_>, mut points: Vec<&Deployed>, colour: RGBColor) -> Drawn {
    points.sort_by_key(|point| point.count);
    let place = |point: &&Deployed| (point.count as f64, point.accuracy.value);
    let places: Vec<(f64, f64)> = points.iter().map(place).collect();
    area.draw(&PathElement::new(places, colour.stroke_width(2)))?;
    points.into_iter().try_for_each(|point| mark(area, point, colour))
}

fn mark(area: &Area2d<'_>, point: &Deployed, colour: RGBColor) -> Drawn {
    let count = point.count as f64;
    let (low, high) = (point.accuracy.low, point.accuracy.high);
    if low.is_finite() && high.is_finite() {
        area.draw(&PathElement::new(vec![(count, low), (count, high)], colour.mix(0.6)))?;
    }
    area.draw(&Circle::new((count, point.accuracy.value), 4, colour.filled()))
}

/// Beside each point its mean time.
fn times(
    canvas: &Canvas<'_>,
    points: &[&Deployed],
    pixel: impl Fn(&Deployed) -> (i32, i32),
) -> Drawn {
    let taken = points.iter().map(|point| Area::around(pixel(point), 6)).collect();
    let within = Area { x: 58, y: 0, width: SIZE.0 as i32 - 60, height: SIZE.1 as i32 - 84 };
    let mut labels = Labels::new(within, taken);
    points.iter().try_for_each(|point| {
        let text = ms(point.time_ms);
        let place = labels.place(pixel(point), (width(&text, SMALL), 14));
        let at = (place.x, place.y + 7);
        write(canvas, &text, at, (HPos::Left, VPos::Center), font(SMALL, MUTED))
    })
}
