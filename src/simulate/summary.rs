//! A simulation in words and tables, for the terminal.

use std::fmt::Write as _;

use super::figures::{Carried, Case, Entry, Kind, Plan, Point, Share, Simulation, Spread};
use crate::output::table::Table;

/// All of it.
pub fn summary(simulation: &Simulation) -> String {
    let mut parts: Vec<String> =
        simulation.cases.iter().map(|case| of_case(case, simulation)).collect();
    if !simulation.grid.is_empty() {
        parts.push(of_grid(&simulation.grid));
    }
    parts.extend(simulation.plan.as_ref().map(of_plan));
    parts.join("\n")
}

fn of_case(case: &Case, simulation: &Simulation) -> String {
    let Case { name, rate, load, reference, .. } = case;
    let streams = counted(case.streams.len(), "stream");
    let seconds = case.duration_ms / 1e3;
    let seeds = counted(simulation.seeds, "seed");
    let mut text = format!(
        "{name}: {streams}, {rate:.1} frames/s, load {load:.2} by {reference}; {seconds:.0} s, {seeds}\n"
    );
    let mut table = Table::new([
        "policy",
        "right in time",
        "expected",
        "of oracle",
        "in time",
        "missed",
        "expired",
        "superseded",
        "busy",
    ]);
    shown(case).into_iter().for_each(|entry| table.row(cells(case, entry)));
    let _ = write!(text, "{table}");
    for entry in shown(case).into_iter().filter(|entry| !entry.kind.has_one_model()) {
        if let Some(run) = &entry.run {
            let share = |share: &Share| format!("{} {:.1} %", share.model, share.percent);
            let shares: Vec<String> = run.shares.iter().map(share).collect();
            let _ = writeln!(text, "{} answers by {}", entry.policy, shares.join(", "));
        }
    }
    text
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Of each kind with many models the best, and the one that runs the reference.
pub(super) fn shown(case: &Case) -> Vec<&Entry> {
    let mut shown: Vec<&Entry> = Vec::new();
    for kind in Kind::ALL {
        let best = case.best(kind);
        let reference = case.reference_of(kind).filter(|entry| Some(*entry) != best);
        shown.extend(best.into_iter().chain(reference));
    }
    shown
}

fn cells(case: &Case, entry: &Entry) -> [String; 9] {
    let nothing = String::new;
    let of_oracle = match entry.kind {
        Kind::Omniscient => nothing(),
        _ => case.of_oracle(entry).map_or_else(nothing, percent),
    };
    let Some(run) = &entry.run else {
        let most = format!("at most {}", percent(entry.effective_accuracy.mean));
        return [
            entry.policy.clone(),
            most,
            nothing(),
            of_oracle,
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
        ];
    };
    let mean = |spread: Spread| percent(spread.mean);
    [
        entry.policy.clone(),
        spread(entry.effective_accuracy),
        mean(entry.expected_accuracy),
        of_oracle,
        mean(run.in_time),
        mean(run.miss_ratio),
        mean(run.expired),
        mean(run.superseded),
        mean(run.utilisation),
    ]
}

fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

fn spread(spread: Spread) -> String {
    format!("{:.1} ± {:.1} %", spread.mean, spread.deviation)
}

/// The points of each load: what is reached of the oracle, and how far it is from the best fixed model.
fn of_grid(points: &[Point]) -> String {
    let mut text = format!("grid: {}\n", counted(points.len(), "point"));
    let mut loads: Vec<f64> = points.iter().map(|point| point.load).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    for kind in [Kind::Ours, Kind::Adaptive] {
        if points.iter().all(|point| point.case.best(kind).is_none()) {
            continue;
        }
        let mut table = Table::new([
            "load",
            "of oracle, mean",
            "least",
            "against best fixed, mean",
            "least",
            "below it at",
        ]);
        for &load in &loads {
            let at_load = points.iter().filter(|point| point.load == load);
            let cases: Vec<&Case> = at_load.map(|point| &point.case).collect();
            table.row(grid_row(load, kind, &cases));
        }
        let _ = write!(text, "\n{}\n{table}", kind.name());
    }
    text
}

fn grid_row(load: f64, kind: Kind, cases: &[&Case]) -> [String; 6] {
    let entries = || cases.iter().filter_map(|case| Some((*case, case.best(kind)?)));
    let of_oracle: Vec<f64> = entries().filter_map(|(case, entry)| case.of_oracle(entry)).collect();
    let against: Vec<f64> =
        entries().filter_map(|(case, entry)| against_fixed(case, entry)).collect();
    let below = against.iter().filter(|points| **points < 0.0).count();
    let or_nothing = |values: &[f64], write: fn(f64) -> String, of: fn(&[f64]) -> f64| match values
    {
        [] => String::new(),
        values => write(of(values)),
    };
    [
        format!("{load}"),
        or_nothing(&of_oracle, percent, mean),
        or_nothing(&of_oracle, percent, least),
        or_nothing(&against, signed, mean),
        or_nothing(&against, signed, least),
        format!("{below} of {}", against.len()),
    ]
}

/// How many points an entry is above the best that runs one model only.
pub(super) fn against_fixed(case: &Case, entry: &Entry) -> Option<f64> {
    Some(entry.expected_accuracy.mean - case.best_fixed()?.expected_accuracy.mean)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn signed(points: f64) -> String {
    format!("{points:+.1}")
}

fn of_plan(plan: &Plan) -> String {
    let least =
        |what: &str, percent: Option<f64>| percent.map(|percent| format!("{percent} % {what}"));
    let conditions = [least("right in time", plan.accuracy), least("in time", plan.in_time)];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    let budget = plan.budget_ms;
    let mut text =
        format!("cameras with at least {} in {budget} ms each\n", conditions.join(" and "));
    let mut table = Table::new([
        "circumstances",
        "frames/s",
        "ours",
        "adaptive",
        "one model",
        "which",
        "right in time",
    ]);
    for row in &plan.rows {
        let of = |kind: Kind| row.cameras.iter().find(|carried| carried.kind == kind);
        let cameras =
            |carried: Option<&Carried>| carried.map_or_else(String::new, |one| many(plan, one));
        let fixed = row.best_fixed();
        let which = fixed.and_then(|one| one.policy.clone());
        let right = fixed.and_then(|one| one.effective_accuracy);
        table.row([
            row.variant.clone(),
            format!("{}", row.rate),
            cameras(of(Kind::Ours)),
            cameras(of(Kind::Adaptive)),
            cameras(fixed),
            which.unwrap_or_default(),
            right.map_or_else(String::new, percent),
        ]);
    }
    let _ = write!(text, "{table}");
    text
}

fn many(plan: &Plan, carried: &Carried) -> String {
    let or_more = if carried.cameras == plan.most { " or more" } else { "" };
    format!("{}{or_more}", carried.cameras)
}
