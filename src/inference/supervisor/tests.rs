//! Late runs and stuck workers: the workers do what the test says, and have no model.

use std::thread::JoinHandle;
use std::time::Duration;

use image::RgbImage;

use super::*;
use crate::frame::{Budget, Frame, Pace, Picture, PictureError};
use crate::inference::RosterError;
use crate::inference::worker::Rider;
use crate::onnx::Tensor;
use crate::outcome::tests::ticket;
use crate::outcome::{Basis, Outcome, Settled, Ticket};
use crate::premodel::Selection;
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{
    Cost, DeviceTerms, Dispatch, Next, Passenger, RunnerTerms, Scheduler, Task,
};
use crate::threads::Threads;

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

fn model(name: &str) -> ModelId {
    ModelId::new(name).unwrap()
}

fn runner(name: &str) -> RunnerTerms {
    // With tensors that take longer than runs, one run is always decided ahead.
    let warm_up = vec![Cost { preprocess: 5 * MOMENT, run: MOMENT }];
    // Of two frames: in less time than one after the other.
    let batches = vec![warm_up.clone()];
    RunnerTerms { model: model(name), device: 0, cores: 1, warm_up, batches, remembered: None }
}

/// A supervisor at work.
struct Shop {
    supervisor: Arc<Supervisor>,
    queue: Arc<Queue>,
    health: Health,
    thread: JoinHandle<()>,
    settle: Sender<Settled>,
    settled: Receiver<Settled>,
    frames: u64,
}

/// A worker that begins and ends its runs when it is told to.
struct Puppet {
    /// Hears when it has its turn on the device.
    turn: Receiver<()>,
    /// Tells it to begin the run, and then to end it.
    next: Sender<()>,
    /// Hears when a run is asked to end.
    asked: Receiver<()>,
    /// Hears how a run ended.
    ended: Receiver<&'static str>,
    /// Hears, when its jobs have run out, whether all were dismissed.
    dismissed: Receiver<bool>,
}

impl Puppet {
    fn new() -> (Self, Work) {
        let ((take, turn), (ask, asked)) = (unbounded(), unbounded());
        let ((next, told), (report, ended)) = (unbounded(), unbounded());
        let (leave, dismissed) = unbounded();
        let work = Box::new(move |post: Post, jobs: Receiver<Job>| {
            for Job { riders, lease, .. } in jobs {
                assert!(lease.wait_for_turn(None));
                take.send(()).unwrap();
                told.recv().expect("told to begin");
                let (model, start) = (model("any"), Clock.now());
                let subject = |(row, rider)| Subject { rider, row, model: model.clone(), start };
                let subjects = riders.into_iter().enumerate().map(subject).collect();
                let ask = ask.clone();
                let watched = post.begin(subjects, lease, Box::new(move || ask.send(()).unwrap()));
                told.recv().expect("told to end");
                report.send(conclude(watched)).unwrap();
            }
            // Most tests do not ask.
            let _ = leave.send(post.is_dismissed());
        });
        (Self { turn, next, asked, ended, dismissed }, work)
    }

    fn begin(&self) {
        self.turn.recv().unwrap();
        self.next.send(()).unwrap();
    }

    /// Ends the run: how it ended.
    fn end(&self) -> &'static str {
        self.next.send(()).unwrap();
        self.ended.recv().unwrap()
    }
}

fn conclude(watched: Watched<'_>) -> &'static str {
    match watched.end() {
        Ended::Over { in_time, late, place: _place } => {
            let how = match (in_time.is_empty(), late.is_empty()) {
                (false, true) => "in time",
                (true, false) => "late",
                (false, false) => "in time and late",
                (true, true) => "without a frame",
            };
            in_time.into_iter().for_each(|one| one.rider.ticket.report(Outcome::Superseded));
            late.into_iter().for_each(|one| one.settle_late(Clock.now()));
            how
        }
        Ended::Asked(_) => "asked",
        Ended::Fenced => "fenced",
    }
}

impl Shop {
    /// One with the models `big` and `small`, that builds with `build`.
    fn new(
        fence_after: Duration,
        limit: Duration,
        build: impl Fn(&ModelId) -> Result<Vec<(usize, Work)>, RosterError> + Send + Sync + 'static,
    ) -> (Self, Puppet, Puppet) {
        Self::on_cores(1, fence_after, limit, build)
    }

    /// The same on a device with so many cores.
    fn on_cores(
        cores: usize,
        fence_after: Duration,
        limit: Duration,
        build: impl Fn(&ModelId) -> Result<Vec<(usize, Work)>, RosterError> + Send + Sync + 'static,
    ) -> (Self, Puppet, Puppet) {
        let names = ["big", "small"];
        let device = DeviceTerms { name: "cpu".to_owned(), cores };
        let runners = names.map(runner).into();
        let scheduler = Scheduler::new(&[device], runners, OnTime::default());
        let (queue, health) = (Queue::new(scheduler, Clock), Health::default());
        let limits =
            LateLimits { margin: Some(Duration::ZERO), fence_after, ..LateLimits::default() };
        let pause = Duration::ZERO;
        let workshop = Workshop { build: Box::new(build), attempts: 3, pause, limit };
        let supervisor = Supervisor::new(
            Arc::clone(&queue),
            limits,
            workshop,
            Threads::default().spawner(),
            health.clone(),
            Clock,
        );
        let [big, small] = [0, 1].map(|runner| {
            let (puppet, work) = Puppet::new();
            supervisor.hire(model(names[runner]), runner, work).unwrap();
            puppet
        });
        let overseer = Arc::clone(&supervisor);
        let thread = thread::spawn(move || overseer.run());
        let (settle, settled) = unbounded();
        (Self { supervisor, queue, health, thread, settle, settled, frames: 0 }, big, small)
    }

    fn ticket(&mut self, budget: &str) -> Ticket {
        let budget: Budget = budget.parse().unwrap();
        let ticket = ticket(self.frames, Clock.now(), budget, Pace::Clock, self.settle.clone());
        self.frames += 1;
        ticket
    }

    /// A decided run of the first of these models that may be chosen, and its model.
    fn job(&mut self, names: &[&str]) -> (ModelId, Job) {
        let picture = Picture::from_rgb(RgbImage::new(1, 1)).unwrap();
        let task = Task { frame: Frame { picture, ticket: self.ticket("1h") }, course: None };
        let ranking = names.iter().map(|name| (model(name), 0.5)).collect();
        self.queue.submit(task, Selection { ranking, basis: Basis::Premodel });
        self.decided()
    }

    /// The next run.
    fn decided(&mut self) -> (ModelId, Job) {
        let dispatch = match self.queue.next() {
            Some(Next::Run(dispatch)) => dispatch,
            Some(Next::Expired(..) | Next::Settle(..)) => panic!("there is an hour"),
            None => panic!("the queue is open"),
        };
        let Dispatch { passengers, model, lease, expected } = dispatch;
        let rider =
            |Passenger { task, reason }| Rider { ticket: task.frame.ticket, ongoing: None, reason };
        let riders: Vec<Rider> = passengers.into_iter().map(rider).collect();
        let job = Job {
            tensor: Tensor::zeros((riders.len(), 3, 1, 1)),
            riders,
            lease,
            prepared: Clock.now(),
            preprocess: Duration::ZERO,
            expected,
        };
        (model, job)
    }

    /// A decided run of `big` that two frames share.
    fn shared_job(&mut self) -> (ModelId, Job) {
        for _ in 0..2 {
            let picture = Picture::from_rgb(RgbImage::new(1, 1)).unwrap();
            let task = Task { frame: Frame { picture, ticket: self.ticket("1h") }, course: None };
            let ranking = vec![(model("big"), 0.5)];
            self.queue.submit(task, Selection { ranking, basis: Basis::Premodel });
        }
        let job = self.decided();
        assert_eq!(job.1.riders.len(), 2);
        job
    }

    /// Puts the deadline of a frame in the past, which workers here do not mind.
    fn make_late(&mut self, job: &mut Job, rider: usize) {
        // The queue would not have let it pass.
        let ticket = self.ticket("1ms");
        std::mem::replace(&mut job.riders[rider].ticket, ticket).report(Outcome::Superseded);
        assert!(matches!(self.outcome(), Outcome::Superseded));
        while job.riders[rider].ticket.account().deadline.is_met_by(Clock.now()) {
            thread::yield_now();
        }
    }

    /// The same, with a deadline that is over, which workers here do not mind.
    fn late_job(&mut self, name: &str) -> (ModelId, Job) {
        let (model, mut job) = self.job(&[name]);
        self.make_late(&mut job, 0);
        (model, job)
    }

    fn send(&self, (model, job): (ModelId, Job)) -> String {
        assert!(self.supervisor.send(job).is_ok(), "{model} is there");
        model.to_string()
    }

    /// Waits until so much was done.
    fn wait_for(&self, reached: impl Fn(&LateWork) -> bool) {
        let mut state = self.supervisor.lock();
        while !reached(&state.counts) {
            state = self.supervisor.changed.wait(state).unwrap();
        }
    }

    fn outcome(&self) -> Outcome {
        self.settled.recv().unwrap().outcome
    }

    /// Ends the run; what was done in it. Every frame must have had its outcome by then.
    fn close(self) -> LateWork {
        self.supervisor.dismiss();
        self.thread.join().unwrap();
        drop(self.settle);
        assert!(self.settled.is_empty(), "outcomes nobody waited for");
        self.supervisor.late_work()
    }
}

fn no_workshop(_: &ModelId) -> Result<Vec<(usize, Work)>, RosterError> {
    Err(PictureError::Empty { width: 0, height: 0 }.into())
}

#[test]
fn a_run_in_time_is_left_alone() {
    let (mut shop, big, _small) = Shop::new(HOUR, HOUR, no_workshop);
    let job = shop.job(&["big", "small"]);
    assert_eq!(shop.send(job), "big");
    big.begin();
    assert_eq!(big.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert_eq!(shop.close(), LateWork::default());
}

#[test]
fn a_late_frame_is_settled_while_its_run_goes_on_and_keeps_its_place() {
    let (mut shop, big, small) = Shop::new(HOUR, HOUR, no_workshop);
    let (late, next) = (shop.late_job("big"), shop.job(&["small"]));
    shop.send(late);
    shop.send(next);
    big.begin();
    big.asked.recv().unwrap();
    assert!(matches!(shop.outcome(), Outcome::Late(_)), "though the worker has said nothing yet");
    assert!(small.turn.try_recv().is_err(), "one model runs at a time");
    assert_eq!(big.end(), "asked");
    small.begin();
    assert_eq!(small.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    let again = shop.job(&["big", "small"]);
    assert_eq!(shop.send(again), "big", "it is still there");
    big.begin();
    assert_eq!(big.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert_eq!(shop.close(), LateWork { terminated: 1, ..LateWork::default() });
}

#[test]
fn a_late_frame_of_a_shared_run_is_settled_and_the_run_goes_on_for_the_other() {
    let (mut shop, big, _small) = Shop::new(HOUR, HOUR, no_workshop);
    let (name, mut job) = shop.shared_job();
    shop.make_late(&mut job, 0);
    shop.send((name, job));
    big.begin();
    assert!(matches!(shop.outcome(), Outcome::Late(_)), "though the run goes on");
    assert!(big.asked.try_recv().is_err(), "its answer counts for the other");
    assert_eq!(big.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert_eq!(shop.close(), LateWork::default());
}

#[test]
fn a_shared_run_is_asked_to_end_when_no_answer_counts() {
    let (mut shop, big, _small) = Shop::new(HOUR, HOUR, no_workshop);
    let (name, mut job) = shop.shared_job();
    shop.make_late(&mut job, 0);
    shop.make_late(&mut job, 1);
    shop.send((name, job));
    big.begin();
    big.asked.recv().unwrap();
    assert!((0..2).all(|_| matches!(shop.outcome(), Outcome::Late(_))));
    assert_eq!(big.end(), "asked");
    assert_eq!(shop.close(), LateWork { terminated: 1, ..LateWork::default() });
}

#[test]
fn the_frames_of_a_shared_run_that_breaks_down_have_one_outcome_each() {
    let (mut shop, big, _small) = Shop::new(HOUR, HOUR, no_workshop);
    let job = shop.shared_job();
    shop.send(job);
    big.begin();
    // Now it panics.
    drop(big);
    assert!((0..2).all(|_| matches!(shop.outcome(), Outcome::Abandoned)));
    // The frames are settled as the worker falls, and its end is heard after that.
    let health = shop.health.clone();
    assert_eq!(shop.close(), LateWork::default());
    assert!(only_fault(&health).contains("big has broken down"));
}

#[test]
fn a_stuck_worker_is_fenced_the_rest_goes_on_and_its_model_comes_back() {
    let (puppets, recruits) = unbounded();
    let (permit, permitted) = unbounded::<()>();
    let build = move |_: &ModelId| {
        permitted.recv().unwrap();
        let (puppet, work) = Puppet::new();
        puppets.send(puppet).unwrap();
        Ok(vec![(0, work)])
    };
    let (mut shop, stuck, small) = Shop::new(MOMENT, HOUR, build);
    let (late, waiting) = (shop.late_job("big"), shop.job(&["big"]));
    shop.send(late);
    shop.send(waiting);
    stuck.begin();
    assert!(matches!(shop.outcome(), Outcome::Late(_)));
    assert!(matches!(shop.outcome(), Outcome::Failed(_)), "the job behind it");
    let next = shop.job(&["big", "small"]);
    assert_eq!(shop.send(next), "small", "its model is not chosen");
    small.begin();
    assert_eq!(small.end(), "in time", "its place is free");
    assert!(matches!(shop.outcome(), Outcome::Superseded));

    permit.send(()).unwrap();
    let big = recruits.recv().unwrap();
    shop.wait_for(|done| done.rebuilt == 1);
    let next = shop.job(&["big", "small"]);
    assert_eq!(shop.send(next), "big");
    big.begin();
    assert_eq!(big.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));

    assert_eq!(shop.supervisor.running(), [model("big")], "the one that is stuck");
    assert_eq!(stuck.end(), "fenced", "and it settles nothing");
    assert!(shop.health.is_sound());
    let done = LateWork { terminated: 1, fenced: 1, rebuilt: 1, ..LateWork::default() };
    assert_eq!(shop.close(), done);
}

/// Has `big` fenced.
fn fence_big(shop: &mut Shop, big: &Puppet) {
    let late = shop.late_job("big");
    shop.send(late);
    big.begin();
    assert!(matches!(shop.outcome(), Outcome::Late(_)));
}

fn only_fault(health: &Health) -> String {
    let faults = health.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.into_iter().next().unwrap()
}

#[test]
fn a_model_that_cannot_be_built_is_lost_and_the_rest_goes_on() {
    let (tell, attempts) = unbounded();
    let (mut shop, big, small) = Shop::new(MOMENT, HOUR, move |name| {
        tell.send(()).unwrap();
        no_workshop(name)
    });
    fence_big(&mut shop, &big);
    shop.wait_for(|done| done.lost == 1);
    assert_eq!(attempts.try_iter().count(), 3);
    let fault = only_fault(&shop.health);
    assert!(fault.contains("big is lost") && fault.contains("no pixels"), "{fault}");
    let next = shop.job(&["big", "small"]);
    assert_eq!(shop.send(next), "small");
    small.begin();
    assert_eq!(small.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert_eq!(shop.close(), LateWork { terminated: 1, fenced: 1, lost: 1, ..LateWork::default() });
}

#[test]
fn a_model_that_is_built_for_too_long_is_lost_and_does_not_come_back() {
    let (permit, permitted) = unbounded::<()>();
    let (over, is_over) = unbounded::<()>();
    let build = move |_: &ModelId| {
        permitted.recv().unwrap();
        let over = over.clone();
        let work: Work = Box::new(move |_, _| panic!("nobody needs it: {over:?}"));
        Ok(vec![(0, work)])
    };
    let (mut shop, big, _small) = Shop::new(MOMENT, MOMENT, build);
    fence_big(&mut shop, &big);
    shop.wait_for(|done| done.lost == 1);
    assert!(only_fault(&shop.health).contains("not built within 1ms"));
    permit.send(()).unwrap();
    drop(permit);
    let next = shop.job(&["big", "small"]);
    assert_eq!(next.0, model("small"));
    drop(next);
    assert!(matches!(shop.outcome(), Outcome::Abandoned));
    assert_eq!(shop.close(), LateWork { terminated: 1, fenced: 1, lost: 1, ..LateWork::default() });
    assert_eq!(big.end(), "fenced");
    // What was built, and then the workshop, are dropped.
    assert!(is_over.recv().is_err());
}

#[test]
fn where_too_many_workers_are_stuck_no_further_model_is_built() {
    let (puppets, recruits) = unbounded();
    let build = move |_: &ModelId| {
        let (puppet, work) = Puppet::new();
        puppets.send(puppet).unwrap();
        Ok(vec![(0, work)])
    };
    let (mut shop, mut big, _small) = Shop::new(MOMENT, HOUR, build);
    let mut stuck = Vec::new();
    for rebuilt in 1..=MOST_STUCK as u64 {
        fence_big(&mut shop, &big);
        shop.wait_for(|done| done.rebuilt == rebuilt);
        stuck.push(std::mem::replace(&mut big, recruits.recv().unwrap()));
    }
    assert!(shop.health.is_sound());
    fence_big(&mut shop, &big);
    shop.wait_for(|done| done.lost == 1);
    assert!(only_fault(&shop.health).contains("too many"));
    let done = shop.close();
    assert_eq!((done.fenced, done.rebuilt), (MOST_STUCK as u64 + 1, MOST_STUCK as u64));
}

#[test]
fn the_end_does_not_wait_for_a_model_that_is_being_built() {
    let (_permit, permitted) = unbounded::<()>();
    let (tell, begun) = unbounded();
    let (mut shop, big, _small) = Shop::new(MOMENT, HOUR, move |name| {
        tell.send(()).unwrap();
        let _ = permitted.recv();
        no_workshop(name)
    });
    fence_big(&mut shop, &big);
    begun.recv().unwrap();
    assert_eq!(shop.close(), LateWork { terminated: 1, fenced: 1, ..LateWork::default() });
}

#[test]
fn a_worker_that_is_stuck_at_the_end_is_fenced_and_not_built_anew() {
    let (mut shop, big, _small) = Shop::new(MOMENT, HOUR, |_| panic!("it is not needed"));
    let late = shop.late_job("big");
    shop.send(late);
    shop.supervisor.dismiss();
    big.begin();
    assert!(matches!(shop.outcome(), Outcome::Late(_)));
    assert_eq!(shop.close(), LateWork { terminated: 1, fenced: 1, ..LateWork::default() });
}

#[test]
fn a_worker_that_breaks_down_frees_its_place_and_settles_its_frames() {
    let (mut shop, big, small) = Shop::new(HOUR, HOUR, no_workshop);
    let (first, second) = (shop.job(&["big"]), shop.job(&["big"]));
    shop.send(first);
    shop.send(second);
    big.begin();
    // Now it panics.
    drop(big);
    assert!(matches!(shop.outcome(), Outcome::Abandoned));
    assert!(matches!(shop.outcome(), Outcome::Failed(_)), "the job behind it");
    let next = shop.job(&["big", "small"]);
    assert_eq!(shop.send(next), "small");
    small.begin();
    assert_eq!(small.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    let health = shop.health.clone();
    assert_eq!(shop.close(), LateWork::default());
    assert!(only_fault(&health).contains("big has broken down"));
}

/// A second worker beside the `big` of a shop.
fn second_big(shop: &Shop) -> Puppet {
    let (puppet, work) = Puppet::new();
    shop.supervisor.hire(model("big"), 0, work).unwrap();
    puppet
}

#[test]
fn workers_of_a_runner_share_its_jobs() {
    let (mut shop, big, _small) = Shop::on_cores(2, HOUR, HOUR, no_workshop);
    let other = second_big(&shop);
    for _ in 0..2 {
        let job = shop.job(&["big"]);
        shop.send(job);
    }
    // Each has begun one, for neither ends before it is told to.
    for puppet in [&big, &other] {
        puppet.begin();
    }
    for puppet in [&other, &big] {
        assert_eq!(puppet.end(), "in time");
        assert!(matches!(shop.outcome(), Outcome::Superseded));
    }
    assert_eq!(shop.close(), LateWork::default());
}

#[test]
fn a_model_with_a_stuck_worker_is_built_anew_once_and_its_others_end_their_runs() {
    let (puppets, recruits) = unbounded();
    let build = move |_: &ModelId| {
        let (puppet, work) = Puppet::new();
        puppets.send(puppet).unwrap();
        Ok(vec![(0, work)])
    };
    let (mut shop, big, _small) = Shop::on_cores(2, MOMENT, HOUR, build);
    let other = second_big(&shop);
    let (late, in_time) = (shop.late_job("big"), shop.job(&["big"]));
    shop.send(late);
    // Either worker may have taken it; the other one takes what comes then.
    let stuck_is_first = crossbeam_channel::select! {
        recv(big.turn) -> _ => true,
        recv(other.turn) -> _ => false,
    };
    let (stuck, free) = if stuck_is_first { (&big, &other) } else { (&other, &big) };
    shop.send(in_time);
    free.begin();
    stuck.next.send(()).unwrap();
    assert!(matches!(shop.outcome(), Outcome::Late(_)));
    let anew = recruits.recv().unwrap();
    shop.wait_for(|done| done.rebuilt == 1);
    assert_eq!(free.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert!(!free.dismissed.recv().unwrap(), "its session is not to be kept for a reload");
    let next = shop.job(&["big"]);
    shop.send(next);
    anew.begin();
    assert_eq!(anew.end(), "in time");
    assert!(matches!(shop.outcome(), Outcome::Superseded));
    assert_eq!(stuck.end(), "fenced");
    let done = LateWork { terminated: 1, fenced: 1, rebuilt: 1, ..LateWork::default() };
    assert_eq!(shop.close(), done);
    assert!(anew.dismissed.recv().unwrap());
    assert!(recruits.try_recv().is_err(), "it was built once");
}
