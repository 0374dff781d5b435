//! Frames that share a run.

use super::*;
use crate::scheduler::policy::Companion;

/// A model that takes 10 ms, and these times for 2, 3, ... frames at once; and one that takes 5 ms and
/// shares no runs.
fn sharing(shared: &[u64]) -> Scheduler<u32> {
    let runner = |name, took, batches: Vec<Vec<Cost>>| {
        let (model, warm_up) = (model(name), vec![run_of(took); 8]);
        RunnerTerms { model, device: 0, cores: 1, warm_up, batches, remembered: None }
    };
    let batches = shared.iter().map(|&took| vec![run_of(took); 8]).collect();
    let runners = vec![runner("shared", 10, batches), runner("quick", 5, Vec::new())];
    let device = DeviceTerms { name: "gpu0".to_owned(), cores: 1 };
    Scheduler::new(&[device], runners, half_of_the_time())
}

/// Hands in a frame of a stream of its own.
fn submit_one(scheduler: &mut Scheduler<u32>, job: u32, names: &[&str], budget: u64, now: Instant) {
    submit_from(scheduler, job, (&job.to_string(), ranking(names)), (budget, Pace::Clock), now);
}

fn submit_from(
    scheduler: &mut Scheduler<u32>,
    job: u32,
    (stream, selection): (&str, Selection),
    (budget, pace): (u64, Pace),
    now: Instant,
) {
    let due = (due(now, budget), pace);
    scheduler.submit(job, &StreamName::new(stream), selection, due, now);
}

/// The jobs of a decision to run, in their order.
fn jobs(decision: &Decision<u32>) -> Vec<u32> {
    match decision {
        Decision::Run { job, company, .. } => {
            let company = company.iter().map(|companion| companion.job);
            std::iter::once(*job).chain(company).collect()
        }
        other => panic!("expected a run, not {other:?}"),
    }
}

/// What a run is expected to take, in whole milliseconds.
fn expected(decision: &Decision<u32>) -> u128 {
    match decision {
        Decision::Run { expected, .. } => (*expected + Duration::from_micros(500)).as_millis(),
        other => panic!("expected a run, not {other:?}"),
    }
}

#[test]
fn as_many_waiting_frames_share_a_run_as_the_model_takes() {
    let (now, mut scheduler) = (Clock.now(), sharing(&[12, 14]).explaining());
    for job in 1..=4 {
        submit_one(&mut scheduler, job, &["shared"], 900 + u64::from(job), now);
    }
    let decision = scheduler.next(now + ms(3));
    assert_eq!((jobs(&decision), expected(&decision)), (vec![1, 2, 3], 14));
    let Decision::Run { company, .. } = decision else { panic!("it ran") };
    for Companion { reason, waited, considered, .. } in company {
        assert_eq!((reason, waited), (Reason::Preferred(Basis::Premodel), ms(3)));
        assert_eq!(considered.len(), 1);
    }
    assert!(!scheduler.is_over());
}

#[test]
fn a_frame_that_the_longer_run_would_make_late_has_no_company() {
    let now = Clock.now();
    let shares = |first, second| {
        let mut scheduler = sharing(&[12]);
        submit_one(&mut scheduler, 1, &["shared"], first, now);
        submit_one(&mut scheduler, 2, &["shared"], second, now);
        jobs(&scheduler.next(now))
    };
    assert_eq!(shares(11, 900), [1], "the one whose run it is");
    assert_eq!(shares(12, 900), [1, 2]);
}

#[test]
fn nothing_is_shared_that_saves_no_time() {
    let now = Clock.now();
    for (took, together) in [(20, vec![1]), (19, vec![1, 2]), (25, vec![1])] {
        let mut scheduler = sharing(&[took]);
        submit_one(&mut scheduler, 1, &["shared"], 900, now);
        submit_one(&mut scheduler, 2, &["shared"], 900, now);
        assert_eq!(jobs(&scheduler.next(now)), together, "{took} ms");
    }
}

#[test]
fn frames_that_want_another_model_do_not_join() {
    let (now, mut scheduler) = (Clock.now(), sharing(&[12, 14]));
    submit_one(&mut scheduler, 1, &["shared"], 900, now);
    submit_one(&mut scheduler, 2, &["quick"], 901, now);
    submit_one(&mut scheduler, 3, &["shared", "quick"], 902, now);
    assert_eq!(jobs(&scheduler.next(now)), [1, 3]);
    let alone = vec![(model("quick"), 0.9), (model("shared"), 0.2)];
    let (now, mut scheduler) = (Clock.now(), sharing(&[12, 14]));
    submit_one(&mut scheduler, 1, &["shared"], 900, now);
    let selection = Selection { ranking: alone, basis: Basis::Premodel };
    submit_from(&mut scheduler, 2, ("2", selection), (900, Pace::Clock), now);
    assert_eq!(jobs(&scheduler.next(now)), [1], "it is worth less to it than a run of its own");
}

#[test]
fn no_frame_joins_at_the_cost_of_another() {
    let now = Clock.now();
    let shares = |budget| {
        let mut scheduler = sharing(&[15]);
        submit_one(&mut scheduler, 1, &["shared"], 15, now);
        submit_one(&mut scheduler, 2, &["quick"], budget, now);
        submit_one(&mut scheduler, 3, &["shared"], 900, now);
        jobs(&scheduler.next(now))
    };
    assert_eq!(shares(17), [1], "10 and 5 are in time, 15 and 5 are not");
    assert_eq!(shares(20), [1, 3]);
}

#[test]
fn frames_that_come_back_share_with_new_ones() {
    let (now, mut scheduler) = (Clock.now(), sharing(&[12, 14]));
    for job in [1, 2] {
        let (name, due) = (StreamName::new(&job.to_string()), (due(now, 500), Pace::Clock));
        scheduler.submit_again(job, &name, ranking(&["shared"]), due, now);
    }
    submit_one(&mut scheduler, 3, &["shared"], 900, now);
    assert_eq!(jobs(&scheduler.next(now)), [1, 2, 3]);
}

#[test]
fn a_frame_that_learns_from_the_one_before_it_waits_for_its_answer() {
    let now = Clock.now();
    for (basis, together) in [(Basis::Fixed, vec![1, 2]), (Basis::Adaptive, vec![1])] {
        let mut scheduler = sharing(&[12, 14]);
        for job in [1, 2] {
            let selection = Selection { basis, ..ranking(&["shared"]) };
            submit_from(&mut scheduler, job, ("a", selection), (900, Pace::Clock), now);
        }
        assert_eq!(jobs(&scheduler.next(now)), together, "{basis:?}");
    }
}

#[test]
fn where_only_work_counts_no_run_is_shared() {
    let (now, mut scheduler) = (Clock.now(), sharing(&[12, 14]));
    for (job, pace) in [(1, Pace::Work), (2, Pace::Work)] {
        let stream = job.to_string();
        submit_from(&mut scheduler, job, (&stream, ranking(&["shared"])), (900, pace), now);
    }
    assert_eq!(jobs(&scheduler.next(now)), [1]);
    let mut scheduler = sharing(&[12, 14]);
    submit_one(&mut scheduler, 1, &["shared"], 900, now);
    submit_from(&mut scheduler, 2, ("2", ranking(&["shared"])), (900, Pace::Work), now);
    assert_eq!(jobs(&scheduler.next(now)), [1]);
}

#[test]
fn what_runs_take_is_learnt_by_the_number_of_frames() {
    let (now, mut scheduler) = (Clock.now(), sharing(&[12]));
    let mut run_two = |took: Option<u64>| {
        for job in [1, 2] {
            submit_one(&mut scheduler, job, &["shared"], 900, now);
        }
        let decision = scheduler.next(now);
        let (count, expected) = (jobs(&decision).len(), expected(&decision));
        let (.., serial) = run(decision);
        match took {
            Some(took) => scheduler.finished(serial, 0, run_of(took)),
            None => {
                scheduler.shrunk(serial, 0, 1);
                scheduler.finished(serial, 0, run_of(10));
            }
        }
        (count, expected)
    };
    assert_eq!(run_two(Some(12)), (2, 12));
    // One is settled before the run begins: what it takes is that of one.
    for _ in 0..20 {
        assert_eq!(run_two(None), (2, 12));
    }
    // Runs of two that take longer and longer, among others as ever.
    for _ in 0..300 {
        run_two(Some(13));
        run_two(None);
    }
    assert_eq!(run_two(None), (2, 13));
}
