//! What happens, whatever is decided: when frames come, how long runs would take, which models would
//! be right, when devices are slow.
//!
//! Everything is a function of the [`Setting`] and the seed, so that all contenders meet the same
//! world and two runs of a scenario are alike to the bit. Contenders are never shown a world, only what
//! a scheduler would see; the oracles look into it.

mod answers;
mod arrivals;
mod chance;
mod latency;
mod speed;

use std::time::Duration;

pub use answers::{Answers, Pictures};
pub use arrivals::{Arrivals, Capture, LoadCurve, Stream};
pub use chance::Key;
pub use latency::{Latency, Spread};
pub use speed::{Episode, Speed};

use super::setting::{Setting, Slowdown};
use answers::inner_quantile;

/// What draws are for.
mod purpose {
    pub const ARRIVALS: u64 = 0;
    pub const FRAMES: u64 = 1;
    pub const SLOWDOWNS: u64 = 2;
    pub const WARM_UP: u64 = 3;
    pub const DIFFICULTY: u64 = 4;
    pub const SIGNAL: u64 = 5;
    pub const PICTURE: u64 = 6;
    pub const STRAIN: u64 = 7;
    pub const SHOWN: u64 = 8;
    pub const LATENCY: u64 = 9;
}

/// A world: a setting and a seed.
#[derive(Clone, Debug)]
pub struct World<'a> {
    setting: &'a Setting,
    key: Key,
    speed: Speed,
    /// For each model the normal quantile of its accuracy.
    thresholds: Vec<f64>,
    accuracies: Vec<f64>,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Its stream, by its place in [`Setting::streams`].
    pub stream: usize,
    /// How many frames of the stream were captured before it.
    pub number: u64,
    /// When it was captured.
    pub captured: Duration,
    /// When the scheduler has it.
    pub ready: Duration,
    /// When a run has to be over for its answer to be out in time.
    pub due: Duration,
    key: Key,
}

impl<'a> World<'a> {
    /// The world of a setting and a seed.
    pub fn new(setting: &'a Setting, seed: u64) -> Self {
        let key = Key::new(seed);
        let accuracies: Vec<f64> = setting.models.iter().map(|model| model.accuracy).collect();
        let thresholds = accuracies.iter().map(|&accuracy| inner_quantile(accuracy)).collect();
        let speed = Speed::new(&episodes(setting, key.of(purpose::SLOWDOWNS)));
        Self { setting, key, speed, thresholds, accuracies }
    }

    /// What it is a world of.
    pub fn setting(&self) -> &'a Setting {
        self.setting
    }

    /// How fast the devices are.
    pub fn speed(&self) -> &Speed {
        &self.speed
    }

    /// The captures of a stream, in their order.
    pub fn arrivals(&self, stream: usize) -> Arrivals<'a> {
        let key = self.key.of(purpose::ARRIVALS).of(stream as u64);
        Arrivals::new(&self.setting.streams[stream], key, self.setting.duration)
    }

    /// The frame of a capture.
    pub fn frame(&self, stream: usize, capture: Capture) -> Frame {
        let Setting { selection, publish, streams, .. } = self.setting;
        let key = self.key.of(purpose::FRAMES).of(stream as u64).of(capture.number);
        Frame {
            stream,
            number: capture.number,
            captured: capture.at,
            ready: capture.at + *selection,
            due: (capture.at + streams[stream].budget).saturating_sub(*publish),
            key,
        }
    }

    /// All frames, in the order in which they are ready.
    pub fn frames(&self) -> impl Iterator<Item = Frame> {
        let mut next: Vec<_> = (0..self.setting.streams.len())
            .map(|stream| {
                let mut arrivals = self.arrivals(stream);
                (arrivals.next().map(|capture| self.frame(stream, capture)), arrivals)
            })
            .collect();
        std::iter::from_fn(move || {
            let waiting = next.iter().enumerate();
            let ready =
                waiting.filter_map(|(stream, (frame, _))| Some((frame.as_ref()?.ready, stream)));
            let (_, stream) = ready.min()?;
            let (frame, arrivals) = &mut next[stream];
            let following = arrivals.next().map(|capture| self.frame(stream, capture));
            std::mem::replace(frame, following)
        })
    }

    /// How likely each model is to be right on a frame, as far as it can be known after these have run.
    pub fn belief(&self, frame: &Frame, ran: &[usize], values: &mut Vec<f64>) {
        values.clear();
        let answers = &self.setting.answers;
        if answers.skill == 0.0 && ran.is_empty() {
            values.extend_from_slice(&self.accuracies);
            return;
        }
        let signal = answers.signal(self.difficulty(frame), frame.key.of(purpose::SIGNAL));
        let show = |&model: &usize| {
            let noise = frame.key.of(purpose::SHOWN).of(model as u64);
            (model, answers.shown(self.strain(frame, model), noise))
        };
        let shown: Vec<_> = ran.iter().map(show).collect();
        values.extend(answers.belief(&self.thresholds, signal, &shown));
    }

    /// Whether a model is right on a frame.
    pub fn is_right(&self, frame: &Frame, model: usize) -> bool {
        match self.pictured(frame, model) {
            Some((pictures, picture, column)) => pictures.is_right(picture, column),
            None => self.strain(frame, model) <= self.thresholds[model],
        }
    }

    fn strain(&self, frame: &Frame, model: usize) -> f64 {
        let own = frame.key.of(purpose::STRAIN).of(model as u64);
        match self.pictured(frame, model) {
            Some((pictures, picture, column)) => pictures.strain(picture, column, own),
            None => self.setting.answers.strain(self.difficulty(frame), own),
        }
    }

    /// The picture that a frame shows, and the model's column, if the model was profiled.
    fn pictured(&self, frame: &Frame, model: usize) -> Option<(&Pictures, usize, usize)> {
        let pictures = self.setting.pictures.as_deref()?;
        let column = self.setting.models[model].column?;
        Some((pictures, pictures.draw(frame.key.of(purpose::PICTURE)), column))
    }

    fn difficulty(&self, frame: &Frame) -> f64 {
        let key = frame.key.of(purpose::DIFFICULTY);
        match &self.setting.pictures {
            Some(pictures) => {
                pictures.difficulty(pictures.draw(frame.key.of(purpose::PICTURE)), key)
            }
            None => key.normal(),
        }
    }

    /// How long a model's run on a frame would take at full speed. Placements of a model share the
    /// draw: a run that is slow on one would be on the other.
    pub fn length(&self, frame: &Frame, model: usize, placement: usize) -> Duration {
        let share = frame.key.of(purpose::LATENCY).of(model as u64).uniform();
        self.setting.models[model].placements[placement].latency.quantile(share)
    }

    /// How long a run that frames share would take: as many times as long as is known of so many as
    /// their own runs would on average.
    pub fn shared_length(&self, frames: &[&Frame], model: usize, placement: usize) -> Duration {
        let alone = frames.iter().map(|frame| self.length(frame, model, placement));
        let all: Duration = alone.sum();
        match frames.len() {
            0 | 1 => all,
            count => {
                let place = &self.setting.models[model].placements[placement];
                all.mul_f64(place.stretch(count) / count as f64)
            }
        }
    }

    /// What the runs of a model's warm-up take on so many frames, at the speed in which the world begins.
    pub fn warm_up(
        &self,
        model: usize,
        placement: usize,
        frames: usize,
        runs: u64,
    ) -> Vec<Duration> {
        let key = self.key.of(purpose::WARM_UP).of(model as u64);
        let place = &self.setting.models[model].placements[placement];
        let run = |number| {
            let length = place.latency.quantile(key.of(number).uniform());
            let length = if frames > 1 { length.mul_f64(place.stretch(frames)) } else { length };
            self.speed.finish(Duration::ZERO, length)
        };
        (0..runs).map(run).collect()
    }
}

/// All slowdowns, as they are drawn. The last may go on after the end.
fn episodes(setting: &Setting, key: Key) -> Vec<Episode> {
    let mut episodes = Vec::new();
    for (number, slowdown) in setting.slowdowns.iter().enumerate() {
        match slowdown {
            Slowdown::Once(episode) => episodes.push(*episode),
            Slowdown::Recurring { every, lasting, factor } => {
                let key = key.of(number as u64);
                let times = |number| {
                    let key = key.of(number);
                    let pause = every.mul_f64(key.of(0).exponential());
                    (pause, lasting.mul_f64(key.of(1).exponential()))
                };
                let mut end = Duration::ZERO;
                let recurring = (0..).map(times).map(|(pause, length)| {
                    let from = end + pause;
                    end = from + length.max(Duration::from_micros(1));
                    Episode { from, until: end, factor: *factor }
                });
                episodes.extend(recurring.take_while(|episode| episode.from < setting.duration));
            }
        }
    }
    episodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::example::{ms, setting};

    #[test]
    fn frames_come_in_the_order_in_which_they_are_ready() {
        let mut setting = setting();
        (setting.selection, setting.publish) = (ms(2), ms(1));
        let frames: Vec<Frame> = World::new(&setting, 1).frames().collect();
        assert_eq!(frames.len(), 500);
        assert!(frames.is_sorted_by_key(|frame| frame.ready));
        for frame in &frames {
            assert_eq!((frame.ready, frame.due), (frame.captured + ms(2), frame.captured + ms(99)));
        }
        for stream in [0, 1] {
            let of_stream = frames.iter().filter(|frame| frame.stream == stream);
            assert!(of_stream.map(|frame| frame.number).eq(0..250));
        }
    }

    #[test]
    fn a_seed_gives_one_world_and_another_another() {
        let setting = setting();
        let all = |seed| World::new(&setting, seed).frames().collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
    }

    #[test]
    fn recurring_slowdowns_take_their_share_of_the_time() {
        let mut setting = setting();
        setting.duration = Duration::from_secs(36_000);
        let (every, lasting) = (Duration::from_secs(30), Duration::from_secs(10));
        setting.slowdowns = vec![Slowdown::Recurring { every, lasting, factor: 2.0 }];
        let world = World::new(&setting, 4);
        let lost = (setting.duration - world.speed().work(setting.duration)).as_secs_f64();
        // A quarter of the time at half the speed.
        let share = lost / setting.duration.as_secs_f64();
        assert!((share - 0.125).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_warm_up_in_a_slowdown_is_slow() {
        let mut setting = setting();
        assert_eq!(World::new(&setting, 1).warm_up(1, 0, 1, 3), [ms(10); 3]);
        let episode = Episode { from: ms(0), until: ms(900), factor: 3.0 };
        setting.slowdowns = vec![Slowdown::Once(episode)];
        assert_eq!(World::new(&setting, 1).warm_up(1, 0, 1, 3), [ms(30); 3]);
        setting.models[1].placements[0].batches = vec![1.5];
        assert_eq!(World::new(&setting, 1).warm_up(1, 0, 2, 3), [ms(45); 3]);
    }

    #[test]
    fn a_premodel_without_skill_knows_accuracies_only() {
        let mut setting = setting();
        let spread = |setting: &Setting| {
            let world = World::new(setting, 1);
            let mut values = Vec::new();
            let firsts: Vec<f64> = world
                .frames()
                .map(|frame| {
                    world.belief(&frame, &[], &mut values);
                    values[0]
                })
                .collect();
            firsts.iter().copied().fold(0.0, f64::max) - firsts.iter().copied().fold(1.0, f64::min)
        };
        assert_eq!(spread(&setting), 0.0);
        setting.answers.skill = 0.5;
        assert!(spread(&setting) > 0.5);
    }
}
