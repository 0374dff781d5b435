//! Which runs are under way, and what is due when one lasts too long. Pure: time comes in as `now`.
//!
//! A run has parts that somebody owes something: its *frames* (an outcome each) and a *place* on the
//! device (to be freed). They are handed in when the run begins and handed out once, by the type:
//! to the worker, if the run ends in time, or to whoever acts on what is due. So a worker that
//! comes back when all has been taken from it finds that out, and has nothing left to settle twice.
//! Frames that share a run are settled each when its own answer ceases to count; the run is asked to
//! end when no frame is left.

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
    /// Its answers count for these frames: one at least.
    Counting { frames: Vec<Counting<F>>, place: P, ask: Ask },
    /// It was asked to end, and its worker is fenced then. Its frames are settled.
    Asked { place: P, until: Instant },
}

/// A frame of a run.
pub struct Counting<F> {
    /// The frame.
    pub frame: F,
    /// Its answer counts until then.
    pub until: Instant,
}

/// A run as its worker finds it at its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<F, P> {
    /// It was not asked to end, and nobody has settled these frames.
    Over {
        /// Those whose answers count.
        in_time: Vec<F>,
        /// Those whose answers do not.
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
    /// The answer of a frame does not count any more, those of others of its run do: settle it.
    Settle(F),
    /// The same of the last frame of a run: settle it, ask the run to end.
    Terminate(F, Ask),
    /// The worker did not come back: free its place.
    Fence(WorkerId, P),
    /// Nothing before then; `None` if no run is under way.
    Nothing(Option<Instant>),
}

impl<F, P> UnderWay<F, P> {
    /// When something is due; `None` if it never is.
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Counting { frames, .. } => frames.iter().map(|frame| frame.until).min(),
            Self::Asked { until, .. } => Some(*until),
        }
    }
}

impl<F, P> Overruns<F, P> {
    /// No runs yet. A worker has `fence_after` for a run to end that was asked to.
    pub fn new(fence_after: Duration) -> Self {
        Self { runs: BTreeMap::new(), fence_after }
    }

    /// Notes that `worker` begins a run on these frames. It has no other under way.
    pub fn begin(&mut self, worker: WorkerId, frames: Vec<Counting<F>>, place: P, ask: Ask) {
        self.runs.insert(worker, UnderWay::Counting { frames, place, ask });
    }

    /// Notes that the run of `worker` is over.
    pub fn end(&mut self, worker: WorkerId, now: Instant) -> Ended<F, P> {
        match self.runs.remove(&worker) {
            Some(UnderWay::Counting { frames, place, .. }) => {
                let (in_time, late): (Vec<_>, Vec<_>) =
                    frames.into_iter().partition(|frame| now <= frame.until);
                let only = |frames: Vec<Counting<F>>| {
                    frames.into_iter().map(|counting| counting.frame).collect()
                };
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
        let next = self.runs.iter().filter_map(|(worker, run)| Some((run.until()?, *worker))).min();
        let Some((until, worker)) = next else { return Due::Nothing(None) };
        if now <= until {
            return Due::Nothing(Some(until));
        }
        match self.runs.remove(&worker) {
            Some(UnderWay::Counting { mut frames, place, ask }) => {
                let Some(first) = frames.iter().position(|frame| frame.until == until) else {
                    return Due::Nothing(Some(until));
                };
                let frame = frames.remove(first).frame;
                if !frames.is_empty() {
                    self.runs.insert(worker, UnderWay::Counting { frames, place, ask });
                    return Due::Settle(frame);
                }
                let until = now + self.fence_after;
                self.runs.insert(worker, UnderWay::Asked { place, until });
                Due::Terminate(frame, ask)
            }
            Some(UnderWay::Asked { place, .. }) => Due::Fence(worker, place),
            None => Due::Nothing(Some(until)),
        }
    }
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

    /// A run on the frames `first`, `first + 1`, ..., in the place `first`.
    fn begin_shared(overruns: &mut Overruns<u32, u32>, worker: u64, first: u32, until: &[Instant]) {
        let frames = (first..).zip(until).map(|(frame, &until)| Counting { frame, until });
        overruns.begin(WorkerId(worker), frames.collect(), first, Box::new(|| {}));
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
        assert!(matches!(overruns.due(asked), Due::Terminate(7, _)));
        let fenced = asked + FENCE_AFTER;
        assert!(matches!(overruns.due(asked), Due::Nothing(Some(at)) if at == fenced));
        assert!(matches!(overruns.due(fenced + ms(1)), Due::Fence(WorkerId(1), 7)));
        assert_eq!(overruns.end(WorkerId(1), fenced + ms(2)), Ended::Fenced);
    }

    #[test]
    fn a_run_that_ends_when_asked_keeps_its_place_until_then() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now);
        assert!(matches!(overruns.due(now + ms(1)), Due::Terminate(7, _)));
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
        assert!(matches!(overruns.due(now + ms(31)), Due::Terminate(7, _)));
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

    #[derive(Clone, Debug)]
    enum Step {
        Begin { worker: u64, allowed: Vec<u64> },
        End { worker: u64 },
        Watch,
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let steps = prop_oneof![
            (0..4_u64, prop::collection::vec(0..300_u64, 1..4))
                .prop_map(|(worker, allowed)| Step::Begin { worker, allowed }),
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
                    Step::Begin { worker, allowed } if !at_work[worker as usize] => {
                        at_work[worker as usize] = true;
                        let until: Vec<_> = allowed.iter().map(|&allowed| now + ms(allowed)).collect();
                        begin_shared(&mut overruns, worker, begun, &until);
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
                            Due::Settle(frame) | Due::Terminate(frame, _) => {
                                hand_out(vec![frame], None);
                            }
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
