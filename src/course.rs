//! A frame's course under the adaptive policy: from its first model to the answer.
//!
//! A [`Course`] travels with its frame and gathers what the models say. It begins with what memory
//! says of the scene ([`Guide::begin`]), takes in each run ([`Course::observe`]), which tells what
//! may run next, and ends in one answer that fuses them all ([`Course::settle`]).

use std::sync::Arc;

use crate::adaptive::{Adaptive, Evidence, Fused, Preference};
use crate::frame::FrameId;
use crate::models::Labels;
use crate::outcome::{
    Answer, Basis, Classification, Confidence, Failure, Outcome, Reason, Reuse, Run, Stage, Stop,
    Ticket, Weighed,
};
use crate::premodel::Selection;
use crate::scene::{Known, Memory, Recall, Thumbnail, Witness};

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
                let carry =
                    |(evidence, share): (Evidence, f32)| self.policy.carry(&evidence, share);
                let evidence = scene.map(carry).unwrap_or_default();
                Beginning::Course(self.course(evidence, Some(witness)))
            }
        }
    }

    /// Begins a frame that has nothing to do with those before.
    pub fn begin_alone(self: &Arc<Self>) -> Beginning {
        Beginning::Course(self.course(Evidence::default(), None))
    }

    fn course(self: &Arc<Self>, evidence: Evidence, witness: Option<Witness>) -> Box<Course> {
        Box::new(Course { guide: Arc::clone(self), evidence, runs: Vec::new(), witness })
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
}

impl Course {
    /// The models to begin with, the best first.
    pub fn start(&self) -> Selection {
        self.guide.selection(&self.guide.policy.start(&self.evidence))
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

    /// Remembers the fused answer and settles the frame with it.
    pub fn settle(self, ticket: Ticket, stopped_by: Stop) {
        let Some(answer) = self.answer(stopped_by) else {
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

    fn answer(&self, stopped_by: Stop) -> Option<Answer> {
        let last = self.runs.last()?;
        let labels = self.guide.classifications(self.evidence.answer()?);
        let certainty = Confidence::new(self.evidence.certainty())?;
        Some(Answer {
            model: last.model.clone(),
            provider: last.provider,
            reason: Reason::Preferred(Basis::Adaptive),
            labels,
            runs: self.runs.clone(),
            weighed: Some(Weighed { certainty, stopped_by }),
        })
    }
}

/// Ends a frame that cannot run (again): with the answer of its course, if it has one, or else with
/// `outcome`.
pub fn end(course: Option<Box<Course>>, ticket: Ticket, stopped_by: Stop, outcome: Outcome) {
    match course {
        Some(course) if course.has_answer() => {
            if let Outcome::Failed(failure) = &outcome {
                let id = &ticket.account().origin.id;
                log::warn!("frame {id} is answered without a further model: {}", failure.error);
            }
            course.settle(ticket, stopped_by);
        }
        Some(_) | None => ticket.report(outcome),
    }
}
