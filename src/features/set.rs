//! Some of the features: those that a premodel looks at.

use thiserror::Error;

use super::Features;

/// A choice of features, at least one, in the order of [`Features::NAMES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSet(Vec<usize>);

/// Why names make no choice of features.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeatureSetFault {
    /// No name.
    #[error("no feature is named; name at least one of {}", Features::NAMES.join(", "))]
    Empty,
    /// No feature of this name.
    #[error("there is no feature `{0}`; there are {names}", names = Features::NAMES.join(", "))]
    Unknown(String),
    /// One name twice.
    #[error("the feature `{0}` is named twice")]
    Twice(String),
}

impl FeatureSet {
    /// All features.
    pub fn all() -> Self {
        Self((0..Features::COUNT).collect())
    }

    /// The features of these names, in whatever order they are given.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, FeatureSetFault> {
        let mut columns = Vec::new();
        for name in names {
            let column = Features::NAMES.iter().position(|known| *known == name);
            let column = column.ok_or_else(|| FeatureSetFault::Unknown(name.to_owned()))?;
            if columns.contains(&column) {
                return Err(FeatureSetFault::Twice(name.to_owned()));
            }
            columns.push(column);
        }
        Self::of_columns(columns).ok_or(FeatureSetFault::Empty)
    }

    /// The features of these positions in [`Features::NAMES`], in whatever order and each counted
    /// once; `None` without any, or with one beyond the last.
    pub fn of_columns(columns: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut columns: Vec<usize> = columns.into_iter().collect();
        columns.sort_unstable();
        columns.dedup();
        let last = *columns.last()?;
        (last < Features::COUNT).then_some(Self(columns))
    }

    /// How many features it has, at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Their positions in [`Features::NAMES`], ascending.
    pub fn columns(&self) -> &[usize] {
        &self.0
    }

    /// Their names, in the order of [`Features::NAMES`].
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|&column| Features::NAMES[column])
    }

    /// Their values among all features of a picture.
    pub fn pick(&self, features: &Features) -> FeatureRow {
        FeatureRow(self.0.iter().map(|&column| features.values()[column]).collect())
    }

    /// Their names and values.
    pub fn named(&self, features: &Features) -> impl Iterator<Item = (&'static str, f32)> {
        self.names().zip(self.0.iter().map(|&column| features.values()[column]))
    }
}

/// The values of the features of a [`FeatureSet`] for one picture, in its order; all are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow(Box<[f32]>);

impl FeatureRow {
    /// Wraps values; `None` if one is not finite.
    pub fn new(values: impl IntoIterator<Item = f32>) -> Option<Self> {
        let values: Box<[f32]> = values.into_iter().collect();
        values.iter().all(|value| value.is_finite()).then_some(Self(values))
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_put_in_order() {
        let set = FeatureSet::of_names(["hue1", "n_keypoints", "contrast"]).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), ["n_keypoints", "contrast", "hue1"]);
        assert_eq!((set.len(), set.columns()), (3, &[0, 5, 22][..]));
        assert_eq!(FeatureSet::of_names([]), Err(FeatureSetFault::Empty));
        let unknown = FeatureSet::of_names(["hue1", "hue8"]).unwrap_err();
        assert_eq!(unknown, FeatureSetFault::Unknown("hue8".to_owned()));
        assert!(unknown.to_string().contains("n_keypoints, avg_brightness"), "{unknown}");
        let twice = FeatureSet::of_names(["hue1", "hue1"]);
        assert_eq!(twice, Err(FeatureSetFault::Twice("hue1".to_owned())));
    }

    #[test]
    fn columns_must_exist() {
        let set = FeatureSet::of_columns([5, 0, 5]).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), ["n_keypoints", "contrast"]);
        assert_eq!(FeatureSet::of_columns([Features::COUNT]), None);
        assert_eq!(FeatureSet::of_columns([]), None);
        assert!(FeatureSet::all().names().eq(Features::NAMES));
    }

    #[test]
    fn values_are_picked_by_their_feature() {
        let features = Features::new(std::array::from_fn(|column| column as f32)).unwrap();
        let set = FeatureSet::of_names(["hue7", "avg_brightness"]).unwrap();
        assert_eq!(set.pick(&features).values(), [1.0, 28.0]);
        let named: Vec<_> = set.named(&features).collect();
        assert_eq!(named, [("avg_brightness", 1.0), ("hue7", 28.0)]);
        assert_eq!(FeatureRow::new([0.5, f32::NAN]), None);
    }
}
