//! Carries a scenario out: every policy in every circumstance with every seed, on all processors.

mod measure;
mod plan;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::figures::{Case, Kind, Point, Simulation};
use super::scenario::{Grid, Policy, Scenario};
use super::setting::Setting;
use super::world::{LoadCurve, Stream};
use crate::learn::parallel::in_parallel;
use measure::{Contestant, Measured, contestants, figures, measure};

/// Who watches a simulation go on.
pub trait Watch: Sync {
    /// So many more runs are to come.
    fn expect(&self, runs: u64);

    /// A run is over.
    fn tick(&self);
}

/// Circumstances with a name.
struct Circumstances {
    name: String,
    setting: Setting,
    /// The model that the load is reckoned by.
    reference: usize,
}

/// Simulates. `start` is any instant, which simulated time counts from.
pub fn run(scenario: &Scenario, start: Instant, watch: &dyn Watch) -> Simulation {
    let bench = Bench { seed: scenario.seed, seeds: scenario.seeds.get(), start, watch };
    let (cases, case_events) = bench.compare(&cases(scenario), &scenario.policies);
    let points = scenario.grid.as_ref().map_or_else(Vec::new, |grid| points(scenario, grid));
    let (coordinates, circumstances): (Vec<_>, Vec<_>) = points.into_iter().unzip();
    let (grid, grid_events) = bench.compare(&circumstances, &scenario.policies);
    let plan = scenario.plan.as_ref().map(|plan| plan::carry_out(scenario, plan, &bench));
    let (plan, plan_events) = plan.map_or((None, 0), |(plan, events)| (Some(plan), events));
    let point = |(Coordinates { streams, budget, load }, case)| Point {
        streams,
        budget_ms: milliseconds(budget),
        load,
        case,
    };
    Simulation {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        seed: scenario.seed,
        seeds: scenario.seeds.get(),
        cases,
        grid: coordinates.into_iter().zip(grid).map(point).collect(),
        plan,
        events: case_events + grid_events + plan_events,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The scenario's own circumstances and their variants; none if it has no streams.
fn cases(scenario: &Scenario) -> Vec<Circumstances> {
    if scenario.setting.streams.is_empty() {
        return Vec::new();
    }
    let named = |(name, setting): (String, Setting)| Circumstances {
        name,
        reference: setting.reference(),
        setting,
    };
    all_settings(scenario).into_iter().map(named).collect()
}

/// The scenario's setting and those of its variants, with their names.
fn all_settings(scenario: &Scenario) -> Vec<(String, Setting)> {
    let own = (scenario.name.clone(), scenario.setting.clone());
    let variants = scenario.variants.iter();
    let variants = variants.map(|one| (one.name.clone(), one.apply(&scenario.setting)));
    std::iter::once(own).chain(variants).collect()
}

/// Where in the grid a point is.
#[derive(Clone, Copy)]
struct Coordinates {
    streams: usize,
    budget: Duration,
    load: f64,
}

fn points(scenario: &Scenario, grid: &Grid) -> Vec<(Coordinates, Circumstances)> {
    let mut points = Vec::new();
    for &streams in &grid.streams {
        for &budget in &grid.budgets {
            for &load in &grid.loads {
                let at = Coordinates { streams, budget, load };
                points.push((at, circumstances(scenario, grid, at)));
            }
        }
    }
    points
}

fn circumstances(scenario: &Scenario, grid: &Grid, at: Coordinates) -> Circumstances {
    let Coordinates { streams, budget, load } = at;
    let mut setting = scenario.setting.clone();
    setting.streams = alike(streams, 1.0, budget, grid.jitter);
    let named = grid.reference.as_ref();
    let named = named.and_then(|id| setting.models.iter().position(|model| model.id == *id));
    let reference = named.unwrap_or_else(|| setting.reference());
    let rate = load * setting.capacity(reference);
    setting.streams = alike(streams, rate / streams as f64, budget, grid.jitter);
    setting.duration = Duration::from_secs_f64(grid.frames as f64 / rate);
    let name = format!("{streams} x {} at {load}", humantime::format_duration(budget));
    Circumstances { name, setting, reference }
}

/// So many streams that differ in nothing but where their periods begin.
fn alike(count: usize, rate: f64, budget: Duration, jitter: f64) -> Vec<Stream> {
    let stream = |number: usize| Stream {
        name: format!("camera-{}", number + 1),
        period: Duration::from_secs_f64(rate.recip()),
        budget,
        jitter,
        load: LoadCurve::default(),
    };
    (0..count).map(stream).collect()
}

/// What all comparisons of a simulation have in common.
struct Bench<'a> {
    seed: u64,
    seeds: usize,
    start: Instant,
    watch: &'a dyn Watch,
}

impl Bench<'_> {
    /// Compares policies in every one of the circumstances; the events that were simulated besides.
    fn compare(&self, all: &[Circumstances], policies: &[Policy]) -> (Vec<Case>, u64) {
        let field: Vec<Vec<Contestant>> =
            all.iter().map(|one| contestants(policies, &one.setting)).collect();
        let mut tasks = Vec::new();
        for (place, contestants) in field.iter().enumerate() {
            for contestant in contestants {
                tasks.extend((0..self.seeds as u64).map(|number| (place, contestant, number)));
            }
        }
        self.watch.expect(tasks.len() as u64);
        let measured = in_parallel(&tasks, |(place, contestant, number)| {
            let measured =
                measure(&all[*place].setting, contestant, self.seed + number, self.start);
            self.watch.tick();
            measured
        });
        let events = measured.iter().map(Measured::events).sum();
        let mut rest = &measured[..];
        let case = |(one, contestants): (&Circumstances, &Vec<Contestant>)| {
            let (own, others) = rest.split_at(contestants.len() * self.seeds);
            rest = others;
            self.case(one, contestants, own)
        };
        (all.iter().zip(&field).map(case).collect(), events)
    }

    fn case(&self, one: &Circumstances, field: &[Contestant], measured: &[Measured]) -> Case {
        let Circumstances { name, setting, reference } = one;
        let of_each = field.iter().zip(measured.chunks(self.seeds));
        let entries = of_each.map(|(contestant, runs)| figures(setting, contestant, runs));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.kind);
        let frames = measured.iter().filter_map(Measured::captured);
        let (count, sum) = frames.fold((0_u64, 0), |(count, sum), one| (count + 1, sum + one));
        Case {
            name: name.clone(),
            rate: setting.rate(),
            load: setting.load(*reference),
            reference: setting.models[*reference].id.to_string(),
            streams: setting.streams.iter().map(|stream| stream.name.clone()).collect(),
            duration_ms: milliseconds(setting.duration),
            frames: sum as f64 / (count as f64).max(1.0),
            entries,
        }
    }
}

/// The kinds of policies that really run.
fn running_kinds(policies: &[Policy]) -> Vec<Kind> {
    let kinds = Kind::ALL.into_iter();
    let is_named = |kind: &Kind| policies.iter().any(|policy| measure::kind(policy) == *kind);
    kinds
        .filter(|kind| is_named(kind) && !matches!(kind, Kind::Oracle | Kind::Omniscient))
        .collect()
}
