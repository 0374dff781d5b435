//! Runs that were ended before they were over.

use super::*;

/// Two models that ran for a while.
fn settled() -> Device {
    let mut device = Device::new(0.999, &[10.0, 30.0], 0.03);
    device.run_any(600);
    device
}

impl Device {
    /// Runs a runner that is ended after so many medians.
    fn end(&mut self, runner: usize, medians: f64) {
        let ended = Took::AtLeast(cost(self.noise(), self.medians[runner] * medians));
        self.estimator.learn(self.runners[runner], ended);
    }

    /// What is expected and allowed of all.
    fn estimates(&self) -> Vec<(f64, f64)> {
        (0..self.runners.len())
            .map(|runner| (self.expected(runner), self.allowed(runner)))
            .collect()
    }
}

#[test]
fn runs_that_are_ended_again_and_again_raise_what_is_expected() {
    // From just above what is expected to what no such run takes.
    for medians in [1.01, 1.05, 1.1, 1.5, 3.0] {
        let mut device = settled();
        (0..20).for_each(|_| device.end(0, medians));
        for (expected, allowed) in device.estimates() {
            assert!(expected > medians * 0.99, "{medians}: {expected}");
            assert!(expected < medians * 1.2, "{medians}: {expected}");
            assert!(allowed > medians * 1.02, "{medians}: {allowed}");
        }
    }
}

#[test]
fn each_bound_above_what_is_expected_raises_it_and_none_lowers_it() {
    let mut device = settled();
    for _ in 0..20 {
        let before = device.expected(0);
        device.end(0, before * 1.04);
        assert!(device.expected(0) > before, "{} after {before}", device.expected(0));
    }
}

#[test]
fn a_run_that_is_ended_before_its_time_says_nothing() {
    let mut device = settled();
    let before = device.estimates();
    for medians in [0.9, 0.5, 0.1, 1e-3, 0.0] {
        (0..50).for_each(|_| device.end(0, medians));
        assert_eq!(device.estimates(), before, "{medians}");
    }
    // Learnt as a whole run, half the time would be believed at once.
    let half = cost(1.0, 5.0);
    (0..2).for_each(|_| device.estimator.learn(device.runners[0], half));
    assert!(device.expected(0) < 0.6);
}

#[test]
fn its_tensor_is_measured_all_the_same() {
    let mut device = settled();
    for _ in 0..10 {
        let ended = Took::AtLeast(cost(1.8, 0.1));
        device.estimator.learn(device.runners[0], ended);
    }
    let expected = device.estimator.expected(device.runners[1]);
    assert!((milliseconds(expected.preprocess) - 1.8).abs() < 0.1, "{expected:?}");
}

#[test]
fn what_was_relaxed_for_a_run_that_was_ended_is_taken_back() {
    let mut device = settled();
    let full = device.allowed(0);
    let left = Duration::from_millis(15);
    (0..30).for_each(|_| device.estimator.refused(device.runners[0], left));
    assert!(device.allowed(0) < full * 0.97, "{}", device.allowed(0));
    device.end(0, 0.9);
    assert!(device.allowed(0) < full * 0.97, "it is tried once more");
    device.end(0, 0.9);
    assert_eq!(device.allowed(0), full);
}

#[test]
fn a_single_run_that_hangs_is_an_outlier_and_two_are_a_change() {
    let mut device = settled();
    let before = device.expected(1);
    device.end(0, 4.0);
    assert!((device.expected(1) / before - 1.0).abs() < 0.02, "{}", device.expected(1));
    device.end(0, 4.0);
    assert!(device.expected(1) > 3.8, "{}", device.expected(1));
}

#[test]
fn a_recovery_after_runs_that_were_ended_is_noticed_within_ten_runs() {
    for medians in [1.1, 1.6, 4.0] {
        let mut device = settled();
        let before = device.estimates();
        (0..20).for_each(|_| device.end(0, medians));
        (0..10).for_each(|_| device.run(0));
        for ((expected, allowed), (_, before)) in device.estimates().into_iter().zip(before) {
            assert!((expected - 1.0).abs() < 0.08, "{medians}: {expected}");
            assert!(allowed < before * 1.3, "{medians}: {allowed} after {before}");
        }
    }
}
