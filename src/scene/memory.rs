//! What is remembered of each stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Thumbnail;
use crate::adaptive::{Evidence, TimeFit};
use crate::frame::{FrameId, StreamName};
use crate::outcome::Answer;

/// The newest answered frame of each stream, shared by the threads that begin and finish frames.
pub struct Memory {
    streams: Mutex<BTreeMap<StreamName, Stream>>,
    changed: Condvar,
    time: TimeFit,
}

#[derive(Default)]
struct Stream {
    latest: Option<Latest>,
    /// Frames that began and are not over.
    on_their_way: usize,
}

struct Latest {
    number: u64,
    thumbnail: Thumbnail,
    known: Known,
    /// Frames that have taken over its answer.
    reuses: u32,
    /// The frame that was studied last.
    studied: Option<Thumbnail>,
}

/// What models found out about a frame.
#[derive(Clone, Debug)]
pub struct Known {
    /// What they said.
    pub evidence: Evidence,
    /// The answer that went out.
    pub answer: Arc<Answer>,
}

/// What memory says of a frame that begins.
pub enum Recall {
    /// It shows what frame `from` shows.
    Same {
        /// The frame's number.
        from: u64,
        /// By how much the two differ.
        difference: f32,
        /// That frame's answer.
        answer: Arc<Answer>,
    },
    /// It may show something else.
    Other {
        /// What is known of its scene; `None` if the frame begins one.
        scene: Option<Scene>,
        /// Writes down what is found out.
        witness: Witness,
    },
}

/// What is known of the scene that a frame goes on with.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What models said of its newest answered frame.
    pub evidence: Evidence,
    /// The share of that which counts for the frame.
    pub share: f32,
    /// That frame and its answer.
    pub latest: Resembling,
}

impl Memory {
    /// A memory that works as training found best.
    pub fn new(time: TimeFit) -> Arc<Self> {
        Arc::new(Self { streams: Mutex::default(), changed: Condvar::new(), time })
    }

    /// Waits until every frame of a stream that began is over.
    pub fn wait_for(&self, stream: &StreamName) {
        let mut streams = self.lock();
        while streams.get(stream).is_some_and(|stream| stream.on_their_way > 0) {
            streams = self.changed.wait(streams).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is remembered for a frame that begins and looks like `thumbnail`.
    pub fn recall(self: &Arc<Self>, frame: &FrameId, thumbnail: Thumbnail) -> Recall {
        let mut streams = self.lock();
        let stream = streams.entry(frame.stream.clone()).or_default();
        let scene = match &mut stream.latest {
            None => None,
            Some(latest) => {
                let difference = latest.thumbnail.difference(&thumbnail);
                if difference < self.time.reuse_below && latest.reuses < self.time.reuse_at_most {
                    latest.reuses += 1;
                    let answer = Arc::clone(&latest.known.answer);
                    return Recall::Same { from: latest.number, difference, answer };
                }
                latest.scene_of(frame.number, difference, self.time)
            }
        };
        stream.on_their_way += 1;
        drop(streams);
        let witness = Witness { memory: Arc::clone(self), frame: frame.clone(), thumbnail };
        Recall::Other { scene, witness }
    }

    /// Whether a frame that is answered already goes on with the scene that is known, and shows something else
    /// than the one that was studied last.
    pub fn is_worth_study(&self, stream: &StreamName, thumbnail: &Thumbnail) -> bool {
        let streams = self.lock();
        let latest = streams.get(stream).and_then(|stream| stream.latest.as_ref());
        latest.is_some_and(|latest| {
            let differs = |other: &Thumbnail| other.difference(thumbnail) >= self.time.reuse_below;
            latest.goes_on_with(thumbnail, self.time) && latest.studied.as_ref().is_none_or(differs)
        })
    }

    /// Changes what is known of the scene that a studied frame goes on with; whether it still does.
    pub fn revise(
        &self,
        stream: &StreamName,
        studied: Thumbnail,
        revised: impl FnOnce(&Known) -> Option<Known>,
    ) -> bool {
        let mut streams = self.lock();
        let latest = streams.get_mut(stream).and_then(|stream| stream.latest.as_mut());
        let Some(latest) = latest.filter(|one| one.goes_on_with(&studied, self.time)) else {
            return false;
        };
        latest.studied = Some(studied);
        if let Some(revised) = revised(&latest.known) {
            latest.known = revised;
        }
        true
    }

    /// Forgets what a stream showed; its frames on their way are waited for as before.
    pub fn forget(&self, stream: &StreamName) {
        if let Some(stream) = self.lock().get_mut(stream) {
            stream.latest = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Stream>> {
        // Every change is whole before the lock is let go, panics included.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answered frame of the scene that a frame belongs to.
#[derive(Clone, Debug)]
pub struct Resembling {
    /// The frame's number.
    pub from: u64,
    /// By how much the two differ.
    pub difference: f32,
    /// That frame's answer.
    pub answer: Arc<Answer>,
}

/// A frame on its way, with leave to write down what is found out about it. Dropped, the frame is
/// over.
pub struct Witness {
    memory: Arc<Memory>,
    frame: FrameId,
    thumbnail: Thumbnail,
}

impl Witness {
    /// Writes down what models found out, unless a newer frame of the stream was faster.
    pub fn report(self, known: Known) {
        let mut streams = self.memory.lock();
        let stream = streams.entry(self.frame.stream.clone()).or_default();
        let number = self.frame.number;
        if stream.latest.as_ref().is_none_or(|latest| latest.number < number) {
            let thumbnail = self.thumbnail.clone();
            stream.latest = Some(Latest { number, thumbnail, known, reuses: 0, studied: None });
        }
    }
}

impl Witness {
    /// What is known by now of the scene that the frame goes on with; `None` if it begins one, or if a
    /// later frame was quicker.
    pub fn scene(&self) -> Option<Scene> {
        let streams = self.memory.lock();
        let latest = streams.get(&self.frame.stream)?.latest.as_ref()?;
        let difference = latest.thumbnail.difference(&self.thumbnail);
        latest.scene_of(self.frame.number, difference, self.memory.time)
    }
}

impl Latest {
    /// Whether a frame that looks like that is no other scene.
    fn goes_on_with(&self, thumbnail: &Thumbnail, time: TimeFit) -> bool {
        self.thumbnail.difference(thumbnail) <= time.cut_above
    }

    /// What is known of its scene for a later frame that differs so much from it.
    fn scene_of(&self, number: u64, difference: f32, time: TimeFit) -> Option<Scene> {
        let apart = number.checked_sub(self.number).filter(|&apart| apart > 0)?;
        let share = time.remembered.powf(apart as f32);
        let answer = || Arc::clone(&self.known.answer);
        let latest = || Resembling { from: self.number, difference, answer: answer() };
        let goes_on = difference <= time.cut_above;
        goes_on.then(|| Scene { evidence: self.known.evidence.clone(), share, latest: latest() })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let mut streams = self.memory.lock();
        if let Some(stream) = streams.get_mut(&self.frame.stream) {
            stream.on_their_way = stream.on_their_way.saturating_sub(1);
        }
        drop(streams);
        self.memory.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ModelId, Provider};
    use crate::outcome::{Basis, Reason};
    use crate::scene::thumbnail::tests::grey;

    const TIME: TimeFit =
        TimeFit { reuse_below: 0.01, reuse_at_most: 3, cut_above: 0.2, remembered: 0.5 };

    fn frame(number: u64) -> FrameId {
        FrameId { stream: StreamName::new("door"), number }
    }

    fn known(model: &str) -> Known {
        let policy = crate::adaptive::tests::policy();
        let mut evidence = Evidence::default();
        let model = ModelId::new(model).unwrap();
        let place = policy.place(&model).unwrap();
        policy.observe(&mut evidence, place, &[0.1, 0.9, 0.0]);
        let (provider, reason) = (Provider::Cpu, Reason::Preferred(Basis::Adaptive));
        let answer =
            Answer { model, provider, reason, labels: Vec::new(), runs: Vec::new(), weighed: None };
        Known { evidence, answer: Arc::new(answer) }
    }

    /// Leave to report of a frame that memory does not answer; the share of the scene's evidence.
    fn other(recall: Recall) -> (Witness, Option<f32>) {
        match recall {
            Recall::Other { scene, witness } => (witness, scene.map(|scene| scene.share)),
            Recall::Same { from, difference, .. } => panic!("like frame {from} by {difference}"),
        }
    }

    /// A memory of frame 0, which was grey 100.
    fn remembering() -> Arc<Memory> {
        let memory = Memory::new(TIME);
        let (witness, scene) = other(memory.recall(&frame(0), grey(100)));
        assert_eq!(scene, None, "the first frame begins a scene");
        witness.report(known("quick"));
        memory
    }

    #[test]
    fn a_frame_resembles_the_newest_answered_one_before_it_unless_the_scene_was_cut() {
        let memory = remembering();
        let (of_scene, _) = other(memory.recall(&frame(2), grey(110)));
        let resembling = of_scene.scene().unwrap().latest;
        assert_eq!((resembling.from, resembling.answer.model.as_str()), (0, "quick"));
        assert!((0.01..0.2).contains(&resembling.difference), "{}", resembling.difference);
        let (of_another, _) = other(memory.recall(&frame(3), grey(200)));
        assert!(of_another.scene().is_none());
        let (newer, _) = other(memory.recall(&frame(5), grey(110)));
        newer.report(known("large"));
        assert!(of_scene.scene().is_none(), "what is known now is of a later frame");
    }

    #[test]
    fn equal_frames_take_over_an_answer_so_many_times_at_most() {
        let memory = remembering();
        for number in 1..=3 {
            let recall = memory.recall(&frame(number), grey(101));
            let Recall::Same { from, difference, answer } = recall else { panic!("{number}") };
            assert_eq!((from, answer.model.as_str()), (0, "quick"));
            assert!(difference > 0.0 && difference < 0.01);
        }
        let (witness, share) = other(memory.recall(&frame(4), grey(101)));
        assert_eq!(share, Some(0.0625), "frame 0 is four frames ago");
        let (_, _) = other(memory.recall(&frame(5), grey(101)));
        witness.report(known("large"));
        let Recall::Same { from: 4, .. } = memory.recall(&frame(6), grey(101)) else {
            panic!("a new answer can be taken over again")
        };
    }

    #[test]
    fn a_change_keeps_the_scene_and_a_cut_ends_it() {
        let memory = remembering();
        assert_eq!(other(memory.recall(&frame(1), grey(110))).1, Some(0.5));
        assert_eq!(other(memory.recall(&frame(2), grey(200))).1, None);
    }

    #[test]
    fn the_newest_answered_frame_counts_whatever_finishes_last() {
        let memory = Memory::new(TIME);
        let (first, _) = other(memory.recall(&frame(0), grey(0)));
        let (second, _) = other(memory.recall(&frame(1), grey(100)));
        second.report(known("large"));
        first.report(known("quick"));
        let Recall::Same { from: 1, .. } = memory.recall(&frame(2), grey(100)) else {
            panic!("frame 0 was older")
        };
    }

    /// Whether a study of a frame that looks like `thumbnail` changes what is known to what `model` says.
    fn studied(memory: &Memory, thumbnail: Thumbnail, model: &str) -> bool {
        memory.revise(&frame(0).stream, thumbnail, |_| Some(known(model)))
    }

    #[test]
    fn a_study_counts_as_long_as_the_scene_goes_on() {
        let memory = remembering();
        assert!(!studied(&memory, grey(200), "large"), "another scene");
        assert!(studied(&memory, grey(110), "large"));
        let Recall::Same { from: 0, answer, .. } = memory.recall(&frame(1), grey(101)) else {
            panic!("frame 0 is still the one that was answered")
        };
        assert_eq!(answer.model.as_str(), "large");
        assert!(!memory.revise(&StreamName::new("yard"), grey(110), |_| None), "nothing is known");
        memory.forget(&frame(0).stream);
        assert!(!studied(&memory, grey(110), "large"), "it is forgotten");
    }

    #[test]
    fn a_picture_is_studied_that_differs_from_the_one_before() {
        let memory = remembering();
        let stream = frame(0).stream;
        let is_worth = |value| memory.is_worth_study(&stream, &grey(value));
        assert!(is_worth(100) && !is_worth(200), "200 is another scene");
        assert!(studied(&memory, grey(100), "large"));
        assert!(!is_worth(101) && is_worth(110));
        let (newer, _) = other(memory.recall(&frame(1), grey(110)));
        newer.report(known("quick"));
        assert!(is_worth(101), "a newer answer knows nothing of the study");
        assert!(!memory.is_worth_study(&StreamName::new("yard"), &grey(100)));
    }

    #[test]
    fn a_stream_that_is_forgotten_begins_another_scene() {
        let memory = remembering();
        memory.forget(&frame(0).stream);
        assert_eq!(other(memory.recall(&frame(1), grey(100))).1, None);
    }

    #[test]
    fn streams_do_not_remember_each_other() {
        let memory = remembering();
        let yard = FrameId { stream: StreamName::new("yard"), number: 1 };
        assert_eq!(other(memory.recall(&yard, grey(100))).1, None);
    }

    #[test]
    fn a_frame_without_an_answer_leaves_nothing_and_holds_no_one_up() {
        let memory = Memory::new(TIME);
        let (lost, _) = other(memory.recall(&frame(0), grey(100)));
        drop(lost);
        memory.wait_for(&frame(0).stream);
        assert_eq!(other(memory.recall(&frame(1), grey(100))).1, None);
    }

    #[test]
    fn who_waits_for_a_stream_hears_when_its_frames_are_over() {
        let memory = Memory::new(TIME);
        let (witness, _) = other(memory.recall(&frame(0), grey(100)));
        let waiting = Arc::clone(&memory);
        let waiter = std::thread::spawn(move || {
            waiting.wait_for(&frame(0).stream);
            matches!(waiting.recall(&frame(1), grey(100)), Recall::Same { from: 0, .. })
        });
        witness.report(known("quick"));
        assert!(waiter.join().unwrap(), "the answer was there when the wait was over");
    }
}
