//! How long a model takes, learnt from its runs.

use std::collections::VecDeque;
use std::time::Duration;

/// Runs that the estimate looks back on.
const WINDOW: usize = 64;

/// Times in a row that the estimate may keep its model from running before it counts as stale.
const STALE_AFTER: u32 = 8;

/// What each such time takes off the estimate.
const RELAXATION: f64 = 0.98;

/// What one classification takes, in its two parts: the first can go on while another model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Making the tensor.
    pub preprocess: Duration,
    /// The run, and the reading of its output.
    pub run: Duration,
}

impl Cost {
    /// Both parts, one after the other.
    pub fn total(self) -> Duration {
        self.preprocess + self.run
    }
}

/// A running estimate of one model's cost.
///
/// The estimate is the 95th percentile of the last 64 classifications. One that keeps its model
/// from running could never be corrected by a run. So each time a frame would have been in time at
/// the fastest run ever seen, and only the estimate spoke against it, the estimate of the run
/// relaxes by 2 %, down to that fastest run; the next run then starts the window afresh. A model
/// that never was fast enough is so never tried in vain, and a busy queue relaxes nothing.
#[derive(Clone, Debug)]
pub struct Latency {
    costs: VecDeque<Cost>,
    fastest: Duration,
    percentile_95: Cost,
    held_back: u32,
}

impl Latency {
    /// An estimate from the warm-up; `None` without any classification.
    pub fn from_costs(costs: &[Cost]) -> Option<Self> {
        let fastest = costs.iter().map(|cost| cost.run).min()?;
        let costs: VecDeque<Cost> = costs.iter().rev().take(WINDOW).rev().copied().collect();
        let percentile_95 = percentile(&costs, 0.95);
        Some(Self { costs, fastest, percentile_95, held_back: 0 })
    }

    /// What to allow for.
    pub fn expected(&self) -> Cost {
        let relaxed = self.percentile_95.run.mul_f64(RELAXATION.powf(f64::from(self.held_back)));
        Cost { run: relaxed.max(self.fastest), ..self.percentile_95 }
    }

    /// How much longer than expected to allow for.
    pub fn spread(&self) -> Duration {
        Duration::ZERO
    }

    /// What to allow for at best.
    pub fn fastest(&self) -> Cost {
        Cost { run: self.fastest, ..self.percentile_95 }
    }

    /// The middle of the remembered costs, part by part.
    pub fn median(&self) -> Cost {
        percentile(&self.costs, 0.5)
    }

    /// Learns from a classification.
    pub fn learn(&mut self, cost: Cost) {
        if self.held_back >= STALE_AFTER {
            self.costs.clear();
        }
        self.held_back = 0;
        if self.costs.len() == WINDOW {
            self.costs.pop_front();
        }
        self.costs.push_back(cost);
        self.fastest = self.fastest.min(cost.run);
        self.percentile_95 = percentile(&self.costs, 0.95);
    }

    /// Notes that the model was not run for no other reason than this estimate.
    pub fn hold_back(&mut self) {
        self.held_back = self.held_back.saturating_add(1);
    }
}

/// The nearest-rank percentile of each part; zero of no costs.
fn percentile(costs: &VecDeque<Cost>, share: f64) -> Cost {
    let of = |part: fn(&Cost) -> Duration| {
        let mut sorted: Vec<Duration> = costs.iter().map(part).collect();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    Cost { preprocess: of(|cost| cost.preprocess), run: of(|cost| cost.run) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn run(milliseconds: u64) -> Cost {
        Cost { preprocess: ms(1), run: ms(milliseconds) }
    }

    #[test]
    fn the_estimate_is_the_95th_percentile() {
        let costs: Vec<Cost> = (1..=20).map(run).collect();
        let latency = Latency::from_costs(&costs).unwrap();
        assert_eq!(latency.expected(), run(19));
        assert_eq!(latency.median(), run(10));
        assert_eq!(latency.fastest(), run(1));
        assert!(Latency::from_costs(&[]).is_none());
    }

    #[test]
    fn old_runs_are_forgotten() {
        let mut latency = Latency::from_costs(&[run(50); WINDOW]).unwrap();
        for _ in 0..WINDOW {
            latency.learn(run(10));
        }
        assert_eq!(latency.expected(), run(10));
    }

    #[test]
    fn an_estimate_that_shuts_its_model_out_relaxes_to_the_fastest_run() {
        let mut latency = Latency::from_costs(&[run(10), run(60), run(60)]).unwrap();
        assert_eq!(latency.expected(), run(60));
        for _ in 0..500 {
            latency.hold_back();
        }
        assert_eq!(latency.expected(), run(10));
        latency.learn(run(12));
        assert_eq!(latency.expected(), run(12), "the slow runs are stale");
    }

    #[test]
    fn a_model_that_never_was_fast_enough_is_not_tried() {
        let mut latency = Latency::from_costs(&[run(110), run(120)]).unwrap();
        for _ in 0..10_000 {
            latency.hold_back();
        }
        assert_eq!(latency.expected(), run(110));
    }

    #[test]
    fn a_model_that_runs_now_and_then_does_not_relax() {
        let mut latency = Latency::from_costs(&[run(10), run(60), run(60)]).unwrap();
        for _ in 0..100 {
            (1..STALE_AFTER).for_each(|_| latency.hold_back());
            latency.learn(run(60));
        }
        assert_eq!(latency.expected(), run(60));
    }
}
