//! Seven cheap numbers that describe a picture: what the premodel looks at.
//!
//! The seven are those that the paper behind classifyd ("Adaptive Deep Learning Model Selection on
//! Embedded Systems", LCTES 2018) was left with of 29; it names them and publishes no formulas. The
//! formulas are ours, each in the module of its family:
//!
//! | feature | is | range | in |
//! |---|---|---|---|
//! | `n_keypoints` | FAST-9 corners for each 10,000 pixels | 0 and up | `keypoints` |
//! | `avg_perceived_brightness` | perceived brightness of the average colour | 0 to 1 | `tones` |
//! | `hue1` | share of pixels with hues from red to orange-yellow | 0 to 1 | `hues` |
//! | `contrast` | standard deviation of luma | 0 to 0.5 | `tones` |
//! | `area_by_perim` | main object's area over its perimeter, over the longest side | 0 to 0.25 | `main_object` |
//! | `edge_length1` | share of edges shorter than 1/32 of the longest side | 0 to 1 | `edges` |
//! | `aspect_ratio` | main object's width over its height | 1/256 to 256 | `main_object` |
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
mod tones;
mod working_copy;

use thiserror::Error;

use crate::frame::Picture;
use crate::resample::ResampleError;
use edges::EdgeFinder;
use keypoints::CornerFinder;
use main_object::ObjectFinder;
use working_copy::WorkingCopy;

/// The features of one picture, in the order of [`Features::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features([f32; Features::COUNT]);

impl Features {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// Their names, as in the paper.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "n_keypoints",
        "avg_perceived_brightness",
        "hue1",
        "contrast",
        "area_by_perim",
        "edge_length1",
        "aspect_ratio",
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
    #[error("the {width}x{height} picture has features that are not finite: {values:?}; report it")]
    NotFinite {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The features, in the order of [`Features::NAMES`].
        values: [f32; Features::COUNT],
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
        let (width, height) = (picture.width(), picture.height());
        Features::new(values).ok_or(FeatureError::NotFinite { width, height, values })
    }

    /// Measures the working copy, in the order of [`Features::NAMES`].
    fn measure(&mut self) -> [f32; Features::COUNT] {
        let (grey, planes) = (self.copy.grey(), self.copy.planes());
        let [hue1, ..] = hues::shares(planes);
        let [edge_length1, ..] = self.edges.length_shares(grey);
        let object = self.objects.find(planes, self.copy.width());
        [
            self.corners.density(grey),
            tones::average_perceived_brightness(planes),
            hue1,
            tones::contrast(grey),
            object.area_by_perimeter,
            edge_length1,
            object.aspect_ratio,
        ]
    }
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
