//! Accuracy against time: every entry on one sheet.

use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::combinators::LogCoord;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::labels::{Area, Labels};
use super::{
    Canvas, DrawError, Drawn, INK, Key, MUTED, Plot, SMALL, colour, font, legend, marks, name,
    span, width, write,
};
use crate::learn::evaluate::figures::{Curve, Entry, Group, Interval, Kind, Point};
use crate::report::numbers::three_digits;
use crate::report::plot::plain;

const SIZE: (u32, u32) = (960, 700);
const LEGEND: i32 = 34;

/// Room on the axis of time, as a factor.
const ROOM: f64 = 1.18;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogTime, RangedCoordf64>>;
type LogTime = plotters::coord::combinators::WithKeyPoints<LogCoord<f64>>;

/// `None` if nothing can be drawn.
pub fn plot(id: &'static str, group: &Group) -> Result<Option<Plot>, DrawError> {
    let Some(ranges) = Ranges::new(group) else { return Ok(None) };
    let plot = Plot::draw(id, SIZE, |canvas| paint(canvas, group, &ranges))?;
    let alt = format!(
        "Scatter plot of {} entries. Across: mean time of an image, {} to {} milliseconds, \
         logarithmic. Up: top-1 accuracy, {:.0} to {:.0} percent. The table has the same figures.",
        group.entries.len(),
        three_digits(ranges.time.0),
        three_digits(ranges.time.1),
        ranges.accuracy.0,
        ranges.accuracy.1
    );
    let caption = "Up is right more often, left is quicker. Bars are 95 % intervals. The grey line \
                   is what drawing lots between single models yields; a chooser below it is worth \
                   nothing. The oracle is what a perfect choice would yield. Mixes of learners and \
                   ablations are marked but not named, except for the best mix.";
    let title = format!("Accuracy against time, {}", group.selection);
    Ok(Some(plot.titled(title).described(alt, caption)))
}

struct Ranges {
    time: (f64, f64),
    accuracy: (f64, f64),
}

impl Ranges {
    fn new(group: &Group) -> Option<Self> {
        let points: Vec<Point> = all_points(group).filter(drawable).collect();
        let ends = |point: &Point| [point.accuracy.value, point.accuracy.low, point.accuracy.high];
        let accuracy = span(points.iter().flat_map(ends), 0.05)?;
        let times = points.iter().map(|point| point.time_ms);
        let first = times.clone().fold(f64::INFINITY, f64::min);
        let last = times.fold(0.0, f64::max);
        Some(Self {
            time: (first / ROOM, last * ROOM),
            accuracy: (accuracy.0.max(0.0), accuracy.1.min(100.5)),
        })
    }

    fn ticks(&self) -> Vec<f64> {
        let decades = (-3..7).map(|power| 10f64.powi(power));
        let all = decades.flat_map(|decade| [1.0, 2.0, 3.0, 5.0, 7.0].map(|step| step * decade));
        all.filter(|tick| (self.time.0..=self.time.1).contains(tick)).collect()
    }
}

fn all_points(group: &Group) -> impl Iterator<Item = Point> {
    let curves = group.curves.iter().flat_map(|curve| curve.points.iter().copied());
    group.entries.iter().map(point).chain(curves)
}

fn point(entry: &Entry) -> Point {
    Point { time_ms: entry.time_ms.mean.value, accuracy: entry.top1 }
}

fn drawable(point: &Point) -> bool {
    point.time_ms.is_finite() && point.time_ms > 0.0 && point.accuracy.value.is_finite()
}

fn paint(canvas: &Canvas<'_>, group: &Group, ranges: &Ranges) -> Drawn {
    let (top, rest) = canvas.split_vertically(LEGEND);
    let (first, last) = ranges.time;
    let (low, high) = ranges.accuracy;
    let mut chart = ChartBuilder::on(&rest)
        .margin_left(12)
        .margin_right(16)
        .margin_top(4)
        .x_label_area_size(48)
        .y_label_area_size(58)
        .build_cartesian_2d((first..last).log_scale().with_key_points(ranges.ticks()), low..high)?;
    mesh(&mut chart)?;
    for curve in &group.curves {
        line(&mut chart, curve)?;
    }
    for entry in unnamed_first(group) {
        mark(&chart, entry.kind, point(entry))?;
    }
    names(&chart, &rest, group)?;
    key(&top, group)
}

fn mesh(chart: &mut Chart<'_, '_>) -> Drawn {
    plain(&mut chart.configure_mesh())
        .x_labels(24)
        .y_labels(10)
        .x_label_formatter(&|time| format!("{time}"))
        .y_label_formatter(&|accuracy| format!("{accuracy:.0}"))
        .x_desc("mean time of an image, ms (logarithmic)")
        .y_desc("top-1 accuracy, %")
        .draw()
}

/// A curve; the random mix is dashed, has no marks, and its interval is left out.
fn line(chart: &mut Chart<'_, '_>, curve: &Curve) -> Drawn {
    let points: Vec<Point> = curve.points.iter().copied().filter(drawable).collect();
    let places: Vec<(f64, f64)> =
        points.iter().map(|point| (point.time_ms, point.accuracy.value)).collect();
    let style = colour(curve.kind).stroke_width(2);
    if curve.kind == Kind::RandomMix {
        chart.draw_series(DashedLineSeries::new(places, 7, 5, style))?;
        return Ok(());
    }
    chart.draw_series(LineSeries::new(places, style))?;
    points.iter().try_for_each(|&point| mark(chart, curve.kind, point))
}

/// The many before the few, so that these lie on top.
fn unnamed_first(group: &Group) -> impl Iterator<Item = &Entry> {
    let many = |entry: &&Entry| matches!(entry.kind, Kind::LearnerMix | Kind::Ablation);
    let few = group.entries.iter().filter(move |entry| !many(entry));
    group.entries.iter().filter(many).chain(few).filter(|entry| drawable(&point(entry)))
}

/// A mark; where there are many, without its interval.
fn mark(chart: &Chart<'_, '_>, kind: Kind, point: Point) -> Drawn {
    let place = (point.time_ms, point.accuracy.value);
    let area = chart.plotting_area();
    let Interval { low, high, .. } = point.accuracy;
    let many = matches!(kind, Kind::LearnerMix | Kind::Ablation);
    if !many && low.is_finite() && high.is_finite() {
        let bar = vec![(place.0, low), (place.0, high)];
        area.draw(&PathElement::new(bar, colour(kind).mix(0.55)))?;
    }
    marks::of(kind).into_iter().try_for_each(|polygon| {
        let style = colour(kind).filled();
        area.draw(&(EmptyElement::at(place) + Polygon::new(polygon, style)))
    })
}

/// Names the entries of which there are few, and the best mix of learners.
fn names(chart: &Chart<'_, '_>, canvas: &Canvas<'_>, group: &Group) -> Drawn {
    let (left, top) = canvas.get_base_pixel();
    let pixel = |time: f64, accuracy: f64| {
        let (x, y) = chart.backend_coord(&(time, accuracy));
        (x - left, y - top)
    };
    let (across, down) = chart.plotting_area().get_pixel_range();
    let within = Area {
        x: across.start - left,
        y: down.start - top,
        width: across.end - across.start,
        height: down.end - down.start,
    };
    let at = |point: &Point| pixel(point.time_ms, point.accuracy.value);
    let marks = all_points(group).filter(drawable).map(|point| Area::around(at(&point), 6));
    let mut labels = Labels::new(within, marks.collect(), lines(group, &pixel));
    named(group).try_for_each(|entry| {
        let at = pixel(entry.time_ms.mean.value, entry.top1.value);
        label(canvas, &mut labels, at, &name(&entry.name))
    })
}

/// The intervals and the curves.
fn lines(group: &Group, pixel: &impl Fn(f64, f64) -> (i32, i32)) -> Vec<Area> {
    let intervals = all_points(group).filter(drawable).flat_map(|point| {
        let ends = [point.accuracy.low, point.accuracy.high];
        let known = ends.iter().all(|end| end.is_finite());
        let [low, high] = ends.map(|end| pixel(point.time_ms, end));
        known.then(|| Area::along(low, high)).into_iter().flatten()
    });
    let curves = group.curves.iter().flat_map(|curve| {
        let points = curve.points.iter().filter(|point| drawable(point));
        let places: Vec<_> =
            points.map(|point| pixel(point.time_ms, point.accuracy.value)).collect();
        let steps = places.windows(2).flat_map(|two| Area::along(two[0], two[1]));
        steps.collect::<Vec<_>>()
    });
    intervals.chain(curves).collect()
}

fn named(group: &Group) -> impl Iterator<Item = &Entry> {
    let best = group.best(Kind::LearnerMix).map(|entry| &entry.name);
    unnamed_first(group).filter(move |entry| match entry.kind {
        Kind::Ablation => false,
        Kind::LearnerMix => Some(&entry.name) == best,
        _ => true,
    })
}

fn label(canvas: &Canvas<'_>, labels: &mut Labels, at: (i32, i32), text: &str) -> Drawn {
    let height = SMALL as i32 + 2;
    let place = labels.place(at, (width(text, SMALL) + 4, height));
    let end = place.nearest_to(at);
    if (end.0 - at.0).abs().max((end.1 - at.1).abs()) > 10 {
        canvas.draw(&PathElement::new(vec![at, end], MUTED.mix(0.6)))?;
    }
    let middle = (place.x + 2, place.y + height / 2);
    write(canvas, text, middle, (HPos::Left, VPos::Center), font(SMALL, INK))
}

/// What the marks mean.
fn key(canvas: &Canvas<'_>, group: &Group) -> Drawn {
    let there = |kind: &Kind| {
        let drawn = group.curves.iter().any(|curve| curve.kind == *kind);
        drawn || group.of(*kind).next().is_some()
    };
    let key = |kind: Kind| Key {
        outlines: marks::of(kind),
        colour: colour(kind),
        name: kind.to_string(),
    };
    let keys: Vec<Key> = Kind::ALL.into_iter().filter(there).map(key).collect();
    legend(canvas, &keys, (60, 16), SIZE.0 as i32)
}
