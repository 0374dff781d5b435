//! A network camera in a process of its own: `tests/parts/rtsp_camera.rs`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::network::Network;

/// A camera that is on. Dropped, it is off.
pub struct NetworkCamera {
    process: Child,
    port: u16,
}

impl NetworkCamera {
    /// Switches one on whose address is `rtsp://127.0.0.1:PORT/live`, with a free port.
    pub fn on() -> Self {
        Self::start(0, None, Command::new(program()))
    }

    /// The same, for those who know `USER:PASSWORD`.
    pub fn locked(login: &str) -> Self {
        Self::start(0, Some(login), Command::new(program()))
    }

    /// The same, in a network of its own.
    pub fn on_in(network: &Network) -> Self {
        let (entrance, arguments) = network.entrance();
        let mut command = Command::new(entrance);
        command.args(arguments).arg(program());
        Self::start(0, None, command)
    }

    /// Switches it off at once, as a cut in the power does, and on again.
    pub fn off_and_on(self, meanwhile: impl FnOnce()) -> Self {
        let port = self.port;
        drop(self);
        meanwhile();
        Self::start(port, None, Command::new(program()))
    }

    fn start(port: u16, login: Option<&str>, mut command: Command) -> Self {
        command.arg(port.to_string()).arg("64x48").args(login);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the camera starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("its stdout is text");
        let port = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        Self { process, port: port.unwrap_or_else(|| panic!("the camera said `{line}`")) }
    }

    /// Its address; `login` is `USER:PASSWORD@`, or nothing.
    pub fn address(&self, login: &str) -> String {
        format!("rtsp://{login}127.0.0.1:{}/live", self.port)
    }

    /// Where it has sound as well, which comes before the picture.
    pub fn address_with_sound(&self) -> String {
        format!("rtsp://127.0.0.1:{}/sound", self.port)
    }

    /// Has it do something.
    pub fn tell(&mut self, order: &str) {
        let stdin = self.process.stdin.as_mut().expect("its stdin is a pipe");
        writeln!(stdin, "{order}").expect("the camera is on");
    }

    /// Has it stand still, without a word to anybody, until it is thawed.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let command = format!("kill -s {signal} {}", self.process.id());
        let sent = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(sent.success(), "the camera was gone before the signal {signal}");
    }
}

impl Drop for NetworkCamera {
    fn drop(&mut self) {
        // A camera that is gone already is off.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_classifyd"));
    let program = program.with_file_name("examples").join("rtsp_camera");
    assert!(program.exists(), "run `cargo build --examples`: {} is missing", program.display());
    program
}
