//! What operators see of a running daemon: its status, its metrics, its log.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use classifyd::operations::status::STATUS_SCHEMA;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Finished, Models, Program, Running, Signal, classifyd};

/// A camera that gives pictures for ever.
const DOOR: &str = "[[stream]]\nname = \"door\"\nsource = \"test://ball?width=64&height=48&fps=60\"\nbudget = \"1s\"\n";

/// A camera that cannot be reached, and its password.
const YARD: &str = "[[stream]]\nname = \"yard\"\nsource = \"rtsp://me:sesame@127.0.0.1:1/live\"\n\
                    budget = \"1s\"\n";
const PASSWORD: &str = "sesame";

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A daemon's models and configuration.
struct Setting {
    models: Models,
    directory: TempDir,
}

impl Setting {
    fn new() -> Self {
        Self { models: Models::of(&["colour"]), directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The daemon with such sections in its configuration.
    fn daemon(&self, sections: &[&str]) -> Program {
        let config = self.path("classifyd.toml");
        let policy = "[policy]\nkind = \"fixed:colour\"\n";
        fs::write(&config, [policy, &sections.concat()].concat()).unwrap();
        self.models.command("run --config").arg(config)
    }
}

/// What a daemon says of itself, as its schema says.
fn status(socket: &Path) -> Value {
    let finished = classifyd("status --json --socket").arg(socket).run().with_code(0);
    let status: Value = serde_json::from_str(&finished.stdout).unwrap();
    let validator =
        jsonschema::validator_for(&serde_json::from_str(STATUS_SCHEMA).unwrap()).unwrap();
    let faults: Vec<String> = validator.iter_errors(&status).map(|f| f.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?} in {status}");
    assert!(!finished.stdout.contains(PASSWORD), "{status}");
    status
}

/// What is answered to a GET, head and body.
fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The address that a daemon says it has its metrics at.
fn address_of(running: &mut Running) -> String {
    running.words_after("metrics at http://").trim_end_matches("/metrics").to_owned()
}

fn terminate(running: Running) -> Finished {
    running.signal(Signal::Terminate);
    running.finish().with_code(0)
}

#[test]
fn status_tells_of_streams_models_and_queues() {
    let setting = Setting::new();
    let mut running = setting.daemon(&[DOOR, YARD]).start();
    running.wait_for_records(20);
    running.wait_for_words("stream yard");
    let socket = running.status_socket();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let status = status(&socket);
    assert_eq!((&status["state"], &status["healthy"]), (&"running".into(), &true.into()));
    let [door, yard] = [&status["streams"][0], &status["streams"][1]];
    assert_eq!((&door["stream"], &door["state"]), (&"door".into(), &"live".into()));
    assert!(door["frames"]["classified"].as_u64() > Some(0), "{door}");
    assert!(door["in_time_share"].as_f64() > Some(0.0), "{door}");
    assert_eq!(yard["source"], "rtsp://me:***@127.0.0.1:1/live");
    assert!(
        yard["losses"]["not_started"].as_u64() > Some(0)
            || yard["losses"]["failed"].as_u64() > Some(0)
    );
    assert!(!yard["errors"].as_array().unwrap().is_empty(), "{yard}");
    let model = &status["models"][0];
    assert_eq!((&model["model"], &model["provider"]), (&"colour".into(), &"cpu".into()));
    assert!(model["runs"].as_u64() > Some(0) && model["expected_ms"].as_f64() > Some(0.0));
    assert_eq!((&model["state"], &status["devices"][0]["device"]), (&"in".into(), &"cpu".into()));
    let table = classifyd("status").env("RUNTIME_DIRECTORY", socket.parent().unwrap()).run();
    let words = ["(running), healthy, up", "door", "yard", "rtsp://me:***@", "colour", "waiting:"];
    table.with_code(0).printing(&words);
    let finished = terminate(running);
    assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
    assert!(!socket.exists(), "the socket goes with its daemon");
}

#[test]
fn without_a_daemon_status_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("classifyd.sock");
    let words = ["no daemon runs", "classifyd.sock", "classifyd run", "--socket"];
    classifyd("status --socket").arg(socket).refusal(69, &words);
}

#[test]
fn the_socket_of_a_dead_daemon_is_replaced_and_a_living_ones_is_not() {
    let setting = Setting::new();
    let socket = setting.path("my.sock");
    let section = format!("[status]\nsocket = \"{}\"\n", socket.display());
    let sections = [&section, DOOR];
    let mut first = setting.daemon(&sections).start();
    first.wait_for_records(1);
    let words = ["another daemon has the status socket", "my.sock", "[status] socket"];
    setting.daemon(&sections).refusal(69, &words);
    assert_eq!(status(&socket)["state"], "running", "the first one is still there");
    first.signal(Signal::Kill);
    first.finish();
    assert!(socket.exists(), "it was left behind");
    classifyd("status --socket").arg(&socket).refusal(69, &["no daemon runs"]);
    let mut second = setting.daemon(&sections).start();
    second.wait_for_records(1);
    assert_eq!(status(&socket)["state"], "running");
    terminate(second);
}

#[test]
fn metrics_are_as_prometheus_likes_them() {
    let setting = Setting::new();
    let metrics = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let mut running = setting.daemon(&[metrics, DOOR, YARD]).start();
    let address = address_of(&mut running);
    running.wait_for_records(20);
    running.wait_for_words("stream yard");
    let answer = get(&address, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(!body.contains(PASSWORD), "{body}");
    for line in [
        "classifyd_stream_state{state=\"live\",stream=\"door\"} 1",
        "classifyd_stream_state{state=\"retrying\",stream=\"door\"} 0",
        "classifyd_model_in_choice{model=\"colour\"} 1",
        "classifyd_engine_builds_total{model=\"colour\"} 0",
        "classifyd_queue_frames{queue=\"mailbox\"}",
        "classifyd_inference_duration_seconds_bucket{le=\"0.004\"}",
        "classifyd_frame_age_seconds_bucket{stream=\"door\",le=\"0.05\"}",
        "classifyd_frames_dropped_total{reason=\"no_model_fits\",stream=\"door\"}",
        "classifyd_model_expected_seconds{cores=\"1\",device=\"cpu\",model=\"colour\"}",
        "classifyd_device_slowdown_ratio{device=\"cpu\"}",
        "classifyd_workers_fenced_total 0",
        "classifyd_healthy 1",
        "classifyd_power_mode_info{mode=",
        "process_resident_memory_bytes ",
    ] {
        assert!(body.lines().any(|other| other.starts_with(line)), "`{line}` is not in\n{body}");
    }
    assert!(value(body, "classifyd_frames_total{outcome=\"classified\",stream=\"door\"} ") >= 1.0);
    assert!(value(body, "classifyd_model_runs_total{model=\"colour\",provider=\"cpu\"} ") >= 1.0);
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/").starts_with("HTTP/1.1 404 "));
    check_with_promtool(body);
    terminate(running);
}

fn value(body: &str, series: &str) -> f64 {
    let line = body.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series} in\n{body}")).parse().unwrap()
}

/// Has Prometheus's own tool look for faults and bad names.
fn check_with_promtool(body: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let promtool = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("skipped: no promtool (on Debian: apt install prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let [said, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{said}{told}\n{body}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let setting = Setting::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let section = format!("[metrics]\nlisten = \"{address}\"\n");
    let words = ["cannot listen on", &address, "[metrics] listen", "in use"];
    setting.daemon(&[&section, DOOR]).refusal(69, &words);
    let wrong = setting.daemon(&["[metrics]\nlisten = \"localhost\"\n", DOOR]);
    wrong.refusal(78, &["metrics.listen", "no address with a port", "127.0.0.1:9464"]);
}

#[test]
fn clients_that_hang_hold_up_neither_frames_nor_others_for_long() {
    let setting = Setting::new();
    let metrics = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let mut running = setting.daemon(&[metrics, DOOR]).start();
    let address = address_of(&mut running);
    running.wait_for_records(5);
    // More than are answered at a time; none ever asks.
    let hanging: Vec<_> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    running.wait_for_more_records(60);
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
    assert_eq!(status(&running.status_socket())["state"], "running");
    drop(hanging);
    let finished = terminate(running);
    let late = finished.records().into_iter().filter(|r| r.0["met_deadline"] == false).count();
    assert!(late < finished.records().len() / 2, "{late} late");
}

#[test]
fn log_lines_are_json_if_that_is_asked_for() {
    let setting = Setting::new();
    let mut running = setting.daemon(&[DOOR, YARD]).args("--log-format json").start();
    running.wait_for_records(5);
    running.wait_for_words("stream yard");
    let finished = terminate(running);
    let lines = finished.stderr.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let lost = lines.iter().find(|line| line["stream"] == "yard" && line["level"] == "warn");
    let lost = lost.unwrap_or_else(|| panic!("{}", finished.stderr));
    assert!(["not_started", "failed"].contains(&lost["reason"].as_str().unwrap()), "{lost}");
    let of_models = |line: &&Value| line["model"] == "colour" && line["level"] == "info";
    assert!(lines.iter().find(of_models).is_some(), "{}", finished.stderr);
    assert!(finished.stderr.contains("frames in"), "the summary is a message too");
    assert!(!finished.stderr.contains(PASSWORD), "{}", finished.stderr);
    let refused = setting.models.command("run --config /none --log-format json");
    let refused = refused.run().with_code(78);
    let error: Value = serde_json::from_str(refused.stderr.trim()).unwrap();
    assert_eq!(error["level"], "error");
}

/// Runs a program where journald's socket is another, as stderr were the journal's.
const IN_JOURNAL: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
    mount --bind \"$JOURNAL\" /run/systemd/journal && \
    JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && export JOURNAL_STREAM && exec \"$0\" \"$@\"";

#[test]
fn messages_go_to_the_journal_with_fields() {
    let setting = Setting::new();
    let journal = setting.path("journal");
    fs::create_dir(&journal).unwrap();
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "sh", "-c", IN_JOURNAL, "true"]).env("JOURNAL", &journal);
    if !trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root may put another journal in the place of the machine's");
        return;
    }
    let socket = UnixDatagram::bind(journal.join("socket")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let daemon = setting.daemon(&[DOOR, YARD]).env("JOURNAL", &journal);
    let running = daemon.within("unshare", &["--mount", "sh", "-c", IN_JOURNAL]).start();
    let [model, stream] = [
        await_message(&socket, &["MODEL\n", "colour\n", "PRIORITY=5\n"]),
        await_message(&socket, &["STREAM\n", "yard\n", "REASON\n", "PRIORITY=4\n"]),
    ];
    for message in [model, stream] {
        assert!(message.contains("SYSLOG_IDENTIFIER=classifyd\n"), "{message}");
        assert!(!message.contains(PASSWORD), "{message}");
    }
    running.signal(Signal::Terminate);
    await_message(&socket, &["frames in"]);
    let finished = running.finish().with_code(0);
    assert_eq!(finished.stderr, "", "all of it is in the journal");
}

/// The next message that has all these words in it.
fn await_message(socket: &UnixDatagram, words: &[&str]) -> String {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = socket.recv(&mut buffer).expect("a message");
        let message = String::from_utf8_lossy(&buffer[..length]);
        if words.iter().all(|word| message.contains(word)) {
            return message.into_owned();
        }
    }
}

#[test]
fn a_journal_that_is_not_there_is_named() {
    if Path::new("/run/systemd/journal/socket").exists() {
        eprintln!("skipped: there is a journal");
        return;
    }
    let words = ["cannot reach journald", "--log-format plain"];
    classifyd("models --log-format journal").refusal(69, &words);
}

/// GStreamer's and ONNX Runtime's too: `disconnects_leave_nothing_behind` and `make soak` show that.
#[test]
fn freed_memory_is_given_back_in_the_background() {
    let setting = Setting::new();
    let mut running = setting.daemon(&[DOOR]).start();
    running.wait_for_records(1);
    let threads = running.names_of_threads();
    assert!(threads.iter().any(|name| name == "jemalloc_bg_thd"), "{threads:?}");
    terminate(running);
}

/// `make test-v4l2` shows what for.
#[test]
fn the_daemon_gives_itself_the_environment_that_libraries_look_at() {
    let setting = Setting::new();
    let daemon = || setting.daemon(&[DOOR]);
    for (daemon, value) in [(daemon(), "1"), (daemon().env("GST_V4L2_FORCE_DRAIN", "0"), "0")] {
        let mut running = daemon.start();
        running.wait_for_records(1);
        assert_eq!(running.variable("GST_V4L2_FORCE_DRAIN").as_deref(), Some(value));
        terminate(running);
    }
}
