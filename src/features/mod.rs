//! Cheap numbers that describe a picture: what a premodel may look at.
//!
//! The 29 are the candidates of the paper behind classifyd ("Adaptive Deep Learning Model Selection
//! on Embedded Systems", LCTES 2018), which names them and publishes no formulas. The formulas are
//! ours, each in the module of its family. Which of them a premodel looks at, training decides.
//!
//! | feature | is | range | in |
//! |---|---|---|---|
//! | `n_keypoints` | FAST-9 corners for each 10,000 pixels | 0 and up | `keypoints` |
//! | `avg_brightness` | average luma | 0 to 1 | `tones` |
//! | `brightness_rms` | root of the mean square of luma | 0 to 1 | `tones` |
//! | `avg_perceived_brightness` | perceived brightness of the average colour | 0 to 1 | `tones` |
//! | `perceived_brightness_rms` | root of the mean square of perceived brightness | 0 to 1 | `tones` |
//! | `contrast` | standard deviation of luma | 0 to 0.5 | `tones` |
//! | `edge_length1` to `7` | shares of edges by length: below 1/32 of the longest side, below 1/16, 1/8, 1/4, 1/2, 1, and the rest | 0 to 1 | `edges` |
//! | `edge_angle1` to `7` | shares of edge pixels by the direction of their gradient, in sevenths of 180 degrees | 0 to 1 | `edges` |
//! | `area_by_perim` | main object's area over its perimeter, over the longest side | 0 to 0.25 | `main_object` |
//! | `aspect_ratio` | binary logarithm of the main object's width over its height | -3 to 3 | `main_object` |
//! | `hue1` to `7` | shares of pixels by hue, in sevenths of the colour circle from red on; the rest is grey | 0 to 1 | `hues` |
//!
//! The main object is found without a detector: it is the largest connected thing whose colour
//! differs from those along the picture's four sides (see `main_object`).
//!
//! All are measured on a working copy of bounded size, so a scene has nearly the same features
//! whatever the camera's resolution, and exactly the same whatever the pixel format and the stride.
//! A picture without corners, hues, edges or object has features like any other: what cannot be
//! found counts as 0, and the main object falls back to the whole picture.

mod components;
mod edges;
mod hues;
mod keypoints;
mod main_object;
mod neighbourhoods;
mod set;
mod tones;
mod working_copy;

use thiserror::Error;

use crate::frame::Picture;
use crate::resample::ResampleError;
pub use set::{FeatureRow, FeatureSet, FeatureSetFault};

use edges::EdgeFinder;
use keypoints::CornerFinder;
use main_object::ObjectFinder;
use tones::Tones;
use working_copy::WorkingCopy;

/// The features of one picture, in the order of [`Features::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features([f32; Features::COUNT]);

impl Features {
    /// How many there are.
    pub const COUNT: usize = 29;

    /// Their names, as in the paper and in its order.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "n_keypoints",
        "avg_brightness",
        "brightness_rms",
        "avg_perceived_brightness",
        "perceived_brightness_rms",
        "contrast",
        "edge_length1",
        "edge_length2",
        "edge_length3",
        "edge_length4",
        "edge_length5",
        "edge_length6",
        "edge_length7",
        "edge_angle1",
        "edge_angle2",
        "edge_angle3",
        "edge_angle4",
        "edge_angle5",
        "edge_angle6",
        "edge_angle7",
        "area_by_perim",
        "aspect_ratio",
        "hue1",
        "hue2",
        "hue3",
        "hue4",
        "hue5",
        "hue6",
        "hue7",
    ];

    /// Wraps values in the order of [`Self::NAMES`]; `None` if one is not finite.
    pub fn new(values: [f32; Self::COUNT]) -> Option<Self> {
        values.iter().all(|value| value.is_finite()).then_some(Self(values))
    }

    /// The values, in the order of [`Self::NAMES`].
    pub fn values(&self) -> &[f32; Self::COUNT] {
        &self.0
    }

    /// Names and values together.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f32)> {
        Self::NAMES.into_iter().zip(self.0)
    }
}

/// Why a picture has no features. No picture is known to lead here.
#[derive(Debug, Error)]
pub enum FeatureError {
    /// No working copy could be made of it.
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// A formula broke down.
    #[error("the feature {name} of the {width}x{height} picture is {value}; report it")]
    NotFinite {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The first feature that is not finite.
        name: &'static str,
        /// Its value.
        value: f32,
    },
}

/// Extracts features; keeps its memory from one picture to the next, so each thread has its own.
///
/// The features of a picture do not depend on the pictures before it.
#[derive(Debug)]
pub struct Extractor {
    copy: WorkingCopy,
    corners: CornerFinder,
    edges: EdgeFinder,
    objects: ObjectFinder,
}

impl Extractor {
    /// An extractor that has no memory yet; the first picture gets it some.
    pub fn new() -> Self {
        Self {
            copy: WorkingCopy::new(),
            corners: CornerFinder::default(),
            edges: EdgeFinder::default(),
            objects: ObjectFinder::default(),
        }
    }

    /// The features of `picture`, which is read where it lies.
    pub fn extract(&mut self, picture: &Picture) -> Result<Features, FeatureError> {
        self.copy.take(picture)?;
        let values = self.measure();
        Features::new(values).ok_or_else(|| not_finite(picture, &values))
    }

    /// Measures the working copy, in the order of [`Features::NAMES`].
    fn measure(&mut self) -> [f32; Features::COUNT] {
        let (grey, planes) = (self.copy.grey(), self.copy.planes());
        let tones = Tones::of(grey, planes);
        let edges = self.edges.measure(grey);
        let object = self.objects.find(planes, self.copy.width());
        let levels = [
            self.corners.density(grey),
            tones.brightness,
            tones.brightness_rms,
            tones.perceived_brightness,
            tones.perceived_brightness_rms,
            tones.contrast,
        ];
        let outline = [object.area_by_perimeter, object.aspect_ratio];
        let hues = hues::shares(planes);
        let families: [&[f32]; 5] = [&levels, &edges.lengths, &edges.angles, &outline, &hues];
        let mut measured = families.into_iter().flatten();
        let values = std::array::from_fn(|_| measured.next().copied().unwrap_or(f32::NAN));
        debug_assert!(measured.next().is_none(), "a family has more features than names");
        values
    }
}

fn not_finite(picture: &Picture, values: &[f32; Features::COUNT]) -> FeatureError {
    let mut named = Features::NAMES.into_iter().zip(*values);
    let (name, value) = named.find(|(_, value)| !value.is_finite()).unwrap_or_default();
    FeatureError::NotFinite { width: picture.width(), height: picture.height(), name, value }
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
