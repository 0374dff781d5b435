//! The latest errors, and no more than a few: memory stays bounded however much goes wrong.

use std::collections::VecDeque;
use std::time::SystemTime;

/// How many are kept.
const KEPT: usize = 8;

/// Longest text kept of one, in characters.
const LONGEST: usize = 500;

/// The latest errors, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct LatestErrors(VecDeque<Noted>);

/// An error, and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// The latest time, if it came more than once in a row.
    pub(super) at: SystemTime,
    pub(super) error: String,
    /// How often it came in a row.
    pub(super) times: u64,
}

impl LatestErrors {
    /// Notes an error; one that repeats the latest is counted with it, so that it drives no other out.
    pub(super) fn note(&mut self, error: String, at: SystemTime) {
        let error = shortened(error);
        if let Some(latest) = self.0.back_mut().filter(|latest| latest.error == error) {
            latest.times += 1;
            latest.at = at;
            return;
        }
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Noted { at, error, times: 1 });
    }

    /// The errors, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Noted> {
        self.0.iter()
    }
}

fn shortened(error: String) -> String {
    match error.char_indices().nth(LONGEST) {
        None => error,
        Some((end, _)) => format!("{} ...", &error[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn only_the_latest_are_kept_and_repetitions_are_counted() {
        let mut errors = LatestErrors::default();
        for number in 0..100 {
            errors.note(format!("error {number}"), NOW);
        }
        errors.note("error 99".to_owned(), NOW);
        let kept: Vec<&Noted> = errors.iter().collect();
        assert_eq!((kept.len(), &*kept[0].error), (KEPT, "error 92"));
        assert_eq!((&*kept[KEPT - 1].error, kept[KEPT - 1].times), ("error 99", 2));
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let mut errors = LatestErrors::default();
        errors.note("é".repeat(LONGEST + 1), NOW);
        let kept = errors.iter().next().map(|noted| noted.error.clone());
        assert_eq!(kept, Some("é".repeat(LONGEST) + " ..."));
    }
}
