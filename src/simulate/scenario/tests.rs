//! Scenarios: what is read, and what is wrong with those that are not.

use std::path::Path;

use super::*;
use crate::simulate::setting::Slowdown;
use crate::simulate::world::{Answers, Latency};

const LEAST: &str = "name = \"x\"\n[[model]]\nname = \"m\"\naccuracy = 0.7\nlatency = \"12ms\"\n\
                     [[stream]]\nname = \"a\"\nrate = 25\nbudget = \"100ms\"\n";

fn read(text: &str) -> Result<Scenario, Faults> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    read::from_bytes(&directory.join("scenarios/s.toml"), text.as_bytes())
}

fn faults(text: &str) -> String {
    let faults = read(text).unwrap_err().to_string();
    let file = format!("{}/scenarios/", env!("CARGO_MANIFEST_DIR"));
    faults.replace(&file, "")
}

/// The faults of the least scenario with further lines at its end.
fn faults_with(lines: &str) -> String {
    faults(&format!("{LEAST}{lines}\n"))
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn the_least_scenario_has_defaults_for_all_else() {
    let scenario = read(LEAST).unwrap();
    assert_eq!((scenario.seed, scenario.seeds.get()), (0, 3));
    assert_eq!(scenario.policies, Policy::ALL);
    let setting = &scenario.setting;
    assert_eq!(setting.duration, Duration::from_secs(60));
    assert_eq!((setting.devices.len(), setting.devices[0].units), (1, 1));
    assert_eq!((setting.selection, setting.publish), (Duration::ZERO, Duration::ZERO));
    let answers =
        Answers { correlation: Answers::CORRELATION, skill: 0.0, confidence: Answers::CONFIDENCE };
    assert_eq!(setting.answers, answers);
    let model = &setting.models[0];
    assert_eq!((model.id.as_str(), model.accuracy, model.column), ("m", 0.7, None));
    let latency = &model.placements[0].latency;
    assert_eq!(latency.median(), ms(12));
    assert!(latency.percentile_95().abs_diff(ms(12).mul_f64(1.1)) < Duration::from_micros(1));
    let stream = &setting.streams[0];
    assert_eq!((stream.period, stream.budget, stream.jitter), (ms(40), ms(100), 0.1));
    assert!(scenario.variants.is_empty() && scenario.grid.is_none() && scenario.plan.is_none());
}

#[test]
fn every_key_is_read() {
    let text = "name = \"all\"\nabout = \"keys\"\nduration = \"2h\"\nseed = 7\nseeds = 2\n\
        policies = [\"ours\", \"edf:m\"]\non_time = 0.99\npublish = \"200us\"\n\
        [premodel]\ntime = \"1ms\"\nskill = 0.3\n\
        [answers]\ncorrelation = 0.5\nconfidence = 0.6\n\
        [models]\nlatency_table = \"../models/latency/jetson_tx2.toml\"\nspread = 1.2\n\
        [[model]]\nname = \"m\"\naccuracy = 0.7\npreprocess = \"2ms\"\n\
        latency = { quantiles = [[5, \"9ms\"], [95, \"14ms\"]] }\n\
        [[model]]\nname = \"inception_v3\"\naccuracy = 1\n\
        [[model]]\nname = \"p\"\naccuracy = 0.8\nlatency = { median = \"5ms\", p99 = \"9ms\" }\n\
        [[stream]]\nname = \"door\"\nrate = 0.5\nbudget = \"1s\"\njitter = 0\ncount = 2\n\
        load = [{ at = \"0s\", factor = 0.5 }, { at = \"24h\", factor = 2 }]\n\
        [[stream]]\nname = \"gate\"\nrate = 30\nbudget = \"33ms\"\n\
        [[slowdown]]\nfrom = \"1m\"\nuntil = \"2m\"\nfactor = 2\n\
        [[slowdown]]\nevery = \"1h\"\nlasting = \"1m\"\nfactor = 1.5\n\
        [[variant]]\nname = \"v\"\npremodel = { time = \"3ms\" }\nspeed = 2\nwithout = [\"p\"]\n\
        [[variant.model]]\nname = \"n\"\naccuracy = 0.9\nlatency = \"1ms\"\n\
        [grid]\nstreams = [4, 1, 4]\nbudgets = [\"15ms\"]\nloads = [1, 0.5]\nframes = 100\n\
        reference = \"inception_v3\"\n\
        [plan]\nrates = [30, 5]\nbudget = \"50ms\"\nin_time = 0.99\nmost = 9\n";
    let scenario = read(text).unwrap();
    let setting = &scenario.setting;
    assert_eq!(
        scenario.policies.iter().map(Policy::to_string).collect::<Vec<_>>(),
        ["ours", "edf:m"]
    );
    assert_eq!((setting.selection, setting.publish), (ms(1), Duration::from_micros(200)));
    assert_eq!(setting.on_time.get(), 0.99);
    assert_eq!(setting.models[0].preprocess, ms(2));
    assert_eq!(setting.models[0].placements[0].latency.quantile(0.99), ms(14));
    let listed = &setting.models[1].placements[0].latency;
    assert_eq!(listed.median(), Duration::from_micros(26_300));
    assert!(matches!(listed, Latency::Lognormal { deviation, .. } if *deviation > 0.1));
    let names: Vec<&str> = setting.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["door-1", "door-2", "gate"]);
    assert_eq!(setting.streams[0].load.points[1], (Duration::from_secs(86_400), 2.0));
    assert!(matches!(setting.slowdowns[0], Slowdown::Once(_)));
    assert!(matches!(setting.slowdowns[1], Slowdown::Recurring { .. }));
    let varied = scenario.variants[0].apply(setting);
    let names: Vec<&str> = varied.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["m", "inception_v3", "n"]);
    assert_eq!(varied.models[1].placements[0].latency.median(), Duration::from_micros(13_150));
    assert_eq!((varied.selection, varied.answers.skill), (ms(3), 0.3));
    let grid = scenario.grid.unwrap();
    assert_eq!((grid.streams, grid.loads), (vec![1, 4], vec![0.5, 1.0]));
    let plan = scenario.plan.unwrap();
    assert_eq!(
        (plan.rates, plan.most, plan.accuracy, plan.in_time),
        (vec![5.0, 30.0], 9, None, Some(0.99))
    );
}

#[test]
fn models_may_run_on_several_devices_and_on_some_of_their_units() {
    let devices = "[[device]]\nname = \"gpu\"\n[[device]]\nname = \"cpu\"\nunits = 4\n\
        [[model]]\nname = \"n\"\naccuracy = 0.8\n\
        latency = [{ median = \"9ms\" }, { device = \"cpu\", units = 2, median = \"30ms\" }]\n";
    let scenario = read(&format!("{LEAST}{devices}")).unwrap();
    let placements = &scenario.setting.models[1].placements;
    assert_eq!((placements[1].device, placements[1].units), (1, 2));
    assert_eq!(scenario.policies, Policy::ALL);
    let too_wide = devices.replace("units = 2", "units = 5");
    assert!(faults_with(&too_wide).contains("model[1].latency[1].units = 5: this is out of range"));
    let unknown = devices.replace("device = \"cpu\"", "device = \"tpu\"");
    assert!(faults_with(&unknown).contains("there is no such device (choose from `gpu`, `cpu`)"));
}

#[test]
fn models_may_take_several_frames_at_once() {
    let model = "[[model]]\nname = \"n\"\naccuracy = 0.8\n\
        latency = { median = \"10ms\", batch = [\"12ms\", \"15ms\"] }\n";
    let scenario = read(&format!("{LEAST}{model}")).unwrap();
    let placement = &scenario.setting.models[1].placements[0];
    assert_eq!([1, 2, 3].map(|frames| placement.stretch(frames)), [1.0, 1.2, 1.5]);
    assert_eq!(placement.least_share(), 0.5);
    let odd = |batch: &str| faults_with(&model.replace("[\"12ms\", \"15ms\"]", batch));
    let falling = odd("[\"12ms\", \"11ms\"]");
    assert!(falling.contains("a run of more frames takes less time (put the times"), "{falling}");
    assert!(odd("[\"9ms\"]").contains("none below the median"));
    let many = format!("[{}]", ["\"99ms\""; 16].join(", "));
    assert!(odd(&many).contains("17 frames are too many for a run (name 15 times at most)"));
    assert!(odd("\"12ms\"").contains("model[1].latency.batch"));
}

#[test]
fn nothing_is_surely_in_time() {
    let remedy = "on_time = 1: this is out of range (write a number above 0.5 and below 1";
    assert!(faults(&format!("on_time = 1\n{LEAST}")).contains(remedy));
}

#[test]
fn what_the_guide_shows_is_read() {
    let guide = include_str!("../../../scenarios/README.md");
    let blocks = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines);
    // The guide's profile is not there.
    let shown: Vec<&str> =
        lines.filter(|line| !line.starts_with("profile =") && !line.starts_with("use =")).collect();
    let scenario = read(&format!("name = \"guide\"\n{}\n", shown.join("\n"))).unwrap();
    assert_eq!(scenario.setting.devices[0].units, 4);
    assert_eq!((scenario.setting.slowdowns.len(), scenario.variants.len()), (2, 1));
    assert!(scenario.grid.is_some() && scenario.plan.is_some());
}

#[test]
fn all_faults_are_named_at_once_by_key_and_line() {
    let text = "name = 3\nduration = \"soon\"\nseeds = 0\npolicies = [\"best\"]\ncolour = 1\n\
        [[model]]\nname = \"m\"\naccuracy = 70\nlatency = \"0ms\"\n\
        [[stream]]\nname = \"a\"\nrate = 0\nbudget = \"1us\"\njitter = 2\n";
    let expected = "\
s.toml:1:8: name = 3: this is a whole number (write some text in quotes)
s.toml:2:12: duration = \"soon\": this is no time (write it like \"60s\")
s.toml:3:9: seeds = 0: this is out of range (write a whole number from 1 to 1000)
s.toml:4:13: policies[0] = \"best\": there is no policy `best` (\"ours\", \"adaptive\", \"oracle\", \"omniscient\", and \"fixed\", \"fifo\" or \"edf\" with or without :NAME of a model)
s.toml:5:1: colour: there is no such key (choose from `name`, `about`, `seed`, `seeds`, `policies`, `device`, `models`, `model`, `premodel`, `answers`, `duration`, `slowdown`, `on_time`, `publish`, `variant`, `grid`, `plan`, `stream`)
s.toml:7:8: model[0].name = \"m\": this model has no accuracy (add accuracy = 0.7, the share of the frames that it is right on)
s.toml:7:8: model[0].name = \"m\": this model has no latency (add latency = \"12ms\"; neither profile nor table know one)
s.toml:8:12: model[0].accuracy = 70: this is out of range (write a number from 0.001 to 1)
s.toml:9:11: model[0].latency = \"0ms\": this is shorter than 1ns (write it like \"12.9ms\")
s.toml:12:8: stream[0].rate = 0: this is out of range (write a number from 0.001 to 10000)
s.toml:13:10: stream[0].budget = \"1us\": this is out of range (write it like \"33ms\" or \"1.5s\", from 1ms to 1h)
s.toml:14:10: stream[0].jitter = 2: this is out of range (write a number from 0 to 1)";
    assert_eq!(faults(text), expected);
}

#[test]
fn what_must_be_there_is_asked_for() {
    let empty = faults("name = \"x\"\n");
    assert!(empty.contains("stream: this is missing"), "{empty}");
    assert!(empty.contains("there is no model (add [[model]] with name"), "{empty}");
    let grid = "[grid]\nstreams = [1]\nbudgets = [\"9ms\"]\nloads = [1]\n";
    let (models, _) = LEAST.split_once("[[stream]]").unwrap();
    assert!(read(&format!("{models}{grid}")).unwrap().setting.streams.is_empty());
    let bare = faults_with("[grid]\n[plan]\n[[variant]]\n[[slowdown]]\n");
    for key in [
        "grid.streams",
        "grid.budgets",
        "grid.loads",
        "plan.rates",
        "plan.budget",
        "variant[0].name",
        "slowdown[0].factor",
        "slowdown[0].from",
        "slowdown[0].until",
    ] {
        assert!(bare.contains(&format!("{key}: this is missing")), "{key} in\n{bare}");
    }
    assert!(bare.contains("it does not say what will do (add accuracy = 0.7, in_time = 0.99"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (lines, words) in [
        ("[[stream]]\nname = \"a\"\nrate = 1\nbudget = \"1s\"", "line 7 has the same"),
        ("[[model]]\nname = \"m\"\naccuracy = 0.5\nlatency = \"1ms\"", "line 3 has the same"),
        ("[[slowdown]]\nfrom = \"2s\"\nuntil = \"1s\"\nfactor = 2", "this ends before it begins"),
        ("[[variant]]\nname = \"v\"\nwithout = [\"m\"]", "this leaves no model"),
        ("[[variant]]\nname = \"v\"\nwithout = [\"z\"]", "no such model (choose from `m`)"),
        ("[models]\nuse = [\"m\", \"m\"]", "has the same"),
        ("[models]\nlatency_table = \"none.toml\"", "cannot read the latency table"),
        ("[models]\nprofile = \"none.parquet\"", "cannot read the profile"),
        ("[models]\nspread = 0.5", "write a number from 1 to 100"),
        ("[[device]]\nname = \"a\"\n[[device]]\nname = \"a\"", "has the same"),
    ] {
        let found = faults_with(lines);
        assert!(found.contains(words) && found.starts_with("s.toml:"), "{lines}: {found}");
    }
    let latency = |latency: &str| faults(&LEAST.replace("\"12ms\"", latency));
    for (written, words) in [
        ("{ median = \"9ms\", quantiles = [[50, \"9ms\"]] }", "there are quantiles too"),
        ("{ quantiles = [[50, \"9ms\"], [5, \"8ms\"]] }", "these do not ascend"),
        ("{ quantiles = [[50]] }", "this is no pair"),
        ("{ quantiles = [] }", "this is empty"),
        ("{}", "median: this is missing"),
        ("[]", "this is empty"),
        ("12", "this is a whole number"),
    ] {
        assert!(latency(written).contains(words), "{written}: {}", latency(written));
    }
}

#[test]
fn a_load_curve_ascends_in_time() {
    let stream = |points: &str| faults_with(&format!("load = [{points}]"));
    let point = "{ at = \"2s\", factor = 1 }";
    assert!(stream(&format!("{point}, {point}")).contains("its times do not ascend"));
    assert!(stream("").contains("this is empty"));
    assert!(stream("{ at = \"2s\" }").contains("load[0].factor: this is missing"));
    assert!(stream("{ at = \"2s\", factor = 0 }").contains("from 0.01 to 100"));
}

#[test]
fn the_scenarios_that_come_along_are_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let scenarios: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "toml")).collect();
    assert!(scenarios.len() >= 3);
    for file in scenarios {
        Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let error = Scenario::load(Path::new("/nowhere/s.toml")).unwrap_err();
    assert!(matches!(error, ScenarioError::Read { .. }));
    assert!(error.to_string().contains("/nowhere/s.toml"));
}
