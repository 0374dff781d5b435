//! The `classifyd` program: arguments, logging, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use classifyd::clock::Clock;
use classifyd::commands::{Cli, Failure};
use classifyd::logging::{self, LogStyle};
use classifyd::output::Progress;
use tikv_jemallocator::Jemalloc;

/// It takes the place of C's `malloc` too, and so is the allocator of GStreamer and ONNX Runtime. What lost cameras,
/// reloads and models built anew free goes back to the system within seconds, and frames get memory without
/// asking it: glibc does one or the other. Its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error),
    };
    let progress = if cli.quiet { Progress::hidden() } else { Progress::on_stderr() };
    match run(cli, progress) {
        Ok(()) => end(0),
        Err((Failure { code, error }, style)) => {
            match style {
                // If nobody reads it, the exit code still tells.
                LogStyle::Text => drop(writeln!(io::stderr(), "classifyd: {error:#}")),
                LogStyle::Structured => log::error!("{error:#}"),
            }
            end(code as u8)
        }
    }
}

/// Carries the command out; a failure comes with the style in which it is to be told.
fn run(cli: Cli, progress: Progress) -> Result<(), (Failure, LogStyle)> {
    let style = logging::start(cli.log_format, cli.log_level(), &progress)
        .map_err(|error| (error.into(), LogStyle::Text))?;
    cli.run(progress, style, Clock).map_err(|failure| (failure, style))
}

/// Ends the process without exit handlers: a run that was given up may still be in ONNX Runtime,
/// whose handlers would take apart what it uses. All that was printed has been flushed.
fn end(code: u8) -> ! {
    signal_hook::low_level::exit(i32::from(code))
}

/// Shows help, the version, or what is wrong with the command line.
fn report_usage(error: &clap::Error) -> ExitCode {
    // A reader of the help that went away is no failure.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(classifyd::commands::ExitCode::Usage as u8),
    }
}
