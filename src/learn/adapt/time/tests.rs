//! Drawn videos, of which it is known what they teach. The policy is written by hand: the quick model,
//! then the large one where the quick one is given less than one half.

use super::*;
use crate::adaptive::Guesses;
use crate::adaptive::tests::policy;
use crate::models::ModelId;

const CLASSES: usize = 10;

/// A difference that is no reuse and no cut.
const MOVING: f32 = 0.05;

/// A frame of a video, which begins it if it differs from nothing; the first guesses of the quick and
/// the large model, and their confidences.
fn frame(change: Option<f32>, class: usize, guesses: [(usize, f32); 2]) -> Answered {
    Answered {
        class,
        group: Some("a".to_owned()),
        number: 0,
        change,
        guesses: guesses.map(says).to_vec(),
        right: guesses.map(|(guess, _)| guess == class).to_vec(),
    }
}

/// The first guess as it is, the others alike.
fn says((guess, confidence): (usize, f32)) -> Guesses {
    let mut probabilities = [(1.0 - confidence) / (CLASSES - 1) as f32; CLASSES];
    probabilities[guess] = confidence;
    Guesses::of(&probabilities)
}

/// A frame that both models know.
fn plain(change: Option<f32>, class: usize) -> Answered {
    frame(change, class, [(class, 0.9); 2])
}

/// The frames are numbered, one in `every`.
fn every(every: u64, mut pictures: Vec<Answered>) -> Answers {
    for (number, picture) in (0..).zip(&mut pictures) {
        picture.number = number * every;
    }
    Answers {
        models: ["quick", "large"].map(|name| ModelId::new(name).unwrap()).to_vec(),
        times: [5, 50].map(Duration::from_millis).to_vec(),
        classes: CLASSES,
        truth: Truth::Labels,
        pictures,
    }
}

fn video(pictures: Vec<Answered>) -> Answers {
    every(1, pictures)
}

/// So many frames, the first of which begins the video.
fn frames(count: usize, frame: impl FnMut(usize) -> Answered) -> Vec<Answered> {
    let mut frames: Vec<Answered> = (0..count).map(frame).collect();
    frames[0].change = None;
    frames
}

fn runs(trials: &[Trial]) -> Vec<usize> {
    trials.iter().map(|trial| trial.runs.len()).collect()
}

fn everything(answers: &Answers) -> Vec<usize> {
    (0..answers.pictures.len()).collect()
}

fn taught(answers: &Answers, policy: &Adaptive) -> TimeFit {
    studied(answers, policy).time
}

/// What all pictures teach.
fn studied(answers: &Answers, policy: &Adaptive) -> Study {
    study(answers, &everything(answers), policy)
}

#[test]
fn a_still_video_teaches_reuse_as_far_as_its_answers_stay_right() {
    let mut pictures = frames(400, |_| plain(Some(0.001), 3));
    pictures.extend((0..100).map(|_| plain(Some(0.008), 3)));
    pictures.extend((0..50).map(|number| plain(Some(0.04), 4 + number % 2)));
    let study = studied(&video(pictures), &policy());
    assert_eq!((study.videos, study.frames, study.pairs), (1, 550, 549));
    let passed = study.passed.unwrap();
    assert_eq!((passed.below, passed.pairs, passed.lost), (0.01, 499, 0));
    let refused = study.refused.unwrap();
    assert_eq!((refused.below, refused.pairs, refused.lost), (0.05, 549, 50));
    let TimeFit { reuse_below, reuse_at_most, cut_above, .. } = study.time;
    assert_eq!(reuse_below, 0.01);
    assert_eq!((reuse_at_most, cut_above), (UNLEARNT.reuse_at_most, UNLEARNT.cut_above));
    assert!(study.to_string().contains("less than 0.01 take over an answer: 0 of 499"), "{study}");
}

#[test]
fn what_a_model_says_of_a_still_video_teaches_nothing() {
    let mut answers = video(frames(400, |_| plain(Some(0.001), 3)));
    assert_eq!(taught(&answers, &policy()).reuse_below, 0.002);
    answers.truth = Truth::Ensemble;
    let study = studied(&answers, &policy());
    assert_eq!((study.time, study.pairs), (UNLEARNT, 399));
    assert!(study.to_string().contains("flicker"), "{study}");
}

#[test]
fn a_video_whose_class_changes_under_tiny_changes_teaches_no_reuse() {
    let study = studied(&video(frames(400, |number| plain(Some(0.001), number % 2))), &policy());
    let refused = study.refused.unwrap();
    assert_eq!((refused.below, refused.lost), (0.002, 399));
    assert_eq!((study.time.reuse_below, study.passed), (0.0, None));
    assert!(study.to_string().contains("no frame takes over an answer: 399 of 399"), "{study}");
}

#[test]
fn reuse_is_learnt_from_enough_pairs_and_may_lose_a_few() {
    let learnt = |count, cuts: usize| {
        let class = |number| if number < cuts { number % 2 } else { 3 };
        taught(&video(frames(count, |number| plain(Some(0.001), class(number)))), &policy())
            .reuse_below
    };
    assert_eq!(learnt(299, 0), 0.0, "298 pairs are too few");
    assert_eq!(learnt(300, 0), 0.002);
    assert_eq!(learnt(1000, 2), 0.002, "two losses of 999 are few");
    assert_eq!(learnt(1000, 8), 0.0, "eight may be one in a hundred");
}

#[test]
fn a_loss_among_too_few_pairs_ends_the_search() {
    let mut pictures = frames(600, |_| plain(Some(0.008), 3));
    pictures.push(plain(Some(0.001), 4));
    assert_eq!(taught(&video(pictures), &policy()).reuse_below, 0.0);
}

#[test]
fn an_answer_that_is_wrong_anyhow_is_no_loss() {
    let wrong = |number| frame(Some(0.001), number % 2, [(7, 0.9); 2]);
    assert_eq!(taught(&video(frames(400, wrong)), &policy()).reuse_below, 0.002);
}

/// The truth stays; the quick model is often wrong and does not know it, the large one seldom.
fn erring(count: usize) -> Vec<Answered> {
    let mut random = fastrand::Rng::with_seed(7);
    frames(count, |_| {
        let mut guess = |wrong_in_ten| match random.u8(..10) < wrong_in_ten {
            true => 4 + random.usize(..6),
            false => 3,
        };
        let [quick, large] = [4, 1].map(&mut guess);
        frame(Some(MOVING), 3, [(quick, 0.55), (large, 0.9)])
    })
}

#[test]
fn memory_helps_where_models_err_at_random() {
    let study = studied(&video(erring(600)), &policy());
    assert!(study.time.remembered > 0.0, "{study}");
    let (with, without) = study.right;
    assert!((0.5..0.7).contains(&without) && with > without + 0.05, "{study}");
}

#[test]
fn memory_is_refused_where_the_truth_alternates() {
    let unsure_then_sure = |number| {
        let class = 4 + number % 2;
        frame(Some(MOVING), class, [(class, 0.4), (class, 0.9)])
    };
    let study = studied(&video(frames(100, unsure_then_sure)), &policy());
    assert_eq!(study.time.remembered, 0.0);
    assert!(study.right.0 < 0.9 && study.right.1 == 1.0, "{study}");
}

#[test]
fn frames_far_apart_teach_no_memory() {
    let study = studied(&every(30, erring(300)), &policy());
    assert_eq!(study.time.remembered, 0.0);
    assert_eq!(study.right.0, study.right.1);
}

#[test]
fn without_videos_nothing_is_learnt() {
    let image = || Answered { group: None, ..plain(None, 3) };
    let lone = || plain(None, 3);
    for pictures in [vec![], (0..400).map(|_| image()).collect(), vec![lone(), lone()]] {
        let study = studied(&video(pictures), &policy());
        assert_eq!((study.time, study.pairs), (UNLEARNT, 0));
        assert!(study.to_string().contains("not learnt but assumed"), "{study}");
    }
}

#[test]
fn frames_that_compare_with_none_begin_a_video() {
    let of = |group: &str, change| Answered { group: Some(group.to_owned()), ..plain(change, 3) };
    let image = Answered { group: None, ..plain(None, 3) };
    let near = Some(0.001);
    let pictures =
        vec![of("a", None), image, of("a", near), of("b", None), of("a", near), of("a", None)];
    let answers = video(pictures);
    assert_eq!(clips(&answers, &everything(&answers)), [vec![0, 2, 4], vec![3], vec![5]]);
    assert_eq!(clips(&answers, &[1, 3, 5]), [vec![3], vec![5]]);
}

#[test]
fn frames_are_reused_until_they_have_drifted_away_or_are_too_many() {
    let time = TimeFit { reuse_below: 0.01, reuse_at_most: 3, cut_above: 0.2, remembered: 0.5 };
    let played = |changes: &[f32]| {
        let frames = frames(changes.len(), |number| plain(Some(changes[number]), 3));
        let answers = video(frames);
        let policy = policy().with_time(time);
        let trials = play(&policy, &answers, &everything(&answers), &answers.times);
        assert!(trials.iter().all(|trial| trial.is_right(3)));
        assert!(trials.iter().all(|trial| trial.time.is_zero() == trial.runs.is_empty()));
        runs(&trials)
    };
    assert_eq!(played(&[0.0, 0.004, 0.004, 0.004, 0.004]), [1, 0, 0, 1, 0]);
    assert_eq!(played(&[0.0; 6]), [1, 0, 0, 0, 1, 0]);
}

#[test]
fn a_scene_goes_on_until_it_is_cut() {
    let time = TimeFit { reuse_below: 0.0, reuse_at_most: 0, cut_above: 0.2, remembered: 0.9 };
    // The quick model doubts, so that the large one is asked where nothing is known yet.
    let doubtful = |change| frame(change, 3, [(3, 0.3), (3, 0.9)]);
    let changes = [None, Some(0.1), Some(0.1), Some(0.3), Some(0.1)];
    let answers = video(changes.map(doubtful).into());
    let trials = play(&policy().with_time(time), &answers, &everything(&answers), &answers.times);
    assert_eq!(runs(&trials), [2, 0, 0, 2, 0]);
}

#[test]
fn without_reuse_and_memory_every_frame_stands_for_itself() {
    let answers = video(erring(50));
    let policy = policy().with_time(TimeFit::NONE);
    let played = play(&policy, &answers, &everything(&answers), &answers.times);
    let alone = |frame| try_out(&policy, &answers, frame, &answers.times, None);
    assert_eq!(played, (0..50).map(alone).collect::<Vec<_>>());
}
