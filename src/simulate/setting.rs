//! What is simulated: devices, models, streams and what befalls them, as plain values.

use std::sync::Arc;
use std::time::Duration;

use super::world::{Answers, Episode, Latency, Pictures, Stream};
use crate::models::ModelId;
use crate::scheduler::estimate::OnTime;

/// One set of circumstances.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// How long frames are captured; those on their way then are still answered.
    pub duration: Duration,
    /// What runs models; at least one.
    pub devices: Vec<Device>,
    /// What may run; at least one.
    pub models: Vec<Model>,
    /// What is to be answered; at least one.
    pub streams: Vec<Stream>,
    /// How answers come to be right.
    pub answers: Answers,
    /// What frames show, if it comes from a profile.
    pub pictures: Option<Arc<Pictures>>,
    /// When devices are slow.
    pub slowdowns: Vec<Slowdown>,
    /// The probability of being in time with which the daemon's scheduler starts runs.
    pub on_time: OnTime,
    /// Time from a frame's capture until the scheduler has it: its features, the premodel. It is spent
    /// beside the models' runs, on many frames at a time.
    pub selection: Duration,
    /// Time from the end of a run until its answer is out.
    pub publish: Duration,
}

/// What runs models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its units: cores, say. A run takes some of them for its whole time.
    pub units: usize,
}

/// A model that may run.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name.
    pub id: ModelId,
    /// The share of the frames that it is right on.
    pub accuracy: f64,
    /// Its column in the pictures, if it was profiled.
    pub column: Option<usize>,
    /// What making its tensor takes; one is made at a time, beside the runs.
    pub preprocess: Duration,
    /// Where it can run; at least one, on as many units as the device has at most.
    pub placements: Vec<Placement>,
}

/// A way to run a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The device, by its place in [`Setting::devices`].
    pub device: usize,
    /// How many of its units a run takes.
    pub units: usize,
    /// How long, at full speed.
    pub latency: Latency,
    /// How many times as long runs of 2, 3, ... frames take, up to as many as may share one. Each is 1 at
    /// least.
    pub batches: Vec<f64>,
}

impl Placement {
    /// How many times as long a run of so many frames takes as one of one.
    pub fn stretch(&self, frames: usize) -> f64 {
        frames.checked_sub(2).and_then(|place| self.batches.get(place)).copied().unwrap_or(1.0)
    }

    /// The least share of a run of its own that a frame takes.
    pub fn least_share(&self) -> f64 {
        let share = |frames: usize| self.stretch(frames) / frames as f64;
        (1..=1 + self.batches.len()).map(share).fold(1.0, f64::min)
    }
}

/// When devices are slow.
#[derive(Clone, Debug, PartialEq)]
pub enum Slowdown {
    /// Once.
    Once(Episode),
    /// Again and again: times without and times with it, each drawn from an exponential distribution.
    Recurring {
        /// The mean time from the end of one to the begin of the next.
        every: Duration,
        /// The mean time that one lasts.
        lasting: Duration,
        /// How many times as long runs take.
        factor: f64,
    },
}

impl Setting {
    /// Frames captured in a second, on average over the load curves.
    pub fn rate(&self) -> f64 {
        let rate = |stream: &Stream| stream.load.mean() / stream.period.as_secs_f64();
        self.streams.iter().map(rate).sum()
    }

    /// How often a second the devices can run a model, if they run nothing else, at full speed.
    pub fn capacity(&self, model: usize) -> f64 {
        let on = |(device, held): (usize, &Device)| {
            let here = self.models[model].placements.iter().filter(|one| one.device == device);
            let rate = |one: &Placement| {
                (held.units / one.units) as f64 / one.latency.mean().as_secs_f64()
            };
            here.map(rate).fold(0.0, f64::max)
        };
        self.devices.iter().enumerate().map(on).sum()
    }

    /// The load: the rate of all streams times the run time of `reference`, over the device's
    /// capacity. At 1 the devices could just run it on every frame.
    pub fn load(&self, reference: usize) -> f64 {
        self.rate() / self.capacity(reference)
    }

    /// The model that a user would pick as the fixed one: the most accurate that is in time with 95 %
    /// of its runs, had it the device to itself; without any such, the quickest.
    pub fn reference(&self) -> usize {
        let budget = self.streams.iter().map(|stream| stream.budget).min().unwrap_or_default();
        let takes = |model: &Model| {
            let run = model.placements.iter().map(|one| one.latency.percentile_95()).min();
            self.selection + model.preprocess + run.unwrap_or_default() + self.publish
        };
        let models = || self.models.iter().enumerate();
        let fits = models().filter(|(_, model)| takes(model) <= budget);
        let best = fits.max_by(|(_, a), (_, b)| {
            a.accuracy.total_cmp(&b.accuracy).then_with(|| takes(b).cmp(&takes(a)))
        });
        let quickest = || models().min_by_key(|(_, model)| takes(model));
        best.or_else(quickest).map_or(0, |(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::example::{device, ms, setting};

    #[test]
    fn the_load_is_the_rate_times_the_run_time_over_the_capacity() {
        let mut setting = setting();
        // Two streams of 25 frames a second; the reference takes 10 ms.
        assert_eq!(setting.models[1].id.as_str(), "middle");
        assert!((setting.rate() - 50.0).abs() < 1e-9);
        assert!((setting.load(1) - 0.5).abs() < 1e-9);
        setting.devices = vec![device("gpu", 1), device("cpu", 3)];
        let latency = Latency::constant(ms(40));
        let other = Placement { device: 1, units: 2, latency, batches: Vec::new() };
        setting.models[1].placements.push(other);
        // 100 a second on the one and 25 on the other.
        assert!((setting.load(1) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn the_reference_is_the_most_accurate_model_that_fits_the_tightest_budget() {
        let mut setting = setting();
        let reference = |setting: &Setting| setting.models[setting.reference()].id.to_string();
        assert_eq!(reference(&setting), "large");
        setting.streams[1].budget = ms(39);
        assert_eq!(reference(&setting), "middle");
        setting.selection = ms(30);
        assert_eq!(reference(&setting), "small");
        setting.streams[0].budget = ms(1);
        assert_eq!(reference(&setting), "small");
    }
}
