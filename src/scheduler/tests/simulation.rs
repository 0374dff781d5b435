//! Any events in any order: the books must balance.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
    /// The same, and the job comes back for another run.
    Return {
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
        4 => (50..300_u64).prop_map(|percent| Event::Return { percent }),
        1 => Just(Event::Fail),
        1 => (0..40_usize).prop_map(Event::Retire),
        3 => (0..50_u64).prop_map(Event::Wait),
    ]
}

/// The world around a scheduler, with the books that every frame must balance in.
struct Simulation {
    scheduler: Scheduler<u32>,
    expected: [u64; 3],
    now: Instant,
    arrived: u32,
    settled: BTreeSet<u32>,
    running: Vec<(u32, usize, u64)>,
    /// When the first of `running` got the device.
    begun: Instant,
    deadlines: BTreeMap<u32, (Deadline, Pace)>,
    /// Jobs with an answer, and how often they have run.
    answered: BTreeMap<u32, usize>,
    streams: BTreeMap<u32, StreamName>,
    late: Vec<u32>,
    /// Whether jobs come back when their runs end by themselves.
    returns: bool,
}

impl Simulation {
    fn new() -> Self {
        let now = Clock.now();
        Self {
            scheduler: scheduler(),
            expected: [5, 20, 60],
            now,
            begun: now,
            late: Vec::new(),
            returns: false,
            arrived: 0,
            settled: BTreeSet::new(),
            running: Vec::new(),
            deadlines: BTreeMap::new(),
            answered: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    fn settle(&mut self, job: u32) {
        assert!(self.settled.insert(job), "job {job} has two outcomes");
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Arrive { stream, budget, work } => self.arrive(stream, budget, work),
            Event::Finish { percent } => self.finish(percent),
            Event::Return { percent } => self.come_back(percent),
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
        self.streams.insert(job, stream.clone());
        match self.scheduler.submit(job, &stream, ranking(&ALL), due, self.now) {
            Admission::Waits => {}
            Admission::Displaced(older) => {
                assert!(!self.answered.contains_key(&older), "an answer was thrown away");
                self.settle(older);
            }
        }
    }

    /// The run ends, and the job comes back, as often as there are models.
    fn come_back(&mut self, percent: u64) {
        let Some((job, ..)) = self.running.first() else { return };
        let job = *job;
        if self.answered.get(&job).is_some_and(|runs| *runs + 1 >= ALL.len()) {
            return self.finish(percent);
        }
        self.end_run(percent);
        *self.answered.entry(job).or_default() += 1;
        let stream = self.streams[&job].clone();
        let due = self.deadlines[&job];
        self.scheduler.submit_again(job, &stream, ranking(&ALL), due, self.now);
        self.begin();
    }

    fn finish(&mut self, percent: u64) {
        if self.running.is_empty() {
            return;
        }
        let job = self.end_run(percent);
        self.settle(job);
        self.begin();
    }

    fn end_run(&mut self, percent: u64) -> u32 {
        let (job, runner, serial) = self.running.remove(0);
        assert!(self.scheduler.is_turn_of(serial));
        let took = ms(self.expected[runner] * percent / 100);
        self.now = self.now.max(self.begun + took);
        self.scheduler.finished(serial, runner, Cost { preprocess: Duration::ZERO, run: took });
        let (deadline, pace) = self.deadlines[&job];
        if pace == Pace::Clock && !deadline.is_met_by(self.now) {
            self.late.push(job);
        }
        job
    }

    /// Gives the device to the first of `running`.
    fn begin(&mut self) {
        if let Some(&(.., serial)) = self.running.first() {
            self.begun = self.now;
            self.scheduler.started(serial, self.now);
        }
    }

    fn end_runs_until(&mut self, until: Instant) {
        while let Some(&(_, runner, _)) = self.running.first() {
            if self.begun + ms(self.expected[runner]) > until {
                return;
            }
            if self.returns {
                self.come_back(100);
            } else {
                self.finish(100);
            }
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
                    assert!(!self.answered.contains_key(&job), "an answer expired");
                    assert!(shortfall.quickest.is_none() || shortfall.needed > shortfall.left);
                    self.settle(job);
                }
                Decision::Settle { job, .. } => {
                    assert!(self.answered.contains_key(&job), "there is no answer to go out");
                    self.settle(job);
                }
                Decision::Run { job, runner, serial, .. } => {
                    let (deadline, pace) = self.deadlines[&job];
                    assert!(
                        pace == Pace::Work || !deadline.remaining(self.now).is_zero(),
                        "job {job} was started after its deadline"
                    );
                    self.running.push((job, runner, serial));
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
        assert!(self.scheduler.is_over(), "jobs wait though the device is free");
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
        arrivals in prop::collection::vec((0..4_u8, 1..200_u64, 0..40_u64), 0..80),
        returns in any::<bool>(),
    ) {
        let mut simulation = Simulation { returns, ..Simulation::new() };
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
