//! Jobs whose scene has an answer already.

use super::*;

/// Hands in a job of stream `b` that gains so much by the small model and no other.
fn submit_covered(scheduler: &mut Scheduler<u32>, job: u32, gain: f32, now: Instant) {
    let due = (due(now, 100), Pace::Clock);
    let offer = Offer { selection: gaining(gain), is_covered: true };
    assert_eq!(scheduler.submit(job, &StreamName::new("b"), offer, due, now), Admission::Waits);
}

fn gaining(gain: f32) -> Selection {
    Selection { ranking: vec![(model("small"), gain)], basis: Basis::Adaptive }
}

#[test]
fn a_covered_job_gets_a_run_that_is_worth_its_time() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit_covered(&mut scheduler, 0, 0.1, now);
    assert_eq!(run(scheduler.next(now)).0, 0);
}

#[test]
fn a_covered_job_goes_without_rather_than_pay_too_much() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit_covered(&mut scheduler, 0, 0.0, now);
    assert_eq!(expired(scheduler.next(now)).0, 0, "it gains nothing");
    submit_covered(&mut scheduler, 1, 0.1, now);
    // So much is asked for that a second costs more than the 5 ms can bring.
    for job in 2..12 {
        let (stream, due) = (StreamName::new(&job.to_string()), (due(now, 5_000), Pace::Clock));
        scheduler.submit(job, &stream, ranking(&["large"]), due, now);
    }
    let mut others = 0;
    let without = loop {
        match scheduler.next(now) {
            Decision::Run { job, serial, runner, .. } => {
                assert_ne!(job, 1, "it pays too much");
                scheduler.started(serial, now);
                scheduler.finished(serial, runner, run_of(60));
                others += 1;
            }
            other => break expired(other).0,
        }
    };
    assert_eq!((without, others), (1, 10));
}

#[test]
fn a_covered_job_costs_no_other_its_answer() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit_covered(&mut scheduler, 0, 0.9, now);
    // Due before the other, and there is time for one of them.
    submit(&mut scheduler, 1, &["large"], 62, now);
    assert_eq!(run(scheduler.next(now)).0, 1);
}

#[test]
fn a_covered_job_that_cannot_be_in_time_expires_at_once_whoever_waits_before_it() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit(&mut scheduler, 0, &["large"], 100, now);
    let decision = scheduler.next(now);
    begin(&mut scheduler, decision, now);
    // Busy for 60 ms: the other one has time, due as late as any run would be over.
    submit(&mut scheduler, 1, &["small"], 500, now);
    let stream_due = (due(now, 30), Pace::Clock);
    let offer = Offer { selection: gaining(0.1), is_covered: true };
    scheduler.submit(2, &StreamName::new("b"), offer, stream_due, now);
    assert_eq!(expired(scheduler.next(now)).0, 2);
}

#[test]
fn what_is_revised_is_decided_anew() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    let (a, b) = (StreamName::new("a"), StreamName::new("b"));
    submit(&mut scheduler, 0, &["large"], 200, now);
    submit(&mut scheduler, 1, &["large"], 300, now);
    submit(&mut scheduler, 2, &["large"], 400, now);
    let revise = |job: &mut u32| match *job {
        0 => Some((Offer { selection: ranking(&[]), is_covered: true }, due(now, 200))),
        1 => Some((gaining(0.4).into(), due(now, 300))),
        _ => None,
    };
    assert!(scheduler.revise(&b, now, revise).is_empty(), "no job is of that stream");
    assert_eq!(scheduler.revise(&a, now, revise), [0], "no model is to run on it");
    let (job, name, ..) = run(scheduler.next(now));
    assert_eq!((job, &*name), (1, "small"));
    assert!(!scheduler.is_full(&a));
}

#[test]
fn a_job_that_came_back_is_not_revised() {
    let (now, mut scheduler) = (Clock.now(), scheduler::<u32>());
    let (stream, due) = (StreamName::new("a"), (due(now, 200), Pace::Clock));
    scheduler.submit_again(0, &stream, ranking(&["small"]), due, now);
    let revised = scheduler.revise(&stream, now, |_| panic!("it has an answer of its own"));
    assert!(revised.is_empty());
}

#[test]
fn what_a_job_asked_for_and_does_not_need_is_taken_back() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    let stream = StreamName::new("a");
    // Three frames of a scene that all ask for 60 ms would make time dear for others.
    for round in 0..20 {
        for job in 0..3 {
            submit(&mut scheduler, 3 * round + job, &["large"], 10_000, now);
        }
        let nothing = Offer { selection: ranking(&[]), is_covered: true };
        let none = |_: &mut u32| Some((nothing.clone(), due(now, 10_000)));
        assert_eq!(scheduler.revise(&stream, now, none).len(), 3);
    }
    submit_covered(&mut scheduler, 99, 0.001, now);
    assert_eq!(run(scheduler.next(now)).0, 99, "time costs nothing");
}

#[test]
fn a_covered_job_that_goes_without_raises_no_doubt_about_what_runs_take() {
    let now = Clock.now();
    let mut scheduler = on_one_core(&[("small", run_of(10))]);
    for job in 0..1_000 {
        submit_covered(&mut scheduler, job, 0.0, now);
        assert_eq!(expired(scheduler.next(now)).0, job);
    }
    submit(&mut scheduler, 1_000, &["small"], 9, now);
    assert_eq!(expired(scheduler.next(now)).0, 1_000, "10 ms do not fit into 9");
}

#[test]
fn a_job_that_becomes_covered_is_due_when_its_other_answer_is() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit(&mut scheduler, 0, &["large"], 70, now);
    let covered = |_: &mut u32| {
        let offer = Offer { selection: ranking(&["large"]), is_covered: true };
        Some((offer, due(now, 59)))
    };
    assert!(scheduler.revise(&StreamName::new("a"), now, covered).is_empty());
    assert_eq!(expired(scheduler.next(now)).0, 0, "60 ms do not fit into 59");
}

#[test]
fn a_job_that_has_an_answer_waits_no_longer_than_that_can_go_out() {
    let (start, mut scheduler) = (Clock.now(), scheduler());
    submit(&mut scheduler, 0, &["large"], 900, start);
    let decision = scheduler.next(start);
    begin(&mut scheduler, decision, start);
    // It should be over, and nobody knows when it is.
    let now = start + ms(60);
    let stream = StreamName::new("c");
    scheduler.submit_again(1, &stream, ranking(&["small"]), (due(now, 300), Pace::Clock), now);
    assert_eq!(later(scheduler.next(now), now), 300);
    assert_eq!(later(scheduler.next(now + ms(200)), now), 300);
    assert!(matches!(scheduler.next(now + ms(301)), Decision::Settle { job: 1, .. }));
}
