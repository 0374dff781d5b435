//! The service under a real systemd, and what `systemd-analyze` says of its unit.

mod machine;

use std::fs;
use std::path::Path;
use std::process::Command;

use machine::Machine;

use crate::harness::repository;

/// Two cameras that are well, classified by a model that is quick.
const CAMERAS: &str = r#"
policy.kind = "fixed:colour"
[[stream]]
name = "door"
source = "test://ball?width=64&height=48&fps=10"
budget = "200ms"
[[stream]]
name = "yard"
source = "test://ball?width=64&height=48&fps=10"
budget = "200ms"
"#;

/// A camera that nobody answers for.
const GONE: &str = r#"
[[stream]]
name = "gone"
source = "rtsp://127.0.0.1:1/live"
budget = "200ms"
"#;

/// Stops one thread of the service and no other, and prints `frozen`; ends with the thread. (A SIGSTOP
/// would stop the process.) The numbers are those of ptrace(2) on x86-64 and on 64-bit ARM, of
/// PTRACE_SEIZE and PTRACE_INTERRUPT, and of __WALL.
const FREEZE: &str = r#"
exec perl -e '
    my ($pid, $name) = @ARGV;
    my ($task) = grep { `cat $_/comm` eq "$name\n" } glob("/proc/$pid/task/*");
    $task or die "there is no thread $name\n";
    my ($thread) = $task =~ /(\d+)$/;
    my $ptrace = `uname -m` =~ /^x86_64/ ? 101 : 117;
    for my $request (0x4206, 0x4207) {
        syscall($ptrace, $request, $thread + 0, 0, 0) == 0 or die "ptrace: $!\n";
    }
    waitpid($thread, 0x40000000);
    $| = 1;
    print "frozen\n";
    waitpid($thread, 0x40000000);
' "$(systemctl show --value --property MainPID classifyd)" "$0"
"#;

fn is_active(machine: &Machine, restarts: u32) {
    let states = ["ActiveState", "NRestarts"].map(|name| machine.property(name));
    let log = machine.run("journalctl --unit classifyd --no-pager --lines 40").text;
    assert_eq!(states, ["active".to_owned(), restarts.to_string()], "{log}");
}

#[test]
fn the_service_starts_says_what_it_does_drains_and_keeps_its_state() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", CAMERAS);
    machine.run("systemctl start classifyd").ok();
    is_active(&machine, 0);
    let status = machine.property("StatusText");
    assert!(status.starts_with("classifying 2 streams: "), "{status}");
    let mut journal = machine.journal();
    journal.wait_for(r#""stream":"door","frame":20"#);
    machine.run("systemctl stop classifyd").ok();
    let ending = ["ActiveState", "Result", "ExecMainStatus"].map(|name| machine.property(name));
    assert_eq!(ending, ["inactive", "success", "0"]);
    journal.wait_for("those on their way are finished");
    journal.wait_for("frames in");
    let kept = "stat --format %Y%s /var/lib/private/classifyd/latencies.json";
    let before = machine.run(kept).ok();
    let restarted = machine.run("systemctl restart classifyd").code;
    let log = machine.run("journalctl --unit classifyd --no-pager --lines 40").text;
    assert_eq!(restarted, Some(0), "{log}");
    journal.wait_for(r#""stream":"yard","frame":20"#);
    assert_eq!(machine.run(kept).ok(), before, "it is there after the start");
    machine.run("systemctl stop classifyd").ok();
    let quiet = "journalctl --unit classifyd --priority warning --no-pager --quiet --output cat";
    let warnings = machine.run(quiet).ok();
    // The machine is nearly empty: some plug-ins of GStreamer lack libraries.
    let own = warnings.lines().filter(|line| !line.starts_with("Failed to load plugin"));
    assert_eq!(own.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_wrong_configuration_stays_down() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", &CAMERAS.replace("200ms", "soon"));
    assert_ne!(machine.run("systemctl start classifyd").code, Some(0));
    let names = ["ActiveState", "ExecMainStatus", "NRestarts"];
    let states = names.map(|name| machine.property(name));
    assert_eq!(states, ["failed", "78", "0"]);
    machine.journal().wait_for("this is no duration");
}

#[test]
fn a_reload_takes_what_is_right_and_refuses_what_is_not() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", CAMERAS);
    machine.run("systemctl start classifyd").ok();
    let mut journal = machine.journal();
    journal.wait_for(r#""frame":20"#);
    machine.write("classifyd.toml", &CAMERAS.replace("200ms", "300ms"));
    machine.run("systemctl reload classifyd").ok();
    journal.wait_for("reloaded: streams: 2 go on");
    journal.wait_for(r#""deadline_ms":300.0"#);
    machine.write("classifyd.toml", &CAMERAS.replace("200ms", "soon"));
    machine.run("systemctl reload classifyd").ok();
    journal.wait_for("the reload is refused");
    journal.wait_for("this is no duration");
    journal.wait_for(r#""deadline_ms":300.0"#);
    is_active(&machine, 0);
}

#[test]
fn a_stalled_pipeline_is_started_anew_though_the_process_lives() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", CAMERAS);
    machine.adapt_unit("WatchdogSec=4s");
    machine.run("systemctl start classifyd").ok();
    let mut journal = machine.journal();
    for (restarts, thread) in [(1, "prepare"), (2, "output")] {
        journal.wait_for(r#""frame":20"#);
        let mut freezer = machine.follow(&FREEZE.replace("$0", thread));
        freezer.wait_for("frozen");
        journal.wait_for("no progress: ");
        journal.wait_for("Watchdog timeout");
        journal.wait_for("Started classifyd.service");
        is_active(&machine, restarts);
    }
}

#[test]
fn a_stopped_process_is_started_anew() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", CAMERAS);
    machine.adapt_unit("WatchdogSec=2s");
    machine.run("systemctl start classifyd").ok();
    let mut journal = machine.journal();
    journal.wait_for(r#""frame":20"#);
    machine.run("systemctl kill --kill-who main --signal STOP classifyd").ok();
    journal.wait_for("Watchdog timeout");
    journal.wait_for("Started classifyd.service");
    is_active(&machine, 1);
}

#[test]
fn a_camera_that_is_gone_is_tried_again_and_the_watchdog_is_fed() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", &format!("{CAMERAS}{GONE}"));
    machine.adapt_unit("WatchdogSec=2s");
    machine.run("systemctl start classifyd").ok();
    let mut journal = machine.journal();
    // The first time, the second, the fourth and the eighth.
    for _ in 0..4 {
        journal.wait_for("stream gone is lost");
    }
    is_active(&machine, 0);
    let status = machine.property("StatusText");
    assert!(status.contains("2 live") && status.contains("in time"), "{status}");
}

#[test]
fn the_cache_of_the_service_can_be_filled_before_it_starts() {
    let Some(machine) = Machine::boot() else { return };
    machine.write("classifyd.toml", CAMERAS);
    // As README.md has `classifyd prebuild` do it.
    let fill = "systemd-run --pipe --wait -p User=classifyd -p DynamicUser=yes \
                -p SupplementaryGroups=video -p CacheDirectory=classifyd \
                -p Environment=CACHE_DIRECTORY=/var/cache/classifyd \
                sh -c 'touch $CACHE_DIRECTORY/filled'";
    machine.run(fill).ok();
    machine.run("systemctl start classifyd").ok();
    let owners = "stat -c %u /var/cache/private/classifyd/filled \
                  /proc/$(systemctl show -P MainPID classifyd)";
    let owners = machine.run(owners).ok();
    let owners: Vec<&str> = owners.split_whitespace().collect();
    assert!(owners.len() == 2 && owners[0] == owners[1], "{owners:?}");
}

#[test]
fn a_password_is_read_by_the_service_and_by_nobody_else() {
    let Some(machine) = Machine::boot() else { return };
    let gone = GONE.replace("budget", "credentials = \"gone\"\nbudget");
    machine.write("classifyd.toml", &format!("{CAMERAS}{gone}"));
    machine.write("credentials/gone", "me:sesame\n");
    machine.run("chmod 700 /etc/classifyd/credentials").ok();
    machine.run("chmod 600 /etc/classifyd/credentials/gone").ok();
    machine.run("systemctl start classifyd").code.expect("it ends");
    let mut journal = machine.journal();
    journal.wait_for("there is no file /etc/classifyd/gone");
    machine.adapt_unit("LoadCredential=gone:/etc/classifyd/credentials/gone");
    machine.run("systemctl start classifyd").ok();
    is_active(&machine, 0);
    journal.wait_for("stream gone is lost");
    let loaded = "/run/credentials/classifyd.service/gone";
    assert_eq!(machine.run(&format!("cat {loaded}")).ok(), "me:sesame\n");
    let others = machine.run(&format!("setpriv --reuid nobody --clear-groups cat {loaded}"));
    assert!(others.code != Some(0) && others.text.contains("Permission denied"), "{}", others.text);
    let log = machine.run("journalctl --unit classifyd --no-pager --output verbose --all").ok();
    let status = machine.run("systemctl status --full --no-pager classifyd").text;
    for shown in [&log, &status] {
        assert!(!shown.contains("sesame"), "{shown}");
    }
    assert!(!log.contains("everybody on this machine can read"), "{log}");
}

/// Runs `systemd-analyze` on the unit in a directory; `None`, with a word, where it is not installed.
fn analyze(arguments: &str, directory: &Path) -> Option<(bool, String)> {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments.split_whitespace()).arg("./classifyd.service").current_dir(directory);
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into();
            Some((output.status.success(), said))
        }
        Err(error) => {
            eprintln!("skipped: systemd-analyze: {error}");
            None
        }
    }
}

/// A copy of the unit whose program exists, with its drop-ins or without.
fn unit(drop_ins: &[&str]) -> tempfile::TempDir {
    let (copy, original) = (tempfile::tempdir().unwrap(), repository().join("systemd"));
    let unit = fs::read_to_string(original.join("classifyd.service")).unwrap();
    let unit = unit.replace("/usr/bin/classifyd", env!("CARGO_BIN_EXE_classifyd"));
    fs::write(copy.path().join("classifyd.service"), unit).unwrap();
    let directory = "classifyd.service.d";
    fs::create_dir(copy.path().join(directory)).unwrap();
    for name in drop_ins {
        let name = Path::new(directory).join(name);
        fs::copy(original.join(&name), copy.path().join(&name)).unwrap();
    }
    copy
}

const DROP_IN: &str = "10-systemd-247.conf";

#[test]
fn systemd_finds_no_fault_in_the_unit() {
    for drop_ins in [&[][..], &[DROP_IN]] {
        let unit = unit(drop_ins);
        let Some(said) = analyze("verify --man=no", unit.path()) else { return };
        assert_eq!(said, (true, String::new()));
    }
}

#[test]
fn the_unit_is_exposed_to_little() {
    let unit = unit(&[DROP_IN]);
    let arguments = "security --offline=true --threshold=20 --no-pager";
    let Some((is_below, said)) = analyze(arguments, unit.path()) else { return };
    assert!(is_below, "{said}");
}

/// What systemd 237, on JetPack 4, does not know yet. In an allow list it would leave nothing allowed.
#[test]
fn the_unit_itself_needs_no_newer_systemd_than_jetpack_4_has() {
    let newer = [
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectProc",
        "ProcSubset",
        "RestrictSUIDSGID",
        "PrivateMounts",
        "LoadCredential",
        "SetCredential",
        "LogRateLimit",
        "TimeoutAbortSec",
        "RestartSteps",
        "ExecCondition",
        "StandardOutput=append",
        "notify-reload",
        "@system-service",
    ];
    let unit = fs::read_to_string(repository().join("systemd/classifyd.service")).unwrap();
    let keys = unit.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    for key in newer {
        assert!(!keys.contains(key), "{key} belongs into the drop-in");
    }
}
