//! Whole files: what a good one says, and every fault of bad ones, to the letter.

use std::time::Duration;

use super::*;
use crate::operations::DEFAULT_LISTEN;

/// A stream without faults, for files that are about something else.
const STREAM: &str = "[[stream]]\nname = \"a\"\nsource = \"b.mp4\"\nbudget = \"1s\"\n";

fn read(text: &str) -> Result<Config, Faults> {
    read::from_bytes(Path::new("etc/c.toml"), text.as_bytes())
}

/// All faults of a file, one a line.
fn faults(text: &str) -> String {
    match read(text) {
        Ok(config) => panic!("no fault found: {config:?}"),
        Err(faults) => faults.to_string(),
    }
}

/// The single fault of a file whose other lines, before it, are without.
fn fault_in(section: &str, line: &str) -> String {
    let fault = faults(&format!("{STREAM}{section}\n{line}\n"));
    fault.strip_prefix("etc/c.toml:6:").unwrap_or_else(|| panic!("{fault}")).to_owned()
}

#[test]
fn a_file_with_every_key() {
    let config = read(
        r#"
        [models]
        directory = "models"
        use = ["small", "big"]
        premodel = "/var/premodel.safetensors"
        threads = 0x10
        providers = ["cuda", "cpu"]
        [onnxruntime]
        library = "../lib/libonnxruntime.so"
        [policy]
        kind = "fixed:big"
        seed = 9_000
        [output]
        top_k = 100
        [devices]
        cpu_cores = 32
        gpu_runs = 2
        [scheduler]
        on_time = 0.99
        estimates = "state/latencies.json"
        [late]
        margin = "20ms"
        fence_after = "1m"
        [[stream]]
        name = "back door"
        source = "rtsp://cam/stream"
        credentials = "logins/door"
        budget = "33ms"
        every = 3
        priority = 7
        minimum_share = 0.25
        stall_after = "2s"
        realtime = false
        parameters = { width = 1280, device = "/dev/video1" }
        [[stream]]
        name = "yard"
        source = "clips/*.jpg"
        loop = true
        budget = "1h"
        target_rate = 7.5
        "#,
    )
    .unwrap();
    let path = |path: &Option<Located<PathBuf>>| path.as_ref().unwrap().value.clone();
    assert_eq!(path(&config.models.directory), Path::new("etc/models"));
    assert_eq!(path(&config.models.premodel), Path::new("/var/premodel.safetensors"));
    assert_eq!(path(&config.onnxruntime), Path::new("etc/../lib/libonnxruntime.so"));
    let names = config.models.names.unwrap();
    assert_eq!(names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>(), ["small", "big"]);
    assert_eq!(config.widths.widest().get(), 16);
    assert_eq!(config.models.providers, [Provider::Cuda, Provider::Cpu]);
    assert_eq!(config.policy.kind.unwrap().value.to_string(), "fixed:big");
    assert_eq!((config.policy.seed, config.output.top_k.get()), (9000, 100));
    let cores = config.widths.cpu_cores.map(NonZeroUsize::get);
    assert_eq!((cores, config.widths.gpu_runs.get()), (Some(32), 2));
    assert_eq!(config.scheduler.on_time.get(), 0.99);
    assert_eq!(config.scheduler.estimates.as_deref(), Some(Path::new("etc/state/latencies.json")));
    assert_eq!(config.late.margin, Some(Duration::from_millis(20)));
    assert_eq!(config.late.fence_after, Duration::from_secs(60));
    let [door, yard] = &config.streams[..] else { panic!("two streams") };
    assert_eq!((door.name.as_str(), &*door.source.value), ("back door", "rtsp://cam/stream"));
    assert_eq!(door.budget.duration(), Duration::from_millis(33));
    assert_eq!((door.every.get(), door.pace), (3, Pace::Work));
    assert_eq!(door.terms, Terms { priority: 7, minimum_share: 0.25 });
    assert_eq!(yard.source.value, "etc/clips/*.jpg");
    assert_eq!((&*door.parameters["width"], &*door.parameters["device"]), ("1280", "/dev/video1"));
    assert_eq!((yard.every.get(), yard.pace, yard.parameters.len()), (1, Pace::Clock, 0));
    assert_eq!(yard.terms, Terms::default());
    let logins = [door, yard].map(|stream| stream.credentials.as_ref().map(|file| &file.value));
    assert_eq!(logins, [Some(&LoginFile::new("logins/door", Path::new("etc"))), None]);
    assert_eq!([door, yard].map(|stream| stream.stall_after.as_secs()), [2, 5]);
    assert_eq!([door, yard].map(|stream| stream.playback), [Playback::Once, Playback::Loop]);
    assert_eq!((door.target_rate, yard.target_rate), (None, "7.5".parse().ok()));
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = read(STREAM).unwrap();
    assert!(config.models.directory.is_none() && config.models.premodel.is_none());
    assert!(config.models.names.is_none() && config.onnxruntime.is_none());
    assert!(config.policy.kind.is_none());
    assert_eq!(config.models.providers, Provider::LADDER);
    let numbers = (config.widths.widest().get(), config.output.top_k.get(), config.policy.seed);
    assert_eq!(numbers, (1, 5, 0));
    assert_eq!(config.late, LateLimits::default());
    assert_eq!((config.widths, config.scheduler), Default::default());
}

#[test]
fn the_example_is_without_faults_as_it_stands_and_with_every_key_in_use() {
    let example = include_str!("../../systemd/classifyd.toml");
    let path = Path::new("/etc/classifyd/classifyd.toml");
    read::from_bytes(path, example.as_bytes()).unwrap();
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
            format!("{key}\n")
        }
        Some(_) | None => format!("{line}\n"),
    };
    let every_key: String = example.lines().map(uncommented).collect();
    let config = read::from_bytes(path, every_key.as_bytes()).unwrap();
    assert_eq!(config.models.names.unwrap().len(), 2);
    assert_eq!(config.streams[0].parameters.len(), 2);
    assert_eq!(config.metrics.map(|listen| listen.value), Some(DEFAULT_LISTEN));
    let socket = config.status_socket.map(|socket| socket.value);
    assert_eq!(socket, Some("/run/classifyd/classifyd.sock".into()));
}

#[test]
fn all_faults_of_a_file_are_found_at_once() {
    let found = faults(
        r#"colour = "red"
[models]
thread = 4
threads = 65
providers = ["cuda", "gpu", "cuda", 3]
use = []
[policy]
kind = "fixed:a b"
seed = -1
[output]
top_k = 0
[[stream]]
name = "door"
source = 7
budget = "-5ms"
every = 1.5
realtime = "yes"
priority = 256
minimum_share = 1.5
parameters = { width = 1280, scale = 1.5, "frame rate" = true }
[[stream]]
name = "door"
sources = "rtsp://cam/stream"
budget = 100
"#,
    );
    let expected = r#"
etc/c.toml:1:1: colour: there is no such key (choose from `models`, `devices`, `scheduler`, `onnxruntime`, `policy`, `output`, `late`, `status`, `metrics`, `stream`)
etc/c.toml:3:1: models.thread: there is no such key (did you mean `threads`?)
etc/c.toml:4:11: models.threads = 65: this is out of range (write a whole number from 1 to 64)
etc/c.toml:5:22: models.providers[1] = "gpu": there is no such provider (choose from `tensorrt`, `cuda`, `cpu`)
etc/c.toml:5:29: models.providers[2] = "cuda": line 5 has the same (rename or remove this one)
etc/c.toml:5:37: models.providers[3] = 3: this is a whole number (write the name of an execution provider in quotes)
etc/c.toml:6:7: models.use = []: this is empty (write a list of models' names, or leave it out to use every model)
etc/c.toml:8:8: policy.kind = "fixed:a b": after `fixed:` stands no model's name (a model's name, as `classifyd models` lists them)
etc/c.toml:9:8: policy.seed = -1: this is out of range (write a whole number from 0 to 9223372036854775807)
etc/c.toml:11:9: output.top_k = 0: this is out of range (write a whole number from 1 to 100)
etc/c.toml:14:10: stream[0].source = 7: this is a whole number (write a URI, a path or the name of a pipeline in quotes)
etc/c.toml:15:10: stream[0].budget = "-5ms": this is no duration (write it like "33ms" or "1.5s", from 1ms to 1h)
etc/c.toml:16:9: stream[0].every = 1.5: this is a number with a fraction (write a whole number from 1 to 100000)
etc/c.toml:17:12: stream[0].realtime = "yes": this is a string (write true or false, without quotes)
etc/c.toml:18:12: stream[0].priority = 256: this is out of range (write a whole number from 0 to 255)
etc/c.toml:19:17: stream[0].minimum_share = 1.5: this is out of range (write a share from 0 to 1, like 0.25)
etc/c.toml:20:38: stream[0].parameters.scale = 1.5: this is a number with a fraction (write text in quotes or a whole number)
etc/c.toml:20:58: stream[0].parameters."frame rate" = true: this is a truth value (write text in quotes or a whole number)
etc/c.toml:21:1: stream[1].source: this is missing (add source = "rtsp://...")
etc/c.toml:22:8: stream[1].name = "door": line 13 has the same (rename or remove this one)
etc/c.toml:23:1: stream[1].sources: there is no such key (did you mean `source`?)
etc/c.toml:24:10: stream[1].budget = 100: this is no duration in quotes (write it like "33ms" or "1.5s", from 1ms to 1h)"#;
    assert_eq!(format!("\n{found}"), expected);
}

#[test]
fn a_stream_must_be_there() {
    let missing = "etc/c.toml:1:1: stream: this is missing (add [[stream]] with name, source and \
                   budget)";
    assert_eq!(faults(""), missing);
    assert_eq!(
        faults("stream = []\n"),
        "etc/c.toml:1:10: stream = []: there is no stream (write [[stream]], with two brackets, \
         above each stream)"
    );
    assert_eq!(
        faults("[stream]\nname = \"door\"\n"),
        "etc/c.toml:1:1: stream = [stream]: this is a table (write [[stream]], with two brackets, \
         above each stream)"
    );
    assert_eq!(
        faults("stream = [1]\n"),
        "etc/c.toml:1:11: stream[0] = 1: this is a whole number (write [[stream]] and its keys \
         below it)"
    );
}

#[test]
fn a_stream_has_a_name_a_source_and_a_budget() {
    assert_eq!(
        faults("\n  [[stream]]\n"),
        "etc/c.toml:2:3: stream[0].name: this is missing (add name = \"door\")\n\
         etc/c.toml:2:3: stream[0].source: this is missing (add source = \"rtsp://...\")\n\
         etc/c.toml:2:3: stream[0].budget: this is missing (add budget = \"100ms\")"
    );
}

#[test]
fn every_syntax_error_is_found_and_nothing_is_guessed_after_it() {
    let found = faults("[models]\nthreads = two\nthreads = 65\n[output\n");
    let places = ["2:11", "3:1", "4:8"];
    assert_eq!(found.lines().count(), places.len(), "{found}");
    for (line, place) in found.lines().zip(places) {
        assert!(line.starts_with(&format!("etc/c.toml:{place}: not TOML: ")), "{line}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_line() {
    let error = read::from_bytes(Path::new("c.toml"), b"[models]\n# caf\xe9\n").unwrap_err();
    let expected = "c.toml:2:6: this is not UTF-8 text (save the file as UTF-8)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_table_nested_without_end_is_a_fault_and_no_crash() {
    let nested = format!("a = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(faults(&nested).starts_with("etc/c.toml:1:"));
}

#[test]
fn budgets_are_neither_absurd_nor_without_a_unit() {
    let remedy = "(write it like \"33ms\" or \"1.5s\", from 1ms to 1h)";
    for (budget, problem) in [
        ("0ms", "this is out of range"),
        ("2h", "this is out of range"),
        ("999us", "this is out of range"),
        ("99999999999999999999s", "this is no duration"),
        ("100", "this is no duration"),
        ("", "this is no duration"),
        ("soon", "this is no duration"),
    ] {
        let text = STREAM.replace("1s", budget);
        let expected =
            format!("etc/c.toml:4:10: stream[0].budget = \"{budget}\": {problem} {remedy}");
        assert_eq!(faults(&text), expected);
    }
}

#[test]
fn numbers_have_their_ranges() {
    for line in ["threads = 0", "threads = -1", "threads = 65", "threads = 1e3", "threads = \"2\""]
    {
        let fault = fault_in("[models]", line);
        assert!(fault.ends_with("(write a whole number from 1 to 64)"), "{fault}");
    }
    for line in ["top_k = 0", "top_k = 101", "top_k = 99999999999999999999999", "top_k = true"] {
        let fault = fault_in("[output]", line);
        assert!(fault.ends_with("(write a whole number from 1 to 100)"), "{fault}");
    }
    for line in ["threads = 1", "threads = 64"] {
        read(&format!("{STREAM}[models]\n{line}\n")).unwrap();
    }
}

#[test]
fn runs_have_to_fit_the_cores() {
    let widths = |text: &str| read(&format!("{STREAM}{text}")).unwrap().widths;
    let threads = |widths: &Widths| widths.threads.iter().map(|n| n.get()).collect::<Vec<_>>();
    let both = widths("[models]\nthreads = [2, 1]\n[devices]\ncpu_cores = 2\n");
    assert_eq!((threads(&both), both.cpu_cores.map(NonZeroUsize::get)), (vec![2, 1], Some(2)));
    let narrow = "[models]\nthreads = [1, 4]\n[devices]\ncpu_cores = 3\n";
    let fault = faults(&format!("{STREAM}{narrow}"));
    assert!(fault.contains("runs of 4 threads do not fit"), "{fault}");
    for (line, remedy) in [("threads = []", "a list of"), ("threads = [1, 0]", "from 1 to 64")] {
        let fault = fault_in("[models]", line);
        assert!(fault.contains(remedy), "{fault}");
    }
    let fault = fault_in("[devices]", "gpu_runs = 17");
    assert!(fault.ends_with("(write a whole number from 1 to 16)"), "{fault}");
}

#[test]
fn certainty_is_a_probability() {
    for (value, problem) in [
        ("1.0", "this is out of range"),
        ("0.5", "this is out of range"),
        ("nan", "this is out of range"),
        ("1", "this is a whole number"),
        ("\"99%\"", "this is a string"),
    ] {
        let fault = fault_in("[scheduler]", &format!("on_time = {value}"));
        assert!(fault.contains(problem), "{fault}");
        assert!(fault.contains("a probability like 0.999, above 0.5 and below 1"), "{fault}");
    }
}

#[test]
fn times_of_late_runs_have_their_ranges() {
    for (line, problem, range) in [
        ("margin = \"2h\"", "this is out of range", "from 0s to 1h"),
        ("margin = \"soon\"", "this is no duration", "from 0s to 1h"),
        ("margin = 20", "this is a whole number", "a time in quotes"),
        ("fence_after = \"99ms\"", "this is out of range", "from 100ms to 1h"),
        ("fence_after = \"-5s\"", "this is no duration", "from 100ms to 1h"),
    ] {
        let fault = fault_in("[late]", line);
        assert!(fault.contains(problem) && fault.contains(range), "{fault}");
    }
    let config = read(&format!("{STREAM}[late]\nmargin = \"0ms\"\n")).unwrap();
    assert_eq!(config.late.margin, Some(Duration::ZERO));
}

#[test]
fn names_are_plain() {
    let long = "x".repeat(65);
    for (name, problem) in [
        ("", "this is empty"),
        ("  ", "this is empty"),
        (" door", "this has control characters in it or blanks around it"),
        ("a\\u001bb", "this has control characters in it or blanks around it"),
        (&long, "this is longer than 64 characters"),
    ] {
        let found = faults(&STREAM.replace("name = \"a\"", &format!("name = \"{name}\"")));
        assert!(found.starts_with("etc/c.toml:2:8: stream[0].name = "), "{found}");
        assert!(found.contains(problem), "{found}");
    }
}

#[test]
fn paths_and_sources_are_not_empty() {
    assert_eq!(
        fault_in("[onnxruntime]", "library = \"\""),
        "11: onnxruntime.library = \"\": this is empty (write a path in quotes)"
    );
    assert!(
        faults(&STREAM.replace("b.mp4", "")).contains("stream[0].source = \"\": this is empty")
    );
}

#[test]
fn policies_are_those_of_the_command_line() {
    assert_eq!(
        fault_in("[policy]", "kind = \"best\""),
        "8: policy.kind = \"best\": there is no such policy (\"premodel\", \"adaptive\", \"random\", or \
         \"fixed:NAME\" with a model's name)"
    );
}

#[test]
fn a_target_is_for_the_adaptive_policy_and_stands_alone() {
    let policy = |keys: &str| read(&format!("{STREAM}[policy]\n{keys}\n"));
    let config = policy("accuracy_target = 0.85").unwrap();
    assert_eq!(config.policy(), Some(PolicyKind::Adaptive));
    assert_eq!(config.policy.target.unwrap().value, Target::Accuracy(0.85));
    let config = policy("kind = \"adaptive\"\nmean_time_target = \"12ms\"").unwrap();
    let twelve = Duration::from_millis(12);
    assert_eq!(config.policy.target.unwrap().value, Target::MeanTime(twelve));
    assert_eq!(policy("").unwrap().policy(), None);
    for (keys, words) in [
        ("accuracy_target = 85", "this is a whole number (write a share like 0.85"),
        ("accuracy_target = 1.5", "this is out of range"),
        ("mean_time_target = \"0ms\"", "this is no time"),
        ("kind = \"random\"\naccuracy_target = 0.5", "the policy random has no target"),
        ("accuracy_target = 0.5\nmean_time_target = \"9ms\"", "there is an accuracy_target too"),
    ] {
        let found = policy(keys).unwrap_err().to_string();
        assert!(found.contains(words), "{keys}: {found}");
    }
}

#[test]
fn a_model_studies_for_the_adaptive_policy() {
    let policy = |keys: &str| read(&format!("{STREAM}[policy]\n{keys}\n"));
    let config = policy("study = \"large\"").unwrap();
    assert_eq!(config.policy(), Some(PolicyKind::Adaptive));
    assert_eq!(config.policy.study.unwrap().value.as_str(), "large");
    for (keys, words) in [
        ("study = \"a/b\"", "this cannot be a model's name"),
        ("study = 3", "this is a whole number"),
        ("kind = \"premodel\"\nstudy = \"large\"", "the policy premodel has no use"),
    ] {
        let found = policy(keys).unwrap_err().to_string();
        assert!(found.contains(words), "{keys}: {found}");
    }
}

#[test]
fn a_fixed_model_must_be_one_of_those_in_use() {
    let text = |fixed: &str| {
        format!("{STREAM}[models]\nuse = [\"small\"]\n[policy]\nkind = \"fixed:{fixed}\"\n")
    };
    read(&text("small")).unwrap();
    assert_eq!(
        faults(&text("big")),
        "etc/c.toml:8:8: policy.kind = \"fixed:big\": models.use leaves this model out (add it \
         there)"
    );
}

#[test]
fn a_section_of_the_wrong_type_is_one_fault() {
    assert_eq!(
        faults(&format!("models = 3\n{STREAM}")),
        "etc/c.toml:1:10: models = 3: this is a whole number (write a table, [models])"
    );
    assert_eq!(
        fault_in("[models]", "use = \"small\""),
        "7: models.use = \"small\": this is a string (write a list of models' names, or leave it \
         out to use every model)"
    );
}

#[test]
fn later_faults_can_point_at_the_line() {
    let config = read(STREAM).unwrap();
    let fault = config.streams[0].source.location.fault("no such file", "check the path");
    let expected = "etc/c.toml:3:10: stream[0].source = \"b.mp4\": no such file (check the path)";
    assert_eq!(fault.to_string(), expected);
    assert_eq!(Faults::from(fault).to_string(), expected);
}

#[test]
fn passwords_do_not_show() {
    let text = STREAM.replace("b.mp4", "rtsp://admin:s3cr3t@cam/stream");
    let location = read(&text).unwrap().streams.remove(0).source.location;
    assert!(location.to_string().ends_with("source = \"rtsp://admin:***@cam/stream\""));
    let text = STREAM.replace("b.mp4", "rtsp://cam/?token=s3cr3t");
    let location = read(&text).unwrap().streams.remove(0).source.location;
    assert!(location.to_string().ends_with("source = \"rtsp://cam/?token=***\""), "{location}");
    let found = faults(&format!("{STREAM}parameters = {{ user_pw = 3.5, size = 7.5 }}\n"));
    assert!(found.contains("parameters.user_pw = ***: "), "{found}");
    assert!(found.contains("parameters.size = 7.5: "), "{found}");
}

#[test]
fn what_is_shown_is_one_short_line() {
    let value = format!("[\n{}]", "\"a\",\n".repeat(99));
    let found = faults(&STREAM.replace("\"b.mp4\"", &value));
    assert!(found.contains("stream[0].source = [...: this is a list"), "{found}");
    let found = faults(&STREAM.replace("\"b.mp4\"", &format!("{}.5", "9".repeat(90))));
    assert!(found.contains(&format!("= {}...: this is", "9".repeat(60))), "{found}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/c.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/c.toml"), "{error}");
    assert!(matches!(error, ConfigError::Read { .. }));
}

#[test]
fn a_file_on_disk_is_read_from_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(&file, format!("{STREAM}[models]\ndirectory = \"m\"\n")).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.models.directory.unwrap().value, directory.path().join("m"));
}

#[test]
fn a_target_rate_is_a_rate_and_stands_alone() {
    let with = |line: &str| read(&format!("{STREAM}{line}\n"));
    assert_eq!(with("target_rate = 5").unwrap().streams[0].target_rate, "5".parse().ok());
    let cases = [
        ("target_rate = 0", "this is out of range (write frames per second, like 5 or 7.5"),
        ("target_rate = -1.5", "this is out of range"),
        ("target_rate = 1001", "this is out of range"),
        ("target_rate = inf", "this is out of range"),
        ("target_rate = \"5\"", "this is a string (write frames per second"),
        ("every = 3\ntarget_rate = 5", "there is `every` too (keep one of the two)"),
    ];
    for (line, words) in cases {
        let faults = with(line).unwrap_err().to_string();
        assert!(faults.contains("stream[0].target_rate"), "{line}: {faults}");
        assert!(faults.contains(words), "{line}: {faults}");
    }
}
