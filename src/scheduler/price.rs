//! What a second of a core is worth to the frames that are still to come.
//!
//! A run that betters one answer can cost later frames theirs. What a second is worth to them is
//! learnt from a *virtual backlog*: every frame that arrives adds the core time that it would like to
//! have at the present price, whether it gets it or not, and a run adds what it takes beyond that; time
//! drains what the cores can do. The price rises with the backlog, frames ask for less, and both settle
//! where frames ask for just what the cores can do; below that load the backlog is empty and time costs
//! nothing. This is drift-plus-penalty control (Neely, "Stochastic Network Optimization with Application
//! to Communication and Queueing Systems", 2010) with a price that grows exponentially, as prices differ
//! by orders of magnitude between a light overload and a heavy one.
//!
//! Where several streams share a device it is not asked to be busy all the time: frames that happen to
//! come together have to wait, and where budgets are short some would then get a quicker model or none,
//! which is worth more than a better model now and then for one that came alone. So of the drain a part
//! counts for nothing. It is the larger the more streams there are, and nothing if the frames of all of
//! them can wait for each other and still be in time: streams that are each periodic never need more.
//!
//! What runs take beyond counts because the price that a frame meets when it is decided is not the one
//! at which it asked: near a price at which models are worth the same it might ask for the quicker one
//! and get the other, time and again.

use std::time::{Duration, Instant};

/// The backlog that costs nothing, in core seconds: frames of several streams that come at once are no
/// overload.
const FREE: f64 = 0.1;

/// By so much more backlog the price rises `e`-fold.
const FOLD: f64 = 0.1;

/// Shares of right answers that a second of a core is worth when [`FREE`] is passed by 0.7 of
/// [`FOLD`].
const SCALE: f64 = 0.5;

/// The largest backlog, in core seconds: beyond the price there, no model is worth its time.
const LARGEST: f64 = 0.8;

/// The share of a device that is left free where many streams share it.
const RESERVE: f64 = 0.075;

/// What one more frame weighs in the means.
const WEIGHT: f64 = 1.0 / 64.0;

/// The price of a device's time.
#[derive(Clone, Debug, Default)]
pub(super) struct Price {
    /// Core seconds.
    backlog: f64,
    updated: Option<Instant>,
    /// The mean share of the time until their deadlines for which frames would like to have a core.
    share: f64,
    /// The mean core time that frames would like to have, in seconds.
    work: f64,
}

impl Price {
    /// Lets time pass on a device with so many cores that so many streams share.
    pub(super) fn pass(&mut self, now: Instant, cores: usize, streams: usize) {
        let since = self.updated.map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        let drain = 1.0 - reserve(cores, streams, self.share);
        let drained = since.as_secs_f64() * cores as f64 * drain;
        self.backlog = (self.backlog - drained).max(0.0);
        self.updated = Some(now);
    }

    /// A frame would like to have so much core time of what is left until its deadline.
    pub(super) fn ask_of(&mut self, work: Duration, left: Duration) {
        let share = work.as_secs_f64() / left.max(work).as_secs_f64().max(f64::MIN_POSITIVE);
        self.share += WEIGHT * (share - self.share);
        self.work += WEIGHT * (work.as_secs_f64() - self.work);
        self.ask(work);
    }

    /// A frame would like to have so much more core time.
    pub(super) fn ask(&mut self, work: Duration) {
        self.backlog = (self.backlog + work.as_secs_f64()).min(LARGEST);
    }

    /// A frame that asked for so much does without.
    pub(super) fn take_back(&mut self, work: Duration) {
        self.backlog = (self.backlog - work.as_secs_f64()).max(0.0);
    }

    /// The core time that frames lately would have liked to have, in the mean.
    pub(super) fn usual_work(&self) -> Duration {
        Duration::from_secs_f64(self.work)
    }

    /// Shares of right answers that a second of a core is worth to all frames but one that has asked
    /// for `own` core time.
    pub(super) fn per_second(&self, own: Duration) -> f32 {
        let of_others = self.backlog - own.as_secs_f64() - FREE;
        if of_others > 0.0 { (SCALE * (of_others / FOLD).exp_m1()) as f32 } else { 0.0 }
    }
}

/// The share of a device that is left free if so many streams share it, whose frames would like to have
/// a core for this share of their time.
fn reserve(cores: usize, streams: usize, share: f64) -> f64 {
    // What all streams want at once, of what the cores can do in the time of a frame.
    let wanted = streams as f64 * share / cores as f64;
    RESERVE * (1.0 - 1.0 / wanted.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const NOTHING: Duration = Duration::ZERO;

    #[test]
    fn time_costs_nothing_while_the_cores_keep_up() {
        let (start, mut price) = (Clock.now(), Price::default());
        for frame in 1..100_u32 {
            price.pass(start + frame * Duration::from_millis(10), 2, 1);
            assert_eq!(price.per_second(NOTHING), 0.0);
            price.ask(Duration::from_millis(19));
        }
    }

    #[test]
    fn asking_for_too_much_makes_it_dear_and_a_rest_makes_it_cheap() {
        let (start, mut price) = (Clock.now(), Price::default());
        for frame in 1..150_u32 {
            price.pass(start + frame * Duration::from_millis(10), 1, 1);
            price.ask(Duration::from_millis(15));
        }
        let dear = price.per_second(NOTHING);
        assert!(dear > 50.0, "{dear}");
        assert_eq!(price.per_second(Duration::from_secs(1)), 0.0, "no one pays for himself");
        (0..1000).for_each(|_| price.ask(Duration::from_secs(1)));
        assert!(price.per_second(NOTHING) > dear && price.per_second(NOTHING).is_finite());
        price.pass(start + Duration::from_secs(3), 1, 1);
        assert_eq!(price.per_second(NOTHING), 0.0);
    }

    #[test]
    fn where_many_streams_share_a_device_it_is_not_to_be_busy_all_the_time() {
        let dear_after = |streams, budget| {
            let (start, mut price) = (Clock.now(), Price::default());
            for frame in 1..1_000_u32 {
                price.pass(start + frame * Duration::from_millis(10), 1, streams);
                price.ask_of(Duration::from_micros(9_800), Duration::from_millis(budget));
            }
            price.per_second(NOTHING)
        };
        assert_eq!((dear_after(0, 12), dear_after(1, 12)), (0.0, 0.0));
        assert!(dear_after(16, 12) > 1.0, "{}", dear_after(16, 12));
        assert_eq!(dear_after(4, 50), 0.0, "a frame has time to wait for those of all others");
    }
}
