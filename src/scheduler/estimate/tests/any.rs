//! What holds whatever runs take.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Run(usize, Cost),
    Refused(usize, Duration),
}

fn any_cost() -> impl Strategy<Value = Cost> {
    let duration = || {
        prop_oneof![
            1 => Just(Duration::ZERO),
            1 => Just(Duration::MAX),
            2 => (0_u64..20_000).prop_map(Duration::from_secs),
            8 => (1_000_u64..50_000_000).prop_map(Duration::from_nanos),
        ]
    };
    (duration(), duration()).prop_map(|(preprocess, run)| Cost { preprocess, run })
}

fn any_event(runners: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..runners, any_cost()).prop_map(|(runner, cost)| Event::Run(runner, cost)),
        1 => (0..runners, any_cost()).prop_map(|(runner, cost)| Event::Refused(runner, cost.run)),
    ]
}

fn check(estimator: &Estimator, runner: RunnerId) -> Result<(), TestCaseError> {
    let (expected, allowance) = (estimator.expected(runner), estimator.allowance(runner));
    prop_assert!(allowance.preprocess >= expected.preprocess, "{:?} {:?}", allowance, expected);
    prop_assert!(allowance.run >= expected.run, "{:?} {:?}", allowance, expected);
    let chances = [Duration::ZERO, expected.run, allowance.run, Duration::MAX]
        .map(|slack| estimator.chance(runner, slack));
    prop_assert!(chances.is_sorted() && chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
    let Slowdown { mean, deviation } = estimator.slowdown();
    prop_assert!(mean.is_finite() && mean > 0.0 && deviation.is_finite() && deviation > 0.0);
    Ok(())
}

proptest! {
    #[test]
    fn estimates_stay_in_order_whatever_runs_take(
        on_time in 0.5001..0.999_999,
        warm_ups in prop::collection::vec(prop::collection::vec(any_cost(), 1..5), 1..5),
        events in prop::collection::vec(any_event(5), 0..300),
    ) {
        let mut estimator = Estimator::new(OnTime::new(on_time).unwrap());
        let runners: Vec<RunnerId> =
            warm_ups.iter().filter_map(|costs| estimator.add(costs, None)).collect();
        for event in events {
            match event {
                Event::Run(runner, cost) => estimator.learn(runners[runner % runners.len()], cost),
                Event::Refused(runner, left) => {
                    estimator.refused(runners[runner % runners.len()], left);
                }
            }
            for runner in &runners {
                check(&estimator, *runner)?;
            }
        }
        for runner in &runners {
            let remembered = estimator.remember(*runner);
            let added = estimator.add(&warm_ups[0], Some(&remembered)).unwrap();
            check(&estimator, added)?;
        }
    }

    #[test]
    fn even_runs_are_expected_as_they_are(run_us in 2_u64..10_000_000, runs in 1..50) {
        let cost = Cost { preprocess: Duration::ZERO, run: Duration::from_micros(run_us) };
        let mut estimator = Estimator::new(OnTime::default());
        let runner = estimator.add(&[cost], None).unwrap();
        (0..runs).for_each(|_| estimator.learn(runner, cost));
        let ratio = estimator.expected(runner).run.as_secs_f64() / cost.run.as_secs_f64();
        prop_assert!((ratio - 1.0).abs() < 1e-3, "{}", ratio);
        // What takes next to no time tells nothing of how quick the device is.
        let bound = if run_us < 1000 { 1.6 } else { 1.3 };
        prop_assert!(estimator.allowance(runner).run < cost.run.mul_f64(bound));
    }
}
