//! Notices a pipeline that has died in silence.
//!
//! decodebin keeps back the errors of an element while it plugs it in, to try another one. A demuxer
//! that fails at that very moment, as with a file cut off in its header, stops for good, and its
//! error is never posted: the pipeline would play nothing forever. So once a second, while a stream
//! that is not live runs, the tasks of the pipeline are looked at. If none runs twice in a row, and
//! no frame came in between, nothing can ever come.

use std::cell::Cell;
use std::sync::Arc;

use gstreamer::prelude::*;
use gstreamer::{ClockTime, Pad, PeriodicClockId, Pipeline, SystemClock, TaskState};

use super::watch::Watch;

/// How often the tasks are looked at.
const PERIOD: ClockTime = ClockTime::SECOND;

/// The recurring look; dropped, it ends.
pub(super) struct StallGuard(PeriodicClockId);

impl StallGuard {
    /// Guards `pipeline`, and tells `watch` if it has died.
    pub(super) fn new(pipeline: &Pipeline, watch: Arc<Watch>) -> Self {
        let clock = SystemClock::obtain();
        let look = clock.new_periodic_id(clock.time() + PERIOD, PERIOD);
        let pipeline = pipeline.downgrade();
        let frames_when_still = Cell::new(None);
        let scheduled = look.wait_async(move |_, _, _| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            let still = (!any_task_runs(&pipeline)).then(|| watch.frames());
            if still.is_some() && frames_when_still.replace(still) == still {
                watch.note_stall();
            }
            frames_when_still.set(still);
        });
        if let Err(error) = scheduled {
            log::debug!("stalls of a pipeline will not be noticed: {error}");
        }
        Self(look)
    }
}

impl Drop for StallGuard {
    fn drop(&mut self) {
        self.0.unschedule();
    }
}

/// Whether a thread moves data anywhere in the pipeline, be it one that waits for the mailbox.
fn any_task_runs(pipeline: &Pipeline) -> bool {
    let mut elements = pipeline.iterate_recurse().into_iter();
    // An error means that elements come and go, which is life as well.
    elements.any(|element| element.map_or(true, |element| element.pads().iter().any(runs)))
}

fn runs(pad: &Pad) -> bool {
    pad.task_state() == TaskState::Started
}
