//! Which of the waiting jobs can be in time together.
//!
//! The jobs are gone through in the order of their deadlines, each with its quickest run. Where one
//! would be late, the one with the weakest claim of those so far is given up, until it is not; of
//! equal claims the oldest. For one core, and jobs of equal claims and lengths, that leaves as many jobs in
//! time as any order could (Moore, "An n job, one machine sequencing algorithm for minimizing the number of
//! late jobs", 1968, who gives up the longest); several cores are taken for one that is as many times as
//! quick. A job that is given
//! up still waits: it is dropped when it can no longer be in time alone, and runs if there is room.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::choice::Wish;
use super::{Scheduler, Standing, View, WAITING_PER_STREAM, Waiting};
use crate::frame::Pace;
use crate::scheduler::machine::{Load, Occupancy, Runner};

/// Steps of the ladder of prices.
const LADDER: u32 = 12;

/// So many of the jobs that are due first are looked at for what a run costs them.
const LOOKED_AT: usize = 8;

/// A step of the ladder: nothing, then a quarter of a right answer a second, and twice as much at
/// every further step.
fn price_at(step: u32) -> f32 {
    if step == 0 { 0.0 } else { 0.125 * 2.0_f32.powi(step as i32) }
}

/// What can be in time together.
pub(super) struct Plan {
    /// The jobs by the clock that are kept, those due first at the beginning, then those given up, then
    /// those that can do without.
    pub(super) order: Vec<usize>,
    /// By device: the core time that can be spent besides before a kept job is late.
    spare: Vec<Duration>,
    /// By device: the least price of a second at which all kept jobs can have what they then like
    /// best.
    pub(super) prices: Vec<f32>,
    /// Of the first kept job of each device, what was reckoned with for it, and what could be spent
    /// besides if it were not for that one.
    first: Vec<Option<First>>,
    /// The kept jobs, those due first at the beginning.
    kept: Vec<Quickest>,
}

struct First {
    index: usize,
    work: Duration,
    spare: Duration,
}

/// A run that several jobs share, in core time.
pub(super) struct Sharing<'a> {
    /// The job that it was chosen for.
    pub(super) first: usize,
    pub(super) others: &'a [usize],
    pub(super) device: usize,
    /// How long the device is busy before.
    pub(super) busy: Duration,
    /// What the run takes with the first job alone.
    pub(super) alone: Duration,
    /// What it takes with all of them.
    pub(super) together: Duration,
}

/// A run that a job would like to have; core time in seconds.
#[derive(Clone, Copy)]
struct Bid {
    /// What it is worth.
    value: f32,
    work: f32,
    /// What the device has until it must begin, nothing else done.
    room: f32,
}

impl Bid {
    /// The quickest run of a job, for want of a better one.
    fn least(job: &Quickest) -> Self {
        Self { value: 0.0, work: job.work.as_secs_f32(), room: job.room.as_secs_f32() }
    }
}

/// The one that is worth most when a second costs so much, of some that are worth less and less.
fn best_at(price: f32, bids: &[Bid]) -> Bid {
    let worth = |bid: &Bid| bid.value - price * bid.work;
    let mut best = bids[0];
    for bid in &bids[1..] {
        if worth(bid) > worth(&best) {
            best = *bid;
        }
    }
    best
}

/// Whether all these runs are in time, one after the other, on a device that is busy for so many seconds.
fn are_in_time(mut bids: impl Iterator<Item = Bid>, mut busy: f32) -> bool {
    bids.all(|bid| {
        let is_in_time = busy <= bid.room;
        busy += bid.work;
        is_in_time
    })
}

/// A job's quickest run.
#[derive(Clone, Copy)]
struct Quickest {
    index: usize,
    device: usize,
    work: Duration,
    /// Core time that the device has until it must begin, nothing else done.
    room: Duration,
}

impl Plan {
    /// One that orders no jobs, and at which time costs nothing.
    pub(super) fn without_order(devices: usize) -> Self {
        let first = (0..devices).map(|_| None).collect();
        let (spare, prices) = (vec![Duration::MAX; devices], vec![0.0; devices]);
        Self { order: Vec::new(), spare, prices, first, kept: Vec::new() }
    }

    /// Whether a run of so much work on the job harms no kept one.
    pub(super) fn has_room_for(&self, work: Duration, index: usize, device: usize) -> bool {
        match &self.first[device] {
            Some(first) if first.index == index => work <= first.work.saturating_add(first.spare),
            Some(_) | None => self.has_room_besides(work, device),
        }
    }

    /// Whether a job is kept for a device.
    pub(super) fn has_first_on(&self, device: usize) -> bool {
        self.first[device].is_some()
    }

    /// Whether a run that takes some jobs together on a device which is busy as long, the first of them
    /// and others, makes no further kept job late that would be in time were the first one's run its
    /// own.
    pub(super) fn can_share(&self, shared: &Sharing<'_>) -> bool {
        let Sharing { first, others, device, .. } = *shared;
        let (mut apart, mut together) = (shared.busy + shared.alone, shared.busy + shared.together);
        self.kept.iter().filter(|job| job.device == device && job.index != first).all(|job| {
            let is_with_it = others.contains(&job.index);
            let is_harmed = !is_with_it && together > job.room && apart <= job.room;
            apart += job.work;
            together += if is_with_it { Duration::ZERO } else { job.work };
            !is_harmed
        })
    }

    /// Whether a run of so much work besides harms no kept job.
    pub(super) fn has_room_besides(&self, work: Duration, device: usize) -> bool {
        work <= self.spare[device]
    }
}

impl<J> Scheduler<J> {
    pub(super) fn plan(&self, view: &View) -> Plan {
        let mut kept = Vec::with_capacity(self.waiting.len());
        let by_clock = self
            .new_jobs()
            .filter(|(_, job)| job.pace == Pace::Clock && job.standing == Standing::New);
        kept.extend(by_clock.filter_map(|(index, job)| self.quickest(index, job, view)));
        let backlogs: Vec<_> = view.occupancies.iter().map(Occupancy::backlog).collect();
        let given_up = self.give_up(&mut kept, &backlogs);
        let (spare, first) = spare(&kept, backlogs);
        let mut order = Vec::with_capacity(self.waiting.len());
        order.extend(kept.iter().map(|job| job.index));
        let mut order = self.in_turn(order);
        order.extend(given_up);
        order.extend(self.covered());
        let price = |device| self.clearing_price(&kept, device, view);
        let prices = (0..self.devices.len()).map(price).collect();
        Plan { order, spare, prices, first, kept }
    }

    /// Those of the kept jobs that are due first.
    pub(super) fn due_first(&self, plan: &Plan) -> impl Iterator<Item = &Waiting<J>> {
        plan.kept.iter().take(LOOKED_AT).map(|job| &self.waiting[job.index])
    }

    /// The jobs by the clock that can do without.
    fn covered(&self) -> impl Iterator<Item = usize> {
        // They come after all others.
        let others = self.waiting.partition_point(|job| job.standing < Standing::Covered);
        let covered = self.waiting.range(others..).enumerate();
        let by_clock = covered.filter(|(_, job)| job.pace == Pace::Clock);
        by_clock.map(move |(place, _)| others + place)
    }

    /// The least of a ladder of prices at which those of the kept jobs of a device that are due first
    /// can all have what they like best. Each has its quickest run at the highest.
    fn clearing_price(&self, kept: &[Quickest], device: usize, view: &View) -> f32 {
        let own = || kept.iter().filter(|job| job.device == device).take(LOOKED_AT);
        if own().nth(1).is_none() {
            return 0.0;
        }
        let busy = view.occupancies[device].backlog().as_secs_f32();
        let best_for_nothing = |job| self.bids(job, view).next().unwrap_or_else(|| Bid::least(job));
        if are_in_time(own().map(best_for_nothing), busy) {
            return 0.0;
        }
        let (mut bids, mut ends) = (Vec::new(), Vec::with_capacity(LOOKED_AT));
        for job in own() {
            let start = bids.len();
            for bid in self.bids(job, view) {
                // One that is worth no more and takes as long is the best at no price.
                if bids[start..].last().is_none_or(|last: &Bid| bid.work < last.work) {
                    bids.push(bid);
                }
            }
            if bids.len() == start {
                bids.push(Bid::least(job));
            }
            ends.push(bids.len());
        }
        let suffices = |step| {
            let mut start = 0;
            let best = ends.iter().map(|&end| {
                let own = &bids[start..end];
                start = end;
                best_at(price_at(step), own)
            });
            are_in_time(best, busy)
        };
        let (mut too_low, mut enough) = (0, LADDER);
        while enough - too_low > 1 {
            let tried = (too_low + enough) / 2;
            if suffices(tried) {
                enough = tried;
            } else {
                too_low = tried;
            }
        }
        price_at(enough)
    }

    /// What a job would like to have of its device, of each model the run that is in time, the best first.
    fn bids<'a>(&'a self, of: &Quickest, view: &'a View) -> impl Iterator<Item = Bid> + 'a {
        let (job, device) = (&self.waiting[of.index], of.device);
        let left = job.deadline.remaining(view.now).as_secs_f32();
        let cores = self.devices[device].cores() as f32;
        let of_wish = move |wish: &Wish| {
            let mut runners = self.of_model[wish.model].iter().map(|&place| &self.runners[place]);
            let fits = |runner: &&Runner| runner.device == device && view.is_in_time(job, runner);
            let Load { expected, spread, work, .. } = runners.find(fits)?.alone;
            let room = (left - (expected.run + spread).as_secs_f32()) * cores;
            Some(Bid { value: wish.value, work: work.as_secs_f32(), room })
        };
        job.wishes.iter().filter_map(of_wish)
    }

    /// Takes the jobs out of `jobs` that cannot be in time with the others.
    fn give_up(&self, jobs: &mut Vec<Quickest>, backlogs: &[Duration]) -> Vec<usize> {
        if can_all(jobs, backlogs.to_vec()) {
            return Vec::new();
        }
        let mut is_kept = vec![true; jobs.len()];
        let mut busy = backlogs.to_vec();
        let mut heaps = vec![BinaryHeap::new(); busy.len()];
        for (at, job) in jobs.iter().enumerate() {
            let (heap, busy) = (&mut heaps[job.device], &mut busy[job.device]);
            heap.push(Reverse((self.streams.claim(self.waiting[job.index].stream), at)));
            *busy += job.work;
            while *busy > job.room + job.work && is_kept[at] {
                let Some(Reverse((_, weakest))) = heap.pop() else { break };
                is_kept[weakest] = false;
                *busy -= jobs[weakest].work;
            }
        }
        let (mut given_up, mut places) = (Vec::new(), is_kept.into_iter());
        jobs.retain(|job| {
            let is_kept = places.next().unwrap_or(true);
            if !is_kept {
                given_up.push(job.index);
            }
            is_kept
        });
        given_up
    }

    fn quickest(&self, index: usize, job: &Waiting<J>, view: &View) -> Option<Quickest> {
        let runner = match job.quickest[..] {
            [only] => &self.runners[only?],
            _ => self.quickest_of(job).min_by_key(|runner| runner.alone.work)?,
        };
        let (device, work) = (runner.device, runner.alone.work);
        let left = job.deadline.remaining(view.prospects[runner.place].earliest_finish);
        let cores = self.devices[device].cores() as u32;
        let room = if cores == 1 { left } else { left * cores };
        Some(Quickest { index, device, work, room })
    }

    /// Kept jobs in the order in which they are to be started: those due first, unless a stream is
    /// about to lose a frame for want of room. Then the stream with the strongest claim goes first, with
    /// its oldest frame, so that losses fall where claims are weak.
    fn in_turn(&self, mut kept: Vec<usize>) -> Vec<usize> {
        let strongest = self.strongest_in_need(&kept);
        if let Some(place) = strongest {
            kept[..=place].rotate_right(1);
        }
        kept
    }

    /// The place of the first job of the stream with the strongest claim, if a stream is full.
    fn strongest_in_need(&self, kept: &[usize]) -> Option<usize> {
        let stream = |place: usize| self.waiting[kept[place]].stream;
        let is_crowded = self.streams.is_crowded(WAITING_PER_STREAM);
        if !is_crowded {
            return None;
        }
        (0..kept.len()).rev().max_by_key(|&place| self.streams.claim(stream(place)))
    }
}

/// Whether all jobs can be in time, each with its quickest run, on devices that are `busy` as long.
fn can_all(jobs: &[Quickest], mut busy: Vec<Duration>) -> bool {
    jobs.iter().all(|job| {
        let before = busy[job.device];
        busy[job.device] += job.work;
        before <= job.room
    })
}

/// By device: what can be spent besides the kept jobs, and the first of them.
fn spare(kept: &[Quickest], mut busy: Vec<Duration>) -> (Vec<Duration>, Vec<Option<First>>) {
    let mut spare = vec![Duration::MAX; busy.len()];
    let mut first: Vec<Option<First>> = busy.iter().map(|_| None).collect();
    for &Quickest { index, device, work, room } in kept {
        let slack = room.saturating_sub(busy[device]);
        busy[device] += work;
        match &mut first[device] {
            None => first[device] = Some(First { index, work, spare: Duration::MAX }),
            Some(first) => first.spare = first.spare.min(slack),
        }
        spare[device] = spare[device].min(slack);
    }
    (spare, first)
}
