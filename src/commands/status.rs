//! `classifyd status`: asks a running daemon how it is doing.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use humantime::format_duration;

use super::{Failure, stdout};
use crate::operations::socket;
use crate::operations::status::{ErrorStatus, ModelStatus, Status, StreamStatus};
use crate::output::table::Table;
use crate::study::StudyWork;

/// What `status` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Print the whole document as JSON (schema/status.schema.json says what is in it)
    #[arg(long)]
    json: bool,
    /// The daemon's status socket [default: where a daemon has it unless told otherwise]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  classifyd status
  classifyd status --json | jq '.streams[] | {stream, state, in_time_share}'
  classifyd status --socket /run/doors/classifyd.sock

It exits with 69 if no daemon runs.";

/// Errors of each stream that the table shows.
const ERRORS_SHOWN: usize = 3;

/// Runs `status`.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let document = socket::ask(arguments.socket.as_deref())?;
    if arguments.json {
        return Ok(stdout::print(document)?);
    }
    let status: Status = serde_json::from_str(&document).with_context(|| {
        let version = env!("CARGO_PKG_VERSION");
        format!("the daemon's answer is none that version {version} knows (--json shows it)")
    })?;
    Ok(stdout::print(text(&status))?)
}

fn text(status: &Status) -> String {
    let mut text = headline(status);
    for fault in &status.faults {
        text.push_str(&format!("given up: {fault}\n"));
    }
    if !status.streams.is_empty() {
        text.push_str(&format!("\n{}", streams(&status.streams)));
    }
    if !status.models.is_empty() {
        text.push_str(&format!("\n{}", models(&status.models)));
        text.push_str(&format!("\n{}", machinery(status)));
    }
    let errors = errors(&status.streams);
    if !errors.is_empty() {
        text.push_str(&format!("\nlatest errors:\n{errors}"));
    }
    text
}

fn headline(status: &Status) -> String {
    let health = if status.healthy { "healthy" } else { "not healthy" };
    format!(
        "classifyd {} ({}), {health}, up {} (process {})\n",
        status.version,
        status.state,
        span(status.uptime_s),
        status.pid
    )
}

fn streams(streams: &[StreamStatus]) -> Table {
    let headings =
        ["stream", "state", "for", "frames", "answered", "in time", "missed", "losses", "source"];
    let mut table = Table::new(headings);
    for stream in streams {
        let losses = stream.losses;
        let in_time = stream.in_time_share.map(|share| format!("{:.1} %", share * 100.0));
        table.row([
            stream.stream.clone(),
            state(stream),
            span(stream.state_for_s),
            stream.frames.total().to_string(),
            (stream.frames.classified + stream.frames.reused).to_string(),
            in_time.unwrap_or_else(|| "-".to_owned()),
            stream.missed_deadline.to_string(),
            losses.total().to_string(),
            stream.source.clone(),
        ]);
    }
    table
}

/// As in `live`, or `retrying (stalled, attempt 3, in 1s)`.
fn state(stream: &StreamStatus) -> String {
    let StreamStatus { state, loss, attempt, retry_in_s, .. } = stream;
    match (loss, attempt, retry_in_s) {
        (Some(loss), Some(attempt), Some(left)) => {
            let loss = loss.replace('_', " ");
            format!("{state} ({loss}, attempt {attempt}, in {left:.1} s)")
        }
        _ => state.clone(),
    }
}

fn models(models: &[ModelStatus]) -> Table {
    let mut table = Table::new(["model", "provider", "state", "runs", "expected ms"]);
    for model in models {
        table.row([
            model.model.clone(),
            model.provider.clone().unwrap_or_else(|| "-".to_owned()),
            model.state.clone(),
            model.runs.to_string(),
            format!("{:.1}", model.expected_ms),
        ]);
    }
    table
}

/// Queues, devices, late runs, and what the board says, a line each.
fn machinery(status: &Status) -> String {
    let (mut text, queues, late) = (String::new(), status.queues, status.late_work);
    let mut line = |words: String| text.push_str(&(words + "\n"));
    line(format!(
        "waiting: {} in the mailbox, {} for the scheduler, {} for the output",
        queues.mailbox, queues.scheduler, queues.output
    ));
    for device in &status.devices {
        line(format!(
            "{}: {} cores, {} runs, {:.2} times as slow as usual",
            device.device, device.cores, device.runs, device.slowdown
        ));
    }
    line(format!(
        "late runs: {} frames answered without, {} ended, {} workers given up, {} models built anew, {} lost",
        late.answered_without, late.terminated, late.fenced, late.rebuilt, late.lost
    ));
    let study = status.study;
    if study != StudyWork::default() {
        line(format!(
            "studies: {} in {:.1} s, {} in vain, {} failed",
            study.done, study.seconds, study.in_vain, study.failed
        ));
    }
    let builds: u64 = status.engine_builds.values().sum();
    if builds > 0 {
        line(format!("engines built: {builds}"));
    }
    let hottest = status.board.temperatures.iter().map(|place| place.celsius).reduce(f64::max);
    let hottest = hottest.map(|celsius| format!(", {celsius:.0} °C at most")).unwrap_or_default();
    line(format!("power mode: {}{hottest}", status.board.power_mode));
    text
}

fn errors(streams: &[StreamStatus]) -> String {
    let mut text = String::new();
    for stream in streams {
        let hidden = stream.errors.len().saturating_sub(ERRORS_SHOWN);
        for ErrorStatus { at, error, times } in &stream.errors[hidden..] {
            let often = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            // Writing to memory cannot fail.
            let _ = writeln!(text, "  {at}  {}: {error}{often}", stream.stream);
        }
    }
    text
}

/// A time for people: whole seconds.
fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    format_duration(Duration::from_secs(seconds.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_wrong() {
        let document = include_str!("../../tests/data/status.json");
        let text = text(&serde_json::from_str(document).unwrap());
        let words = [
            "classifyd 0.1.0 (running), not healthy, up 1day 2h 3m 4s (process 77)",
            "given up: model large is lost",
            "retrying (not started, attempt 3, in 0.4 s)",
            "97.5 %",
            "rtsp://me:***@yard/live",
            "cpu: 2 cores, 1 runs, 1.25 times as slow as usual",
            "waiting: 1 in the mailbox, 2 for the scheduler, 3 for the output",
            "nvpmodel 0 MAXN, 52 °C at most",
            "yard: the camera gives no pictures (4 times)",
        ];
        for words in words {
            assert!(text.contains(words), "`{words}` is not in\n{text}");
        }
    }
}
