//! Training on pictures whose answers are known.

use super::*;
use crate::features::Features;
use crate::learn::profile_file::tests::{header, result};
use crate::learn::profile_file::{ImageRecord, Profile, Truth};
use crate::premodel::Criterion;

const CLASS: usize = 0;

/// A rank as a model's first guess: 0 is right, 9 puts class 0 at rank 1, 1 at rank 9.
const RIGHT: usize = 0;
const NEARLY: usize = 9;
const WRONG: usize = 1;

fn id(name: &str) -> ModelId {
    ModelId::new(name).unwrap()
}

/// A picture all of whose features are `value`, with the first guesses of `quick`, `wide` and
/// `slow`.
fn image(file: String, value: f32, guesses: [usize; 3]) -> ImageRecord {
    let results = guesses.iter().map(|&guess| result(guess, CLASS));
    let features = Features::new([value; Features::COUNT]).unwrap();
    ImageRecord {
        file,
        group: None,
        change: None,
        class: CLASS,
        features,
        results: results.collect(),
    }
}

fn profile(images: Vec<ImageRecord>) -> Profile {
    Profile { header: header(&[("quick", 5), ("wide", 20), ("slow", 50)]), images }
}

/// On 60 dark pictures `quick` and `wide` are right, on 40 bright ones only `slow` is.
fn two_clusters(prefix: &str) -> Profile {
    let dark = (0..60u8)
        .map(|n| image(format!("{prefix}d{n}"), f32::from(n) / 10.0, [RIGHT, RIGHT, WRONG]));
    let bright = (0..40u8).map(|n| {
        image(format!("{prefix}b{n}"), 90.0 + f32::from(n) / 10.0, [WRONG, NEARLY, RIGHT])
    });
    profile(dark.chain(bright).collect())
}

fn error(profiles: &[Profile], options: TrainOptions) -> TrainError {
    train(profiles, &options).unwrap_err()
}

#[test]
fn separable_pictures_are_learnt_perfectly() {
    let (premodel, report) = train(&[two_clusters("")], &TrainOptions::default()).unwrap();
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("quick"), &id("slow")]);
    assert_eq!(premodel.fallback(), &id("quick"), "the most accurate of the deployed");
    assert_eq!(premodel.models().len(), 3);
    let bright = Features::new([91.0; Features::COUNT]).unwrap();
    assert_eq!(premodel.consult(&bright).chosen().unwrap().model, id("slow"));
    let evaluation = report.evaluation.unwrap();
    assert_eq!((evaluation.folds, evaluation.decided), (10, 100.0));
    assert_eq!(evaluation.premodel.accuracy, 100.0);
    assert_eq!(evaluation.premodel, evaluation.oracle);
    assert!((evaluation.premodel.latency.as_secs_f64() - 0.023).abs() < 1e-9);
    // `quick` alone is the best that can be had below 23 ms: 60 %.
    assert!((evaluation.random_mix - 60.0).abs() < 1e-9);
}

#[test]
fn the_trace_and_the_single_models_are_reported() {
    let (_, report) = train(&[two_clusters("")], &TrainOptions::default()).unwrap();
    let steps: Vec<_> = report.deployment.steps.iter().map(|s| (s.model, s.gain)).collect();
    assert_eq!(steps, [(0, 60.0), (2, 40.0)]);
    let latency = Duration::from_millis(20);
    let rejected = Step { model: 1, gain: 0.0, union: 100.0, latency };
    assert_eq!(report.deployment.rejected, Some(rejected));
    let accuracies: Vec<_> = report.singles.iter().map(|(_, _, s)| s.accuracy).collect();
    assert_eq!(accuracies, [60.0, 60.0, 40.0]);
    let text = report.to_string();
    for expected in [
        "1. quick",
        "2. slow",
        "union 100.00 %",
        "random mix",
        "oracle",
        "r = +1.00",
        "not learnt but assumed",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(!text.contains("Note"), "{text}");
}

#[test]
fn the_criterion_decides_what_is_right() {
    let options = TrainOptions { criterion: Criterion::Top5, ..TrainOptions::default() };
    let (premodel, _) = train(&[two_clusters("")], &options).unwrap();
    assert_eq!(premodel.criterion(), Criterion::Top5);
    assert_eq!(premodel.accuracy(&id("wide")), Some(1.0));
    // Where `wide` always is right, the fastest right one of the bright pictures is `wide`.
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("quick"), &id("wide")]);
}

#[test]
fn only_the_models_asked_for_get_a_stage() {
    let models = Some(vec![id("slow"), id("wide")]);
    let options = TrainOptions { models, ..TrainOptions::default() };
    let (premodel, _) = train(&[two_clusters("")], &options).unwrap();
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("wide"), &id("slow")]);
    assert_eq!(premodel.models().len(), 3, "the soft vote covers all");
}

#[test]
fn the_oracle_runs_the_fastest_deployed_model_where_none_is_right() {
    let mut profile = two_clusters("");
    let hopeless = |n: usize| image(format!("h{n}"), 50.0 + n as f32 / 100.0, [WRONG; 3]);
    profile.images.extend((0..100).map(hopeless));
    let models = Some(vec![id("slow"), id("wide")]);
    let (_, report) = train(&[profile], &TrainOptions { models, ..Default::default() }).unwrap();
    let evaluation = report.evaluation.unwrap();
    assert_eq!((evaluation.oracle.accuracy, evaluation.decided), (50.0, 50.0));
    // 160 times 20 ms and 40 times 50 ms.
    assert!((evaluation.oracle.latency.as_secs_f64() - 0.026).abs() < 1e-9);
}

#[test]
fn the_same_profiles_give_the_same_bytes() {
    let profiles = [two_clusters("x"), two_clusters_brighter()];
    let (first, first_report) = train(&profiles, &TrainOptions::default()).unwrap();
    let (again, again_report) = train(&profiles, &TrainOptions::default()).unwrap();
    assert_eq!(first.to_bytes(), again.to_bytes());
    assert_eq!(first_report, again_report);
    assert_eq!(first.training_size(), 200);
    let read = Premodel::from_bytes(&first.to_bytes()).unwrap();
    assert_eq!(read.recipe(), first.recipe());
}

/// Its models come in another order.
fn two_clusters_brighter() -> Profile {
    let mut profile = two_clusters("y");
    profile.header.models.reverse();
    profile.images.iter_mut().for_each(|image| image.results.reverse());
    profile
}

#[test]
fn profiles_are_joined_by_the_names_of_their_models() {
    let profiles = [two_clusters("x"), two_clusters_brighter()];
    let (premodel, _) = train(&profiles, &TrainOptions::default()).unwrap();
    assert_eq!(premodel.accuracy(&id("quick")), Some(0.6));
    assert_eq!(premodel.accuracy(&id("slow")), Some(0.4));
}

#[test]
fn videos_teach_how_answers_are_carried_through_time() {
    let frame = |video: usize, number: usize| {
        let (value, guesses) = match video % 2 {
            0 => (1.0, [RIGHT, RIGHT, WRONG]),
            _ => (9.0, [WRONG, NEARLY, RIGHT]),
        };
        let value = value + (video * 40 + number) as f32 / 1000.0;
        let group = format!("{video}.avi");
        let image = image(format!("{group}#{number}"), value, guesses);
        ImageRecord { change: (number > 0).then_some(0.001), group: Some(group), ..image }
    };
    let images = (0..12).flat_map(|video| (0..40).map(move |number| frame(video, number)));
    let (premodel, report) = train(&[profile(images.collect())], &TrainOptions::default()).unwrap();
    let time = premodel.recipe().adaptive.as_ref().unwrap().time;
    assert_eq!((time, time.reuse_below), (report.time.time, 0.002));
    let text = report.to_string();
    assert!(text.contains("from 468 pairs of successive frames of 12 videos"), "{text}");
}

/// What is said of pictures that `quick` has labelled, and the policy that is learnt of them.
fn taught_by_quick(options: TrainOptions) -> (Premodel, Report) {
    let mut profile = two_clusters("");
    profile.header.truth = Truth::Teacher(id("quick"));
    train(&[profile], &options).unwrap()
}

#[test]
fn a_teacher_is_not_chosen_among_unless_it_is_named() {
    let pool = |premodel: &Premodel| premodel.recipe().adaptive.clone().unwrap().pool;
    let (premodel, report) = taught_by_quick(TrainOptions::default());
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("wide"), &id("slow")]);
    assert!(!pool(&premodel).contains(&0), "quick is the first of three");
    assert!(report.to_string().contains("right by definition"), "{report}");
    let named = Some(vec![id("quick"), id("slow")]);
    let options = TrainOptions { models: named.clone(), pool: named, ..TrainOptions::default() };
    let (premodel, _) = taught_by_quick(options);
    assert_eq!(premodel.sequence().collect::<Vec<_>>(), [&id("quick"), &id("slow")]);
    assert_eq!(pool(&premodel), [0, 2]);
}

#[test]
fn profiles_of_other_models_are_not_joined() {
    let mut other = two_clusters("y");
    other.header.models[1].fingerprint = crate::models::Sha256Hex::of(b"another file");
    let error = error(&[two_clusters("x"), other], TrainOptions::default());
    assert_eq!(error, TrainError::DifferentModels { profile: 2, model: id("wide") });
}

#[test]
fn what_cannot_be_learnt_is_refused() {
    let options = TrainOptions::default;
    assert_eq!(error(&[], options()), TrainError::NoImage);
    assert_eq!(error(&[profile(Vec::new())], options()), TrainError::NoImage);
    let mut four = two_clusters("");
    four.images.truncate(4);
    assert_eq!(error(&[four], options()), TrainError::TooFewImages { images: 4, k: 5 });
    let twice = error(&[two_clusters(""), two_clusters("")], options());
    assert_eq!(twice, TrainError::DuplicateImage("d0".to_owned()));
    let hopeless = (0..20).map(|n| image(n.to_string(), n as f32, [WRONG; 3])).collect();
    assert_eq!(error(&[profile(hopeless)], options()), TrainError::NothingRight);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let profiles = [two_clusters("")];
    let models = |models| TrainOptions { models: Some(models), ..TrainOptions::default() };
    let unknown = error(&profiles, models(vec![id("other")]));
    assert!(unknown.to_string().contains("other; they have quick, wide, slow"), "{unknown}");
    assert_eq!(error(&profiles, models(Vec::new())), TrainError::NoModelAllowed);
    let k = |k| TrainOptions { k: KChoice::Fixed(k), ..TrainOptions::default() };
    assert_eq!(error(&profiles, k(0)), TrainError::K(0));
    assert_eq!(error(&profiles, k(256)), TrainError::K(256));
    assert_eq!(error(&profiles, k(101)), TrainError::TooFewImages { images: 100, k: 101 });
    let folds = |folds| TrainOptions { folds, ..TrainOptions::default() };
    assert_eq!(error(&profiles, folds(1)), TrainError::FoldCount(1));
    let too_many = TrainError::Folds { folds: 101, groups: 100 };
    assert_eq!(error(&profiles, folds(101)), too_many);
    for count in [0, 30] {
        let features = FeatureChoice::Count(count);
        let options = TrainOptions { features, ..TrainOptions::default() };
        assert_eq!(error(&profiles, options), TrainError::FeatureCount(count));
    }
    let theta = |theta| TrainOptions { theta, ..TrainOptions::default() };
    assert!(matches!(error(&profiles, theta(f64::NAN)), TrainError::Theta(_)));
    assert!(matches!(error(&profiles, theta(-1.0)), TrainError::Theta(_)));
    assert!(matches!(error(&profiles, theta(100.5)), TrainError::Theta(_)));
}

#[test]
fn different_machines_are_noted() {
    let mut other = two_clusters("y");
    other.header.machine.processor = "another\u{1b}[31m test".to_owned();
    let (premodel, report) = train(&[two_clusters("x"), other], &TrainOptions::default()).unwrap();
    assert!(report.to_string().contains("different machines"), "{report}");
    let expected = "200 pictures; measured on a test, 1 core, none; another[31m test, 1 core, none";
    assert_eq!(premodel.recipe().trained_on, expected);
}

#[test]
fn few_pictures_and_named_features_that_are_constant_are_noted() {
    let mut few = two_clusters("");
    few.images.drain(5..98);
    let set = FeatureSet::of_names(["hue1", "hue2"]).unwrap();
    let mut values = [7.0; Features::COUNT];
    for (number, image) in few.images.iter_mut().enumerate() {
        values[Features::COUNT - 1] = number as f32;
        image.features = Features::new(values).unwrap();
    }
    let options = TrainOptions {
        features: FeatureChoice::Named(set),
        k: KChoice::Fixed(7),
        folds: 2,
        ..TrainOptions::default()
    };
    let (_, report) = train(&[few], &options).unwrap();
    assert_eq!(report.evaluation, None, "half of the pictures are too few for a vote");
    let text = report.to_string();
    assert!(text.contains("Note: the feature hue1 is the same"), "{text}");
    assert!(text.contains("Note: no cross-validation"), "{text}");
}

#[test]
fn pictures_that_no_feature_tells_apart_teach_nothing() {
    let images = (0..12).map(|n| image(n.to_string(), 7.0, [RIGHT; 3])).collect();
    let nothing = error(&[profile(images)], TrainOptions::default());
    assert_eq!(nothing, TrainError::NothingDiffers);
}

#[test]
fn features_k_and_models_are_chosen_and_reported() {
    let mut random = fastrand::Rng::with_seed(4);
    // Only edge_angle2 (column 14) decides; column 2 is constant, column 3 a twin of column 4.
    let images = (0..300).map(|n| {
        let mut values: [f32; Features::COUNT] = std::array::from_fn(|_| random.f32());
        values[2] = 0.25;
        values[3] = 3.0 * values[4];
        let guesses = if values[14] > 0.4 { [RIGHT, WRONG, WRONG] } else { [WRONG, WRONG, RIGHT] };
        let features = Features::new(values).unwrap();
        ImageRecord { features, ..image(n.to_string(), 0.0, guesses) }
    });
    let profiles = [profile(images.collect())];
    let options = TrainOptions {
        features: FeatureChoice::Auto,
        k: KChoice::Auto,
        deployment: DeploymentMode::Optimal,
        ..TrainOptions::default()
    };
    let (premodel, report) = train(&profiles, &options).unwrap();
    assert!(premodel.features().names().any(|name| name == "edge_angle2"));
    assert!(premodel.features().len() <= 3, "{report}");
    assert_eq!(premodel.recipe().k, report.k.chosen);
    assert!(report.evaluation.as_ref().unwrap().premodel.accuracy > 95.0, "{report}");
    let text = report.to_string();
    for expected in [
        "brightness_rms             is the same on every picture",
        "r = +1.00 with",
        "% right without it",
        "k by cross-validation: 1: ",
        "by accuracy for time",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let (again, again_report) = train(&profiles, &options).unwrap();
    assert_eq!((again.to_bytes(), again_report), (premodel.to_bytes(), report));
    let seeded = TrainOptions { seed: 1, ..options };
    assert!(train(&profiles, &seeded).is_ok());
}

#[test]
fn a_premodel_no_better_than_lots_is_noted() {
    // Which model is right has nothing to do with the features.
    let guesses =
        |n: usize| if n * 7 % 10 < 6 { [RIGHT, WRONG, WRONG] } else { [WRONG, WRONG, RIGHT] };
    let images =
        (0..200).map(|n| image(n.to_string(), (n * 37 % 101) as f32, guesses(n))).collect();
    let (_, report) = train(&[profile(images)], &TrainOptions::default()).unwrap();
    assert!(report.to_string().contains("no better than drawing lots"), "{report}");
}
