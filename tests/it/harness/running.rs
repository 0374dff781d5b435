//! A child process under a watchdog: whatever it does, its test ends.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use tempfile::TempDir;

use super::program::Finished;

/// What becomes of the child's stdout.
pub(super) enum Outlet {
    /// The test reads it.
    Read,
    /// It is this.
    Into(Stdio),
}

/// How much of the records is known when the run is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coverage {
    /// All of them.
    Whole,
    /// Those that came before the test stopped to read, or none.
    Partial,
}

/// A signal to send.
#[derive(Clone, Copy)]
pub enum Signal {
    /// What Ctrl-C sends.
    Interrupt,
    /// What a service manager sends.
    Terminate,
    /// What asks a service to reload.
    Hangup,
    Kill,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Hangup => "HUP",
            Self::Kill => "KILL",
        })
    }
}

/// What the program holds of the system.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Its memory.
    pub resident_kib: u64,
    /// Its threads.
    pub threads: u64,
    /// Its open files and sockets.
    pub descriptors: usize,
}

/// The program while it runs.
pub struct Running {
    pid: u32,
    stdout: Lines,
    stderr: Lines,
    exit: Receiver<ExitStatus>,
    limit: Duration,
    runtime: TempDir,
    summary: Option<TempDir>,
    coverage: Coverage,
}

/// The lines of a pipe, and those that a test waited for.
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    pub(super) fn start(
        mut command: Command,
        (runtime, summary): (TempDir, Option<TempDir>),
        outlet: Outlet,
        limit: Duration,
    ) -> Self {
        let (stdout, coverage) = match outlet {
            Outlet::Read => (Stdio::piped(), Coverage::Whole),
            Outlet::Into(stdout) => (stdout, Coverage::Partial),
        };
        let mut child =
            command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().map_or_else(Lines::none, Lines::of);
        let stderr = child.stderr.take().map_or_else(Lines::none, Lines::of);
        let pid = child.id();
        let exit = when_over(child);
        Self { pid, stdout, stderr, exit, limit, runtime, summary, coverage }
    }

    /// Waits until `count` lines came on stdout.
    pub fn wait_for_records(&mut self, count: usize) {
        self.wait(|running| (running.stdout.seen.len() >= count, &mut running.stdout));
    }

    /// Waits until `count` more lines come on stdout than have come by now.
    pub fn wait_for_more_records(&mut self, count: usize) {
        self.stdout.seen.extend(self.stdout.coming.try_iter());
        self.wait_for_records(self.stdout.seen.len() + count);
    }

    /// Waits until stderr says `words`.
    pub fn wait_for_words(&mut self, words: &str) {
        let said = |line: &String| line.contains(words);
        self.wait(|running| (running.stderr.seen.iter().any(said), &mut running.stderr));
    }

    /// Waits until so many lines of stderr have said `words`.
    pub fn wait_for_words_so_often(&mut self, words: &str, count: usize) {
        let said = |line: &&String| line.contains(words);
        self.wait(|running| {
            (running.stderr.seen.iter().filter(said).count() >= count, &mut running.stderr)
        });
    }

    /// Waits until a line on stdout holds `words`.
    pub fn wait_for_record_with(&mut self, words: &str) {
        let said = |line: &String| line.contains(words);
        self.wait(|running| (running.stdout.seen.iter().any(said), &mut running.stdout));
    }

    /// The value of a variable in its environment, as it was started with.
    pub fn variable(&self, name: &str) -> Option<String> {
        let file = Path::new("/proc").join(self.pid.to_string()).join("environ");
        let environment = fs::read_to_string(file).expect("the program runs");
        let found =
            environment.split('\0').find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned)
    }

    /// What it holds now.
    pub fn vitals(&self) -> Vitals {
        let process = Path::new("/proc").join(self.pid.to_string());
        let status = fs::read_to_string(process.join("status")).expect("the program runs");
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            number.unwrap_or_else(|| panic!("no {key} in {status}"))
        };
        let descriptors = fs::read_dir(process.join("fd")).expect("the program runs").count();
        Vitals { resident_kib: number("VmRSS:"), threads: number("Threads:"), descriptors }
    }

    /// What its threads are called.
    pub fn names_of_threads(&self) -> Vec<String> {
        let threads = Path::new("/proc").join(self.pid.to_string()).join("task");
        let threads = fs::read_dir(threads).expect("the program runs");
        let name = |thread: io::Result<fs::DirEntry>| {
            fs::read_to_string(thread.ok()?.path().join("comm")).ok()
        };
        threads.filter_map(name).map(|name| name.trim().to_owned()).collect()
    }

    fn wait(&mut self, state: impl Fn(&mut Self) -> (bool, &mut Lines)) {
        loop {
            let limit = self.limit;
            let (reached, lines) = state(self);
            if reached {
                return;
            }
            if lines.next(limit).is_err() {
                self.abort("what the test waited for never came");
            }
        }
    }

    /// The path of its status socket, unless it was told another.
    pub fn status_socket(&self) -> PathBuf {
        self.runtime.path().join("classifyd.sock")
    }

    /// Waits until stderr has a line with these words; what follows them there.
    pub fn words_after(&mut self, words: &str) -> String {
        self.wait_for_words(words);
        let after = |line: &String| line.split_once(words).map(|(_, after)| after.to_owned());
        self.stderr.seen.iter().find_map(after).expect("it was waited for")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let command = format!("kill -s {signal} {}", self.pid);
        let sent = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(sent.success(), "the program was gone before the signal {signal}");
    }

    /// Reads no further line, and closes the pipe with the next one.
    pub fn stop_reading(&mut self) {
        self.stdout.coming = Lines::none().coming;
        self.coverage = Coverage::Partial;
    }

    /// Expects it to go on for `pause`.
    pub fn expect_no_end_within(&self, pause: Duration) {
        let end = self.exit.recv_timeout(pause);
        assert!(end.is_err(), "it ended: {end:?}");
    }

    /// Waits for the end. Fails, and ends the program, if that does not come in time.
    pub fn finish(mut self) -> Finished {
        let Ok(status) = self.exit.recv_timeout(self.limit) else {
            self.abort("the program did not end in time");
        };
        let stderr = self.stderr.all();
        assert!(!stderr.contains("panicked"), "it panicked:\n{stderr}");
        let stdout = self.stdout.all();
        let (summary, coverage) = (self.summary, self.coverage);
        Finished { code: status.code(), stdout, stderr, summary, coverage }
    }

    fn abort(&mut self, reason: &str) -> ! {
        if self.exit.try_recv().is_err() {
            self.signal(Signal::Kill);
        }
        panic!("{reason}; stderr:\n{}", self.stderr.all());
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (send, coming) = unbounded();
        thread::spawn(move || forward(pipe, &send));
        Self { coming, seen: Vec::new() }
    }

    fn none() -> Self {
        Self { coming: bounded(0).1, seen: Vec::new() }
    }

    fn next(&mut self, limit: Duration) -> Result<(), ()> {
        self.seen.push(self.coming.recv_timeout(limit).map_err(drop)?);
        Ok(())
    }

    fn all(&mut self) -> String {
        self.seen.extend(self.coming.iter());
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Forwards lines until the pipe ends or nobody wants them; then closes it.
fn forward(pipe: impl Read, lines: &Sender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
        if lines.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

fn when_over(mut child: Child) -> Receiver<ExitStatus> {
    let (send, exit) = bounded(1);
    thread::spawn(move || {
        // A test that has failed meanwhile waits no more.
        let _ = send.send(child.wait().expect("the program was started here"));
    });
    exit
}
