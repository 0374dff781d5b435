//! Devices and models that become slower or quicker.

use super::*;

/// Three models that ran for a while.
fn settled(deviation: f64) -> Device {
    let mut device = Device::new(0.999, &[5.0, 10.0, 30.0], deviation);
    device.run_any(600);
    device
}

#[test]
fn a_slow_device_is_noticed_within_ten_runs_of_one_model_and_its_recovery_too() {
    for deviation in [0.003, 0.03, 0.06] {
        let mut device = settled(deviation);
        let before: Vec<f64> = (0..3).map(|runner| device.allowed(runner)).collect();
        device.slowdown = 1.8;
        (0..10).for_each(|_| device.run(1));
        for (runner, before) in before.iter().enumerate() {
            let allowed = device.allowed(runner);
            let enough = 1.8 * (2.0 * deviation).exp();
            assert!(allowed > enough, "{deviation} runner {runner}: {allowed}");
            assert!(allowed < 1.8 * before * 1.5, "{deviation} runner {runner}: {allowed}");
            assert!((device.expected(runner) / 1.8).ln().abs() < 2.0 * deviation + 0.02);
        }
        device.slowdown = 1.0;
        (0..10).for_each(|_| device.run(1));
        for (runner, before) in before.iter().enumerate() {
            let allowed = device.allowed(runner);
            assert!(allowed < before * (1.04 + 2.0 * deviation), "{deviation} {runner}: {allowed}");
            assert!((device.expected(runner)).ln().abs() < 2.0 * deviation + 0.02);
        }
    }
}

#[test]
fn two_runs_tell_a_change_and_one_does_not() {
    let mut device = settled(0.01);
    device.slowdown = 1.8;
    device.run(0);
    assert!((device.expected(0) - 1.0).abs() < 0.05, "{}", device.expected(0));
    device.run(2);
    assert!((device.expected(1) - 1.8).abs() < 0.1, "{}", device.expected(1));
    let Slowdown { mean, deviation } = device.estimator.slowdown();
    assert!((mean - 1.8).abs() < 0.1 && deviation > 0.005 && deviation < 0.1, "{mean} {deviation}");
}

#[test]
fn a_change_of_a_tenth_is_noticed_within_ten_runs() {
    let mut device = settled(0.03);
    device.slowdown = 1.1;
    (0..10).for_each(|_| device.run(0));
    assert!((device.expected(2) - 1.1).abs() < 0.05, "{}", device.expected(2));
}

#[test]
fn slowness_that_creeps_is_followed() {
    let mut device = settled(0.03);
    let mut late = 0;
    for _ in 0..400 {
        device.slowdown *= 1.002;
        let cost = device.draw(1);
        late += u32::from(cost.run > device.estimator.allowance(device.runners[1]).run);
        device.estimator.learn(device.runners[1], cost);
    }
    assert!(late <= 2, "{late}");
    let rested = device.expected(0) / device.slowdown;
    assert!(rested.ln().abs() < 0.1, "it never ran while all became 2.2 times as slow: {rested}");
}

#[test]
fn outliers_do_not_move_the_factor() {
    let mut device = settled(0.03);
    device.outliers = 0.002;
    let (mut most, mut least) = (1.0_f64, 1.0_f64);
    for _ in 0..20_000 {
        device.run_any(1);
        most = most.max(device.factor());
        least = least.min(device.factor());
    }
    assert!(most < 1.15 && least > 0.87, "{least} to {most}");
    assert!((0..3).all(|runner| (device.expected(runner) - 1.0).abs() < 0.05));
}

#[test]
fn a_single_outlier_shuts_no_model_out() {
    let mut device = settled(0.03);
    device.estimator.learn(device.runners[0], cost(1.0, 50.0));
    device.run_any(3);
    assert!(device.allowed(0) < 1.25, "{}", device.allowed(0));
}

#[test]
fn outliers_of_a_model_that_rests_since_are_forgotten() {
    let mut device = settled(0.03);
    for _ in 0..2 {
        device.estimator.learn(device.runners[0], cost(1.0, 25.0));
        device.run(0);
        device.run(1);
    }
    assert!(device.allowed(0) > 4.0, "{}", device.allowed(0));
    (0..MEMORY + 2).for_each(|_| device.run(1));
    assert!(device.allowed(0) < 1.25, "{}", device.allowed(0));
}

#[test]
fn a_model_that_never_runs_follows_the_factor() {
    let mut device = Device::new(0.999, &[5.0, 30.0], 0.02);
    for slowdown in [1.0, 2.5, 1.3, 0.8, 1.0] {
        device.slowdown = slowdown;
        (0..200).for_each(|_| device.run(0));
        let (expected, allowed) = (device.expected(1), device.allowed(1));
        assert!((expected / slowdown).ln().abs() < 0.08, "{slowdown}: {expected}");
        assert!((1.05..1.5).contains(&(allowed / slowdown)), "{slowdown}: {allowed}");
    }
}

#[test]
fn a_slowdown_that_lasts_becomes_usual_and_no_estimate_notices() {
    let mut device = settled(0.03);
    device.slowdown = 2.0;
    (0..100).for_each(|_| device.run(0));
    assert!((device.factor() - 2.0).abs() < 0.2, "{}", device.factor());
    let expected = device.expected(2);
    for _ in 0..5 * MEMORY {
        device.run(0);
    }
    assert!((device.factor() - 1.0).abs() < 0.1, "{}", device.factor());
    assert!((device.expected(2) / expected).ln().abs() < 0.1, "it never ran");
    assert!((device.expected(0) - 2.0).abs() < 0.1);
}

/// One model becomes slower, the other does not; they run in turns of so many runs.
fn one_changes(turn: usize) {
    let mut device = Device::new(0.999, &[5.0, 10.0], 0.03);
    device.run_any(1000);
    device.medians[0] *= 1.8;
    let mut surprises = 0;
    for _ in 0..40 {
        for runner in [0, 1] {
            for _ in 0..turn {
                surprises += u32::from((device.expected(runner) - 1.0).abs() > 0.25);
                device.run(runner);
            }
        }
    }
    assert!(surprises <= 6, "turns of {turn}: {surprises}");
    assert!((0..2).all(|runner| (device.expected(runner) - 1.0).abs() < 0.06));
}

#[test]
fn a_model_that_changes_alone_does_not_drag_others_along() {
    [1, 2, 3, 10, 50, 500].into_iter().for_each(one_changes);
}

#[test]
fn the_factor_does_not_drift() {
    let mut device = settled(0.1);
    for _ in 0..50 {
        device.run_any(1000);
        assert!((0.6..1.6).contains(&device.factor()), "{}", device.factor());
        assert!((0..3).all(|runner| (device.expected(runner) - 1.0).abs() < 0.25));
    }
}

#[test]
fn a_busy_processor_slows_preprocessing_and_not_a_graphics_card() {
    let mut device = settled(0.0);
    (0..10).for_each(|_| device.estimator.learn(device.runners[0], cost(1.8, 5.0)));
    for (runner, ms) in device.runners.iter().zip([5.0, 10.0, 30.0]) {
        let expected = device.estimator.expected(*runner);
        assert!((milliseconds(expected.preprocess) - 1.8).abs() < 0.02, "{expected:?}");
        assert!((milliseconds(expected.run) / ms - 1.0).abs() < 0.01, "{expected:?}");
    }
    assert!((device.factor() - 1.0).abs() < 0.01, "{}", device.factor());
}
