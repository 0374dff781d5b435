//! The policy on a pool of two models whose knowledge is written by hand.

use super::*;
use crate::models::ModelId;

const QUICK: usize = 0;
const LARGE: usize = 1;

fn fit(set: ModelSet, weights: &[f32]) -> SetFit {
    // Certainty rises with confidence: 0.12 at 0, 0.88 at 1.
    SetFit { set, weights: weights.to_vec(), right: Right([-2.0, 4.0, 0.0, 0.0]) }
}

/// Quick, then large where the certainty is below one half.
pub(crate) fn knowledge() -> Knowledge {
    let [quick, large] = [QUICK, LARGE].map(|model| ModelSet::EMPTY.with(model));
    let both = quick.with(LARGE);
    let point = OperatingPoint {
        price_per_ms: 0.01,
        start: vec![0.6, 0.4],
        gains: vec![
            GainFit { set: quick, model: LARGE, weights: [0.5, 0.0, -1.0] },
            GainFit { set: large, model: QUICK, weights: [-1.0, 0.0, 0.0] },
        ],
        mean_time_ms: 7.0,
        accuracy: 0.8,
        assured_accuracy: 0.75,
    };
    Knowledge {
        pool: vec![0, 1],
        classes: 10,
        prior: Prior::none(),
        sets: vec![fit(quick, &[1.0]), fit(large, &[1.0]), fit(both, &[0.5, 1.0])],
        points: vec![point],
        chosen: 0,
        time: TimeFit { reuse_below: 0.01, reuse_at_most: 5, cut_above: 0.2, remembered: 0.5 },
    }
}

fn names() -> Vec<ModelId> {
    ["quick", "large"].map(|name| ModelId::new(name).unwrap()).to_vec()
}

pub(crate) fn policy() -> Adaptive {
    Adaptive::new(knowledge(), names(), |_| true).unwrap()
}

fn models(preferences: &[Preference]) -> Vec<usize> {
    preferences.iter().map(|preference| preference.model).collect()
}

/// Probabilities of ten classes, `class` with `confidence`.
fn says(class: usize, confidence: f32) -> Vec<f32> {
    let mut probabilities = vec![(1.0 - confidence) / 9.0; 10];
    probabilities[class] = confidence;
    probabilities
}

#[test]
fn the_hand_written_knowledge_is_sound() {
    assert_eq!(knowledge().check(2), Ok(()));
}

#[test]
fn a_frame_begins_with_the_best_start_and_ends_when_sure() {
    let policy = policy();
    let mut evidence = Evidence::default();
    assert_eq!(models(&policy.start(&evidence)), [QUICK, LARGE]);
    policy.observe(&mut evidence, QUICK, &says(3, 0.9));
    assert!(evidence.certainty() > 0.5);
    assert!(policy.next(&evidence).is_empty());
    assert_eq!(evidence.answer().unwrap().top(), Some(3));
}

#[test]
fn a_model_that_doubts_is_followed_by_the_other_and_both_are_fused() {
    let policy = policy();
    let mut evidence = Evidence::default();
    policy.observe(&mut evidence, QUICK, &says(3, 0.3));
    assert_eq!(models(&policy.next(&evidence)), [LARGE]);
    policy.observe(&mut evidence, LARGE, &says(5, 0.8));
    assert_eq!(evidence.answer().unwrap().top(), Some(5));
    assert_eq!(evidence.runs(), [QUICK, LARGE]);
    assert!(policy.next(&evidence).is_empty(), "nothing is left to run");
}

#[test]
fn a_model_that_is_not_loaded_is_never_asked_for() {
    let quick = names()[QUICK].clone();
    let policy = Adaptive::new(knowledge(), names(), |model| *model == quick).unwrap();
    let mut evidence = Evidence::default();
    assert_eq!(models(&policy.start(&evidence)), [QUICK]);
    policy.observe(&mut evidence, QUICK, &says(3, 0.3));
    assert!(policy.next(&evidence).is_empty());
    assert!(Adaptive::new(knowledge(), names(), |_| false).is_err());
}

#[test]
fn evidence_of_a_scene_fades_and_is_forgotten() {
    let policy = policy();
    let mut evidence = Evidence::default();
    policy.observe(&mut evidence, LARGE, &says(5, 0.9));
    let mut carried = policy.carry(&evidence, 0.5);
    assert_eq!(carried.answer().unwrap().top(), Some(5));
    assert!(carried.certainty() < evidence.certainty());
    assert!(carried.runs().is_empty());
    policy.observe(&mut carried, QUICK, &says(3, 0.4));
    assert_eq!(carried.answer().unwrap().top(), Some(5), "what was sure outweighs what doubts");
    let mut gone = carried;
    for _ in 0..4 {
        gone = policy.carry(&gone, 0.5);
    }
    assert_eq!(gone.answer(), None);
    assert!(policy.carry(&evidence, 0.0).answer().is_none());
}

#[test]
fn a_model_looks_again_once_half_of_what_it_said_is_forgotten() {
    let policy = policy();
    let mut evidence = Evidence::default();
    policy.observe(&mut evidence, QUICK, &says(5, 0.2));
    policy.observe(&mut evidence, LARGE, &says(5, 0.2));
    let recent = policy.carry(&evidence, 0.9);
    assert!(policy.start(&recent).is_empty(), "the scene's answer does");
    let mut half_forgotten = policy.carry(&evidence, 0.4);
    policy.observe(&mut half_forgotten, QUICK, &says(5, 0.2));
    assert_eq!(models(&policy.next(&half_forgotten)), [LARGE], "it still doubts");
    let mut averaged = policy.carry(&evidence, 0.9);
    policy.observe(&mut averaged, QUICK, &says(3, 0.22));
    assert_eq!(averaged.answer().unwrap().top(), Some(5), "one look does not outweigh three");
}

#[test]
fn a_known_scene_is_looked_at_by_models_that_add_to_what_is_known_of_it() {
    let policy = policy();
    let mut evidence = Evidence::default();
    policy.observe(&mut evidence, LARGE, &says(5, 0.99));
    assert!(policy.start(&policy.carry(&evidence, 1.0)).is_empty());
    let mut doubtful = Evidence::default();
    policy.observe(&mut doubtful, QUICK, &says(5, 0.2));
    assert_eq!(models(&policy.start(&policy.carry(&doubtful, 1.0))), [LARGE]);
}

#[test]
fn what_a_study_adds_is_weighed_and_of_too_many_models_the_quickest_goes() {
    let policy = policy();
    let mut evidence = Evidence::default();
    policy.observe(&mut evidence, QUICK, &says(5, 0.6));
    policy.study(&mut evidence, LARGE, &says(3, 0.9));
    assert_eq!(evidence.answer().unwrap().top(), Some(3));
    assert_eq!(evidence.runs(), [QUICK], "on this frame");
    let mut knowledge = knowledge();
    knowledge.sets.pop();
    knowledge.points[0].gains.clear();
    assert_eq!(knowledge.check(2), Ok(()));
    let alone = Adaptive::new(knowledge, names(), |_| true).unwrap();
    let mut evidence = Evidence::default();
    alone.observe(&mut evidence, QUICK, &says(5, 0.99));
    alone.study(&mut evidence, LARGE, &says(3, 0.5));
    assert_eq!((evidence.answer().unwrap().top(), evidence.runs().len()), (Some(3), 0));
    alone.study(&mut evidence, LARGE, &says(4, 0.9));
    assert_eq!(evidence.answer().unwrap().top(), Some(4), "both looks on average");
}

#[test]
fn faults_of_knowledge_are_named() {
    let fault = |spoil: fn(&mut Knowledge)| {
        let mut knowledge = knowledge();
        spoil(&mut knowledge);
        knowledge.check(2).unwrap_err().to_string()
    };
    assert!(fault(|k| k.pool = vec![0, 7]).contains("names model 7"));
    assert!(fault(|k| k.pool = vec![0, 0]).contains("twice"));
    assert!(fault(|k| k.prior.seen = vec![(9, 1.0), (2, 1.0)]).contains("out of order"));
    assert!(fault(|k| drop(k.sets.pop())).contains("no known set"));
    assert!(fault(|k| drop(k.sets.remove(0))).contains("not all sets"));
    assert!(fault(|k| k.sets[0].weights.push(1.0)).contains("2 weights"));
    assert!(fault(|k| k.chosen = 1).contains("number 1 is chosen"));
    assert!(fault(|k| k.points[0].gains[0].weights[1] = f32::NAN).contains("NaN"));
    assert!(fault(|k| k.time.remembered = 2.0).contains("not 0 to 1"));
}

#[test]
fn sets_come_smallest_first_and_hold_their_members() {
    let sets = ModelSet::all(3, 2);
    assert_eq!(sets.len(), 6);
    assert_eq!(sets[3].members().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(ModelSet::all(8, 8).len(), 255);
}
