//! SIGHUP: a service takes a new configuration, new models and a new premodel, and loses no frame.
//!
//! That every frame of a stream has one record, numbered densely, is checked wherever records are read.

use std::fs;
use std::path::PathBuf;

use classifyd::adaptive::TimeFit;
use tempfile::TempDir;

use crate::harness::{
    Clip, Codec, Finished, GREEN, Models, Program, RED, Record, Running, Signal, VIDEO, library,
    quick_then_large, with_knowledge,
};

/// Small pictures at a high rate, for ever.
const ENDLESS: &str = "test://ball?width=64&height=48&fps=60";

const RELOADED: &str = "info: reloaded";
const REFUSED: &str = "the reload is refused, and the old configuration goes on";

/// A configuration that a test rewrites while the service runs.
struct Service {
    directory: TempDir,
    models: Models,
}

impl Service {
    fn of(models: Models) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), models }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes it whole or not at all: a reload may read it at any time.
    fn write(&self, text: &str) {
        fs::write(self.file("new.toml"), text).unwrap();
        fs::rename(self.file("new.toml"), self.file("classifyd.toml")).unwrap();
    }

    fn program(&self) -> Program {
        self.models.command("run --config").arg(self.file("classifyd.toml"))
    }

    /// Starts it and waits for its first frames.
    fn start(&self) -> Running {
        let mut running = self.program().start();
        running.wait_for_records(5);
        running
    }
}

fn policy(kind: &str) -> String {
    format!("policy.kind = \"{kind}\"\n")
}

fn stream(name: &str, source: &str, more: &str) -> String {
    let budget = if more.contains("budget") { "" } else { "budget = \"1s\"\n" };
    format!("[[stream]]\nname = \"{name}\"\nsource = \"{source}\"\n{budget}{more}\n")
}

/// Reloads for the `count`th time, and waits for some frames after it.
fn reload(running: &mut Running, count: usize) {
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(RELOADED, count);
    running.wait_for_more_records(10);
}

/// Ends it: all frames have an outcome, and none was given up but one that came in the moment in which its
/// source was taken down.
fn stop(running: Running) -> Finished {
    running.signal(Signal::Terminate);
    drained(running)
}

fn drained(running: Running) -> Finished {
    let finished = running.finish().with_code(0);
    let records = finished.records();
    for (place, record) in
        records.iter().enumerate().filter(|(_, one)| one.outcome() == "abandoned")
    {
        let stream = |record: &Record| record.0["stream"].clone();
        let is_last = !records[place + 1..].iter().any(|later| stream(later) == stream(record));
        assert!(is_last, "{}", finished.stdout);
    }
    let words = format!("{} frames in", records.len());
    finished.saying(&[&words])
}

fn of<'a>(records: &'a [Record], stream: &str) -> Vec<&'a Record> {
    records.iter().filter(|record| record.stream() == stream).collect()
}

fn budget_ms(record: &Record) -> f64 {
    record.0["deadline_ms"].as_f64().unwrap()
}

fn pts(record: &Record) -> u64 {
    record.0["pts_ns"].as_u64().unwrap()
}

#[test]
fn a_streams_terms_change_while_its_source_goes_on() {
    let service = Service::of(Models::of(&["colour"]));
    let text = |more: &str| policy("fixed:colour") + &stream("door", ENDLESS, more);
    service.write(&text(""));
    let mut running = service.start();
    service.write(&text("budget = \"2s\"\npriority = 3\nstall_after = \"9s\"\n"));
    reload(&mut running, 1);
    service.write(&text("budget = \"2s\"\nevery = 1000\n"));
    reload(&mut running, 2);
    let finished = stop(running).saying(&["streams: 1 goes on"]);
    let records = finished.records();
    let budgets: Vec<f64> = records.iter().map(budget_ms).collect();
    assert_eq!((budgets.first(), budgets.last()), (Some(&1000.0), Some(&2000.0)));
    assert!(budgets.is_sorted(), "{budgets:?}");
    assert!(records.iter().map(pts).is_sorted(), "it was not started again");
    assert_eq!(records.last().unwrap().reason(), "between_classified_frames");
    let loaded = finished.stderr.matches("model colour runs on").count();
    assert_eq!(loaded, 1, "it stayed in memory: {}", finished.stderr);
}

#[test]
fn models_and_policy_change_between_two_frames() {
    let service = Service::of(Models::of(&["colour", "slow"]));
    let text = |kind: &str| policy(kind) + &stream("door", ENDLESS, "");
    service.write(&text("fixed:colour"));
    let mut running = service.start();
    service.write(&text("fixed:slow"));
    reload(&mut running, 1);
    service.write(&text("random"));
    reload(&mut running, 2);
    running.wait_for_more_records(30);
    let records = stop(running).records();
    let models: Vec<(&str, &str)> = records
        .iter()
        .filter(|record| record.outcome() == "classified")
        .map(|record| (record.reason(), record.model()))
        .collect();
    let phase = |&(reason, model): &(&str, &str)| match (reason, model) {
        ("fixed", "colour") => 0,
        ("fixed", "slow") => 1,
        (_, _) => 2,
    };
    let phases: Vec<i32> = models.iter().map(phase).collect();
    assert!(phases.is_sorted() && phases.contains(&1), "{models:?}");
    let drawn: Vec<_> =
        models.iter().filter(|one| phase(one) == 2).map(|(_, model)| model).collect();
    assert!(drawn.contains(&&"colour") && drawn.contains(&&"slow"), "{models:?}");
}

#[test]
fn streams_come_go_and_change_their_source() {
    let service = Service::of(Models::of(&["colour"]));
    let other = "test://red?width=80&height=60&fps=60";
    let [door, yard, gate] = ["door", "yard", "gate"].map(|name| stream(name, ENDLESS, ""));
    let text = |streams: &[&str]| policy("fixed:colour") + &streams.concat();
    service.write(&text(&[&door, &yard, &gate]));
    let mut running = service.start();
    running.wait_for_record_with("\"yard\"");
    let (moved, attic) = (stream("gate", other, ""), stream("attic", other, ""));
    service.write(&text(&[&door, &moved, &attic]));
    reload(&mut running, 1);
    running.wait_for_record_with("\"attic\"");
    running.wait_for_more_records(40);
    // It comes back, and its frames are numbered from where they were.
    service.write(&text(&[&door, &yard, &moved, &attic]));
    reload(&mut running, 2);
    running.wait_for_more_records(60);
    let words = ["streams: 1 goes on, 1 begins, 1 is rebuilt, 1 ends", "3 go on, 1 begins"];
    let finished = stop(running).saying(&words);
    let records = finished.records();
    let starts =
        |name| of(&records, name).windows(2).filter(|two| pts(two[1]) < pts(two[0])).count();
    assert_eq!([starts("door"), starts("gate"), starts("yard"), starts("attic")], [0, 1, 1, 0]);
    let last = of(&records, "gate").last().unwrap().label().to_owned();
    assert_eq!(last, "red");
}

#[test]
fn every_fault_is_told_with_its_line_and_the_old_goes_on() {
    let service = Service::of(Models::of(&["colour"]));
    let good = policy("fixed:colour") + &stream("door", ENDLESS, "");
    service.write(&good);
    let mut running = service.start();
    let source = stream("yard", "gone.mp4", "priority = 300\n");
    service.write(&(good.clone() + &source));
    running.signal(Signal::Hangup);
    running.wait_for_words(REFUSED);
    running.wait_for_more_records(10);
    fs::remove_file(service.file("classifyd.toml")).unwrap();
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(REFUSED, 2);
    running.wait_for_more_records(10);
    service.write(&(good.clone() + &stream("yard", "gone.mp4", "")));
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(REFUSED, 3);
    service.write(&good.replace("1s", "3s"));
    reload(&mut running, 1);
    let words = [
        "classifyd.toml:11:12: stream[1].priority = 300",
        "cannot read the configuration",
        "classifyd.toml:9:10: stream[1].source = \"gone.mp4\"",
    ];
    let records = stop(running).saying(&words).records();
    assert_eq!(budget_ms(records.last().unwrap()), 3000.0);
    assert!(records.iter().map(pts).is_sorted());
}

#[test]
fn a_model_that_is_damaged_or_answers_wrong_is_not_taken() {
    let service = Service::of(Models::of(&["colour", "red", "slow"]));
    let text = |names: &str| {
        format!("policy.kind = \"random\"\n[models]\nuse = [{names}]\n")
            + &stream("door", ENDLESS, "")
    };
    service.write(&text("\"colour\""));
    let mut running = service.start();
    let whole = fs::read(service.models.file("slow.onnx")).unwrap();
    service.models.spoil("slow.onnx", &whole[..whole.len() / 2]);
    service.write(&text("\"colour\", \"slow\""));
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(REFUSED, 1);
    let wrong = "colours.txt\"\n[golden]\nclasses = [2, 1, 0]\nprobabilities = [0.98, 0.01, 0.01]";
    service.models.edit("red.toml", "colours.txt\"", wrong);
    service.write(&text("\"colour\", \"red\""));
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(REFUSED, 2);
    // Nor one that is at work, once its file is another.
    service.models.spoil("colour.onnx", b"not a model");
    service.write(&text("\"colour\""));
    running.signal(Signal::Hangup);
    running.wait_for_words_so_often(REFUSED, 3);
    running.wait_for_more_records(10);
    let words = [
        "classifyd.toml:3:18: models.use[1] = \"slow\"",
        "slow.onnx",
        "sha256",
        "models.use[1] = \"red\"",
        "golden",
        "models.use[0] = \"colour\"",
    ];
    let records = stop(running).saying(&words).records();
    let answered = records.iter().filter(|record| record.outcome() == "classified");
    assert!(answered.clone().count() > 10 && answered.into_iter().all(|r| r.model() == "colour"));
}

#[test]
fn the_library_cannot_be_changed() {
    let service = Service::of(Models::of(&["colour"]));
    let text = |library: &str| {
        let library = format!("[onnxruntime]\nlibrary = \"{library}\"\n");
        policy("fixed:colour") + &library + &stream("door", ENDLESS, "")
    };
    fs::copy(library(), service.file("another.so")).unwrap();
    service.write(&text(library().to_str().unwrap()));
    let mut running = service.program().without_env("ORT_DYLIB_PATH").start();
    running.wait_for_records(5);
    service.write(&text("another.so"));
    running.signal(Signal::Hangup);
    running.wait_for_words(REFUSED);
    running.wait_for_more_records(10);
    let words = ["classifyd.toml:3:11: onnxruntime.library = \"another.so\"", "restart classifyd"];
    stop(running).saying(&words);
}

#[test]
fn the_places_where_operators_are_answered_cannot_be_changed() {
    let service = Service::of(Models::of(&["colour"]));
    let text = |socket: &str| {
        policy("fixed:colour") + &format!("[status]\n{socket}") + &stream("door", ENDLESS, "")
    };
    service.write(&text("socket = \"here\"\n"));
    let mut running = service.start();
    for (count, socket) in [(1, "socket = \"there\"\n"), (2, "")] {
        service.write(&text(socket));
        running.signal(Signal::Hangup);
        running.wait_for_words_so_often(REFUSED, count);
        running.wait_for_more_records(10);
    }
    let words = [
        "classifyd.toml:3:10: status.socket = \"there\": a reload cannot change",
        "status.socket: a reload cannot change where operators are answered, and it is left out",
    ];
    stop(running).saying(&words);
}

#[test]
fn a_storm_of_reloads_loses_nothing() {
    let service = Service::of(Models::of(&["colour", "slow"]));
    let text = |kind: &str| {
        policy(kind) + &stream("door", ENDLESS, "") + &stream("yard", ENDLESS, "every = 2\n")
    };
    service.write(&text("random"));
    let mut running = service.start();
    for round in 0..20 {
        let kind = ["random", "fixed:colour", "fixed:slow"][round % 3];
        service.write(&text(kind));
        running.signal(Signal::Hangup);
        running.wait_for_more_records(round % 4);
    }
    // A signal that comes while one is under way is one more reload after it: the last word counts.
    service.write(&(text("fixed:colour").replace("1s", "4s")));
    running.signal(Signal::Hangup);
    running.wait_for_record_with("\"deadline_ms\":4000.0");
    running.wait_for_more_records(10);
    let finished = stop(running);
    assert!(!finished.stderr.contains("refused"), "{}", finished.stderr);
    let reloads = finished.stderr.matches(RELOADED).count();
    assert!((1..=21).contains(&reloads), "{reloads}");
}

#[test]
fn a_reload_under_load_loses_nothing() {
    let service = Service::of(Models::of(&["colour", "slow"]));
    let names = ["a", "b", "c", "d"];
    let text = |budget: &str| {
        let streams = names.map(|name| stream(name, ENDLESS, &format!("budget = \"{budget}\"\n")));
        policy("fixed:slow") + &streams.concat()
    };
    service.write(&text("300ms"));
    let mut running = service.start();
    for (count, budget) in [(1, "200ms"), (2, "400ms"), (3, "300ms")] {
        service.write(&text(budget));
        reload(&mut running, count);
    }
    let records = stop(running).records();
    for name in names {
        assert!(of(&records, name).len() > 10);
    }
    assert!(records.iter().any(|record| record.outcome() == "classified"));
}

#[test]
fn a_file_is_read_once_whatever_is_reloaded() {
    let service = Service::of(Models::of(&["colour"]));
    Clip::of((64, 48), 90, &[RED, GREEN]).write(&service.file("clip.avi"), Codec::Avi);
    let text = |more: &str| {
        policy("fixed:colour")
            + &stream("clip", "clip.avi", &format!("realtime = true\n{more}"))
            + &stream("short", "short.avi", "realtime = true\n")
    };
    Clip::of((64, 48), 1, &[RED]).write(&service.file("short.avi"), Codec::Avi);
    service.write(&text(""));
    let mut running = service.start();
    running.wait_for_words("stream short has ended");
    service.write(&text("priority = 1\n"));
    reload(&mut running, 1);
    let finished = drained(running).saying(&["streams: 1 goes on, 1 stays over"]);
    let records = finished.records();
    assert_eq!((of(&records, "clip").len(), of(&records, "short").len()), (180, 1));
}

#[test]
fn a_replay_without_a_clock_loses_nothing() {
    let service = Service::of(Models::of(&["slow", "colour"]));
    Clip::of((64, 48), 150, &[RED, GREEN]).write(&service.file("clip.avi"), Codec::Avi);
    let text = |kind: &str| policy(kind) + &stream("clip", "clip.avi", "realtime = false\n");
    service.write(&text("fixed:slow"));
    let running = service.start();
    service.write(&text("fixed:colour"));
    running.signal(Signal::Hangup);
    let records = drained(running).records();
    assert_eq!(records.len(), 300);
    assert!(records.iter().all(|record| record.outcome() == "classified"));
}

#[test]
fn what_is_known_of_a_scene_outlasts_a_reload() {
    let time = TimeFit { reuse_at_most: 100_000, ..VIDEO };
    let service = Service::of(with_knowledge(["colour", "slow"], Some(quick_then_large(time))));
    let still = "test://green?width=64&height=48&fps=30";
    let text = |more: &str| policy("adaptive") + &stream("door", still, more);
    service.write(&text(""));
    let mut running = service.start();
    service.write(&text("budget = \"2s\"\n"));
    reload(&mut running, 1);
    running.wait_for_record_with("\"deadline_ms\":2000.0");
    running.wait_for_more_records(10);
    let records = stop(running).records();
    let ran = records.iter().rposition(|record| record.outcome() == "classified").unwrap();
    assert_eq!(budget_ms(&records[ran]), 1000.0, "no model looked at it again");
}

#[test]
fn a_premodel_that_was_trained_anew_is_taken() {
    let models = with_knowledge(["colour", "slow"], Some(quick_then_large(TimeFit::NONE)));
    let service = Service::of(models);
    service.write(&stream("door", ENDLESS, ""));
    let mut running = service.start();
    let without = with_knowledge(["colour", "slow"], None);
    fs::copy(without.file("premodel.safetensors"), service.models.file("premodel.safetensors"))
        .unwrap();
    reload(&mut running, 1);
    running.wait_for_record_with("\"reason\":\"premodel\"");
    let records = stop(running).records();
    assert_eq!(records[0].reason(), "adaptive");
}

#[test]
fn a_stop_during_a_reload_finishes_the_frames_on_their_way() {
    let service = Service::of(Models::of(&["colour", "slow"]));
    let text = |kind: &str| policy(kind) + &stream("door", ENDLESS, "");
    for (first, second, wait) in [
        ("fixed:colour", "random", 0),
        ("random", "fixed:slow", 1),
        ("fixed:slow", "fixed:colour", 2),
    ] {
        service.write(&text(first));
        let mut running = service.start();
        service.write(&text(second));
        running.signal(Signal::Hangup);
        running.wait_for_words("reloading");
        running.wait_for_more_records(wait);
        stop(running);
    }
}

#[test]
fn a_model_whose_worker_is_stuck_is_built_anew_for_the_next_engine() {
    let service = Service::of(Models::of(&["stuck_on_red"]));
    let runs = [vec![GREEN; 20], vec![RED; 1], vec![GREEN; 3000]].concat();
    Clip { size: (64, 48), frames: runs }.write(&service.file("clip.avi"), Codec::Avi);
    let late = "[late]\nmargin = \"1ms\"\nfence_after = \"3s\"\n";
    let text = |more: &str| {
        policy("fixed:stuck_on_red")
            + late
            + &stream("door", "clip.avi", &format!("realtime = true\n{more}"))
    };
    service.write(&text("budget = \"300ms\"\n"));
    let mut running = service.start();
    running.wait_for_record_with("\"late\"");
    service.write(&text("budget = \"400ms\"\n"));
    running.signal(Signal::Hangup);
    running.wait_for_words("its sessions were not to be had");
    running.wait_for_words("model stuck_on_red is back in service");
    running.wait_for_more_records(30);
    let finished = stop(running).saying(&[RELOADED, "1 stuck; 1 models rebuilt"]);
    let records = finished.records();
    let last = records.iter().rfind(|record| record.outcome() == "classified").unwrap();
    assert_eq!(budget_ms(last), 400.0);
}

#[test]
fn a_hangup_still_ends_a_replay() {
    let models = Models::of(&["colour"]);
    let mut running = models.replay("--model colour").arg(ENDLESS).with_summary().start();
    running.wait_for_records(5);
    running.signal(Signal::Hangup);
    let finished = running.finish().with_code(0);
    assert_eq!(finished.total("captured"), finished.records().len() as u64);
}

#[test]
fn a_model_that_was_lost_is_brought_back() {
    let service = Service::of(Models::of(&["stuck_on_red", "colour"]));
    let frames = [vec![GREEN; 90], vec![RED; 10], vec![GREEN; 6000]].concat();
    Clip { size: (64, 48), frames }.write(&service.file("clip.avi"), Codec::Avi);
    let late = "[late]\nmargin = \"1ms\"\nfence_after = \"200ms\"\n";
    let door = stream("door", "clip.avi", "realtime = true\nbudget = \"300ms\"");
    service.write(&(policy("random") + late + &door));
    let mut running = service.start();
    let file = service.models.file("stuck_on_red.onnx");
    let model = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    running.wait_for_words("model stuck_on_red is lost");
    fs::write(&file, model).unwrap();
    reload(&mut running, 1);
    running.wait_for_more_records(60);
    // A run that has lost a model ends with 1.
    let finished = stop(running);
    let records = finished.records();
    let last = &records[records.len() - 60..];
    assert!(last.iter().any(|record| record.model() == "stuck_on_red"), "{}", finished.stdout);
}
