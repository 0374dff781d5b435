//! Any events in any order, on any machine: the books must balance, and the promises hold.

use std::collections::BTreeSet;
use std::iter;

use proptest::prelude::*;

use super::*;
use crate::outcome::Considered;
use crate::scheduler::Terms;

/// The devices of a simulated machine, and what runs there: device, cores, milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    cores: Vec<usize>,
    runners: Vec<(&'static str, usize, usize, u64)>,
    /// What runs of 2, 3, ... frames take, in percent of one of one.
    shared: &'static [u64],
    /// How surely a run that is started is to be in time.
    on_time: OnTime,
}

impl Setup {
    /// One core of a processor, as in the other tests.
    pub(super) fn one_core() -> Self {
        let runners = vec![("small", 0, 1, 5), ("middle", 0, 1, 20), ("large", 0, 1, 60)];
        Self { cores: vec![1], runners, shared: &[], on_time: half_of_the_time() }
    }

    /// Two cores, and a wide run of the large model.
    fn two_cores() -> Self {
        let mut setup = Self { cores: vec![2], ..Self::one_core() };
        setup.runners.push(("large", 0, 2, 35));
        setup
    }

    /// A GPU for the two large models and two cores for the small ones.
    fn gpu_and_cores() -> Self {
        let runners = vec![
            ("small", 0, 1, 5),
            ("middle", 0, 1, 20),
            ("middle", 1, 1, 8),
            ("large", 1, 1, 25),
        ];
        Self { cores: vec![2, 1], runners, ..Self::one_core() }
    }

    fn most_frames(&self) -> usize {
        1 + self.shared.len()
    }

    /// What a run of so many frames takes, where one of one takes `alone`.
    fn took(&self, alone: u64, frames: usize) -> u64 {
        let shared = frames.checked_sub(2).map(|place| self.shared[place]);
        alone * shared.unwrap_or(100) / 100
    }

    fn scheduler(&self, terms: &[(u8, Terms)]) -> Scheduler<u32> {
        let device = |(place, &cores)| DeviceTerms { name: format!("device{place}"), cores };
        let devices: Vec<DeviceTerms> = self.cores.iter().enumerate().map(device).collect();
        let runner = |&(name, device, cores, took)| RunnerTerms {
            model: model(name),
            device,
            cores,
            warm_up: vec![run_of(took); 8],
            batches: (2..self.most_frames() + 1)
                .map(|frames| vec![run_of(self.took(took, frames)); 8])
                .collect(),
            remembered: None,
        };
        let terms = terms.iter().map(|&(stream, terms)| (name(stream), terms));
        let runners = self.runners.iter().map(runner).collect();
        Scheduler::new(&devices, runners, self.on_time).with_terms(terms.collect())
    }
}

fn name(stream: u8) -> StreamName {
    StreamName::new(&stream.to_string())
}

fn setup() -> impl Strategy<Value = Setup> {
    let setup = prop_oneof![
        Just(Setup::one_core()),
        Just(Setup::two_cores()),
        Just(Setup::gpu_and_cores())
    ];
    let shared: [&[u64]; 3] = [&[], &[120, 140, 160], &[160, 180]];
    (setup, prop::sample::select(shared.to_vec()))
        .prop_map(|(setup, shared)| Setup { shared, ..setup })
}

/// The same, which is to be in time by all that is usual.
fn certain_setup() -> impl Strategy<Value = Setup> {
    let on_time = prop_oneof![
        Just(half_of_the_time()),
        Just(OnTime::new(0.9).unwrap()),
        Just(OnTime::default())
    ];
    (setup(), on_time).prop_map(|(setup, on_time)| Setup { on_time, ..setup })
}

/// Something that happens in a simulated run.
#[derive(Clone, Debug)]
enum Event {
    Arrive {
        stream: u8,
        budget: u64,
        work: bool,
        covered: bool,
    },
    /// The scene of a stream has an answer: frames that wait can do without, or need no model at all.
    Cover {
        stream: u8,
        wholly: bool,
    },
    /// One of the runs ends after this share (percent) of its expected time.
    Finish {
        which: usize,
        percent: u64,
    },
    /// The same, and the job comes back for another run.
    Return {
        which: usize,
        percent: u64,
    },
    /// One of the runs, begun or not, is given up.
    Fail {
        which: usize,
    },
    /// One of the frames of a run that has not begun is taken out.
    Shrink {
        which: usize,
    },
    Retire(usize),
    Restore(usize),
    Wait(u64),
    /// For once a time comes in that is so many milliseconds before the last one.
    Back(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let run = || (0..8_usize, 30..300_u64);
    prop_oneof![
        6 => (0..4_u8, 1..200_u64, any::<bool>(), any::<bool>()).prop_map(
            |(stream, budget, work, covered)| Event::Arrive { stream, budget, work, covered }
        ),
        1 => (0..4_u8, any::<bool>())
            .prop_map(|(stream, wholly)| Event::Cover { stream, wholly }),
        5 => run().prop_map(|(which, percent)| Event::Finish { which, percent }),
        4 => run().prop_map(|(which, percent)| Event::Return { which, percent }),
        1 => (0..8_usize).prop_map(|which| Event::Fail { which }),
        1 => (0..8_usize).prop_map(|which| Event::Shrink { which }),
        1 => (0..40_usize).prop_map(Event::Retire),
        1 => (0..10_usize).prop_map(Event::Restore),
        3 => (0..50_u64).prop_map(Event::Wait),
        // The machine was asleep.
        1 => (1_000..100_000_u64).prop_map(Event::Wait),
        1 => (1..10_000_u64).prop_map(Event::Back),
    ]
}

pub(super) struct Job {
    deadline: Deadline,
    pace: Pace,
    pub(super) stream: u8,
    runs: usize,
    is_covered: bool,
    /// When it came in, or came back, if it waits.
    waits_since: Option<Instant>,
}

struct Running {
    jobs: Vec<u32>,
    runner: usize,
    serial: u64,
    begun: Option<Instant>,
}

/// The world around a scheduler, with the books that every frame must balance in.
pub(super) struct Simulation {
    setup: Setup,
    scheduler: Scheduler<u32>,
    pub(super) now: Instant,
    pub(super) jobs: Vec<Job>,
    /// What every job wishes for.
    pub(super) selection: Selection,
    /// Jobs whose runs have ended, and the runners.
    pub(super) ran: Vec<(u32, usize)>,
    settled: BTreeSet<u32>,
    running: Vec<Running>,
    retired: BTreeSet<&'static str>,
    pub(super) late: Vec<u32>,
    /// Whether decisions say what they chose from, so that their certainty can be checked.
    is_explained: bool,
    /// How far the time that the scheduler is told next is behind.
    back: Duration,
    /// Runs that are over.
    ended: u32,
    /// Late frames that are to be expected of the runs that were tried.
    risked: f64,
}

impl Simulation {
    fn new(setup: Setup) -> Self {
        let terms =
            [0, 1, 2, 3].map(|stream| (stream, Terms { priority: stream / 2, minimum_share: 0.1 }));
        let mut simulation = Self::with_terms(setup, &terms);
        simulation.scheduler = simulation.scheduler.explaining();
        simulation.is_explained = true;
        simulation
    }

    pub(super) fn with_terms(setup: Setup, terms: &[(u8, Terms)]) -> Self {
        let scheduler = setup.scheduler(terms);
        Self {
            setup,
            scheduler,
            now: Clock.now(),
            jobs: Vec::new(),
            selection: ranking(&ALL),
            ran: Vec::new(),
            settled: BTreeSet::new(),
            running: Vec::new(),
            retired: BTreeSet::new(),
            late: Vec::new(),
            is_explained: false,
            back: Duration::ZERO,
            ended: 0,
            risked: 0.0,
        }
    }

    fn settle(&mut self, job: u32) {
        assert!(self.settled.insert(job), "job {job} has two outcomes");
        self.jobs[job as usize].waits_since = None;
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Arrive { stream, budget, work, covered } => {
                let pace = if work { Pace::Work } else { Pace::Clock };
                self.hand_in(stream, (due(self.now, budget), pace), covered);
            }
            Event::Cover { stream, wholly } => self.cover(stream, wholly),
            Event::Finish { which, percent } => self.finish(which, percent),
            Event::Return { which, percent } => self.come_back(which, percent),
            Event::Fail { which } => self.fail(which),
            Event::Shrink { which } => self.shrink(which),
            Event::Retire(number) => {
                if let Some(&name) = ALL.get(number) {
                    self.scheduler.retire(&model(name));
                    self.retired.insert(name);
                }
            }
            Event::Restore(number) => {
                let name = ALL.get(number).filter(|name| self.retired.remove(*name));
                if let Some(name) = name {
                    self.scheduler.restore(&model(name));
                }
            }
            Event::Wait(milliseconds) => self.now += ms(milliseconds),
            Event::Back(milliseconds) => self.back = ms(milliseconds),
        }
        self.decide();
        self.check_that_nothing_startable_waits();
        let answered = self.jobs.iter().filter(|job| job.waits_since.is_some() && job.runs > 0);
        let most: usize = self.setup.cores.iter().map(|cores| cores + 1).sum();
        assert!(answered.count() <= most, "frames with an answer pile up");
    }

    /// What the scheduler is told of the time.
    fn told(&self) -> Instant {
        self.now.checked_sub(self.back).unwrap_or(self.now)
    }

    /// A frame by the clock arrives.
    pub(super) fn arrive(&mut self, stream: u8, budget: u64) {
        self.hand_in(stream, (due(self.now, budget), Pace::Clock), false);
    }

    fn hand_in(&mut self, stream: u8, (deadline, pace): (Deadline, Pace), is_covered: bool) {
        let job = self.jobs.len() as u32;
        let waits_since = Some(self.now);
        self.jobs.push(Job { deadline, pace, stream, runs: 0, is_covered, waits_since });
        let offer = Offer { selection: self.selection.clone(), is_covered };
        match self.scheduler.submit(job, &name(stream), offer, (deadline, pace), self.now) {
            Admission::Waits => {}
            Admission::Displaced(older) => {
                assert_eq!(self.jobs[older as usize].runs, 0, "an answer was thrown away");
                self.settle(older);
            }
        }
    }

    fn cover(&mut self, stream: u8, wholly: bool) {
        let selection = if wholly { ranking(&[]) } else { self.selection.clone() };
        let jobs = &mut self.jobs;
        let over = self.scheduler.revise(&name(stream), self.now, |&mut job| {
            let job = &mut jobs[job as usize];
            assert!(job.stream == stream && job.runs == 0 && job.waits_since.is_some());
            job.is_covered = true;
            Some((Offer { selection: selection.clone(), is_covered: true }, job.deadline))
        });
        assert!(wholly || over.is_empty(), "a frame was given back that models may run on");
        over.into_iter().for_each(|job| self.settle(job));
    }

    /// Ends one of the runs that have begun.
    fn end_run(&mut self, which: usize, percent: u64) -> Vec<u32> {
        let begun: Vec<usize> =
            (0..self.running.len()).filter(|&at| self.running[at].begun.is_some()).collect();
        let Some(&at) = begun.get(which % begun.len().max(1)) else { return Vec::new() };
        let took = self.takes(&self.running[at]) * percent as u32 / 100;
        let Running { jobs, runner, serial, begun } = self.running.remove(at);
        self.now = self.now.max(begun.unwrap_or(self.now) + took);
        self.scheduler.finished(serial, runner, Cost { preprocess: Duration::ZERO, run: took });
        self.ended += 1;
        for &job in &jobs {
            let Job { deadline, pace, ref mut runs, .. } = self.jobs[job as usize];
            *runs += 1;
            self.ran.push((job, runner));
            if pace == Pace::Clock && !deadline.is_met_by(self.now) {
                self.late.push(job);
            }
        }
        jobs
    }

    /// What a run is expected to take.
    fn takes(&self, run: &Running) -> Duration {
        ms(self.setup.took(self.setup.runners[run.runner].3, run.jobs.len()))
    }

    fn finish(&mut self, which: usize, percent: u64) {
        for job in self.end_run(which, percent) {
            self.settle(job);
        }
    }

    /// The run ends, and its jobs come back, as often as there are models.
    fn come_back(&mut self, which: usize, percent: u64) {
        for number in self.end_run(which, percent) {
            let job = &mut self.jobs[number as usize];
            if job.runs >= ALL.len() {
                self.settle(number);
                continue;
            }
            job.waits_since = Some(self.now);
            let (name, due) = (name(job.stream), (job.deadline, job.pace));
            self.scheduler.submit_again(number, &name, ranking(&ALL), due, self.now);
        }
    }

    fn fail(&mut self, which: usize) {
        if self.running.is_empty() {
            return;
        }
        let run = self.running.remove(which % self.running.len());
        self.scheduler.given_up(run.serial);
        run.jobs.into_iter().for_each(|job| self.settle(job));
    }

    /// One frame of a run that has not begun is settled, if it has company.
    fn shrink(&mut self, which: usize) {
        let shared = |run: &&mut Running| run.begun.is_none() && run.jobs.len() > 1;
        let mut runs: Vec<&mut Running> = self.running.iter_mut().filter(shared).collect();
        let count = runs.len();
        let Some(run) = runs.get_mut(which % count.max(1)) else { return };
        let job = run.jobs.remove(which % run.jobs.len());
        self.scheduler.shrunk(run.serial, run.runner, run.jobs.len());
        self.settle(job);
    }

    pub(super) fn decide(&mut self) {
        loop {
            self.begin();
            let longest = self.longest();
            match self.scheduler.next(self.told()) {
                Decision::Idle | Decision::Later(_) => break,
                Decision::Expired { job, shortfall, .. } => {
                    let Job { runs, is_covered, .. } = self.jobs[job as usize];
                    assert_eq!(runs, 0, "an answer expired");
                    let none_fits =
                        shortfall.quickest.is_none() || shortfall.needed > shortfall.left;
                    assert!(none_fits || is_covered, "a run was to be had");
                    self.settle(job);
                }
                Decision::Settle { job, .. } => {
                    assert!(self.jobs[job as usize].runs > 0, "there is no answer to go out");
                    self.settle(job);
                }
                Decision::Run { job, company, runner, serial, expected, considered, .. } => {
                    if let Some(&longest) = longest.get(runner) {
                        self.check_certainty(job, runner, longest, &considered);
                    }
                    let company = company.into_iter().map(|companion| companion.job);
                    self.run(iter::once(job).chain(company).collect(), (runner, serial), expected);
                }
            }
        }
        self.back = Duration::ZERO;
        self.check_that_nothing_idles();
    }

    /// By runner: what a run takes at most, with the probability that is asked for. Nothing where that is not
    /// checked, as it takes time.
    fn longest(&self) -> Vec<Duration> {
        let glance = self.is_explained.then(|| self.scheduler.glance());
        let runners = glance.into_iter().flat_map(|glance| glance.runners);
        runners.map(|runner| runner.longest).collect()
    }

    /// A run by the clock is certain enough to be in time, or its frame has another answer, or it is one of
    /// the few that are tried.
    fn check_certainty(
        &mut self,
        job: u32,
        runner: usize,
        longest: Duration,
        considered: &[Considered],
    ) {
        let Job { deadline, pace, runs, is_covered, .. } = self.jobs[job as usize];
        if pace == Pace::Work || deadline.is_met_by(self.now + longest) {
            return;
        }
        let (name, device, cores, _) = self.setup.runners[runner];
        assert!(self.is_idle(device), "job {job} was tried on a device that has other work");
        if runs > 0 || is_covered {
            // Its other answer is in time.
            return;
        }
        let is_chosen = |one: &&Considered| {
            one.model == model(name)
                && one.device == format!("device{device}")
                && one.cores == cores
        };
        let chance = considered.iter().find(is_chosen).expect("it was considered").chance;
        self.risked += 1.0 - chance;
        // A fifth of what may be late, of the runs so far and a thousand of each device.
        let runs = f64::from(self.ended) + 1000.0 * self.setup.cores.len() as f64;
        let most = 0.2 * (1.0 - self.setup.on_time.get()) * runs;
        assert!(self.risked <= most + 1e-6, "too much is tried: {} of {most}", self.risked);
    }

    fn is_idle(&self, device: usize) -> bool {
        self.running.iter().all(|run| self.setup.runners[run.runner].1 != device)
    }

    /// No device does nothing while a new frame waits that a run there is certain enough to be in time for.
    fn check_that_nothing_startable_waits(&self) {
        for (place, runner) in self.scheduler.glance().runners.iter().enumerate() {
            let (name, device, ..) = self.setup.runners[place];
            let could = |job: &Job| {
                let is_new = job.waits_since.is_some() && job.runs == 0 && !job.is_covered;
                let is_in_time = job.deadline.is_met_by(self.now + runner.longest);
                is_new && job.pace == Pace::Clock && is_in_time
            };
            if runner.is_in && self.is_idle(device) {
                let startable = self.jobs.iter().position(could);
                assert!(startable.is_none(), "{startable:?} waits, and {name} could run");
            }
        }
    }

    fn run(&mut self, jobs: Vec<u32>, (runner, serial): (usize, u64), expected: Duration) {
        let (name, device, ..) = self.setup.runners[runner];
        assert!(!self.retired.contains(name), "{name} is gone");
        assert!(jobs.len() <= self.setup.most_frames(), "too many share a run");
        for &job in &jobs {
            let Job { deadline, pace, waits_since, .. } = &mut self.jobs[job as usize];
            assert!(waits_since.take().is_some(), "job {job} did not wait");
            assert!(
                *pace == Pace::Work || deadline.is_met_by(self.now + expected),
                "job {job} was started though it is expected to be late"
            );
            assert!(*pace == Pace::Clock || jobs.len() == 1, "job {job} is not to have company");
        }
        self.running.push(Running { jobs, runner, serial, begun: None });
        let taken = self.running.iter().filter(|run| self.setup.runners[run.runner].1 == device);
        assert!(taken.count() <= self.setup.cores[device] + 1, "too many are committed ahead");
    }

    /// Begins the runs whose turn it is.
    fn begin(&mut self) {
        for run in self.running.iter_mut().filter(|run| run.begun.is_none()) {
            if self.scheduler.is_turn_of(run.serial) {
                run.begun = Some(self.now);
                self.scheduler.started(run.serial, self.now);
            }
        }
        for (device, &cores) in self.setup.cores.iter().enumerate() {
            assert!(self.taken(device) <= cores, "more runs than cores");
        }
    }

    /// Cores of a device that runs have taken.
    fn taken(&self, device: usize) -> usize {
        let runs = self.running.iter().filter(|run| run.begun.is_some());
        let runners = runs.map(|run| self.setup.runners[run.runner]);
        runners.filter(|runner| runner.1 == device).map(|runner| runner.2).sum()
    }

    /// No decided run waits for a device that does nothing.
    fn check_that_nothing_idles(&self) {
        for device in 0..self.setup.cores.len() {
            let mut runs = self.running.iter();
            let waits = runs.any(|run| self.setup.runners[run.runner].1 == device);
            assert!(self.taken(device) > 0 || !waits, "device {device} idles");
        }
    }

    fn drain(&mut self) {
        while !self.running.is_empty() {
            self.finish(0, 100);
            self.decide();
        }
        assert!(self.scheduler.is_over(), "jobs wait though every device is free");
    }

    /// Lets runs end as expected until then; what comes back does so as long as it may.
    pub(super) fn pass_until(&mut self, until: Instant, returns: bool) {
        loop {
            let end = |run: &Running| Some(run.begun? + self.takes(run));
            let begun = self.running.iter().filter_map(end);
            let Some((which, at)) = begun.enumerate().min_by_key(|&(_, at)| at) else { break };
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            if returns {
                self.come_back(which, 100);
            } else {
                self.finish(which, 100);
            }
            self.decide();
        }
        self.now = self.now.max(until);
    }

    /// New jobs by the clock that wait, and what of them could be in time if started now.
    fn startable(&self) -> Vec<u32> {
        let quickest = |device: usize| {
            let there = self.setup.runners.iter().filter(move |runner| {
                runner.1 == device && runner.2 <= self.setup.cores[device] - self.taken(device)
            });
            there.filter(|runner| !self.retired.contains(runner.0)).map(|runner| runner.3).min()
        };
        let least = (0..self.setup.cores.len()).filter_map(quickest).min();
        let waits = |(number, job): (usize, &Job)| {
            let is_new = job.waits_since.is_some() && job.runs == 0 && job.pace == Pace::Clock;
            let could = least.is_some_and(|took| job.deadline.is_met_by(self.now + ms(took)));
            (is_new && could).then_some(number as u32)
        };
        self.jobs.iter().enumerate().filter_map(waits).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_job_has_exactly_one_outcome(
        setup in certain_setup(),
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut simulation = Simulation::new(setup);
        for event in &events {
            simulation.happen(event);
        }
        simulation.drain();
        prop_assert_eq!(simulation.settled.len(), simulation.jobs.len());
    }

    #[test]
    fn runs_that_take_as_long_as_expected_are_in_time_and_no_core_idles(
        setup in setup(),
        arrivals in prop::collection::vec((0..4_u8, 1..200_u64, 0..40_u64), 0..50),
        returns in any::<bool>(),
    ) {
        let mut simulation = Simulation::new(setup);
        for (stream, budget, wait) in arrivals {
            let arrival = simulation.now + ms(wait);
            simulation.pass_until(arrival, returns);
            simulation.arrive(stream, budget);
            simulation.decide();
            prop_assert!(simulation.startable().is_empty(), "a core idles");
        }
        let far = simulation.now + ms(100_000);
        simulation.pass_until(far, returns);
        prop_assert!(simulation.late.is_empty(), "late: {:?}", simulation.late);
        prop_assert_eq!(simulation.settled.len(), simulation.jobs.len());
    }

    #[test]
    fn what_can_all_be_in_time_goes_in_the_order_of_the_deadlines(
        budgets in prop::collection::vec((0..8_u8, 1..400_u64), 1..16),
    ) {
        // One job of each stream, all quick enough together by the small model alone.
        let mut simulation = Simulation::new(Setup::one_core());
        let mut streams = BTreeSet::new();
        let mut sorted: Vec<(u64, u32)> = Vec::new();
        for (stream, budget) in budgets {
            if streams.insert(stream) {
                let job = simulation.jobs.len() as u32;
                let deadline = due(simulation.now, 60 + budget);
                let waits_since = Some(simulation.now);
                let (pace, is_covered) = (Pace::Clock, false);
                simulation.jobs.push(Job { deadline, pace, stream, runs: 0, is_covered, waits_since });
                let due = (deadline, Pace::Clock);
                simulation.scheduler.submit(job, &name(stream), ranking(&["small"]), due, simulation.now);
                sorted.push((budget, job));
            }
        }
        sorted.sort_unstable();
        let mut order = Vec::new();
        while order.len() < sorted.len() {
            simulation.decide();
            let running = simulation.running.iter().flat_map(|run| run.jobs.iter().copied());
            order.extend(running.filter(|job| !order.contains(job)).collect::<Vec<_>>());
            simulation.finish(0, 100);
        }
        let deadline = |job: &u32| simulation.jobs[*job as usize].deadline;
        prop_assert!(order.windows(2).all(|pair| deadline(&pair[0]) <= deadline(&pair[1])));
        prop_assert!(simulation.late.is_empty());
    }
}
