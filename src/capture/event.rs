//! What a running stream tells main.

use super::change::Change;
use super::error::CaptureError;
use super::keeper::SourceState;
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
    /// It goes on, but not as it began.
    Changed(Change),
    /// It goes on, but something is odd.
    Warning(String),
}

/// Something happened to a stream that is kept up.
#[derive(Debug)]
pub struct News {
    /// The stream.
    pub stream: StreamName,
    /// Which of the streams that had this name, one after the other.
    pub incarnation: u64,
    /// What happened.
    pub kind: NewsKind,
}

/// What can happen to a stream that is kept up.
#[derive(Debug)]
pub enum NewsKind {
    /// Its source is doing this now.
    State(SourceState),
    /// Its source was lost, and will be started again.
    Lost(Loss, CaptureError),
    /// It goes on, but something is odd.
    Warning(String),
    /// It is over.
    Over(Result<(), CaptureError>),
}

/// How a source is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It could not be started, or broke before its first frame.
    NotStarted,
    /// It broke.
    Failed,
    /// A camera ended its stream.
    Ended,
    /// It gave no frame for too long.
    Stalled,
    /// What it sends could not be decoded.
    Undecodable,
    /// Its pictures changed their size.
    Resized,
    /// Its timestamps jumped.
    TimeJump,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NotStarted,
        Self::Failed,
        Self::Ended,
        Self::Stalled,
        Self::Undecodable,
        Self::Resized,
        Self::TimeJump,
    ];

    /// Its name: one word, with underscores.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Stalled => "stalled",
            Self::Undecodable => "undecodable",
            Self::Resized => "resized",
            Self::TimeJump => "time_jump",
        }
    }
}

impl EventKind {
    /// Whether nothing more follows on that stream.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Ended | Self::Failed(_) => true,
            Self::Changed(_) | Self::Warning(_) => false,
        }
    }
}
