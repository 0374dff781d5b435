//! Rows that were checked, and their form for the library.

use smartcore::linalg::basic::matrix::DenseMatrix;

use super::LearnerError;

/// One or more rows of one width, at least 1, all of finite numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    rows: &'a [Vec<f32>],
    width: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(rows: &'a [Vec<f32>]) -> Result<Self, LearnerError> {
        let width = rows.first().ok_or(LearnerError::NoRow)?.len();
        if width == 0 {
            return Err(LearnerError::NoColumn);
        }
        for (row, values) in rows.iter().enumerate() {
            check_row(row, values, width)?;
        }
        Ok(Self { rows, width })
    }

    pub(super) fn rows(&self) -> &'a [Vec<f32>] {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Rows × columns, column by column.
    pub(super) fn matrix(&self) -> DenseMatrix<f64> {
        let column = |column| self.rows.iter().map(move |row| f64::from(row[column]));
        let values = (0..self.width).flat_map(column).collect();
        DenseMatrix::new(self.rows.len(), self.width, values, true).expect("every cell was given")
    }
}

fn check_row(row: usize, values: &[f32], expected: usize) -> Result<(), LearnerError> {
    if values.len() != expected {
        return Err(LearnerError::Ragged { row, columns: values.len(), expected });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(column) => Err(LearnerError::NotFinite { row, column, value: values[column] }),
        None => Ok(()),
    }
}

/// A matrix of one row.
pub(super) fn single(row: &[f32]) -> DenseMatrix<f64> {
    let values = row.iter().map(|&value| f64::from(value)).collect();
    DenseMatrix::new(1, row.len(), values, false).expect("every cell was given")
}

/// 1 for yes and 0 for no.
pub(super) fn targets(yes: &[bool]) -> Vec<f64> {
    yes.iter().map(|&yes| f64::from(u8::from(yes))).collect()
}
