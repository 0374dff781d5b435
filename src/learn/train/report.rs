//! What training has to say, as a table for people.

use std::fmt;

use super::samples::Samples;
use super::{Deployment, Evaluation, Plan, Score, Step, evaluation};
use crate::models::{ModelId, Provider};
use crate::premodel::{Criterion, Premodel};

/// How a premodel was trained and what it is worth. `Display` prints it as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How many pictures it was trained on.
    pub pictures: usize,
    /// What counted as right.
    pub criterion: Criterion,
    /// How many neighbours vote.
    pub k: usize,
    /// The gain at which deployment stopped, in percentage points.
    pub theta: f64,
    /// The profiled models, what they ran on, and what each is worth alone.
    pub singles: Vec<(ModelId, Provider, Score)>,
    /// The trace of Algorithm 1; its models are positions in `singles`.
    pub deployment: Deployment,
    /// The model to prefer when every stage says no.
    pub fallback: ModelId,
    /// Cross-validation; `None` if there were too few pictures.
    pub evaluation: Option<Evaluation>,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

impl Report {
    pub(super) fn new(
        samples: &Samples,
        plan: &Plan,
        premodel: &Premodel,
        deployment: Deployment,
        evaluation: Option<Evaluation>,
    ) -> Self {
        let scores = evaluation::singles(samples);
        let single = |(model, score): (&crate::learn::profile_file::ProfiledModel, Score)| {
            (model.id.clone(), model.provider, score)
        };
        Self {
            pictures: samples.pictures.len(),
            criterion: plan.options.criterion,
            k: plan.options.k,
            theta: plan.options.theta,
            singles: samples.models.iter().zip(scores).map(single).collect(),
            deployment,
            fallback: premodel.fallback().clone(),
            notes: notes(plan, premodel, evaluation.as_ref()),
            evaluation,
        }
    }

    fn name(&self, step: &Step) -> &ModelId {
        &self.singles[step.model].0
    }

    fn write_deployment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Deployed, in the order of the stages (theta {} points):", self.theta)?;
        for (number, step) in self.deployment.steps.iter().enumerate() {
            let (name, gain, union) = (self.name(step), step.gain, step.union);
            writeln!(f, "  {}. {name:<28} {gain:+7.2}   union {union:6.2} %", number + 1)?;
        }
        if let Some(step) = &self.deployment.rejected {
            let (name, gain) = (self.name(step), step.gain);
            writeln!(f, "  -  {name:<28} {gain:+7.2}   not deployed",)?;
        }
        writeln!(f, "Where every stage says no: {}", self.fallback)
    }

    fn write_singles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<33} {:>10} {:>10}", "", "right, %", "mean, ms")?;
        for (id, provider, score) in &self.singles {
            write_score(f, &format!("{id} ({provider})"), score)?;
        }
        Ok(())
    }

    fn write_evaluation(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(evaluation) = &self.evaluation else { return Ok(()) };
        let deviation = standard_error(evaluation.premodel.accuracy, self.pictures);
        writeln!(
            f,
            "{}-fold cross-validation (standard error {deviation:.2} points; a stage said yes to \
             {:.1} %):",
            evaluation.folds, evaluation.decided
        )?;
        let mix = Score { accuracy: evaluation.random_mix, latency: evaluation.premodel.latency };
        write_score(f, "premodel", &evaluation.premodel)?;
        write_score(f, "random mix in the same time", &mix)?;
        write_score(f, "oracle of the deployed models", &evaluation.oracle)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Trained on {} pictures, {}, k = {}", self.pictures, self.criterion, self.k)?;
        self.write_deployment(f)?;
        self.write_singles(f)?;
        self.write_evaluation(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))
    }
}

fn write_score(f: &mut fmt::Formatter<'_>, name: &str, score: &Score) -> fmt::Result {
    let milliseconds = score.latency.as_secs_f64() * 1e3;
    writeln!(f, "  {name:<31} {:>10.2} {milliseconds:>10.3}", score.accuracy)
}

/// Of a share of so many pictures; all in percent.
fn standard_error(percent: f64, pictures: usize) -> f64 {
    (percent * (100.0 - percent) / pictures as f64).sqrt()
}

fn notes(plan: &Plan, premodel: &Premodel, evaluation: Option<&Evaluation>) -> Vec<String> {
    let constant = premodel.recipe().scaling.constant().map(|feature| {
        let feature = crate::features::Features::NAMES[feature];
        format!("the feature {feature} is the same on every picture and decides nothing")
    });
    let mut notes: Vec<String> = constant.collect();
    if plan.machines.len() > 1 {
        notes.push(format!(
            "the latencies were measured on different machines and averaged all the same: {}",
            plan.machines.join("; ")
        ));
    }
    match evaluation {
        None => notes.push(
            "no cross-validation: the pictures, or those that some model is right on, are too few"
                .to_owned(),
        ),
        Some(evaluation) if evaluation.premodel.accuracy <= evaluation.random_mix => notes.push(
            "the premodel is no better than drawing lots between two models in the same time"
                .to_owned(),
        ),
        Some(_) => {}
    }
    notes
}
