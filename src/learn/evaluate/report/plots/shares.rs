//! Which models each chooser runs, as stacked bars.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{
    Canvas, DrawError, Drawn, Key, Plot, SMALL, font, legend, model_colour, name, readable_on,
    width, write,
};
use crate::learn::evaluate::figures::{Entry, Group, Kind, Share};
use crate::report::plot::{Rows, in_row};

const WIDTH: u32 = 960;
const ROW: usize = 30;
const NAMES: i32 = 290;

/// `None` if no chooser said what it ran.
pub fn plot(group: &Group) -> Result<Option<Plot>, DrawError> {
    let entries = shown(group);
    if entries.is_empty() {
        return Ok(None);
    }
    let models = models(&entries);
    let legend = 26 + 20 * legend_rows(&models);
    let height = entries.len() * ROW + legend + 52;
    let plot = Plot::draw("shares", (WIDTH, height as u32), |canvas| {
        paint(canvas, &entries, &models, legend as i32)
    })?;
    let alt = format!(
        "Stacked bars: on how many of the images {} ran each of {} models. The table has the same \
         figures.",
        entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", "),
        models.len()
    );
    let caption = "The models that each chooser runs, as shares of the images. A bar is longer than \
                   100 % where several models run for one image. Of the mixes of learners only the \
                   best is shown.";
    Ok(Some(plot.titled("Which models are run").described(alt, caption)))
}

/// Choosers that say what they run; of the mixes of learners the best.
fn shown(group: &Group) -> Vec<&Entry> {
    let mix = group.best(Kind::LearnerMix).map(|entry| &entry.name);
    let shown = |entry: &&Entry| match entry.kind {
        Kind::Single => false,
        Kind::LearnerMix => Some(&entry.name) == mix,
        _ => entry.shares.iter().any(drawable),
    };
    Kind::ALL.into_iter().flat_map(|kind| group.of(kind)).filter(shown).collect()
}

fn drawable(share: &Share) -> bool {
    share.percent.is_finite() && share.percent > 0.0
}

/// The models that are run, those that are run most first.
fn models<'a>(entries: &[&'a Entry]) -> Vec<&'a str> {
    let mut totals: Vec<(&str, f64)> = Vec::new();
    for share in entries.iter().flat_map(|entry| &entry.shares).filter(|share| drawable(share)) {
        match totals.iter_mut().find(|(model, _)| *model == share.model) {
            Some((_, total)) => *total += share.percent,
            None => totals.push((&share.model, share.percent)),
        }
    }
    totals.sort_by(|a, b| b.1.total_cmp(&a.1));
    totals.into_iter().map(|(model, _)| model).collect()
}

fn legend_rows(models: &[&str]) -> usize {
    let wide: i32 = models.iter().map(|model| width(&name(model), SMALL) + 34).sum();
    // Half as much again for what is left over where lines break.
    (f64::from(wide) * 1.25 / f64::from(WIDTH as i32 - NAMES)).ceil() as usize
}

fn paint(canvas: &Canvas<'_>, entries: &[&Entry], models: &[&str], top: i32) -> Drawn {
    let key = |(position, model): (usize, &&str)| Key::patch(model_colour(position), name(model));
    let keys: Vec<Key> = models.iter().enumerate().map(key).collect();
    let (head, rest) = canvas.split_vertically(top);
    legend(&head, &keys, (NAMES, 14), WIDTH as i32)?;
    let total = |entry: &&Entry| -> f64 {
        entry.shares.iter().filter(|share| drawable(share)).map(|share| share.percent).sum()
    };
    let longest = entries.iter().map(total).fold(100.0, f64::max);
    let rows = Rows {
        count: entries.len(),
        names: NAMES,
        margins: (0, 20),
        scale: 0.0..longest,
        title: "share of the images that the model ran on, %",
        numbers: &|percent| format!("{percent:.0}"),
    };
    let chart = rows.chart(&rest)?;
    for (row, entry) in entries.iter().enumerate() {
        let pixel = in_row(&chart, &rest, row);
        rows.name(&rest, &name(&entry.name), pixel(0.0, 0.5).1)?;
        stack(&rest, entry, models, pixel)?;
    }
    Ok(())
}

/// One bar; models that have room in it are named.
fn stack(
    canvas: &Canvas<'_>,
    entry: &Entry,
    models: &[&str],
    pixel: impl Fn(f64, f64) -> (i32, i32),
) -> Drawn {
    let mut start = 0.0;
    for (position, model) in models.iter().enumerate() {
        let shares = entry.shares.iter().filter(|share| share.model == *model && drawable(share));
        let percent: f64 = shares.map(|share| share.percent).sum();
        if percent <= 0.0 {
            continue;
        }
        let colour = model_colour(position);
        let corners = [pixel(start, 0.14), pixel(start + percent, 0.86)];
        canvas.draw(&Rectangle::new(corners, colour.filled()))?;
        let text = format!("{} {percent:.0}", name(model));
        let room = corners[1].0 - corners[0].0;
        let shown = [text, format!("{percent:.0}")];
        if let Some(text) = shown.iter().find(|text| width(text, 11) + 6 <= room) {
            let at = pixel(start + percent / 2.0, 0.5);
            let style = font(11, readable_on(colour));
            write(canvas, text, at, (HPos::Center, VPos::Center), style)?;
        }
        start += percent;
    }
    Ok(())
}
