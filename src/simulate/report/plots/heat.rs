//! The grid as two sheets of numbers: what ours reaches of the oracle, and how far it is from the best
//! policy with one model.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use crate::report::numbers::{budget as budget_text, signed};
use crate::report::plot::{
    Canvas, DrawError, Drawn, INK, MUTED, Plot, SMALL, TEXT, font, readable_on, write,
};
use crate::simulate::figures::{Case, Kind, Point, Simulation};
use crate::simulate::report::coordinates::Coordinates;
use crate::simulate::summary::against_fixed;

const NAMES: i32 = 130;
const CELL: (i32, i32) = (54, 20);
const HEAD: i32 = 48;
const GAP: i32 = 40;

/// What a sheet shows of a case: a number, how it is written, and how good it is from -1 to 1.
struct Sheet {
    title: &'static str,
    value: fn(&Case) -> Option<f64>,
    text: fn(f64) -> String,
    good: fn(f64) -> f64,
}

const SHEETS: [Sheet; 2] = [
    Sheet {
        title: "ours, in percent of the oracle",
        value: |case| case.of_oracle(case.best(Kind::Ours)?),
        text: |percent| format!("{percent:.1}"),
        // Within 2 % is good, 10 % off is bad.
        good: |percent| (percent - 98.0) / if percent < 98.0 { 8.0 } else { 2.0 },
    },
    Sheet {
        title: "points above the best with one model",
        value: |case| against_fixed(case, case.best(Kind::Ours)?),
        text: signed,
        good: |points| points / 5.0,
    },
];

/// `None` without a grid, or if ours was not compared.
pub fn plot(simulation: &Simulation) -> Result<Option<Plot>, DrawError> {
    let points = &simulation.grid;
    if points.iter().all(|point| point.case.best(Kind::Ours).is_none()) {
        return Ok(None);
    }
    let axes = Coordinates::of(points);
    let sheet = CELL.0 * axes.loads.len() as i32;
    let width = NAMES + 2 * sheet + GAP + 10;
    let rows: Vec<(usize, f64)> = axes
        .streams
        .iter()
        .flat_map(|streams| axes.budgets.iter().map(move |budget| (*streams, *budget)))
        .collect();
    let height = HEAD + CELL.1 * rows.len() as i32 + 12;
    let plot = Plot::draw("heat", (width as u32, height as u32), |canvas| {
        for (row, (streams, budget)) in rows.iter().enumerate() {
            let text = format!("{streams} x {}", budget_text(*budget));
            let at = (NAMES - 8, HEAD + CELL.1 * row as i32 + CELL.1 / 2);
            write(canvas, &text, at, (HPos::Right, VPos::Center), font(SMALL, INK))?;
        }
        for (number, one) in SHEETS.iter().enumerate() {
            let left = NAMES + number as i32 * (sheet + GAP);
            paint(canvas, one, left, points, &axes, &rows)?;
        }
        Ok(())
    })?;
    let alt = "Two sheets of numbers by streams and budget (rows) and load (columns): what ours is \
               expected to reach in percent of the oracle, and by how many points it is above the best \
               policy with one model. The table has the same figures.";
    let caption = "Rows are numbers of streams and their budget, columns loads. Green is good: within \
                   2 % of the oracle, or above every policy with one model. The oracle is a bound that \
                   no scheduler reaches which does not know the future.";
    Ok(Some(plot.titled("Ours at every point of the grid").described(alt, caption)))
}

fn paint(
    canvas: &Canvas<'_>,
    sheet: &Sheet,
    left: i32,
    points: &[Point],
    axes: &Coordinates,
    rows: &[(usize, f64)],
) -> Drawn {
    write(canvas, sheet.title, (left, 10), (HPos::Left, VPos::Center), font(TEXT, INK))?;
    for (column, load) in axes.loads.iter().enumerate() {
        let x = left + CELL.0 * column as i32;
        let at = (x + CELL.0 / 2, 34);
        write(canvas, &format!("{load}"), at, (HPos::Center, VPos::Center), font(SMALL, MUTED))?;
        for (row, (streams, budget)) in rows.iter().enumerate() {
            let is_here = |point: &&Point| {
                (point.streams, point.budget_ms, point.load) == (*streams, *budget, *load)
            };
            let value = points.iter().find(is_here).and_then(|point| (sheet.value)(&point.case));
            let corner = (x, HEAD + CELL.1 * row as i32);
            cell(canvas, corner, value.map(|value| ((sheet.text)(value), (sheet.good)(value))))?;
        }
    }
    Ok(())
}

fn cell(canvas: &Canvas<'_>, (x, y): (i32, i32), value: Option<(String, f64)>) -> Drawn {
    let Some((text, good)) = value else { return Ok(()) };
    let colour = shade(good);
    let corners = [(x, y), (x + CELL.0 - 1, y + CELL.1 - 1)];
    canvas.draw(&Rectangle::new(corners, colour.filled()))?;
    let middle = (x + CELL.0 / 2, y + CELL.1 / 2);
    write(canvas, &text, middle, (HPos::Center, VPos::Center), font(11, readable_on(colour)))
}

/// From red at -1 over a pale grey at 0 to green at 1.
fn shade(good: f64) -> RGBColor {
    const PALE: [f64; 3] = [238.0, 238.0, 240.0];
    let end = if good < 0.0 { [178.0, 34.0, 52.0] } else { [26.0, 147.0, 111.0] };
    let share = good.abs().min(1.0);
    let [red, green, blue] =
        std::array::from_fn(|part| (PALE[part] + share * (end[part] - PALE[part])).round() as u8);
    RGBColor(red, green, blue)
}
