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

use super::{Occupancy, Scheduler, View, Waiting};
use crate::frame::Pace;
use crate::scheduler::terms::Claim;

/// What can be in time together.
pub(super) struct Plan {
    /// The jobs by the clock that are kept, those due first at the beginning, then those given up.
    pub(super) order: Vec<usize>,
    /// By device: the core time that can be spent besides before a kept job is late.
    spare: Vec<Duration>,
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
            .filter(|(_, job)| job.pace == Pace::Clock)
            .filter_map(|(index, job)| self.quickest(index, job, view))
            .collect();
        let mut is_kept = vec![true; jobs.len()];
        let mut heaps: Vec<BinaryHeap<Reverse<(Claim, usize)>>> = vec![BinaryHeap::new(); devices];
        let mut busy: Vec<Duration> = view.occupancies.iter().map(Occupancy::backlog).collect();
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
        self.spare(&jobs, &is_kept, view)
    }

    fn quickest(&self, index: usize, job: &Waiting<J>, view: &View) -> Option<Quickest> {
        let runner = self.runners_of(job).min_by_key(|runner| runner.work())?;
        let occupancy = &view.occupancies[runner.device];
        let (cost, cores) = (runner.latency.expected(), self.devices[runner.device].cores());
        let spread = runner.latency.spread().max(occupancy.late_by());
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
        let order = of(true).chain(of(false)).collect();
        Plan { order, spare, first }
    }
}
