//! Ends that the program does not choose: signals, and a reader that goes away.

use std::fs;
use std::io::Read;
use std::time::Duration;

use crate::harness::{Clip, Codec, Finished, GREEN, Models, RED, Signal, Trained};

/// A source that never ends, with small pictures at a high rate.
const ENDLESS: &str = "test://ball?width=64&height=48&fps=60";

fn assert_drained(finished: &Finished) {
    assert_eq!(finished.total("captured"), finished.records().len() as u64);
    assert!(finished.records().iter().any(|record| record.outcome() == "classified"));
}

#[test]
fn an_interrupt_finishes_the_frames_on_their_way() {
    let models = Models::of(&["colour"]);
    let replay = models.replay("--model colour").arg(ENDLESS).with_summary();
    let mut running = replay.start();
    running.wait_for_records(5);
    running.signal(Signal::Interrupt);
    assert_drained(&running.finish().with_code(0));
}

#[test]
fn termination_finishes_the_frames_on_their_way() {
    let models = Models::of(&["slow"]);
    let replay = models.replay("--model slow --budget 2s").args(ENDLESS).args(ENDLESS);
    let mut running = replay.with_summary().start();
    running.wait_for_records(3);
    running.signal(Signal::Terminate);
    assert_drained(&running.finish().with_code(0));
}

#[test]
fn an_interrupted_replay_of_a_file_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 400, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    let mut running = models.replay("--model slow --budget 10s").arg(&clip).with_summary().start();
    running.wait_for_records(2);
    running.signal(Signal::Interrupt);
    let finished = running.finish().with_code(0);
    assert_drained(&finished);
    assert!(finished.total("captured") < 800, "it did not go on to the end");
}

#[test]
fn the_daemon_drains_on_termination() {
    let directory = tempfile::tempdir().unwrap();
    let models = Models::of(&["colour"]);
    let config = directory.path().join("classifyd.toml");
    let stream = |name: &str| {
        format!("[[stream]]\nname = \"{name}\"\nsource = \"{ENDLESS}\"\nbudget = \"1s\"\n")
    };
    let policy = "policy.kind = \"fixed:colour\"\n";
    fs::write(&config, [policy, &stream("door"), &stream("yard")].concat()).unwrap();
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let mut running = models.command("run --config").arg(&config).start();
        running.wait_for_records(20);
        running.signal(signal);
        let finished = running.finish().with_code(0).saying(&["door", "yard", "total"]);
        let records = finished.records();
        finished.saying(&[&format!("{} frames in", records.len())]);
        for name in ["door", "yard"] {
            assert!(records.iter().any(|record| record.stream() == name));
        }
    }
}

#[test]
fn the_daemon_stops_at_once_while_it_loads_its_models() {
    let directory = tempfile::tempdir().unwrap();
    let models = Models::of(&["colour"]);
    // To read that many zeros takes minutes.
    let model = fs::File::create(models.file("colour.onnx")).unwrap();
    model.set_len(1 << 38).unwrap();
    let (config, socket) =
        (directory.path().join("classifyd.toml"), directory.path().join("socket"));
    let status = format!("status.socket = \"{}\"\n", socket.display());
    let stream = format!("[[stream]]\nname = \"door\"\nsource = \"{ENDLESS}\"\nbudget = \"1s\"\n");
    fs::write(&config, ["policy.kind = \"fixed:colour\"\n", &status, &stream].concat()).unwrap();
    let running = models.command("run --config").arg(&config).start();
    while !socket.exists() {
        running.expect_no_end_within(Duration::from_millis(20));
    }
    running.signal(Signal::Terminate);
    let finished = running.finish().with_code(0).saying(&["the models are not loaded yet"]);
    assert!(finished.stdout.is_empty() && !socket.exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let models = Models::of(&["slow"]);
    let mut replay = models.replay("--model slow --budget 1h -v");
    // Four waiting frames of each stream make the drain last for seconds.
    for _ in 0..16 {
        replay = replay.arg(ENDLESS);
    }
    let mut running = replay.start();
    running.wait_for_records(5);
    running.signal(Signal::Interrupt);
    running.wait_for_words("stopping");
    running.signal(Signal::Interrupt);
    let finished = running.finish();
    assert_eq!(finished.code, Some(130));
    // The run that it broke off has no outcome, rather than a wrong one.
    assert!(!finished.stdout.contains("\"failed\""), "{}", finished.stdout);
    assert!(!finished.stderr.contains("onnxruntime"), "{}", finished.stderr);
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let models = Models::of(&["colour"]);
    let mut running = models.replay("--model colour").arg(ENDLESS).start();
    running.wait_for_records(3);
    running.stop_reading();
    let finished = running.finish().with_code(0);
    assert!(!finished.stderr.to_lowercase().contains("pipe"), "{}", finished.stderr);
}

#[test]
fn a_reader_that_goes_away_ends_the_replay_of_a_file_early() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 400, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["slow"]);
    let mut running = models.replay("--model slow --budget 10s").arg(&clip).with_summary().start();
    running.wait_for_records(3);
    running.stop_reading();
    let finished = running.finish().with_code(0);
    assert!(!finished.stderr.to_lowercase().contains("pipe"), "{}", finished.stderr);
    assert!(finished.total("captured") < 800, "{}", finished.stderr);
}

#[test]
fn output_that_nobody_reads_makes_no_noise() {
    let trained = Trained::on(&["red", "colour"]);
    let image = trained.images().join("0_0.png");
    let models = &trained.models;
    let config = trained.images().join("classifyd.toml");
    let stream = "[[stream]]\nname = \"a\"\nsource = \"0_0.png\"\nbudget = \"1s\"\n";
    fs::write(&config, stream).unwrap();
    let programs = [
        ("models --list", models.command("models --list")),
        ("doctor", models.command("doctor")),
        ("explain", models.command("explain").arg(&image)),
        ("man", models.command("man")),
        ("completions bash", models.command("completions bash")),
        ("replay", models.replay("--model colour").arg(&image)),
        ("train", trained.train(&trained.images().join("again.safetensors"))),
        ("--help", models.command("--help")),
        ("check", models.command("check --config").arg(&config)),
    ];
    for (name, program) in programs {
        let finished = program.run_unread();
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
        assert!(!finished.stderr.to_lowercase().contains("pipe"), "{name}: {}", finished.stderr);
    }
}

#[test]
fn words_that_nobody_reads_change_no_exit_code() {
    let trained = Trained::on(&["red", "colour"]);
    let models = &trained.models;
    let image = trained.images().join("0_0.png");
    let programs = [
        (0, models.replay("--model colour").arg(&image)),
        (0, trained.profile()),
        (64, models.replay("--model crimson").arg(&image)),
        (64, models.replay("--budget 0").arg(&image)),
    ];
    for (code, program) in programs {
        assert_eq!(program.run_with_closed_stderr(), Some(code));
    }
}

#[test]
fn a_full_disk_is_a_failure_even_for_the_last_record() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("1.png");
    crate::harness::draw(&image, (8, 8), RED);
    let models = Models::of(&["colour"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let replay = models.replay("--model colour --budget 10s").arg(&image);
    let finished = replay.run_into(full).with_code(1);
    finished.saying(&["cannot write the output", "No space left"]);
}

/// Longer than the program waits for its stages when it is told to stop.
const PAUSE: Duration = Duration::from_secs(13);

#[test]
fn a_reader_that_has_stalled_does_not_hold_up_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((16, 16), 400, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let (_reader, writer) = std::io::pipe().unwrap();
    let replay = models.replay("--model colour --budget 10s").arg(&clip);
    let running = replay.start_into(writer);
    running.expect_no_end_within(Duration::from_secs(3));
    running.signal(Signal::Terminate);
    running.finish().with_code(1).saying(&["given up", "output"]);
}

#[test]
fn a_reader_that_pauses_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    // Their records fill the pipe several times over.
    Clip::of((16, 16), 400, &[RED, GREEN]).write(&clip, Codec::Avi);
    let models = Models::of(&["colour"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let replay = models.replay("--model colour --budget 10s").arg(&clip).with_summary();
    let running = replay.start_into(writer);
    running.expect_no_end_within(PAUSE);
    let mut records = String::new();
    reader.read_to_string(&mut records).unwrap();
    assert_eq!(records.lines().count(), 800);
    assert_eq!(running.finish().with_code(0).total("captured"), 800);
}
