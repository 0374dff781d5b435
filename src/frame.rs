//! A frame: a picture, where and when it came from, and when its answer is due.
//!
//! A [`Frame`] is born on the capture thread and moved whole from stage to stage; it is never
//! cloned. Its pixels stay in the memory that the decoder wrote them to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use crate::outcome::Ticket;

/// The name of a stream: what its records are filed under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Wraps a name; any text will do, and streams of one process are told apart by it.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which frame: the stream, and the count of frames captured before it there.
///
/// Numbers are dense: a stream's frames are 0, 1, 2, ... with none left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// The stream it belongs to.
    pub stream: StreamName,
    /// Frames captured before it on that stream.
    pub number: u64,
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.stream, self.number)
    }
}

/// Where and when a frame came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Which frame it is.
    pub id: FrameId,
    /// Presentation time in the stream, from its container or camera.
    pub pts: Option<Duration>,
    /// The monotonic instant at which the camera (or the replay clock) gave it.
    pub captured: Instant,
    /// The same instant as time of day.
    pub wall: SystemTime,
    /// The file the frame is, for streams made of single images.
    pub file: Option<Arc<str>>,
}

/// How long a frame's answer stays useful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(Duration);

/// Why a budget was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BudgetError {
    /// The text is no duration.
    #[error("`{0}` is not a duration (write it like 33ms, 1.5s or 2s)")]
    Unreadable(String),
    /// The duration is not in the accepted range.
    #[error("a budget lies between 1ms and 1h, not {}", humantime::format_duration(*.0))]
    OutOfRange(Duration),
}

impl Budget {
    /// One hour.
    pub const LONGEST: Self = Self(Duration::from_secs(3600));

    /// Accepts one millisecond to one hour.
    pub fn new(budget: Duration) -> Result<Self, BudgetError> {
        let range = Duration::from_millis(1)..=Self::LONGEST.0;
        if !range.contains(&budget) {
            return Err(BudgetError::OutOfRange(budget));
        }
        Ok(Self(budget))
    }

    /// The budget as a duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// A budget that may change while frames are captured; clones share it.
#[derive(Clone, Debug)]
pub struct SharedBudget(Arc<AtomicU64>);

impl SharedBudget {
    /// One that is `budget` until it is changed.
    pub fn new(budget: Budget) -> Self {
        Self(Arc::new(AtomicU64::new(Self::nanoseconds(budget))))
    }

    /// What it is now.
    pub fn get(&self) -> Budget {
        Budget(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }

    /// Changes it, for the frames that are captured from now on.
    pub fn set(&self, budget: Budget) {
        self.0.store(Self::nanoseconds(budget), Ordering::Relaxed);
    }

    fn nanoseconds(budget: Budget) -> u64 {
        // A budget is an hour at most.
        u64::try_from(budget.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let parsed = humantime::parse_duration(text)
            .map_err(|_| BudgetError::Unreadable(text.to_owned()))?;
        Self::new(parsed)
    }
}

/// The instant by which a frame's answer must be out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline of a frame that counts from `start`.
    pub fn new(start: Instant, budget: Budget) -> Self {
        Self(start + budget.duration())
    }

    /// The deadline as an instant.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Time left at `now`; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether something that ends at `finish` is in time.
    pub fn is_met_by(self, finish: Instant) -> bool {
        finish <= self.0
    }

    /// The deadline moved earlier by `time`, where instants reach back so far.
    pub fn advanced(self, time: Duration) -> Self {
        self.0.checked_sub(time).map_or(self, Self)
    }

    /// The deadline moved later by `wait`.
    pub fn postponed(self, wait: Duration) -> Self {
        Self(self.0 + wait)
    }
}

/// What a frame's deadline counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The clock runs on from the capture instant, whatever the frame waits for.
    Clock,
    /// Frames are fed as fast as they are taken up; only the work on a frame counts, the time it
    /// waits for the frames before it does not.
    Work,
}

/// A picture on its way to an answer.
#[derive(Debug)]
pub struct Frame {
    /// The pixels.
    pub picture: Picture,
    /// The outcome it owes, with all that is known of it so far.
    pub ticket: Ticket,
}

/// How the bytes of one pixel are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and a byte that means nothing.
    Rgbx,
    /// Blue, green, red, and a byte that means nothing.
    Bgrx,
}

impl PixelFormat {
    /// Bytes that one pixel takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgbx | Self::Bgrx => 4,
        }
    }

    /// Where in a pixel the red, the green and the blue byte stand.
    pub fn rgb_offsets(self) -> [usize; 3] {
        match self {
            Self::Rgb | Self::Rgbx => [0, 1, 2],
            Self::Bgrx => [2, 1, 0],
        }
    }
}

/// Memory that pixels lie in: a mapped GStreamer buffer, or a decoded image's own.
pub trait PixelMemory: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> PixelMemory for T {}

/// 8-bit colour pixels in rows, read where they lie.
///
/// Invariants: width and height are at least 1; the stride is a whole number of pixels, at least
/// the width; the memory holds every row.
pub struct Picture {
    format: PixelFormat,
    width: u32,
    height: u32,
    stride: usize,
    memory: Box<dyn PixelMemory>,
}

/// Why bytes do not make a picture.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PictureError {
    /// There is nothing to see.
    #[error("the picture has no pixels ({width}x{height})")]
    Empty {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// Rows overlap or do not start on a pixel.
    #[error("a row of {width} pixels of {bytes} bytes cannot have a stride of {stride} bytes")]
    Stride {
        /// Its width.
        width: u32,
        /// Bytes a pixel.
        bytes: usize,
        /// The stride given.
        stride: usize,
    },
    /// The last rows are missing.
    #[error("the picture needs {needed} bytes and has {given}")]
    Short {
        /// Bytes that its rows reach over.
        needed: usize,
        /// Bytes there are.
        given: usize,
    },
}

impl Picture {
    /// A picture over `memory`, whose row `y` starts at byte `y * stride`.
    pub fn new(
        format: PixelFormat,
        (width, height): (u32, u32),
        stride: usize,
        memory: Box<dyn PixelMemory>,
    ) -> Result<Self, PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Empty { width, height });
        }
        let bytes = format.bytes();
        let row = width as usize * bytes;
        if stride < row || !stride.is_multiple_of(bytes) {
            return Err(PictureError::Stride { width, bytes, stride });
        }
        let given = (*memory).as_ref().len();
        let needed = stride
            .checked_mul(height as usize - 1)
            .and_then(|rows| rows.checked_add(row))
            .unwrap_or(usize::MAX);
        if given < needed {
            return Err(PictureError::Short { needed, given });
        }
        Ok(Self { format, width, height, stride, memory })
    }

    /// A picture that owns tightly packed RGB pixels.
    pub fn from_rgb(image: image::RgbImage) -> Result<Self, PictureError> {
        let size = image.dimensions();
        let stride = size.0 as usize * PixelFormat::Rgb.bytes();
        Self::new(PixelFormat::Rgb, size, stride, Box::new(image.into_raw()))
    }

    /// How its pixels are laid out.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The memory, rows at multiples of [`Self::stride`]; it may end right after the last pixel.
    pub fn bytes(&self) -> &[u8] {
        (*self.memory).as_ref()
    }

    /// The bytes of row `y`, padding left out. Panics if there is no such row.
    pub fn row(&self, y: u32) -> &[u8] {
        let start = y as usize * self.stride;
        &self.bytes()[start..start + self.width as usize * self.format.bytes()]
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({:?} {}x{})", self.format, self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_needs_whole_rows_of_whole_pixels() {
        let make = |width, height, stride, bytes: usize| {
            Picture::new(PixelFormat::Rgb, (width, height), stride, Box::new(vec![0_u8; bytes]))
        };
        assert!(make(5, 2, 15, 30).is_ok());
        assert!(make(5, 2, 18, 33).is_ok(), "the last row needs no padding");
        assert_eq!(make(0, 2, 15, 30).unwrap_err(), PictureError::Empty { width: 0, height: 2 });
        assert!(matches!(make(5, 2, 16, 99).unwrap_err(), PictureError::Stride { .. }));
        assert!(matches!(make(5, 2, 12, 99).unwrap_err(), PictureError::Stride { .. }));
        assert_eq!(make(5, 2, 15, 29).unwrap_err(), PictureError::Short { needed: 30, given: 29 });
    }

    #[test]
    fn rows_leave_the_padding_out() {
        let bytes: Vec<u8> = (0..16).collect();
        let picture = Picture::new(PixelFormat::Rgbx, (1, 2), 8, Box::new(bytes)).unwrap();
        assert_eq!(picture.row(1), [8, 9, 10, 11]);
    }

    #[test]
    fn a_shared_budget_is_what_it_was_set_to_last() {
        let shared = SharedBudget::new(Budget::LONGEST);
        let other = shared.clone();
        assert_eq!(other.get(), Budget::LONGEST);
        shared.set("33ms".parse().unwrap());
        assert_eq!(other.get(), "33ms".parse().unwrap());
    }

    #[test]
    fn budgets_are_read_with_their_unit_and_bounded() {
        assert_eq!("33ms".parse::<Budget>().unwrap().duration(), Duration::from_millis(33));
        assert!(matches!("-5ms".parse::<Budget>(), Err(BudgetError::Unreadable(_))));
        assert!(matches!("0ms".parse::<Budget>(), Err(BudgetError::OutOfRange(_))));
        assert!(matches!("2h".parse::<Budget>(), Err(BudgetError::OutOfRange(_))));
    }
}
