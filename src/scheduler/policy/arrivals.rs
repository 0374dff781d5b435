//! When frames are to come, and what a run costs them.
//!
//! Streams are taken for periodic: the next frame of one comes a period after the latest, give or take
//! what its periods have varied by, every instant between equally likely. Both are learnt. A run that
//! goes on when a frame comes leaves it less time, and perhaps a worse model, or none.

use std::time::{Duration, Instant};

use super::{Scheduler, View, Waiting};
use crate::scheduler::machine::{Occupancy, Runner};

/// Periods that are remembered: what one more weighs.
const WEIGHT: f32 = 1.0 / 16.0;

/// How far the uniform distribution goes from its mean, in standard deviations.
const UNIFORM: f32 = 1.732_050_8;

/// A stream that gave no frame for so long counts for none.
const LATELY: Duration = Duration::from_secs(1);

/// Streams are counted anew after so long.
const COUNT_AFTER: Duration = Duration::from_millis(50);

/// How a stream's frames come.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    latest: Instant,
    /// What the latest frame had until its deadline.
    left: f32,
    /// The mean period, in seconds, once there were two frames.
    period: Option<f32>,
    /// The variance of periods.
    variance: f32,
    /// How much earlier or later than after a period the next frame may come, in seconds.
    around: f32,
}

/// By stream: how its frames come.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    rhythms: Vec<Option<Rhythm>>,
    /// How many streams gave a frame lately, and when they were counted.
    counted: Option<(usize, Instant)>,
}

/// A frame that is to come, in seconds from now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expected {
    /// No earlier than this.
    earliest: f32,
    /// No later than this.
    latest: f32,
    /// What it will have until its deadline.
    left: f32,
}

impl Arrivals {
    /// A frame of the stream came, with so much time left.
    pub(super) fn note(&mut self, stream: usize, left: Duration, now: Instant) {
        if self.rhythms.len() <= stream {
            self.rhythms.resize(stream + 1, None);
        }
        let left = left.as_secs_f32();
        let rhythm = &mut self.rhythms[stream];
        let Some(known) = rhythm else {
            let (period, variance, around) = (None, 0.0, 0.0);
            *rhythm = Some(Rhythm { latest: now, left, period, variance, around });
            return;
        };
        let took = now.saturating_duration_since(known.latest).as_secs_f32();
        match &mut known.period {
            None => known.period = Some(took),
            Some(period) => {
                let off = took - *period;
                *period += WEIGHT * off;
                known.variance += WEIGHT * (off * off - known.variance);
                known.around = (UNIFORM * known.variance.sqrt()).min(*period);
            }
        }
        (known.latest, known.left) = (now, left);
    }

    /// How many streams there are of which a frame came lately.
    pub(super) fn streams(&mut self, now: Instant) -> usize {
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < COUNT_AFTER;
        if let Some((count, _)) = self.counted.filter(|(_, at)| is_fresh(*at)) {
            return count;
        }
        let is_there = |rhythm: &&Rhythm| now.saturating_duration_since(rhythm.latest) < LATELY;
        let count = self.rhythms.iter().flatten().filter(is_there).count();
        self.counted = Some((count, now));
        count
    }

    /// The next frames of streams that may come within so many seconds.
    pub(super) fn within(&self, seconds: f32, now: Instant) -> Vec<Expected> {
        let next = self.rhythms.iter().flatten().filter_map(|rhythm| {
            let period = rhythm.period?;
            let passed = now.saturating_duration_since(rhythm.latest).as_secs_f32();
            let latest = period + rhythm.around - passed;
            let earliest = (period - rhythm.around - passed).max(0.0);
            let comes = latest > 0.0 && earliest < seconds;
            comes.then_some(Expected { earliest, latest, left: rhythm.left })
        });
        next.collect()
    }
}

impl Expected {
    /// The probability that it comes before so many seconds have passed.
    fn before(&self, seconds: f32) -> f32 {
        if seconds <= self.earliest {
            0.0
        } else if seconds >= self.latest {
            1.0
        } else {
            (seconds - self.earliest) / (self.latest - self.earliest)
        }
    }
}

/// What less time means to a frame: with less than `needs` seconds it loses `value`.
#[derive(Clone, Copy, Debug)]
struct Step {
    needs: f32,
    value: f32,
}

/// What runs cost the frames to come.
pub(super) struct Toll {
    expected: Vec<Expected>,
    steps: Vec<Step>,
}

impl Toll {
    /// What runs cost these frames that are over within so many seconds. Steps need less and less.
    fn new(mut expected: Vec<Expected>, steps: Vec<Step>, seconds: f32) -> Self {
        let most = steps.first().map_or(0.0, |step| step.needs);
        // Others have time enough, whatever runs.
        expected.retain(|frame| seconds - frame.left + most > frame.earliest);
        Self { expected, steps }
    }

    /// The share of right answers that frames to come lose if no core is free for so many seconds.
    pub(super) fn of(&self, busy: f32) -> f32 {
        let of_frame = |frame: &Expected| -> f32 {
            let steps = self.steps.iter().filter(|step| step.needs <= frame.left);
            steps.map(|step| step.value * frame.before(busy - frame.left + step.needs)).sum()
        };
        self.expected.iter().map(of_frame).sum()
    }
}

impl<J> Scheduler<J> {
    /// What runs that are over by then cost the frames to come, which are taken to wish for what this
    /// job does.
    pub(super) fn toll(&self, job: &Waiting<J>, horizon: Instant, view: &View) -> Toll {
        let horizon = horizon.saturating_duration_since(view.now).as_secs_f32();
        let expected = self.arrivals.within(horizon, view.now);
        if expected.is_empty() {
            return Toll { expected, steps: Vec::new() };
        }
        let mut steps: Vec<Step> = Vec::new();
        for wish in &job.wishes {
            let needs =
                self.of_model[wish.model].iter().map(|&place| self.runners[place].longest());
            let Some(needs) = needs.min() else { continue };
            let needs = needs.as_secs_f32();
            if steps.last().is_none_or(|step| needs < step.needs) {
                if let Some(step) = steps.last_mut() {
                    step.value -= wish.value;
                }
                steps.push(Step { needs, value: wish.value });
            }
        }
        Toll::new(expected, steps, horizon)
    }
}

impl View {
    /// When all runs that can be decided now are expected to be over.
    pub(super) fn horizon(&self) -> Instant {
        self.prospects.iter().map(|run| run.finish).max().unwrap_or(self.now)
    }

    /// How long no core is free to frames to come if this run is decided, as expected.
    pub(super) fn busy_with(&self, runner: &Runner) -> Duration {
        self.busy_until(self.prospects[runner.place].finish, runner)
    }

    /// The same if the run is over by then.
    pub(super) fn busy_until(&self, finish: Instant, runner: &Runner) -> Duration {
        let free = |(device, occupancy): (usize, &Occupancy)| {
            occupancy.free_besides(if device == runner.device { runner.cores } else { 0 })
        };
        let others = self.occupancies.iter().enumerate().filter_map(free).min();
        others.map_or(finish, |other| other.min(finish)).saturating_duration_since(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_next_frame_of_a_periodic_stream_is_expected_a_period_after_the_latest() {
        let (start, mut arrivals) = (Clock.now(), Arrivals::default());
        arrivals.note(1, ms(50), start);
        assert_eq!(arrivals.within(9.0, start), [], "one frame has no period");
        for frame in 1..100 {
            arrivals.note(1, ms(50), start + ms(40) * frame);
        }
        let now = start + ms(40) * 99 + ms(10);
        assert_eq!(arrivals.within(0.029, now), []);
        let expected = arrivals.within(0.031, now);
        assert_eq!(expected.len(), 1);
        assert!((expected[0].earliest - 0.03).abs() < 1e-5, "{expected:?}");
        assert_eq!(expected[0].left, 0.05);
        assert_eq!(arrivals.within(9.0, now + ms(31)), [], "a camera that stopped");
    }

    #[test]
    fn what_varies_is_expected_between_two_instants() {
        let (start, mut arrivals) = (Clock.now(), Arrivals::default());
        let mut now = start;
        for frame in 0..200 {
            arrivals.note(0, ms(50), now);
            now += ms(if frame % 2 == 0 { 30 } else { 50 });
        }
        let expected = arrivals.within(9.0, now - ms(50));
        let [Expected { earliest, latest, .. }] = expected[..] else { panic!("{expected:?}") };
        assert!((0.018..0.026).contains(&earliest) && (0.054..0.062).contains(&latest));
        assert_eq!(expected[0].before(earliest), 0.0);
        assert!((expected[0].before((earliest + latest) / 2.0) - 0.5).abs() < 1e-3);
        assert_eq!(expected[0].before(latest), 1.0);
    }

    #[test]
    fn a_run_costs_a_frame_to_come_the_models_that_it_leaves_no_time_for() {
        let frame = Expected { earliest: 0.01, latest: 0.01, left: 0.05 };
        let steps = vec![
            Step { needs: 0.06, value: 0.1 },
            Step { needs: 0.04, value: 0.2 },
            Step { needs: 0.01, value: 0.5 },
        ];
        let toll = Toll { expected: vec![frame], steps };
        assert_eq!(toll.of(0.015), 0.0, "45 ms are enough for what it could have had");
        assert_eq!(toll.of(0.03), 0.2);
        assert_eq!(toll.of(0.06), 0.7, "nothing fits");
    }
}
