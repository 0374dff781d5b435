//! What a run costs the frames to come in an overload.
//!
//! While a device is not idle, a run that takes longer delays all those after it, until one of them gets a
//! quicker model, or none. What that costs is found by playing the next frames of all streams, one after
//! the other, each with the model that frames lately asked for or, where too little time is left for that,
//! with a quicker one; once after the run, and once as if the device were free at once. That is a rollout
//! with a base policy of one model (Bertsekas, Tsitsiklis and Wu, "Rollout Algorithms for Combinatorial
//! Optimization", 1997).
//!
//! Where the device is idle now and then, a delay ends there, and frames do not all run with that model: what
//! the next frame of each stream loses by itself (`Toll`) says more then.

use std::time::{Duration, Instant};

use super::arrivals::{Expected, Step};
use super::choice::Wish;
use super::{Scheduler, View};
use crate::scheduler::machine::Device;

/// Below this price of a second, in right answers, an overload is a passing one.
const OVERLOAD: f32 = 4.0;

/// Frames that are played.
const FRAMES: usize = 8;

/// Of a model that takes so many times what frames ask for on average it is held that they ask for it.
const ABOUT: f32 = 1.05;

/// What runs cost the frames to come that are decided in an overload.
pub(super) struct KnockOn {
    /// The next frames, those expected first at the beginning.
    frames: Vec<Expected>,
    /// What frames can have: the model that is asked for, and those that are quicker.
    steps: Vec<Step>,
    /// Those that run at once.
    cores: f32,
    /// What they lose if a core is free at once.
    anyway: f32,
}

impl KnockOn {
    fn new(frames: Vec<Expected>, steps: Vec<Step>, cores: usize) -> Self {
        let mut knock_on = Self { frames, steps, cores: cores as f32, anyway: 0.0 };
        knock_on.anyway = knock_on.lost_after(0.0);
        knock_on
    }

    /// The share of right answers that frames to come lose if no core is free for so many seconds.
    pub(super) fn of(&self, busy: f32) -> f32 {
        self.lost_after(busy) - self.anyway
    }

    fn lost_after(&self, mut busy: f32) -> f32 {
        let mut lost = 0.0;
        for frame in &self.frames {
            lost += frame.loses(&self.steps, busy);
            let start = frame.middle().max(busy);
            let left = frame.left - (start - frame.middle());
            let step = self.steps.iter().find(|step| step.needs <= left);
            busy = start + step.map_or(0.0, |step| step.work / self.cores);
        }
        lost
    }
}

impl<J> Scheduler<J> {
    /// By device: what runs that are over by then cost frames to come that wish for these models; `None`
    /// where there is no overload, or time enough for all that is played.
    pub(super) fn knock_on(
        &self,
        wishes: &[Wish],
        horizon: Instant,
        view: &View,
    ) -> Vec<Option<KnockOn>> {
        let horizon = horizon.saturating_duration_since(view.now).as_secs_f32();
        let mut frames = None;
        let of_device = |(place, device): (usize, &Device)| {
            if device.price.per_second(Duration::ZERO) < OVERLOAD {
                return None;
            }
            let most = ABOUT * device.price.usual_work().as_secs_f32();
            let steps = self.steps(wishes, |runner| {
                runner.device == place && runner.alone.work.as_secs_f32() <= most
            });
            let asked_for = steps.first()?;
            let delay = horizon + FRAMES as f32 * asked_for.work / device.cores() as f32;
            if delay + asked_for.needs <= self.arrivals.least_left()? {
                return None;
            }
            let frames = frames.get_or_insert_with(|| self.arrivals.first(FRAMES, view.now));
            Some(KnockOn::new(frames.clone(), steps, device.cores()))
        };
        self.devices.iter().enumerate().map(of_device).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(comes: f32, left: f32) -> Expected {
        Expected::surely(comes, left)
    }

    /// A model of 4 ms that is right in 60 of 100, and one of 2 ms that is in 40.
    fn steps() -> Vec<Step> {
        let good = Step { needs: 0.004, value: 0.2, work: 0.004 };
        vec![good, Step { needs: 0.002, value: 0.4, work: 0.002 }]
    }

    #[test]
    fn a_delay_is_passed_on_until_a_frame_gets_a_quicker_model() {
        let frames = |apart: f32| (0..8).map(|n| frame(0.001 + apart * n as f32, 0.010)).collect();
        let knock_on = KnockOn::new(frames(0.004), steps(), 1);
        assert_eq!(knock_on.of(0.006), 0.0, "each is delayed by 5 ms, and has 10 for a run of 4");
        assert!(
            (knock_on.of(0.008) - 0.2).abs() < 1e-6,
            "the first is quicker and the rest just in time"
        );
        let knock_on = KnockOn::new(frames(0.0035), steps(), 1);
        assert!(knock_on.of(0.006) > 0.1, "half a millisecond more for each");
        let knock_on = KnockOn::new(frames(0.006), steps(), 1);
        assert_eq!(knock_on.of(0.0065), 0.0, "the delay ends");
        assert!((knock_on.of(0.008) - 0.2).abs() < 1e-6, "after the first");
    }

    #[test]
    fn more_cores_end_a_delay_sooner() {
        let frames: Vec<_> = (0..8).map(|n| frame(0.001 + 0.0035 * n as f32, 0.010)).collect();
        let of = |cores| KnockOn::new(frames.clone(), steps(), cores).of(0.006);
        assert!(of(1) > 0.0 && of(2) == 0.0, "{} {}", of(1), of(2));
    }

    #[test]
    fn what_frames_lose_anyway_is_no_cost_of_a_run() {
        // Together they ask for twice what a core does.
        let frames: Vec<_> = (0..8).map(|n| frame(0.002 * n as f32, 0.006)).collect();
        let knock_on = KnockOn::new(frames, steps(), 1);
        assert!(knock_on.anyway > 0.2);
        assert_eq!(knock_on.of(0.0), 0.0);
    }
}
