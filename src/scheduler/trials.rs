//! Runs that are started though they are not certain enough to be in time, so that more is known.
//!
//! A model that just fits is refused as long as little is known of how its runs spread, and as long as
//! it is refused nothing more is learnt of it. So some of its runs are started all the same, where it is
//! worth more than the others if it is as surely in time as may well be: optimism in the face of
//! uncertainty, as bandit algorithms have it (Auer, Cesa-Bianchi and Fischer, "Finite-time Analysis of
//! the Multiarmed Bandit Problem", 2002). What they may cost is bounded: over all trials the expected
//! number of late frames is no more than a share of those that the asked-for probability allows for, of
//! the runs so far and some to begin with.
//!
//! A frame that has another answer is not late by its run: that answer goes out in time. So for it a run
//! may be tried as often as it is worth its time, if it is likelier to be in time than not.

use super::estimate::OnTime;

/// A run is not tried that is in time with less than this probability at best.
const LEAST_HOPE: f64 = 0.9;

/// The share of the late runs that are allowed for which trials may cause.
const SHARE: f64 = 0.2;

/// Runs that count as over before the first.
const ADVANCE: u64 = 1000;

/// A run that may be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// The probability that it is in time.
    pub(super) chance: f64,
    /// What that probability may well be, for all that the runs so far tell.
    pub(super) hope: f64,
    /// Whether the frame is late if the run is.
    pub(super) is_risky: bool,
}

impl Trial {
    /// Late frames that are to be expected of it.
    fn risk(self) -> f64 {
        if self.is_risky { 1.0 - self.chance } else { 0.0 }
    }
}

/// What trials may cost and did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trials {
    /// The share of runs that may be late.
    late: f64,
    runs: u64,
    /// Late frames that are to be expected of the trials so far.
    risked: f64,
}

impl Trials {
    pub(super) fn new(on_time: OnTime) -> Self {
        Self { late: 1.0 - on_time.get(), runs: 0, risked: 0.0 }
    }

    /// A run is over.
    pub(super) fn count_run(&mut self) {
        self.runs += 1;
    }

    /// Whether a run may be tried.
    pub(super) fn allow(&self, trial: Trial) -> bool {
        let most = SHARE * self.late * (self.runs + ADVANCE) as f64;
        !trial.is_risky || trial.hope >= LEAST_HOPE && self.risked + trial.risk() <= most
    }

    /// A run is tried.
    pub(super) fn make(&mut self, trial: Trial) {
        self.risked += trial.risk();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many runs with this chance are tried, one after the other, on frames that may be late.
    fn tried(trials: &mut Trials, chance: f64) -> usize {
        let (trial, mut count) = (Trial { chance, hope: chance.max(0.9), is_risky: true }, 0);
        while trials.allow(trial) {
            trials.make(trial);
            count += 1;
        }
        count
    }

    #[test]
    fn trials_cost_a_fifth_of_what_may_be_late_at_most() {
        let mut trials = Trials::new(OnTime::new(0.99).unwrap());
        assert_eq!(tried(&mut trials, 0.95), 40, "two late runs of the first thousand");
        assert_eq!(tried(&mut trials, 0.999_999), 0);
        (0..1000).for_each(|_| trials.count_run());
        assert_eq!(tried(&mut trials, 0.9), 20, "and two of the next");
        (0..1000).for_each(|_| trials.count_run());
        assert_eq!(tried(&mut trials, 0.5), 4, "whatever is hoped");
    }

    #[test]
    fn what_will_hardly_be_in_time_is_not_tried() {
        let trials = Trials::new(OnTime::new(0.9).unwrap());
        assert!(!trials.allow(Trial { chance: 0.89, hope: 0.89, is_risky: true }));
        assert!(trials.allow(Trial { chance: 0.89, hope: 0.91, is_risky: true }));
    }

    #[test]
    fn trials_that_make_no_frame_late_cost_nothing() {
        let mut trials = Trials::new(OnTime::new(0.99).unwrap());
        let safe = Trial { chance: 0.6, hope: 0.7, is_risky: false };
        for _ in 0..1000 {
            assert!(trials.allow(safe));
            trials.make(safe);
        }
        assert_eq!(tried(&mut trials, 0.95), 40, "as many as before");
    }
}
