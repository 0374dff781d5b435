//! When no model runs any more.

use super::*;

/// A device that was slow when its models ran last.
fn slow() -> Device {
    let mut device = Device::new(0.999, &[5.0, 10.0], 0.02);
    device.run_any(500);
    device.slowdown = 2.0;
    device.run_any(50);
    device
}

/// How many frames are refused until a model is short enough for a deadline, its run alone.
fn refused_until(device: &mut Device, runner: usize, deadline_ms: f64) -> Option<u32> {
    let (id, deadline) = (device.runners[runner], Duration::from_secs_f64(deadline_ms / 1e3));
    (0..5000).find(|_| {
        let fits = device.estimator.allowance(id).run <= deadline;
        if !fits {
            refuse(device, runner, deadline_ms);
        }
        fits
    })
}

/// One frame for which a runner had so much time, besides what preprocessing takes.
fn refuse(device: &mut Device, runner: usize, left_ms: f64) {
    let id = device.runners[runner];
    let left = device.estimator.allowance(id).preprocess + Duration::from_secs_f64(left_ms / 1e3);
    device.estimator.refused(id, left);
}

#[test]
fn after_some_refusals_a_run_is_tried_and_believed() {
    let mut device = slow();
    assert!(device.allowed(0) > 2.0);
    let refused = refused_until(&mut device, 0, 6.0).unwrap();
    assert!((3..10).contains(&refused), "{refused}");
    device.slowdown = 1.0;
    device.run(0);
    assert!((device.expected(1) - 1.0).abs() < 0.1, "{}", device.expected(1));
    device.run(0);
    assert!(device.allowed(0) < 1.2, "{}", device.allowed(0));
}

#[test]
fn a_device_that_is_still_slow_is_tried_ever_less_often() {
    let mut device = slow();
    let mut before = 2;
    for trial in 0..9 {
        let refused = refused_until(&mut device, 0, 6.0).unwrap();
        assert!(refused > 3 * before / 2 || refused > 300, "{trial}: {refused} after {before}");
        assert!(refused < 500, "{trial}: {refused}");
        before = refused;
        device.run(0);
        assert_eq!(refused_until(&mut device, 0, 6.0), Some(0), "{trial}: twice in a row");
        device.run(0);
        assert!((device.expected(0) - 2.0).abs() < 0.2, "{}", device.expected(0));
        assert!(device.allowed(0) > 2.0);
    }
    device.slowdown = 1.0;
    refused_until(&mut device, 0, 6.0).unwrap();
    device.run_any(20);
    device.slowdown = 2.0;
    device.run_any(50);
    let refused = refused_until(&mut device, 0, 6.0).unwrap();
    assert!((3..10).contains(&refused), "it recovered meanwhile: {refused}");
}

#[test]
fn a_device_that_is_slow_after_a_rest_is_tried_twice_in_a_row_and_believed() {
    let mut device = slow();
    for trial in 0..3 {
        let refused = refused_until(&mut device, 0, 9.0).unwrap();
        assert!(refused < 10, "{trial}: {refused}");
        // It had rested: its memory is cold.
        device.slowdown = 8.0;
        device.run(0);
        assert_eq!(refused_until(&mut device, 0, 9.0), Some(0), "{trial}");
        assert!(refused_until(&mut device, 1, 18.0).unwrap() > 0, "only the one that was tried");
        device.slowdown = 1.0;
        device.run(0);
        assert!((device.expected(0) - 1.0).abs() < 0.1, "{trial}: {}", device.expected(0));
        device.run(0);
        assert!(device.allowed(0) < 1.8, "{trial}: {}", device.allowed(0));
        // And now it is slow again, for good, so that nothing runs.
        device.slowdown = 2.0;
        device.run_any(50);
    }
}

#[test]
fn a_model_that_hung_is_tried_again_within_ten_frames_and_believed() {
    // With hardly a run known, as with many; the quick model's runs spread widely.
    for (runs, deviation) in [(0, 0.03), (600, 0.03), (600, 0.3)] {
        let mut device = Device::new(0.999, &[1.0], deviation);
        device.run_any(runs);
        let before = device.allowed(0);
        for _ in 0..2 {
            device.estimator.learn(device.runners[0], Took::AtLeast(cost(1.0, 200.0)));
        }
        assert!(device.expected(0) > 190.0, "{}", device.expected(0));
        let refused = refused_until(&mut device, 0, 150.0).unwrap();
        assert!(refused < 10, "{runs} {deviation}: {refused}");
        for _ in 0..10 {
            device.run(0);
            assert!(device.allowed(0) < 20.0, "{}", device.allowed(0));
        }
        assert!(device.allowed(0) < 1.5 * before, "{} after {before}", device.allowed(0));
        let fastest = milliseconds(device.estimator.quotes[0].fastest.run);
        assert!(fastest > 0.5 * (-3.0 * deviation).exp(), "{runs} {deviation}: {fastest} ms");
    }
}

#[test]
fn a_model_that_never_was_fast_enough_is_tried_after_all_else_and_then_only_if_it_nearly_was() {
    let mut device = slow();
    let refused = refused_until(&mut device, 0, 2.0).unwrap();
    assert!((520..700).contains(&refused), "{refused}");
    device.run(0);
    assert_eq!(refused_until(&mut device, 1, 2.0), None, "10 ms are more than four times 2");
}

#[test]
fn frames_that_nothing_could_answer_do_not_make_others_late() {
    let mut device = slow();
    for _ in 0..PATIENCE {
        refuse(&mut device, 0, 2.0);
    }
    assert!(device.allowed(0) > 2.0, "{}", device.allowed(0));
}

#[test]
fn a_refusal_now_and_then_changes_little() {
    let mut device = slow();
    for _ in 0..200 {
        device.run_any(2);
        refuse(&mut device, 0, 6.0);
        assert!((device.expected(0) - 2.0).abs() < 0.2, "{}", device.expected(0));
        assert!(device.allowed(0) < 2.5, "{}", device.allowed(0));
    }
}

#[test]
fn a_relaxed_allowance_has_the_chance_it_claims() {
    let mut device = slow();
    for _ in 0..200 {
        let id = device.runners[0];
        let allowance = device.estimator.allowance(id);
        assert!(device.estimator.chance(id, allowance.run) > 0.999 - 1e-4);
        assert!(device.estimator.expected(id).run <= allowance.run);
        refuse(&mut device, 0, 6.0);
    }
}
