//! Logistic regression.

use smartcore::error::Failed;
use smartcore::linalg::basic::arrays::Array;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

use super::table::Table;

/// Half of this, times the sum of the squared weights, is added to the loss, which is summed over
/// the rows.
const PENALTY: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Logistic {
    /// One per column.
    weights: Vec<f64>,
    intercept: f64,
}

impl Logistic {
    pub(super) fn fit(table: &Table, yes: &[bool]) -> Result<Self, Failed> {
        let classes: Vec<i32> = yes.iter().map(|&yes| i32::from(yes)).collect();
        let settings = LogisticRegressionParameters::default().with_alpha(PENALTY);
        let fitted = LogisticRegression::fit(&table.matrix(), &classes, settings)?;
        let weights: Vec<f64> = fitted.coefficients().iterator(0).copied().collect();
        let intercept = *fitted.intercept().get((0, 0));
        if weights.iter().chain([&intercept]).all(|weight| weight.is_finite()) {
            return Ok(Self { weights, intercept });
        }
        Err(Failed::fit("the weights grew beyond all numbers"))
    }

    /// The probability of yes.
    pub(super) fn score(&self, row: &[f32]) -> f32 {
        let terms = self.weights.iter().zip(row).map(|(weight, &value)| weight * f64::from(value));
        let sum: f64 = terms.sum::<f64>() + self.intercept;
        (1.0 / (1.0 + (-sum).exp())) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the penalised loss is least, its slope is 0 in every direction.
    #[test]
    fn the_loss_is_least_at_the_weights_found() {
        let mut random = fastrand::Rng::with_seed(5);
        let rows: Vec<Vec<f32>> = (0..400).map(|_| vec![random.f32(), random.f32()]).collect();
        let yes: Vec<bool> = rows.iter().map(|row| random.f32() < row[0]).collect();
        let fitted = Logistic::fit(&Table::new(&rows).unwrap(), &yes).unwrap();
        let excess = |row: &Vec<f32>, yes| f64::from(fitted.score(row) - f32::from(u8::from(yes)));
        let along = |column: usize| {
            let pairs = rows.iter().zip(&yes);
            let loss: f64 =
                pairs.map(|(row, &yes)| excess(row, yes) * f64::from(row[column])).sum();
            loss + PENALTY * fitted.weights[column]
        };
        let intercept: f64 = rows.iter().zip(&yes).map(|(row, &yes)| excess(row, yes)).sum();
        let slopes = [along(0), along(1), intercept];
        assert!(slopes.iter().all(|slope| slope.abs() < 1e-3), "{slopes:?}");
        assert!(fitted.weights[0] > 1.0, "{:?}", fitted.weights);
    }
}
