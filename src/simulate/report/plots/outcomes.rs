//! What becomes of the frames under each policy, as stacked bars.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::colour;
use crate::report::plot::{
    Canvas, DrawError, Drawn, INK, Key, Plot, Rows, font, in_row, legend, name, readable_on, width,
    write,
};
use crate::simulate::figures::{Case, Entry, Kind, RunFigures};
use crate::simulate::summary::shown;

const WIDTH: u32 = 960;
const ROW: usize = 30;
const NAMES: i32 = 220;
const LEGEND: i32 = 32;

/// What can become of a frame, its colour, and its share.
type Part = (&'static str, RGBColor, fn(&Entry, &RunFigures) -> f64);

const PARTS: [Part; 5] = [
    ("right in time", RGBColor(0x1a, 0x93, 0x6f), |entry, _| entry.effective_accuracy.mean),
    ("wrong in time", RGBColor(0xdd, 0xaa, 0x33), |entry, run| {
        run.in_time.mean - entry.effective_accuracy.mean
    }),
    ("late", RGBColor(0xc8, 0x32, 0x4b), |_, run| run.late.mean),
    ("expired", RGBColor(0x77, 0x88, 0x99), |_, run| run.expired.mean),
    ("superseded", RGBColor(0xb8, 0xc2, 0xcc), |_, run| run.superseded.mean),
];

/// `None` if nothing was compared.
pub fn plot(id: String, case: &Case) -> Result<Option<Plot>, DrawError> {
    let entries = shown(case);
    if entries.is_empty() {
        return Ok(None);
    }
    let height = entries.len() * ROW + LEGEND as usize + 52;
    let plot = Plot::draw(id, (WIDTH, height as u32), |canvas| paint(canvas, &entries))?;
    let alt = format!(
        "Stacked bars for {}: what share of the captured frames is answered rightly in time, wrongly \
         in time or late, expires, or is superseded. The table has the same figures.",
        entries.iter().map(|entry| entry.policy.as_str()).collect::<Vec<_>>().join(", ")
    );
    let caption = "Every captured frame has one outcome. The oracles' lines are bounds: no schedule is \
                   right in time more often. Of policies with one model the best is shown, and the one \
                   with the model that a user would pick.";
    Ok(Some(plot.titled(format!("Outcomes, {}", case.name)).described(alt, caption)))
}

fn paint(canvas: &Canvas<'_>, entries: &[&Entry]) -> Drawn {
    let (top, rest) = canvas.split_vertically(LEGEND);
    let keys = PARTS.map(|(name, colour, _)| Key::patch(colour, name));
    legend(&top, &keys, (NAMES, 14), WIDTH as i32)?;
    let rows = Rows {
        count: entries.len(),
        names: NAMES,
        margins: (0, 24),
        scale: 0.0..100.0,
        title: "share of the captured frames, %",
        numbers: &|percent| format!("{percent:.0}"),
    };
    let chart = rows.chart(&rest)?;
    for (row, entry) in entries.iter().enumerate() {
        let pixel = in_row(&chart, &rest, row);
        rows.name(&rest, &name(&entry.policy), pixel(0.0, 0.5).1)?;
        match &entry.run {
            Some(run) => stack(&rest, entry, run, pixel)?,
            None => limit(&rest, entry.kind, entry.effective_accuracy.mean, pixel)?,
        }
    }
    Ok(())
}

/// One bar, with the numbers that there is room for.
fn stack(
    canvas: &Canvas<'_>,
    entry: &Entry,
    run: &RunFigures,
    pixel: impl Fn(f64, f64) -> (i32, i32),
) -> Drawn {
    let mut start = 0.0;
    for (_, colour, share) in PARTS {
        let share = share(entry, run);
        let corners = [pixel(start, 0.14), pixel(start + share, 0.86)];
        start += share;
        if corners[0].0 == corners[1].0 {
            continue;
        }
        canvas.draw(&Rectangle::new(corners, colour.filled()))?;
        let text = format!("{share:.1}");
        if width(&text, 11) + 6 <= corners[1].0 - corners[0].0 {
            let at = pixel(start - share / 2.0, 0.5);
            let style = font(11, readable_on(colour));
            write(canvas, &text, at, (HPos::Center, VPos::Center), style)?;
        }
    }
    Ok(())
}

/// What an oracle does not exceed.
fn limit(
    canvas: &Canvas<'_>,
    kind: Kind,
    most: f64,
    pixel: impl Fn(f64, f64) -> (i32, i32),
) -> Drawn {
    let style = colour(kind).stroke_width(2);
    let (start, end) = (pixel(0.0, 0.5), pixel(most, 0.5));
    canvas.draw(&PathElement::new(vec![start, end], style))?;
    canvas.draw(&PathElement::new(vec![pixel(most, 0.2), pixel(most, 0.8)], style))?;
    let at = (end.0 + 6, end.1);
    write(canvas, &format!("at most {most:.1}"), at, (HPos::Left, VPos::Center), font(11, INK))
}
