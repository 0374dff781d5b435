//! How long a model takes, learnt from its runs.

use std::collections::VecDeque;
use std::time::Duration;

/// Runs that the estimate looks back on.
const WINDOW: usize = 64;

/// Times a model is passed over before its runs count as stale.
const STALE_AFTER: u32 = 8;

/// What each pass-over takes off the estimate.
const RELAXATION: f64 = 0.98;

/// A running estimate of one model's latency, preprocessing to labels.
///
/// The estimate is the 95th percentile of the last 64 runs. One that keeps its model from
/// running could never be corrected by a run, so it relaxes: by 2 % for each frame that the model
/// is passed over for, down to the fastest run ever seen. The first run after that starts the
/// window afresh. A model that never was fast enough is so never tried in vain.
#[derive(Clone, Debug)]
pub struct Latency {
    runs: VecDeque<Duration>,
    fastest: Duration,
    percentile_95: Duration,
    passed_over: u32,
}

impl Latency {
    /// An estimate from the warm-up's runs; `None` without any.
    pub fn from_runs(runs: &[Duration]) -> Option<Self> {
        let fastest = *runs.iter().min()?;
        let runs: VecDeque<Duration> = runs.iter().rev().take(WINDOW).rev().copied().collect();
        let percentile_95 = percentile(&runs, 0.95);
        Some(Self { runs, fastest, percentile_95, passed_over: 0 })
    }

    /// The time to allow for a run.
    pub fn expected(&self) -> Duration {
        let relaxed = self.percentile_95.mul_f64(RELAXATION.powf(f64::from(self.passed_over)));
        relaxed.max(self.fastest)
    }

    /// The middle of the remembered runs.
    pub fn median(&self) -> Duration {
        percentile(&self.runs, 0.5)
    }

    /// Learns from a run.
    pub fn ran(&mut self, took: Duration) {
        if self.passed_over >= STALE_AFTER {
            self.runs.clear();
        }
        self.passed_over = 0;
        if self.runs.len() == WINDOW {
            self.runs.pop_front();
        }
        self.runs.push_back(took);
        self.fastest = self.fastest.min(took);
        self.percentile_95 = percentile(&self.runs, 0.95);
    }

    /// Notes that the model was too slow for a frame.
    pub fn passed_over(&mut self) {
        self.passed_over = self.passed_over.saturating_add(1);
    }
}

/// The nearest-rank percentile; zero of no runs.
fn percentile(runs: &VecDeque<Duration>, share: f64) -> Duration {
    let mut sorted: Vec<Duration> = runs.iter().copied().collect();
    sorted.sort_unstable();
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_estimate_is_the_95th_percentile() {
        let runs: Vec<Duration> = (1..=20).map(ms).collect();
        let latency = Latency::from_runs(&runs).unwrap();
        assert_eq!(latency.expected(), ms(19));
        assert_eq!(latency.median(), ms(10));
        assert!(Latency::from_runs(&[]).is_none());
    }

    #[test]
    fn old_runs_are_forgotten() {
        let mut latency = Latency::from_runs(&[ms(50); WINDOW]).unwrap();
        for _ in 0..WINDOW {
            latency.ran(ms(10));
        }
        assert_eq!(latency.expected(), ms(10));
    }

    #[test]
    fn an_estimate_that_shuts_its_model_out_relaxes_to_the_fastest_run() {
        let mut latency = Latency::from_runs(&[ms(10), ms(60), ms(60)]).unwrap();
        assert_eq!(latency.expected(), ms(60));
        for _ in 0..500 {
            latency.passed_over();
        }
        assert_eq!(latency.expected(), ms(10));
        latency.ran(ms(12));
        assert_eq!(latency.expected(), ms(12), "the slow runs are stale");
    }

    #[test]
    fn a_model_that_never_was_fast_enough_is_not_tried() {
        let mut latency = Latency::from_runs(&[ms(110), ms(120)]).unwrap();
        for _ in 0..10_000 {
            latency.passed_over();
        }
        assert_eq!(latency.expected(), ms(110));
    }
}
