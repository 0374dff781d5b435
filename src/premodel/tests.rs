//! What a premodel decides, on examples whose answers are known.

use std::time::Duration;

use super::*;
use crate::features::FeatureRow;
use crate::models::Sha256Hex;

pub(crate) fn id(name: &str) -> ModelId {
    ModelId::new(name).unwrap()
}

fn known(name: &str, milliseconds: u64) -> KnownModel {
    KnownModel {
        id: id(name),
        fingerprint: Sha256Hex::of(name.as_bytes()),
        mean_latency: Duration::from_millis(milliseconds),
    }
}

/// A picture all of whose features are `value`.
pub(crate) fn all(value: f32) -> Features {
    Features::new([value; Features::COUNT]).unwrap()
}

/// The features that the premodel of these tests looks at.
fn looked_at() -> FeatureSet {
    let names = ["n_keypoints", "contrast", "edge_length1", "edge_angle3", "area_by_perim"];
    FeatureSet::of_names(names.into_iter().chain(["aspect_ratio", "hue1"])).unwrap()
}

fn example(value: f32, right: &[usize]) -> Example {
    Example { features: looked_at().pick(&all(value)), right: right.iter().copied().collect() }
}

/// Dark pictures (near 0), on which `quick` (0) and `wide` (1) are right; bright ones (near 100),
/// on which only `slow` (2) is; and grey ones (near 50), on which nothing is. `quick` and `slow`
/// are deployed.
pub(crate) fn two_clusters() -> Recipe {
    let mut examples = Vec::new();
    for step in 0..6u8 {
        let offset = f32::from(step);
        examples.push(example(offset, &[0, 1]));
        examples.push(example(50.0 + offset / 10.0, &[]));
        examples.push(example(100.0 - offset, &[2]));
    }
    let features: Vec<FeatureRow> = examples.iter().map(|e| e.features.clone()).collect();
    Recipe {
        models: vec![known("quick", 5), known("wide", 20), known("slow", 50)],
        sequence: vec![0, 2],
        fallback: 2,
        k: 5,
        criterion: Criterion::Top1,
        label_source: LabelSource::Labels,
        trained_on: "two clusters".to_owned(),
        features: looked_at(),
        scaling: Scaling::of(features.iter()).unwrap(),
        examples,
        adaptive: None,
    }
}

fn premodel() -> Premodel {
    Premodel::new(two_clusters()).unwrap()
}

/// The premodel narrowed to models that are loaded as they were trained.
fn loaded(names: &[&str]) -> Restriction {
    let models: Vec<KnownModel> = names.iter().map(|name| known(name, 0)).collect();
    let pairs: Vec<_> = models.iter().map(|model| (&model.id, model.fingerprint.clone())).collect();
    premodel().restrict_to(&pairs).unwrap()
}

fn names(selection: &Selection) -> Vec<&str> {
    selection.ranking.iter().map(|(model, _)| model.as_str()).collect()
}

#[test]
fn the_fastest_right_model_of_the_neighbourhood_is_chosen() {
    let premodel = premodel();
    let dark = premodel.consult(&all(2.0));
    assert_eq!(dark.chosen().unwrap().model, id("quick"));
    assert_eq!(dark.neighbours.len(), 5);
    assert!(dark.neighbours.iter().all(|near| near.example % 3 == 0));
    let bright = premodel.consult(&all(99.0));
    assert_eq!(bright.chosen().unwrap().model, id("slow"));
    assert_eq!(bright.stages[0], StageVote { model: id("quick"), votes: 0, voters: 5 });
}

#[test]
fn where_nothing_was_right_every_stage_says_no() {
    let verdict = premodel().consult(&all(50.0));
    assert_eq!(verdict.chosen(), None);
    assert!(verdict.shares.iter().all(|(_, share)| *share == 0.0));
}

#[test]
fn half_of_an_even_number_of_votes_is_no_majority() {
    let stage = |votes, voters| StageVote { model: id("quick"), votes, voters };
    assert!(!stage(2, 4).is_yes() && stage(3, 4).is_yes());
    assert!(!stage(2, 5).is_yes() && stage(3, 5).is_yes());
}

#[test]
fn shares_count_models_that_are_not_deployed() {
    let shares = premodel().consult(&all(2.0)).shares;
    assert_eq!(shares, [(id("quick"), 1.0), (id("wide"), 1.0), (id("slow"), 0.0)]);
}

#[test]
fn the_preferred_model_leads_and_the_others_follow_by_share() {
    let selection = loaded(&["slow", "wide", "quick"]).premodel.select(&all(2.0));
    assert_eq!(selection.basis, Basis::Premodel);
    assert_eq!(names(&selection), ["quick", "wide", "slow"]);
    let selection = loaded(&["slow", "wide", "quick"]).premodel.select(&all(50.0));
    assert_eq!(selection.basis, Basis::PremodelFallback);
    assert_eq!(names(&selection), ["slow", "quick", "wide"]);
}

#[test]
fn the_preferred_model_leads_even_with_a_lower_share() {
    let mut recipe = two_clusters();
    // The five darkest: `slow` is right on all, `wide` on four, the fastest on three.
    let right: [&[usize]; 5] = [&[0, 1, 2], &[0, 1, 2], &[0, 1, 2], &[1, 2], &[2]];
    for (number, right) in right.iter().enumerate() {
        recipe.examples[3 * number].right = right.iter().copied().collect();
    }
    let models = recipe.models.clone();
    let pairs: Vec<_> = models.iter().map(|model| (&model.id, model.fingerprint.clone())).collect();
    let narrowed = Premodel::new(recipe).unwrap().restrict_to(&pairs).unwrap().premodel;
    let selection = narrowed.select(&all(0.0));
    let expected = [(id("quick"), 0.6), (id("slow"), 1.0), (id("wide"), 0.8)];
    assert_eq!(selection.ranking, expected);
}

#[test]
fn examples_of_a_missing_model_vote_for_the_next_fastest() {
    let mut recipe = two_clusters();
    recipe.sequence = vec![0, 1, 2];
    let wide = known("wide", 0);
    let slow = known("slow", 0);
    let pairs = [(&wide.id, wide.fingerprint), (&slow.id, slow.fingerprint)];
    let narrowed = Premodel::new(recipe).unwrap().restrict_to(&pairs).unwrap();
    assert_eq!(narrowed.missing, [id("quick")]);
    let selection = narrowed.premodel.select(&all(2.0));
    assert_eq!((names(&selection), selection.basis), (vec!["wide", "slow"], Basis::Premodel));
}

#[test]
fn without_its_fallback_the_soft_vote_decides() {
    let narrowed = loaded(&["wide", "quick"]).premodel;
    let selection = narrowed.select(&all(99.0));
    assert_eq!(selection.basis, Basis::PremodelShare);
    assert_eq!(names(&selection), ["quick", "wide"], "equal in share and accuracy: by name");
}

#[test]
fn changed_and_unknown_models_are_left_out_and_reported() {
    let (quick, slow, other) = (known("quick", 0), known("slow", 0), known("other", 0));
    let changed = Sha256Hex::of(b"another file");
    let pairs =
        [(&quick.id, changed), (&slow.id, slow.fingerprint), (&other.id, other.fingerprint)];
    let narrowed = premodel().restrict_to(&pairs).unwrap();
    assert_eq!(narrowed.changed, [id("quick")]);
    assert_eq!(narrowed.unknown, [id("other")]);
    assert_eq!(narrowed.missing, [id("quick")]);
    assert_eq!(names(&narrowed.premodel.select(&all(2.0))), ["slow"]);
}

#[test]
fn a_premodel_without_any_of_its_models_is_refused() {
    let other = known("other", 0);
    let refused = premodel().restrict_to(&[(&other.id, other.fingerprint)]).unwrap_err();
    assert!(refused.to_string().contains("quick, wide, slow"), "{refused}");
}

#[test]
fn only_the_features_it_looks_at_count() {
    let features = Features::new(std::array::from_fn(|column| {
        if looked_at().columns().contains(&column) { 2.0 } else { 99.0 }
    }));
    let premodel = premodel();
    assert_eq!(premodel.consult(&features.unwrap()), premodel.consult(&all(2.0)));
    assert_eq!(premodel.features().names().count(), 7);
}

#[test]
fn what_was_trained_can_be_asked() {
    let premodel = premodel();
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("quick"), &id("slow")]);
    assert_eq!(premodel.fallback(), &id("slow"));
    assert_eq!(premodel.training_size(), 18);
    assert!((premodel.accuracy(&id("quick")).unwrap() - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(premodel.accuracy(&id("other")), None);
    assert_eq!(premodel.optimum(0), Some(&id("quick")));
    assert_eq!(premodel.optimum(1), None);
    assert_eq!(premodel.optimum(999), None);
}
