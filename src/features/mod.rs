//! Seven cheap numbers that describe a picture: what the premodel looks at.

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
