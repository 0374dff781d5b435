//! Each model alone, and the perfect choice among some of them.

use std::time::Duration;

use super::chooser::Chooser;
use super::figures::Kind;
use super::material::{Case, Material, Split};

/// Every model, alone on every picture.
pub(super) fn all(material: &Material, pictures: &[usize]) -> Vec<Chooser> {
    let single = |model: usize| {
        let cases = pictures.iter().map(|&picture| material.run(picture, model)).collect();
        Chooser::new(material.name(model), Kind::Single, Duration::ZERO, cases)
    };
    (0..material.models()).map(single).collect()
}

/// The perfect choice among all models.
pub(super) fn oracle_of_all(material: &Material, pictures: &[usize]) -> Chooser {
    let models: Vec<usize> = (0..material.models()).collect();
    let cases = pictures.iter().map(|&picture| best_for(material, picture, &models)).collect();
    Chooser::new("oracle, all models", Kind::Oracle, Duration::ZERO, cases)
        .noted("Runs the fastest model that is right on the picture.")
}

/// The perfect choice among the models that the paper's sequence deploys, in each part.
pub(super) fn oracle_of(material: &Material, split: &Split, deployed: &[Vec<usize>]) -> Chooser {
    let cases =
        material.judge(split, deployed, |models, picture| best_for(material, picture, models));
    Chooser::new("oracle, deployed models", Kind::Oracle, Duration::ZERO, cases)
        .noted("Runs the fastest right one of the models that the paper's sequence chooses among.")
}

/// The fastest right model; the fastest of all where none is right.
fn best_for(material: &Material, picture: usize, models: &[usize]) -> Case {
    let right = &material.answers.pictures[picture].right;
    let times = &material.answers.times;
    let best = models.iter().copied().min_by_key(|&model| (!right[model], times[model], model));
    best.map_or_else(|| material.refusal(picture), |model| material.run(picture, model))
}
