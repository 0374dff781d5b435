//! The figures as a table: a row for each policy in each of the circumstances.

use crate::simulate::figures::{Case, Entry, Simulation, Spread};

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

/// The table. In the grid the budget is that of all streams; of other cases, whose streams may differ,
/// it is left out.
pub(super) fn table(simulation: &Simulation) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and every row has as many cells.
    let mut write = |cells: [String; COLUMNS.len()]| drop(table.write_record(cells));
    write(COLUMNS.map(str::to_owned));
    for case in &simulation.cases {
        case.entries.iter().for_each(|entry| write(row("case", case, None, entry)));
    }
    for point in &simulation.grid {
        let (case, budget) = (&point.case, Some(point.budget_ms));
        case.entries.iter().for_each(|entry| write(row("grid", case, budget, entry)));
    }
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
