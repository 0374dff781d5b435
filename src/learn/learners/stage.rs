//! One stage, answered by one learner.

use std::error::Error;

use super::boosting::Boosting;
use super::knn::Knn;
use super::logistic::Logistic;
use super::svm::Svm;
use super::table::Table;
use super::tree::Tree;
use super::{Learner, LearnerError};

/// A learner that has learnt to answer yes or no.
#[derive(Debug)]
pub struct FittedStage {
    model: Model,
    /// The width of the rows.
    columns: usize,
}

#[derive(Debug)]
enum Model {
    /// Every row had the same answer.
    Constant(bool),
    Knn(Knn),
    Tree(Tree),
    Svm(Box<Svm>),
    Logistic(Logistic),
    Boosting(Boosting),
}

impl FittedStage {
    /// Learns from rows of scaled features and the answer for each. If all answers are the same,
    /// that is the answer for ever.
    pub fn fit(
        learner: Learner,
        rows: &[Vec<f32>],
        yes: &[bool],
        seed: u64,
    ) -> Result<Self, LearnerError> {
        let table = Table::new(rows)?;
        if rows.len() != yes.len() {
            return Err(LearnerError::Labels { rows: rows.len(), labels: yes.len() });
        }
        Self::fit_checked(learner, &table, yes, seed)
    }

    /// The same on checked rows; `yes` must be as long as these.
    pub(super) fn fit_checked(
        learner: Learner,
        table: &Table,
        yes: &[bool],
        seed: u64,
    ) -> Result<Self, LearnerError> {
        let failed = |error: Box<dyn Error>| LearnerError::Unfit {
            learner,
            rows: yes.len(),
            reason: error.to_string(),
        };
        let model = if yes.iter().all(|&answer| answer == yes[0]) {
            Model::Constant(yes[0])
        } else {
            Model::fit(learner, table, yes, seed).map_err(failed)?
        };
        Ok(Self { model, columns: table.width() })
    }

    /// Whether this stage's model should run.
    ///
    /// # Panics
    ///
    /// Unless the row is as wide as those learnt from, and all its numbers are finite.
    pub fn decide(&self, row: &[f32]) -> bool {
        self.is_yes(self.score(row))
    }

    /// How sure the yes is: larger for surer, on a scale of the learner's own.
    ///
    /// # Panics
    ///
    /// As [`Self::decide`].
    pub fn score(&self, row: &[f32]) -> f32 {
        assert_eq!(row.len(), self.columns, "the row must be as wide as those learnt from");
        assert!(row.iter().all(|value| value.is_finite()), "the row must hold finite numbers");
        match &self.model {
            Model::Constant(answer) => f32::from(u8::from(*answer)),
            Model::Knn(knn) => knn.score(row),
            Model::Tree(tree) => tree.score(row),
            Model::Svm(svm) => svm.score(row),
            Model::Logistic(logistic) => logistic.score(row),
            Model::Boosting(boosting) => boosting.score(row),
        }
    }

    pub(super) fn is_yes(&self, score: f32) -> bool {
        match self.model {
            Model::Svm(_) => score > 0.0,
            _ => score > 0.5,
        }
    }
}

impl Model {
    fn fit(
        learner: Learner,
        table: &Table,
        yes: &[bool],
        seed: u64,
    ) -> Result<Self, Box<dyn Error>> {
        Ok(match learner {
            Learner::Knn => Self::Knn(Knn::fit(table, yes)),
            Learner::DecisionTree => Self::Tree(Tree::fit(table, yes, seed)?),
            Learner::Svm => Self::Svm(Box::new(Svm::fit(table, yes, seed)?)),
            Learner::LogisticRegression => Self::Logistic(Logistic::fit(table, yes)?),
            Learner::GradientBoosting => Self::Boosting(Boosting::fit(table, yes, seed)?),
        })
    }
}
