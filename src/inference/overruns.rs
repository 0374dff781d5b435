//! Which runs are under way, and what is due when one lasts too long. Pure: time comes in as `now`.
//!
//! A run has two parts that somebody owes something: a *frame* (its outcome) and a *place* on the
//! device (to be freed). Both are handed in when the run begins and handed out once, by the type:
//! to the worker, if the run ends in time, or to whoever acts on what is due. So a worker that
//! comes back when all has been taken from it finds that out, and has nothing left to settle twice.

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
    /// Its answer counts until then.
    Counting { frame: F, place: P, ask: Ask, until: Instant },
    /// It was asked to end, and its worker is fenced then. Its frame is settled.
    Asked { place: P, until: Instant },
}

/// A run as its worker finds it at its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<F, P> {
    /// Its answer counts.
    InTime(F, P),
    /// It does not, and nobody has settled the frame.
    Late(F, P),
    /// It was asked to end.
    Asked(P),
    /// All was taken from it.
    Fenced,
}

/// What is to be done now.
pub enum Due<F, P> {
    /// The answer of a run does not count any more: settle the frame, ask the run to end.
    Terminate(F, Ask),
    /// The worker did not come back: free its place.
    Fence(WorkerId, P),
    /// Nothing before then; `None` if no run is under way.
    Nothing(Option<Instant>),
}

impl<F, P> UnderWay<F, P> {
    fn until(&self) -> Instant {
        match self {
            Self::Counting { until, .. } | Self::Asked { until, .. } => *until,
        }
    }
}

impl<F, P> Overruns<F, P> {
    /// No runs yet. A worker has `fence_after` for a run to end that was asked to.
    pub fn new(fence_after: Duration) -> Self {
        Self { runs: BTreeMap::new(), fence_after }
    }

    /// Notes that `worker` begins a run whose answer counts until then. It has no other under way.
    pub fn begin(&mut self, worker: WorkerId, frame: F, place: P, ask: Ask, until: Instant) {
        self.runs.insert(worker, UnderWay::Counting { frame, place, ask, until });
    }

    /// Notes that the run of `worker` is over.
    pub fn end(&mut self, worker: WorkerId, now: Instant) -> Ended<F, P> {
        match self.runs.remove(&worker) {
            Some(UnderWay::Counting { frame, place, until, .. }) if now <= until => {
                Ended::InTime(frame, place)
            }
            Some(UnderWay::Counting { frame, place, .. }) => Ended::Late(frame, place),
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
            Some(UnderWay::Counting { frame, place, ask, .. }) => {
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
        overruns.begin(WorkerId(worker), number, number, Box::new(|| {}), until);
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
        assert_eq!(overruns.end(WorkerId(1), now + ms(100)), Ended::InTime(7, 7));
        assert!(matches!(overruns.due(now + ms(900)), Due::Nothing(None)));
    }

    #[test]
    fn a_run_that_nobody_noticed_to_be_late_is_late_all_the_same() {
        let (now, mut overruns) = (Clock.now(), Overruns::new(FENCE_AFTER));
        begin(&mut overruns, 1, 7, now);
        assert_eq!(overruns.end(WorkerId(1), now + ms(1)), Ended::Late(7, 7));
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
        assert_eq!(overruns.end(WorkerId(1), now + ms(800)), Ended::InTime(8, 8), "the next run");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin { worker: u64, allowed: u64 },
        End { worker: u64 },
        Watch,
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let steps = prop_oneof![
            (0..4_u64, 0..300_u64).prop_map(|(worker, allowed)| Step::Begin { worker, allowed }),
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
            let (mut begun, mut at_work) = (0, [false; 4]);
            let mut hand_out = |frame: Option<u32>, place: Option<u32>| {
                frames.extend(frame);
                places.extend(place);
            };
            let end = |overruns: &mut Overruns<u32, u32>, worker, now| {
                match overruns.end(WorkerId(worker), now) {
                    Ended::InTime(frame, place) | Ended::Late(frame, place) => {
                        (Some(frame), Some(place))
                    }
                    Ended::Asked(place) => (None, Some(place)),
                    Ended::Fenced => (None, None),
                }
            };
            for (elapsed, step) in steps {
                now += ms(elapsed);
                match step {
                    Step::Begin { worker, allowed } if !at_work[worker as usize] => {
                        at_work[worker as usize] = true;
                        begin(&mut overruns, worker, begun, now + ms(allowed));
                        begun += 1;
                    }
                    Step::End { worker } if at_work[worker as usize] => {
                        at_work[worker as usize] = false;
                        let (frame, place) = end(&mut overruns, worker, now);
                        hand_out(frame, place);
                    }
                    Step::Begin { .. } | Step::End { .. } => {}
                    Step::Watch => loop {
                        match overruns.due(now) {
                            Due::Terminate(frame, _) => hand_out(Some(frame), None),
                            Due::Fence(_, place) => hand_out(None, Some(place)),
                            Due::Nothing(_) => break,
                        }
                    },
                }
            }
            for worker in (0..4).filter(|worker| at_work[*worker as usize]) {
                let (frame, place) = end(&mut overruns, worker, now);
                hand_out(frame, place);
            }
            frames.sort_unstable();
            places.sort_unstable();
            let all: Vec<u32> = (0..begun).collect();
            prop_assert_eq!(&frames, &all);
            prop_assert_eq!(&places, &all);
        }
    }
}
