//! What training has to say, as a table for people.

use std::fmt;
use std::time::Duration;

use super::samples::Samples;
use super::{
    Deployment, DeploymentMode, Dropped, Evaluation, FeatureSelection, Fitted, KSelection, Plan,
    Reason, Score, Step, evaluation,
};
use crate::adaptive::Knowledge;
use crate::features::Features;
use crate::learn::adapt::time::Study;
use crate::models::{ModelId, Provider};
use crate::premodel::{Criterion, LabelSource, Premodel};

/// How a premodel was trained and what it is worth. `Display` prints it as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How many pictures it was trained on.
    pub pictures: usize,
    /// What counted as right.
    pub criterion: Criterion,
    /// How many neighbours vote, and why.
    pub k: KSelection,
    /// The features that the premodel looks at, and why not the others.
    pub features: FeatureSelection,
    /// What decided between models at each step.
    pub mode: DeploymentMode,
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
    /// The adaptive policy.
    pub adaptive: Option<Knowledge>,
    /// How it carries answers through time, and why so.
    pub time: Study,
    /// What the user should know besides.
    pub notes: Vec<String>,
}

impl Report {
    pub(super) fn new(
        samples: &Samples,
        plan: &Plan,
        fitted: &Fitted,
        evaluation: Option<Evaluation>,
        time: Study,
    ) -> Self {
        let scores = evaluation::singles(samples);
        let single = |(model, score): (&crate::learn::profile_file::ProfiledModel, Score)| {
            (model.id.clone(), model.provider, score)
        };
        Self {
            pictures: samples.pictures.len(),
            criterion: plan.options.criterion,
            k: fitted.k.clone(),
            features: fitted.features.clone(),
            mode: plan.options.deployment,
            theta: plan.options.theta,
            singles: samples.models.iter().zip(scores).map(single).collect(),
            deployment: fitted.deployment.clone(),
            fallback: fitted.premodel.fallback().clone(),
            adaptive: fitted.premodel.recipe().adaptive.clone(),
            time,
            notes: notes(plan, &fitted.premodel, evaluation.as_ref()),
            evaluation,
        }
    }

    fn name(&self, step: &Step) -> &ModelId {
        &self.singles[step.model].0
    }

    fn write_features(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.features.chosen;
        let names = chosen.names().collect::<Vec<_>>().join(", ");
        writeln!(f, "Looks at {} features: {names}", chosen.len())?;
        if self.features.dropped.is_empty() {
            return Ok(());
        }
        writeln!(f, "The others, in the order in which they went:")?;
        let is_eliminated = |reason| matches!(reason, Reason::Eliminated { .. });
        let split = self.features.dropped.partition_point(|gone| !is_eliminated(gone.reason));
        let (filtered, eliminated) = self.features.dropped.split_at(split);
        for gone in filtered {
            write_dropped(f, gone)?;
        }
        if let Some(accuracy) = self.features.before {
            writeln!(f, "  {:<26} {accuracy:6.2} % right in cross-validation", "(the rest)")?;
        }
        eliminated.iter().try_for_each(|gone| write_dropped(f, gone))
    }

    fn write_k(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.k.tried.is_empty() {
            return Ok(());
        }
        let tried = |(k, accuracy): &(usize, f64)| format!("{k}: {accuracy:.2} %");
        let tried: Vec<String> = self.k.tried.iter().map(tried).collect();
        writeln!(f, "k by cross-validation: {}", tried.join(", "))
    }

    fn write_deployment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            DeploymentMode::Accuracy => "by accuracy",
            DeploymentMode::Optimal => "by accuracy for time",
            DeploymentMode::Alternate => "by accuracy and by accuracy for time in turn",
        };
        let theta = self.theta;
        writeln!(f, "Deployed {mode}, in the order of the stages (theta {theta} points):")?;
        for (number, step) in self.deployment.steps.iter().enumerate() {
            let (name, gain, union) = (self.name(step), step.gain, step.union);
            let time = milliseconds(step.latency);
            writeln!(
                f,
                "  {}. {name:<28} {gain:+7.2}   union {union:6.2} %   {time:8.3} ms",
                number + 1
            )?;
        }
        if let Some(step) = &self.deployment.rejected {
            let (name, gain) = (self.name(step), step.gain);
            writeln!(f, "  -  {name:<28} {gain:+7.2}   not deployed")?;
        }
        writeln!(f, "Where every stage says no: {}", self.fallback)
    }

    fn write_adaptive(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(knowledge) = &self.adaptive else { return Ok(()) };
        let names: Vec<&str> =
            knowledge.pool.iter().map(|&model| self.singles[model].0.as_str()).collect();
        writeln!(f, "Adaptive policy over {}", names.join(", "))?;
        writeln!(f, "{:<33} {:>10} {:>10} {:>10}", "", "right, %", "mean, ms", "assured, %")?;
        for (number, point) in knowledge.points.iter().enumerate() {
            let mark = if number == knowledge.chosen { " (chosen)" } else { "" };
            let name = format!("point {number}{mark}");
            let (right, assured) = (100.0 * point.accuracy, 100.0 * point.assured_accuracy);
            let time = point.mean_time_ms;
            writeln!(f, "  {name:<31} {right:>10.2} {time:>10.3} {assured:>10.2}")?;
        }
        writeln!(f, "{}", self.time)
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
        let (pictures, k) = (self.pictures, self.k.chosen);
        writeln!(f, "Trained on {pictures} pictures, {}, k = {k}", self.criterion)?;
        self.write_features(f)?;
        self.write_k(f)?;
        self.write_deployment(f)?;
        self.write_singles(f)?;
        self.write_evaluation(f)?;
        self.write_adaptive(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))
    }
}

fn write_score(f: &mut fmt::Formatter<'_>, name: &str, score: &Score) -> fmt::Result {
    writeln!(f, "  {name:<31} {:>10.2} {:>10.3}", score.accuracy, milliseconds(score.latency))
}

fn write_dropped(f: &mut fmt::Formatter<'_>, gone: &Dropped) -> fmt::Result {
    let name = gone.name();
    match gone.reason {
        Reason::Constant => writeln!(f, "  {name:<26} is the same on every picture"),
        Reason::Correlated { with, r } => {
            writeln!(f, "  {name:<26} r = {r:+.2} with {}", Features::NAMES[with])
        }
        Reason::Eliminated { accuracy } => {
            writeln!(f, "  {name:<26} {accuracy:6.2} % right without it")
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Of a share of so many pictures; all in percent.
fn standard_error(percent: f64, pictures: usize) -> f64 {
    (percent * (100.0 - percent) / pictures as f64).sqrt()
}

fn notes(plan: &Plan, premodel: &Premodel, evaluation: Option<&Evaluation>) -> Vec<String> {
    let looked_at = premodel.features().columns();
    // Only features that were named can be: the filter drops others.
    let constant = premodel.recipe().scaling.constant().map(|column| {
        let name = Features::NAMES[looked_at[column]];
        format!("the feature {name} is the same on every picture and decides nothing")
    });
    let mut notes: Vec<String> = constant.collect();
    if plan.machines.len() > 1 {
        notes.push(format!(
            "the latencies were measured on different machines and averaged all the same: {}",
            plan.machines.join("; ")
        ));
    }
    match plan.label_source {
        LabelSource::Labels => {}
        LabelSource::Teacher => notes.push(
            "the labels are a model's own answers; it is right by definition, and only chosen among \
             if it is named"
                .to_owned(),
        ),
        LabelSource::Ensemble => {
            notes.push("the labels are the answers of all models together".to_owned());
        }
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
