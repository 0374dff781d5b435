//! The policy, tried on pictures whose answers are known: by the very code that frames meet.

use std::time::Duration;

use super::answers::Answers;
use crate::adaptive::{Adaptive, Evidence, Preference};

/// What the policy made of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The classes of the answer and their probabilities, the most probable first.
    pub ranking: Vec<(usize, f32)>,
    /// How sure it was.
    pub certainty: f32,
    /// The models that ran, in order, by their places in [`Answers::models`].
    pub runs: Vec<usize>,
    /// What they took together.
    pub time: Duration,
}

impl Trial {
    /// Whether the first class of the answer is the true one.
    pub fn is_right(&self, class: usize) -> bool {
        self.ranking.first().is_some_and(|&(answer, _)| answer == class)
    }
}

/// Runs the policy on a picture of the answers. With a budget, a model runs only if it is over by
/// then; a picture for which not even one fits has no answer.
pub fn try_out(
    policy: &Adaptive,
    answers: &Answers,
    picture: usize,
    times: &[Duration],
    budget: Option<Duration>,
) -> Trial {
    let start = policy.start(&Evidence::default());
    try_from(policy, start, (answers, picture), times, budget)
}

/// The same with the first of some candidates to begin with.
pub(crate) fn try_from(
    policy: &Adaptive,
    candidates: Vec<Preference>,
    (answers, picture): (&Answers, usize),
    times: &[Duration],
    budget: Option<Duration>,
) -> Trial {
    let mut evidence = Evidence::default();
    go_on(policy, candidates, (answers, picture), (times, budget), &mut evidence)
}

/// The same for a frame that may have evidence already, carried over from the scene.
pub(super) fn go_on(
    policy: &Adaptive,
    mut candidates: Vec<Preference>,
    (answers, picture): (&Answers, usize),
    (times, budget): (&[Duration], Option<Duration>),
    evidence: &mut Evidence,
) -> Trial {
    let pool = &policy.knowledge().pool;
    let mut trial =
        Trial { ranking: Vec::new(), certainty: 0.0, runs: Vec::new(), time: Duration::ZERO };
    loop {
        let fits = |model: usize| budget.is_none_or(|budget| trial.time + times[model] <= budget);
        let Some(next) = candidates.iter().find(|one| fits(pool[one.model])) else { break };
        let model = pool[next.model];
        let guesses = answers.pictures[picture].guesses[model].clone();
        policy.observe_guesses(evidence, next.model, guesses);
        trial.runs.push(model);
        trial.time += times[model];
        candidates = policy.next(evidence);
    }
    trial.ranking = evidence.answer().map_or_else(Vec::new, |answer| answer.ranking.clone());
    trial.certainty = evidence.certainty();
    trial
}
