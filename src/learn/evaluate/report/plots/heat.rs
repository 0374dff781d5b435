//! How features go together, as a map.

use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::{
    Canvas, DrawError, Drawn, INK, MUTED, Plot, SMALL, TEXT, font, name, readable_on, width, write,
};
use crate::learn::evaluate::figures::Correlation;

const WIDTH: i32 = 960;
const LEFT: i32 = 210;

/// Pearson's r of features that the paper calls too alike.
const ALIKE: f64 = 0.75;

/// `None` if there is no feature.
pub fn plot(correlation: &Correlation) -> Result<Option<Plot>, DrawError> {
    let count = correlation.features.len();
    if count == 0 {
        return Ok(None);
    }
    let cell = ((WIDTH - LEFT - 60) / count as i32).clamp(18, 56);
    let names = correlation.features.iter().map(|feature| width(&name(feature), TEXT));
    let top = names.max().unwrap_or(0) + 16;
    let wide = (LEFT + cell * count as i32 + 40).max(LEFT + 280);
    let size = (wide as u32, (top + cell * count as i32 + 50) as u32);
    let plot = Plot::draw("correlation", size, |canvas| paint(canvas, correlation, cell, top))?;
    let alike = alike(correlation);
    let pairs = if alike.is_empty() { "none".to_owned() } else { alike.join(", ") };
    let alt = format!(
        "Map of the correlation of {count} features with each other. Pairs beyond 0.75: {pairs}."
    );
    let caption = format!(
        "Pearson's r of each two features: blue together, red opposite, pale unrelated. Of two \
         beyond ±0.75 one says what the other says already. Such pairs: {pairs}."
    );
    Ok(Some(plot.titled("How the features go together").described(alt, caption)))
}

fn at(correlation: &Correlation, row: usize, column: usize) -> Option<f64> {
    let value = correlation.matrix.get(row)?.get(column).copied().flatten();
    value.filter(|r| r.is_finite())
}

fn alike(correlation: &Correlation) -> Vec<String> {
    let features = &correlation.features;
    let pairs = (0..features.len()).flat_map(|a| (a + 1..features.len()).map(move |b| (a, b)));
    let alike = pairs.filter_map(|(a, b)| {
        let r = at(correlation, a, b).filter(|r| r.abs() > ALIKE)?;
        Some(format!("{} and {} ({r:.2})", features[a], features[b]))
    });
    alike.collect()
}

fn paint(canvas: &Canvas<'_>, correlation: &Correlation, cell: i32, top: i32) -> Drawn {
    let count = correlation.features.len();
    for (number, feature) in correlation.features.iter().enumerate() {
        let along = number as i32 * cell + cell / 2;
        let text = name(feature);
        let beside = (LEFT - 8, top + along);
        write(canvas, &text, beside, (HPos::Right, VPos::Center), font(TEXT, INK))?;
        let upright = ("sans-serif", TEXT).into_font().transform(FontTransform::Rotate270);
        let above = (LEFT + along, top - 8);
        write(canvas, &text, above, (HPos::Left, VPos::Center), upright.color(&INK))?;
        for column in 0..count {
            let corner = (LEFT + column as i32 * cell, top + number as i32 * cell);
            square(canvas, at(correlation, number, column), corner, cell)?;
        }
    }
    scale(canvas, (LEFT, top + count as i32 * cell + 14))
}

fn square(canvas: &Canvas<'_>, r: Option<f64>, (x, y): (i32, i32), cell: i32) -> Drawn {
    let colour = r.map_or(MUTED, shade);
    let corners = [(x, y), (x + cell - 1, y + cell - 1)];
    canvas.draw(&Rectangle::new(corners, colour.filled()))?;
    if cell < 36 {
        return Ok(());
    }
    let text = r.map_or("–".to_owned(), |r| format!("{r:.2}").replace('-', "−"));
    let (middle, style) = ((x + cell / 2, y + cell / 2), font(SMALL, readable_on(colour)));
    write(canvas, &text, middle, (HPos::Center, VPos::Center), style)
}

/// From red at -1 over a pale grey at 0 to blue at 1.
fn shade(r: f64) -> RGBColor {
    const PALE: [f64; 3] = [238.0, 238.0, 240.0];
    let end = if r < 0.0 { [178.0, 34.0, 52.0] } else { [33.0, 90.0, 170.0] };
    let share = r.abs().min(1.0);
    let [red, green, blue] =
        std::array::from_fn(|part| (PALE[part] + share * (end[part] - PALE[part])).round() as u8);
    RGBColor(red, green, blue)
}

/// What the colours mean.
fn scale(canvas: &Canvas<'_>, (x, y): (i32, i32)) -> Drawn {
    const STEPS: i32 = 40;
    for step in 0..STEPS {
        let r = f64::from(2 * step) / f64::from(STEPS - 1) - 1.0;
        let corners = [(x + 6 * step, y), (x + 6 * step + 7, y + 12)];
        canvas.draw(&Rectangle::new(corners, shade(r).filled()))?;
    }
    for (text, along) in [("−1", 0), ("0", 3 * STEPS), ("1", 6 * STEPS)] {
        let below = (x + along, y + 15);
        write(canvas, text, below, (HPos::Center, VPos::Top), font(SMALL, INK))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(matrix: Vec<Vec<Option<f64>>>) -> Correlation {
        Correlation { features: ["a", "b", "c"].map(str::to_owned).to_vec(), matrix }
    }

    #[test]
    fn pairs_that_are_too_alike_are_named_once() {
        let rows = [[1.0, -0.8, 0.1], [-0.8, 1.0, 0.75], [0.1, 0.75, 1.0]];
        let correlation = example(rows.iter().map(|row| row.map(Some).to_vec()).collect());
        assert_eq!(alike(&correlation), ["a and b (-0.80)"]);
    }

    #[test]
    fn a_matrix_that_is_too_small_is_drawn_with_gaps() {
        let plot = plot(&example(vec![vec![Some(1.0), None], vec![Some(f64::NAN)]])).unwrap();
        assert!(plot.unwrap().figure().as_str().matches('–').count() >= 8);
    }

    #[test]
    fn shades_run_from_red_to_blue() {
        assert_eq!(shade(0.0), RGBColor(238, 238, 240));
        assert_eq!(shade(-1.0), RGBColor(178, 34, 52));
        assert_eq!(shade(7.0), shade(1.0));
    }
}
