//! Reliability: a small plot for each model.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{
    Canvas, DrawError, Drawn, GRID, INK, Key, MUTED, Plot, SMALL, TEXT, colour, font, legend,
    marks, name, write,
};
use crate::learn::evaluate::figures::{Bin, Calibration, Kind};

const WIDTH: u32 = 960;
const COLUMNS: usize = 4;
const PANEL: usize = 250;
const BEFORE: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// `None` if nothing was measured.
pub fn plot(all: &[Calibration]) -> Result<Option<Plot>, DrawError> {
    if all.is_empty() {
        return Ok(None);
    }
    let rows = all.len().div_ceil(COLUMNS);
    let size = (WIDTH, (rows * PANEL + 32) as u32);
    let plot = Plot::draw("calibration", size, |canvas| paint(canvas, all, rows))?;
    let errors: Vec<String> = all
        .iter()
        .map(|one| format!("{} {:.1} to {:.1}", one.model, one.ece_before, one.ece_after))
        .collect();
    let alt = format!(
        "Reliability diagrams of {} models, before and after calibration. Expected calibration \
         error, before to after: {}.",
        all.len(),
        errors.join(", ")
    );
    let caption = "Across: what the model says of its first guess, in percent. Up: how often it is \
                   right. On the dashed diagonal confidence means what it says; below it the model \
                   is too sure of itself. Every point stands for equally many images.";
    Ok(Some(plot.titled("What confidence means").described(alt, caption)))
}

fn paint(canvas: &Canvas<'_>, all: &[Calibration], rows: usize) -> Drawn {
    let (top, rest) = canvas.split_vertically(32);
    let key = |name: &str, outlines, colour| Key { outlines, colour, name: name.to_owned() };
    let keys = [
        key("as the model says", marks::ring(), BEFORE),
        key("calibrated", marks::disc(), colour(Kind::Adaptive)),
    ];
    legend(&top, &keys, (46, 14), WIDTH as i32)?;
    let panels = rest.split_evenly((rows, COLUMNS));
    all.iter().zip(&panels).try_for_each(|(model, panel)| reliability(panel, model))
}

fn reliability(canvas: &Canvas<'_>, model: &Calibration) -> Drawn {
    let mut chart = ChartBuilder::on(canvas)
        .margin_right(14)
        .margin_top(40)
        .x_label_area_size(24)
        .y_label_area_size(36)
        .build_cartesian_2d(0.0..100.0, 0.0..100.0)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED)
        .label_style(font(11, INK))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|percent| format!("{percent:.0}"))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .draw()?;
    let diagonal = [(0.0, 0.0), (100.0, 100.0)];
    chart.draw_series(DashedLineSeries::new(diagonal, 5, 4, MUTED.into()))?;
    let after = colour(Kind::Adaptive);
    for (bins, outlines, colour) in
        [(&model.before, marks::ring(), BEFORE), (&model.after, marks::disc(), after)]
    {
        let points: Vec<(f64, f64)> = bins.iter().filter_map(place).collect();
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        let (left, top) = canvas.get_base_pixel();
        for (x, y) in points.iter().map(|point| chart.backend_coord(point)) {
            marks::draw(canvas, (x - left, y - top), &outlines, colour)?;
        }
    }
    let error = format!("error {:.1} → {:.1} points", model.ece_before, model.ece_after);
    write(canvas, &name(&model.model), (38, 4), (HPos::Left, VPos::Top), font(TEXT, INK))?;
    write(canvas, &error, (38, 21), (HPos::Left, VPos::Top), font(SMALL, MUTED))
}

fn place(bin: &Bin) -> Option<(f64, f64)> {
    let point = (bin.confidence, bin.accuracy);
    (point.0.is_finite() && point.1.is_finite()).then_some(point)
}
