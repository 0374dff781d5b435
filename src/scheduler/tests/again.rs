//! Jobs that come back with an answer.

use super::*;
use crate::outcome::Stop;

/// The job of a decision that its answer goes out, and why.
fn settled(decision: Decision<u32>) -> (u32, Stop) {
    match decision {
        Decision::Settle { job, stop, .. } => (job, stop),
        other => panic!("expected an answer to go out, not {other:?}"),
    }
}

/// Runs the small model on a job with a budget, for 5 ms, and hands it in again for another one.
fn come_back(scheduler: &mut Scheduler<u32>, job: u32, budget: u64, now: Instant) -> Instant {
    submit(scheduler, job, &["small"], budget, now);
    let (_, _, _, serial) = run(scheduler.next(now));
    again(scheduler, job, serial, due(now, budget), now + ms(5))
}

fn again(
    scheduler: &mut Scheduler<u32>,
    job: u32,
    serial: u64,
    deadline: Deadline,
    now: Instant,
) -> Instant {
    scheduler.finished(serial, SMALL, run_of(5));
    // What takes all the time there is counts half: it is as likely to be late.
    let ranking = vec![(model("large"), 0.9), (model("middle"), 0.4)];
    let further = Selection { ranking, basis: Basis::Adaptive };
    let due = (deadline, Pace::Clock);
    scheduler.submit_again(job, &StreamName::new("a"), further, due, now);
    now
}

#[test]
fn a_job_that_comes_back_gets_the_best_further_run_that_fits() {
    let now = Clock.now();
    for (budget, expected) in [(65, "large"), (64, "middle"), (25, "middle")] {
        let mut scheduler = scheduler();
        let later = come_back(&mut scheduler, 1, budget, now);
        let (job, chosen, reason, _) = run(scheduler.next(later));
        assert_eq!((job, chosen.as_str()), (1, expected), "{budget} ms");
        assert_eq!(reason, Reason::Preferred(Basis::Adaptive));
    }
}

#[test]
fn an_answer_goes_out_when_no_further_run_fits() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 24, now);
    assert_eq!(settled(scheduler.next(later)), (1, Stop::Deadline));
    assert!(scheduler.is_over());
}

#[test]
fn a_job_that_comes_back_goes_before_new_ones_and_is_not_displaced() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 900, now);
    for job in [2, 3, 4] {
        submit(&mut scheduler, job, &["small"], 500, later);
    }
    assert!(!scheduler.is_full(&StreamName::new("a")), "it takes no new frame's place");
    assert_eq!(run(scheduler.next(later)).0, 1);
}

#[test]
fn a_further_run_that_costs_another_frame_its_answer_is_not_made() {
    let now = Clock.now();
    for (budget, expected) in [(65, "large"), (64, "middle"), (25, "middle")] {
        let mut scheduler = scheduler();
        let later = come_back(&mut scheduler, 1, 900, now);
        submit(&mut scheduler, 2, &["small"], budget, later);
        assert_eq!(run(scheduler.next(later)).1, expected, "the other has {budget} ms");
    }
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 900, now);
    submit(&mut scheduler, 2, &["small"], 24, later);
    assert_eq!(settled(scheduler.next(later)), (1, Stop::Load));
    assert_eq!(run(scheduler.next(later)).0, 2);
}

#[test]
fn a_further_run_that_costs_a_frame_that_waits_a_better_answer_is_not_made() {
    let now = Clock.now();
    for (budget, expected) in [(85, "large"), (75, "middle")] {
        let mut scheduler = scheduler();
        let later = come_back(&mut scheduler, 1, 900, now);
        let due = (due(later, budget), Pace::Clock);
        scheduler.submit(2, &StreamName::new("a"), rather_the_middle_one(), due, later);
        assert_eq!(run(scheduler.next(later)).1, expected, "the other has {budget} ms");
    }
}

#[test]
fn a_further_run_that_may_last_too_long_for_a_frame_that_waits_is_not_made() {
    let now = Clock.now();
    for (budget, expected) in [(80, "large"), (70, "middle")] {
        let mut scheduler = that_is(OnTime::default());
        let later = come_back(&mut scheduler, 1, 900, now);
        submit(&mut scheduler, 2, &["small"], budget, later);
        assert_eq!(run(scheduler.next(later)).1, expected, "the other has {budget} ms");
    }
}

#[test]
fn a_further_run_that_costs_a_frame_to_come_its_answer_is_not_made() {
    let now = Clock.now();
    // A frame every 30 ms, the next of which comes 15 ms after the job is back.
    for (budget, expected) in [(200, "large"), (40, "middle")] {
        let mut scheduler = scheduler();
        for frame in 0..20 {
            let (at, stream) = (now + ms(30 * frame), StreamName::new("b"));
            let due = (due(at, budget), Pace::Clock);
            scheduler.submit(0, &stream, ranking(&["small"]), due, at);
            let (_, _, _, serial) = run(scheduler.next(at));
            scheduler.finished(serial, SMALL, run_of(5));
        }
        let later = come_back(&mut scheduler, 1, 900, now + ms(30 * 19 + 10));
        assert_eq!(run(scheduler.next(later)).1, expected, "the others have {budget} ms");
    }
}

#[test]
fn a_frame_that_is_lost_anyway_holds_no_further_run_up() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 900, now);
    submit(&mut scheduler, 2, &["small"], 4, later);
    assert_eq!(expired(scheduler.next(later)).0, 2);
    assert_eq!(run(scheduler.next(later)).1, "large");
}

#[test]
fn a_stream_that_loses_frames_gets_no_further_runs() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 5_000, now);
    for job in 2..6 {
        submit(&mut scheduler, job, &["small"], 5_000, later);
    }
    assert!(scheduler.is_full(&StreamName::new("a")));
    assert_eq!(settled(scheduler.next(later)), (1, Stop::Load));
}

#[test]
fn where_only_work_counts_no_frame_costs_another_its_answer() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let later = come_back(&mut scheduler, 1, 900, now);
    let due = (due(later, 10), Pace::Work);
    for job in 2..6 {
        scheduler.submit(job, &StreamName::new("b"), ranking(&["small"]), due, later);
    }
    assert_eq!(run(scheduler.next(later)).1, "large");
}

#[test]
fn a_job_may_come_back_until_its_run_is_over() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["small"], 100, now);
    let (_, _, _, serial) = run(scheduler.next(now));
    assert!(scheduler.is_empty() && !scheduler.is_over());
    let later = again(&mut scheduler, 1, serial, due(now, 100), now + ms(5));
    assert!(!scheduler.is_empty());
    let (_, _, _, serial) = run(scheduler.next(later));
    scheduler.given_up(serial);
    assert!(scheduler.is_over());
}

#[test]
fn without_its_further_models_an_answer_goes_out() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    for name in ["large", "middle"] {
        scheduler.retire(&model(name));
    }
    let later = come_back(&mut scheduler, 1, 900, now);
    assert_eq!(settled(scheduler.next(later)), (1, Stop::Failure));
}
