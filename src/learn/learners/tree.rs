//! A classification tree, grown by the best next question: where no question helps on its own, as
//! in exclusive or, it may go astray.
//!
//! It is grown as a regression tree of 0 and 1. For two classes the variance is half the Gini
//! impurity, so the splits are those of a classification tree by Gini; but a leaf knows its share
//! of yes, where the library's classifier knows the majority only.

use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_regressor::{
    DecisionTreeRegressor, DecisionTreeRegressorParameters,
};

use super::table::{Table, single, targets};

/// Questions from the root to a leaf, at most.
const DEPTH: u16 = 6;
/// The rows of a leaf, at least.
const LEAF: usize = 5;

#[derive(Debug)]
pub(super) struct Tree(DecisionTreeRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>);

impl Tree {
    /// The seed decides which of two equally good splits is taken.
    pub(super) fn fit(table: &Table, yes: &[bool], seed: u64) -> Result<Self, Failed> {
        let settings = DecisionTreeRegressorParameters {
            max_depth: Some(DEPTH),
            min_samples_leaf: LEAF,
            min_samples_split: 2 * LEAF,
            seed: Some(seed),
        };
        DecisionTreeRegressor::fit(&table.matrix(), &targets(yes), settings).map(Self)
    }

    /// The share of yes in the leaf.
    pub(super) fn score(&self, row: &[f32]) -> f32 {
        self.0.predict(&single(row)).expect("the tree is grown")[0] as f32
    }
}
