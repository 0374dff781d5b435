//! The adaptive policy, at the operating point that training would choose, at all others, and with
//! parts of it left out.

use std::time::Duration;

use super::chooser::{Chooser, Dial};
use super::figures::Kind;
use super::material::{Case, Material, Part as SplitPart, Split};
use super::metrics::{self, Bootstrap};
use super::report::numbers::signed_interval;
use super::{EvaluateError, Options};
use crate::adaptive::{Adaptive, Knowledge};
use crate::learn::adapt::{self, AdaptError, AdaptOptions, Part, assurance, in_parallel, try_out};
use crate::learn::train::{Goal, TrainError, learn_policy};
use crate::premodel::Criterion::Top1;

/// The name of the policy.
pub(super) const NAME: &str = "adaptive";

/// Folds within what a part has seen, by which the operating point is chosen.
const INNER_FOLDS: usize = 5;

/// The policy of each part, at the operating point that training chooses by what the part has seen.
pub(super) fn learn(material: &Material, split: &Split) -> Result<Vec<Adaptive>, EvaluateError> {
    let options = AdaptOptions::default();
    let learnt = in_parallel(&split.parts, |part| {
        let knowledge = learn_point(material, part, &options)?;
        Ok(assurance::policy(knowledge, &material.answers))
    });
    learnt.into_iter().collect()
}

fn learn_point(
    material: &Material,
    part: &SplitPart,
    options: &AdaptOptions,
) -> Result<Knowledge, TrainError> {
    let folds = material.deal(&part.seen, INNER_FOLDS);
    if folds.len() < 2 {
        // Nothing to choose the operating point by.
        return Ok(adapt::fit(&material.answers, &part.seen, options)?);
    }
    learn_policy(&material.answers, (&part.seen, &folds), options, Goal::AsGoodAsTheBest)
}

/// At the chosen operating point.
pub(super) fn chooser(
    material: &Material,
    split: &Split,
    policies: &[Adaptive],
    options: &Options,
) -> Chooser {
    let decision = options.overheads.decision;
    let left = |budget: &Duration| Some(budget.saturating_sub(decision));
    let in_time = options.budgets.iter().map(|at| cases(material, split, policies, left(at)));
    let alone = cases(material, split, policies, None);
    Chooser::new(NAME, Kind::Adaptive, decision, alone).with_budgets(in_time.collect()).noted(
        "At the operating point that training chooses, in each fold, by cross-validation within \
             what it may see: the quickest that is assured to be as accurate as the most accurate \
             model, else the most accurate. Within a budget it runs only models that fit.",
    )
}

/// What the policies of the parts make of the pictures they have not seen.
pub(super) fn cases(
    material: &Material,
    split: &Split,
    policies: &[Adaptive],
    budget: Option<Duration>,
) -> Vec<Case> {
    let answers = &material.answers;
    material.judge(split, policies, |policy, picture| {
        let trial = try_out(policy, answers, picture, &answers.times, budget);
        material.tried(picture, &trial)
    })
}

/// At every operating point.
pub(super) fn points(material: &Material, split: &Split, policies: &[Adaptive]) -> Vec<Vec<Case>> {
    let count = policies.iter().map(|policy| policy.knowledge().points.len()).min().unwrap_or(0);
    let at = |point: usize| {
        let set: Vec<Adaptive> = policies.iter().map(|policy| policy.clone().at(point)).collect();
        cases(material, split, &set, None)
    };
    (0..count).map(at).collect()
}

/// All operating points as a curve.
pub(super) fn dial(
    material: &Material,
    split: &Split,
    policies: &[Adaptive],
    options: &Options,
) -> Dial {
    let points = points(material, split, policies);
    Dial::new(NAME, Kind::Adaptive, options.overheads.decision, points)
}

/// The policy with each part left out, at the operating point whose mean time is nearest to the
/// whole policy's.
pub(super) fn ablations(
    material: &Material,
    split: &Split,
    whole: &Chooser,
    (bootstrap, options): (&Bootstrap, &Options),
) -> Result<Vec<Chooser>, EvaluateError> {
    let of = |&part: &Part| {
        let policies = learn_without(material, split, part)?;
        let points = points(material, split, &policies);
        Ok(ablation(part, points, whole, (bootstrap, options)))
    };
    Part::ALL.iter().map(of).collect()
}

fn learn_without(
    material: &Material,
    split: &Split,
    part: Part,
) -> Result<Vec<Adaptive>, AdaptError> {
    let options = AdaptOptions { pool: None, without: Some(part) };
    let learnt = in_parallel(&split.parts, |one| {
        let knowledge = adapt::fit(&material.answers, &one.seen, &options)?;
        Ok(assurance::policy(knowledge, &material.answers))
    });
    learnt.into_iter().collect()
}

fn ablation(
    part: Part,
    points: Vec<Vec<Case>>,
    whole: &Chooser,
    (bootstrap, options): (&Bootstrap, &Options),
) -> Chooser {
    let (name, decision) =
        (format!("adaptive without {}", part.name()), options.overheads.decision);
    let dial = Dial::new(&name, Kind::Ablation, decision, points.clone());
    let time = whole.mean_ms();
    let lost = bootstrap.difference(&dial.right_at(time), &metrics::right(&whole.judged(), Top1));
    let at = |cases| Chooser::new(&name, Kind::Ablation, decision, cases);
    let apart = |chooser: &Chooser| (chooser.mean_ms() - time).abs();
    let nearest = points.into_iter().map(at).min_by(|a, b| apart(a).total_cmp(&apart(b)));
    nearest.unwrap_or_else(|| at(Vec::new())).noted(format!(
        "{} points against the whole policy in the same mean time (between the neighbouring \
         operating points); in the table at the operating point nearest in time.",
        signed_interval(lost)
    ))
}
