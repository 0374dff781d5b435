//! Learning from drawn answers of which it is known what should be learnt.

use std::time::Duration;

use super::*;
use crate::adaptive::Guesses;
use crate::learn::adapt::assurance::{cross_validate, note, policy};
use crate::learn::profile_file::Truth;

const CLASSES: usize = 50;

/// A picture of `class`; each model's first guess and its confidence. The rest of the probability
/// goes to the true class, if that is not the guess.
fn answered(class: usize, guesses: &[(usize, f32)]) -> Answered {
    let listed = |&(guess, confidence): &(usize, f32)| {
        let second = if guess == class { (class + 1) % CLASSES } else { class };
        let rest = (1.0 - confidence).min(confidence) * 0.9;
        Guesses::new(&[(guess, confidence), (second, rest)], CLASSES)
    };
    Answered {
        class,
        group: None,
        number: 0,
        change: None,
        guesses: guesses.iter().map(listed).collect(),
        right: guesses.iter().map(|&(guess, _)| guess == class).collect(),
    }
}

fn answers(names: &[&str], times: &[u64], pictures: Vec<Answered>) -> Answers {
    Answers {
        models: names.iter().map(|name| ModelId::new(name).unwrap()).collect(),
        times: times.iter().map(|&time| Duration::from_millis(time)).collect(),
        classes: CLASSES,
        truth: Truth::Labels,
        pictures,
    }
}

/// A quick model that is right, and sure, on two pictures of three and unsure on the others, where
/// it is wrong; and a slow one that is right on nine of ten, whatever the picture.
fn quick_and_slow(count: usize) -> Answers {
    let mut random = fastrand::Rng::with_seed(5);
    let mut picture = |number: usize| {
        // Each class comes in every fold.
        let class = number / 7 % CLASSES;
        let wrong = (class + 7) % CLASSES;
        let quick = match number % 3 {
            0 => (wrong, 0.3 + 0.2 * random.f32()),
            _ => (class, 0.8 + 0.15 * random.f32()),
        };
        let slow = if random.u8(..10) == 0 { (wrong, 0.5) } else { (class, 0.7) };
        answered(class, &[quick, slow])
    };
    let pictures = (0..count).map(&mut picture).collect();
    answers(&["quick", "slow"], &[5, 50], pictures)
}

fn everything(answers: &Answers) -> Vec<usize> {
    (0..answers.pictures.len()).collect()
}

fn folds(answers: &Answers, count: usize) -> Vec<Vec<usize>> {
    (0..count).map(|fold| (fold..answers.pictures.len()).step_by(count).collect()).collect()
}

fn right_and_runs(answers: &Answers, trials: &[Trial]) -> (f64, f64) {
    let right = trials.iter().zip(&answers.pictures).filter(|(t, p)| t.is_right(p.class)).count();
    let runs: usize = trials.iter().map(|trial| trial.runs.len()).sum();
    (right as f64 / trials.len() as f64, runs as f64 / trials.len() as f64)
}

#[test]
fn the_slow_model_runs_where_the_quick_one_is_unsure() {
    let answers = quick_and_slow(600);
    let options = AdaptOptions::default();
    let tested =
        cross_validate(&answers, &folds(&answers, 5), &options, &answers.times, None).unwrap();
    let cheap = tested.trials.len() / 2;
    let (right, runs) = right_and_runs(&answers, &tested.trials[cheap]);
    assert!(right > 0.9, "the quick model alone is right on two thirds: {right}");
    assert!((1.2..1.5).contains(&runs), "{runs} runs a picture");
    let unsure = tested.trials[cheap].iter().step_by(3);
    assert!(unsure.clone().filter(|trial| trial.runs.len() == 2).count() > unsure.count() * 9 / 10);
}

#[test]
fn dear_time_is_spent_on_fewer_runs() {
    let answers = quick_and_slow(600);
    let options = AdaptOptions::default();
    let tested =
        cross_validate(&answers, &folds(&answers, 5), &options, &answers.times, None).unwrap();
    let time = |trials: &[Trial]| trials.iter().map(|trial| trial.time).sum::<Duration>();
    let times: Vec<Duration> = tested.trials.iter().map(|trials| time(trials)).collect();
    assert!(times.first() <= times.last(), "the quickest point comes first: {times:?}");
    let mut knowledge = fit(&answers, &everything(&answers), &options).unwrap();
    note(&mut knowledge.points, &tested, &answers, &everything(&answers));
    for point in &knowledge.points {
        assert!(point.assured_accuracy < point.accuracy, "{point:?}");
        assert!((4.9..55.1).contains(&point.mean_time_ms), "{point:?}");
    }
}

#[test]
fn what_is_learnt_is_sound_and_the_same_every_time() {
    let answers = quick_and_slow(300);
    let learnt = fit(&answers, &everything(&answers), &AdaptOptions::default()).unwrap();
    assert_eq!(learnt.check(2), Ok(()));
    let again = fit(&answers, &everything(&answers), &AdaptOptions::default()).unwrap();
    assert_eq!(learnt, again);
}

#[test]
fn without_escalation_one_model_runs() {
    let answers = quick_and_slow(300);
    let options = AdaptOptions { without: Some(Part::Escalation), ..AdaptOptions::default() };
    let policy = policy(fit(&answers, &everything(&answers), &options).unwrap(), &answers);
    for picture in 0..30 {
        assert_eq!(try_out(&policy, &answers, picture, &answers.times, None).runs.len(), 1);
    }
}

#[test]
fn a_budget_is_kept() {
    let answers = quick_and_slow(300);
    let policy =
        policy(fit(&answers, &everything(&answers), &AdaptOptions::default()).unwrap(), &answers);
    let within =
        |ms| try_out(&policy, &answers, 0, &answers.times, Some(Duration::from_millis(ms))).runs;
    assert_eq!(within(3), [0_usize; 0]);
    assert_eq!(within(20), [0]);
}

#[test]
fn fusion_beats_models_that_err_apart() {
    // Each of two models errs on another third, unsure; where both are right both are sure.
    let picture = |number: usize| {
        let class = number / 7 % CLASSES;
        let wrong = (class + 3) % CLASSES;
        let of = |errs: bool| if errs { (wrong, 0.4) } else { (class, 0.8) };
        answered(class, &[of(number.is_multiple_of(3)), of(number % 3 == 1)])
    };
    let answers = answers(&["one", "other"], &[10, 11], (0..300).map(picture).collect());
    let right = |without| {
        let options = AdaptOptions { without, pool: Some(answers.models.clone()) };
        let tested =
            cross_validate(&answers, &folds(&answers, 5), &options, &answers.times, None).unwrap();
        right_and_runs(&answers, tested.trials.last().unwrap()).0
    };
    assert!(right(None) > 0.99);
    assert!(right(Some(Part::Escalation)) < 0.7, "either alone errs on a third");
}

#[test]
fn classes_that_come_often_are_more_likely_unless_that_harms_the_rare() {
    // A model that confuses class 0, which is frequent, with class 9, which never comes.
    let picture = |number: usize| {
        let class = if number.is_multiple_of(4) { 1 + number / 4 % 5 } else { 0 };
        let confused = number % 8 == 1;
        answered(class, &[(if confused { 9 } else { class }, 0.5)])
    };
    let answers = answers(&["one"], &[10], (0..400).map(picture).collect());
    let learnt = fit(&answers, &everything(&answers), &AdaptOptions::default()).unwrap();
    assert!(learnt.prior.strength > 0.0);
    assert!(learnt.prior.of(0) > learnt.prior.of(1));
    assert_eq!(learnt.prior.of(9), 0.0);
    let options = AdaptOptions { without: Some(Part::Prior), ..AdaptOptions::default() };
    let without = fit(&answers, &everything(&answers), &options).unwrap();
    assert_eq!(without.prior, Prior::none());
    let right = |knowledge: Knowledge| {
        let policy = policy(knowledge, &answers);
        let tried =
            (0..400).map(|picture| try_out(&policy, &answers, picture, &answers.times, None));
        tried.zip(&answers.pictures).filter(|(trial, p)| trial.is_right(p.class)).count()
    };
    assert!(right(learnt) > right(without));
}

#[test]
fn the_pool_leaves_out_what_adds_nothing_and_keeps_partners() {
    // "late" answers as "early" does; "partner" errs as often, elsewhere; "best" never errs.
    let picture = |number: usize| {
        let class = number / 7 % CLASSES;
        let wrong = (class + 3) % CLASSES;
        let of = |errs: bool| if errs { (wrong, 0.4) } else { (class, 0.8) };
        let third = |rest: usize| of(number % 3 == rest);
        answered(class, &[third(0), third(0), third(1), of(false)])
    };
    let names = ["late", "early", "partner", "best"];
    let answers = answers(&names, &[9, 4, 10, 90], (0..300).map(picture).collect());
    let learnt = fit(&answers, &everything(&answers), &AdaptOptions::default()).unwrap();
    assert_eq!(learnt.pool, [1, 2], "together they are as good as the best, and quicker");
    let named = |names: &[&str]| {
        let pool = names.iter().map(|name| ModelId::new(name).unwrap()).collect();
        let options = AdaptOptions { pool: Some(pool), without: None };
        fit(&answers, &everything(&answers), &options)
    };
    assert_eq!(named(&["best", "late"]).unwrap().pool, [0, 3]);
    let unknown = named(&["nobody"]).unwrap_err();
    assert_eq!(unknown, AdaptError::UnknownModel(ModelId::new("nobody").unwrap()));
    assert_eq!(fit(&answers, &[], &AdaptOptions::default()), Err(AdaptError::NoPicture));
}
