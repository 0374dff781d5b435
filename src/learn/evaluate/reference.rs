//! A cascade that learns nothing, to compare with: fixed models in a fixed order, until the fused
//! answer is confident enough.
//!
//! The answers of the models that ran are fused by the geometric mean of their probabilities.

use super::chooser::{Chooser, Dial};
use super::figures::Kind;
use super::material::{Case, Material};
use crate::adaptive::{Fused, Guesses, Prior};

/// The models of the cascade, if there are at least two of these; else the three quickest.
const NAMED: [&str; 3] = ["efficientnet_lite0", "pplcnetv2_base", "efficientnet_lite2"];

/// What may come last.
const LAST: &str = "resnet50_v1";

/// The confidences that are enough, each an operating point.
const THRESHOLDS: [f32; 6] = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9];

/// The operating point that is compared in tables.
const TYPICAL: f32 = 0.7;

/// A cascade.
struct Cascade {
    name: String,
    models: Vec<usize>,
}

/// The cascades that the models allow, at their typical operating point and at all.
pub(super) fn all(
    material: &Material,
    pictures: &[usize],
    overhead: std::time::Duration,
) -> (Vec<Chooser>, Vec<Dial>) {
    let at = |cascade: &Cascade, threshold| -> Vec<Case> {
        pictures.iter().map(|&picture| cascade.run(material, picture, threshold)).collect()
    };
    let cascades = cascades(material);
    let chooser = |cascade: &Cascade| {
        let cases = at(cascade, TYPICAL);
        let names: Vec<&str> = cascade.models.iter().map(|&model| material.name(model)).collect();
        Chooser::new(&cascade.name, Kind::Reference, overhead, cases).noted(format!(
            "Learns nothing: {} in this order, until the geometric mean of their probabilities is \
             {TYPICAL} or more for some class.",
            names.join(", ")
        ))
    };
    let dial = |cascade: &Cascade| {
        let points = THRESHOLDS.iter().map(|&threshold| at(cascade, threshold)).collect();
        Dial::new(&cascade.name, Kind::Reference, overhead, points)
    };
    (cascades.iter().map(chooser).collect(), cascades.iter().map(dial).collect())
}

fn cascades(material: &Material) -> Vec<Cascade> {
    let place = |name: &str| (0..material.models()).find(|&model| material.name(model) == name);
    let named: Vec<usize> = NAMED.iter().filter_map(|name| place(name)).collect();
    let mut quickest: Vec<usize> = (0..material.models()).collect();
    quickest.sort_by_key(|&model| (material.answers.times[model], model));
    quickest.truncate(NAMED.len());
    let models = if named.len() < 2 { quickest } else { named };
    let name = "reference cascade".to_owned();
    let mut cascades = vec![Cascade { name, models: models.clone() }];
    if let Some(last) = place(LAST).filter(|last| !models.contains(last)) {
        let name = format!("reference cascade, {LAST} last");
        cascades.push(Cascade { name, models: [models, vec![last]].concat() });
    }
    cascades
}

impl Cascade {
    fn run(&self, material: &Material, picture: usize, threshold: f32) -> Case {
        let guesses = &material.answers.pictures[picture].guesses;
        let fuse = |count: usize| {
            let ran = self.models[..count].iter().map(|&model| &guesses[model]);
            let weighted = ran.map(|guesses: &Guesses| (guesses, 1.0 / count as f32));
            Fused::new(weighted, &Prior::none())
        };
        let is_enough = |&count: &usize| fuse(count).confidence() >= threshold;
        let count = (1..self.models.len()).find(is_enough).unwrap_or(self.models.len());
        let runs = self.models[..count].to_vec();
        let time = runs.iter().map(|&model| material.answers.times[model]).sum();
        let ranking = fuse(count).ranking;
        material.case(picture, ranking.into_iter().map(|(class, _)| class), runs, time)
    }
}
