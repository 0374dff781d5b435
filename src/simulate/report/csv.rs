//! The figures as tables: a row for each policy in each of the circumstances, and a row for each point
//! of the grid.

use crate::simulate::figures::{Case, Entry, Kind, Point, Simulation, Spread};
use crate::simulate::summary::against_fixed;

const COLUMNS: [&str; 22] = [
    "part",
    "case",
    "streams",
    "budget_ms",
    "load",
    "reference",
    "rate",
    "frames",
    "policy",
    "kind",
    "model",
    "effective_accuracy",
    "effective_accuracy_deviation",
    "expected_accuracy",
    "percent_of_oracle",
    "in_time",
    "miss_ratio",
    "late",
    "expired",
    "superseded",
    "utilisation",
    "answered_by",
];

const OF_POINTS: [&str; 14] = [
    "streams",
    "budget_ms",
    "load",
    "rate",
    "reference",
    "omniscient",
    "oracle",
    "oracle_reached",
    "adaptive",
    "ours",
    "percent_of_oracle",
    "best_fixed",
    "best_fixed_policy",
    "ours_above_best_fixed",
];

/// The points of the grid with what is expected there: accuracies in percent.
pub(super) fn points(points: &[Point]) -> String {
    of_rows(OF_POINTS, points.iter().map(of_point))
}

fn of_point(point: &Point) -> [String; OF_POINTS.len()] {
    let case = &point.case;
    let or_nothing = |value: Option<f64>| value.map_or_else(String::new, number);
    let expected = |entry: Option<&Entry>| or_nothing(entry.map(|one| one.expected_accuracy.mean));
    let reached = case.best(Kind::Oracle).and_then(|oracle| oracle.reached);
    let (ours, fixed) = (case.best(Kind::Ours), case.best_fixed());
    [
        point.streams.to_string(),
        number(point.budget_ms),
        number(point.load),
        number(case.rate),
        case.reference.clone(),
        expected(case.best(Kind::Omniscient)),
        expected(case.best(Kind::Oracle)),
        or_nothing(reached.map(|reached| reached.mean)),
        expected(case.best(Kind::Adaptive)),
        expected(ours),
        or_nothing(ours.and_then(|entry| case.of_oracle(entry))),
        expected(fixed),
        fixed.map_or_else(String::new, |entry| entry.policy.clone()),
        or_nothing(ours.and_then(|entry| against_fixed(case, entry))),
    ]
}

/// The table of policies. In the grid the budget is that of all streams; of other cases, whose streams may differ,
/// it is left out.
pub(super) fn table(simulation: &Simulation) -> String {
    let cases = simulation
        .cases
        .iter()
        .flat_map(|case| case.entries.iter().map(move |entry| row("case", case, None, entry)));
    let grid = simulation.grid.iter().flat_map(|point| {
        let (case, budget) = (&point.case, Some(point.budget_ms));
        case.entries.iter().map(move |entry| row("grid", case, budget, entry))
    });
    of_rows(COLUMNS, cases.chain(grid))
}

fn of_rows<const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and every row has as many cells.
    let mut write = |cells: [String; N]| drop(table.write_record(cells));
    write(columns.map(str::to_owned));
    rows.for_each(write);
    String::from_utf8(table.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn row(part: &str, case: &Case, budget: Option<f64>, entry: &Entry) -> [String; COLUMNS.len()] {
    let run = entry.run.as_ref();
    let of_run = |of: fn(&crate::simulate::figures::RunFigures) -> Spread| {
        run.map_or_else(String::new, |run| number(of(run).mean))
    };
    let shares = run.iter().flat_map(|run| &run.shares);
    let shares: Vec<String> =
        shares.map(|share| format!("{} {}", share.model, number(share.percent))).collect();
    [
        part.to_owned(),
        case.name.clone(),
        case.streams.len().to_string(),
        budget.map_or_else(String::new, number),
        number(case.load),
        case.reference.clone(),
        number(case.rate),
        number(case.frames),
        entry.policy.clone(),
        entry.kind.name().to_owned(),
        entry.model.clone().unwrap_or_default(),
        number(entry.effective_accuracy.mean),
        number(entry.effective_accuracy.deviation),
        number(entry.expected_accuracy.mean),
        case.of_oracle(entry).map_or_else(String::new, number),
        of_run(|run| run.in_time),
        of_run(|run| run.miss_ratio),
        of_run(|run| run.late),
        of_run(|run| run.expired),
        of_run(|run| run.superseded),
        of_run(|run| run.utilisation),
        shares.join("; "),
    ]
}

/// At most three decimals, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_decimals_at_most() {
        assert_eq!([1.5, 100.0, 0.0, 33.333_33].map(number), ["1.5", "100", "0", "33.333"]);
    }
}
