//! How fast the devices are at each moment.
//!
//! A slowdown (heat, a lower clock, another program) makes runs take longer while it lasts, those
//! that have begun too. It is told by a clock of *work*: the time that a device at full speed would
//! have needed for all that could be done so far. A run of a known length then ends when the work
//! clock has moved on by that length, whenever that is.

use std::time::Duration;

/// A span of time in which runs take so many times as long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// When it begins.
    pub from: Duration,
    /// When it is over.
    pub until: Duration,
    /// How many times as long runs take; above 0.
    pub factor: f64,
}

/// The speed at each moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speed {
    /// In the order of time; before the first the speed is full. Empty if it always is.
    spans: Vec<Span>,
}

/// A side of an episode.
#[derive(Clone, Copy)]
enum Edge {
    Begin,
    End,
}

/// From here to the next span the speed is even.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    /// In nanoseconds, as is `work`.
    from: f64,
    /// The work clock then.
    work: f64,
    /// How many times as long runs take.
    factor: f64,
}

impl Speed {
    /// Full speed but for these episodes; where several overlap, their factors multiply.
    pub fn new(episodes: &[Episode]) -> Self {
        let mut edges: Vec<(f64, Edge, f64)> = Vec::new();
        for episode in episodes.iter().filter(|episode| episode.from < episode.until) {
            edges.push((nanoseconds(episode.from), Edge::Begin, episode.factor));
            edges.push((nanoseconds(episode.until), Edge::End, episode.factor));
        }
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut spans, mut open): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
        for (from, edge, factor) in edges {
            match edge {
                Edge::Begin => open.push(factor),
                Edge::End => open.retain({
                    let mut is_open = true;
                    move |one| *one != factor || !std::mem::take(&mut is_open)
                }),
            }
            let work = spans.last().map_or(from, |last| last.work_at(from));
            let factor = open.iter().product();
            match spans.last_mut() {
                Some(last) if last.from == from => last.factor = factor,
                _ => spans.push(Span { from, work, factor }),
            }
        }
        Self { spans }
    }

    /// Whether the speed never changes.
    pub fn is_even(&self) -> bool {
        self.spans.is_empty()
    }

    /// The work clock at a time.
    pub fn work(&self, time: Duration) -> Duration {
        let at = nanoseconds(time);
        let later = self.spans.partition_point(|span| span.from <= at);
        match later.checked_sub(1) {
            Some(current) => duration(self.spans[current].work_at(at)),
            None => time,
        }
    }

    /// The time at which the work clock stands so.
    pub fn time(&self, work: Duration) -> Duration {
        let done = nanoseconds(work);
        let later = self.spans.partition_point(|span| span.work <= done);
        match later.checked_sub(1) {
            Some(current) => duration(self.spans[current].time_at(done)),
            None => work,
        }
    }

    /// When a run ends that begins at `start` and takes `length` at full speed.
    pub fn finish(&self, start: Duration, length: Duration) -> Duration {
        if self.is_even() { start + length } else { self.time(self.work(start) + length) }
    }
}

impl Span {
    fn work_at(self, time: f64) -> f64 {
        self.work + (time - self.from) / self.factor
    }

    fn time_at(self, work: f64) -> f64 {
        self.from + (work - self.work) * self.factor
    }
}

/// Exact up to 104 days, and to 4 ns in a year.
fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}

fn duration(nanoseconds: f64) -> Duration {
    Duration::from_nanos(nanoseconds.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn episode(from: u64, until: u64, factor: f64) -> Episode {
        Episode { from: ms(from), until: ms(until), factor }
    }

    #[test]
    fn without_episodes_work_is_time() {
        let speed = Speed::new(&[]);
        assert!(speed.is_even());
        assert_eq!((speed.work(ms(7)), speed.time(ms(7))), (ms(7), ms(7)));
        assert_eq!(speed.finish(ms(7), ms(5)), ms(12));
    }

    #[test]
    fn a_run_takes_longer_in_an_episode_and_only_there() {
        let speed = Speed::new(&[episode(100, 200, 2.0)]);
        assert_eq!(speed.finish(ms(10), ms(20)), ms(30));
        assert_eq!(speed.finish(ms(110), ms(20)), ms(150));
        assert_eq!(speed.finish(ms(90), ms(20)), ms(120), "half of it in the episode");
        assert_eq!(speed.finish(ms(190), ms(20)), ms(215), "it recovers at the end");
        assert_eq!(speed.finish(ms(300), ms(20)), ms(320));
        assert_eq!(speed.finish(ms(90), ms(70)), ms(210), "from before until after");
    }

    #[test]
    fn overlapping_episodes_multiply_and_end_as_they_began() {
        let speed = Speed::new(&[episode(0, 300, 2.0), episode(100, 200, 3.0)]);
        for (start, end) in [(100, 160), (250, 270), (400, 410)] {
            let found = speed.finish(ms(start), ms(10));
            assert!(found.abs_diff(ms(end)) < Duration::from_nanos(20), "{start}: {found:?}");
        }
        let touching = Speed::new(&[episode(0, 100, 2.0), episode(100, 200, 2.0)]);
        assert_eq!(touching.finish(ms(90), ms(10)), ms(110));
        assert!(Speed::new(&[episode(5, 5, 2.0)]).is_even());
    }

    #[test]
    fn time_and_work_undo_each_other() {
        let speed = Speed::new(&[episode(10, 50, 1.7), episode(40, 90, 0.5), episode(95, 96, 9.0)]);
        for at in 0..120 {
            let again = speed.time(speed.work(ms(at)));
            assert!(again.abs_diff(ms(at)) < Duration::from_nanos(20), "{at}: {again:?}");
        }
    }
}
