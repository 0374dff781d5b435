//! The main table as plain text.

use std::fmt::Write as _;

use super::figures::{Entry, Evaluation, Group, Interval, Kind};
use super::report::tables::budgets;
use crate::report::numbers::{ms, or_dash, signed, tenth, three_digits};

/// The entries on the first group of images, one a line.
pub fn summary(evaluation: &Evaluation) -> String {
    let Some(group) = evaluation.groups.first() else { return String::new() };
    let mut rows = vec![heading(group)];
    for kind in Kind::ALL {
        rows.extend(group.of(kind).map(|entry| row(group, entry)));
    }
    let title = format!(
        "{} images, {} folds; accuracies in percent, times in ms, 95 % intervals in brackets\n",
        group.images, evaluation.data.folds
    );
    let notes = evaluation.data.notes.iter().map(|note| format!("Note: {note}\n"));
    title + &aligned(&rows) + &notes.collect::<String>()
}

fn heading(group: &Group) -> Vec<String> {
    let fixed = ["", "top-1", "top-5", "mean", "p95", "against mix", "against best"];
    let budgets = budgets(group).into_iter().map(|budget| format!("in {}", ms(budget)));
    fixed.into_iter().map(str::to_owned).chain(budgets).collect()
}

fn row(group: &Group, entry: &Entry) -> Vec<String> {
    let Interval { value, low, high } = entry.top1;
    let signed = |interval: Interval| {
        let Interval { value, low, high } = interval;
        format!("{} ({} {})", signed(value), signed(low), signed(high))
    };
    let in_time = |budget: f64| {
        let found = entry.effective.iter().find(|at| at.budget_ms == budget);
        or_dash(found, |at| tenth(at.accuracy.value))
    };
    let fixed = [
        entry.name.clone(),
        format!("{} ({} {})", tenth(value), tenth(low), tenth(high)),
        tenth(entry.top5.value),
        three_digits(entry.time_ms.mean.value),
        three_digits(entry.time_ms.p95),
        or_dash(entry.against_random_mix, signed),
        or_dash(entry.against_best_single, signed),
    ];
    fixed.into_iter().chain(budgets(group).into_iter().map(in_time)).collect()
}

/// Columns as wide as their widest cell; the first to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let written = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
            written.expect("a string takes all that is written");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::report::example;
    use super::*;

    #[test]
    fn every_entry_has_a_line_and_columns_are_aligned() {
        let evaluation = example::evaluation();
        let text = summary(&evaluation);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + evaluation.groups[0].entries.len() + 1);
        assert!(lines[1].ends_with("in 100 ms"), "{}", lines[1]);
        let widths: Vec<usize> =
            lines[1..lines.len() - 1].iter().map(|l| l.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
        let inception = lines.iter().find(|line| line.starts_with("inception_v3")).unwrap();
        assert!(
            inception.contains("83.1 (81.5 84.7)") && inception.contains("78.6"),
            "{inception}"
        );
        assert!(text.contains("Note: The same on every image"));
        assert_eq!(summary(&Evaluation::default()), "");
    }
}
