//! Which of the waiting jobs can be in time together.
//!
//! The jobs are gone through in the order of their deadlines, each with its quickest run. Where one
//! would be late, the one with the weakest claim of those so far is given up, until it is not; of
//! equal claims the oldest. For one core and equal claims that leaves as many jobs in time as any
//! order could (Moore, "An n job, one machine sequencing algorithm for minimizing the number of late
//! jobs", 1968); several cores are taken for one that is as many times as quick. A job that is given
//! up still waits: it is dropped when it can no longer be in time alone, and runs if there is room.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{Occupancy, Scheduler, Standing, View, WAITING_PER_STREAM, Waiting};
use crate::frame::Pace;

/// Steps of the ladder of prices.
const LADDER: u32 = 12;

/// So many of the jobs that are due first are looked at for the price.
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
}

struct First {
    index: usize,
    work: Duration,
    spare: Duration,
}

/// A job's quickest run.
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
        Self { order: Vec::new(), spare, prices, first }
    }

    /// Whether a run of so much work on the job harms no kept one.
    pub(super) fn has_room_for(&self, work: Duration, index: usize, device: usize) -> bool {
        match &self.first[device] {
            Some(first) if first.index == index => work <= first.work.saturating_add(first.spare),
            Some(_) | None => self.has_room_besides(work, device),
        }
    }

    /// Whether a run of so much work besides harms no kept job.
    pub(super) fn has_room_besides(&self, work: Duration, device: usize) -> bool {
        work <= self.spare[device]
    }
}

impl<J> Scheduler<J> {
    pub(super) fn plan(&self, view: &View) -> Plan {
        let devices = self.devices.len();
        let jobs: Vec<Quickest> = self
            .new_jobs()
            .filter(|(_, job)| job.pace == Pace::Clock && job.standing == Standing::New)
            .filter_map(|(index, job)| self.quickest(index, job, view))
            .collect();
        let is_kept = self.kept(&jobs, view);
        let mut plan = self.spare(&jobs, &is_kept, view);
        for device in 0..devices {
            let kept =
                jobs.iter().zip(&is_kept).filter(|(job, kept)| **kept && job.device == device);
            let kept: Vec<&Quickest> = kept.map(|(job, _)| job).take(LOOKED_AT).collect();
            plan.prices[device] = self.clearing_price(&kept, device, view);
        }
        plan
    }

    /// The least of a ladder of prices at which all of some jobs of a device, in the order of their
    /// deadlines, can have what they like best. Each has its quickest run at the highest.
    fn clearing_price(&self, kept: &[&Quickest], device: usize, view: &View) -> f32 {
        if kept.len() < 2 {
            return 0.0;
        }
        let suffices = |step| self.can_have_their_best(kept, device, price_at(step), view);
        if suffices(0) {
            return 0.0;
        }
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

    fn can_have_their_best(
        &self,
        kept: &[&Quickest],
        device: usize,
        price: f32,
        view: &View,
    ) -> bool {
        let mut busy = view.occupancies[device].backlog();
        let cores = self.devices[device].cores() as u32;
        kept.iter().all(|quickest| {
            let job = &self.waiting[quickest.index];
            let mut best = (f32::NEG_INFINITY, quickest.work, quickest.room);
            for wish in &job.wishes {
                for runner in self.of_model[wish.model].iter().map(|&place| &self.runners[place]) {
                    if runner.device != device || !view.is_in_time(job, runner) {
                        continue;
                    }
                    let worth = wish.value - price * runner.work().as_secs_f32();
                    if worth > best.0 {
                        let needed = runner.expected.run + runner.spread;
                        let left = job.deadline.remaining(view.now).saturating_sub(needed);
                        best = (worth, runner.work(), left * cores);
                    }
                    break;
                }
            }
            let is_in_time = busy <= best.2;
            busy += best.1;
            is_in_time
        })
    }

    /// Which of the jobs are kept.
    fn kept(&self, jobs: &[Quickest], view: &View) -> Vec<bool> {
        let mut is_kept = vec![true; jobs.len()];
        let backlogs = || view.occupancies.iter().map(Occupancy::backlog).collect::<Vec<_>>();
        let mut busy = backlogs();
        let can_all = jobs.iter().all(|job| {
            let before = busy[job.device];
            busy[job.device] += job.work;
            before <= job.room
        });
        if can_all {
            return is_kept;
        }
        let mut busy = backlogs();
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
        is_kept
    }

    fn quickest(&self, index: usize, job: &Waiting<J>, view: &View) -> Option<Quickest> {
        let runner = self.quickest_of(job).min_by_key(|runner| runner.work())?;
        let occupancy = &view.occupancies[runner.device];
        let (cost, cores) = (runner.expected, self.devices[runner.device].cores());
        let spread = runner.spread.max(occupancy.late_by());
        let left = job.deadline.remaining(view.now).saturating_sub(cost.run + spread);
        let room = left * cores as u32;
        Some(Quickest { index, device: runner.device, work: runner.work(), room })
    }

    /// What can be spent besides the kept jobs.
    fn spare(&self, jobs: &[Quickest], is_kept: &[bool], view: &View) -> Plan {
        let mut busy: Vec<Duration> = view.occupancies.iter().map(Occupancy::backlog).collect();
        let mut spare = vec![Duration::MAX; busy.len()];
        let mut first: Vec<Option<First>> = busy.iter().map(|_| None).collect();
        for (job, _) in jobs.iter().zip(is_kept).filter(|(_, is_kept)| **is_kept) {
            let device = job.device;
            let slack = job.room.saturating_sub(busy[device]);
            busy[device] += job.work;
            match &mut first[device] {
                None => {
                    let (index, work) = (job.index, job.work);
                    first[device] = Some(First { index, work, spare: Duration::MAX });
                }
                Some(first) => first.spare = first.spare.min(slack),
            }
            spare[device] = spare[device].min(slack);
        }
        let of = |wanted: bool| {
            let chosen = jobs.iter().zip(is_kept).filter(move |(_, kept)| **kept == wanted);
            chosen.map(|(job, _)| job.index)
        };
        let covered = self.new_jobs().filter(|(_, job)| job.is_covered_by_clock());
        let covered = covered.map(|(index, _)| index);
        let order = self.in_turn(of(true)).chain(of(false)).chain(covered).collect();
        let prices = vec![0.0; first.len()];
        Plan { order, spare, prices, first }
    }

    /// Kept jobs in the order in which they are to be started: those due first, unless a stream is
    /// about to lose a frame for want of room. Then the stream with the strongest claim goes first, with
    /// its oldest frame, so that losses fall where claims are weak.
    fn in_turn(&self, kept: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
        let mut kept: Vec<usize> = kept.collect();
        let strongest = self.strongest_in_need(&kept);
        if let Some(place) = strongest {
            kept[..=place].rotate_right(1);
        }
        kept.into_iter()
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
