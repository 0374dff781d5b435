//! Whole scenarios, small ones.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::clock::Clock;
use crate::simulate::example::{model, ms, setting};
use crate::simulate::figures::Entry;
use crate::simulate::scenario::{Plan, Variant};

/// Counts what it is told.
#[derive(Default)]
struct Counter {
    expected: AtomicU64,
    ticks: AtomicU64,
}

impl Watch for Counter {
    fn expect(&self, runs: u64) {
        self.expected.fetch_add(runs, Ordering::Relaxed);
    }

    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

fn scenario() -> Scenario {
    Scenario {
        name: "two streams".to_owned(),
        about: String::new(),
        seed: 1,
        seeds: NonZeroUsize::new(2).unwrap(),
        policies: Policy::ALL.to_vec(),
        setting: setting(),
        variants: Vec::new(),
        grid: None,
        plan: None,
    }
}

fn simulated(scenario: &Scenario) -> Simulation {
    let counter = Counter::default();
    let simulation = run(scenario, Clock.now(), &counter);
    let ticks = counter.ticks.load(Ordering::Relaxed);
    assert!(ticks > 0 && ticks == counter.expected.load(Ordering::Relaxed));
    simulation
}

fn entry<'a>(case: &'a Case, policy: &str) -> &'a Entry {
    case.entries.iter().find(|entry| entry.policy == policy).unwrap()
}

#[test]
fn every_policy_and_model_is_compared() {
    let simulation = simulated(&scenario());
    let case = &simulation.cases[0];
    // Three models for each of three kinds, and four without.
    assert_eq!(case.entries.len(), 13);
    assert_eq!((case.reference.as_str(), case.frames), ("large", 500.0));
    assert!((case.load - 2.0).abs() < 1e-9);
    for entry in &case.entries {
        assert_eq!(entry.run.is_none(), matches!(entry.kind, Kind::Oracle | Kind::Omniscient));
        let reached = case.of_oracle(entry).unwrap();
        assert!(
            reached <= 100.001 || entry.kind == Kind::Omniscient || entry.kind == Kind::Adaptive
        );
    }
    let middle = entry(case, "fixed:middle");
    let run = middle.run.as_ref().unwrap();
    assert_eq!((run.in_time.mean, run.shares[0].model.as_str()), (100.0, "middle"));
    assert!((run.utilisation.mean - 50.0).abs() < 0.5, "{:?}", run.utilisation);
    assert_eq!(run.streams.len(), 2);
    assert_eq!(case.best_fixed().unwrap().policy, "fixed:middle");
    assert_eq!(case.reference_of(Kind::Edf).unwrap().policy, "edf:large");
    assert!(simulation.events > 10_000);
}

#[test]
fn named_policies_only_are_compared_each_once() {
    let policies = ["edf:middle", "edf", "ours"].map(|text| text.parse().unwrap()).to_vec();
    let simulation = simulated(&Scenario { policies, ..scenario() });
    let names: Vec<&str> =
        simulation.cases[0].entries.iter().map(|entry| entry.policy.as_str()).collect();
    assert_eq!(names, ["ours", "edf:middle", "edf:small", "edf:large"]);
    assert_eq!(simulation.cases[0].of_oracle(entry(&simulation.cases[0], "ours")), None);
}

#[test]
fn variants_are_compared_with_what_is() {
    let base = Variant {
        name: String::new(),
        selection: None,
        skill: None,
        speed: None,
        without: Vec::new(),
        models: Vec::new(),
    };
    let faster = Variant { name: "faster".to_owned(), speed: Some(4.0), ..base.clone() };
    let better = Variant {
        name: "better".to_owned(),
        without: vec![setting().models[0].id.clone()],
        models: vec![model("middle", 0.78, 10)],
        ..base
    };
    let variants = vec![faster, better];
    let simulation = simulated(&Scenario { variants, ..scenario() });
    let names: Vec<&str> = simulation.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["two streams", "faster", "better"]);
    let reached = |case: &Case| case.best(Kind::Oracle).unwrap().expected_accuracy.mean;
    assert!(reached(&simulation.cases[1]) > reached(&simulation.cases[0]) + 3.0);
    assert_eq!(simulation.cases[2].of(Kind::Fixed).count(), 2);
    assert!(
        (entry(&simulation.cases[2], "fixed:middle").expected_accuracy.mean - 78.0).abs() < 1e-6
    );
}

#[test]
fn a_grid_has_every_combination_at_its_load() {
    let grid = Grid {
        streams: vec![1, 3],
        budgets: vec![ms(15), ms(100)],
        loads: vec![0.5, 2.0],
        frames: 300,
        jitter: 0.1,
        reference: None,
    };
    let mut scenario = Scenario { grid: Some(grid), ..scenario() };
    scenario.setting.streams.clear();
    let simulation = simulated(&scenario);
    assert!(simulation.cases.is_empty());
    assert_eq!(simulation.grid.len(), 8);
    for point in &simulation.grid {
        assert!((point.case.load - point.load).abs() < 1e-6);
        assert_eq!(point.case.streams.len(), point.streams);
        assert!((298.0..=302.0).contains(&point.case.frames), "{}", point.case.frames);
        let reference = if point.budget_ms < 40.0 { "middle" } else { "large" };
        assert_eq!(point.case.reference, reference, "what fits the budget");
    }
}

#[test]
fn a_plan_finds_the_most_cameras() {
    let plan = Plan {
        rates: vec![10.0, 25.0],
        most: 12,
        budget: ms(100),
        jitter: 0.0,
        accuracy: Some(0.69),
        in_time: None,
    };
    let policies = ["edf:middle", "edf:small"].map(|text| text.parse().unwrap()).to_vec();
    let simulation = simulated(&Scenario { plan: Some(plan), policies, ..scenario() });
    let rows = simulation.plan.unwrap().rows;
    let cameras: Vec<_> = rows.iter().map(|row| (row.rate, row.cameras[0].cameras)).collect();
    // A run of 10 ms: 100 frames a second.
    assert_eq!(cameras, [(10.0, 10), (25.0, 4)]);
    assert_eq!(rows[0].cameras[0].policy.as_deref(), Some("edf:middle"));
}

#[test]
fn a_plan_that_nothing_fulfils_has_no_camera_and_one_that_all_do_has_the_most() {
    let plan = |accuracy: f64| Plan {
        rates: vec![1.0],
        most: 5,
        budget: ms(100),
        jitter: 0.0,
        accuracy: Some(accuracy),
        in_time: Some(0.9),
    };
    let found = |accuracy| {
        let policies = vec!["edf:middle".parse().unwrap()];
        let scenario = Scenario { plan: Some(plan(accuracy)), policies, ..scenario() };
        simulated(&scenario).plan.unwrap().rows[0].cameras[0].clone()
    };
    assert_eq!((found(0.75).cameras, found(0.75).policy), (0, None));
    assert_eq!(found(0.6).cameras, 5);
}

#[test]
fn the_same_scenario_gives_the_same_figures() {
    assert_eq!(simulated(&scenario()), simulated(&scenario()));
    let other = Scenario { seed: 9, ..scenario() };
    assert_ne!(simulated(&scenario()), simulated(&other));
}
