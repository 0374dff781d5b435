//! The devices as they are when a decision is made, and when runs on them would be over.

use std::time::{Duration, Instant};

use super::{Scheduler, Waiting};
use crate::frame::Pace;
use crate::scheduler::machine::{Device, Occupancy, Opening, Runner};

/// The devices when a decision is made.
pub(super) struct View {
    pub(super) now: Instant,
    /// By device: when its cores are free.
    pub(super) occupancies: Vec<Occupancy>,
    /// By device: when a further run may be decided.
    pub(super) open: Vec<Opening>,
    /// By runner: what a run of a job by the clock would be.
    pub(super) prospects: Vec<Prospect>,
}

/// A run of a job by the clock, decided now.
#[derive(Clone, Copy)]
pub(super) struct Prospect {
    /// As expected.
    pub(super) finish: Instant,
    /// Later than this it ends only with the probability that is allowed.
    pub(super) latest_finish: Instant,
    /// By how much it may end later than expected, nothing allowed for doubt and for long tails.
    pub(super) late_by: Duration,
    /// When it could be over at best if the device were free, what it may take longer allowed for.
    pub(super) earliest_finish: Instant,
}

impl<J> Scheduler<J> {
    pub(super) fn view(&self, now: Instant) -> View {
        let occupancies: Vec<Occupancy> =
            self.devices.iter().map(|device| device.occupancy(now)).collect();
        let opening = |(place, device): (usize, &Device)| {
            device.opening(&occupancies[place], self.longest_preprocess(place))
        };
        let open = self.devices.iter().enumerate().map(opening).collect();
        let late_by: Vec<Duration> = occupancies.iter().map(Occupancy::late_by).collect();
        let prospect = |runner: &Runner| {
            let slot = occupancies[runner.device].slot(runner.cores);
            let finish = slot.finish(runner.alone.expected, now);
            Prospect {
                finish,
                latest_finish: finish + slot.with(runner.alone.spread),
                late_by: slot.with(runner.alone.usual_spread),
                earliest_finish: now
                    + (runner.alone.expected.run + runner.alone.spread.max(late_by[runner.device])),
            }
        };
        let prospects = self.runners.iter().map(prospect).collect();
        View { now, occupancies, open, prospects }
    }

    /// What making a tensor takes at most, for a model of this device.
    fn longest_preprocess(&self, device: usize) -> Duration {
        let there = self.of_model.iter().flatten().map(|&place| &self.runners[place]);
        let own = there.filter(|runner| runner.device == device);
        own.map(|runner| runner.alone.expected.preprocess).max().unwrap_or_default()
    }
}

impl View {
    /// The finish of a run of this job, later than which it ends only with the probability that is
    /// allowed; by the time that the job's deadline counts.
    pub(super) fn latest_finish<J>(&self, job: &Waiting<J>, runner: &Runner) -> Instant {
        match job.pace {
            Pace::Clock => self.prospects[runner.place].latest_finish,
            Pace::Work => job.submitted + runner.longest(),
        }
    }

    /// Whether a run of a job may be decided now. A run on several cores begins at once or not at all:
    /// decided ahead, it would keep the cores that are free waiting for the others. Where only work
    /// counts, nothing is gained by waiting for other frames.
    pub(super) fn is_open_to<J>(&self, job: &Waiting<J>, runner: &Runner) -> bool {
        let free = self.occupancies[runner.device].slot(runner.cores).free;
        let is_open = match self.open[runner.device] {
            Opening::Now => true,
            Opening::From(due) => due <= self.now || job.pace == Pace::Work,
            Opening::WhenFree => job.pace == Pace::Work,
            Opening::Never => false,
        };
        is_open && (runner.cores == 1 || free <= self.now)
    }

    /// When a run of the next device is to be decided.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.open.iter().filter_map(|opening| match opening {
            Opening::From(due) => Some(*due),
            Opening::Now | Opening::WhenFree | Opening::Never => None,
        });
        due.filter(|due| *due > self.now).min()
    }

    /// Whether a run of a job, decided now, is in time with the probability that is asked for.
    pub(super) fn is_in_time<J>(&self, job: &Waiting<J>, runner: &Runner) -> bool {
        job.deadline.is_met_by(self.latest_finish(job, runner))
    }

    /// The same once what runs before is over, if that is when it is expected to be.
    pub(super) fn could_be_in_time<J>(&self, job: &Waiting<J>, runner: &Runner) -> bool {
        match job.pace {
            Pace::Clock => {
                let finish = self.prospects[runner.place].finish;
                job.deadline.is_met_by(finish + runner.alone.spread)
            }
            Pace::Work => self.is_in_time(job, runner),
        }
    }

    /// When a run of this job is expected to begin, its tensor made, and to end; by the time that the
    /// job's deadline counts.
    pub(super) fn expected<J>(&self, job: &Waiting<J>, runner: &Runner) -> (Instant, Instant) {
        match job.pace {
            Pace::Clock => {
                let slot = self.occupancies[runner.device].slot(runner.cores);
                let begin = slot.free.max(self.now + runner.alone.expected.preprocess);
                (begin, begin + runner.alone.expected.run)
            }
            Pace::Work => {
                let begin = job.submitted + runner.alone.expected.preprocess;
                (begin, begin + runner.alone.expected.run)
            }
        }
    }
}
