//! An upper bound for any devices and any order: the price of time.
//!
//! Put a price on every unit of every device at every moment. Let each frame buy what is best for it,
//! the value of an answer less the price of the time that the run takes, or nothing, as if it were
//! alone. The sum of these, plus what all units cost over all time, is at least the value of every
//! schedule: in a schedule each frame pays no less than the cheapest time for its run, and together they
//! pay at most for all there is. This is the Lagrangian dual of the time-indexed formulation (Dyer and
//! Wolsey, 1990) with the capacities relaxed; it holds for any prices that are not negative, and
//! subgradient steps (Held, Wolfe and Crowder, 1974) look for those that make it small.
//!
//! Prices are even within slots of time. The price of a run is then piecewise linear in where it begins,
//! with kinks where its begin or its end passes from one slot to the next: looking at these is enough.

use super::instance::{Choice, Job, ONE};

/// Slots of time at most.
const MOST_SLOTS: u64 = 50_000;

/// Slots that the shortest run is cut into at least, if there are not too many.
const SLOTS_PER_RUN: u64 = 2;

/// Subgradient steps.
const STEPS: usize = 120;

/// Steps without an improvement after which they get shorter.
const PATIENCE: usize = 6;

/// No schedule of these frames on devices of so many units is worth more.
pub(super) fn bound(jobs: &[Job], units: &[usize]) -> u64 {
    let Some(mut market) = Market::new(jobs, units) else { return 0 };
    // Without prices frames do not compete: the sum of the best choices.
    let mut best = market.evaluate();
    let (mut ambition, mut stuck) = (0.5, 0);
    for _ in 0..STEPS {
        market.step(best * ambition);
        let value = market.evaluate();
        if value < best * (1.0 - 1e-4) {
            stuck = 0;
        } else {
            stuck += 1;
        }
        best = best.min(value);
        if stuck >= PATIENCE {
            (ambition, stuck) = (ambition / 2.0, 0);
        }
    }
    // A part in 10^9 for the rounding of sums.
    (best * (1.0 + 1e-9)).ceil() as u64
}

/// Devices with a price for each slot, and what frames buy of them.
struct Market<'a> {
    jobs: &'a [Job],
    units: &'a [usize],
    start: u64,
    width: f64,
    slots: usize,
    /// For each device and slot: value per unit and nanosecond.
    prices: Vec<Vec<f64>>,
    /// For each device: what a unit costs from the start to each edge of a slot.
    sums: Vec<Vec<f64>>,
    /// For each device and slot: unit nanoseconds that frames buy.
    bought: Vec<Vec<f64>>,
}

impl<'a> Market<'a> {
    /// Nothing costs anything; `None` without a frame that can be answered.
    fn new(jobs: &'a [Job], units: &'a [usize]) -> Option<Self> {
        let all = || jobs.iter().filter(|job| !job.choices.is_empty());
        let (start, end) = (all().map(|job| job.ready).min()?, all().map(|job| job.due).max()?);
        let lengths = all().flat_map(|job| &job.choices).map(|choice| choice.length);
        let finest = (lengths.min()? / SLOTS_PER_RUN).max(1);
        let slots = ((end - start) / finest + 1).min(MOST_SLOTS);
        let width = (end - start) as f64 / slots as f64;
        let slots = slots as usize;
        let rows = |length: usize| vec![vec![0.0; length]; units.len()];
        let (prices, sums, bought) = (rows(slots), rows(slots + 1), rows(slots));
        Some(Self { jobs, units, start, width, slots, prices, sums, bought })
    }

    /// The bound at these prices; notes what frames buy.
    fn evaluate(&mut self) -> f64 {
        for (sums, prices) in self.sums.iter_mut().zip(&self.prices) {
            for (slot, price) in prices.iter().enumerate() {
                sums[slot + 1] = sums[slot] + price * self.width;
            }
        }
        self.bought.iter_mut().for_each(|row| row.fill(0.0));
        let whole = self.sums.iter().zip(self.units);
        let mut bound: f64 = whole.map(|(sums, units)| sums[self.slots] * *units as f64).sum();
        for job in self.jobs {
            let offers = job.choices.iter().map(|choice| {
                let (begin, price) = self.cheapest(job, *choice);
                (choice.value as f64 - price * choice.units as f64, begin, *choice)
            });
            let best = offers.max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((gain, begin, choice)) = best.filter(|(gain, ..)| *gain > 0.0) {
                bound += gain;
                self.buy(begin, choice);
            }
        }
        bound
    }

    /// The cheapest begin of a run, in nanoseconds from the start, and what a unit costs then.
    fn cheapest(&self, job: &Job, choice: Choice) -> (f64, f64) {
        let length = choice.length as f64;
        let first = (job.ready - self.start) as f64;
        let last = (job.due - self.start) as f64 - length;
        let sums = &self.sums[choice.device];
        let price = |begin: f64| self.sum(sums, begin + length) - self.sum(sums, begin);
        let edges = |from: f64, until: f64| {
            let (from, until) = ((from / self.width).ceil(), (until / self.width).floor());
            (from as usize..=until as usize).map(move |edge| edge as f64 * self.width)
        };
        let begins = edges(first, last);
        let ends = edges(first + length, last + length).map(|end| end - length);
        let kinks = begins.chain(ends).filter(|begin| (first..=last).contains(begin));
        let all = [first, last.max(first)].into_iter().chain(kinks);
        let priced = all.map(|begin| (begin, price(begin)));
        priced.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((first, 0.0))
    }

    /// What a unit costs from the start to a time.
    fn sum(&self, sums: &[f64], time: f64) -> f64 {
        let slot = ((time / self.width) as usize).min(self.slots - 1);
        let part = time / self.width - slot as f64;
        sums[slot] + (sums[slot + 1] - sums[slot]) * part
    }

    fn buy(&mut self, begin: f64, choice: Choice) {
        let end = begin + choice.length as f64;
        let slots = (begin / self.width) as usize..self.slots;
        for slot in slots {
            let (from, until) = (slot as f64 * self.width, (slot + 1) as f64 * self.width);
            if from >= end {
                break;
            }
            let held = end.min(until) - begin.max(from);
            self.bought[choice.device][slot] += held.max(0.0) * choice.units as f64;
        }
    }

    /// Makes dearer what too much is bought of, and cheaper what is left over; so far that the bound
    /// would shrink by `hoped`, were it linear.
    fn step(&mut self, hoped: f64) {
        let mut square = 0.0;
        for (device, bought) in self.bought.iter().enumerate() {
            let supply = self.units[device] as f64 * self.width;
            let off = |(slot, bought): (usize, &f64)| {
                let slope = bought - supply;
                // A price of zero cannot fall.
                if slope < 0.0 && self.prices[device][slot] == 0.0 { 0.0 } else { slope * slope }
            };
            square += bought.iter().enumerate().map(off).sum::<f64>();
        }
        if square == 0.0 {
            return;
        }
        let stride = hoped / square;
        for (device, bought) in self.bought.iter().enumerate() {
            let supply = self.units[device] as f64 * self.width;
            for (price, bought) in self.prices[device].iter_mut().zip(bought) {
                *price = (*price + stride * (bought - supply)).clamp(0.0, ONE as f64);
            }
        }
    }
}
