//! The grid as small charts: accuracy against load, a chart for each number of streams and budget.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{BEST_FIXED, colour, key, outlines};
use crate::report::marks;
use crate::report::numbers::budget as budget_text;
use crate::report::plot::{
    Canvas, DrawError, Drawn, GRID, INK, Key, MUTED, Plot, SMALL, font, legend, write,
};
use crate::simulate::figures::{Case, Kind, Point, Simulation};
use crate::simulate::report::coordinates::Coordinates;

const WIDTH: u32 = 1080;
const PANEL: u32 = 172;
const LEGEND: i32 = 32;
/// Left of the panels, for budgets; above them, for numbers of streams.
const SIDE: i32 = 64;
const HEAD: i32 = 24;

/// A line of every chart.
struct Series {
    kind: Kind,
    name: &'static str,
    value: fn(&Case) -> Option<f64>,
}

const SERIES: [Series; 4] = [
    Series { kind: Kind::Oracle, name: "oracle, at most", value: |case| of(case, Kind::Oracle) },
    Series { kind: Kind::Ours, name: "ours", value: |case| of(case, Kind::Ours) },
    Series {
        kind: Kind::Fixed,
        name: BEST_FIXED,
        value: |case| Some(case.best_fixed()?.expected_accuracy.mean),
    },
    Series {
        kind: Kind::Fifo,
        name: "newest wins, the model that a user would pick",
        value: |case| Some(case.reference_of(Kind::Fifo)?.expected_accuracy.mean),
    },
];

fn of(case: &Case, kind: Kind) -> Option<f64> {
    Some(case.best(kind)?.expected_accuracy.mean)
}

/// `None` without a grid.
pub fn plot(simulation: &Simulation) -> Result<Option<Plot>, DrawError> {
    let axes = Coordinates::of(&simulation.grid);
    if simulation.grid.is_empty() {
        return Ok(None);
    }
    let height = PANEL * axes.budgets.len() as u32 + (LEGEND + HEAD) as u32 + 24;
    let plot =
        Plot::draw("grid", (WIDTH, height), |canvas| paint(canvas, &simulation.grid, &axes))?;
    let alt = format!(
        "Small line charts of effective accuracy against load, for {} numbers of streams and {} \
         budgets: the oracle, ours, the best policy with one model, and newest wins with the model \
         that a user would pick. The table has the same figures.",
        axes.streams.len(),
        axes.budgets.len()
    );
    let caption = "Across each chart: the load (logarithmic); up: the expected effective accuracy. A \
                   chart for each number of streams (columns) and budget (rows). The best policy with \
                   one model is picked anew at every point, after the fact.";
    Ok(Some(plot.titled("Effective accuracy over the grid").described(alt, caption)))
}

fn paint(canvas: &Canvas<'_>, points: &[Point], axes: &Coordinates) -> Drawn {
    let (top, rest) = canvas.split_vertically(LEGEND);
    let is_there =
        |series: &&Series| points.iter().any(|point| (series.value)(&point.case).is_some());
    let series: Vec<&Series> = SERIES.iter().filter(is_there).collect();
    let keys: Vec<Key> = series.iter().map(|one| key(one.kind, one.name)).collect();
    legend(&top, &keys, (SIDE, 14), WIDTH as i32)?;
    let (side, charts) = rest.split_horizontally(SIDE);
    let (head, body) = charts.split_vertically(HEAD);
    let columns = axes.streams.len();
    for (column, streams) in axes.streams.iter().enumerate() {
        let middle = (WIDTH as i32 - SIDE) * (2 * column as i32 + 1) / (2 * columns as i32);
        let text = format!("{streams} stream{}", if *streams == 1 { "" } else { "s" });
        write(&head, &text, (middle, 12), (HPos::Center, VPos::Center), font(SMALL, INK))?;
    }
    for (row, budget) in axes.budgets.iter().enumerate() {
        let middle = HEAD + PANEL as i32 * row as i32 + PANEL as i32 / 2;
        let at = (SIDE - 8, middle);
        write(&side, &budget_text(*budget), at, (HPos::Right, VPos::Center), font(SMALL, INK))?;
    }
    let panels = body.split_evenly((axes.budgets.len(), columns));
    for (panel, (budget, streams)) in panels.iter().zip(axes.panels()) {
        let own: Vec<&Point> = points
            .iter()
            .filter(|point| point.budget_ms == budget && point.streams == streams)
            .collect();
        chart(panel, &own, &series, axes)?;
    }
    Ok(())
}

fn chart(canvas: &Canvas<'_>, points: &[&Point], series: &[&Series], axes: &Coordinates) -> Drawn {
    let (first, last) = axes.span_of_loads();
    let mut chart = ChartBuilder::on(canvas)
        .margin(6)
        .x_label_area_size(18)
        .y_label_area_size(26)
        .build_cartesian_2d(
            (first..last).log_scale().with_key_points(axes.loads.clone()),
            0.0..100.0,
        )?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED)
        .label_style(font(10, INK))
        .x_labels(axes.loads.len())
        .y_labels(5)
        .x_label_formatter(&|load| format!("{load}"))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .draw()?;
    let (left, top) = canvas.get_base_pixel();
    for one in series.iter().rev() {
        let value = |point: &&Point| Some((point.load, (one.value)(&point.case)?));
        let places: Vec<(f64, f64)> = points.iter().filter_map(value).collect();
        let style = colour(one.kind).stroke_width(2);
        if one.kind == Kind::Fifo {
            chart.draw_series(DashedLineSeries::new(places.clone(), 4, 3, style))?;
        } else {
            chart.draw_series(LineSeries::new(places.clone(), style))?;
        }
        for place in places {
            let (x, y) = chart.backend_coord(&place);
            marks::draw(canvas, (x - left, y - top), &outlines(one.kind), colour(one.kind))?;
        }
    }
    Ok(())
}
