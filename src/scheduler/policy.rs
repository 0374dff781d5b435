//! The decisions.

mod admission;
mod again;
mod arrivals;
mod choice;
mod company;
mod explain;
mod glance;
mod job;
mod knock_on;
mod newest_wins;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use super::cost::{Cost, Took};
use super::estimate::{OnTime, Remembered};
use super::machine::{Device, DeviceTerms, Runner, RunnerTerms};
use super::terms::{Streams, Terms};
use crate::frame::{Deadline, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Considered, Reason, Shortfall, Stop};
use crate::premodel::Selection;

use admission::Plan;
use arrivals::Arrivals;
use choice::{Choice, Wish};
use company::Company;
pub use glance::{DeviceGlance, Glance, RunnerGlance};
pub use job::Offer;
use job::{Asked, Standing, Waiting};
use view::{Prospect, View};

/// Frames of one stream that may wait.
const WAITING_PER_STREAM: usize = 4;

/// Decides which waiting job runs next, with which model and where. Pure: time comes in as `now`. It goes on
/// or stands still: a `now` before an earlier one counts as that one.
pub struct Scheduler<J> {
    devices: Vec<Device>,
    on_time: OnTime,
    /// Those of a model together, the narrow ones first.
    runners: Vec<Runner>,
    /// The numbers of the models.
    models: BTreeMap<ModelId, usize>,
    /// By model: its runners, the narrow ones first; none once it is retired.
    of_model: Vec<Vec<usize>>,
    /// The runners, the quickest first.
    by_time: Vec<usize>,
    /// Counts the changes of that order.
    age: u64,
    /// Whether since then a job came that no runner is there for.
    has_stranded: bool,
    streams: Streams,
    arrivals: Arrivals,
    /// In the order in which they are decided.
    waiting: VecDeque<Waiting<J>>,
    next_serial: u64,
    /// What the latest new job by the clock would like to have.
    usual: Vec<Wish>,
    /// The latest time that came in.
    latest: Option<Instant>,
    /// Whether decisions say what they chose from.
    explains: bool,
    discipline: Discipline,
}

/// By what a scheduler decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discipline {
    /// By deadlines, and by what frames are worth to each other.
    #[default]
    Deadlines,
    /// First in, first out, the newest frame of each stream, whatever its deadline; for comparisons.
    NewestWins,
}

/// What became of a job handed in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<J> {
    /// It waits.
    Waits,
    /// It waits in the place of this older job of its stream.
    Displaced(J),
}

/// What to do next.
#[derive(Debug)]
pub enum Decision<J> {
    /// Run the job with this model.
    Run {
        /// The job.
        job: J,
        /// The runner, by its place in the list that the scheduler was made of.
        runner: usize,
        /// Its model.
        model: ModelId,
        /// Why this model.
        reason: Reason,
        /// Time the job waited for this decision.
        waited: Duration,
        /// What it was chosen from; empty unless the scheduler is [`Scheduler::explaining`].
        considered: Vec<Considered>,
        /// The jobs that share the run.
        company: Vec<Companion<J>>,
        /// What the run is expected to take, its preprocessing left out.
        expected: Duration,
        /// Names the run in [`Scheduler::is_turn_of`] and [`Scheduler::finished`].
        serial: u64,
    },
    /// No model can answer the job in time.
    Expired {
        /// The job.
        job: J,
        /// By how much the quickest model misses.
        shortfall: Shortfall,
        /// Time the job waited for this decision.
        waited: Duration,
        /// What it was chosen from; empty unless the scheduler is [`Scheduler::explaining`].
        considered: Vec<Considered>,
    },
    /// The job came back for another run and gets none: its answer goes out.
    Settle {
        /// The job.
        job: J,
        /// Why it gets none.
        stop: Stop,
        /// Time the job waited for this decision.
        waited: Duration,
        /// What it was chosen from; empty unless the scheduler is [`Scheduler::explaining`].
        considered: Vec<Considered>,
    },
    /// There is nothing to do until this instant, unless a job comes or a run ends before.
    Later(Instant),
    /// There is nothing to do until a job comes or a run ends.
    Idle,
}

/// A job that shares the run of another.
#[derive(Debug)]
pub struct Companion<J> {
    /// The job.
    pub job: J,
    /// Why this model.
    pub reason: Reason,
    /// Time the job waited for this decision.
    pub waited: Duration,
    /// What it was chosen from; empty unless the scheduler is [`Scheduler::explaining`].
    pub considered: Vec<Considered>,
}

impl<J> Scheduler<J> {
    /// A scheduler of these devices and of runners on them, which starts runs that will be over in time
    /// with this probability. Panics if a runner names no device of the list or has no warm-up run.
    pub fn new(devices: &[DeviceTerms], terms: Vec<RunnerTerms>, on_time: OnTime) -> Self {
        let (mut models, mut of_model) = (BTreeMap::new(), Vec::<Vec<usize>>::new());
        let mut devices: Vec<Device> =
            devices.iter().map(|terms| Device::new(terms, on_time)).collect();
        let mut runners = Vec::new();
        for terms in terms {
            let (model, device) = (terms.model.clone(), terms.device);
            let place = runners.len();
            let runner = devices.get_mut(device).and_then(|device| device.add(place, terms));
            let Some(runner) = runner else {
                panic!("{model} has no device {device} or no warm-up")
            };
            let number = *models.entry(model).or_insert(of_model.len());
            if number == of_model.len() {
                of_model.push(Vec::new());
            }
            of_model[number].push(place);
            runners.push(runner);
        }
        for (place, device) in devices.iter().enumerate() {
            device.teach(place, &mut runners);
        }
        for places in &mut of_model {
            places.sort_by_key(|&place| runners[place].cores);
        }
        let (by_time, streams, waiting) = (Vec::new(), Streams::default(), VecDeque::new());
        let (age, next_serial) = (0, 0);
        let mut scheduler = Self {
            devices,
            on_time,
            runners,
            models,
            of_model,
            by_time,
            age,
            has_stranded: false,
            arrivals: Arrivals::default(),
            streams,
            waiting,
            next_serial,
            usual: Vec::new(),
            latest: None,
            explains: false,
            discipline: Discipline::default(),
        };
        scheduler.put_in_order();
        scheduler
    }

    /// The same with terms for some streams; all others have [`Terms::default`].
    #[must_use]
    pub fn with_terms(mut self, terms: BTreeMap<StreamName, Terms>) -> Self {
        self.streams = Streams::new(terms);
        self
    }

    /// The same, which decides like that.
    #[must_use]
    pub fn with_discipline(mut self, discipline: Discipline) -> Self {
        self.discipline = discipline;
        self
    }

    /// The same, whose decisions say what they chose from, which takes time.
    #[must_use]
    pub fn explaining(mut self) -> Self {
        self.explains = true;
        self
    }

    /// The time, which does not go back.
    fn time(&mut self, now: Instant) -> Instant {
        *self.latest.insert(self.latest.map_or(now, |latest| latest.max(now)))
    }

    /// Takes a job in. A stream whose share of waiting frames is full loses its oldest one: the
    /// newest frame wins.
    pub fn submit(
        &mut self,
        job: J,
        stream: &StreamName,
        offer: impl Into<Offer>,
        due: (Deadline, Pace),
        now: Instant,
    ) -> Admission<J> {
        let now = self.time(now);
        let (stream, offer) = (self.streams.place(stream), offer.into());
        let oldest = if self.is_full_at(stream) { self.oldest_of(stream) } else { None };
        let displaced = oldest.map(|index| self.remove(index, false).job);
        let selection = (offer.standing(), offer.selection);
        let waiting = self.waiting_job(job, stream, selection, due, now);
        if waiting.pace == Pace::Clock {
            self.arrivals.note(stream, waiting.deadline.remaining(now), now);
            self.usual.clone_from(&waiting.wishes);
        }
        let asked = self.asking(&waiting, now);
        self.insert(Waiting { asked, ..waiting });
        displaced.map_or(Admission::Waits, Admission::Displaced)
    }

    fn asking(&mut self, job: &Waiting<J>, now: Instant) -> Asked {
        match job.pace {
            Pace::Clock => self.ask_for(&job.wishes, job.deadline.remaining(now)),
            Pace::Work => Asked::default(),
        }
    }

    /// Goes through the jobs of a stream that wait for their first run, after what they would like may
    /// have changed: `revise` gives the new offer, if any, and by when its run has to be over. Those that
    /// no model should run on any more are given back.
    pub fn revise(
        &mut self,
        stream: &StreamName,
        now: Instant,
        mut revise: impl FnMut(&mut J) -> Option<(Offer, Deadline)>,
    ) -> Vec<J> {
        let now = self.time(now);
        let Some(stream) = self.streams.find(stream) else { return Vec::new() };
        let is_meant =
            |job: &Waiting<J>| job.stream == stream && job.standing != Standing::Answered;
        let (meant, others): (VecDeque<_>, VecDeque<_>) =
            mem::take(&mut self.waiting).into_iter().partition(is_meant);
        self.waiting = others;
        let mut over = Vec::new();
        for mut job in meant {
            match revise(&mut job.job) {
                None => self.enqueue(job),
                Some((offer, _)) if offer.selection.ranking.is_empty() => {
                    self.give_back(&job);
                    self.streams.leave(stream, true);
                    over.push(job.job);
                }
                Some((offer, due)) => self.offer_anew(job, offer, due, now),
            }
        }
        over
    }

    /// Takes a job in again whose run is over and which has an answer, for another run or none.
    ///
    /// It is decided before any new job and gives way to no newer one, so that no more jobs come
    /// back than were committed.
    pub fn submit_again(
        &mut self,
        job: J,
        stream: &StreamName,
        selection: Selection,
        due: (Deadline, Pace),
        now: Instant,
    ) {
        let (stream, now) = (self.streams.place(stream), self.time(now));
        let waiting = self.waiting_job(job, stream, (Standing::Answered, selection), due, now);
        self.insert(waiting);
    }

    fn offer_anew(&mut self, old: Waiting<J>, offer: Offer, due: Deadline, now: Instant) {
        self.give_back(&old);
        let (standing, due) = (offer.standing(), (due, old.pace));
        let selection = (standing, offer.selection);
        let waiting = self.waiting_job(old.job, old.stream, selection, due, old.submitted);
        let asked = self.asking(&waiting, now);
        self.enqueue(Waiting { asked, ..waiting });
    }

    /// Takes back what a job asked for that gets no run.
    fn give_back(&mut self, job: &Waiting<J>) {
        self.devices[job.asked.device].price.take_back(job.asked.work);
    }

    /// A job that has asked for no time yet.
    fn waiting_job(
        &self,
        job: J,
        stream: usize,
        (standing, selection): (Standing, Selection),
        (deadline, pace): (Deadline, Pace),
        submitted: Instant,
    ) -> Waiting<J> {
        let (wishes, asked) = (self.wishes(&selection), Asked::default());
        let (quickest, age) = (Vec::new(), 0);
        Waiting {
            job,
            stream,
            standing,
            selection,
            wishes,
            asked,
            quickest,
            age,
            deadline,
            pace,
            submitted,
        }
    }

    fn insert(&mut self, waiting: Waiting<J>) {
        if waiting.standing != Standing::Answered {
            self.streams.enter(waiting.stream);
        }
        self.enqueue(waiting);
    }

    fn enqueue(&mut self, waiting: Waiting<J>) {
        let place = self.waiting.partition_point(|other| other.turn() <= waiting.turn());
        self.waiting.insert(place, waiting);
    }

    /// Takes a job out, for a run or for none.
    fn remove(&mut self, index: usize, for_run: bool) -> Waiting<J> {
        let Some(waiting) = self.waiting.remove(index) else { panic!("no job waits at {index}") };
        match waiting.standing {
            Standing::Answered => {}
            Standing::New => self.streams.leave(waiting.stream, for_run),
            // Its stream loses nothing: it has an answer.
            Standing::Covered => self.streams.leave(waiting.stream, true),
        }
        waiting
    }

    /// Sorts the runners anew, after a change of what they take.
    fn put_in_order(&mut self) {
        let time = |&place: &usize| self.runners[place].longest();
        if self.by_time.len() == self.runners.len() && self.by_time.is_sorted_by_key(time) {
            return;
        }
        let mut by_time: Vec<usize> = (0..self.runners.len()).collect();
        by_time.sort_by_key(time);
        self.by_time = by_time;
        self.renew();
    }

    /// The quickest runs of all jobs have to be found anew.
    fn renew(&mut self) {
        self.age += 1;
        self.has_stranded = false;
    }

    /// Finds the quickest runs of jobs for which they may have changed.
    fn refresh(&mut self) {
        for job in self.waiting.iter_mut().filter(|job| job.age != self.age) {
            job.age = self.age;
            job.quickest.clear();
            job.quickest.resize(self.devices.len(), None);
            for place in job.wishes.iter().flat_map(|wish| &self.of_model[wish.model]) {
                let runner = &self.runners[*place];
                let quickest = &mut job.quickest[runner.device];
                if quickest.is_none_or(|other| runner.longest() < self.runners[other].longest()) {
                    *quickest = Some(*place);
                }
            }
            self.has_stranded |= job.quickest.iter().all(Option::is_none);
        }
    }

    /// Whether a further job of `stream` would displace one.
    pub fn is_full(&self, stream: &StreamName) -> bool {
        self.streams.find(stream).is_some_and(|place| self.is_full_at(place))
    }

    fn is_full_at(&self, stream: usize) -> bool {
        let most = match self.discipline {
            Discipline::Deadlines => WAITING_PER_STREAM,
            Discipline::NewestWins => 1,
        };
        self.streams.waiting(stream) >= most
    }

    fn oldest_of(&self, stream: usize) -> Option<usize> {
        let of_stream = self.new_jobs().filter(|(_, waiting)| waiting.stream == stream);
        of_stream.min_by_key(|(_, waiting)| waiting.submitted).map(|(index, _)| index)
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no job waits and none can come back.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.devices.iter().all(Device::is_idle)
    }

    fn new_jobs(&self) -> impl Iterator<Item = (usize, &Waiting<J>)> {
        let numbered = self.waiting.iter().enumerate();
        numbered.filter(|(_, job)| job.standing != Standing::Answered)
    }

    /// The next thing to do at `now`.
    pub fn next(&mut self, now: Instant) -> Decision<J> {
        let now = self.time(now);
        let streams = self.arrivals.streams(now);
        for device in &mut self.devices {
            device.price.pass(now, device.cores(), streams);
        }
        if self.waiting.is_empty() {
            return Decision::Idle;
        }
        self.refresh();
        let view = self.view(now);
        if self.discipline == Discipline::NewestWins {
            return self.next_in_line(&view);
        }
        if let Some(index) = self.first_hopeless(&view) {
            return self.expire(index, None, &view);
        }
        let plan = self.plan(&view);
        if let Some(decision) = self.decide_again(&plan, &view) {
            return decision;
        }
        match self.first_choice(&plan, &view) {
            Some((index, Some(choice))) => {
                let company = self.company(index, &choice, &plan, &view);
                self.commit(index, choice, company, &plan, &view)
            }
            Some((index, None)) => self.expire(index, Some(&plan), &view),
            None => {
                let wakes = view.next_due().into_iter().chain(self.next_deadline(&view)).min();
                wakes.map_or(Decision::Idle, Decision::Later)
            }
        }
    }

    /// When the first of the jobs by the clock expires, or is to go out with the answer that it has.
    fn next_deadline(&self, view: &View) -> Option<Instant> {
        let by_clock = self.waiting.iter().filter(|job| job.pace == Pace::Clock);
        let due = by_clock.map(|job| job.deadline.instant());
        due.filter(|due| *due > view.now).min()
    }

    /// The first job that can get a run now, and what it gets: nothing, if it can do without and no run
    /// is worth its price.
    fn first_choice(&self, plan: &Plan, view: &View) -> Option<(usize, Option<Choice>)> {
        let mut order = plan.order.iter().copied().chain(self.of_work_pace());
        order.find_map(|index| Some((index, self.choose(index, plan, view)?)))
    }

    fn of_work_pace(&self) -> impl Iterator<Item = usize> {
        let of_work = self.new_jobs().filter(|(_, job)| job.pace == Pace::Work);
        of_work.map(|(index, _)| index)
    }

    /// The first new job that no model can answer in time, even if what runs now is over when expected: that
    /// it may last longer is no reason to give the job up before it does.
    fn first_hopeless(&self, view: &View) -> Option<usize> {
        let is_by_clock = self.waiting.back().is_some_and(|job| job.pace == Pace::Clock);
        let slowest = view.prospects.iter().map(|run| run.latest_finish).max();
        let slowest = slowest.filter(|_| is_by_clock && !self.has_stranded);
        let is_early = |(_, job): &(usize, &Waiting<J>)| {
            slowest.is_none_or(|slowest| !job.deadline.is_met_by(slowest))
        };
        let hopeless = |standing| {
            // Of those that stand alike: once one is due so late that any run would do, so are all after it.
            let alike = self.new_jobs().filter(move |(_, job)| job.standing == standing);
            alike.take_while(is_early).find(|(_, job)| self.is_hopeless(job, view))
        };
        let first = hopeless(Standing::New).or_else(|| hopeless(Standing::Covered));
        first.map(|(index, _)| index)
    }

    fn is_hopeless(&self, job: &Waiting<J>, view: &View) -> bool {
        let may_run = |runner: &Runner| match job.standing {
            Standing::New => view.could_be_in_time(job, runner),
            Standing::Covered | Standing::Answered => {
                self.chance_if_startable(job, runner, view).is_some()
            }
        };
        !self.quickest_of(job).any(may_run)
    }

    /// The quickest runners of the models that the job wishes for, one of each device.
    fn quickest_of<'a>(&'a self, job: &'a Waiting<J>) -> impl Iterator<Item = &'a Runner> {
        job.quickest.iter().flatten().map(|&place| &self.runners[place])
    }

    fn expire(&mut self, index: usize, plan: Option<&Plan>, view: &View) -> Decision<J> {
        let considered = self.considered(&self.waiting[index], plan, view);
        let is_hopeless = self.is_hopeless(&self.waiting[index], view);
        let expired = self.remove(index, false);
        let shortfall = self.shortfall(&expired, view);
        if is_hopeless {
            self.doubt_estimates_of(&expired, view);
        }
        let waited = view.now.saturating_duration_since(expired.submitted);
        Decision::Expired { job: expired.job, shortfall, waited, considered }
    }

    /// If a device does nothing and a frame is hopeless all the same, its estimates alone are to blame.
    fn doubt_estimates_of(&mut self, hopeless: &Waiting<J>, view: &View) {
        let left = hopeless.deadline.remaining(hopeless.now(view.now));
        for &quickest in hopeless.quickest.iter().flatten() {
            let device = &mut self.devices[self.runners[quickest].device];
            if device.is_idle() {
                device.refuse(quickest, left, &mut self.runners);
            }
        }
        self.put_in_order();
    }

    fn shortfall(&self, job: &Waiting<J>, view: &View) -> Shortfall {
        let latest = |runner: &'_ Runner| view.latest_finish(job, runner);
        let quickest = self.quickest_of(job).map(|runner| (latest(runner), &runner.model)).min();
        let from = job.now(view.now);
        Shortfall {
            quickest: quickest.map(|(_, model)| model.clone()),
            needed: quickest.map_or(Duration::ZERO, |(finish, _)| finish - from),
            left: job.deadline.remaining(from),
        }
    }

    fn commit(
        &mut self,
        index: usize,
        choice: Choice,
        company: Company,
        plan: &Plan,
        view: &View,
    ) -> Decision<J> {
        let now = view.now;
        let considered = self.considered(&self.waiting[index], Some(plan), view);
        let runner = &self.runners[choice.runner];
        if !view.is_in_time(&self.waiting[index], runner)
            && let Some(trial) = self.trial(&self.waiting[index], runner, view)
        {
            self.devices[runner.device].make(trial);
        }
        let index = index - company.before(index);
        let company = self.take_along(company, choice.runner, plan, view);
        let job = self.remove(index, true);
        self.charge(&job, choice.runner);
        let frames = 1 + company.len();
        let runner = &self.runners[choice.runner];
        let serial = self.next_serial;
        self.next_serial += 1;
        self.devices[runner.device].commit(serial, runner, frames, now);
        Decision::Run {
            waited: now.saturating_duration_since(job.submitted),
            considered,
            job: job.job,
            company,
            runner: choice.runner,
            model: runner.model.clone(),
            reason: choice.reason,
            expected: match self.discipline {
                Discipline::Deadlines => runner.load(frames).expected.run,
                // Whether it can be in time is not asked.
                Discipline::NewestWins => Duration::ZERO,
            },
            serial,
        }
    }

    /// What a run takes beyond what its job asked for is asked for too.
    fn charge(&mut self, job: &Waiting<J>, place: usize) {
        let runner = &self.runners[place];
        if job.pace == Pace::Clock {
            let more = runner.alone.work.saturating_sub(job.asked.work);
            self.devices[runner.device].price.ask(more);
        }
    }

    /// Whether this run may begin: runs of a device begin in the order of their decisions, and only
    /// if there are cores for them.
    pub fn is_turn_of(&self, serial: u64) -> bool {
        self.devices.iter().any(|device| device.is_turn_of(serial))
    }

    /// Notes that a run whose turn it is begins now.
    pub fn started(&mut self, serial: u64, now: Instant) {
        let now = self.time(now);
        self.devices.iter_mut().for_each(|device| device.start(serial, now));
    }

    /// Notes that a run is over, and what the classification took.
    pub fn finished(&mut self, serial: u64, runner: usize, took: impl Into<Took>) {
        let device = &mut self.devices[self.runners[runner].device];
        let frames = device.release(serial).unwrap_or(1);
        device.learn(runner, frames, took.into(), &mut self.runners);
        self.put_in_order();
    }

    /// Notes that fewer frames share a run than was decided.
    pub fn shrunk(&mut self, serial: u64, runner: usize, frames: usize) {
        let runner = &self.runners[runner];
        self.devices[runner.device].shrink(serial, runner, frames);
    }

    /// Notes that a decided run is over without a measure: it failed, or was not begun.
    pub fn given_up(&mut self, serial: u64) {
        for device in &mut self.devices {
            device.release(serial);
        }
    }

    /// What a run of each runner is expected to take now.
    pub fn expected(&self) -> Vec<Cost> {
        self.runners.iter().map(|runner| runner.alone.expected).collect()
    }

    /// What is worth remembering of each runner over a restart.
    pub fn remember(&self) -> Vec<Remembered> {
        self.runners.iter().map(|runner| self.devices[runner.device].remember(runner)).collect()
    }

    /// Takes a model out of the choice, until it is restored.
    pub fn retire(&mut self, model: &ModelId) {
        if let Some(&number) = self.models.get(model) {
            self.of_model[number].clear();
            self.renew();
        }
    }

    /// Takes a model that was retired into the choice again, for the jobs that wait as well. Its runs
    /// are held to take as long as before.
    pub fn restore(&mut self, model: &ModelId) {
        let Some(&number) = self.models.get(model) else { return };
        let is_of_model = |place: &usize| self.runners[*place].model == *model;
        let mut places: Vec<usize> = (0..self.runners.len()).filter(is_of_model).collect();
        places.sort_by_key(|&place| self.runners[place].cores);
        self.of_model[number] = places;
        self.renew();
    }
}
