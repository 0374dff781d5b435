//! The scheduler in simulated time: no thread, no lock, no clock.

mod again;
mod company;
mod covered;
mod overload;
mod queue;
mod simulation;

use std::time::{Duration, Instant};

use super::estimate::OnTime;
use super::policy::{Admission, Decision, Offer, Scheduler};
use super::{Cost, DeviceTerms, RunnerTerms};
use crate::clock::Clock;
use crate::frame::{Budget, Deadline, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Basis, Reason, Shortfall};
use crate::premodel::Selection;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn model(name: &str) -> ModelId {
    ModelId::new(name).unwrap()
}

fn run_of(milliseconds: u64) -> Cost {
    Cost { preprocess: Duration::ZERO, run: ms(milliseconds) }
}

/// Three models that always take 5, 20 and 60 ms.
fn scheduler<J>() -> Scheduler<J> {
    that_is(half_of_the_time())
}

/// The same with another certainty.
fn that_is<J>(on_time: OnTime) -> Scheduler<J> {
    let takes = [("small", 5), ("middle", 20), ("large", 60)];
    with_models(1, &takes.map(|(name, took)| (name, run_of(took))), on_time)
}

/// Models that always take as long, on a device that runs one at a time.
fn on_one_core<J>(models: &[(&str, Cost)]) -> Scheduler<J> {
    on_cores(1, models)
}

fn on_cores<J>(cores: usize, models: &[(&str, Cost)]) -> Scheduler<J> {
    with_models(cores, models, half_of_the_time())
}

fn with_models<J>(cores: usize, models: &[(&str, Cost)], on_time: OnTime) -> Scheduler<J> {
    let runner = |&(name, cost): &(&str, Cost)| {
        let (model, warm_up) = (model(name), vec![cost; 8]);
        RunnerTerms { model, device: 0, cores: 1, warm_up, batches: Vec::new(), remembered: None }
    };
    let device = DeviceTerms { name: "cpu".to_owned(), cores };
    Scheduler::new(&[device], models.iter().map(runner).collect(), on_time)
}

/// Where `scheduler` has its models.
const SMALL: usize = 0;
const LARGE: usize = 2;

fn ranking(names: &[&str]) -> Selection {
    let ranking = names.iter().map(|name| (model(name), 0.5)).collect();
    Selection { ranking, basis: Basis::Premodel }
}

/// So many milliseconds and what certainty costs: estimates are made to be exact to the microsecond
/// here.
fn due(start: Instant, milliseconds: u64) -> Deadline {
    Deadline::new(start, Budget::new(ms(milliseconds) + Duration::from_micros(10)).unwrap())
}

/// Runs that take as long as expected are in time half of the time, and these always take as long.
fn half_of_the_time() -> OnTime {
    OnTime::new(0.500_001).unwrap()
}

fn submit(scheduler: &mut Scheduler<u32>, job: u32, names: &[&str], budget: u64, now: Instant) {
    let stream = StreamName::new("a");
    let due = (due(now, budget), Pace::Clock);
    assert_eq!(scheduler.submit(job, &stream, ranking(names), due, now), Admission::Waits);
}

/// The job, model and reason of a decision to run.
fn run(decision: Decision<u32>) -> (u32, String, Reason, u64) {
    match decision {
        Decision::Run { job, model, reason, serial, .. } => {
            (job, model.to_string(), reason, serial)
        }
        other => panic!("expected a run, not {other:?}"),
    }
}

/// Begins a run.
fn begin(scheduler: &mut Scheduler<u32>, decision: Decision<u32>, now: Instant) -> u64 {
    let (_, _, _, serial) = run(decision);
    scheduler.started(serial, now);
    serial
}

/// How long from `start` there is nothing to decide, in whole milliseconds.
fn later(decision: Decision<u32>, start: Instant) -> u128 {
    match decision {
        Decision::Later(at) => ((at - start) + Duration::from_micros(500)).as_millis(),
        other => panic!("expected a pause, not {other:?}"),
    }
}

/// The job of a decision that it expires, and by how much.
fn expired(decision: Decision<u32>) -> (u32, Shortfall) {
    match decision {
        Decision::Expired { job, shortfall, .. } => (job, shortfall),
        other => panic!("expected expiry, not {other:?}"),
    }
}

const ALL: [&str; 3] = ["large", "middle", "small"];

#[test]
fn the_preferred_model_runs_where_it_fits() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &ALL, 70, now);
    let (job, model, reason, _) = run(scheduler.next(now));
    assert_eq!((job, model.as_str()), (1, "large"));
    assert_eq!(reason, Reason::Preferred(Basis::Premodel));
}

#[test]
fn time_that_goes_back_stands_still() {
    let (now, mut scheduler) = (Clock.now(), scheduler());
    submit(&mut scheduler, 1, &["small"], 30, now);
    assert_eq!(run(scheduler.next(now)).0, 1);
    submit(&mut scheduler, 2, &["large"], 100, now);
    assert!(matches!(scheduler.next(now + ms(50)), Decision::Expired { job: 2, .. }));
    submit(&mut scheduler, 3, &["large"], 100, now);
    let (job, shortfall) = expired(scheduler.next(now));
    assert_eq!((job, shortfall.left.as_millis()), (3, 50), "as if the 50 ms were over");
}

#[test]
fn a_model_that_may_be_late_is_worth_less() {
    let now = Clock.now();
    let choice = |large: f32| {
        let mut scheduler = scheduler::<u32>();
        let ranking = vec![(model("large"), large), (model("middle"), 0.4)];
        let selection = Selection { ranking, basis: Basis::Premodel };
        let due = (due(now, 60), Pace::Clock);
        scheduler.submit(1, &StreamName::new("a"), selection, due, now);
        run(scheduler.next(now)).1
    };
    assert_eq!((choice(0.42).as_str(), choice(0.9).as_str()), ("middle", "large"));
}

#[test]
fn the_best_that_fits_replaces_a_preferred_model_that_is_too_slow() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &ALL, 59, now);
    let (_, chosen, reason, _) = run(scheduler.next(now));
    assert_eq!(chosen, "middle");
    assert_eq!(reason, Reason::PreferredTooSlow(model("large")));
}

#[test]
fn a_frame_that_no_model_can_answer_expires_at_once() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &ALL, 4, now);
    let (1, shortfall) = expired(scheduler.next(now)) else { panic!("another job expired") };
    assert_eq!(shortfall.quickest, Some(model("small")));
    let whole = |time: Duration| (time.as_secs_f64() * 1e3).round() as u64;
    assert_eq!((whole(shortfall.needed), whole(shortfall.left)), (5, 4));
    assert!(matches!(scheduler.next(now), Decision::Idle));
}

#[test]
fn the_queue_counts_towards_the_expected_finish() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["large"], 100, now);
    submit(&mut scheduler, 2, &ALL, 100, now);
    let decision = scheduler.next(now);
    let serial = begin(&mut scheduler, decision, now);
    assert_eq!(later(scheduler.next(now), now), 100, "its tensor takes no time");
    scheduler.finished(serial, LARGE, run_of(60));
    assert_eq!(run(scheduler.next(now + ms(60))).1, "middle", "60 ms of waiting leave 40");
}

#[test]
fn a_frame_that_comes_before_a_core_is_free_is_part_of_the_decision() {
    let now = Clock.now();
    let cost = |run| Cost { preprocess: ms(2), run: ms(run) };
    let mut scheduler = on_one_core(&[("small", cost(5)), ("large", cost(60))]);
    submit(&mut scheduler, 1, &["large"], 100, now);
    let decision = scheduler.next(now);
    begin(&mut scheduler, decision, now);
    submit(&mut scheduler, 2, &["large", "small"], 400, now);
    assert_eq!(later(scheduler.next(now), now), 56, "twice what its tensor takes is early enough");
    let (soon, due) = (now + ms(50), now + ms(56));
    submit(&mut scheduler, 3, &["large", "small"], 35, soon);
    assert_eq!(later(scheduler.next(soon), now), 56);
    let (job, model, ..) = run(scheduler.next(due));
    assert_eq!((job, model.as_str()), (3, "small"), "decided before, job 2 would be in its way");
}

#[test]
fn a_frame_behind_a_long_run_expires_without_waiting_for_it() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["large"], 100, now);
    run(scheduler.next(now));
    submit(&mut scheduler, 2, &ALL, 50, now);
    assert_eq!(expired(scheduler.next(now)).0, 2);
}

#[test]
fn under_work_pace_waiting_for_other_frames_does_not_count() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let stream = StreamName::new("a");
    for job in [1, 2] {
        let due = (due(now, 60), Pace::Work);
        scheduler.submit(job, &stream, ranking(&["large"]), due, now);
    }
    assert_eq!(run(scheduler.next(now)).0, 1);
    assert_eq!(run(scheduler.next(now + ms(30))).0, 2);
}

#[test]
fn only_one_frame_is_committed_ahead_and_turns_are_taken_in_order() {
    let now = Clock.now();
    let cost = Cost { preprocess: ms(5), run: ms(5) };
    let mut scheduler = on_one_core(&[("m", cost)]);
    for job in [1, 2, 3] {
        submit(&mut scheduler, job, &["m"], 900, now);
    }
    let (_, _, _, first) = run(scheduler.next(now));
    let (_, _, _, second) = run(scheduler.next(now));
    assert_eq!(later(scheduler.next(now), now), 900);
    assert!(scheduler.is_turn_of(first) && !scheduler.is_turn_of(second));
    scheduler.finished(first, 0, cost);
    assert!(scheduler.is_turn_of(second));
    assert_eq!(run(scheduler.next(now)).0, 3);
}

#[test]
fn a_failed_run_frees_the_device() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["large"], 100, now);
    let (_, _, _, serial) = run(scheduler.next(now));
    scheduler.given_up(serial);
    submit(&mut scheduler, 2, &["large"], 60, now);
    assert_eq!(run(scheduler.next(now)).0, 2);
}

#[test]
fn a_stream_that_floods_loses_its_oldest_frames_and_no_one_elses() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let other = StreamName::new("b");
    scheduler.submit(99, &other, ranking(&["small"]), (due(now, 900), Pace::Clock), now);
    let flood = StreamName::new("a");
    let mut displaced = Vec::new();
    for job in 0..6_u32 {
        let at = now + ms(u64::from(job));
        let due = (due(at, 500), Pace::Clock);
        match scheduler.submit(job, &flood, ranking(&["small"]), due, at) {
            Admission::Waits => {}
            Admission::Displaced(older) => displaced.push(older),
        }
    }
    assert_eq!(displaced, [0, 1]);
}

#[test]
fn a_model_whose_worker_is_gone_is_not_chosen() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    scheduler.retire(&model("large"));
    submit(&mut scheduler, 1, &ALL, 100, now);
    assert_eq!(run(scheduler.next(now)).1, "middle");
    for name in ["middle", "small"] {
        scheduler.retire(&model(name));
    }
    submit(&mut scheduler, 2, &ALL, 100, now);
    let (2, shortfall) = expired(scheduler.next(now)) else { panic!("another job expired") };
    assert_eq!(shortfall.quickest, None);
}

#[test]
fn a_model_that_comes_back_is_chosen_again_even_for_jobs_that_wait() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["small"], 900, now);
    let decision = scheduler.next(now);
    let serial = begin(&mut scheduler, decision, now);
    scheduler.retire(&model("large"));
    submit(&mut scheduler, 2, &ALL, 900, now);
    scheduler.restore(&model("large"));
    scheduler.given_up(serial);
    let (job, model, ..) = run(scheduler.next(now));
    assert_eq!((job, model.as_str()), (2, "large"));
}

#[test]
fn a_recording_does_not_go_before_a_camera() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    let due_of = |pace| (due(now, 100), pace);
    let (file, camera) = (StreamName::new("file"), StreamName::new("camera"));
    scheduler.submit(1, &file, ranking(&["small"]), due_of(Pace::Work), now);
    let later = now + ms(50);
    let due_later = (due(later, 100), Pace::Clock);
    scheduler.submit(2, &camera, ranking(&["small"]), due_later, later);
    assert_eq!(run(scheduler.next(later)).0, 2);
}

#[test]
fn the_tensor_is_made_while_the_run_before_goes_on() {
    let now = Clock.now();
    let cost = Cost { preprocess: ms(5), run: ms(20) };
    let mut scheduler = on_one_core(&[("m", cost)]);
    submit(&mut scheduler, 1, &["m"], 100, now);
    let (.., first) = run(scheduler.next(now));
    scheduler.started(first, now + ms(5));
    submit(&mut scheduler, 2, &["m"], 45, now);
    assert_eq!(later(scheduler.next(now), now), 15, "twice what its tensor takes is early enough");
    assert_eq!(run(scheduler.next(now + ms(15))).0, 2, "5 + 20 + 20, not 5 + 20 + 5 + 20");
    scheduler.finished(first, 0, cost);
}

#[test]
fn an_estimate_that_shuts_its_model_out_relaxes_until_it_is_tried_again() {
    let now = Clock.now();
    let mut scheduler = on_one_core(&[("m", run_of(10))]);
    for job in [0, 1] {
        submit(&mut scheduler, job, &["m"], 900, now);
        let (.., serial) = run(scheduler.next(now));
        scheduler.started(serial, now);
        scheduler.finished(serial, 0, run_of(5_000));
    }
    let frames = (2..500).find(|&job| {
        submit(&mut scheduler, job, &["m"], 50, now);
        matches!(scheduler.next(now), Decision::Run { .. })
    });
    assert!(frames.is_some_and(|frames| (5..12).contains(&frames)), "{frames:?}");
}

#[test]
fn a_busy_queue_does_not_make_a_model_look_faster() {
    let now = Clock.now();
    let runs = [run_of(10), run_of(60), run_of(60)];
    let device = DeviceTerms { name: "cpu".to_owned(), cores: 1 };
    let (model, warm_up) = (model("m"), runs.to_vec());
    let batches = Vec::new();
    let runner = RunnerTerms { model, device: 0, cores: 1, warm_up, batches, remembered: None };
    let mut scheduler = Scheduler::new(&[device], vec![runner], half_of_the_time());
    submit(&mut scheduler, 0, &["m"], 900, now);
    let _ = run(scheduler.next(now));
    for job in 1..100 {
        submit(&mut scheduler, job, &["m"], 65, now);
        assert_eq!(expired(scheduler.next(now)).0, job, "the device is taken for 60 ms");
    }
    submit(&mut scheduler, 100, &["m"], 115, now);
    assert_eq!(expired(scheduler.next(now)).0, 100, "60 of waiting and 60 of running");
}

/// A scheduler that is to be surer than these warm-ups of models that take 5 and 20 ms can make it.
fn in_doubt() -> Scheduler<u32> {
    let device = DeviceTerms { name: "cpu".to_owned(), cores: 1 };
    let runner = |(name, took)| {
        let (model, warm_up) = (model(name), vec![run_of(took); 8]);
        RunnerTerms { model, device: 0, cores: 1, warm_up, batches: Vec::new(), remembered: None }
    };
    let runners = [("small", 5), ("middle", 20)].map(runner).to_vec();
    Scheduler::new(&[device], runners, OnTime::new(0.99).unwrap())
}

/// A wish for the middle model of these, or else the small one.
fn rather_the_middle_one() -> Selection {
    let ranking = vec![(model("middle"), 0.9), (model("small"), 0.5)];
    Selection { ranking, basis: Basis::Premodel }
}

/// What two hundred frames with such a wish get that have 24 ms each, one after the other, and of which
/// nothing is learnt.
fn given_24_ms(wish: &Selection, is_covered: bool) -> Vec<String> {
    let (start, mut scheduler) = (Clock.now(), in_doubt());
    let chosen = |job| {
        let now = start + ms(100) * job;
        let (stream, due) = (StreamName::new("a"), (due(now, 24), Pace::Clock));
        let offer = Offer { selection: wish.clone(), is_covered };
        scheduler.submit(job, &stream, offer, due, now);
        let (_, model, _, serial) = run(scheduler.next(now));
        scheduler.given_up(serial);
        model
    };
    (0..200).map(chosen).collect()
}

#[test]
fn a_model_that_just_fits_is_tried_a_few_times_and_no_more() {
    let models = given_24_ms(&rather_the_middle_one(), false);
    let trials = models.iter().take_while(|model| *model == "middle").count();
    assert!((20..100).contains(&trials), "{trials}");
    assert!(models[trials..].iter().all(|model| model == "small"));
}

#[test]
fn a_frame_that_has_another_answer_may_try_a_model_that_just_fits_whenever_that_is_worth_it() {
    for wish in [rather_the_middle_one(), ranking(&["middle"])] {
        assert!(given_24_ms(&wish, true).iter().all(|model| model == "middle"));
    }
}

#[test]
fn a_job_that_comes_back_may_try_a_model_that_just_fits_if_no_other_waits() {
    for (budget, another_waits, expected) in
        [(26, false, "middle"), (24, false, "small"), (26, true, "small")]
    {
        let (now, mut scheduler) = (Clock.now(), in_doubt());
        submit(&mut scheduler, 1, &["small"], budget, now);
        let (_, _, _, serial) = run(scheduler.next(now));
        let (later, stream) = (now + ms(5), StreamName::new("a"));
        scheduler.finished(serial, SMALL, run_of(5));
        let due = (due(now, budget), Pace::Clock);
        scheduler.submit_again(1, &stream, rather_the_middle_one(), due, later);
        if another_waits {
            submit(&mut scheduler, 2, &["small"], 900, later);
        }
        let (job, model, ..) = run(scheduler.next(later));
        assert_eq!((job, &*model), (1, expected), "{budget} ms, of which 5 are over");
    }
}
