//! What a clairvoyant scheduler would reach: it knows every arrival, every latency and every slowdown
//! in advance.
//!
//! The **oracle** knows the times, and of the answers what every contender knows: how likely each model
//! is to be right. This is what contenders are compared with. The **omniscient** oracle knows the
//! answers too, and runs a model only where it is right: no scheduler without a crystal ball comes near
//! it.
//!
//! Both choose frames, models and times so that the most answers in time are (expected to be) right,
//! each frame with one run that is not interrupted. In the clock of work ([`Speed`](super::world::Speed))
//! slowdowns vanish, and this is the scheduling problem `1 | r_j | sum w_j (1 - U_j)` with a choice of
//! run lengths. How it is solved depends on what there is:
//!
//! - One device of one unit, and frames due in the order in which they are ready (as with one budget
//!   for all): then some best schedule runs them in that order, and `frontier` finds it. It is exact
//!   until it holds too many half-made schedules; from then on it is a bound, from above and from below.
//! - At most `subsets::MOST` frames at a time in any other order: `subsets` tries all orders.
//! - Otherwise `prices` bounds it from above: the Lagrangian dual of the time-indexed formulation.
//!
//! The time to make tensors bounds nothing but when a run can begin; where models differ in it, the
//! shortest counts for all.
//!
//! Where frames may share runs, a run of one is reckoned with the least part of a run that a frame can
//! take. Such runs, one after the other, fit into a shared one, so that what is found is a bound.

mod frontier;
mod instance;
mod prices;
mod subsets;
#[cfg(test)]
mod tests;

use super::world::World;
use instance::{Instance, Job};

pub use instance::Knowledge;

/// Frames that are bounded together where no better cut is found. To cut elsewhere gives both sides the
/// whole device near the cut, so that the bound still holds.
const MOST_TOGETHER: usize = 4_000;

/// What the best schedule reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// No schedule reaches a larger share of the captured frames.
    pub upper: f64,
    /// Some schedule reaches this share, if one was looked for. (Under slowdowns it may miss deadlines
    /// by a microsecond, as exactly as the clock of work is reckoned.)
    pub lower: Option<f64>,
}

impl Bound {
    /// Whether it is not just a bound.
    pub fn is_exact(&self) -> bool {
        self.lower == Some(self.upper)
    }
}

/// What an oracle of this knowledge reaches in a world.
pub fn oracle(world: &World<'_>, knowledge: Knowledge) -> Bound {
    let instance = Instance::new(world, knowledge);
    let sum = if instance.has_one_unit() {
        one_unit(&instance)
    } else {
        let stretches = stretches(instance.jobs());
        let upper = stretches.map(|stretch| priced(&stretch.jobs, &instance)).sum();
        Sum { upper, lower: None }
    };
    let captured = (world.frames().count() as f64).max(1.0);
    let lower = sum.lower.filter(|_| !instance.is_relaxed());
    let share = |value: u64| value as f64 / instance::ONE as f64 / captured;
    Bound { upper: share(sum.upper), lower: lower.map(share) }
}

/// Values of schedules, in the units of [`instance::ONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    upper: u64,
    lower: Option<u64>,
}

fn one_unit(instance: &Instance<'_, '_>) -> Sum {
    if instance.is_in_order() {
        return in_order(|| instance.jobs());
    }
    let sums = stretches(instance.jobs()).map(|stretch| competing(stretch, instance));
    sums.fold(Sum { upper: 0, lower: Some(0) }, |all, one| Sum {
        upper: all.upper + one.upper,
        lower: all.lower.zip(one.lower).map(|(all, one)| all + one),
    })
}

/// Frames that are due in the order in which they are ready.
fn in_order<I: Iterator<Item = Job>>(jobs: impl Fn() -> I) -> Sum {
    let above = frontier::best(jobs(), frontier::Bias::Up);
    let lower = match above.is_exact {
        true => above.value,
        false => frontier::best(jobs(), frontier::Bias::Down).value,
    };
    Sum { upper: above.value, lower: Some(lower) }
}

/// Frames that compete with each other, due in any order.
fn competing(Stretch { mut jobs, end }: Stretch, instance: &Instance<'_, '_>) -> Sum {
    let mut sum = if jobs.is_sorted_by_key(|job| job.due) {
        in_order(|| jobs.iter().cloned())
    } else if jobs.len() <= subsets::MOST {
        let best = subsets::best(&jobs);
        Sum { upper: best, lower: Some(best) }
    } else {
        let upper = priced(&jobs, instance);
        // By due time is an order like any other: the best schedule in it can be reached.
        jobs.sort_by_key(|job| job.due);
        let lower = frontier::best_in_any_order(jobs.into_iter());
        Sum { upper: upper.max(lower), lower: Some(lower) }
    };
    if end == End::Cut {
        // Schedules of both sides may want the device at the same time.
        sum.lower = None;
    }
    sum
}

fn priced(jobs: &[Job], instance: &Instance<'_, '_>) -> u64 {
    prices::bound(jobs, instance.units())
}

/// Frames that may compete with each other.
#[derive(Clone, Debug)]
struct Stretch {
    /// In the order in which they are ready.
    jobs: Vec<Job>,
    end: End,
}

/// Why a stretch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The next frame is ready only after all of these are due: the devices are surely idle.
    Idle,
    /// It would be too long.
    Cut,
}

/// Cuts frames into stretches.
fn stretches(jobs: impl Iterator<Item = Job>) -> impl Iterator<Item = Stretch> {
    let mut jobs = jobs.peekable();
    std::iter::from_fn(move || {
        let first = jobs.next()?;
        let mut due = first.due;
        let mut stretch = vec![first];
        while let Some(next) = jobs.next_if(|next| next.ready < due) {
            due = due.max(next.due);
            stretch.push(next);
            if stretch.len() == MOST_TOGETHER {
                return Some(Stretch { jobs: stretch, end: End::Cut });
            }
        }
        Some(Stretch { jobs: stretch, end: End::Idle })
    })
}
