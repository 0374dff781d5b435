//! Where the tail of a distribution ends that a run may be in.
//!
//! Two quantiles say how far above its middle a run is at most with a probability p, and the larger
//! counts:
//!
//! - the **normal** one, z(p) standard deviations, which is all there is as long as few runs are
//!   known;
//! - the **conformal** one of the runs in the window: of n runs, the largest but k are below it, with
//!   k = floor((n + 1)(1 - p)) - 1. A next run that is drawn as they were is above it with
//!   probability 1 - p at most (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World,
//!   2005; Papadopoulos et al., ECML 2002). It holds for any tail.
//!
//! k is 1 at least, though the conformal quantile of fewer than 2/(1 - p) runs would ask for less: a
//! single run of a window says nothing of how often there will be another.
//!
//! Doubt about where the middle is, with a standard deviation d, widens the distance e from it to
//! sqrt(e² + z² d²), as it would for normal distributions.

use super::normal;
use super::on_time::OnTime;
use super::window::Window;

/// What is learnt of runs may well be so many standard deviations better.
pub(super) const HOPE: f64 = 3.5;

/// How runs spread about their middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// The median of the residuals.
    pub(super) median: f64,
    /// Their standard deviation, outliers left out.
    pub(super) deviation: f64,
}

/// The share of runs that may be late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    late: f64,
    z: f64,
}

impl Tail {
    pub(super) fn beyond(on_time: OnTime) -> Self {
        Self { late: 1.0 - on_time.get(), z: normal::quantile(on_time.get()) }
    }

    /// How far above the middle a run is at most.
    pub(super) fn reach(self, runs: &Window, spread: Spread, doubt: f64) -> f64 {
        let normal = self.normal_reach(spread);
        let conformal = runs.largest_but(self.forgiven(runs.len()));
        let own = conformal.map_or(normal, |above| normal.max(above - spread.median));
        (own * own + self.z * self.z * doubt * doubt).sqrt()
    }

    /// The same of runs that are normally distributed, there being no doubt of their middle.
    pub(super) fn normal_reach(self, spread: Spread) -> f64 {
        self.z * spread.deviation
    }

    /// How many of so many runs may be above the allowance.
    fn forgiven(self, runs: usize) -> usize {
        // What is added makes up for 1 - 0.9 being less than a tenth.
        let late = ((runs + 1) as f64 * self.late + 1e-9) as usize;
        late.saturating_sub(1).max(1)
    }

    /// The probability that a run is at most `distance` above its middle: what [`reach`](Self::reach)
    /// inverts to. At the reach it is the probability of being on time or more.
    pub(super) fn chance(self, distance: f64, runs: &Window, spread: Spread, doubt: f64) -> f64 {
        let of_runs = |late, runs| (runs - late) as f64 / (runs + 1) as f64;
        self.probability(distance, runs, (spread, doubt), of_runs)
    }

    /// What that probability may well be, the middle being known.
    pub(super) fn hope(self, distance: f64, runs: &Window, spread: Spread) -> f64 {
        let of_runs = |late, runs| upper_bound((runs - late) as f64, runs as f64);
        self.probability(distance, runs, (spread, 0.0), of_runs)
    }

    /// The probability of a run that is at most `distance` above its middle; `of_runs` gives it where so
    /// many of so many runs took longer.
    fn probability(
        self,
        distance: f64,
        runs: &Window,
        (spread, doubt): (Spread, f64),
        of_runs: impl Fn(usize, usize) -> f64,
    ) -> f64 {
        let z = distance / spread.deviation.hypot(doubt);
        let normal = normal::distribution(z);
        if distance <= 0.0 {
            return normal.min(0.5);
        }
        let z = z.min(self.z);
        let own = (distance * distance - z * z * doubt * doubt).max(0.0).sqrt();
        match runs.count_above(spread.median + own) {
            0 | 1 => normal,
            late => normal.min(of_runs(late, runs.len()).max(0.5)),
        }
    }
}

/// The upper bound of the interval of the probability of what happened so many of so many times (Wilson,
/// "Probable Inference, the Law of Succession, and Statistical Inference", 1927).
fn upper_bound(happened: f64, of: f64) -> f64 {
    let (share, squared) = (happened / of, HOPE * HOPE);
    let variance = share * (1.0 - share) / of + squared / (4.0 * of * of);
    (share + squared / (2.0 * of) + HOPE * variance.sqrt()) / (1.0 + squared / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Spread = Spread { median: 0.0, deviation: 0.01 };

    fn tail(on_time: f64) -> Tail {
        Tail::beyond(OnTime::new(on_time).unwrap())
    }

    /// The numbers from 1 to `count`.
    fn window(count: u32) -> Window {
        let mut window = Window::default();
        (1..=count).for_each(|value| window.push(value.into(), 0));
        window
    }

    #[test]
    fn few_runs_reach_as_far_as_normal_ones() {
        let reach = |doubt| tail(0.999).reach(&window(1), SPREAD, doubt);
        assert!((reach(0.0) - 0.0309023).abs() < 1e-6, "a single run is forgiven");
        assert!((reach(0.02) - 0.0309023 * 5.0_f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn many_runs_reach_as_far_as_the_conformal_quantile() {
        let reach = |on_time, runs| tail(on_time).reach(&window(runs), SPREAD, 0.0);
        assert_eq!(reach(0.9, 99), 90.0, "nine of 99 are above: 90 of 100 places are not");
        assert_eq!(reach(0.99, 1000), 991.0);
        assert_eq!(reach(0.999, 2048), 2047.0);
        assert_eq!(reach(0.999, 100), 99.0, "one is always forgiven");
    }

    #[test]
    fn the_chance_undoes_the_reach() {
        for on_time in [0.51, 0.6, 0.75, 0.9, 0.99, 0.999, 0.9999] {
            for doubt in [0.0, 0.005, 0.3, 20.0] {
                for runs in [0, 1, 2, 30, 1000] {
                    let (tail, window) = (tail(on_time), window(runs));
                    let reach = tail.reach(&window, SPREAD, doubt);
                    let chance = tail.chance(reach + 1e-9, &window, SPREAD, doubt);
                    assert!(chance >= on_time - 1e-6, "{on_time} {doubt} {runs}: {chance}");
                }
            }
        }
    }

    #[test]
    fn few_runs_that_took_long_leave_hope() {
        let (tail, few, many) = (tail(0.9), window(24), window(2000));
        let wide = Spread { median: 0.0, deviation: 1e-3 };
        // Two of 24 took longer, and the same share of 2000.
        let [few, many] = [(few, 22.5), (many, 1833.5)].map(|(window, distance)| {
            let chance = tail.chance(distance, &window, wide, 0.0);
            let hope = tail.hope(distance, &window, wide);
            assert!(chance < hope, "{chance} {hope}");
            (chance, hope)
        });
        assert!((few.0 - 0.88).abs() < 1e-6 && few.1 > 0.985, "{few:?}");
        assert!((many.0 - 0.9165).abs() < 1e-3 && many.1 < 0.94, "{many:?}");
    }

    #[test]
    fn chances_grow_with_the_distance() {
        let window = window(40);
        let chance =
            |tenths: i32| tail(0.99).chance(f64::from(tenths) / 10.0, &window, SPREAD, 3.0);
        assert!((chance(0) - 0.5).abs() < 1e-6);
        assert!((-500..500).all(|tenths| chance(tenths) <= chance(tenths + 1)));
        assert!(chance(500) > 0.99, "{}", chance(500));
    }
}
