//! The scheduler in simulated time: no thread, no lock, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::policy::{Admission, Decision, Scheduler};
use super::{Cost, Latency};
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
    let takes = [("small", 5), ("middle", 20), ("large", 60)];
    let latency = |(name, took)| (model(name), Latency::from_costs(&[run_of(took); 8]).unwrap());
    Scheduler::new(takes.into_iter().map(latency).collect())
}

fn ranking(names: &[&str]) -> Selection {
    let ranking = names.iter().map(|name| (model(name), 0.5)).collect();
    Selection { ranking, basis: Basis::Premodel }
}

fn due(start: Instant, milliseconds: u64) -> Deadline {
    Deadline::new(start, Budget::new(ms(milliseconds)).unwrap())
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
    submit(&mut scheduler, 1, &ALL, 60, now);
    let (job, model, reason, _) = run(scheduler.next(now));
    assert_eq!((job, model.as_str()), (1, "large"));
    assert_eq!(reason, Reason::Preferred(Basis::Premodel));
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
    assert_eq!((shortfall.needed, shortfall.left), (ms(5), ms(4)));
    assert!(matches!(scheduler.next(now), Decision::Idle));
}

#[test]
fn the_queue_counts_towards_the_expected_finish() {
    let now = Clock.now();
    let mut scheduler = scheduler();
    submit(&mut scheduler, 1, &["large"], 100, now);
    submit(&mut scheduler, 2, &ALL, 100, now);
    assert_eq!(run(scheduler.next(now)).1, "large");
    assert_eq!(run(scheduler.next(now)).1, "middle", "60 ms of waiting leave 40");
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
    let mut scheduler = scheduler();
    for job in [1, 2, 3] {
        submit(&mut scheduler, job, &["small"], 900, now);
    }
    let (_, _, _, first) = run(scheduler.next(now));
    let (_, _, _, second) = run(scheduler.next(now));
    assert!(matches!(scheduler.next(now), Decision::Idle));
    assert!(scheduler.is_turn_of(first) && !scheduler.is_turn_of(second));
    scheduler.finished(first, &model("small"), run_of(5));
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
    let latency = Latency::from_costs(&[cost; 8]).unwrap();
    let mut scheduler = Scheduler::new(BTreeMap::from([(model("m"), latency)]));
    submit(&mut scheduler, 1, &["m"], 100, now);
    let (.., first) = run(scheduler.next(now));
    scheduler.started(now + ms(5));
    submit(&mut scheduler, 2, &["m"], 45, now);
    assert_eq!(run(scheduler.next(now)).0, 2, "5 + 20 + 20, not 5 + 20 + 5 + 20");
    scheduler.finished(first, &model("m"), cost);
}

#[test]
fn a_busy_queue_does_not_make_a_model_look_faster() {
    let now = Clock.now();
    let runs = [run_of(10), run_of(60), run_of(60)];
    let latency = Latency::from_costs(&runs).unwrap();
    let mut scheduler = Scheduler::new(BTreeMap::from([(model("m"), latency)]));
    submit(&mut scheduler, 0, &["m"], 900, now);
    let _ = run(scheduler.next(now));
    for job in 1..100 {
        submit(&mut scheduler, job, &["m"], 65, now);
        assert_eq!(expired(scheduler.next(now)).0, job, "the device is taken for 60 ms");
    }
    submit(&mut scheduler, 100, &["m"], 115, now);
    assert_eq!(expired(scheduler.next(now)).0, 100, "60 of waiting and 60 of running");
}

/// Something that happens in a simulated run.
#[derive(Clone, Debug)]
enum Event {
    Arrive {
        stream: u8,
        budget: u64,
        work: bool,
    },
    /// The run whose turn it is ends after this share (percent) of its expected time.
    Finish {
        percent: u64,
    },
    Fail,
    Retire(usize),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..4_u8, 1..200_u64, any::<bool>())
            .prop_map(|(stream, budget, work)| Event::Arrive { stream, budget, work }),
        5 => (50..300_u64).prop_map(|percent| Event::Finish { percent }),
        1 => Just(Event::Fail),
        1 => (0..40_usize).prop_map(Event::Retire),
        3 => (0..50_u64).prop_map(Event::Wait),
    ]
}

/// The world around a scheduler, with the books that every frame must balance in.
struct Simulation {
    scheduler: Scheduler<u32>,
    expected: BTreeMap<&'static str, u64>,
    now: Instant,
    arrived: u32,
    settled: BTreeSet<u32>,
    running: Vec<(u32, ModelId, u64)>,
    /// When the first of `running` got the device.
    begun: Instant,
    deadlines: BTreeMap<u32, (Deadline, Pace)>,
    late: Vec<u32>,
}

impl Simulation {
    fn new() -> Self {
        let now = Clock.now();
        Self {
            scheduler: scheduler(),
            expected: BTreeMap::from([("small", 5), ("middle", 20), ("large", 60)]),
            now,
            begun: now,
            late: Vec::new(),
            arrived: 0,
            settled: BTreeSet::new(),
            running: Vec::new(),
            deadlines: BTreeMap::new(),
        }
    }

    fn settle(&mut self, job: u32) {
        assert!(self.settled.insert(job), "job {job} has two outcomes");
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Arrive { stream, budget, work } => self.arrive(stream, budget, work),
            Event::Finish { percent } => self.finish(percent),
            Event::Fail => self.fail(),
            Event::Retire(number) => {
                if let Some(name) = ALL.get(number) {
                    self.scheduler.retire(&model(name));
                }
            }
            Event::Wait(milliseconds) => self.now += ms(milliseconds),
        }
        self.decide();
    }

    fn arrive(&mut self, stream: u8, budget: u64, work: bool) {
        let job = self.arrived;
        self.arrived += 1;
        let pace = if work { Pace::Work } else { Pace::Clock };
        let due = (due(self.now, budget), pace);
        self.deadlines.insert(job, due);
        let stream = StreamName::new(&stream.to_string());
        match self.scheduler.submit(job, &stream, ranking(&ALL), due, self.now) {
            Admission::Waits => {}
            Admission::Displaced(older) => self.settle(older),
        }
    }

    fn finish(&mut self, percent: u64) {
        if self.running.is_empty() {
            return;
        }
        let (job, model, serial) = self.running.remove(0);
        assert!(self.scheduler.is_turn_of(serial));
        let took = ms(self.expected[model.as_str()] * percent / 100);
        self.now = self.now.max(self.begun + took);
        self.scheduler.finished(serial, &model, Cost { preprocess: Duration::ZERO, run: took });
        let (deadline, pace) = self.deadlines[&job];
        if pace == Pace::Clock && !deadline.is_met_by(self.now) {
            self.late.push(job);
        }
        self.settle(job);
        self.begin();
    }

    /// Gives the device to the first of `running`.
    fn begin(&mut self) {
        if !self.running.is_empty() {
            self.begun = self.now;
            self.scheduler.started(self.now);
        }
    }

    fn end_runs_until(&mut self, until: Instant) {
        while let Some((_, model, _)) = self.running.first() {
            if self.begun + ms(self.expected[model.as_str()]) > until {
                return;
            }
            self.finish(100);
            self.decide();
        }
    }

    fn fail(&mut self) {
        if let Some((job, _, serial)) = self.running.pop() {
            self.scheduler.given_up(serial);
            self.settle(job);
        }
    }

    fn decide(&mut self) {
        loop {
            match self.scheduler.next(self.now) {
                Decision::Idle => return,
                Decision::Expired { job, shortfall, .. } => {
                    assert!(shortfall.quickest.is_none() || shortfall.needed > shortfall.left);
                    self.settle(job);
                }
                Decision::Run { job, model, serial, .. } => {
                    let (deadline, pace) = self.deadlines[&job];
                    assert!(
                        pace == Pace::Work || !deadline.remaining(self.now).is_zero(),
                        "job {job} was started after its deadline"
                    );
                    self.running.push((job, model, serial));
                    if self.running.len() == 1 {
                        self.begin();
                    }
                    assert!(self.running.len() <= 2, "more than one run is committed ahead");
                }
            }
        }
    }

    fn drain(&mut self) {
        while !self.running.is_empty() {
            self.finish(100);
            self.decide();
        }
        assert!(self.scheduler.is_empty(), "jobs wait though the device is free");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_job_has_exactly_one_outcome(events in prop::collection::vec(event(), 0..120)) {
        let mut simulation = Simulation::new();
        for event in &events {
            simulation.happen(event);
        }
        simulation.drain();
        prop_assert_eq!(simulation.settled.len(), simulation.arrived as usize);
    }

    #[test]
    fn runs_that_take_as_long_as_expected_are_never_late(
        arrivals in prop::collection::vec((0..4_u8, 1..200_u64, 0..40_u64), 0..80)
    ) {
        let mut simulation = Simulation::new();
        for (stream, budget, wait) in arrivals {
            let arrival = simulation.now + ms(wait);
            simulation.end_runs_until(arrival);
            simulation.now = arrival;
            simulation.happen(&Event::Arrive { stream, budget, work: false });
        }
        let far = simulation.now + ms(100_000);
        simulation.end_runs_until(far);
        prop_assert!(simulation.late.is_empty(), "late: {:?}", simulation.late);
    }
}
