//! The tables of a simulation's report.

use crate::report::markup::Markup;
use crate::report::numbers::{budget, or_dash, percent, signed, tenth};
use crate::report::table::{Table, row};
use crate::simulate::figures::{Case, Entry, Kind, Plan, Point, RunFigures, Spread};
use crate::simulate::summary::against_fixed;

/// Every policy of a case.
pub(super) fn case(case: &Case) -> Markup {
    let caption = format!(
        "All policies, {}. Shares in percent of the captured frames; of the missed in percent of those \
         that a model was run on; ± is the standard deviation over the seeds.",
        case.name
    );
    let columns = [
        "policy",
        "right in time",
        "expected",
        "of oracle",
        "in time",
        "missed",
        "late",
        "expired",
        "superseded",
        "busy",
        "runs an answer",
        "answers by",
    ];
    let mut table = Table::new(&caption, &columns);
    for kind in Kind::ALL {
        let rows = case.of(kind).map(|entry| entry_row(case, entry)).collect();
        table.section(kind.name(), rows);
    }
    table.finish()
}

fn entry_row(case: &Case, entry: &Entry) -> Markup {
    let run = entry.run.as_ref();
    let of_run = |of: fn(&RunFigures) -> f64| or_dash(run.map(of), tenth);
    let of_oracle = case.of_oracle(entry).filter(|_| entry.kind != Kind::Omniscient);
    let shares = |run: &RunFigures| {
        let share = run.shares.iter().map(|one| format!("{} {}", one.model, percent(one.percent)));
        share.collect::<Vec<_>>().join(", ")
    };
    let effective = match run {
        Some(_) => spread(entry.effective_accuracy),
        None => format!("at most {}", tenth(entry.effective_accuracy.mean)),
    };
    let cells = [
        effective,
        tenth(entry.expected_accuracy.mean),
        or_dash(of_oracle, tenth),
        of_run(|run| run.in_time.mean),
        of_run(|run| run.miss_ratio.mean),
        of_run(|run| run.late.mean),
        of_run(|run| run.expired.mean),
        of_run(|run| run.superseded.mean),
        of_run(|run| run.utilisation.mean),
        or_dash(run.map(|run| run.runs_per_answer), |runs| format!("{runs:.2}")),
        or_dash(run, shares),
    ];
    row(&entry.policy, cells)
}

fn spread(spread: Spread) -> String {
    format!("{} ± {}", tenth(spread.mean), tenth(spread.deviation))
}

/// Every point of the grid.
pub(super) fn grid(points: &[Point]) -> Markup {
    let caption = "Every point of the grid: expected effective accuracies in percent";
    let columns = [
        "streams",
        "budget",
        "load",
        "frames/s",
        "reference",
        "oracle, at most",
        "some schedule",
        "ours",
        "of oracle",
        "adaptive",
        "best with one model",
        "which",
        "ours above it",
        "newest wins, reference",
    ];
    let mut table = Table::new(caption, &columns);
    let mut streams: Vec<usize> = points.iter().map(|point| point.streams).collect();
    streams.dedup();
    for count in streams {
        let own = points.iter().filter(|point| point.streams == count);
        let heading = format!("{count} stream{}", if count == 1 { "" } else { "s" });
        table.section(&heading, own.map(point_row).collect());
    }
    table.finish()
}

fn point_row(point: &Point) -> Markup {
    let case = &point.case;
    let ours = case.best(Kind::Ours);
    let expected =
        |entry: Option<&Entry>| or_dash(entry.map(|entry| entry.expected_accuracy.mean), tenth);
    let reached = case.best(Kind::Oracle).and_then(|oracle| oracle.reached);
    let cells = [
        budget(point.budget_ms),
        point.load.to_string(),
        tenth(case.rate),
        case.reference.clone(),
        expected(case.best(Kind::Oracle)),
        or_dash(reached.map(|reached| reached.mean), tenth),
        expected(ours),
        or_dash(ours.and_then(|entry| case.of_oracle(entry)), tenth),
        expected(case.best(Kind::Adaptive)),
        expected(case.best_fixed()),
        or_dash(case.best_fixed(), |entry| entry.policy.clone()),
        or_dash(ours.and_then(|entry| against_fixed(case, entry)), signed),
        expected(case.reference_of(Kind::Fifo)),
    ];
    row(point.streams.to_string(), cells)
}

/// How many cameras are carried, by every kind of policy.
pub(super) fn plan(plan: &Plan) -> Markup {
    let conditions = [
        plan.accuracy.map(|least| format!("{} right in time", percent(least))),
        plan.in_time.map(|least| format!("{} in time", percent(least))),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    let caption = format!(
        "The most cameras with at least {} in {}; up to {} were tried",
        conditions.join(" and "),
        budget(plan.budget_ms),
        plan.most
    );
    let columns = ["circumstances", "frames/s", "policy", "cameras", "right in time"];
    let lines = plan.rows.iter().flat_map(|one| {
        one.cameras.iter().map(|carried| {
            let policy = carried.policy.clone();
            let cells = [
                one.rate.to_string(),
                policy.unwrap_or_else(|| carried.kind.name().to_owned()),
                carried.cameras.to_string(),
                or_dash(carried.effective_accuracy, percent),
            ];
            row(&one.variant, cells)
        })
    });
    Table::new(&caption, &columns).rows(lines).finish()
}
