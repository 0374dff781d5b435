//! What the program logs, and in which form.
//!
//! - *Plain*: a line of text on stderr for each message.
//! - *JSON*: a line with one JSON object (`json`).
//! - *Journal*: journald's own protocol, in which a message has fields: `PRIORITY`, `MESSAGE`, and what the
//!   message is about, in capitals.
//!
//! Messages about a stream, a frame or a model carry them as `stream`, `frame` and `model`, and a word for
//! what happened as `reason`: in the journal `journalctl STREAM=door` finds them. No message holds a
//! secret; what shows addresses redacts them.

mod json;

use std::io::{self, Write};

use clap::ValueEnum;
use env_logger::{Builder, Env, Logger, Target, WriteStyle};
use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};
use thiserror::Error;

use crate::output::Progress;

/// The form of log messages, as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// To the journal with fields if stderr goes there (as under systemd), else plain
    #[default]
    Auto,
    /// Lines of text
    Plain,
    /// Lines of JSON
    Json,
    /// To the journal, with fields
    Journal,
}

/// The form of log messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStyle {
    /// Lines of text on stderr, for people: other words may stand between them.
    Text,
    /// Messages for programs: on stderr is nothing else.
    Structured,
}

/// Why nothing can be logged.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// There is no journal.
    #[error(
        "cannot reach journald at /run/systemd/journal/socket: log to stderr instead \
         (--log-format plain or json)"
    )]
    Journal(#[source] io::Error),
    /// Something logs already.
    #[error("cannot start to log")]
    Taken(#[from] log::SetLoggerError),
}

/// Starts to log messages of a level and above. `CLASSIFYD_LOG` (say, `info,onnxruntime=warn`) goes
/// before it.
pub fn start(
    format: LogFormat,
    level: LevelFilter,
    progress: &Progress,
) -> Result<LogStyle, LoggingError> {
    let mut builder = Builder::from_env(Env::new().filter_or("CLASSIFYD_LOG", level.as_str()));
    builder.target(Target::Pipe(Box::new(progress.log_writer(io::stderr()))));
    builder.write_style(WriteStyle::Never);
    match format {
        LogFormat::Plain => start_plain(builder),
        LogFormat::Json => start_json(builder),
        LogFormat::Journal => {
            start_journal(builder, JournalLog::new().map_err(LoggingError::Journal)?)
        }
        LogFormat::Auto if connected_to_journal() => match JournalLog::new() {
            Ok(journal) => start_journal(builder, journal),
            // What stderr says ends up there as well.
            Err(_) => start_plain(builder),
        },
        LogFormat::Auto => start_plain(builder),
    }
}

fn start_plain(mut builder: Builder) -> Result<LogStyle, LoggingError> {
    builder.format(|line, record| {
        let level = record.level().as_str().to_lowercase();
        writeln!(line, "{} {level}: {}", line.timestamp_millis(), record.args())
    });
    builder.try_init()?;
    Ok(LogStyle::Text)
}

fn start_json(mut builder: Builder) -> Result<LogStyle, LoggingError> {
    builder.format(|line, record| {
        let at = line.timestamp_millis().to_string();
        writeln!(line, "{}", json::object(record, at))
    });
    builder.try_init()?;
    Ok(LogStyle::Structured)
}

fn start_journal(mut builder: Builder, journal: JournalLog) -> Result<LogStyle, LoggingError> {
    let logger = JournalLogger { filter: builder.build(), journal };
    log::set_max_level(logger.filter.filter());
    log::set_boxed_logger(Box::new(logger))?;
    Ok(LogStyle::Structured)
}

/// Sends to the journal what passes a filter.
struct JournalLogger {
    /// Its filter alone is used.
    filter: Logger,
    journal: JournalLog,
}

impl Log for JournalLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            self.journal.log(record);
        }
    }

    fn flush(&self) {}
}
