//! The end of the pipeline: decoded buffers become frames.
//!
//! Runs on GStreamer's streaming thread. Under [`Delivery::NewestWins`] it takes every sample at
//! once and never waits, so the mailbox is the only place where frames are lost, and there they are
//! counted. Under [`Delivery::Lossless`] it waits in [`mailbox::Sender::post`], and with it the
//! decoder: this is the back-pressure of replay.

use std::sync::Arc;
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer::{ClockTime, FlowError, FlowSuccess, Sample};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_video::{VideoFormat, VideoFrame, VideoFrameExt, VideoInfo, video_frame::Readable};
use thiserror::Error;

use super::change::Constancy;
use super::description::Flow;
use super::mailbox::{self, Closed, Delivery};
use super::registrar::{Moment, Registrar};
use super::watch::Watch;
use crate::frame::{Frame, Picture, PictureError, PixelFormat};
use crate::outcome::{Failure, Outcome, Stage};

/// The oldest that a camera's buffer can plausibly be when it arrives; beyond it, its stamps are
/// wrong.
const OLDEST: Duration = Duration::from_secs(10);

/// Makes frames of samples and posts them.
pub(super) struct Intake {
    registrar: Registrar,
    pub(super) mailbox: mailbox::Sender,
    watch: Arc<Watch>,
    constancy: Constancy,
}

/// Why a sample is no picture.
#[derive(Debug, Error)]
enum SampleError {
    #[error("the decoder gave a sample without {0}")]
    Incomplete(&'static str),
    #[error("the decoder gave pixels of the format {0}")]
    Format(String),
    #[error("the picture's memory cannot be read")]
    Unmappable,
    #[error("the decoder gave rows with a stride of {0} bytes")]
    Stride(i32),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl Intake {
    /// Of one start of a source.
    pub(super) fn new(registrar: Registrar, mailbox: mailbox::Sender, watch: Arc<Watch>) -> Self {
        Self { registrar, mailbox, watch, constancy: Constancy::default() }
    }

    /// What the appsink calls.
    pub(super) fn callbacks(mut self) -> AppSinkCallbacks {
        let gate = self.mailbox.gate();
        AppSinkCallbacks::builder()
            .new_sample(move |sink| self.accept(sink))
            .eos(move |_| gate.close())
            .build()
    }

    fn accept(&mut self, sink: &AppSink) -> Result<FlowSuccess, FlowError> {
        let sample = sink.pull_sample().map_err(|_| FlowError::Flushing)?;
        let stamped = stamped(&sample);
        self.look_at_stamp(stamped);
        let moment = Moment::ago(self.age(sink, stamped), self.registrar.clock);
        let pts = sample.buffer().and_then(|buffer| buffer.pts()).map(Duration::from);
        let ticket = self.registrar.open(moment, pts, None);
        match picture(&sample) {
            Ok(picture) => {
                self.look_at_size(&picture);
                self.post(Frame { picture, ticket })
            }
            Err(error) => {
                ticket.report(Outcome::Failed(Failure::new(Stage::Capture, &error)));
                Ok(FlowSuccess::Ok)
            }
        }
    }

    /// How long ago the source gave the sample; zero where the pipeline does not run by the clock.
    fn age(&self, sink: &AppSink, stamped: Option<ClockTime>) -> Duration {
        match self.mailbox.delivery() {
            Delivery::NewestWins if self.constancy.is_on_time() => {
                age(sink, stamped).map(|age| plausible(age, self.watch.flow)).unwrap_or_default()
            }
            Delivery::NewestWins | Delivery::Lossless => Duration::ZERO,
        }
    }

    /// Tells of a live source whose stamps jump. Those of a file may.
    fn look_at_stamp(&mut self, stamped: Option<ClockTime>) {
        let Some(stamped) = stamped.filter(|_| self.watch.flow.is_live()) else { return };
        let now = self.registrar.clock.now();
        if let Some(change) = self.constancy.note_stamp(stamped.into(), now) {
            self.watch.note_change(change);
        }
    }

    /// Tells of a live source whose pictures change their size. Those of a file may.
    fn look_at_size(&mut self, picture: &Picture) {
        if !self.watch.flow.is_live() {
            return;
        }
        if let Some(change) = self.constancy.note_size((picture.width(), picture.height())) {
            self.watch.note_change(change);
        }
    }

    fn post(&self, frame: Frame) -> Result<FlowSuccess, FlowError> {
        match self.mailbox.post(frame) {
            Ok(()) => Ok(FlowSuccess::Ok),
            // The frame is dropped, and its ticket reports it as abandoned.
            Err(Closed(_)) => Err(FlowError::Flushing),
        }
    }
}

/// The running time that the sample's stamp stands for.
fn stamped(sample: &Sample) -> Option<ClockTime> {
    let pts = sample.buffer()?.pts()?;
    sample.segment()?.downcast_ref::<ClockTime>()?.to_running_time(pts)
}

/// The running time now, less that of the stamp.
fn age(sink: &AppSink, stamped: Option<ClockTime>) -> Option<Duration> {
    sink.current_running_time()?.checked_sub(stamped?).map(Duration::from)
}

/// `age`, unless a camera cannot have it. The stamps of a file are its frames' due times: one that
/// cannot be decoded in time is late, by however much.
fn plausible(age: Duration, flow: Flow) -> Duration {
    match flow {
        Flow::Endless | Flow::Limited if age > OLDEST => Duration::ZERO,
        Flow::Stored | Flow::Endless | Flow::Limited => age,
    }
}

/// A picture over the sample's own memory. The caps are the sample's, as they change in mid-stream.
fn picture(sample: &Sample) -> Result<Picture, SampleError> {
    let caps = sample.caps().ok_or(SampleError::Incomplete("caps"))?;
    let info = VideoInfo::from_caps(caps).map_err(|_| SampleError::Format(caps.to_string()))?;
    let format = pixel_format(&info)?;
    let buffer = sample.buffer_owned().ok_or(SampleError::Incomplete("a buffer"))?;
    let frame = VideoFrame::from_buffer_readable(buffer, &info);
    let frame = frame.map_err(|_| SampleError::Unmappable)?;
    let size = (frame.width(), frame.height());
    let stride = frame.plane_stride().first().copied().unwrap_or_default();
    let stride = usize::try_from(stride).map_err(|_| SampleError::Stride(stride))?;
    Ok(Picture::new(format, size, stride, Box::new(Mapped(frame)))?)
}

fn pixel_format(info: &VideoInfo) -> Result<PixelFormat, SampleError> {
    match info.format() {
        VideoFormat::Bgrx => Ok(PixelFormat::Bgrx),
        VideoFormat::Rgbx => Ok(PixelFormat::Rgbx),
        other => Err(SampleError::Format(other.to_string())),
    }
}

/// A buffer mapped for reading, as long as the picture lives.
struct Mapped(VideoFrame<Readable>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // Of no plane there are no bytes, which `Picture::new` refuses.
        self.0.plane_data(0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use gstreamer::{Buffer, Caps};

    use super::*;

    fn sample(caps: &str, bytes: usize) -> Sample {
        gstreamer::init().unwrap();
        let caps: Caps = caps.parse().unwrap();
        Sample::builder().caps(&caps).buffer(&Buffer::from_slice(vec![7; bytes])).build()
    }

    const CAPS: &str = "video/x-raw,format=BGRx,width=3,height=2,framerate=0/1";

    #[test]
    fn a_buffer_is_read_where_it_lies() {
        let sample = sample(CAPS, 24);
        let picture = picture(&sample).unwrap();
        let mapped = sample.buffer().unwrap().map_readable().unwrap();
        assert_eq!(picture.bytes().as_ptr(), mapped.as_slice().as_ptr());
        assert_eq!((picture.width(), picture.height(), picture.stride()), (3, 2, 12));
    }

    #[test]
    fn padding_that_the_buffer_describes_is_honoured() {
        gstreamer::init().unwrap();
        let mut buffer = Buffer::from_slice((0..40).collect::<Vec<u8>>());
        let meta = gstreamer_video::VideoMeta::add_full(
            buffer.get_mut().unwrap(),
            gstreamer_video::VideoFrameFlags::empty(),
            VideoFormat::Bgrx,
            3,
            2,
            &[0],
            &[20],
        );
        assert!(meta.is_ok());
        let caps: Caps = CAPS.parse().unwrap();
        let picture = picture(&Sample::builder().caps(&caps).buffer(&buffer).build()).unwrap();
        assert_eq!(picture.stride(), 20);
        assert_eq!(picture.row(1), (20..32).collect::<Vec<u8>>());
    }

    #[test]
    fn a_file_may_be_late_by_any_time_and_a_camera_may_not() {
        let (late, absurd) = (Duration::from_secs(9), Duration::from_secs(11));
        assert_eq!(plausible(late, Flow::Stored), late);
        assert_eq!(plausible(absurd, Flow::Stored), absurd);
        assert_eq!(plausible(late, Flow::Endless), late);
        assert_eq!(plausible(absurd, Flow::Endless), Duration::ZERO);
        assert_eq!(plausible(absurd, Flow::Limited), Duration::ZERO);
    }

    #[test]
    fn what_is_no_picture_is_said() {
        assert!(matches!(picture(&sample(CAPS, 23)), Err(SampleError::Unmappable)));
        let grey = sample("video/x-raw,format=GRAY8,width=3,height=2,framerate=0/1", 24);
        assert!(matches!(picture(&grey), Err(SampleError::Format(_))));
        assert!(matches!(picture(&sample("audio/x-raw", 4)), Err(SampleError::Format(_))));
    }
}
