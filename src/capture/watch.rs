//! What a running pipeline says, in words for people.
//!
//! GStreamer posts messages from its own threads; the handler here turns them into [`Event`]s at
//! once, on the thread that posts them. The first end or error is the last word of a stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use gstreamer::message::{Element, Error};
use gstreamer::{
    BusSyncReply, CoreError, Message, MessageView, ResourceError, StateChangeError,
    StateChangeSuccess, StreamError,
};

use super::argus;
use super::change::Change;
use super::description::Flow;
use super::error::CaptureError;
use super::event::{Event, EventKind, Loss};
use crate::frame::StreamName;
use crate::redact::Secrets;

/// What is said of a camera that ends in good order, as an RTSP server does that is switched off.
const LOST: &str = "it ended the stream";

/// What is said of a file that names others.
const PLAYLIST: &str = "it is a playlist, and what it names is not fetched: name one of its videos";

/// Listens to one pipeline.
pub(super) struct Watch {
    pub(super) stream: StreamName,
    /// The source, as it may be shown.
    pub(super) input: String,
    pub(super) flow: Flow,
    pub(super) device: Device,
    pub(super) secrets: Secrets,
    /// Frames so far.
    pub(super) count: Arc<AtomicU64>,
    pub(super) events: Sender<Event>,
    pub(super) state: Mutex<State>,
}

/// What a live source's pictures come through, which is what can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// The camera service of a Jetson.
    Argus,
    /// Anything else.
    Camera,
}

/// What was heard so far.
#[derive(Default)]
pub(super) struct State {
    phase: Phase,
    /// Decoders that were looked for in vain.
    missing: Vec<MissingDecoder>,
    /// Whether it would have to fetch what it plays.
    is_playlist: bool,
}

#[derive(Default)]
enum Phase {
    /// Errors are kept for the one who starts the pipeline.
    #[default]
    Starting,
    /// It has failed before it started.
    FailedAtStart(CaptureError),
    /// Errors are events.
    Running,
    /// The last word is said.
    Over,
}

struct MissingDecoder {
    name: String,
    is_video: bool,
}

impl Watch {
    /// Takes a message off the bus; none is left for others.
    pub(super) fn hear(&self, message: &Message) -> BusSyncReply {
        match message.view() {
            MessageView::Eos(_) => self.end(),
            MessageView::Error(error) => self.fail(error),
            MessageView::Warning(warning) => {
                self.debug(warning.debug().as_deref());
                let words = self.secrets.hide(&warning.error().to_string());
                self.send(EventKind::Warning(words));
            }
            MessageView::Element(element) => self.note_missing(element),
            _ => {}
        }
        BusSyncReply::Drop
    }

    /// Ends the start, which went as `playing` says: errors become events from now on. The error
    /// returned, the one that came meanwhile if any, is the stream's last word.
    pub(super) fn started(
        &self,
        playing: Result<StateChangeSuccess, StateChangeError>,
    ) -> Result<(), CaptureError> {
        let mut state = self.lock();
        match (std::mem::replace(&mut state.phase, Phase::Over), playing) {
            (Phase::FailedAtStart(error), _) => Err(error),
            (Phase::Starting | Phase::Running, Ok(_)) => {
                state.phase = Phase::Running;
                Ok(())
            }
            (Phase::Starting | Phase::Running, Err(_)) => Err(self.unexplained()),
            // An event has said it.
            (Phase::Over, _) => Ok(()),
        }
    }

    /// Frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The pipeline has died, and has not said why.
    pub(super) fn note_stall(&self) {
        self.finish(Err(self.unexplained()));
    }

    /// It goes on, but not as it began.
    pub(super) fn note_change(&self, change: Change) {
        self.send(EventKind::Changed(change));
    }

    /// What it plays only names other things, which are not fetched.
    pub(super) fn note_playlist(&self) {
        self.lock().is_playlist = true;
    }

    /// What is said of a pipeline that fails without a reason.
    fn unexplained(&self) -> CaptureError {
        let input = self.input.clone();
        if self.flow.is_live() {
            let remedy = self.remedy(ResourceError::Failed, "");
            let reason = format!("it does not start ({remedy})");
            return CaptureError::Camera { input, loss: Loss::NotStarted, reason };
        }
        CaptureError::Undecodable { input, reason: "it is damaged, or cut off".into() }
    }

    /// Ends the events: what is stopped has nothing more to say.
    pub(super) fn silence(&self) {
        self.lock().phase = Phase::Over;
    }

    fn end(&self) {
        let input = self.input.clone();
        self.finish(match self.flow {
            Flow::Stored if self.frames() == 0 => Err(CaptureError::NoVideo { input }),
            Flow::Stored | Flow::Limited => Ok(()),
            Flow::Endless => {
                let reason = format!("{LOST} ({})", self.remedy(ResourceError::Failed, ""));
                Err(CaptureError::Camera { input, loss: Loss::Ended, reason })
            }
        });
    }

    fn fail(&self, message: &Error) {
        self.debug(message.debug().as_deref());
        let error = self.explain(&message.error(), &message.debug().unwrap_or_default());
        self.finish(Err(error));
    }

    fn finish(&self, end: Result<(), CaptureError>) {
        let mut state = self.lock();
        let kind = match (&state.phase, end) {
            (Phase::Starting, Err(error)) => {
                state.phase = Phase::FailedAtStart(error);
                return;
            }
            (Phase::FailedAtStart(_) | Phase::Over, _) => return,
            (Phase::Starting | Phase::Running, Ok(())) => EventKind::Ended,
            (Phase::Running, Err(error)) => EventKind::Failed(error),
        };
        state.phase = Phase::Over;
        drop(state);
        self.send(kind);
    }

    fn send(&self, kind: EventKind) {
        let event = Event { stream: self.stream.clone(), kind };
        if self.events.send(event).is_err() {
            log::debug!("{}: an event was dropped, as nobody listens any more", self.stream);
        }
    }

    fn debug(&self, text: Option<&str>) {
        let text = self.secrets.hide(text.unwrap_or_default());
        log::debug!("{}: GStreamer: {text}", self.stream);
    }

    /// Remembers the decoder that a decodebin looks for, as the error that follows is a general one.
    fn note_missing(&self, element: &Element) {
        let Some(structure) = element.structure().filter(|found| found.name() == "missing-plugin")
        else {
            return;
        };
        let name = structure.get::<String>("name").unwrap_or_else(|_| "unknown".into());
        let caps = structure.get::<gstreamer::Caps>("detail").ok();
        let media = caps.and_then(|caps| Some(caps.structure(0)?.name().to_string()));
        let is_video = !media.is_some_and(|media| media.starts_with("audio/"));
        self.lock().missing.push(MissingDecoder { name, is_video });
    }

    /// The error in words; `detail` is what it says for programmers.
    fn explain(&self, error: &gstreamer::glib::Error, detail: &str) -> CaptureError {
        let input = self.input.clone();
        let words = self.secrets.hide(error.message());
        if self.lock().is_playlist {
            return CaptureError::Undecodable { input, reason: PLAYLIST.into() };
        }
        if let Some(missing) = self.missing_decoder() {
            return missing;
        }
        if let Some(kind) = error.kind::<ResourceError>() {
            return self.explain_resource(kind, words, detail);
        }
        if self.flow.is_live() {
            return CaptureError::Camera { input, loss: loss(error), reason: words };
        }
        if finds_no_video(error) {
            return CaptureError::NoVideo { input };
        }
        CaptureError::Undecodable { input, reason: self.reason(error, &words) }
    }

    /// If decodebin looked for decoders in vain: the first one for video, else no video was there.
    fn missing_decoder(&self) -> Option<CaptureError> {
        let state = self.lock();
        let input = self.input.clone();
        if state.missing.is_empty() || self.frames() > 0 {
            return None;
        }
        Some(match state.missing.iter().find(|missing| missing.is_video) {
            Some(missing) => CaptureError::MissingDecoder { input, decoder: missing.name.clone() },
            None => CaptureError::NoVideo { input },
        })
    }

    fn explain_resource(&self, kind: ResourceError, words: String, detail: &str) -> CaptureError {
        let input = self.input.clone();
        if self.flow.is_live() {
            let remedy = self.remedy(kind, &format!("{words} {detail}"));
            let reason = format!("{words} ({remedy})");
            return CaptureError::Camera { input, loss: Loss::Failed, reason };
        }
        CaptureError::MissingInput { input, fault: words }
    }

    /// What to do about a live source that says such `words`.
    fn remedy(&self, kind: ResourceError, words: &str) -> &'static str {
        match self.device {
            Device::Argus => argus::remedy(words),
            Device::Camera => camera_remedy(kind),
        }
    }

    fn reason(&self, error: &gstreamer::glib::Error, words: &str) -> String {
        let frames = self.frames();
        if frames > 0 {
            return format!("it is damaged after frame {}: {words}", frames - 1);
        }
        match error.kind::<StreamError>() {
            Some(StreamError::TypeNotFound) => "it is of no kind that GStreamer knows".into(),
            Some(StreamError::WrongType) => format!("it is not a video: {words}"),
            Some(StreamError::Decode | StreamError::Demux | StreamError::Format) => {
                format!("it is damaged: {words}")
            }
            _ if error.is::<CoreError>() => format!("the pipeline does not fit it: {words}"),
            _ => words.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether decodebin came to the end of the streams, and none was a video: it then either offers
/// none to link to, or misses a plug-in without having said which.
fn finds_no_video(error: &gstreamer::glib::Error) -> bool {
    error.is::<gstreamer::ParseError>() || error.matches(CoreError::MissingPlugin)
}

/// How a live source is lost by the error, which is none of its device.
fn loss(error: &gstreamer::glib::Error) -> Loss {
    match error.kind::<StreamError>() {
        Some(
            StreamError::Decode
            | StreamError::Demux
            | StreamError::Format
            | StreamError::WrongType
            | StreamError::TypeNotFound
            | StreamError::CodecNotFound,
        ) => Loss::Undecodable,
        // Among others what is said where data no longer flows, whatever the cause.
        _ => Loss::Failed,
    }
}

fn camera_remedy(kind: ResourceError) -> &'static str {
    match kind {
        ResourceError::Busy => "another program uses it",
        ResourceError::NotAuthorized => "check user, password and permissions",
        ResourceError::NotFound => "check its address and its cable",
        _ => "check that it is on, connected and free, and its address",
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, unbounded};

    use super::*;

    fn watch() -> (Watch, Receiver<Event>) {
        let (events, told) = unbounded();
        let watch = Watch {
            stream: StreamName::new("test"),
            input: "clip.mp4".into(),
            flow: Flow::Stored,
            device: Device::Camera,
            secrets: Secrets::default(),
            count: Arc::default(),
            events,
            state: Mutex::default(),
        };
        (watch, told)
    }

    #[test]
    fn a_start_that_fails_is_told_once() {
        let (watch, told) = watch();
        let error = watch.started(Err(StateChangeError)).unwrap_err();
        assert!(matches!(error, CaptureError::Undecodable { .. }), "{error:?}");
        watch.note_stall();
        assert!(told.is_empty(), "the error that was returned is the last word");
    }

    #[test]
    fn what_fails_after_the_start_is_an_event() {
        let (watch, told) = watch();
        watch.started(Ok(StateChangeSuccess::Async)).unwrap();
        watch.note_stall();
        watch.note_stall();
        assert!(matches!(told.recv().unwrap().kind, EventKind::Failed(_)));
        assert!(told.is_empty());
    }
}
