//! The adaptive policy, at the operating point that training would choose, at all others, and with
//! parts of it left out.

use std::time::Duration;

use super::chooser::{Chooser, Dial};
use super::figures::Kind;
use super::material::{Case, Material, Part as SplitPart, Split};
use super::metrics::{self, Bootstrap};
use super::report::intervals::signed_interval;
use super::{EvaluateError, Options};
use crate::adaptive::{Adaptive, Knowledge};
use crate::learn::adapt::{self, AdaptError, AdaptOptions, Part, assurance, try_out};
use crate::learn::parallel::in_parallel;
use crate::learn::train::{TrainError, learn_policy};
use crate::premodel::Criterion::Top1;

/// The name of the policy.
pub(super) const NAME: &str = "adaptive";

/// Folds within what a part has seen, by which the operating point is chosen.
pub(super) const INNER_FOLDS: usize = 5;

/// The policy of each part, at the operating point that training chooses by cross-validation in so
/// many folds within what the part has seen.
pub(super) fn learn(
    material: &Material,
    split: &Split,
    inner_folds: usize,
) -> Result<Vec<Adaptive>, EvaluateError> {
    let learnt = in_parallel(&split.parts, |part| {
        let knowledge = learn_point(material, part, inner_folds)?;
        Ok(assurance::policy(knowledge, &material.answers))
    });
    learnt.into_iter().collect()
}

fn learn_point(
    material: &Material,
    part: &SplitPart,
    inner_folds: usize,
) -> Result<Knowledge, TrainError> {
    let options = &AdaptOptions::default();
    let folds = material.deal(&part.seen, inner_folds);
    if folds.len() < 2 {
        // Nothing to choose the operating point by.
        return Ok(adapt::fit(&material.answers, &part.seen, options)?);
    }
    let (knowledge, _) = learn_policy(&material.answers, (&part.seen, &folds), options, None)?;
    Ok(knowledge)
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

/// What the policies make of the pictures when they know the budget, for each budget.
fn within_budgets(
    material: &Material,
    split: &Split,
    policies: &[Adaptive],
    options: &Options,
) -> Vec<Vec<Case>> {
    let left = |budget: &Duration| Some(budget.saturating_sub(options.overheads.decision));
    options.budgets.iter().map(|at| cases(material, split, policies, left(at))).collect()
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
    (0..count).map(|point| cases(material, split, &at(policies, point), None)).collect()
}

fn at(policies: &[Adaptive], point: usize) -> Vec<Adaptive> {
    policies.iter().map(|policy| policy.clone().at(point)).collect()
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
        let name = format!("adaptive without {}", part.name());
        let decision = options.overheads.decision;
        let nearest = nearest(&points, whole.mean_ms() - decision.as_secs_f64() * 1e3);
        let cases = points.get(nearest).cloned().unwrap_or_default();
        let dial = Dial::new(&name, Kind::Ablation, decision, points);
        let in_time = within_budgets(material, split, &at(&policies, nearest), options);
        Ok(Chooser::new(&name, Kind::Ablation, decision, cases)
            .with_budgets(in_time)
            .noted(note(&dial, whole, bootstrap)))
    };
    Part::ALL.iter().map(of).collect()
}

/// The operating point whose mean time is nearest.
fn nearest(points: &[Vec<Case>], mean_ms: f64) -> usize {
    let time = |cases: &[Case]| {
        let judged: Vec<_> = cases.iter().map(|case| case.judged).collect();
        metrics::mean(&metrics::milliseconds(&judged))
    };
    let apart = |point: &usize| (time(&points[*point]) - mean_ms).abs();
    (0..points.len()).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0)
}

/// What leaving a part out costs at equal time.
fn note(without: &Dial, whole: &Chooser, bootstrap: &Bootstrap) -> String {
    let right = metrics::right(&whole.judged(), Top1);
    let lost = bootstrap.difference(&without.right_at(whole.mean_ms()), &right);
    format!(
        "{} points against the whole policy in the same mean time (between the neighbouring \
         operating points); in the table at the operating point nearest in time.",
        signed_interval(lost)
    )
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
