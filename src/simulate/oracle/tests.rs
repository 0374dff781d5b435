//! Against brute force where that can be, and against each other where not.

use std::time::Duration;

use proptest::prelude::*;

use super::instance::{Choice, ONE};
use super::*;
use crate::simulate::contender::{Edf, NewestWins};
use crate::simulate::engine::simulate;
use crate::simulate::example::{device, ms, setting, stream};
use crate::simulate::setting::{Setting, Slowdown};
use crate::simulate::world::{Latency, Spread};

/// Every order, every subset, every model.
fn brute_force(jobs: &[Job], free: u64) -> u64 {
    let mut best = 0;
    for (place, job) in jobs.iter().enumerate() {
        let mut others = jobs.to_vec();
        others.remove(place);
        let start = free.max(job.ready);
        for choice in job.choices.iter().filter(|choice| start + choice.length <= job.due) {
            best = best.max(choice.value + brute_force(&others, start + choice.length));
        }
    }
    best
}

prop_compose! {
    fn any_job()(
        ready in 0..60_u64,
        room in 1..50_u64,
        choices in prop::collection::vec((1..30_u64, 1..100_u64), 0..4),
    ) -> Job {
        let choice = |&(length, value): &(u64, u64)| Choice {
            device: 0, units: 1, length, value: value * ONE / 100,
        };
        let fitting = choices.iter().map(choice).filter(|choice| choice.length <= room);
        Job { ready, due: ready + room, choices: fitting.collect() }
    }
}

/// Frames in the order in which they are ready.
fn any_jobs(most: usize) -> impl Strategy<Value = Vec<Job>> {
    prop::collection::vec(any_job(), 0..=most).prop_map(|mut jobs| {
        jobs.sort_by_key(|job| job.ready);
        jobs
    })
}

/// The same, and due in that order too.
fn any_ordered_jobs(most: usize) -> impl Strategy<Value = Vec<Job>> {
    any_jobs(most).prop_map(|mut jobs| {
        let mut latest = 0;
        for job in &mut jobs {
            latest = job.due.max(latest);
            job.due = latest;
        }
        jobs
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn in_order_the_frontier_is_as_good_as_any_order(jobs in any_ordered_jobs(6)) {
        let best = frontier::best(jobs.iter().cloned(), frontier::Bias::Up);
        prop_assert!(best.is_exact);
        prop_assert_eq!(best.value, brute_force(&jobs, 0));
    }

    #[test]
    fn in_any_order_the_subsets_are_exact(jobs in any_jobs(6)) {
        prop_assert_eq!(subsets::best(&jobs), brute_force(&jobs, 0));
    }

    #[test]
    fn prices_are_never_below_the_best_schedule(jobs in any_jobs(8)) {
        let best = subsets::best(&jobs);
        let bound = prices::bound(&jobs, &[1]);
        prop_assert!(bound >= best, "{bound} < {best}");
        let alone: u64 = jobs.iter().filter_map(|job| job.choices.iter().map(|c| c.value).max()).sum();
        prop_assert!(bound <= alone + 10, "{bound} > {alone}, the bound without competition");
    }

    #[test]
    fn stretches_are_independent_and_lose_no_frame(jobs in any_jobs(10)) {
        let cut: Vec<Vec<Job>> = stretches(jobs.iter().cloned()).map(|one| one.jobs).collect();
        prop_assert_eq!(cut.concat(), jobs.clone());
        let sum: u64 = cut.iter().map(|stretch| subsets::best(stretch)).sum();
        prop_assert_eq!(sum, subsets::best(&jobs));
    }

    #[test]
    fn more_units_are_worth_no_less(jobs in any_jobs(8)) {
        let two = prices::bound(&jobs, &[2]);
        prop_assert!(two >= subsets::best(&jobs));
    }
}

fn spread(mut setting: Setting) -> Setting {
    for model in &mut setting.models {
        let median = model.placements[0].latency.median();
        let percentile = Spread::Percentile95(median.mul_f64(1.3));
        model.placements[0].latency = Latency::lognormal(median, percentile);
    }
    setting
}

/// Eight streams of 25 frames a second on models of 3, 10 and 40 ms.
fn crowded() -> Setting {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let streams = names.map(|name| stream(name, 40, 100)).to_vec();
    spread(Setting { streams, ..setting() })
}

#[test]
fn a_thinned_frontier_bounds_the_best_from_both_sides() {
    let mut setting = crowded();
    // With values of all sizes hardly any label is worth no more than another.
    setting.answers.skill = 0.5;
    let bound = oracle(&World::new(&setting, 1), Knowledge::Times);
    let lower = bound.lower.unwrap();
    assert!(!bound.is_exact(), "{bound:?}");
    assert!(lower <= bound.upper && bound.upper - lower < 0.01, "{bound:?}");
}

#[test]
fn an_idle_device_reaches_the_most_accurate_model_exactly() {
    let setting = Setting { streams: vec![stream("a", 200, 100)], ..setting() };
    let bound = oracle(&World::new(&setting, 1), Knowledge::Times);
    assert!(bound.is_exact());
    assert!((bound.upper - 0.8).abs() < 1e-9, "{bound:?}");
}

#[test]
fn who_knows_the_answers_reaches_more() {
    let setting = crowded();
    let world = World::new(&setting, 2);
    let times = oracle(&world, Knowledge::Times);
    let answers = oracle(&world, Knowledge::Answers);
    assert!(answers.upper > times.upper + 0.05, "{answers:?} {times:?}");
}

#[test]
fn streams_of_different_budgets_are_bounded_from_both_sides() {
    let mut setting = crowded();
    setting.duration = Duration::from_secs(3);
    for (place, stream) in setting.streams.iter_mut().enumerate() {
        stream.budget = ms(30 + 25 * place as u64);
    }
    let bound = oracle(&World::new(&setting, 1), Knowledge::Times);
    let lower = bound.lower.unwrap();
    assert!(lower <= bound.upper && bound.upper - lower < 0.03, "{bound:?}");
}

#[test]
fn prices_come_near_the_best_schedule_of_many_frames() {
    let setting = Setting { duration: Duration::from_secs(3), ..crowded() };
    let world = World::new(&setting, 1);
    let instance = Instance::new(&world, Knowledge::Times);
    let jobs: Vec<Job> = instance.jobs().collect();
    let exact = frontier::best(jobs.iter().cloned(), frontier::Bias::Up);
    assert!(exact.is_exact && jobs.len() > 500);
    let above = prices::bound(&jobs, &[1]) as f64 / exact.value as f64;
    assert!((1.0..1.02).contains(&above), "{above}");
}

#[test]
fn no_contender_passes_the_oracle() {
    let mut slow = crowded();
    let (every, lasting) = (ms(800), ms(300));
    slow.slowdowns = vec![Slowdown::Recurring { every, lasting, factor: 2.5 }];
    let mut tensors = crowded();
    tensors.models.iter_mut().for_each(|model| model.preprocess = ms(2));
    let mut mixed = crowded();
    mixed.streams[3].budget = ms(30);
    let mut wide = crowded();
    wide.devices = vec![device("cpu", 3)];
    wide.models[1].placements[0].units = 2;
    for setting in [slow, tensors, mixed, wide] {
        let setting = Setting { duration: Duration::from_secs(4), ..setting };
        let world = World::new(&setting, 3);
        let bound = oracle(&world, Knowledge::Times);
        for model in 0..3 {
            let newest = simulate(&world, &mut NewestWins::new(&setting, model)).total();
            let edf = simulate(&world, &mut Edf::new(&setting, model)).total();
            for total in [newest, edf] {
                let reached = total.expected_accuracy();
                assert!(reached <= bound.upper + 1e-6, "{reached} > {bound:?}");
            }
        }
    }
}
