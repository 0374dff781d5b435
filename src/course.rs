//! A frame's course under the adaptive policy: from its first model to the answer.
//!
//! A [`Course`] travels with its frame and gathers what the models say. It begins with what memory
//! says of the scene ([`Guide::begin`]), takes in each run ([`Course::observe`]), which tells what
//! may run next, and ends in one answer that fuses them all ([`Course::settle`]).

use std::sync::Arc;

use crate::adaptive::{Adaptive, Evidence, Fused, Preference};
use crate::frame::{FrameId, StreamName};
use crate::models::Labels;
use crate::outcome::{
    Answer, Basis, Classification, Confidence, Failure, Outcome, Reason, Reuse, Run, Stage, Stop,
    Ticket, Weighed,
};
use crate::premodel::Selection;
use crate::scene::{Known, Memory, Recall, Resembling, Scene, Thumbnail, Witness};
use crate::scheduler::Offer;

/// What all courses of a run have in common.
pub struct Guide {
    policy: Adaptive,
    memory: Arc<Memory>,
    labels: Labels,
    top_k: usize,
}

/// How a frame begins.
pub enum Beginning {
    /// It needs no model.
    Reuse(Reuse),
    /// It is to run.
    Course(Box<Course>),
}

impl Guide {
    /// A guide by a policy whose models all tell `labels` apart; answers have `top_k` of them, or
    /// as many as the models list.
    pub fn new(policy: Adaptive, labels: Labels, top_k: usize) -> Arc<Self> {
        let memory = Memory::new(policy.time());
        Arc::new(Self { policy, memory, labels, top_k })
    }

    /// The same that goes on with what `before` remembers of the streams, if that means the same to both.
    #[must_use]
    pub fn going_on_from(self: Arc<Self>, before: &Self) -> Arc<Self> {
        if self.labels != before.labels || !self.policy.understands(&before.policy) {
            return self;
        }
        let (policy, labels) = (self.policy.clone(), self.labels.clone());
        Arc::new(Self { policy, memory: Arc::clone(&before.memory), labels, top_k: self.top_k })
    }

    /// What is remembered of the streams.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Begins a frame that looks like `thumbnail` and may go on with its stream's scene.
    pub fn begin(self: &Arc<Self>, frame: &FrameId, thumbnail: Thumbnail) -> Beginning {
        match self.memory.recall(frame, thumbnail) {
            Recall::Same { from, difference, answer } => {
                Beginning::Reuse(Reuse::NearlyEqual { from, difference, answer })
            }
            Recall::Other { scene, witness } => {
                let mut course = self.course(Some(witness));
                if let Some(scene) = scene {
                    course.take_up(scene);
                }
                match course.fallback.take() {
                    Some(latest) if course.start().ranking.is_empty() => {
                        Beginning::Reuse(latest.into())
                    }
                    fallback => {
                        course.fallback = fallback;
                        Beginning::Course(course)
                    }
                }
            }
        }
    }

    /// Begins a frame that has nothing to do with those before.
    pub fn begin_alone(self: &Arc<Self>) -> Beginning {
        Beginning::Course(self.course(None))
    }

    /// Whether a look at a frame that is answered already may tell anything: its scene goes on, and it differs
    /// from the one that was studied last.
    pub fn is_worth_study(&self, stream: &StreamName, thumbnail: &Thumbnail) -> bool {
        self.memory.is_worth_study(stream, thumbnail)
    }

    /// Takes in a run on a frame that is answered already, and the probabilities of all classes that it gave,
    /// for the frames that follow in its scene. Whether the scene goes on.
    pub fn study(
        &self,
        stream: &StreamName,
        thumbnail: Thumbnail,
        run: Run,
        probabilities: &[f32],
    ) -> bool {
        let Some(place) = self.policy.place(&run.model) else { return false };
        self.memory.revise(stream, thumbnail, |known| {
            let mut evidence = known.evidence.clone();
            self.policy.study(&mut evidence, place, probabilities);
            let before = &known.answer;
            let mut runs = before.runs.clone();
            runs.retain(|other| other.model != run.model);
            runs.push(run);
            let stopped_by = before.weighed.map_or(Stop::Certain, |weighed| weighed.stopped_by);
            let answer = Arc::new(self.answer(&evidence, runs, stopped_by)?);
            Some(Known { evidence, answer })
        })
    }

    /// What is made of the evidence after these runs; `None` without any.
    fn answer(&self, evidence: &Evidence, runs: Vec<Run>, stopped_by: Stop) -> Option<Answer> {
        let last = runs.last()?;
        let labels = self.classifications(evidence.answer()?);
        let certainty = Confidence::new(evidence.certainty())?;
        Some(Answer {
            model: last.model.clone(),
            provider: last.provider,
            reason: Reason::Preferred(Basis::Adaptive),
            labels,
            runs,
            weighed: Some(Weighed { certainty, stopped_by }),
        })
    }

    fn course(self: &Arc<Self>, witness: Option<Witness>) -> Box<Course> {
        let (guide, evidence) = (Arc::clone(self), Evidence::default());
        Box::new(Course { guide, evidence, runs: Vec::new(), witness, fallback: None })
    }

    fn selection(&self, preferences: &[Preference]) -> Selection {
        let named = |one: &Preference| (self.policy.model(one.model).clone(), one.gain);
        Selection { ranking: preferences.iter().map(named).collect(), basis: Basis::Adaptive }
    }

    fn classifications(&self, fused: &Fused) -> Vec<Classification> {
        let named = |&(class, probability): &(usize, f32)| {
            let confidence = Confidence::new(probability)?;
            Some(Classification { class, label: self.labels.name(class), confidence })
        };
        fused.ranking.iter().take(self.top_k).filter_map(named).collect()
    }
}

/// What is known of a frame so far.
pub struct Course {
    guide: Arc<Guide>,
    evidence: Evidence,
    runs: Vec<Run>,
    /// `None` for a frame that nobody needs to remember.
    witness: Option<Witness>,
    /// The frame of its scene whose evidence it goes on from.
    fallback: Option<Resembling>,
}

impl Course {
    /// The models to begin with, the best first; none if the scene's answer does.
    pub fn start(&self) -> Selection {
        self.guide.selection(&self.guide.policy.start(&self.evidence))
    }

    /// The same, and whether the frame can do without: its scene has a recent answer.
    pub fn offer(&self) -> Offer {
        Offer { selection: self.start(), is_covered: self.is_covered() }
    }

    fn is_covered(&self) -> bool {
        self.fallback.is_some() && self.evidence.is_fresh()
    }

    /// Goes on from what models have said of older frames of the scene since the frame began. Whether
    /// there was anything new; never once a model has run on the frame itself.
    pub fn catch_up(&mut self) -> bool {
        let Some(scene) = self.witness.as_ref().and_then(Witness::scene) else { return false };
        let is_known = self.fallback.as_ref().is_some_and(|known| known.from == scene.latest.from);
        if is_known || self.has_answer() {
            return false;
        }
        self.take_up(scene);
        true
    }

    fn take_up(&mut self, scene: Scene) {
        self.evidence = self.guide.policy.carry(&scene.evidence, scene.share);
        self.fallback = Some(scene.latest);
    }

    /// Takes in a run and the probabilities of all classes that it gave. The models that may run
    /// next; `None` if the answer should go out.
    pub fn observe(&mut self, run: Run, probabilities: &[f32]) -> Option<Selection> {
        let guide = &self.guide;
        if let Some(place) = guide.policy.place(&run.model) {
            guide.policy.observe(&mut self.evidence, place, probabilities);
        }
        self.runs.push(run);
        let next = guide.policy.next(&self.evidence);
        (!next.is_empty()).then(|| guide.selection(&next))
    }

    /// Whether a model has run, so that there is an answer.
    pub fn has_answer(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether there is an answer without a further run: that of models which have run, or a recent one of
    /// its scene.
    pub fn has_another_answer(&self) -> bool {
        self.has_answer() || self.is_covered()
    }

    /// Remembers the fused answer and settles the frame with it.
    pub fn settle(self, ticket: Ticket, stopped_by: Stop) {
        let answer = self.guide.answer(&self.evidence, self.runs, stopped_by);
        let Some(answer) = answer else {
            let error = "no model has answered that the adaptive policy knows".to_owned();
            ticket.report(Outcome::Failed(Failure { stage: Stage::Inference, error }));
            return;
        };
        if let Some(witness) = self.witness {
            let answer = Arc::new(answer.clone());
            witness.report(Known { evidence: self.evidence, answer });
        }
        ticket.report(Outcome::Classified(answer));
    }
}

impl From<Resembling> for Reuse {
    fn from(Resembling { from, difference, answer }: Resembling) -> Self {
        Self::SameScene { from, difference, answer }
    }
}

/// Ends a frame that cannot run (again), or waits no longer for its run: with the answer of its course, if it
/// has one; with that of its scene, if there was no time for a model; or else with `outcome`.
pub fn end(course: Option<Box<Course>>, ticket: Ticket, stopped_by: Stop, outcome: Outcome) {
    match course {
        Some(course) if course.has_answer() => {
            if let Outcome::Failed(failure) = &outcome {
                let id = &ticket.account().origin.id;
                log::warn!(
                    stream:% = id.stream, frame = id.number, reason = failure.stage.code();
                    "frame {id} is answered without a further model: {}", failure.error
                );
            }
            course.settle(ticket, stopped_by);
        }
        Some(course)
            if matches!(outcome, Outcome::Expired(_) | Outcome::Superseded | Outcome::Skipped)
                || matches!(outcome, Outcome::Late(_)) && course.has_another_answer() =>
        {
            let newest = course.witness.as_ref().and_then(Witness::scene).map(|scene| scene.latest);
            let latest = newest.or(course.fallback);
            ticket.report(latest.map_or(outcome, |latest| Outcome::Reused(latest.into())));
        }
        Some(_) | None => ticket.report(outcome),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::{Receiver, unbounded};
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::adaptive::tests::policy;
    use crate::clock::Clock;
    use crate::frame::{Pace, Picture};
    use crate::models::{ModelId, Provider};
    use crate::outcome::Settled;
    use crate::outcome::tests::ticket;
    use crate::scene::Thumbnailer;

    const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

    fn guide() -> Arc<Guide> {
        Guide::new(policy(), Labels::from_names(NAMES), 3)
    }

    fn course(beginning: Beginning) -> Course {
        match beginning {
            Beginning::Course(course) => *course,
            Beginning::Reuse(reuse) => panic!("{reuse:?}"),
        }
    }

    fn run(model: &str) -> Run {
        let (model, provider) = (ModelId::new(model).unwrap(), Provider::Cpu);
        Run { model, provider, inference: Duration::from_millis(5), batch: 1 }
    }

    /// Probabilities of the ten classes, `class` with `confidence`.
    fn says(class: usize, confidence: f32) -> Vec<f32> {
        let mut probabilities = vec![(1.0 - confidence) / 9.0; 10];
        probabilities[class] = confidence;
        probabilities
    }

    fn open() -> (Ticket, Receiver<Settled>) {
        let (send, settled) = unbounded();
        let budget = "1s".parse().unwrap();
        (ticket(0, Clock.now(), budget, Pace::Clock, send), settled)
    }

    fn outcome(settled: &Receiver<Settled>) -> Outcome {
        settled.try_recv().unwrap().outcome
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.ranking.iter().map(|(model, _)| model.as_str()).collect()
    }

    fn grey(value: u8) -> Thumbnail {
        let image = RgbImage::from_pixel(8, 8, Rgb([value; 3]));
        Thumbnailer::default().thumbnail(&Picture::from_rgb(image).unwrap()).unwrap()
    }

    fn frame(number: u64) -> FrameId {
        FrameId { stream: StreamName::new("door"), number }
    }

    #[test]
    fn two_models_give_one_answer() {
        let mut course = course(guide().begin_alone());
        assert_eq!(names(&course.start()), ["quick", "large"]);
        let next = course.observe(run("quick"), &says(3, 0.3)).expect("it doubts");
        assert_eq!((names(&next), next.basis), (vec!["large"], Basis::Adaptive));
        assert!(course.observe(run("large"), &says(5, 0.8)).is_none());
        let (ticket, settled) = open();
        course.settle(ticket, Stop::Certain);
        let Outcome::Classified(answer) = outcome(&settled) else { panic!("it has an answer") };
        assert_eq!((answer.model.as_str(), answer.runs.len()), ("large", 2));
        assert_eq!((&*answer.labels[0].label, answer.labels.len()), ("f", 3));
        let weighed = answer.weighed.unwrap();
        assert_eq!(weighed.stopped_by, Stop::Certain);
        assert!(weighed.certainty.get() > 0.5);
    }

    #[test]
    fn the_next_frame_of_a_scene_knows_what_the_last_one_was() {
        let guide = guide();
        let mut first = course(guide.begin(&frame(0), grey(100)));
        assert!(first.observe(run("quick"), &says(3, 0.9)).is_none());
        first.settle(open().0, Stop::Certain);
        let Beginning::Reuse(Reuse::NearlyEqual { from: 0, answer, .. }) =
            guide.begin(&frame(1), grey(100))
        else {
            panic!("nothing has changed")
        };
        assert_eq!(&*answer.labels[0].label, "d");
        let goes_on = course(guide.begin(&frame(1), grey(120)));
        assert_eq!(goes_on.evidence.answer().and_then(Fused::top), Some(3));
        assert!(!goes_on.has_answer(), "no model has seen this frame");
        let offer = goes_on.offer();
        assert_eq!((names(&offer.selection), offer.is_covered), (vec!["large"], true));
        let cut = course(guide.begin(&frame(3), grey(200)));
        assert!(cut.evidence.answer().is_none());
    }

    #[test]
    fn a_study_helps_the_frames_that_follow_in_the_scene() {
        let guide = guide();
        let study =
            |value| guide.study(&frame(0).stream, grey(value), run("large"), &says(5, 0.99));
        assert!(!study(100), "nothing is known yet");
        doubtful(&guide);
        assert!(guide.is_worth_study(&frame(1).stream, &grey(120)));
        assert!(!study(220), "another scene");
        assert!(study(120));
        let Beginning::Reuse(Reuse::NearlyEqual { from: 0, answer, .. }) =
            guide.begin(&frame(1), grey(100))
        else {
            panic!("nothing has changed")
        };
        let ran: Vec<&str> = answer.runs.iter().map(|run| run.model.as_str()).collect();
        assert_eq!((&*answer.labels[0].label, answer.model.as_str()), ("f", "large"));
        assert_eq!((ran, answer.weighed.unwrap().stopped_by), (vec!["quick", "large"], Stop::Load));
        assert!(study(140));
        let Beginning::Reuse(Reuse::SameScene { answer, .. }) = guide.begin(&frame(1), grey(120))
        else {
            panic!("both models have looked at the scene")
        };
        assert_eq!(answer.runs.len(), 2, "one of each model");
        assert!(!guide.study(&frame(0).stream, grey(120), run("stranger"), &says(5, 0.9)));
    }

    /// A frame of the scene of `guide` whose answer is in doubt.
    fn doubtful(guide: &Arc<Guide>) {
        let mut first = course(guide.begin(&frame(0), grey(100)));
        first.observe(run("quick"), &says(3, 0.3));
        first.settle(open().0, Stop::Load);
    }

    #[test]
    fn a_guide_goes_on_from_another_that_means_the_same() {
        let before = guide();
        let mut first = course(before.begin(&frame(0), grey(100)));
        first.observe(run("quick"), &says(3, 0.9));
        first.settle(open().0, Stop::Certain);
        let same = guide().going_on_from(&before);
        assert!(matches!(same.begin(&frame(1), grey(100)), Beginning::Reuse(_)));
        let others = Guide::new(policy(), Labels::from_names(["x"; 10]), 3).going_on_from(&before);
        assert!(matches!(others.begin(&frame(1), grey(100)), Beginning::Course(_)));
    }

    #[test]
    fn a_frame_of_a_scene_that_no_model_adds_to_takes_over_its_answer() {
        let guide = guide();
        let mut first = course(guide.begin(&frame(0), grey(100)));
        first.observe(run("quick"), &says(3, 0.3));
        first.observe(run("large"), &says(3, 0.99));
        first.settle(open().0, Stop::Certain);
        let Beginning::Reuse(Reuse::SameScene { from: 0, answer, .. }) =
            guide.begin(&frame(1), grey(120))
        else {
            panic!("all models have looked at it")
        };
        assert_eq!(&*answer.labels[0].label, "d");
    }

    #[test]
    fn a_frame_without_time_for_a_model_takes_over_the_answer_of_its_scene() {
        let guide = guide();
        doubtful(&guide);
        let end_of = |number, grey_value, outcome| {
            let (ticket, settled) = open();
            let course = course(guide.begin(&frame(number), grey(grey_value)));
            assert_eq!(course.has_another_answer(), number == 1, "a recent one");
            end(Some(Box::new(course)), ticket, Stop::Deadline, outcome);
            settled.try_recv().unwrap().outcome
        };
        let late = || Outcome::Late(ModelId::new("large").unwrap());
        for outcome in [Outcome::Superseded, late()] {
            let Outcome::Reused(Reuse::SameScene { from: 0, answer, .. }) = end_of(1, 120, outcome)
            else {
                panic!("the scene goes on")
            };
            assert_eq!(&*answer.labels[0].label, "d");
        }
        assert!(matches!(end_of(2, 200, Outcome::Superseded), Outcome::Superseded), "a cut");
        assert!(matches!(end_of(2, 200, late()), Outcome::Late(_)), "a cut");
        assert!(matches!(end_of(3, 120, Outcome::Abandoned), Outcome::Abandoned), "an early end");
    }

    #[test]
    fn a_frame_goes_on_from_what_is_found_out_while_it_waits() {
        let guide = guide();
        let mut first = course(guide.begin(&frame(0), grey(100)));
        let mut second = course(guide.begin(&frame(1), grey(120)));
        let mut elsewhere = course(guide.begin(&frame(2), grey(220)));
        let offer = second.offer();
        assert_eq!((names(&offer.selection), offer.is_covered), (vec!["quick", "large"], false));
        assert!(!second.catch_up(), "nothing is known yet");
        first.observe(run("quick"), &says(3, 0.3));
        first.settle(open().0, Stop::Load);
        assert!(second.catch_up());
        let offer = second.offer();
        assert_eq!((names(&offer.selection), offer.is_covered), (vec!["large"], true));
        assert!(!second.catch_up(), "that is known");
        assert!(!elsewhere.catch_up(), "another scene");
        second.observe(run("large"), &says(3, 0.9));
        second.settle(open().0, Stop::Certain);
        assert!(course(guide.begin_alone()).fallback.is_none());
    }

    #[test]
    fn a_frame_that_cannot_run_keeps_its_answer_if_it_has_one() {
        let (ticket, settled) = open();
        let fresh = Box::new(course(guide().begin_alone()));
        end(Some(fresh), ticket, Stop::Deadline, Outcome::Abandoned);
        assert!(matches!(outcome(&settled), Outcome::Abandoned));
        let (ticket, settled) = open();
        let mut answered = Box::new(course(guide().begin_alone()));
        answered.observe(run("quick"), &says(3, 0.3));
        end(Some(answered), ticket, Stop::Deadline, Outcome::Abandoned);
        let Outcome::Classified(answer) = outcome(&settled) else { panic!("it had an answer") };
        assert_eq!(answer.weighed.unwrap().stopped_by, Stop::Deadline);
    }
}
