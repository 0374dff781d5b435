//! Min-max scaling of features to 0..1, so that no feature outweighs another by its unit.

use crate::features::FeatureRow;

/// The smallest and the largest value of each feature in the training set.
///
/// A value beyond them is scaled to 0 or 1: one feature far outside of what was seen in training
/// then counts as its extreme and cannot drown out the others. A feature that was constant in
/// training says nothing and is scaled to 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    minimum: FeatureRow,
    maximum: FeatureRow,
}

impl Scaling {
    /// `None` if a minimum is greater than its maximum, or one has no partner.
    pub fn new(minimum: FeatureRow, maximum: FeatureRow) -> Option<Self> {
        let (low, high) = (minimum.values(), maximum.values());
        let ordered = low.iter().zip(high).all(|(low, high)| low <= high);
        (ordered && low.len() == high.len()).then_some(Self { minimum, maximum })
    }

    /// The extremes of some pictures; `None` without any. Panics if they are not of one length.
    pub fn of<'a>(mut pictures: impl Iterator<Item = &'a FeatureRow>) -> Option<Self> {
        let first = pictures.next()?.values();
        let (mut low, mut high) = (first.to_vec(), first.to_vec());
        for picture in pictures {
            assert_eq!(picture.values().len(), low.len(), "pictures have the same features");
            for (column, &value) in picture.values().iter().enumerate() {
                low[column] = low[column].min(value);
                high[column] = high[column].max(value);
            }
        }
        Self::new(FeatureRow::new(low)?, FeatureRow::new(high)?)
    }

    /// The smallest values.
    pub fn minimum(&self) -> &FeatureRow {
        &self.minimum
    }

    /// The largest values.
    pub fn maximum(&self) -> &FeatureRow {
        &self.maximum
    }

    /// How many features it scales.
    pub fn width(&self) -> usize {
        self.minimum.values().len()
    }

    /// The positions of the features that were constant.
    pub fn constant(&self) -> impl Iterator<Item = usize> {
        let spans = self.minimum.values().iter().zip(self.maximum.values()).enumerate();
        spans.filter(|(_, (low, high))| low == high).map(|(column, _)| column)
    }

    /// Whether no value lies beyond the extremes.
    pub fn covers(&self, features: &FeatureRow) -> bool {
        let (low, high) = (self.minimum.values(), self.maximum.values());
        let mut values = features.values().iter().zip(low.iter().zip(high));
        values.all(|(value, (low, high))| (low..=high).contains(&value))
    }

    /// The scaled values, each 0 to 1.
    pub fn apply(&self, features: &FeatureRow) -> Vec<f32> {
        let spans = self.minimum.values().iter().zip(self.maximum.values());
        let values = features.values().iter().zip(spans);
        values.map(|(&value, (&low, &high))| scale(value, low, high)).collect()
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

    fn row(values: &[f32]) -> FeatureRow {
        FeatureRow::new(values.iter().copied()).unwrap()
    }

    fn all(value: f32) -> FeatureRow {
        row(&[value; 7])
    }

    #[test]
    fn values_are_scaled_and_outliers_clamped() {
        let scaling = Scaling::new(all(10.0), all(20.0)).unwrap();
        let features = row(&[10.0, 15.0, 20.0, 9.0, 21.0, -1e30, 1e30]);
        assert_eq!(scaling.apply(&features), [0.0, 0.5, 1.0, 0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_constant_feature_is_found_and_scaled_to_zero() {
        let scaling = Scaling::of([row(&[3.0, 1.0]), row(&[3.0, 2.0])].iter()).unwrap();
        assert_eq!(scaling.apply(&row(&[5.0, 2.0])), [0.0, 1.0]);
        assert_eq!(scaling.constant().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn the_widest_span_stays_finite() {
        let scaling = Scaling::new(all(f32::MIN), all(f32::MAX)).unwrap();
        assert_eq!(scaling.apply(&all(f32::MAX)), [1.0; 7]);
        assert_eq!(scaling.apply(&all(0.0)), [0.5; 7]);
    }

    #[test]
    fn extremes_come_from_every_picture_and_cannot_be_swapped() {
        let scaling = Scaling::of([all(2.0), all(-1.0), all(7.0)].iter()).unwrap();
        assert_eq!((scaling.minimum(), scaling.maximum()), (&all(-1.0), &all(7.0)));
        assert!(scaling.covers(&all(7.0)) && !scaling.covers(&all(7.5)));
        assert!(Scaling::new(all(1.0), all(0.0)).is_none());
        assert!(Scaling::new(all(1.0), row(&[2.0])).is_none());
        assert!(Scaling::of([].iter()).is_none());
    }
}
