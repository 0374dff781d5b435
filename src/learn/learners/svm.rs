//! A support vector machine with a radial basis function kernel.
//!
//! Fitting takes time with the square of the rows, so that at most [`ROWS`] of them are drawn by
//! the seed, in the proportion of yes and no.

use libsvm_rs::predict::predict_values;
use libsvm_rs::train::svm_train;
use libsvm_rs::{KernelType, SvmError, SvmModel, SvmNode, SvmParameter, SvmProblem, SvmType};

use super::table::Table;

/// The rows to learn from, at most.
pub(super) const ROWS: usize = 2000;
/// What a row on the wrong side costs.
const COST: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Svm {
    model: SvmModel,
    /// 1 if positive decision values mean yes, else -1.
    sign: f64,
}

impl Svm {
    /// `yes` must hold both answers.
    pub(super) fn fit(table: &Table, yes: &[bool], seed: u64) -> Result<Self, SvmError> {
        let drawn = draw(yes, ROWS, seed);
        let rows: Vec<&[f32]> = drawn.iter().map(|&row| table.rows()[row].as_slice()).collect();
        let problem = SvmProblem {
            labels: drawn.iter().map(|&row| if yes[row] { 1.0 } else { -1.0 }).collect(),
            instances: rows.iter().map(|row| nodes(row)).collect(),
        };
        let settings = SvmParameter {
            svm_type: SvmType::CSvc,
            kernel_type: KernelType::Rbf,
            gamma: gamma(&rows),
            c: COST,
            ..SvmParameter::default()
        };
        libsvm_rs::check_parameter(&problem, &settings)?;
        // Else the library tells standard error about each fit.
        libsvm_rs::set_quiet(true);
        let model = svm_train(&problem, &settings);
        // The library puts the class that it met first on the positive side.
        let sign = f64::from(model.label[0]);
        Ok(Self { model, sign })
    }

    /// The decision value: the distance from the boundary, in margins.
    pub(super) fn score(&self, row: &[f32]) -> f32 {
        let mut decision = [0.0];
        predict_values(&self.model, &nodes(row), &mut decision);
        (self.sign * decision[0]) as f32
    }
}

fn nodes(row: &[f32]) -> Vec<SvmNode> {
    let node = |(index, &value): (i32, &f32)| SvmNode { index, value: f64::from(value) };
    (1..).zip(row).map(node).collect()
}

/// One over the columns times the variance of all numbers: the wider they are spread, the wider is
/// the kernel. 1 if they are all the same.
fn gamma(rows: &[&[f32]]) -> f64 {
    let values = || rows.iter().flat_map(|row| row.iter()).map(|&value| f64::from(value));
    let count = values().count() as f64;
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if variance > 0.0 { rows.len() as f64 / (count * variance) } else { 1.0 }
}

/// The numbers of at most `limit` rows, ascending: all of them, or some of each answer in the
/// proportion of all, at least one.
pub(super) fn draw(yes: &[bool], limit: usize, seed: u64) -> Vec<usize> {
    if yes.len() <= limit {
        return (0..yes.len()).collect();
    }
    let (mut positive, mut negative): (Vec<usize>, Vec<usize>) =
        (0..yes.len()).partition(|&row| yes[row]);
    let share = positive.len() as f64 / yes.len() as f64;
    let wanted = ((share * limit as f64).round() as usize).clamp(1, limit - 1);
    let mut random = fastrand::Rng::with_seed(seed);
    random.shuffle(&mut positive);
    random.shuffle(&mut negative);
    positive.truncate(wanted);
    negative.truncate(limit - wanted);
    positive.append(&mut negative);
    positive.sort_unstable();
    positive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rare(rows: usize, every: usize) -> Vec<bool> {
        (0..rows).map(|row| row % every == 0).collect()
    }

    #[test]
    fn the_rows_drawn_keep_the_proportion_of_the_answers() {
        let yes = rare(10_000, 4);
        let drawn = draw(&yes, ROWS, 7);
        assert_eq!(drawn.len(), ROWS);
        assert!(drawn.is_sorted_by(|a, b| a < b), "each row at most once");
        assert_eq!(drawn.iter().filter(|&&row| yes[row]).count(), ROWS / 4);
        assert_eq!(drawn, draw(&yes, ROWS, 7));
        assert_ne!(drawn, draw(&yes, ROWS, 8));
    }

    #[test]
    fn the_rarest_answer_is_drawn_and_few_rows_are_all_kept() {
        let yes = rare(10_000, 10_000);
        assert!(draw(&yes, ROWS, 7).contains(&0));
        let no: Vec<bool> = yes.iter().map(|yes| !yes).collect();
        assert!(draw(&no, ROWS, 7).contains(&0));
        assert_eq!(draw(&yes[..ROWS], ROWS, 7), (0..ROWS).collect::<Vec<_>>());
    }

    #[test]
    fn the_kernel_is_as_wide_as_the_rows_are_spread() {
        // Two columns of variance 1/4.
        assert_eq!(gamma(&[&[0.0, 1.0], &[1.0, 0.0]]), 2.0);
        assert_eq!(gamma(&[&[0.0, 0.5], &[0.5, 0.0]]), 8.0);
        assert_eq!(gamma(&[&[0.5, 0.5], &[0.5, 0.5]]), 1.0);
    }

    #[test]
    fn rows_of_either_answer_may_come_first() {
        let rows = [vec![0.1], vec![0.2], vec![0.8], vec![0.9]];
        let table = Table::new(&rows).unwrap();
        let rising = Svm::fit(&table, &[false, false, true, true], 1).unwrap();
        let falling = Svm::fit(&table, &[true, true, false, false], 1).unwrap();
        assert!(rising.score(&[1.0]) > 0.0 && rising.score(&[0.0]) < 0.0);
        assert!(falling.score(&[1.0]) < 0.0 && falling.score(&[0.0]) > 0.0);
    }
}
