//! The best schedule of one unit for a few frames that are due in any order: all orders, by dynamic
//! programming over the sets of frames that have run.

use super::instance::Job;

/// Frames that it is quick for.
pub(super) const MOST: usize = 10;

/// When the unit is free, and the value so far.
type Label = (u64, u64);

/// The value of the best schedule.
pub(super) fn best(jobs: &[Job]) -> u64 {
    let sets = 1_usize << jobs.len();
    let mut labels: Vec<Vec<Label>> = vec![Vec::new(); sets];
    labels[0].push((0, 0));
    let mut best = 0;
    for set in 0..sets {
        // Every way into this set comes from a smaller one.
        let frontier = frontier(std::mem::take(&mut labels[set]));
        best = frontier.iter().map(|(_, value)| *value).fold(best, u64::max);
        for (place, job) in jobs.iter().enumerate().filter(|(place, _)| set & (1 << place) == 0) {
            for (free, value) in &frontier {
                let start = (*free).max(job.ready);
                let fitting = job.choices.iter().filter(|choice| start + choice.length <= job.due);
                let runs = fitting.map(|choice| (start + choice.length, value + choice.value));
                labels[set | 1 << place].extend(runs);
            }
        }
    }
    best
}

/// Leaves out labels that are free later than another and worth no more.
fn frontier(mut labels: Vec<Label>) -> Vec<Label> {
    labels.sort_unstable_by_key(|(free, value)| (*free, u64::MAX - value));
    let mut most = None;
    labels.retain(|(_, value)| {
        let is_more = most.is_none_or(|most| *value > most);
        most = most.max(Some(*value));
        is_more
    });
    labels
}
