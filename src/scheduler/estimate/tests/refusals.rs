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
    assert!((20..100).contains(&refused), "{refused}");
    device.slowdown = 1.0;
    device.run(0);
    assert!((device.expected(1) - 1.0).abs() < 0.1, "{}", device.expected(1));
    device.run(0);
    assert!(device.allowed(0) < 1.2, "{}", device.allowed(0));
}

#[test]
fn a_device_that_is_still_slow_is_tried_seldom() {
    let mut device = slow();
    for _ in 0..5 {
        let refused = refused_until(&mut device, 0, 6.0).unwrap();
        assert!((20..100).contains(&refused), "{refused}");
        device.run(0);
        assert!((device.expected(0) - 2.0).abs() < 0.2, "{}", device.expected(0));
        assert!(device.allowed(0) > 2.0);
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
