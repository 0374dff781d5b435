//! What is said of sources that are lost, or warn. One that is away for days is tried again every second: it is
//! named at once, and then ever more seldom.

use std::collections::BTreeMap;

use crate::capture::{CaptureError, Loss};
use crate::frame::StreamName;
use crate::output::Losses;

/// Counts losses, in all and in a row.
#[derive(Default)]
pub(super) struct LossLog {
    all: Losses,
    in_a_row: BTreeMap<StreamName, u64>,
    /// The last warning of each source, and how often it came in a row.
    warnings: BTreeMap<StreamName, (String, u64)>,
}

impl LossLog {
    /// Notes that a source is lost.
    pub(super) fn note(&mut self, stream: &StreamName, loss: Loss, error: &CaptureError) {
        self.all.note(stream, loss);
        let (level, again) = self.count(stream);
        log::log!(
            level, stream:%, reason = loss.name();
            "stream {stream} is lost ({}): {error}{again}", loss.name()
        );
    }

    /// Notes that a source has stalled.
    pub(super) fn note_stall(&mut self, stream: &StreamName) {
        self.all.note(stream, Loss::Stalled);
        let (level, again) = self.count(stream);
        log::log!(
            level, stream:%, reason = Loss::Stalled.name();
            "stream {stream} has stalled: no frame came; it is started again{again}"
        );
    }

    /// Notes that a source warns.
    pub(super) fn note_warning(&mut self, stream: &StreamName, warning: String) {
        let (last, times) = self.warnings.entry(stream.clone()).or_default();
        if *last != warning {
            (*last, *times) = (warning, 0);
        }
        *times += 1;
        let (level, again) = loudness(*times);
        log::log!(level, stream:%; "stream {stream}: {last}{again}");
    }

    /// Counts one in a row: how loud it is said, and what is added.
    fn count(&mut self, stream: &StreamName) -> (log::Level, String) {
        let times = self.in_a_row.entry(stream.clone()).or_default();
        *times += 1;
        loudness(*times)
    }

    /// Notes that a source gives frames.
    pub(super) fn note_live(&mut self, stream: &StreamName) {
        if self.in_a_row.remove(stream).is_some() {
            log::info!(stream:%; "stream {stream} is live again");
        }
    }

    /// All losses.
    pub(super) fn into_all(self) -> Losses {
        self.all
    }
}

/// How loud it is said that something has happened so often in a row, and what is added.
fn loudness(times: u64) -> (log::Level, String) {
    let again = if times > 1 { format!(" (time {times} in a row)") } else { String::new() };
    let level = if times.is_power_of_two() { log::Level::Warn } else { log::Level::Debug };
    (level, again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_said_ever_more_seldom() {
        let said = (1..=9).map(loudness).map(|(level, again)| (level == log::Level::Warn, again));
        let said: Vec<(bool, String)> = said.collect();
        let loud = said.iter().enumerate().filter(|(_, (is_loud, _))| *is_loud);
        assert_eq!(loud.map(|(place, _)| place + 1).collect::<Vec<_>>(), [1, 2, 4, 8]);
        assert_eq!((said[0].1.as_str(), said[3].1.as_str()), ("", " (time 4 in a row)"));
    }

    #[test]
    fn another_warning_begins_a_row_of_its_own() {
        let (mut log, stream) = (LossLog::default(), StreamName::new("door"));
        let times = |log: &LossLog| log.warnings[&StreamName::new("door")].1;
        for expected in 1..=3 {
            log.note_warning(&stream, "a packet is late".into());
            assert_eq!(times(&log), expected);
        }
        log.note_warning(&stream, "another".into());
        assert_eq!(times(&log), 1);
    }
}
