//! What can go wrong with a source, and what to do about it.

use std::path::PathBuf;

use thiserror::Error;

use super::event::Loss;

/// Why a source cannot be captured. Nothing here shows a password.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file, directory or pattern names nothing that can be read (exit 66).
    #[error("no input at {input}: {fault}")]
    MissingInput {
        /// What the user named.
        input: String,
        /// What is missing and what would be right.
        fault: String,
    },
    /// The text is no source (exit 64, or 78 in a configuration file).
    #[error("the source `{text}` is not understood: {fault}")]
    Uri {
        /// What the user wrote.
        text: String,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// A parameter of a source is wrong (exit 64, or 78 in a configuration file).
    #[error("parameter `{name}` of the pipeline `{description}`: {fault}")]
    Parameter {
        /// The description that is to be filled.
        description: String,
        /// The parameter.
        name: String,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// A pipeline description is wrong (exit 78).
    #[error("the pipeline description {} is wrong: {fault}", path.display())]
    Description {
        /// Its file.
        path: PathBuf,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// GStreamer does not start (exit 69).
    #[error(
        "GStreamer cannot be used: {reason} (on Debian: apt install gstreamer1.0-plugins-base)"
    )]
    Gstreamer {
        /// Its word.
        reason: String,
    },
    /// An element is not installed (exit 69).
    #[error("{input} needs the GStreamer element {element}, which is not installed: {remedy}")]
    MissingElement {
        /// The source that needs it.
        input: String,
        /// The element.
        element: String,
        /// How to get it.
        remedy: String,
    },
    /// No decoder for this kind of video is installed (exit 69).
    #[error(
        "{input} needs a decoder that is not installed: {decoder} \
         (on Debian: apt install gstreamer1.0-libav gstreamer1.0-plugins-bad)"
    )]
    MissingDecoder {
        /// The source that needs it.
        input: String,
        /// The decoder, in GStreamer's words.
        decoder: String,
    },
    /// The camera is not there, is busy, or went away (exit 69).
    #[error("the camera {input} gives no pictures: {reason}")]
    Camera {
        /// The camera.
        input: String,
        /// How it was lost.
        loss: Loss,
        /// Why, and what to look at.
        reason: String,
    },
    /// The file holds no video (exit 1).
    #[error("{input} holds no video")]
    NoVideo {
        /// The file.
        input: String,
    },
    /// The content is damaged or of no known kind (exit 1).
    #[error("{input} cannot be decoded: {reason}")]
    Undecodable {
        /// The file.
        input: String,
        /// In words.
        reason: String,
    },
    /// The system gives no thread (exit 1).
    #[error("cannot start a thread to read {input}")]
    Thread {
        /// The source.
        input: String,
        /// The system's word.
        source: std::io::Error,
    },
}

impl CaptureError {
    /// How the source is lost by it.
    pub(super) fn loss(&self) -> Loss {
        match self {
            Self::Camera { loss, .. } => *loss,
            Self::Undecodable { .. } => Loss::Undecodable,
            Self::MissingInput { .. }
            | Self::Uri { .. }
            | Self::Parameter { .. }
            | Self::Description { .. }
            | Self::Gstreamer { .. }
            | Self::MissingElement { .. }
            | Self::MissingDecoder { .. }
            | Self::NoVideo { .. }
            | Self::Thread { .. } => Loss::Failed,
        }
    }

    /// Whether it may pass of itself, as when a camera comes back.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Camera { .. } | Self::Thread { .. } => true,
            Self::MissingInput { .. }
            | Self::Uri { .. }
            | Self::Parameter { .. }
            | Self::Description { .. }
            | Self::Gstreamer { .. }
            | Self::MissingElement { .. }
            | Self::MissingDecoder { .. }
            | Self::NoVideo { .. }
            | Self::Undecodable { .. } => false,
        }
    }
}
