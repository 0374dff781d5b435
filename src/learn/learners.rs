//! The learners that a premodel may be made of, for comparing them off line.
//!
//! A premodel is a sequence of binary *stages*, one per deployed model: "is this model the optimum
//! for this picture?" The first yes chooses the model; if all say no, the fallback runs. The one
//! that frames meet asks k nearest neighbours at every stage (see [`crate::premodel`]). The paper
//! compares this with other learners, and with *mixes* of them: a learner of its own at each of the
//! first three stages. Every stage learns from all rows, not from those that reach it, so that a
//! [`StageBank`] fits each of the five learners once per stage and then answers for all 125 mixes.
//!
//! A learner gives a row a *score*, larger for a surer yes, and says yes above a threshold. None of
//! their settings was tuned on the pictures they are judged by:
//!
//! | Learner | Settings | Score | Yes above |
//! |---|---|---|---|
//! | nearest neighbours | k = 5, Euclidean; of equals the earlier row | share of yes | 1/2 |
//! | decision tree | Gini, depth to 6, leaves of 5 rows or more | share of yes in the leaf | 1/2 |
//! | support vectors | RBF, C = 1, gamma by the variance, 2,000 rows | decision value | 0 |
//! | logistic regression | L2 penalty 1 | probability | 1/2 |
//! | gradient boosting | 100 trees of depth 3, each on half of the rows | fitted 0 or 1 | 1/2 |
//!
//! A stage whose rows are all yes or all no has nothing to learn: whatever the learner, it always
//! gives that answer, with score 1 or 0.
//!
//! Libraries: `smartcore` has trees, logistic regression and gradient boosting, and brings one
//! crate that was not here before. Its support vector classifier took 7 s on 2,000 rows, so that
//! `libsvm-rs` does this part: in 0.1 s, without further crates, and with the decision values of
//! `linfa-svm`, which would bring a dozen. `linfa` has no gradient boosting. The neighbours are
//! searched here, so that they vote exactly as in the premodel that frames meet.
//!
//! **Invariant:** the same rows, labels and seed give the same answers. Nothing here runs on the
//! path of frames.

mod bank;
mod boosting;
mod knn;
mod logistic;
mod roc;
mod stage;
mod svm;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use bank::{Decisions, MIXED_STAGES, StageBank, StageData, choose, mixes};
pub use roc::roc_auc;
pub use stage::FittedStage;

/// A kind of binary classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Learner {
    /// k nearest neighbours, by majority.
    Knn,
    /// A classification tree.
    DecisionTree,
    /// A support vector machine with a radial basis function kernel.
    Svm,
    /// Logistic regression: the one that draws a straight line.
    LogisticRegression,
    /// Boosted regression trees.
    GradientBoosting,
}

impl Learner {
    /// Every learner, in the order of declaration.
    pub const ALL: [Self; 5] = [
        Self::Knn,
        Self::DecisionTree,
        Self::Svm,
        Self::LogisticRegression,
        Self::GradientBoosting,
    ];

    /// The name it is asked for by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Knn => "knn",
            Self::DecisionTree => "decision-tree",
            Self::Svm => "svm",
            Self::LogisticRegression => "logistic-regression",
            Self::GradientBoosting => "gradient-boosting",
        }
    }
}

impl fmt::Display for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Learner {
    type Err = UnknownLearner;

    fn from_str(name: &str) -> Result<Self, UnknownLearner> {
        let found = Self::ALL.into_iter().find(|learner| learner.name() == name);
        found.ok_or_else(|| UnknownLearner { name: name.to_owned() })
    }
}

/// A name that no learner has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("there is no learner `{name}`; there are {}", Learner::ALL.map(Learner::name).join(", "))]
pub struct UnknownLearner {
    /// The name.
    pub name: String,
}

/// Why nothing was learnt. Rows, columns and stages count from 0.
#[derive(Debug, Error, PartialEq)]
pub enum LearnerError {
    /// There is no row.
    #[error("there is no row to learn from; give at least one picture")]
    NoRow,
    /// Rows of no numbers.
    #[error("the rows have no column; give at least one feature")]
    NoColumn,
    /// No question to answer.
    #[error("there is no stage to learn; deploy at least one model")]
    NoStage,
    /// Rows of different widths.
    #[error("row {row} has {columns} columns, row 0 has {expected}; give all the same features")]
    Ragged {
        /// The row.
        row: usize,
        /// Its width.
        columns: usize,
        /// The width of row 0.
        expected: usize,
    },
    /// A number that has no place on a scale.
    #[error("row {row}, column {column} is {value}; leave the row out or mend its features")]
    NotFinite {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// What is there.
        value: f32,
    },
    /// Rows and labels that do not belong together.
    #[error("there are {rows} rows and {labels} labels; give one label for each row")]
    Labels {
        /// How many rows.
        rows: usize,
        /// How many labels.
        labels: usize,
    },
    /// A label that names no stage.
    #[error("the optimum of row {row} is stage {stage}, but there are {stages} stages, from 0")]
    UnknownStage {
        /// The row.
        row: usize,
        /// Its label.
        stage: usize,
        /// How many stages there are.
        stages: usize,
    },
    /// The library gave up.
    #[error("cannot fit {learner} on {rows} rows: {reason}; leave this learner out")]
    Unfit {
        /// What was to be fitted.
        learner: Learner,
        /// On how many rows.
        rows: usize,
        /// The library's word.
        reason: String,
    },
}
