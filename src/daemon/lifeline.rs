//! What the service manager hears of a run: what it does, and, as long as frames come out, that all is
//! well.
//!
//! When all is well says [`Watchdog`]; here are the streams that it looks at. Whoever feeds the
//! watchdog is `main`, so that it is starved as well if `main` is stuck.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, tick};

use crate::capture::{Pulse, SourceState};
use crate::frame::{Pace, StreamName};
use crate::health::Health;
use crate::inference::LateLimits;
use crate::output::{Departed, Departures};
use crate::systemd::{self, Startup};
use crate::watchdog::{Limits, Signs, Stall, Traffic, Watchdog};

use super::StreamPlan;

/// How often it is looked, and said what the run does, unless the watchdog asks for more.
const LOOK: Duration = Duration::from_secs(5);

/// How long frames may be under way beyond their time, unless the watchdog is more patient.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a source may take to be started or taken down, beyond the time it may be silent.
const ROUND: Duration = Duration::from_secs(30);

/// Of how long the share of frames in time is told.
const RECENT: Duration = Duration::from_secs(60);

/// Frames of a stream that wait for one another, where only work counts: in the mailbox and the queue,
/// and with the workers.
const UNDER_WAY: u32 = 8;

/// What the service manager hears of a run.
pub(super) struct Lifeline {
    looks: Receiver<Instant>,
    watchdog: Watchdog,
    streams: BTreeMap<StreamName, Followed>,
    departures: Departures,
    recent: VecDeque<(Instant, Departed)>,
    /// How long frames may be under way beyond their time.
    patience: Duration,
    limits: BTreeMap<StreamName, Limits>,
    /// The last word on a stall.
    stall: Option<Stall>,
}

/// A stream that has not ended.
struct Followed {
    pulse: Pulse,
    limits: Limits,
    state: &'static str,
}

impl Lifeline {
    /// Of a run of these streams, whose frames leave by `departures`.
    pub(super) fn new(streams: &[StreamPlan], late: LateLimits, departures: Departures) -> Self {
        let interval = systemd::watchdog();
        let look = interval.map_or(LOOK, |interval| LOOK.min(interval / 4));
        let patience = interval.map_or(PATIENCE, |interval| interval / 2);
        let looks = if systemd::is_listening() { tick(look) } else { never() };
        let mut lifeline = Self {
            looks,
            watchdog: Watchdog::default(),
            streams: BTreeMap::new(),
            departures,
            recent: VecDeque::new(),
            patience,
            limits: BTreeMap::new(),
            stall: None,
        };
        lifeline.expect(streams, late);
        lifeline
    }

    /// These are all the streams that there will be, and when their runs will be too late.
    pub(super) fn expect(&mut self, streams: &[StreamPlan], late: LateLimits) {
        self.limits = limits(streams, late, self.patience);
        let limits = &self.limits;
        self.streams.retain(|stream, _| limits.contains_key(stream));
    }

    /// These streams run.
    pub(super) fn follow<'a>(&mut self, running: impl Iterator<Item = (&'a StreamName, Pulse)>) {
        for (stream, pulse) in running {
            let Some(&limits) = self.limits.get(stream) else { continue };
            let known = self.streams.get(stream);
            let state = known.map_or(SourceState::Starting.name(), |followed| followed.state);
            self.streams.insert(stream.clone(), Followed { pulse, limits, state });
        }
    }

    /// A stream is doing this now.
    pub(super) fn note(&mut self, stream: &StreamName, state: &SourceState) {
        if let Some(followed) = self.streams.get_mut(stream) {
            followed.state = state.name();
        }
    }

    /// A stream has ended.
    pub(super) fn forget(&mut self, stream: &StreamName) {
        self.streams.remove(stream);
    }

    /// The run has begun.
    pub(super) fn begin(&self, startup: Startup) {
        startup.end();
        self.ready();
    }

    /// The run goes on, as it was begun or with a new configuration.
    pub(super) fn ready(&self) {
        systemd::ready(&self.status(None));
    }

    /// When to [`Self::look`].
    pub(super) fn looks(&self) -> &Receiver<Instant> {
        &self.looks
    }

    /// Says what the run does, and feeds the watchdog if it makes progress.
    pub(super) fn look(&mut self, health: &Health, now: Instant) {
        let in_time = self.recently_in_time(now);
        let departures = &self.departures;
        let signs = |(name, followed): (&'_ StreamName, &Followed)| {
            // Departures first: a frame that is captured and departs in between is not under way.
            let departed = departures.of(name).frames;
            let (captured, rounds) = (followed.pulse.frames(), followed.pulse.rounds());
            Signs { captured, departed, rounds, limits: followed.limits }
        };
        let streams = self.streams.iter().map(|(name, followed)| (name, signs((name, followed))));
        let Departed { decided, superseded, .. } = self.departures.total();
        let traffic = Traffic { decided, superseded };
        let stall = self.watchdog.look(streams, traffic, &health.faults(), now).err();
        match &stall {
            None => {
                systemd::alive();
                systemd::status(&self.status(in_time));
            }
            Some(stall) => systemd::status(&format!("no progress: {stall}")),
        }
        self.tell_turn(stall);
    }

    /// Logs where a stall begins, and where one is over.
    fn tell_turn(&mut self, stall: Option<Stall>) {
        match (&self.stall, &stall) {
            (None, Some(stall)) => log::error!("no progress: {stall}; the watchdog is not fed"),
            (Some(_), None) => log::info!("there is progress again; the watchdog is fed"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.stall = stall;
    }

    /// The share of frames lately answered in time.
    fn recently_in_time(&mut self, now: Instant) -> Option<f64> {
        let total = self.departures.total();
        self.recent.push_back((now, total));
        while self.recent.len() > 2 && now.saturating_duration_since(self.recent[1].0) >= RECENT {
            self.recent.pop_front();
        }
        let (_, before) = self.recent.front()?;
        let frames = total.frames - before.frames;
        (frames > 0).then(|| (total.in_time - before.in_time) as f64 / frames as f64)
    }

    fn status(&self, in_time: Option<f64>) -> String {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for followed in self.streams.values() {
            *states.entry(followed.state).or_default() += 1;
        }
        let states: Vec<_> =
            states.iter().map(|(state, streams)| format!("{streams} {state}")).collect();
        let count = self.streams.len();
        let streams = if count == 1 { "stream" } else { "streams" };
        let status = format!("classifying {count} {streams}: {}", states.join(", "));
        match in_time {
            Some(share) => format!("{status}; {:.1} % in time", share * 100.0),
            None => status,
        }
    }
}

/// How long frames of each stream may be under way, and its source may hang.
fn limits(
    streams: &[StreamPlan],
    late: LateLimits,
    patience: Duration,
) -> BTreeMap<StreamName, Limits> {
    let turn = |stream: &StreamPlan| {
        let budget = stream.spec.budget;
        budget.duration() + late.margin_of(budget) + late.fence_after
    };
    // Where only work counts, a frame waits for those of all other streams.
    let all_turns = streams.iter().map(turn).sum::<Duration>() * UNDER_WAY;
    let limits = |stream: &StreamPlan| {
        let due = match stream.delivery.pace() {
            Pace::Clock => stream.spec.budget.duration() + late.margin_of(stream.spec.budget),
            Pace::Work => all_turns,
        };
        let silence = stream.spec.patience.unwrap_or_default().stall_after;
        let limits = Limits { departure: due + patience, round: silence + ROUND };
        (stream.spec.name.clone(), limits)
    };
    streams.iter().map(limits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::mailbox::Delivery;
    use crate::capture::{Patience, Playback, Source, StreamSpec};
    use crate::clock::Clock;
    use crate::scheduler::Terms;
    use crate::select::Every;

    fn plan(name: &str, delivery: Delivery) -> StreamPlan {
        let source = Source::parse("test://", None).unwrap();
        let (name, budget) = (StreamName::new(name), "100ms".parse().unwrap());
        let patience = Some(Patience::default());
        let spec = StreamSpec { name, source, budget, patience, playback: Playback::Once };
        let (every, terms) = (Every::MIN, Terms::default());
        StreamPlan { spec, delivery, every, target_rate: None, terms }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn frames_have_their_budget_and_margin_before_they_are_missed() {
        let streams = [plan("a", Delivery::NewestWins)];
        let limits = limits(&streams, LateLimits::default(), seconds(15.0));
        let expected = Limits { departure: seconds(15.15), round: seconds(35.0) };
        assert_eq!(limits[&StreamName::new("a")], expected);
    }

    #[test]
    fn where_only_work_counts_frames_wait_for_all_others() {
        let streams = [plan("a", Delivery::Lossless), plan("b", Delivery::Lossless)];
        let limits = limits(&streams, LateLimits::default(), seconds(15.0));
        let turn = 0.1 + 0.05 + 5.0;
        assert_eq!(limits[&StreamName::new("b")].departure, seconds(15.0 + 16.0 * turn));
    }

    #[test]
    fn the_share_in_time_is_that_of_the_last_minute() {
        let mut lifeline = Lifeline::new(&[], LateLimits::default(), Departures::default());
        let start = Clock.now();
        let mut share = |second, frames, in_time| {
            lifeline
                .departures
                .note(&StreamName::new("a"), Departed { frames, in_time, ..Departed::default() });
            lifeline.recently_in_time(start + seconds(second))
        };
        assert_eq!(share(0.0, 0, 0), None);
        assert_eq!(share(30.0, 100, 50), Some(0.5));
        assert_eq!(share(60.0, 100, 100), Some(0.75));
        assert_eq!(share(90.0, 100, 100), Some(1.0), "the first half minute has passed");
        let status = lifeline.status(Some(0.9994));
        assert_eq!(status, "classifying 0 streams: ; 99.9 % in time");
    }
}
