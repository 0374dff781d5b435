//! The most important of a simulation, in sentences.

use crate::report::numbers::{budget, percent, signed};
use crate::simulate::figures::{Case, Kind, Point, Simulation};
use crate::simulate::summary::against_fixed;

/// The findings, the most important first.
pub(super) fn findings(simulation: &Simulation) -> Vec<String> {
    let mut findings: Vec<String> = simulation.cases.iter().filter_map(of_case).collect();
    findings.extend(against_oracle(&simulation.grid));
    findings.extend(against_one_model(&simulation.grid));
    findings
}

fn of_case(case: &Case) -> Option<String> {
    let (ours, fixed) = (case.best(Kind::Ours)?, case.best_fixed()?);
    let of_oracle = case.of_oracle(ours).map_or_else(String::new, |share| {
        format!(", {} of what the oracle reaches at most", percent(share))
    });
    Some(format!(
        "{}: ours is expected to be right in time on {} of the frames{of_oracle}; the best policy with \
         one model, {}, on {}.",
        case.name,
        percent(ours.expected_accuracy.mean),
        fixed.policy,
        percent(fixed.expected_accuracy.mean)
    ))
}

/// What is found at points of the grid, with where it is.
fn found<'a>(
    grid: &'a [Point],
    of: impl Fn(&Case) -> Option<f64> + 'a,
) -> impl Iterator<Item = (f64, &'a Point)> {
    grid.iter().filter_map(move |point| Some((of(&point.case)?, point)))
}

fn place(point: &Point) -> String {
    let streams = if point.streams == 1 { "stream" } else { "streams" };
    let Point { streams: count, load, .. } = point;
    format!("{count} {streams} with {} at load {load}", budget(point.budget_ms))
}

fn against_oracle(grid: &[Point]) -> Option<String> {
    let shares = || {
        let all = found(grid, |case| case.of_oracle(case.best(Kind::Ours)?));
        all.filter(|(_, point)| point.load <= 1.0)
    };
    let (least, worst) = shares().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let count = shares().count();
    let mean = shares().map(|(share, _)| share).sum::<f64>() / count as f64;
    let near = shares().filter(|(share, _)| *share >= 98.0).count();
    Some(format!(
        "Over the {count} points of the grid with loads up to 1, ours is expected to reach {} of the \
         oracle on average, within 2 % of it at {near}, and {} at the worst ({}).",
        percent(mean),
        percent(least),
        place(worst)
    ))
}

fn against_one_model(grid: &[Point]) -> Option<String> {
    let points = || found(grid, |case| against_fixed(case, case.best(Kind::Ours)?));
    let (least, worst) = points().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let (most, best) = points().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let below = points().filter(|(points, _)| *points < 0.0).count();
    Some(format!(
        "Against the best policy with one model, picked anew at every point, ours is below it at \
         {below} of {} points: from {} points ({}) to {} points ({}).",
        points().count(),
        signed(least),
        place(worst),
        signed(most),
        place(best)
    ))
}
