//! The `classifyd` program: arguments, logging, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use classifyd::clock::Clock;
use classifyd::commands::{Cli, Failure};
use classifyd::output::Progress;
use env_logger::{Builder, Env, Target, WriteStyle};
use log::LevelFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error),
    };
    let progress = if cli.quiet { Progress::hidden() } else { Progress::on_stderr() };
    start_log(cli.log_level(), &progress);
    match cli.run(progress, Clock) {
        Ok(()) => end(0),
        Err(Failure { code, error }) => {
            // If nobody reads it, the exit code still tells.
            let _ = writeln!(io::stderr(), "classifyd: {error:#}");
            end(code as u8)
        }
    }
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

/// Logs to stderr. `CLASSIFYD_LOG` (say, `info,onnxruntime=warn`) goes before `-v`.
fn start_log(level: LevelFilter, progress: &Progress) {
    let writer = progress.log_writer(io::stderr());
    Builder::from_env(Env::new().filter_or("CLASSIFYD_LOG", level.as_str()))
        .target(Target::Pipe(Box::new(writer)))
        .write_style(WriteStyle::Never)
        .format(|line, record| {
            let level = record.level().as_str().to_lowercase();
            writeln!(line, "{} {level}: {}", line.timestamp_millis(), record.args())
        })
        .init();
}
