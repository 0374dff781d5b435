//! Small systems of linear equations.

/// Solves `matrix * x = right` for a symmetric positive definite matrix, by Gaussian elimination
/// with the largest pivot. A direction that the matrix says nothing of comes out as 0.
pub(super) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for column in 0..N {
        let pivot = (column..N)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-12 {
            continue;
        }
        for row in column + 1..N {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            for (value, above) in matrix[row].iter_mut().zip(above).skip(column) {
                *value -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|at| matrix[row][at] * solution[at]).sum();
        if matrix[row][row].abs() >= 1e-12 {
            solution[row] = (right[row] - known) / matrix[row][row];
        }
    }
    solution
}

/// The penalty of a weight on an input: that of ridge regression on inputs of unit variance.
/// The first input is a constant and goes free.
pub(super) fn penalties<const N: usize>(rows: &[[f32; N]], ridge: f64) -> [f64; N] {
    let count = rows.len().max(1) as f64;
    std::array::from_fn(|column| {
        let values = || rows.iter().map(|row| f64::from(row[column]));
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        if column == 0 { 1e-6 } else { ridge * variance + 1e-9 }
    })
}

/// Ridge regression: the weights that predict `targets` from `rows` with the least squared error.
pub(crate) fn ridge<const N: usize>(rows: &[[f32; N]], targets: &[f32], ridge: f64) -> [f32; N] {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for (row, &target) in rows.iter().zip(targets) {
        for i in 0..N {
            right[i] += f64::from(row[i]) * f64::from(target);
            for j in 0..N {
                matrix[i][j] += f64::from(row[i]) * f64::from(row[j]);
            }
        }
    }
    for (column, penalty) in penalties(rows, ridge).into_iter().enumerate() {
        matrix[column][column] += penalty;
    }
    solve(matrix, right).map(|weight| weight as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_with_a_known_solution_is_solved() {
        let solution = solve([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]], [6.0, 10.0, 8.0]);
        for (found, expected) in solution.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-9, "{solution:?}");
        }
        assert_eq!(solve([[2.0, 0.0], [0.0, 0.0]], [4.0, 0.0]), [2.0, 0.0]);
    }

    #[test]
    fn a_line_is_found_again() {
        let rows: Vec<[f32; 2]> = (0..100).map(|x| [1.0, x as f32]).collect();
        let targets: Vec<f32> = rows.iter().map(|row| 3.0 - 0.5 * row[1]).collect();
        let [constant, slope] = ridge(&rows, &targets, 1e-6);
        assert!((constant - 3.0).abs() < 1e-3 && (slope + 0.5).abs() < 1e-4, "{constant} {slope}");
    }
}
