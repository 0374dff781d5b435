//! How long a run may last beyond its frame's deadline, and a count of what was done about those
//! that lasted longer.

use std::ops::Add;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::frame::{Budget, Pace};
use crate::outcome::Account;

/// The least margin, unless one is named: nodes take that long, and so do a busy machine's threads
/// to wake up, so that a run could hardly be ended sooner.
const LEAST_MARGIN: Duration = Duration::from_millis(10);

/// The greatest margin, unless one is named: who is later than that does not just come late.
const GREATEST_MARGIN: Duration = Duration::from_secs(1);

const FENCE_AFTER: Duration = Duration::from_secs(5);

/// How long a run may last beyond its frame's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateLimits {
    /// How late an answer may be and still go out; the run is asked to end then. `None` for half
    /// the frame's budget, at least 10 ms and at most 1 s: a run only begins if nearly all such runs
    /// would be in time, so one that is late by half the budget has met with something else than
    /// the usual spread.
    pub margin: Option<Duration>,
    /// How long a worker has for a run to end that was asked to.
    pub fence_after: Duration,
    /// Whether a frame that has another answer waits for its run like any other, as with a scheduler that
    /// does not look at deadlines.
    pub always_waits: bool,
}

impl Default for LateLimits {
    fn default() -> Self {
        Self { margin: None, fence_after: FENCE_AFTER, always_waits: false }
    }
}

impl LateLimits {
    /// Until when a run may last that begins at `start` on a frame of that account.
    ///
    /// Where only work counts ([`Pace::Work`]) a machine that is busy otherwise must not cost a
    /// frame its answer: the run has at least `fence_after` there.
    pub fn run_may_last_until(&self, account: &Account, start: Instant) -> Instant {
        let until = account.deadline.instant() + self.margin_of(account.budget);
        match account.pace {
            Pace::Clock => until,
            Pace::Work => until.max(start + self.fence_after),
        }
    }

    /// Until when the frame waits for the run: where it counts to be in time, one that has another answer
    /// waits no longer than that it can go out in time. The run may last longer, which is then known.
    pub fn frame_waits_until(
        &self,
        account: &Account,
        start: Instant,
        has_another_answer: bool,
    ) -> Instant {
        match account.pace {
            Pace::Clock if has_another_answer && !self.always_waits => account.due(true).instant(),
            Pace::Clock | Pace::Work => self.run_may_last_until(account, start),
        }
    }

    /// How late an answer of that budget may be and still go out.
    pub fn margin_of(&self, budget: Budget) -> Duration {
        self.margin.unwrap_or_else(|| default_margin(budget))
    }
}

fn default_margin(budget: Budget) -> Duration {
    (budget.duration() / 2).clamp(LEAST_MARGIN, GREATEST_MARGIN)
}

/// What was done about runs that lasted too long. The keys in JSON are the field names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateWork {
    /// Frames whose run would have been late and that had another answer, which went out in its stead.
    pub answered_without: u64,
    /// Runs that were asked to end.
    pub terminated: u64,
    /// Workers whose run did not end then, and whose model was taken out.
    pub fenced: u64,
    /// Models that came back with a new worker.
    pub rebuilt: u64,
    /// Models that could not be brought back.
    pub lost: u64,
}

impl Add for LateWork {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            answered_without: self.answered_without + other.answered_without,
            terminated: self.terminated + other.terminated,
            fenced: self.fenced + other.fenced,
            rebuilt: self.rebuilt + other.rebuilt,
            lost: self.lost + other.lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::outcome::tests::ticket;
    use crossbeam_channel::unbounded;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// How long after the capture a run may last that begins 5 ms after it, and a frame waits for it that
    /// has no answer or one.
    fn allowed(limits: LateLimits, budget: &str, pace: Pace) -> [Duration; 3] {
        let (send, _settled) = unbounded();
        let captured = Clock.now();
        let ticket = ticket(0, captured, budget.parse().unwrap(), pace, send);
        let (account, start) = (ticket.account(), captured + ms(5));
        let waits = |has_answer| limits.frame_waits_until(account, start, has_answer);
        [limits.run_may_last_until(account, start), waits(false), waits(true)]
            .map(|at| at - captured)
    }

    #[test]
    fn by_default_the_margin_is_half_the_budget_within_bounds() {
        let allowed = |budget| allowed(LateLimits::default(), budget, Pace::Clock);
        assert_eq!(allowed("5ms"), [ms(15), ms(15), ms(4)]);
        assert_eq!(allowed("80ms"), [ms(120), ms(120), ms(70)]);
        let hour = Duration::from_secs(3600);
        let second = Duration::from_secs(1);
        assert_eq!(allowed("1h"), [hour + second, hour + second, hour - ms(10)]);
    }

    #[test]
    fn a_margin_that_is_named_counts_as_it_is() {
        let limits = LateLimits { margin: Some(ms(1)), ..LateLimits::default() };
        assert_eq!(allowed(limits, "160ms", Pace::Clock), [ms(161), ms(161), ms(150)]);
    }

    #[test]
    fn with_a_scheduler_that_looks_at_no_deadline_all_frames_wait_alike() {
        let limits = LateLimits { always_waits: true, ..LateLimits::default() };
        assert_eq!(allowed(limits, "80ms", Pace::Clock), [ms(120); 3]);
    }

    #[test]
    fn where_only_work_counts_a_run_has_longer() {
        let allowed = |budget| allowed(LateLimits::default(), budget, Pace::Work);
        assert_eq!(allowed("100ms"), [ms(5005); 3]);
        assert_eq!(allowed("10s"), [ms(11_000); 3], "and never ends before its deadline");
    }
}
