//! A machine that a real systemd boots: a container over this system's `/usr`, empty otherwise, with the
//! unit, its drop-in, the program under test and the tiny models in it. Needs root and `systemd-nspawn`.
//!
//! Nothing here polls: the container says when it is up, `systemctl start` returns when the service is
//! ready, and what happens later is read off the journal.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use tempfile::TempDir;

use crate::harness::{library, repository, text};

/// Nothing takes longer, even on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// No machine takes longer to boot: mostly it is a second.
const BOOT: Duration = Duration::from_secs(60);

/// Where the program lies in the machine.
const PROGRAM: &str = "/opt/classifyd/bin/classifyd";

/// A machine that is up. Dropped, it is switched off.
pub struct Machine {
    files: TempDir,
    container: Child,
    leader: String,
    /// One machine at a time: they share a control group.
    _turn: MutexGuard<'static, ()>,
}

/// What a command said.
pub struct Answer {
    pub code: Option<i32>,
    pub text: String,
}

/// Why there is no machine here.
fn obstacle() -> Option<String> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let version = Command::new("systemd-nspawn").arg("--version").output();
    match (is_root, version) {
        (false, _) => Some("only root can boot one".to_owned()),
        (true, Err(error)) => Some(format!("systemd-nspawn (package systemd-container): {error}")),
        (true, Ok(_)) => None,
    }
}

impl Machine {
    /// Boots a machine; `None`, with a word on stderr, if that is not possible here.
    pub fn boot() -> Option<Self> {
        let machine = match obstacle() {
            Some(obstacle) => Err(obstacle),
            None => Self::start(),
        };
        machine.map_err(|obstacle| eprintln!("skipped, as no systemd boots here: {obstacle}")).ok()
    }

    fn start() -> Result<Self, String> {
        static TURN: Mutex<()> = Mutex::new(());
        static MACHINES: AtomicU32 = AtomicU32::new(0);
        // A test that failed left nothing behind.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        let files = tempfile::tempdir().expect("a directory for the machine's files");
        let up = UnixDatagram::bind(files.path().join("up")).expect("a socket");
        up.set_read_timeout(Some(BOOT)).expect("a time");
        let mut command = Command::new("systemd-nspawn");
        command.args([
            "--directory=/",
            "--volatile=yes",
            "--register=no",
            "--keep-unit",
            "--quiet",
        ]);
        command.args(["--private-network", "--notify-ready=yes", "--console=pipe", "--boot"]);
        command.arg(format!("--machine=classifyd-{}-{number}", std::process::id()));
        for (here, there) in furniture(files.path()) {
            command.arg(format!("--bind={}:{there}", text(&here)));
        }
        command.arg("systemd.unit=basic.target").env("NOTIFY_SOCKET", files.path().join("up"));
        let console = fs::File::create(files.path().join("console")).expect("a file");
        command.stdin(Stdio::null()).stderr(console.try_clone().expect("a file")).stdout(console);
        let container = command.spawn().map_err(|error| error.to_string())?;
        let mut machine = Self { files, container, leader: String::new(), _turn: turn };
        match leader_once_up(&up) {
            Some(leader) => machine.leader = leader,
            None => return Err(machine.console()),
        }
        Ok(machine)
    }

    fn console(&self) -> String {
        fs::read_to_string(self.files.path().join("console")).unwrap_or_default()
    }

    /// Writes a file below `/etc/classifyd`, for all to read.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.files.path().join("etc").join(name);
        fs::create_dir_all(file.parent().expect("a directory")).expect("a writable directory");
        fs::write(&file, content).expect("a writable directory");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("an own file");
        file
    }

    /// Adds keys to the unit's `[Service]`.
    pub fn adapt_unit(&self, keys: &str) {
        let file = self.files.path().join("unit.d/90-test.conf");
        fs::write(file, format!("[Service]\n{keys}\n")).expect("a writable directory");
        self.run("systemctl daemon-reload").ok();
    }

    /// Runs a shell command in the machine.
    pub fn run(&self, command: &str) -> Answer {
        let output = self.command(command).output().expect("nsenter is installed");
        let text = [output.stdout, output.stderr].concat();
        Answer { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Starts a shell command in the machine; its lines.
    pub fn follow(&self, command: &str) -> Lines {
        let mut child = self.command(command).stdout(Stdio::piped()).spawn().expect("nsenter");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, coming) = unbounded();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Lines { child, coming }
    }

    /// What the service and systemd say about it, from the machine's start on.
    pub fn journal(&self) -> Lines {
        self.follow("exec journalctl --unit classifyd --output cat --follow --no-tail")
    }

    fn command(&self, command: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.leader, "--all", "sh", "-c", command]).stdin(Stdio::null());
        nsenter
    }

    /// A property of the service.
    pub fn property(&self, name: &str) -> String {
        let show = format!("systemctl show --value --property {name} classifyd");
        self.run(&show).ok().trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It takes the container down with it. One that has ended already needs no signal.
        let _ = Command::new("kill").arg(self.container.id().to_string()).status();
        let _ = self.container.wait();
    }
}

impl Answer {
    /// Expects success.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.text
    }
}

/// Lines as they come. Dropped, who says them is stopped.
pub struct Lines {
    child: Child,
    coming: Receiver<String>,
}

impl Lines {
    /// Waits for a line with these words in it.
    pub fn wait_for(&mut self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.coming.recv_timeout(LIMIT) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen += &format!("{line}\n"),
                Err(_) => panic!("`{words}` never came; what came:\n{seen}"),
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The container's first process, once all that it starts of itself has started. One that cannot boot
/// says nothing.
fn leader_once_up(up: &UnixDatagram) -> Option<String> {
    let (mut leader, mut message) = (None, [0; 4096]);
    loop {
        let length = up.recv(&mut message).ok()?;
        let words = String::from_utf8_lossy(&message[..length]).into_owned();
        let pid = words.lines().find_map(|line| line.strip_prefix("X_NSPAWN_LEADER_PID="));
        leader = pid.map(str::to_owned).or(leader);
        if words.lines().any(|line| line == "READY=1") {
            return leader;
        }
    }
}

/// What is put into the machine: files and directories here, and where they lie there.
fn furniture(files: &Path) -> Vec<(PathBuf, String)> {
    let units = repository().join("systemd");
    let unit = fs::read_to_string(units.join("classifyd.service")).expect("a unit");
    assert!(unit.contains("/usr/bin/classifyd run"), "{unit}");
    fs::write(files.join("unit"), unit.replace("/usr/bin/classifyd", PROGRAM)).expect("writable");
    fs::create_dir(files.join("unit.d")).expect("a writable directory");
    for drop_in in fs::read_dir(units.join("classifyd.service.d")).expect("drop-ins").flatten() {
        fs::copy(drop_in.path(), files.join("unit.d").join(drop_in.file_name())).expect("writable");
    }
    fs::create_dir(files.join("etc")).expect("a writable directory");
    let system = "/etc/systemd/system/classifyd.service";
    let library = fs::canonicalize(library()).expect("the library exists");
    let share = "/opt/classifyd/share/classifyd";
    vec![
        (files.join("unit"), system.to_owned()),
        (files.join("unit.d"), format!("{system}.d")),
        (files.join("etc"), "/etc/classifyd".to_owned()),
        (PathBuf::from(env!("CARGO_BIN_EXE_classifyd")), PROGRAM.to_owned()),
        (repository().join("tests/data/models"), format!("{share}/models")),
        (library, format!("{share}/lib/libonnxruntime.so")),
    ]
}
