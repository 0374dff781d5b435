//! Bars: what features are worth, and what is right in time.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{
    Canvas, DrawError, Drawn, INK, Key, Plot, SMALL, colour, font, legend, name, span, write,
};
use crate::learn::evaluate::figures::{Group, Importance, Interval, Kind};
use crate::learn::evaluate::findings::best_in_time;
use crate::learn::evaluate::report::tables::budgets;
use crate::report::numbers::{budget as budget_text, signed, tenth};
use crate::report::plot::{Linear, Rows, plain};

const WIDTH: u32 = 960;
const ROW: usize = 26;

/// The kinds whose best is shown for each budget.
const IN_TIME: [Kind; 6] = [
    Kind::Single,
    Kind::PaperSequence,
    Kind::LearnerMix,
    Kind::Reference,
    Kind::Adaptive,
    Kind::Oracle,
];

/// What each feature is worth; `None` if nothing was measured.
pub fn importance(all: &[Importance]) -> Result<Option<Plot>, DrawError> {
    let mut sorted: Vec<&Importance> =
        all.iter().filter(|one| one.points_lost.is_finite()).collect();
    sorted.sort_by(|a, b| b.points_lost.total_cmp(&a.points_lost));
    let values = sorted.iter().map(|one| one.points_lost).chain([0.0]);
    let Some(span) = span(values, 0.12).filter(|_| !sorted.is_empty()) else { return Ok(None) };
    let height = (sorted.len() * ROW + 64) as u32;
    let plot = Plot::draw("importance", (WIDTH, height), |canvas| lost(canvas, &sorted, span))?;
    let most: Vec<String> = sorted
        .iter()
        .take(3)
        .map(|one| format!("{} {}", one.feature, signed(one.points_lost)))
        .collect();
    let alt = format!(
        "Bars of {} features by the points of accuracy lost when each is shuffled. The first: {}.",
        sorted.len(),
        most.join(", ")
    );
    let caption = "Each bar is what the accuracy of the paper's sequence loses if the values of the \
                   feature are shuffled among the images it is judged on. A bar to the left says that the feature does harm.";
    Ok(Some(plot.titled("What each feature is worth").described(alt, caption)))
}

fn lost(canvas: &Canvas<'_>, features: &[&Importance], span: (f64, f64)) -> Drawn {
    let rows = Rows {
        count: features.len(),
        names: 220,
        margins: (8, 30),
        scale: span.0..span.1,
        title: "points of top-1 accuracy lost when the feature is shuffled",
        numbers: &|points| signed(*points),
    };
    let chart = rows.chart(canvas)?;
    for (row, feature) in features.iter().enumerate() {
        let (row, points) = (row as f64, feature.points_lost);
        let bar = [(points.min(0.0), row + 0.18), (points.max(0.0), row + 0.82)];
        chart.plotting_area().draw(&Rectangle::new(bar, colour(Kind::Single).filled()))?;
        let (end, middle) = chart.backend_coord(&(points, row + 0.5));
        rows.name(canvas, &name(&feature.feature), middle)?;
        let (gap, side) = if points < 0.0 { (-5, HPos::Right) } else { (5, HPos::Left) };
        let value = signed(points);
        write(canvas, &value, (end + gap, middle), (side, VPos::Center), font(SMALL, INK))?;
    }
    let zero = vec![(0.0, 0.0), (0.0, features.len() as f64)];
    chart.plotting_area().draw(&PathElement::new(zero, INK))
}

/// The best of each kind by budget; `None` if no budget was asked for.
pub fn effective(group: &Group) -> Result<Option<Plot>, DrawError> {
    let budgets = budgets(group);
    let kinds: Vec<Kind> = IN_TIME
        .into_iter()
        .filter(|&kind| group.of(kind).any(|e| !e.effective.is_empty()))
        .collect();
    if budgets.is_empty() || kinds.is_empty() {
        return Ok(None);
    }
    let plot =
        Plot::draw("effective", (WIDTH, 420), |canvas| in_time(canvas, group, &budgets, &kinds))?;
    let alt = format!(
        "Grouped bars: effective accuracy of the best {} for budgets of {}. The table has the same \
         figures.",
        kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(", "),
        budgets.iter().map(|&budget| budget_text(budget)).collect::<Vec<_>>().join(", ")
    );
    let caption = "How often the first guess is right and came within the budget; what comes late \
                   counts as wrong. For each budget the best entry of each kind is shown, picked \
                   after the fact. Bars of error are 95 % intervals.";
    Ok(Some(plot.titled("Effective accuracy by budget").described(alt, caption)))
}

fn in_time(canvas: &Canvas<'_>, group: &Group, budgets: &[f64], kinds: &[Kind]) -> Drawn {
    let (top, rest) = canvas.split_vertically(32);
    let key = |kind: &Kind| Key::patch(colour(*kind), kind.to_string());
    legend(&top, &kinds.iter().map(key).collect::<Vec<_>>(), (68, 14), WIDTH as i32)?;
    let mut chart = ChartBuilder::on(&rest)
        .margin_left(12)
        .margin_right(16)
        .margin_top(16)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..budgets.len() as f64, 0.0..100.0)?;
    plain(&mut chart.configure_mesh())
        .disable_x_mesh()
        .x_labels(0)
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .x_desc("budget of an image")
        .y_desc("right and in time, %")
        .draw()?;
    let bottom = chart.plotting_area().get_pixel_range().1.end - rest.get_base_pixel().1;
    for (position, &budget) in budgets.iter().enumerate() {
        let start = position as f64;
        let at = (chart.backend_coord(&(start + 0.5, 0.0)).0, bottom + 6);
        write(&rest, &budget_text(budget), at, (HPos::Center, VPos::Top), font(SMALL, INK))?;
        let wide = 0.84 / kinds.len() as f64;
        for (number, &kind) in kinds.iter().enumerate() {
            let Some((_, accuracy)) = best_in_time(group, kind, budget) else { continue };
            let left = start + 0.08 + number as f64 * wide;
            bar(&chart, &rest, kind, (left, left + 0.88 * wide), accuracy)?;
        }
    }
    Ok(())
}

fn bar(
    chart: &Linear<'_, '_>,
    canvas: &Canvas<'_>,
    kind: Kind,
    (left, right): (f64, f64),
    accuracy: Interval,
) -> Drawn {
    let Interval { value, low, high } = accuracy;
    if !value.is_finite() {
        return Ok(());
    }
    let area = chart.plotting_area();
    area.draw(&Rectangle::new([(left, 0.0), (right, value)], colour(kind).filled()))?;
    let middle = (left + right) / 2.0;
    if low.is_finite() && high.is_finite() {
        area.draw(&PathElement::new(vec![(middle, low), (middle, high)], INK))?;
    }
    let (x, y) = chart.backend_coord(&(middle, value.max(high)));
    let at = (x, y - canvas.get_base_pixel().1 - 3);
    write(canvas, &tenth(value), at, (HPos::Center, VPos::Bottom), font(11, INK))
}
