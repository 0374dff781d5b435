//! The order in which people number files: `2.jpg` before `10.jpg`.

use std::cmp::Ordering;

/// Compares texts, runs of digits by their value; equal values by their length, then as text.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (mut left_rest, mut right_rest) = (left, right);
    loop {
        if left_rest.is_empty() || right_rest.is_empty() {
            return left_rest.len().cmp(&right_rest.len()).then_with(|| left.cmp(right));
        }
        let (left_run, left_next) = split_run(left_rest);
        let (right_run, right_next) = split_run(right_rest);
        match compare_runs(left_run, right_run) {
            Ordering::Equal => (left_rest, right_rest) = (left_next, right_next),
            order => return order,
        }
    }
}

/// The digits, or the other characters, that `text` starts with, and what follows.
fn split_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

fn compare_runs(left: &str, right: &str) -> Ordering {
    let both_numbers =
        [left, right].iter().all(|run| run.starts_with(|c: char| c.is_ascii_digit()));
    if !both_numbers {
        return left.cmp(right);
    }
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let mut names = ["b1", "a10", "a2", "a02", "a2b", "a", "a99999999999999999999999"];
        names.sort_by(|left, right| compare(left, right));
        assert_eq!(names, ["a", "a02", "a2", "a2b", "a10", "a99999999999999999999999", "b1"]);
    }
}
