//! One run of the program, and what it left.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::record::{self, Record};
use super::running::{Coverage, Outlet, Running};

/// No run takes longer, even on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The ONNX Runtime library that the tests use: the environment's, else what set-up fetched.
pub fn library() -> PathBuf {
    let fetched = repository().join("lib/libonnxruntime.so");
    let library = std::env::var_os("ORT_DYLIB_PATH").map_or(fetched, PathBuf::from);
    assert!(library.exists(), "there is no {}: run `make setup`", library.display());
    library
}

/// The program with its subcommand and first arguments, separated by spaces.
pub fn classifyd(arguments: &str) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_classifyd"));
    command.args(arguments.split_whitespace());
    for variable in ["CLASSIFYD_MODELS", "CLASSIFYD_PIPELINES", "CLASSIFYD_PREMODEL"] {
        command.env_remove(variable);
    }
    command.env_remove("CLASSIFYD_LOG").env_remove("RUST_BACKTRACE");
    command.env("ORT_DYLIB_PATH", library()).stdin(Stdio::null());
    for variable in ["JOURNAL_STREAM", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    // Each program has its sockets to itself.
    let runtime = tempfile::tempdir().expect("a runtime directory");
    command.env("RUNTIME_DIRECTORY", runtime.path());
    Program { command, runtime, summary: None }
}

/// A run that is being described.
pub struct Program {
    command: Command,
    /// Where its sockets are.
    runtime: TempDir,
    /// The directory of the summary file, if there is one.
    summary: Option<TempDir>,
}

impl Program {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments, separated by spaces.
    pub fn args(mut self, arguments: &str) -> Self {
        self.command.args(arguments.split_whitespace());
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of the environment.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Asks for a summary file, which [`Finished::summary`] reads.
    pub fn with_summary(mut self) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the summary");
        self.command.arg("--summary").arg(summary_file(&directory));
        self.summary = Some(directory);
        self
    }

    /// Starts it, with pipes to its stdout and stderr.
    pub fn start(self) -> Running {
        Running::start(self.command, (self.runtime, self.summary), Outlet::Read, LIMIT)
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it with `stdout`.
    pub fn start_into(self, stdout: impl Into<Stdio>) -> Running {
        Running::start(
            self.command,
            (self.runtime, self.summary),
            Outlet::Into(stdout.into()),
            LIMIT,
        )
    }

    /// Runs it with `stdout`.
    pub fn run_into(self, stdout: impl Into<Stdio>) -> Finished {
        self.start_into(stdout).finish()
    }

    /// Runs it with a stderr that nobody reads; its exit code.
    pub fn run_with_closed_stderr(self) -> Option<i32> {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.within("sh", &["-c", "exec \"$0\" \"$@\" 2>&1"]).run_into(writer).code
    }

    /// Has another program start it, which gets these arguments and then its command line.
    pub fn within(mut self, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        self.command = command;
        self
    }

    /// Runs it with a stdout that nobody reads.
    pub fn run_unread(self) -> Finished {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.run_into(writer)
    }

    /// Runs it and expects records, a summary that adds up with them, and exit code 0.
    pub fn records(self) -> Vec<Record> {
        let finished = self.with_summary().run().with_code(0);
        finished.summary();
        finished.records()
    }

    /// Runs it and expects it to refuse with `code`, naming each of `words`.
    pub fn refusal(self, code: i32, words: &[&str]) -> Finished {
        self.run().with_code(code).saying(words)
    }
}

fn summary_file(directory: &TempDir) -> PathBuf {
    directory.path().join("summary.json")
}

/// A run that is over.
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    pub(super) summary: Option<TempDir>,
    pub(super) coverage: Coverage,
}

impl Finished {
    /// Expects this exit code.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code; stderr:\n{}", self.stderr);
        self
    }

    /// Expects stderr to hold each of `words`.
    pub fn saying(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in stderr:\n{}", self.stderr);
        }
        self
    }

    /// Expects stdout to hold each of `words`.
    pub fn printing(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "`{word}` is not in stdout:\n{}", self.stdout);
        }
        self
    }

    /// Its records: each as the schema says, and numbered densely in its stream.
    pub fn records(&self) -> Vec<Record> {
        record::read(&self.stdout)
    }

    /// Its summary, in balance and, if all records were read, in agreement with them.
    pub fn summary(&self) -> Value {
        let directory = self.summary.as_ref().expect("this run was asked for no summary");
        let text = std::fs::read_to_string(summary_file(directory));
        let text = text.unwrap_or_else(|error| panic!("no summary: {error}\n{}", self.stderr));
        let summary: Value = serde_json::from_str(&text).expect("the summary is JSON");
        record::assert_balanced(&summary);
        if self.coverage == Coverage::Whole {
            record::assert_counted(&summary, &self.records());
        }
        summary
    }

    /// A number of the summary's total.
    pub fn total(&self, key: &str) -> u64 {
        let summary = self.summary();
        summary["total"][key].as_u64().unwrap_or_else(|| panic!("no total of {key}: {summary}"))
    }
}
