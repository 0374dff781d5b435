//! Whether the process makes progress: when a service manager's watchdog is fed. Pure: time comes in
//! as `now`.
//!
//! A process that lives proves nothing: a stage may be stuck while the others wait for it. Progress is
//! told from what every stream shows of itself ([`Signs`]):
//!
//! - *Frames depart.* A frame that was captured leaves the program as a record, in the order of
//!   capture, within the time that its budget allows and some patience. So the one number of departed
//!   frames covers every stage, the output included: whoever holds a frame back holds all frames behind
//!   it back.
//! - *Frames are decided.* Where the newest frame wins, frames depart as superseded though nobody takes
//!   them any more. So of all streams together some frame must be decided while others are superseded
//!   ([`Traffic`]).
//! - *The keeper goes its rounds.* The thread that keeps the source up may be stuck in a camera's
//!   driver, and then no frame is captured that could be missed.
//!
//! A camera that is lost is no stall: no frame is under way, and its keeper goes its rounds while it
//! tries again, however long. Nor is a source that is silent: the keeper starts it again.
//!
//! What the process has given up for good ([`crate::health`]) is a stall that never passes; any other
//! may pass, and then the watchdog is fed again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::frame::StreamName;

/// What a stream shows of itself at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Frames captured so far.
    pub captured: u64,
    /// Of these, frames that have left the program.
    pub departed: u64,
    /// Rounds of its keeper so far.
    pub rounds: u64,
    /// How long is not too long.
    pub limits: Limits,
}

/// What has become of the frames of all streams so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames that the scheduler decided about.
    pub decided: u64,
    /// Frames that gave way to newer ones.
    pub superseded: u64,
}

/// How long one waits for signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a frame to depart while frames are under way.
    pub departure: Duration,
    /// For the keeper's next round.
    pub round: Duration,
}

/// Why the watchdog is not fed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Stall {
    /// Frames are under way, and none departs.
    #[error("stream {stream}: {frames} frames are under way, and none has come out for {lasted:?}")]
    NoDeparture {
        /// Whose.
        stream: StreamName,
        /// How many.
        frames: u64,
        /// For how long.
        lasted: Duration,
    },
    /// Frames give way to newer ones, and none is taken.
    #[error("frames give way to newer ones, and none has been decided about for {lasted:?}")]
    NoDecision {
        /// For how long.
        lasted: Duration,
    },
    /// The thread that keeps a source up is stuck.
    #[error(
        "stream {stream}: its source has hung for {lasted:?} while it was started or taken down"
    )]
    NoRound {
        /// Whose.
        stream: StreamName,
        /// For how long.
        lasted: Duration,
    },
    /// Something was given up for good.
    #[error("{0}")]
    Unsound(String),
}

/// Watches streams for progress.
#[derive(Debug, Default)]
pub struct Watchdog {
    streams: BTreeMap<StreamName, Watched>,
    traffic: Traffic,
    /// Since when frames are superseded of which none was decided about.
    undecided: Option<Instant>,
}

/// What was last seen of a stream.
#[derive(Debug)]
struct Watched {
    departed: u64,
    /// Since when frames are under way of which none has departed.
    waiting: Option<Instant>,
    rounds: u64,
    /// When the keeper was last seen to have gone a round.
    round: Instant,
}

impl Watchdog {
    /// Looks at all streams there are at present, at what becomes of their frames, and at what was given
    /// up. An error is a reason not to feed the watchdog now.
    pub fn look<'a>(
        &mut self,
        streams: impl IntoIterator<Item = (&'a StreamName, Signs)>,
        traffic: Traffic,
        given_up: &[String],
        now: Instant,
    ) -> Result<(), Stall> {
        let mut stall = given_up.first().map(|fault| Stall::Unsound(fault.clone()));
        let (mut seen, mut longest) = (BTreeMap::new(), Duration::ZERO);
        for (name, signs) in streams {
            longest = longest.max(signs.limits.departure);
            let mut watched = self.streams.remove(name).unwrap_or(Watched::new(signs, now));
            watched.note(signs, now);
            stall = stall.or_else(|| watched.stall(name, signs, now));
            seen.insert(name.clone(), watched);
        }
        self.streams = seen;
        self.note_traffic(traffic, now);
        stall.or_else(|| self.indecision(longest, now)).map_or(Ok(()), Err)
    }

    fn note_traffic(&mut self, traffic: Traffic, now: Instant) {
        let is_superseded = traffic.superseded != self.traffic.superseded;
        self.undecided = match self.undecided {
            _ if traffic.decided != self.traffic.decided => None,
            None if is_superseded => Some(now),
            since => since,
        };
        self.traffic = traffic;
    }

    /// A stall if frames have been superseded for so long of which none was decided about.
    fn indecision(&self, limit: Duration, now: Instant) -> Option<Stall> {
        let lasted = now.saturating_duration_since(self.undecided?);
        (!self.streams.is_empty() && lasted >= limit).then_some(Stall::NoDecision { lasted })
    }
}

impl Watched {
    fn new(signs: Signs, now: Instant) -> Self {
        Self { departed: signs.departed, waiting: None, rounds: signs.rounds, round: now }
    }

    fn note(&mut self, signs: Signs, now: Instant) {
        if signs.rounds != self.rounds {
            (self.rounds, self.round) = (signs.rounds, now);
        }
        let has_departed = signs.departed != self.departed;
        self.departed = signs.departed;
        self.waiting = match self.waiting {
            _ if signs.captured <= signs.departed => None,
            Some(since) if !has_departed => Some(since),
            Some(_) | None => Some(now),
        };
    }

    fn stall(&self, stream: &StreamName, signs: Signs, now: Instant) -> Option<Stall> {
        let lasted = |since| now.saturating_duration_since(since);
        let stream = || stream.clone();
        if let Some(lasted) = self.waiting.map(lasted)
            && lasted >= signs.limits.departure
        {
            let frames = signs.captured.saturating_sub(signs.departed);
            return Some(Stall::NoDeparture { stream: stream(), frames, lasted });
        }
        let lasted = lasted(self.round);
        let hangs = lasted >= signs.limits.round;
        hangs.then(|| Stall::NoRound { stream: stream(), lasted })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const LIMITS: Limits =
        Limits { departure: Duration::from_secs(15), round: Duration::from_secs(35) };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn signs(captured: u64, departed: u64, rounds: u64) -> Signs {
        Signs { captured, departed, rounds, limits: LIMITS }
    }

    /// A watchdog of streams `a`, `b`, ..., and the instant it began at.
    struct Scene {
        watchdog: Watchdog,
        traffic: Traffic,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let (watchdog, traffic) = (Watchdog::default(), Traffic::default());
            Self { watchdog, traffic, start: Clock.now() }
        }

        fn look(&mut self, at: Duration, streams: &[Signs]) -> Result<(), Stall> {
            let names: Vec<_> = (b'a'..).take(streams.len()).map(char::from).collect();
            let names: Vec<_> = names.iter().map(|c| StreamName::new(&c.to_string())).collect();
            let streams = names.iter().zip(streams.iter().copied());
            self.watchdog.look(streams, self.traffic, &[], self.start + at)
        }
    }

    #[test]
    fn frames_that_do_not_come_out_are_a_stall_until_one_does() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(ms(0), &[signs(9, 9, 1)]), Ok(()));
        assert_eq!(scene.look(ms(5_000), &[signs(20, 9, 2)]), Ok(()));
        assert_eq!(scene.look(ms(19_999), &[signs(300, 9, 3)]), Ok(()));
        let (stream, lasted) = (StreamName::new("a"), ms(15_000));
        let stall = Stall::NoDeparture { stream, frames: 311, lasted };
        assert_eq!(scene.look(ms(20_000), &[signs(320, 9, 4)]), Err(stall));
        assert_eq!(scene.look(ms(21_000), &[signs(330, 10, 5)]), Ok(()), "it has passed");
    }

    #[test]
    fn one_stream_that_stalls_is_enough() {
        let mut scene = Scene::new();
        for second in 0..15 {
            let well = signs(second * 30 + 1, second * 30, second);
            let stalled = signs(second + 1, 0, second);
            assert_eq!(scene.look(ms(second * 1000), &[well, stalled]), Ok(()));
        }
        let (well, stalled) = (signs(452, 450, 16), signs(17, 0, 16));
        let stall = scene.look(ms(15_000), &[well, stalled]).unwrap_err();
        assert!(matches!(stall, Stall::NoDeparture { stream, .. } if stream.as_str() == "b"));
    }

    #[test]
    fn frames_that_nobody_takes_are_a_stall_though_they_depart() {
        let mut scene = Scene::new();
        let mut look = |second: u64, decided, superseded| {
            scene.traffic = Traffic { decided, superseded };
            scene.look(ms(second * 1000), &[signs(second * 30, second * 30, second)])
        };
        assert_eq!(look(0, 5, 0), Ok(()));
        assert_eq!(look(30, 5, 0), Ok(()), "none came that had to be decided about");
        assert_eq!(look(31, 5, 20), Ok(()));
        assert_eq!(look(45, 5, 400), Ok(()));
        let lasted = Duration::from_secs(15);
        assert_eq!(look(46, 5, 430), Err(Stall::NoDecision { lasted }));
        assert_eq!(look(47, 6, 460), Ok(()), "one was taken");
        assert_eq!(look(61, 6, 900), Ok(()), "of these none has been superseded for so long");
    }

    #[test]
    fn a_lost_camera_is_tried_for_days_and_the_watchdog_is_fed() {
        let mut scene = Scene::new();
        for hour in 0..72 {
            for second in (0..3600).step_by(30) {
                let at = ms((hour * 3600 + second) * 1000);
                assert_eq!(scene.look(at, &[signs(500, 500, hour * 3600 + second)]), Ok(()));
            }
        }
    }

    #[test]
    fn a_first_frame_after_a_long_silence_is_no_stall() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(ms(0), &[signs(5, 5, 1)]), Ok(()));
        assert_eq!(scene.look(ms(34_000), &[signs(5, 5, 2)]), Ok(()));
        assert_eq!(scene.look(ms(60_000), &[signs(6, 5, 3)]), Ok(()));
    }

    #[test]
    fn a_source_that_hangs_is_a_stall() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(ms(0), &[signs(5, 5, 7)]), Ok(()));
        assert_eq!(scene.look(ms(34_999), &[signs(5, 5, 7)]), Ok(()));
        let stall = scene.look(ms(35_000), &[signs(5, 5, 7)]).unwrap_err();
        let words = "stream a: its source has hung for 35s while it was started or taken down";
        assert_eq!(stall.to_string(), words);
        assert_eq!(scene.look(ms(36_000), &[signs(5, 5, 8)]), Ok(()));
    }

    #[test]
    fn a_stream_that_has_ended_is_not_missed() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(ms(0), &[signs(9, 9, 1), signs(5, 3, 1)]), Ok(()));
        assert_eq!(scene.look(ms(30_000), &[signs(99, 99, 2)]), Ok(()));
    }

    #[test]
    fn what_was_given_up_is_a_stall_for_good() {
        let mut watchdog = Watchdog::default();
        let given_up = ["model a is lost".to_owned()];
        for second in 0..100 {
            let now = Clock.now() + ms(second * 1000);
            let stall = watchdog.look([], Traffic::default(), &given_up, now).unwrap_err();
            assert_eq!(stall.to_string(), "model a is lost");
        }
    }

    /// Frames that are captured after such pauses (milliseconds), and depart so long after, in the
    /// order of capture.
    fn frames() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let frame = (prop_oneof![9 => 1_u64..200, 1 => 1_u64..60_000], 1_u64..14_000);
        prop::collection::vec(frame, 1..300)
    }

    /// The instants of capture and departure, in milliseconds.
    fn times(frames: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let (mut captured, mut departed) = (0, 0);
        let time = |&(pause, stay): &(u64, u64)| {
            captured += pause;
            departed = departed.max(captured + stay);
            (captured, departed)
        };
        frames.iter().map(time).collect()
    }

    fn counts(times: &[(u64, u64)], at: u64) -> (u64, u64) {
        let captured = times.iter().filter(|(captured, _)| *captured <= at).count();
        let departed = times.iter().filter(|(_, departed)| *departed <= at).count();
        (captured as u64, departed as u64)
    }

    proptest! {
        #[test]
        fn a_pipeline_that_works_is_fed_whenever_one_looks(
            frames in frames(),
            every in 100_u64..8_000,
        ) {
            let (mut scene, times) = (Scene::new(), times(&frames));
            for look in 0..times.last().unwrap().1 / every + 20 {
                let (captured, departed) = counts(&times, look * every);
                let signs = signs(captured, departed, look);
                prop_assert_eq!(scene.look(ms(look * every), &[signs]), Ok(()));
            }
        }

        #[test]
        fn a_pipeline_that_stops_is_not_fed_for_long(
            frames in frames(),
            every in 100_u64..8_000,
            stop in 0_u64..100_000,
        ) {
            let (mut scene, times) = (Scene::new(), times(&frames));
            // Nothing departs any more from `stop` on, and frames go on to be captured.
            let frozen = counts(&times, stop).1;
            let first_stuck = times.get(frozen as usize).map(|(captured, _)| *captured);
            let noticed = first_stuck.unwrap_or(stop).max(stop) + 15_000 + 2 * every;
            let mut last = Ok(());
            for look in 0..=noticed / every {
                let at = look * every;
                let captured = counts(&times, at).0.max(u64::from(at >= stop) * (frozen + 1));
                let departed = counts(&times, at).1.min(frozen);
                last = scene.look(ms(at), &[signs(captured, departed, look)]);
            }
            let is_noticed = matches!(last, Err(Stall::NoDeparture { .. }));
            prop_assert!(is_noticed, "{:?}", last);
        }
    }
}
