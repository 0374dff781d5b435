//! All that an evaluation has to say, as plain numbers: what `report.json` holds.
//!
//! **Units.** Times end in `_ms` and energies in `_j`. Accuracies, precision, recall, F1, shares and
//! calibration errors are in percent, differences of accuracies in percentage points. Only an AUC
//! and a correlation go from 0 (or -1) to 1. Numbers are bare here because they are to be read and
//! drawn, not reckoned with; [`metrics`](super::metrics) reckons in `Duration`s.

use std::fmt;

use serde::Serialize;

/// An evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// What was evaluated, on what, and how.
    pub data: Data,
    /// The selections of the images; the first is what the summary speaks of.
    pub groups: Vec<Group>,
    /// How well it can be told whether a model is right.
    pub auc: Vec<Auc>,
    /// What each feature is worth.
    pub importance: Vec<Importance>,
    /// How features go together.
    pub correlation: Option<Correlation>,
    /// Whether the models' confidences mean what they say.
    pub calibration: Vec<Calibration>,
    /// What choosers are worth by the number of models they choose among.
    pub deployed: Vec<Deployed>,
}

/// What was evaluated, on what, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Data {
    /// The sets of images, by name.
    pub sets: Vec<ImageSet>,
    /// How many images there are in all sets.
    pub images: usize,
    /// How many classes the models tell apart.
    pub classes: usize,
    /// Where the true classes are from, for people.
    pub truth: String,
    /// The machines that measured.
    pub machines: Vec<String>,
    /// The single models.
    pub models: Vec<Model>,
    /// How many folds the cross-validation had.
    pub folds: usize,
    /// What decided all that is random.
    pub seed: u64,
    /// How many resamples the intervals are from.
    pub resamples: usize,
    /// Where the latencies are from, if not from the profiles themselves.
    pub latency_table: Option<String>,
    /// The premodel file that was evaluated as it is.
    pub premodel: Option<GivenPremodel>,
    /// What a reader should know of these data, in sentences.
    pub notes: Vec<String>,
}

/// A premodel file that was evaluated as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GivenPremodel {
    /// The file.
    pub file: String,
    /// What it says it was trained on.
    pub trained_on: String,
}

/// A set of images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageSet {
    /// Its name.
    pub name: String,
    /// How many images it has.
    pub images: usize,
}

/// A single model as measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The mean latency.
    pub latency_ms: f64,
    /// The mean energy of an image, if measured.
    pub energy_j: Option<f64>,
    /// What it ran on.
    pub provider: String,
}

/// Which images are spoken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All of them, by cross-validation.
    All,
    /// One set, by the same cross-validation.
    Set(String),
    /// Some sets, trained and tested on without the others, by cross-validation.
    Alone(Vec<String>),
    /// One set, judged by what was trained on others only.
    Transfer {
        /// The sets that were trained on.
        trained_on: Vec<String>,
        /// The set that was judged.
        tested_on: String,
    },
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all images"),
            Self::Set(name) => f.write_str(name),
            Self::Alone(names) => write!(f, "{} alone", names.join(" + ")),
            Self::Transfer { trained_on, tested_on } => {
                write!(f, "trained on {}, tested on {tested_on}", trained_on.join(" + "))
            }
        }
    }
}

/// What entries are worth on one selection of the images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Which images.
    pub selection: Selection,
    /// How many they are.
    pub images: usize,
    /// What was evaluated.
    pub entries: Vec<Entry>,
    /// What has more than one operating point.
    pub curves: Vec<Curve>,
}

impl Group {
    /// The entries of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// The entry of a kind that is right most often; of equals the quickest.
    pub fn best(&self, kind: Kind) -> Option<&Entry> {
        self.of(kind).max_by(|a, b| {
            let right = a.top1.value.total_cmp(&b.top1.value);
            right.then(b.time_ms.mean.value.total_cmp(&a.time_ms.mean.value))
        })
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One model for every image.
    Single,
    /// Lots drawn between single models.
    RandomMix,
    /// The sequence of nearest-neighbour classifiers of the paper.
    PaperSequence,
    /// A sequence of other learners.
    LearnerMix,
    /// A chooser to compare with.
    Reference,
    /// A premodel as it was given, which may have been trained on these images.
    Given,
    /// The adaptive chooser.
    Adaptive,
    /// The adaptive chooser with something left out.
    Ablation,
    /// The perfect choice.
    Oracle,
}

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::Single,
        Self::RandomMix,
        Self::PaperSequence,
        Self::LearnerMix,
        Self::Reference,
        Self::Given,
        Self::Adaptive,
        Self::Ablation,
        Self::Oracle,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Single => "single model",
            Self::RandomMix => "random mix",
            Self::PaperSequence => "paper's sequence",
            Self::LearnerMix => "mix of learners",
            Self::Reference => "reference",
            Self::Given => "as given",
            Self::Adaptive => "adaptive",
            Self::Ablation => "ablation",
            Self::Oracle => "oracle",
        })
    }
}

/// A figure and its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// The figure on the images as they are.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Where an interval lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All of it above zero.
    Above,
    /// Zero is in it.
    Undecided,
    /// All of it below zero.
    Below,
}

impl Interval {
    /// On which side of zero it lies.
    pub fn side(&self) -> Side {
        if self.low > 0.0 {
            Side::Above
        } else if self.high < 0.0 {
            Side::Below
        } else {
            Side::Undecided
        }
    }
}

/// What one entry is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its name, the same in all groups.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// A sentence on it for people; may be empty.
    pub note: String,
    /// How often the first guess is right, in percent.
    pub top1: Interval,
    /// How often one of the first five guesses is right, in percent.
    pub top5: Interval,
    /// Macro precision, in percent.
    pub precision: f64,
    /// Macro recall, in percent.
    pub recall: f64,
    /// Macro F1, in percent.
    pub f1: f64,
    /// How long an image takes, overhead included.
    pub time_ms: Times,
    /// What choosing costs of it, on average.
    pub overhead_ms: f64,
    /// The mean energy of an image, if known.
    pub energy_j: Option<f64>,
    /// Which models it runs. The shares add up to more than 100 if it runs several for an image.
    pub shares: Vec<Share>,
    /// How often it is right and in time.
    pub effective: Vec<Effective>,
    /// How many points it is above the random-mix line at its own mean time; paired.
    pub against_random_mix: Option<Interval>,
    /// How many points it is above the most accurate single model; paired.
    pub against_best_single: Option<Interval>,
}

/// How long an image takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// The mean.
    pub mean: Interval,
    /// The median.
    pub p50: f64,
    /// What 95 % of the images did not exceed.
    pub p95: f64,
}

/// On how many images a model ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The model.
    pub model: String,
    /// The share of the images, in percent.
    pub percent: f64,
}

/// How often right and in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// What an image may take.
    pub budget_ms: f64,
    /// The share of the images, in percent.
    pub accuracy: Interval,
}

/// Operating points of one chooser, the fastest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The points.
    pub points: Vec<Point>,
}

/// An operating point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The mean time of an image.
    pub time_ms: f64,
    /// How often the first guess is right, in percent.
    pub accuracy: Interval,
}

/// How well it can be told whether a model is right: areas under the ROC curve, 0.5 is guessing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Auc {
    /// The model.
    pub model: String,
    /// From the features of the image, before it ran.
    pub from_features: Option<f64>,
    /// From its own confidence, after it ran.
    pub from_own_confidence: Option<f64>,
    /// From its calibrated confidence, after it ran.
    pub calibrated: Option<f64>,
}

/// What a feature is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The feature.
    pub feature: String,
    /// How many points of accuracy are lost without it; below zero, it does harm.
    pub points_lost: f64,
}

/// How features go together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Correlation {
    /// Their names.
    pub features: Vec<String>,
    /// Pearson's r of row and column, in the order of the names; `None` where one never changes.
    pub matrix: Vec<Vec<Option<f64>>>,
}

/// Whether a model's confidence means what it says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The model.
    pub model: String,
    /// As the model says it.
    pub before: Vec<Bin>,
    /// As calibrated, on images that the calibration has not seen.
    pub after: Vec<Bin>,
    /// The expected calibration error of `before`, in percent.
    pub ece_before: f64,
    /// The expected calibration error of `after`, in percent.
    pub ece_after: f64,
}

/// Answers of about the same confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// How many.
    pub images: usize,
    /// Their mean confidence, in percent.
    pub confidence: f64,
    /// How many of them are right, in percent.
    pub accuracy: f64,
}

/// What a chooser is worth by the number of models it chooses among.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deployed {
    /// The chooser.
    pub chooser: String,
    /// What it is.
    pub kind: Kind,
    /// How many models.
    pub count: usize,
    /// Which.
    pub models: Vec<String>,
    /// How often the first guess is right, in percent.
    pub accuracy: Interval,
    /// The mean time of an image.
    pub time_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_lies_on_a_side_only_if_all_of_it_does() {
        let side = |low, high| Interval { value: (low + high) / 2.0, low, high }.side();
        assert_eq!(side(0.1, 2.0), Side::Above);
        assert_eq!(side(-2.0, -0.1), Side::Below);
        assert_eq!(side(-0.1, 0.2), Side::Undecided);
        assert_eq!(side(0.0, 0.2), Side::Undecided);
    }

    #[test]
    fn selections_read_as_titles() {
        let transfer = Selection::Transfer {
            trained_on: vec!["a".to_owned(), "b".to_owned()],
            tested_on: "c".to_owned(),
        };
        assert_eq!(transfer.to_string(), "trained on a + b, tested on c");
        assert_eq!(Selection::Set("c".to_owned()).to_string(), "c");
    }

    #[test]
    fn keys_are_in_snake_case_and_name_their_units() {
        let model = Model {
            name: "lite0".to_owned(),
            latency_ms: 9.6,
            energy_j: None,
            provider: "cpu".to_owned(),
        };
        let json = serde_json::to_string(&model).unwrap();
        assert_eq!(json, r#"{"name":"lite0","latency_ms":9.6,"energy_j":null,"provider":"cpu"}"#);
        assert_eq!(serde_json::to_string(&Kind::PaperSequence).unwrap(), r#""paper_sequence""#);
    }
}
