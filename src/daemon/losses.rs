//! What is said of sources that are lost. One that is away for days is tried again every second: it is
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

    /// Counts one in a row: how loud it is said, and what is added.
    fn count(&mut self, stream: &StreamName) -> (log::Level, String) {
        let times = self.in_a_row.entry(stream.clone()).or_default();
        *times += 1;
        let again = if *times > 1 { format!(" (time {times} in a row)") } else { String::new() };
        let level = if times.is_power_of_two() { log::Level::Warn } else { log::Level::Debug };
        (level, again)
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
