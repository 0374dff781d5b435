//! When frames are to come, and what a run costs them and those that wait.
//!
//! The next frame of a stream is expected in two ways: a period after the latest, or with the beat of
//! a camera that is periodic, whose frames are each a little early or late by themselves. The beat is
//! followed by a fading-memory filter (Morrison, "Introduction to Sequential Smoothing and Prediction",
//! 1969). The way that was more exact lately counts, give or take what it was off by, every instant between
//! equally likely. A run that goes on when a frame comes leaves it less time, and perhaps a worse model, or
//! none, and those after it as well.

use std::time::{Duration, Instant};

use super::choice::Wish;
use super::{Scheduler, Standing, View, Waiting};
use crate::scheduler::machine::{Occupancy, Runner};

/// Errors that are remembered: what one more weighs.
const WEIGHT: f32 = 1.0 / 16.0;

/// How the next frame is expected from the latest one alone.
const FROM_LATEST: Gains = Gains { phase: 1.0, period: WEIGHT };

/// How it is expected from the beat: the gains of a fading-memory filter with the discount
/// theta = sqrt(1 - 1/16), 1 - theta^2 and (1 - theta)^2.
const FROM_BEAT: Gains = Gains { phase: 1.0 / 16.0, period: 0.001_008 };

/// How far around the expected instant frames come, in standard deviations. A uniform distribution goes to
/// the square root of three; a fifth more, as the deviation is an estimate and a frame that takes the
/// scheduler by surprise costs more than one that it waits for in vain.
const AROUND: f32 = 1.2 * 1.732_050_8;

/// A frame that has less time delays those after it: what runs cost the next frames and those that wait,
/// times this, is what they cost.
const KNOCK_ON: f32 = 1.5;

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
    /// Once there were two frames.
    next: Option<Next>,
}

/// When the next frame of a stream is expected.
#[derive(Clone, Copy, Debug)]
struct Next {
    earliest: Instant,
    middle: Instant,
    latest: Instant,
    /// In either way.
    forecasts: [Forecast; 2],
}

impl Next {
    /// The one after a frame that came then, in the way that was more exact lately.
    fn after(frame: Instant, forecasts: [Forecast; 2]) -> Self {
        let [from_latest, from_beat] = forecasts;
        let is_periodic = from_beat.variance < from_latest.variance;
        let Forecast { early, period, variance } =
            if is_periodic { from_beat } else { from_latest };
        let (middle, around) = (period + early, (AROUND * variance.sqrt()).min(period));
        let at = |seconds: f32| frame + Duration::from_secs_f32(seconds.max(0.0));
        let (earliest, latest) = (at(middle - around), at(middle + around));
        Self { earliest, middle: at(middle), latest, forecasts }
    }

    /// As a frame that will have so many seconds; `None` once it is overdue.
    fn expected(&self, left: f32, now: Instant) -> Option<Expected> {
        let until = |instant: Instant| instant.saturating_duration_since(now).as_secs_f32();
        let (earliest, latest) = (until(self.earliest), until(self.latest));
        (self.latest > now).then_some(Expected { earliest, latest, left })
    }
}

/// When a stream's next frame is expected after the latest, in one way; in seconds.
#[derive(Clone, Copy, Debug)]
struct Forecast {
    /// By how much the latest frame was early, by the beat: the next one comes as much later.
    early: f32,
    period: f32,
    /// The mean square of by how much frames came earlier or later than expected.
    variance: f32,
}

/// What of an error goes into what is expected.
#[derive(Clone, Copy)]
struct Gains {
    phase: f32,
    period: f32,
}

impl Forecast {
    /// A frame came so long after the one before.
    fn learn(&mut self, took: f32, gains: Gains) {
        let off = took - self.early - self.period;
        self.variance += WEIGHT * (off * off - self.variance);
        if off.abs() > self.period / 2.0 {
            // Another rate, or a frame that is missing: the beat starts anew with this frame.
            self.early = 0.0;
            self.period += WEIGHT * off;
        } else {
            self.early = (gains.phase - 1.0) * off;
            self.period += gains.period * off;
        }
    }
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
    pub(super) left: f32,
}

impl Arrivals {
    /// A frame of the stream came, with so much time left.
    pub(super) fn note(&mut self, stream: usize, left: Duration, now: Instant) {
        if self.rhythms.len() <= stream {
            self.rhythms.resize(stream + 1, None);
        }
        let left = left.as_secs_f32();
        let rhythm = &mut self.rhythms[stream];
        let next = rhythm.map(|known| {
            let took = now.saturating_duration_since(known.latest).as_secs_f32();
            let first = [Forecast { early: 0.0, period: took, variance: 0.0 }; 2];
            let learnt =
                known.next.map(|Next { forecasts: [mut from_latest, mut from_beat], .. }| {
                    from_latest.learn(took, FROM_LATEST);
                    from_beat.learn(took, FROM_BEAT);
                    [from_latest, from_beat]
                });
            Next::after(now, learnt.unwrap_or(first))
        });
        *rhythm = Some(Rhythm { latest: now, left, next });
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

    /// The next frames of streams that may come until then.
    pub(super) fn until(&self, horizon: Instant, now: Instant) -> Vec<Expected> {
        let mut expected = Vec::with_capacity(self.rhythms.len());
        for rhythm in self.rhythms.iter().flatten() {
            let next = rhythm.next.filter(|next| next.earliest < horizon);
            expected.extend(next.and_then(|next| next.expected(rhythm.left, now)));
        }
        expected
    }

    /// Up to so many of the next frames of streams, those that are expected first.
    pub(super) fn first(&self, count: usize, now: Instant) -> Vec<Expected> {
        let mut first: Vec<(Instant, Expected)> = Vec::with_capacity(count + 1);
        for rhythm in self.rhythms.iter().flatten() {
            let Some(next) = rhythm.next else { continue };
            let is_full = first.len() == count;
            if is_full && first.last().is_some_and(|(last, _)| *last <= next.middle) {
                continue;
            }
            let Some(frame) = next.expected(rhythm.left, now) else { continue };
            let place = first.partition_point(|(other, _)| *other <= next.middle);
            first.insert(place, (next.middle, frame));
            first.truncate(count);
        }
        first.into_iter().map(|(_, frame)| frame).collect()
    }

    /// The least that the next frame of a stream will have until its deadline; `None` if there is no stream.
    pub(super) fn least_left(&self) -> Option<f32> {
        self.rhythms.iter().flatten().map(|rhythm| rhythm.left).reduce(f32::min)
    }
}

impl Expected {
    /// One that comes in so many seconds and then has so many.
    #[cfg(test)]
    pub(super) fn surely(comes: f32, left: f32) -> Self {
        Self { earliest: comes, latest: comes, left }
    }

    /// When it comes, in the mean.
    pub(super) fn middle(&self) -> f32 {
        (self.earliest + self.latest) / 2.0
    }

    /// The share of a right answer that it loses of these steps if no core is free for so many seconds.
    pub(super) fn loses(&self, steps: &[Step], busy: f32) -> f32 {
        let steps = steps.iter().filter(|step| step.needs <= self.left);
        steps.map(|step| step.value * self.before(busy - self.left + step.needs)).sum()
    }

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
pub(super) struct Step {
    pub(super) needs: f32,
    pub(super) value: f32,
    /// The core time that it takes, in seconds.
    pub(super) work: f32,
}

/// What runs cost the frames to come and, where a job has an answer already, those that wait.
pub(super) struct Toll {
    losers: Vec<Losers>,
}

/// Frames that may lose something by a run, and wish for the same.
struct Losers {
    frames: Vec<Expected>,
    steps: Vec<Step>,
}

impl Losers {
    /// Those of these frames that lose by runs which are over within so many seconds. Steps need less and
    /// less.
    fn new(mut frames: Vec<Expected>, steps: Vec<Step>, seconds: f32) -> Self {
        let most = steps.first().map_or(0.0, |step| step.needs);
        // Others have time enough, whatever runs.
        frames.retain(|frame| seconds - frame.left + most > frame.earliest);
        Self { frames, steps }
    }

    /// The share of right answers that they lose if no core is free for so many seconds.
    fn lose(&self, busy: f32) -> f32 {
        self.frames.iter().map(|frame| frame.loses(&self.steps, busy)).sum()
    }
}

impl Toll {
    /// The share of right answers that these frames lose if no core is free for so many seconds.
    pub(super) fn of(&self, busy: f32) -> f32 {
        KNOCK_ON * self.losers.iter().map(|losers| losers.lose(busy)).sum::<f32>()
    }
}

impl<J> Scheduler<J> {
    /// What the frames to come are taken to wish for: what this job does, or what the latest new one did.
    pub(super) fn wishes_to_come<'a>(&'a self, job: &'a Waiting<J>) -> &'a [Wish] {
        match job.standing {
            Standing::New | Standing::Covered => &job.wishes,
            // What a job that has an answer would like is to better it, not to have one.
            Standing::Answered => &self.usual,
        }
    }

    /// What runs that are over by then cost these jobs that wait, and the frames to come, if those wish for
    /// this.
    pub(super) fn toll<'a>(
        &'a self,
        waiting: impl Iterator<Item = &'a Waiting<J>>,
        wishes: &[Wish],
        horizon: Instant,
        view: &View,
    ) -> Toll {
        let expected = self.arrivals.until(horizon, view.now);
        let horizon = horizon.saturating_duration_since(view.now).as_secs_f32();
        let to_come = match expected[..] {
            [] => None,
            _ => Some(Losers::new(expected, self.steps(wishes, |_| true), horizon)),
        };
        let waiting = waiting.map(|job| {
            let left = job.deadline.remaining(view.now).as_secs_f32();
            let steps = self.steps(&job.wishes, |_| true);
            Losers::new(vec![Expected { earliest: 0.0, latest: 0.0, left }], steps, horizon)
        });
        Toll { losers: to_come.into_iter().chain(waiting).collect() }
    }

    /// What less and less time means to a frame of these wishes, if it may run there.
    pub(super) fn steps(&self, wishes: &[Wish], may_run: impl Fn(&Runner) -> bool) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for wish in wishes {
            let runners = self.of_model[wish.model].iter().map(|&place| &self.runners[place]);
            let quickest = runners.filter(|runner| may_run(runner)).min_by_key(|one| one.longest());
            let Some(runner) = quickest else { continue };
            let needs = runner.longest().as_secs_f32();
            if steps.last().is_none_or(|step| needs < step.needs) {
                if let Some(step) = steps.last_mut() {
                    step.value -= wish.value;
                }
                let work = runner.alone.work.as_secs_f32();
                steps.push(Step { needs, value: wish.value, work });
            }
        }
        steps
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
        assert_eq!(arrivals.until(start + ms(9000), start), [], "one frame has no period");
        for frame in 1..100 {
            arrivals.note(1, ms(50), start + ms(40) * frame);
        }
        let now = start + ms(40) * 99 + ms(10);
        assert_eq!(arrivals.until(now + ms(29), now), []);
        let expected = arrivals.until(now + ms(31), now);
        assert_eq!(expected.len(), 1);
        assert!((expected[0].earliest - 0.03).abs() < 1e-5, "{expected:?}");
        assert_eq!(expected[0].left, 0.05);
        let later = now + ms(31);
        assert_eq!(arrivals.until(later + ms(9000), later), [], "a camera that stopped");
    }

    /// When the next frame is expected after some that came so many milliseconds apart.
    fn expected_after(apart: impl IntoIterator<Item = u64>) -> Expected {
        let (mut now, mut arrivals) = (Clock.now(), Arrivals::default());
        arrivals.note(0, ms(50), now);
        for apart in apart {
            now += ms(apart);
            arrivals.note(0, ms(50), now);
        }
        let expected = arrivals.until(now + ms(10_000), now);
        assert_eq!(expected.len(), 1, "{expected:?}");
        expected[0]
    }

    #[test]
    fn what_varies_is_expected_between_two_instants() {
        let expected @ Expected { earliest, latest, .. } =
            expected_after([30, 50, 30, 50, 50, 30, 50].into_iter().cycle().take(200));
        assert!((0.0..0.03).contains(&earliest) && (0.05..0.07).contains(&latest), "{expected:?}");
        assert_eq!(expected.before(earliest), 0.0);
        assert!((expected.before((earliest + latest) / 2.0) - 0.5).abs() < 1e-3);
        assert_eq!(expected.before(latest), 1.0);
    }

    #[test]
    fn a_frame_after_an_early_one_is_expected_with_the_beat() {
        // Every other frame is 5 ms early, the last one is.
        let Expected { earliest, latest, .. } =
            expected_after((0..400).map(|frame| [50, 30][frame % 2]));
        let (middle, around) = ((earliest + latest) / 2.0, (latest - earliest) / 2.0);
        assert!((middle - 0.045).abs() < 0.001, "{middle}");
        assert!((around - AROUND * 0.005).abs() < 0.001, "{around}");
    }

    #[test]
    fn another_rate_is_followed_within_some_seconds() {
        for apart in [20, 90] {
            let rates = (0..100).map(|_| 40).chain((0..100).map(|_| apart));
            let Expected { earliest, latest, .. } = expected_after(rates);
            let off = (earliest + latest) / 2.0 - apart as f32 / 1000.0;
            assert!(off.abs() < 0.002 && latest - earliest < 0.01, "{earliest} {latest}");
        }
    }

    #[test]
    fn a_run_costs_a_frame_to_come_the_models_that_it_leaves_no_time_for() {
        let frame = Expected { earliest: 0.01, latest: 0.01, left: 0.05 };
        let steps = vec![
            Step { needs: 0.06, value: 0.1, work: 0.01 },
            Step { needs: 0.04, value: 0.2, work: 0.01 },
            Step { needs: 0.01, value: 0.5, work: 0.01 },
        ];
        let toll = Toll { losers: vec![Losers { frames: vec![frame], steps }] };
        assert_eq!(toll.of(0.015), 0.0, "45 ms are enough for what it could have had");
        assert_eq!(toll.of(0.03), KNOCK_ON * 0.2);
        assert_eq!(toll.of(0.06), KNOCK_ON * 0.7, "nothing fits");
    }
}
