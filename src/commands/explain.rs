//! `classifyd explain`: why the premodel chooses a model for an image, and what the adaptive policy
//! knows.

mod knowledge;

use std::path::PathBuf;

use clap::Parser;

use super::{Context, Failure, equipment, stdout};
use crate::capture::read_image;
use crate::config::PolicyKind;
use crate::features::{Extractor, Features};
use crate::outcome::Basis;
use crate::output::table::Table;
use crate::premodel::{KnownModel, Premodel, RankedPremodel, Verdict};

/// What `explain` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The image
    image: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  classifyd explain photo.jpg
  classifyd explain --premodel mine.safetensors photo.jpg";

/// Runs `explain`: features, neighbours, votes, the choice and why. No model is run.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let image = &arguments.image;
    let picture = read_image(image).map_err(|error| {
        let Failure { code, error } = error.into();
        Failure { code, error: error.context(format!("cannot explain {}", image.display())) }
    })?;
    let premodel = premodel(context)?;
    let features = Extractor::new().extract(&picture).map_err(anyhow::Error::from)?;
    let verdict = premodel.consult(&features);
    let size = format!("{}x{}", picture.width(), picture.height());
    Ok(stdout::print(format_args!(
        "{} ({size})\n\n{}\n{}\n{}\n{}{}",
        image.display(),
        feature_table(&features, premodel.premodel()),
        neighbour_table(&verdict, premodel.premodel()),
        vote_table(&verdict),
        choice(&verdict, &premodel),
        knowledge::description(premodel.premodel())
    ))?)
}

fn premodel(context: &Context) -> Result<RankedPremodel, Failure> {
    let places = &context.places;
    let manifests = equipment::manifests_for(&PolicyKind::Premodel, places)?;
    let present: Vec<_> = manifests.iter().map(|m| (&m.id, m.fingerprint())).collect();
    Ok(Premodel::load(&places.premodel()?)?.restrict_to(&present)?.premodel)
}

fn feature_table(features: &Features, premodel: &Premodel) -> String {
    let (scaling, looked_at) = (&premodel.recipe().scaling, premodel.features());
    let row = looked_at.pick(features);
    let mut table = Table::new(["feature", "value", "scaled", "training min", "training max"]);
    let scaled = scaling.apply(&row);
    let range = scaling.minimum().values().iter().zip(scaling.maximum().values());
    let named = looked_at.named(features);
    for (((name, value), scaled), (minimum, maximum)) in named.zip(scaled).zip(range) {
        table.row([
            name.to_owned(),
            format!("{value:.4}"),
            format!("{scaled:.3}"),
            format!("{minimum:.4}"),
            format!("{maximum:.4}"),
        ]);
    }
    let note = match scaling.covers(&row) {
        true => "",
        false => {
            "outside the training range, so clamped: this picture is unlike the training set\n"
        }
    };
    format!("{table}{note}")
}

fn neighbour_table(verdict: &Verdict, premodel: &Premodel) -> Table {
    let mut table = Table::new(["neighbour", "distance", "optimum", "models that were right"]);
    for neighbour in &verdict.neighbours {
        let optimum = premodel.optimum(neighbour.example);
        table.row([
            format!("#{}", neighbour.example),
            format!("{:.4}", neighbour.distance),
            optimum.map_or_else(|| "none".to_owned(), ToString::to_string),
            right_models(premodel, neighbour.example),
        ]);
    }
    table
}

/// The models that were right on an example, in the fewest words.
fn right_models(premodel: &Premodel, example: usize) -> String {
    let right = premodel.example(example).map(|example| example.right);
    let models = premodel.models().iter().enumerate();
    let (right, wrong): (Vec<_>, Vec<_>) =
        models.partition(|(index, _)| right.is_some_and(|right| right.contains(*index)));
    let names = |models: Vec<(usize, &KnownModel)>| {
        let names: Vec<&str> = models.into_iter().map(|(_, model)| model.id.as_str()).collect();
        names.join(" ")
    };
    match (right.len(), wrong.len()) {
        (0, _) => "none".to_owned(),
        (_, 0) => "all".to_owned(),
        (right_count, wrong_count) if wrong_count < right_count => {
            format!("all but {}", names(wrong))
        }
        (_, _) => names(right),
    }
}

fn vote_table(verdict: &Verdict) -> Table {
    let mut stages = Table::new(["stage", "votes", "answer"]);
    for stage in &verdict.stages {
        let answer = if stage.is_yes() { "yes" } else { "no" };
        let votes = format!("{} of {}", stage.votes, stage.voters);
        stages.row([stage.model.to_string(), votes, answer.to_owned()]);
    }
    stages
}

fn choice(verdict: &Verdict, premodel: &RankedPremodel) -> String {
    let selection = premodel.rank(verdict);
    let mut table = Table::new(["ranking", "share right", "training accuracy %"]);
    for (model, share) in &selection.ranking {
        let accuracy = premodel.premodel().accuracy(model).unwrap_or(f32::NAN);
        table.row([model.to_string(), format!("{share:.1}"), format!("{:.1}", accuracy * 100.0)]);
    }
    let Some((first, _)) = selection.ranking.first() else { return table.to_string() };
    format!(
        "{table}\nchoice: {first}, {}\n\
         at run time the first of the ranking that will finish by the deadline runs\n",
        reason(selection.basis, verdict)
    )
}

/// Why a model leads the ranking, in words that follow its name.
fn reason(basis: Basis, verdict: &Verdict) -> String {
    match (basis, verdict.chosen()) {
        (Basis::Premodel, Some(stage)) => {
            format!(
                "because it is the optimum of {} of the {} neighbours",
                stage.votes, stage.voters
            )
        }
        (Basis::PremodelFallback, _) => "the fallback, because every stage said no".to_owned(),
        (Basis::PremodelShare, _) => {
            "with the best share, because every stage said no and the fallback is not loaded"
                .to_owned()
        }
        (Basis::Premodel | Basis::Fixed | Basis::Random | Basis::Adaptive, _) => {
            "first of the ranking".to_owned()
        }
    }
}
