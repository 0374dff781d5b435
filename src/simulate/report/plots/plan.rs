//! How many cameras are carried, as bars.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{BEST_FIXED, colour};
use crate::report::plot::{
    Canvas, DrawError, Drawn, INK, Key, Plot, Rows, font, in_row, legend, name, write,
};
use crate::simulate::figures::{Carried, Kind, Plan, PlanRow};

const WIDTH: u32 = 960;
const ROW: usize = 44;
const NAMES: i32 = 290;
const LEGEND: i32 = 32;

/// `None` if there is no answer.
pub fn plot(plan: &Plan) -> Result<Option<Plot>, DrawError> {
    if plan.rows.is_empty() {
        return Ok(None);
    }
    let height = plan.rows.len() * ROW + LEGEND as usize + 52;
    let plot = Plot::draw("plan", (WIDTH, height as u32), |canvas| paint(canvas, plan))?;
    let alt = format!(
        "Pairs of bars for {} circumstances and rates: how many cameras ours carries, and how many the \
         best policy with one model. The table has the same figures.",
        plan.rows.len()
    );
    let caption =
        "The most cameras with which what is asked for is still reached, all at the same rate.";
    Ok(Some(plot.titled("How many cameras are carried").described(alt, caption)))
}

/// Ours, or else adaptive; and the best with one model.
fn bars(row: &PlanRow) -> [Option<&Carried>; 2] {
    let of = |kind: Kind| row.cameras.iter().find(|carried| carried.kind == kind);
    [of(Kind::Ours).or_else(|| of(Kind::Adaptive)), row.best_fixed()]
}

fn paint(canvas: &Canvas<'_>, plan: &Plan) -> Drawn {
    let (top, rest) = canvas.split_vertically(LEGEND);
    let keys = [(Kind::Ours, "ours"), (Kind::Fixed, BEST_FIXED)];
    let keys = keys.map(|(kind, name)| Key::patch(colour(kind), name));
    legend(&top, &keys, (NAMES, 14), WIDTH as i32)?;
    let all = plan.rows.iter().flat_map(|row| bars(row).into_iter().flatten());
    let most = all.map(|carried| carried.cameras).max().unwrap_or(0).max(1);
    let rows = Rows {
        count: plan.rows.len(),
        names: NAMES,
        margins: (0, 40),
        scale: 0.0..most as f64,
        title: "cameras",
        numbers: &|cameras| format!("{cameras:.0}"),
    };
    let chart = rows.chart(&rest)?;
    for (number, row) in plan.rows.iter().enumerate() {
        let pixel = in_row(&chart, &rest, number);
        let text = format!("{}, {} frames/s", name(&row.variant), row.rate);
        rows.name(&rest, &text, pixel(0.0, 0.5).1)?;
        for ((carried, kind), from) in
            bars(row).into_iter().zip([Kind::Ours, Kind::Fixed]).zip([0.14, 0.52])
        {
            let Some(carried) = carried else { continue };
            let cameras = carried.cameras as f64;
            let corners = [pixel(0.0, from), pixel(cameras, from + 0.34)];
            rest.draw(&Rectangle::new(corners, colour(kind).filled()))?;
            let at = (corners[1].0 + 5, (corners[0].1 + corners[1].1) / 2);
            let or_more = if carried.cameras == plan.most { " or more" } else { "" };
            let text = format!("{cameras}{or_more}");
            write(&rest, &text, at, (HPos::Left, VPos::Center), font(11, INK))?;
        }
    }
    Ok(())
}
