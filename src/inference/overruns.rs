//! Which runs are under way, and what is due when one lasts too long. Pure: time comes in as `now`.
//!
//! A run has parts that somebody owes something: its *frames* (an outcome each) and a *place* on the
//! device (to be freed). They are handed in when the run begins and handed out once, by the type:
//! to the worker, if the run ends in time, or to whoever acts on what is due. So a worker that
//! comes back when all has been taken from it finds that out, and has nothing left to settle twice.
//! Frames of a run are settled each when it has waited long enough; the run is asked to end some time
//! after that of the last.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Names a worker; one that is built anew has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerId(pub(super) u64);

/// Asks a run to end.
pub type Ask = Box<dyn FnOnce() + Send>;

/// The runs under way: at most one for each worker.
pub struct Overruns<F, P> {
    runs: BTreeMap<WorkerId, UnderWay<F, P>>,
    fence_after: Duration,
}

enum UnderWay<F, P> {
    /// These frames wait for its answers; it is asked to end after `until`.
    Running { frames: Vec<Waiting<F>>, place: P, ask: Ask, until: Instant },
    /// It was asked to end, and its worker is fenced then. Its frames are settled.
    Asked { place: P, until: Instant },
}

/// A frame of a run.
pub struct Waiting<F> {
    /// The frame.
    pub frame: F,
    /// It waits for its answer until then.
    pub until: Instant,
}

/// A run as its worker finds it at its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<F, P> {
    /// It was not asked to end, and nobody has settled these frames.
    Over {
        /// Those that waited for it.
        in_time: Vec<F>,
        /// Those that should not have waited so long.
        late: Vec<F>,
        /// Its place.
        place: P,
    },
    /// It was asked to end.
    Asked(P),
    /// All was taken from it.
    Fenced,
}

/// What is to be done now.
pub enum Due<F, P> {
    /// A frame has waited long enough: settle it.
    Settle(F),
    /// Ask a run to end, and settle the frames that still wait for it.
    Terminate(Ask, Vec<F>),
    /// The worker did not come back: free its place.
    Fence(WorkerId, P),
    /// Nothing before then; `None` if no run is under way.
    Nothing(Option<Instant>),
}

impl<F, P> UnderWay<F, P> {
    /// When something is due.
    fn until(&self) -> Instant {
        match self {
            Self::Running { frames, until, .. } => {
                frames.iter().map(|frame| frame.until).fold(*until, Instant::min)
            }
            Self::Asked { until, .. } => *until,
        }
    }
}

impl<F, P> Overruns<F, P> {
    /// No runs yet. A worker has `fence_after` for a run to end that was asked to.
    pub fn new(fence_after: Duration) -> Self {
        Self { runs: BTreeMap::new(), fence_after }
    }

    /// Notes that `worker` begins a run on these frames, which is to be asked to end after `until`: no
    /// frame waits longer. The worker has no other under way.
    pub fn begin(
        &mut self,
        worker: WorkerId,
        frames: Vec<Waiting<F>>,
        place: P,
        (ask, until): (Ask, Instant),
    ) {
        self.runs.insert(worker, UnderWay::Running { frames, place, ask, until });
    }

    /// Notes that the run of `worker` is over.
    pub fn end(&mut self, worker: WorkerId, now: Instant) -> Ended<F, P> {
        match self.runs.remove(&worker) {
            Some(UnderWay::Running { frames, place, .. }) => {
                let (in_time, late): (Vec<_>, Vec<_>) =
                    frames.into_iter().partition(|frame| now <= frame.until);
                Ended::Over { in_time: only(in_time), late: only(late), place }
            }
            Some(UnderWay::Asked { place, .. }) => Ended::Asked(place),
            None => Ended::Fenced,
        }
    }

    /// The workers whose run is under way.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerId> {
        self.runs.keys()
    }

    /// The next thing to do at `now`.
    pub fn due(&mut self, now: Instant) -> Due<F, P> {
        let next = self.runs.iter().map(|(worker, run)| (run.until(), *worker)).min();
        let Some((until, worker)) = next else { return Due::Nothing(None) };
        if now <= until {
            return Due::Nothing(Some(until));
        }
        match self.runs.remove(&worker) {
            Some(UnderWay::Running { mut frames, place, ask, until: end }) => {
                match frames.iter().position(|frame| frame.until < now) {
                    Some(due) if now <= end => {
                        let frame = frames.remove(due).frame;
                        let rest = UnderWay::Running { frames, place, ask, until: end };
                        self.runs.insert(worker, rest);
                        Due::Settle(frame)
                    }
                    Some(_) | None => {
                        let until = now + self.fence_after;
                        self.runs.insert(worker, UnderWay::Asked { place, until });
                        Due::Terminate(ask, only(frames))
                    }
                }
            }
            Some(UnderWay::Asked { place, .. }) => Due::Fence(worker, place),
            None => Due::Nothing(Some(until)),
        }
    }
}

fn only<F>(frames: Vec<Waiting<F>>) -> Vec<F> {
    frames.into_iter().map(|waiting| waiting.frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use proptest::prelude::*;

    const FENCE_AFTER: Duration = Duration::from_millis(500);

    /// A run on frame `number`, in the place of that number.
    fn begin(overruns: &mut Overruns<u32, u32>, worker: u64, number: u32, until: Instant) {
        begin_shared(overruns, worker, number, &[until]);
    }

    /// A run on the frames `first`, `first + 1`, ..., in the place `first`, that may last as long as one of
    /// them waits.
    fn begin_shared(overruns: &mut Overruns<u32, u32>, worker: u64, first: u32, until: &[Instant]) {
        let end = *until.iter().max().unwrap();
        begin_until(overruns, worker, first, until, end);
    }

    /// The same that may last until `end`.
    fn begin_until(
        overruns: &mut Overruns<u32, u32>,
        worker: u64,
        first: u32,
        until: &[Instant],
        end: Instant,
    ) {
        let frames = (first..).zip(until).map(|(frame, &until)| Waiting { frame, until });
        overruns.begin(WorkerId(worker), frames.collect(), first, (Box::new(|| {}), end));
    }

    /// A run of one frame that was in time.
    fn in_time(number: u32) -> Ended<u32, u32> {
        Ended::Over { in_time: vec![number], late: Vec::new(), place: number }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_run_that_ends_in_time_is_left_alone() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now + ms(100));
        assert!(matches!(overruns.due(now), Due::Nothing(Some(at)) if at == now + ms(100)));
        assert!(matches!(overruns.due(now + ms(100)), Due::Nothing(Some(_))), "it is not over yet");
        assert_eq!(overruns.end(WorkerId(1), now + ms(100)), in_time(7));
        assert!(matches!(overruns.due(now + ms(900)), Due::Nothing(None)));
    }

    #[test]
    fn a_run_that_nobody_noticed_to_be_late_is_late_all_the_same() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now);
        let late = Ended::Over { in_time: Vec::new(), late: vec![7], place: 7 };
        assert_eq!(overruns.end(WorkerId(1), now + ms(1)), late);
    }

    #[test]
    fn a_late_run_is_asked_to_end_and_then_its_worker_is_fenced() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now);
        // The thread that watches can be late too: the worker has the whole time from then on.
        let asked = now + ms(300);
        assert!(matches!(overruns.due(asked), Due::Terminate(_, late) if late == [7]));
        let fenced = asked + FENCE_AFTER;
        assert!(matches!(overruns.due(asked), Due::Nothing(Some(at)) if at == fenced));
        assert!(matches!(overruns.due(fenced + ms(1)), Due::Fence(WorkerId(1), 7)));
        assert_eq!(overruns.end(WorkerId(1), fenced + ms(2)), Ended::Fenced);
    }

    #[test]
    fn a_run_that_ends_when_asked_keeps_its_place_until_then() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now);
        assert!(matches!(overruns.due(now + ms(1)), Due::Terminate(_, late) if late == [7]));
        assert_eq!(overruns.end(WorkerId(1), now + ms(2)), Ended::Asked(7));
        begin(&mut overruns, 1, 8, now + ms(900));
        assert_eq!(overruns.end(WorkerId(1), now + ms(800)), in_time(8), "the next run");
    }

    #[test]
    fn frames_that_share_a_run_are_late_one_by_one_and_the_last_ends_it() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin_shared(&mut overruns, 1, 7, &[now + ms(30), now + ms(10), now + ms(20)]);
        assert!(matches!(overruns.due(now), Due::Nothing(Some(at)) if at == now + ms(10)));
        assert!(matches!(overruns.due(now + ms(11)), Due::Settle(8)));
        assert!(matches!(overruns.due(now + ms(21)), Due::Settle(9)));
        assert!(matches!(overruns.due(now + ms(21)), Due::Nothing(Some(at)) if at == now + ms(30)));
        assert!(matches!(overruns.due(now + ms(31)), Due::Terminate(_, late) if late == [7]));
        assert_eq!(overruns.end(WorkerId(1), now + ms(32)), Ended::Asked(7));
    }

    #[test]
    fn a_shared_run_that_ends_meanwhile_is_in_time_for_some_and_late_for_others() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin_shared(&mut overruns, 1, 7, &[now + ms(30), now + ms(10), now + ms(20)]);
        assert!(matches!(overruns.due(now + ms(11)), Due::Settle(8)));
        let ended = Ended::Over { in_time: vec![7], late: vec![9], place: 7 };
        assert_eq!(overruns.end(WorkerId(1), now + ms(25)), ended);
    }

    #[test]
    fn a_run_that_no_frame_waits_for_may_go_on_for_a_while() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin_until(&mut overruns, 1, 7, &[now + ms(10), now + ms(30)], now + ms(30));
        begin_until(&mut overruns, 2, 9, &[now + ms(12)], now + ms(40));
        assert!(matches!(overruns.due(now + ms(13)), Due::Settle(7)));
        assert!(matches!(overruns.due(now + ms(13)), Due::Settle(9)));
        assert!(matches!(overruns.due(now + ms(13)), Due::Nothing(Some(at)) if at == now + ms(30)));
        // A thread that wakes up late asks first: to settle may take long.
        assert!(matches!(overruns.due(now + ms(41)), Due::Terminate(_, late) if late == [8]));
        assert!(matches!(overruns.due(now + ms(41)), Due::Terminate(_, late) if late.is_empty()));
        begin_until(&mut overruns, 3, 10, &[now + ms(50)], now + ms(90));
        assert!(matches!(overruns.due(now + ms(51)), Due::Settle(10)));
        let ended = Ended::Over { in_time: Vec::new(), late: Vec::new(), place: 10 };
        assert_eq!(overruns.end(WorkerId(3), now + ms(60)), ended);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin { worker: u64, allowed: Vec<u64>, beyond: u64 },
        End { worker: u64 },
        Watch,
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let steps = prop_oneof![
            (0..4_u64, prop::collection::vec(0..300_u64, 1..4), 0..100_u64)
                .prop_map(|(worker, allowed, beyond)| Step::Begin { worker, allowed, beyond }),
            (0..4_u64).prop_map(|worker| Step::End { worker }),
            Just(Step::Watch),
        ];
        (0..200_u64, steps)
    }

    proptest! {
        #[test]
        fn every_frame_and_every_place_is_handed_out_once(
            steps in prop::collection::vec(step(), 0..120)
        ) {
            let (mut now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
            let (mut frames, mut places) = (Vec::new(), Vec::new());
            let (mut begun, mut at_work, mut runs) = (0, [false; 4], Vec::new());
            let mut hand_out = |some: Vec<u32>, place: Option<u32>| {
                frames.extend(some);
                places.extend(place);
            };
            let end = |overruns: &mut Overruns<u32, u32>, worker, now| {
                match overruns.end(WorkerId(worker), now) {
                    Ended::Over { in_time, late, place } => {
                        ([in_time, late].concat(), Some(place))
                    }
                    Ended::Asked(place) => (Vec::new(), Some(place)),
                    Ended::Fenced => (Vec::new(), None),
                }
            };
            for (elapsed, step) in steps {
                now += ms(elapsed);
                match step {
                    Step::Begin { worker, allowed, beyond } if !at_work[worker as usize] => {
                        at_work[worker as usize] = true;
                        let until: Vec<_> = allowed.iter().map(|&allowed| now + ms(allowed)).collect();
                        let end = *until.iter().max().unwrap() + ms(beyond);
                        begin_until(&mut overruns, worker, begun, &until, end);
                        runs.push(begun);
                        begun += until.len() as u32;
                    }
                    Step::End { worker } if at_work[worker as usize] => {
                        at_work[worker as usize] = false;
                        let (frames, place) = end(&mut overruns, worker, now);
                        hand_out(frames, place);
                    }
                    Step::Begin { .. } | Step::End { .. } => {}
                    Step::Watch => loop {
                        match overruns.due(now) {
                            Due::Settle(frame) => hand_out(vec![frame], None),
                            Due::Terminate(_, frames) => hand_out(frames, None),
                            Due::Fence(_, place) => hand_out(Vec::new(), Some(place)),
                            Due::Nothing(_) => break,
                        }
                    },
                }
            }
            for worker in (0..4).filter(|worker| at_work[*worker as usize]) {
                let (frames, place) = end(&mut overruns, worker, now);
                hand_out(frames, place);
            }
            frames.sort_unstable();
            places.sort_unstable();
            let all: Vec<u32> = (0..begun).collect();
            prop_assert_eq!(&frames, &all);
            prop_assert_eq!(&places, &runs);
        }
    }
}
