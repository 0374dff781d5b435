//! Min-max scaling of features to 0..1, so that no feature outweighs another by its unit.

use crate::features::Features;

/// The smallest and the largest value of each feature in the training set.
///
/// A value beyond them is scaled to 0 or 1: one feature far outside of what was seen in training
/// then counts as its extreme and cannot drown out the other six. A feature that was constant in
/// training says nothing and is scaled to 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    minimum: Features,
    maximum: Features,
}

impl Scaling {
    /// `None` if a minimum is greater than its maximum.
    pub fn new(minimum: Features, maximum: Features) -> Option<Self> {
        let mut pairs = minimum.values().iter().zip(maximum.values());
        pairs.all(|(low, high)| low <= high).then_some(Self { minimum, maximum })
    }

    /// The extremes of some pictures; `None` without any.
    pub fn of<'a>(mut pictures: impl Iterator<Item = &'a Features>) -> Option<Self> {
        let first = *pictures.next()?.values();
        let (mut low, mut high) = (first, first);
        for picture in pictures {
            for (column, &value) in picture.values().iter().enumerate() {
                low[column] = low[column].min(value);
                high[column] = high[column].max(value);
            }
        }
        Self::new(Features::new(low)?, Features::new(high)?)
    }

    /// The smallest values.
    pub fn minimum(&self) -> &Features {
        &self.minimum
    }

    /// The largest values.
    pub fn maximum(&self) -> &Features {
        &self.maximum
    }

    /// The names of the features that were constant.
    pub fn constant(&self) -> impl Iterator<Item = &'static str> {
        let spans = self.minimum.named().zip(self.maximum.named());
        spans.filter(|((_, low), (_, high))| low == high).map(|((name, _), _)| name)
    }

    /// Whether no value lies beyond the extremes.
    pub fn covers(&self, features: &Features) -> bool {
        let (low, high) = (self.minimum.values(), self.maximum.values());
        let mut values = features.values().iter().enumerate();
        values.all(|(column, value)| (low[column]..=high[column]).contains(value))
    }

    /// The scaled values, each 0 to 1.
    pub fn apply(&self, features: &Features) -> [f32; Features::COUNT] {
        let (low, high) = (self.minimum.values(), self.maximum.values());
        std::array::from_fn(|column| scale(features.values()[column], low[column], high[column]))
    }
}

/// In double precision, where the span of two finite `f32` is finite too.
fn scale(value: f32, low: f32, high: f32) -> f32 {
    let span = f64::from(high) - f64::from(low);
    if span == 0.0 {
        return 0.0;
    }
    ((f64::from(value) - f64::from(low)) / span).clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: f32) -> Features {
        Features::new([value; Features::COUNT]).unwrap()
    }

    #[test]
    fn values_are_scaled_and_outliers_clamped() {
        let scaling = Scaling::new(all(10.0), all(20.0)).unwrap();
        let numbers = [10.0, 15.0, 20.0, 9.0, 21.0, -1e30, 1e30];
        let features = Features::new(std::array::from_fn(|column| numbers[column % 7])).unwrap();
        assert_eq!(scaling.apply(&features)[..7], [0.0, 0.5, 1.0, 0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_constant_feature_is_named_and_scaled_to_zero() {
        let scaling = Scaling::of([all(3.0), all(3.0)].iter()).unwrap();
        assert_eq!(scaling.apply(&all(5.0)), [0.0; Features::COUNT]);
        assert_eq!(scaling.constant().collect::<Vec<_>>(), Features::NAMES);
    }

    #[test]
    fn the_widest_span_stays_finite() {
        let scaling = Scaling::new(all(f32::MIN), all(f32::MAX)).unwrap();
        assert_eq!(scaling.apply(&all(f32::MAX)), [1.0; Features::COUNT]);
        assert_eq!(scaling.apply(&all(0.0)), [0.5; Features::COUNT]);
    }

    #[test]
    fn extremes_come_from_every_picture_and_cannot_be_swapped() {
        let scaling = Scaling::of([all(2.0), all(-1.0), all(7.0)].iter()).unwrap();
        assert_eq!((scaling.minimum(), scaling.maximum()), (&all(-1.0), &all(7.0)));
        assert!(scaling.covers(&all(7.0)) && !scaling.covers(&all(7.5)));
        assert!(Scaling::new(all(1.0), all(0.0)).is_none());
        assert!(Scaling::of([].iter()).is_none());
    }
}
