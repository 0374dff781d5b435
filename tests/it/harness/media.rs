//! Pictures and clips in known colours, and damage done to them.

use std::fs;
use std::path::Path;

use gstreamer::prelude::*;
use gstreamer::{ClockTime, MessageType, MessageView, State};
use image::{Rgb, RgbImage};

use super::text;

/// Red, green, blue.
pub type Colour = [u8; 3];

pub const RED: Colour = [255, 0, 0];
pub const GREEN: Colour = [0, 255, 0];
pub const BLUE: Colour = [0, 0, 255];

/// A picture of one colour.
pub fn picture((width, height): (u32, u32), colour: Colour) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(colour))
}

/// Draws a picture of one colour into a file, whose name says the format.
pub fn draw(path: &Path, size: (u32, u32), colour: Colour) {
    picture(size, colour).save(path).expect("an image can be saved");
}

/// Draws a bright rectangle of `colour` before the same colour, darker; `number` makes it another
/// picture. Unlike a plain one it has edges and a main object.
pub fn scene(path: &Path, colour: Colour, number: u32) {
    let (left, top) = (10 + number * 7, 10 + number * 3);
    let (right, bottom) = (left + 30 + number * 4, top + 25 + number * 5);
    let dark = colour.map(|value| value / 3);
    let pixel = |x, y| {
        let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
        Rgb(if inside { colour } else { dark })
    };
    RgbImage::from_fn(160, 120, pixel).save(path).expect("an image can be saved");
}

/// A video to be made: one colour for each frame.
pub struct Clip {
    pub size: (u32, u32),
    pub frames: Vec<Colour>,
}

/// How a clip is written.
#[derive(Clone, Copy, Debug)]
pub enum Codec {
    /// H.264 in MP4, the index at the end.
    Mp4,
    /// H.264 in MP4, the index in front, as for the web.
    Mp4IndexFirst,
    /// H.264 without a container, so that one clip can follow another.
    BareH264,
    /// Motion JPEG in AVI.
    Avi,
    /// The same, grey.
    GreyAvi,
    /// The same in Matroska, which takes pictures of any size.
    Mkv,
    /// VP8 in WebM.
    WebM,
    /// Theora in Ogg.
    Ogg,
}

impl Codec {
    /// Elements from raw video to bytes; chroma is not subsampled where sides may be odd.
    fn elements(self) -> &'static str {
        match self {
            Self::Mp4 => "video/x-raw,format=Y444 ! x264enc speed-preset=ultrafast ! mp4mux",
            Self::Mp4IndexFirst => {
                "video/x-raw,format=I420 ! x264enc speed-preset=ultrafast key-int-max=10 ! \
                 mp4mux faststart=true"
            }
            Self::BareH264 => {
                "video/x-raw,format=I420 ! x264enc speed-preset=ultrafast ! \
                 video/x-h264,stream-format=byte-stream,alignment=au"
            }
            Self::Avi => "jpegenc ! avimux",
            Self::GreyAvi => "video/x-raw,format=GRAY8 ! jpegenc ! avimux",
            Self::Mkv => "jpegenc ! matroskamux",
            Self::WebM => "vp8enc deadline=1 ! webmmux",
            Self::Ogg => "theoraenc ! oggmux",
        }
    }
}

impl Clip {
    /// Frames of `size` in runs of `length`, one run for each of `colours`.
    pub fn of(size: (u32, u32), length: usize, colours: &[Colour]) -> Self {
        let run = |colour: &Colour| std::iter::repeat_n(*colour, length);
        Self { size, frames: colours.iter().flat_map(run).collect() }
    }

    /// Encodes the clip at 30 frames per second.
    pub fn write(&self, path: &Path, codec: Codec) {
        let raw = path.with_extension("raw");
        let pixels = (self.size.0 * self.size.1) as usize;
        let frame = |[red, green, blue]: &Colour| [*red, *green, *blue, 0].repeat(pixels);
        let frames: Vec<u8> = self.frames.iter().flat_map(frame).collect();
        fs::write(&raw, frames).expect("the directory is writable");
        let (width, height) = self.size;
        encode(&format!(
            "filesrc location={} ! \
             rawvideoparse format=rgbx width={width} height={height} framerate=30/1 ! \
             videoconvert ! {} ! filesink location={}",
            text(&raw),
            codec.elements(),
            text(path)
        ));
        fs::remove_file(&raw).expect("it was just written");
    }
}

fn encode(description: &str) {
    gstreamer::init().expect("GStreamer is installed");
    let pipeline = gstreamer::parse::launch(description).expect("a pipeline");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    pipeline.set_state(State::Playing).expect("it starts");
    let limit = ClockTime::from_seconds(60);
    let last = bus.timed_pop_filtered(limit, &[MessageType::Eos, MessageType::Error]);
    pipeline.set_state(State::Null).expect("it stops");
    match last.as_ref().map(|message| message.view()) {
        Some(MessageView::Eos(_)) => {}
        Some(MessageView::Error(error)) => panic!("{description}: {:?}", error.debug()),
        _ => panic!("{description}: it does not end"),
    }
}

/// `bytes` with `flips` bits turned over behind the first `spared` bytes, at places drawn by lot.
pub fn damaged(bytes: &[u8], spared: usize, flips: usize, seed: u64) -> Vec<u8> {
    let mut lots = fastrand::Rng::with_seed(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..flips {
        let place = lots.usize(spared..bytes.len());
        bytes[place] ^= 1 << lots.u8(0..8);
    }
    bytes
}
