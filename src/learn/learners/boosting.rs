//! Boosted regression trees on 0 and 1, by squared loss: the only loss of the library.
//!
//! Each tree learns what the ones before it left, on a half of the rows drawn by the seed.

use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::xgboost::{XGRegressor, XGRegressorParameters};

use super::table::{Table, single, targets};

/// How many trees.
const TREES: usize = 100;
/// Questions from the root of a tree to a leaf, at most.
const DEPTH: u16 = 3;
/// How much of its answer each tree adds.
const SHRINKAGE: f64 = 0.1;
/// The part of the rows that each tree sees.
const SHARE: f64 = 0.5;
/// The rows of a leaf, at least: under squared loss a row weighs 1.
const LEAF: usize = 5;

#[derive(Debug)]
pub(super) struct Boosting(XGRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>);

impl Boosting {
    pub(super) fn fit(table: &Table, yes: &[bool], seed: u64) -> Result<Self, Failed> {
        let targets = targets(yes);
        let settings = XGRegressorParameters::default()
            .with_n_estimators(TREES)
            .with_max_depth(DEPTH)
            .with_learning_rate(SHRINKAGE)
            .with_min_child_weight(LEAF)
            .with_subsample(SHARE)
            .with_base_score(targets.iter().sum::<f64>() / targets.len() as f64)
            .with_seed(seed);
        XGRegressor::fit(&table.matrix(), &targets, settings).map(Self)
    }

    /// About 0 for no and 1 for yes; it may lie beyond them.
    pub(super) fn score(&self, row: &[f32]) -> f32 {
        self.0.predict(&single(row)).expect("the trees are grown")[0] as f32
    }
}
