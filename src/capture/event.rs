//! What a running stream tells main.

use super::error::CaptureError;
use crate::frame::StreamName;

/// Something happened to a stream.
#[derive(Debug)]
pub struct Event {
    /// The stream.
    pub stream: StreamName,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen to a stream.
#[derive(Debug)]
pub enum EventKind {
    /// It gave its last frame, and that was posted before. A camera does not end, it fails.
    Ended,
    /// It broke; the frames before were posted.
    Failed(CaptureError),
    /// It goes on, but something is odd.
    Warning(String),
}

impl EventKind {
    /// Whether nothing more follows on that stream.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Ended | Self::Failed(_) => true,
            Self::Warning(_) => false,
        }
    }
}
