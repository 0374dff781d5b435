//! What `replay` and `run` have in common: how frames are delivered, and how a run ends.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Failure, stderr};
use crate::capture::Source;
use crate::capture::mailbox::Delivery;
use crate::daemon::Report;
use crate::frame::Pace;
use crate::logging::LogStyle;
use crate::output::Summary;

/// How a source's frames are delivered: a camera does not wait, whatever the pace asked for.
pub fn delivery(source: &Source, pace: Pace) -> Delivery {
    match pace {
        Pace::Work if !source.is_live() => Delivery::Lossless,
        Pace::Work | Pace::Clock => Delivery::NewestWins,
    }
}

/// A file for the summary, opened before the run: a wrong path must not cost one.
pub struct SummaryFile {
    path: PathBuf,
    file: File,
}

impl SummaryFile {
    /// Creates the file at `path`.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write the summary to {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(mut self, summary: &Summary) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(summary)? + "\n";
        self.file
            .write_all(json.as_bytes())
            .with_context(|| format!("cannot write the summary to {}", self.path.display()))
    }
}

/// Shows the summary, writes it where asked, and fails if the run or a stream did.
pub fn finish(report: Report, file: Option<SummaryFile>, log: LogStyle) -> Result<(), Failure> {
    if let Some(summary) = &report.summary {
        match log {
            LogStyle::Text => stderr::tell(summary),
            LogStyle::Structured => log::info!("{summary}"),
        }
        if let Some(file) = file {
            file.write(summary)?;
        }
    }
    if let Some(breakdown) = report.breakdown {
        return Err(breakdown.into());
    }
    let streams: Vec<&str> = report.faults.iter().map(|(stream, _)| stream.as_str()).collect();
    let failed = anyhow::anyhow!("failed: {}", streams.join(", "));
    match report.faults.into_iter().next() {
        None => Ok(()),
        // What happened was logged when it did.
        Some((_, first)) => Err(Failure { error: failed, ..first.into() }),
    }
}
