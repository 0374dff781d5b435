//! The command line: one module per subcommand, its arguments and its `run`.

mod bench;
mod catalogue;
mod check;
mod configured;
mod doctor;
mod environment;
mod equipment;
mod evaluate;
mod exit;
mod explain;
mod generate;
mod models;
mod places;
mod playing;
mod prebuild;
mod profile;
mod replay;
mod run;
mod simulate;
mod status;
mod stderr;
mod stdout;
mod train;

use clap::{ArgAction, Parser, Subcommand};
use log::LevelFilter;

pub use exit::{ExitCode, Failure};
pub use places::Places;

use crate::clock::Clock;
use crate::logging::{LogFormat, LogStyle};
use crate::output::Progress;
use crate::systemd::Startup;

/// Classifies live video by running, for each frame, the DNN that is worth running, in time.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Where the parts are
    #[command(flatten, next_help_heading = "Where the parts are")]
    pub places: Places,
    /// Log more: -v for what happens (as `run` does anyway), -vv for why, -vvv for everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Show no progress and log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// How to log
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

const EXAMPLES: &str = "\
Examples:
  classifyd replay holiday.mp4                 every frame, as fast as the models go
  classifyd replay --realtime --budget 33ms rtsp://camera/stream
  classifyd run --config /etc/classifyd.toml   the daemon
  classifyd doctor                             what is installed, what is missing

Exit codes: 0 done, 64 usage, 66 no such input, 69 a needed part is unavailable,
78 bad configuration, 1 anything else.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Classify recordings, images or a camera, and print a record for each frame
    Replay(replay::Arguments),
    /// Run the daemon in the foreground: all streams of a configuration file
    Run(run::Arguments),
    /// Show how a running daemon is doing
    Status(status::Arguments),
    /// Check a configuration file without touching a camera
    Check(check::Arguments),
    /// Show what is installed and what is missing, with the remedy for each
    Doctor(doctor::Arguments),
    /// List the models, with their latency on this machine
    Models(models::Arguments),
    /// Build the TensorRT engines of the models before they are needed
    Prebuild(prebuild::Arguments),
    /// Show why the premodel chooses a model for an image
    Explain(explain::Arguments),
    /// Measure every model on every image of a labelled set
    Profile(profile::Arguments),
    /// Train a premodel on profiles
    Train(train::Arguments),
    /// Say what models, premodels and the adaptive policy are worth on unseen pictures
    Evaluate(evaluate::Arguments),
    /// Compare schedulers and plan for cameras in simulated time
    Simulate(simulate::Arguments),
    /// Compare a replay's speed with that of ONNX Runtime alone
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(bench::Arguments),
    /// Print the completions for a shell
    Completions(generate::CompletionsArguments),
    /// Print the manual page
    Man(generate::ManArguments),
}

const BENCH_EXAMPLES: &str = "\
Examples:
  classifyd bench samples/bikes.mp4
  classifyd bench --model inception_v3 --threads 4 --repeat 3 clip.mp4";

impl Cli {
    /// The level to log at, as the command line says; a daemon says what happens unasked.
    pub fn log_level(&self) -> LevelFilter {
        let unasked = match self.command {
            Command::Run(_) => LevelFilter::Info,
            _ => LevelFilter::Warn,
        };
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => unasked,
            (false, 1) => LevelFilter::Info,
            (false, 2) => LevelFilter::Debug,
            (false, _) => LevelFilter::Trace,
        }
    }

    /// Carries the command out. Data goes to stdout; progress, logs and tables for people to
    /// stderr.
    pub fn run(self, progress: Progress, log: LogStyle, clock: Clock) -> Result<(), Failure> {
        let talk = if self.quiet { Talk::Least } else { Talk::Normal };
        let startup = Startup::default();
        let context = Context { places: self.places, talk, progress, log, startup, clock };
        match self.command {
            Command::Replay(arguments) => replay::run(arguments, context),
            Command::Run(arguments) => run::run(arguments, context),
            Command::Status(arguments) => status::run(&arguments),
            Command::Check(arguments) => check::run(&arguments, &context),
            Command::Doctor(arguments) => doctor::run(&arguments, &context),
            Command::Models(arguments) => models::run(arguments, &context),
            Command::Prebuild(arguments) => prebuild::run(&arguments, context),
            Command::Explain(arguments) => explain::run(&arguments, &context),
            Command::Profile(arguments) => profile::run(arguments, &context),
            Command::Train(arguments) => train::run(&arguments),
            Command::Evaluate(arguments) => evaluate::run(&arguments),
            Command::Simulate(arguments) => simulate::run(&arguments, &context),
            Command::Bench(arguments) => bench::run(arguments, &context),
            Command::Completions(arguments) => generate::completions(&arguments),
            Command::Man(arguments) => generate::man(&arguments),
        }
    }
}

/// What every command has to hand.
pub struct Context {
    places: Places,
    talk: Talk,
    progress: Progress,
    log: LogStyle,
    /// Whom a service manager hears while a command begins.
    startup: Startup,
    clock: Clock,
}

/// How much people are told on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    /// What they should know.
    Normal,
    /// Errors and results only.
    Least,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_help_of_every_command_has_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            let help = subcommand.clone().render_long_help().to_string();
            let example = format!("\n  classifyd {}", subcommand.get_name());
            assert!(help.contains("Examples:") && help.contains(&example), "{help}");
        }
    }

    #[test]
    fn the_daemon_says_what_happens_unasked() {
        let level = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().log_level();
        assert_eq!(level("classifyd run --config x"), LevelFilter::Info);
        assert_eq!(level("classifyd run -q --config x"), LevelFilter::Error);
        assert_eq!(level("classifyd replay x"), LevelFilter::Warn);
        assert_eq!(level("classifyd replay -vv x"), LevelFilter::Debug);
    }
}
