//! What is remembered over restarts, and what is not.

use std::fs;
use std::path::Path;

use super::*;
use crate::models::{Provider, Sha256Hex};

fn device_key(name: &str, threads: usize) -> DeviceKey {
    DeviceKey::new(Provider::Cpu, name, threads)
}

fn mode(governor: &str) -> PowerMode {
    serde_json::from_value(format!("cpufreq {governor}").into()).unwrap()
}

fn model(name: &str) -> Sha256Hex {
    Sha256Hex::of(name.as_bytes())
}

/// Two models that ran on an `abacus` in the power mode `schedutil`, with a tail at the first.
fn remembered() -> (Device, Saved) {
    let mut device = Device::new(0.999, &[5.0, 20.0], 0.03);
    device.outliers = 0.01;
    device.run_any(2000);
    let mut saved = Saved::default();
    for (name, runner) in ["small", "large"].into_iter().zip(device.runners.clone()) {
        let remembered = device.estimator.remember(runner);
        saved.remember(device_key("abacus", 1), mode("schedutil"), model(name), remembered);
    }
    (device, saved)
}

fn get<'a>(saved: &'a Saved, name: &str) -> Option<&'a Remembered> {
    saved.remembered(&device_key("abacus", 1), &mode("schedutil"), &model(name))
}

/// The next start: each model warms up with five even runs of so many milliseconds.
fn restarted(saved: &Saved, warm_up_ms: [f64; 2]) -> (Estimator, Vec<RunnerId>) {
    let mut estimator = Estimator::new(OnTime::default());
    let runners = ["small", "large"]
        .into_iter()
        .zip(warm_up_ms)
        .filter_map(|(name, ms)| estimator.add(&[cost(1.0, ms); 5], get(saved, name)));
    let runners = runners.collect();
    (estimator, runners)
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let (_, saved) = remembered();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latencies.json");
    saved.save(&path).unwrap();
    let read = Saved::load(&path).unwrap().unwrap();
    for name in ["small", "large"] {
        let memories = [&saved, &read].map(|saved| get(saved, name).unwrap().memory());
        for (written, read) in memories[0].iter().zip(&memories[1]) {
            assert!((written.median - read.median).abs() < 1e-9);
            assert_eq!(written.residuals, read.residuals);
            assert!(read.residuals.len() > 900);
        }
    }
    read.save(&path).unwrap();
    assert!(Saved::load(&path).unwrap().is_some(), "a file is replaced");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_restart_keeps_how_runs_spread() {
    let (device, saved) = remembered();
    let (estimator, runners) = restarted(&saved, [5.0, 20.0]);
    for (before, after) in device.runners.iter().zip(&runners) {
        let allowed = |estimator: &Estimator, runner| milliseconds(estimator.allowance(runner).run);
        let (before, after) = (allowed(&device.estimator, *before), allowed(&estimator, *after));
        assert!((before / after).ln().abs() < 0.15, "{before} ms, then {after} ms");
    }
    let slowdown = estimator.slowdown();
    assert!((slowdown.mean - 1.0).abs() < 0.05, "{slowdown:?}");
    assert!(slowdown.deviation > 0.09, "how slow it is shows in the first runs: {slowdown:?}");
}

#[test]
fn a_warm_up_shows_that_the_device_is_slow() {
    let (_, saved) = remembered();
    let (estimator, runners) = restarted(&saved, [9.0, 36.0]);
    assert!((estimator.slowdown().mean - 1.8).abs() < 0.1, "{:?}", estimator.slowdown());
    let expected = estimator.expected(runners[1]).run;
    assert!((milliseconds(expected) - 36.0).abs() < 1.0, "{expected:?}");
}

#[test]
fn the_order_in_which_runners_are_added_does_not_matter() {
    let (_, saved) = remembered();
    let warm_ups = [("small", 9.0), ("new", 7.0), ("large", 36.0)];
    let estimates = |order: [usize; 3]| {
        let mut estimator = Estimator::new(OnTime::default());
        let mut estimates = [Cost::default(); 3];
        let add = |place: usize| {
            let (name, ms) = warm_ups[place];
            (place, estimator.add(&[cost(1.0, ms); 5], get(&saved, name)).unwrap())
        };
        let runners = order.map(add);
        // What a slow device makes of them is told from what it is usually.
        (0..5000).for_each(|_| estimator.learn(runners[0].1, cost(1.0, warm_ups[order[0]].1)));
        runners.iter().for_each(|(place, id)| estimates[*place] = estimator.expected(*id));
        (estimates.map(|cost| cost.run.as_micros() / 100), estimator.slowdown().mean)
    };
    let (first, second) = (estimates([0, 1, 2]), estimates([0, 2, 1]));
    assert_eq!(first.0, second.0);
    assert!((first.1 - second.1).abs() < 0.01, "{first:?} {second:?}");
}

#[test]
fn the_slowdown_is_not_remembered() {
    let (mut device, _) = remembered();
    let usual = device.estimator.remember(device.runners[1]).memory()[1].median;
    device.slowdown = 2.0;
    device.run_any(20);
    let slow = device.estimator.remember(device.runners[1]).memory()[1].median;
    assert!((usual - slow).abs() < 0.05, "{usual} {slow}");
}

#[test]
fn another_setting_or_model_is_not_mixed_up() {
    let (_, saved) = remembered();
    let find = |device, power_mode, name| saved.remembered(&device, &power_mode, &model(name));
    assert!(find(device_key("abacus", 1), mode("schedutil"), "small").is_some());
    assert!(find(device_key("abacus", 1), mode("powersave"), "small").is_none());
    assert!(find(device_key("abacus", 2), mode("schedutil"), "small").is_none());
    assert!(find(device_key("quipu", 1), mode("schedutil"), "small").is_none());
    let gpu = DeviceKey::new(Provider::Cuda, "abacus", 1);
    assert!(find(gpu, mode("schedutil"), "small").is_none());
    assert!(find(device_key("abacus", 1), mode("schedutil"), "other weights").is_none());
}

#[test]
fn what_was_used_the_longest_time_ago_is_forgotten() {
    let (device, mut saved) = remembered();
    let some = device.estimator.remember(device.runners[0]);
    for number in 0..100 {
        let (key, name) = (device_key("abacus", 1), format!("model {number}"));
        saved.remember(key, mode("schedutil"), model(&name), some.clone());
    }
    assert!(get(&saved, "small").is_none() && get(&saved, "model 35").is_none());
    assert!(get(&saved, "model 36").is_some() && get(&saved, "model 99").is_some());
    for number in 0..32 {
        let key = device_key(&format!("device {number}"), 1);
        saved.remember(key, mode("schedutil"), model("small"), some.clone());
    }
    assert!(get(&saved, "model 99").is_none());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latencies.json");
    saved.save(&path).unwrap();
    assert!(Saved::load(&path).unwrap().is_some(), "what is written is read");
}

fn load(text: &str) -> Result<Option<Saved>, SavedError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latencies.json");
    fs::write(&path, text).unwrap();
    Saved::load(&path)
}

#[test]
fn a_file_that_is_not_there_is_none() {
    assert!(matches!(Saved::load(Path::new("/nowhere/latencies.json")), Ok(None)));
    let error = Saved::load(Path::new("/")).unwrap_err();
    assert!(matches!(error, SavedError::Read { .. }), "{error}");
}

#[test]
fn a_damaged_file_says_what_is_wrong_with_it() {
    let (_, saved) = remembered();
    let whole = serde_json::to_string(&saved).unwrap();
    assert!(load(&whole).unwrap().is_some());
    let cut = &whole[..whole.len() / 2];
    let unknown = whole.replacen("\"power_mode\"", "\"mood\"", 1);
    let slow = r#"{"median_us":-1.0,"residuals":[]}"#;
    let wild = r#"{"median_us":1.0,"residuals":[0,-300001]}"#;
    let long = format!(r#"{{"median_us":1.0,"residuals":[{}0]}}"#, "0,".repeat(2048));
    let with = |part: &str| {
        let models =
            format!(r#"[{{"fingerprint":"{}","preprocess":{part},"run":{part}}}]"#, model("small"));
        let device = r#"{"provider":"cpu","name":"abacus","threads":1}"#;
        format!(
            r#"{{"version":1,"settings":[{{"device":{device},"power_mode":"unknown","models":{models}}}]}}"#
        )
    };
    assert!(load(&with(r#"{"median_us":1.0,"residuals":[1,-1]}"#)).unwrap().is_some());
    for (text, fault) in [
        ("", "EOF"),
        ("\u{0}\u{0}", "expected value"),
        ("{}", "missing field `version`"),
        (cut, "EOF"),
        (&unknown, "unknown field `mood`"),
        (&with(slow), "preprocess.median_us = -1 is no time"),
        (&with(wild), "residuals has -300001"),
        (&with(&long), "more than 2048 numbers"),
        (&with("{}"), "missing field"),
    ] {
        let error = load(text).unwrap_err();
        assert!(matches!(error, SavedError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(fault), "{error}");
        assert!(error.to_string().contains("estimates start from the warm-up"), "{error}");
    }
}

#[test]
fn runs_of_several_frames_are_remembered_beside_those_of_one() {
    let (mut device, _) = remembered();
    let of = |device: &Device, place: usize| device.estimator.remember(device.runners[place]);
    device.run_any(50);
    let together = of(&device, 0).with_batches([of(&device, 1)].into_iter());
    let mut saved = Saved::default();
    saved.remember(device_key("abacus", 1), mode("schedutil"), model("small"), together.clone());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latencies.json");
    saved.save(&path).unwrap();
    let read = Saved::load(&path).unwrap().unwrap();
    let known = get(&read, "small").unwrap();
    let near = |one: &Remembered, other: &Remembered| {
        let (one, other) = (one.memory(), other.memory());
        (one[1].median - other[1].median).abs() < 1e-9 && one[1].residuals == other[1].residuals
    };
    assert!(near(known, &of(&device, 0)) && near(&known.of_batch(2).unwrap(), &of(&device, 1)));
    assert!(known.of_batch(3).is_none());
    // What was written before runs could be shared is read, and nothing else is written without them.
    let mut alone = Saved::default();
    alone.remember(device_key("abacus", 1), mode("schedutil"), model("small"), of(&device, 0));
    alone.save(&path).unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains("batches"));
    assert!(get(&Saved::load(&path).unwrap().unwrap(), "small").unwrap().of_batch(2).is_none());
}

#[test]
fn another_version_is_named() {
    let error = load(r#"{"version":2,"something":"else"}"#).unwrap_err().to_string();
    assert!(error.contains("format version 2, this classifyd reads 1"), "{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let error = Saved::default().save(Path::new("/nowhere/latencies.json")).unwrap_err();
    assert_eq!(error.to_string(), "cannot keep the latencies in /nowhere/latencies.json");
}
