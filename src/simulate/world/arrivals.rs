//! When the frames of a stream are captured.

use std::time::Duration;

use super::chance::Key;

/// A stream of frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Time between two frames, where the load curve is 1.
    pub period: Duration,
    /// Time from capture to answer.
    pub budget: Duration,
    /// How far frames are off their even times, as a share of the period: a frame comes up to half
    /// as much too early or too late, all equally likely. From 0 to 1.
    pub jitter: f64,
    /// How its rate changes with time.
    pub load: LoadCurve,
}

/// A factor of the rate by time: straight lines between points, begun anew after the last. Without a
/// point it is 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadCurve {
    /// Times ascending, factors above 0.
    pub points: Vec<(Duration, f64)>,
}

impl LoadCurve {
    /// The factor at a time.
    pub fn factor(&self, time: Duration) -> f64 {
        let (Some((_, first)), Some((end, last))) = (self.points.first(), self.points.last())
        else {
            return 1.0;
        };
        if end.is_zero() {
            return *last;
        }
        let time = Duration::from_nanos((time.as_nanos() % end.as_nanos()) as u64);
        let later = self.points.partition_point(|(at, _)| *at <= time);
        match (later.checked_sub(1).map(|before| self.points[before]), self.points.get(later)) {
            (Some((from, low)), Some((to, high))) => {
                let part = (time - from).as_secs_f64() / (*to - from).as_secs_f64();
                low + (high - low) * part
            }
            (None, _) => *first,
            (Some(_), None) => *last,
        }
    }

    /// The mean factor over one round of the curve.
    pub fn mean(&self) -> f64 {
        let (Some((start, first)), Some((end, last))) = (self.points.first(), self.points.last())
        else {
            return 1.0;
        };
        if end.is_zero() {
            return *last;
        }
        let area = |two: &[(Duration, f64)]| {
            (two[1].0 - two[0].0).as_secs_f64() * (two[0].1 + two[1].1) / 2.0
        };
        let before = start.as_secs_f64() * first;
        (before + self.points.windows(2).map(area).sum::<f64>()) / end.as_secs_f64()
    }
}

/// The captures of one stream, in their order.
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    stream: &'a Stream,
    key: Key,
    until: Duration,
    /// The even time of the next frame.
    due: Duration,
    number: u64,
    latest: Duration,
}

/// A capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// How many frames of the stream were captured before.
    pub number: u64,
    /// When.
    pub at: Duration,
}

impl<'a> Arrivals<'a> {
    /// The captures of a stream before `until`. Where in its period it begins is drawn, as are its
    /// jitters.
    pub fn new(stream: &'a Stream, key: Key, until: Duration) -> Self {
        let due = stream.period.mul_f64(key.uniform());
        Self { stream, key, until, due, number: 0, latest: Duration::ZERO }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Capture;

    fn next(&mut self) -> Option<Capture> {
        let period = self.stream.period.div_f64(self.stream.load.factor(self.due));
        let spread = period.mul_f64(self.stream.jitter);
        let shift = match self.stream.jitter {
            0.0 => Duration::ZERO,
            _ => spread.mul_f64(self.key.of(self.number).uniform()),
        };
        // Half of the spread early to half of it late, but never before the frame before.
        let at = (self.due + shift).saturating_sub(spread / 2).max(self.latest);
        if at >= self.until {
            return None;
        }
        let number = self.number;
        (self.number, self.latest) = (number + 1, at);
        self.due += period.max(Duration::from_nanos(1));
        Some(Capture { number, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn stream(jitter: f64, load: &[(u64, f64)]) -> Stream {
        let points = load.iter().map(|(at, factor)| (seconds(*at), *factor)).collect();
        Stream {
            name: "door".to_owned(),
            period: Duration::from_millis(40),
            budget: Duration::from_millis(100),
            jitter,
            load: LoadCurve { points },
        }
    }

    fn captures(stream: &Stream, seed: u64, until: u64) -> Vec<Duration> {
        Arrivals::new(stream, Key::new(seed), seconds(until)).map(|capture| capture.at).collect()
    }

    #[test]
    fn a_stream_without_jitter_is_even() {
        let stream = stream(0.0, &[]);
        let times = captures(&stream, 1, 4);
        assert_eq!(times.len(), 100);
        assert!(times.windows(2).all(|two| two[1] - two[0] == stream.period));
        assert_ne!(times[0], captures(&stream, 2, 4)[0], "it begins anywhere in its period");
    }

    #[test]
    fn jitter_moves_frames_but_neither_swaps_nor_loses_them() {
        let stream = stream(1.0, &[]);
        let times = captures(&stream, 1, 400);
        assert!((9_998..=10_002).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        let gaps = times.windows(2).map(|two| two[1] - two[0]);
        assert!(gaps.clone().any(|gap| gap > Duration::from_millis(60)));
        assert!(gaps.max().is_some_and(|gap| gap < Duration::from_millis(80)));
    }

    #[test]
    fn the_rate_follows_the_load_curve() {
        let stream = stream(0.0, &[(0, 1.0), (100, 3.0), (200, 1.0)]);
        assert_eq!(
            [0, 50, 100, 150, 250].map(|at| stream.load.factor(seconds(at))),
            [1.0, 2.0, 3.0, 2.0, 2.0]
        );
        assert_eq!((stream.load.mean(), LoadCurve::default().mean()), (2.0, 1.0));
        let times = captures(&stream, 1, 400);
        assert!((19_900..20_100).contains(&times.len()), "{}", times.len());
        let early = times.iter().filter(|at| **at < seconds(20)).count();
        assert!((580..620).contains(&early), "{early}");
    }
}
