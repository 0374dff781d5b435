//! Deals pictures into folds; those of one group stay together.
//!
//! Frames of one video resemble each other so much that a premodel which has seen one knows the
//! others. A group is what must therefore be learnt from, or tested on, as a whole.

use std::collections::HashMap;

/// Positions in `groups`, dealt into at most `folds` folds, none of them empty.
///
/// The groups are shuffled by `seed`, then dealt the largest first, each to the fold that has the
/// fewest pictures (of equals the first). Without groups of several, folds differ by at most one
/// picture. The same arguments give the same folds; positions ascend within each.
pub(crate) fn deal(groups: &[usize], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut members = by_group(groups);
    fastrand::Rng::with_seed(seed).shuffle(&mut members);
    // Stable: groups of one size stay shuffled.
    members.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut dealt: Vec<Vec<usize>> = vec![Vec::new(); folds.min(members.len())];
    for group in members {
        if let Some(smallest) = dealt.iter_mut().min_by_key(|fold| fold.len()) {
            smallest.extend(group);
        }
    }
    dealt.iter_mut().for_each(|fold| fold.sort_unstable());
    dealt
}

/// The positions of each group, in the order in which the groups first come.
fn by_group(groups: &[usize]) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut numbers = HashMap::new();
    for (position, group) in groups.iter().enumerate() {
        let number = *numbers.entry(group).or_insert(members.len());
        if number == members.len() {
            members.push(Vec::new());
        }
        members[number].push(position);
    }
    members
}

/// How many groups there are.
pub(super) fn count_groups(groups: impl Iterator<Item = usize>) -> usize {
    groups.collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singles(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    #[test]
    fn folds_are_even_and_hold_every_picture_once() {
        let folds = deal(&singles(25), 10, 7);
        assert_eq!(folds.len(), 10);
        assert!(folds.iter().all(|fold| (2..=3).contains(&fold.len())));
        let mut all = folds.concat();
        assert_ne!(all, singles(25), "they are shuffled");
        all.sort_unstable();
        assert_eq!(all, singles(25));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(deal(&singles(25), 10, 7), deal(&singles(25), 10, 7));
        assert_ne!(deal(&singles(25), 10, 7), deal(&singles(25), 10, 8));
    }

    #[test]
    fn groups_stay_together_and_folds_stay_even() {
        // Groups of 7, 4, 3 and six of 1, mixed.
        let groups: Vec<usize> = (0..8).flat_map(|n| [0, 1 + n % 2, 3 + n]).take(20).collect();
        let folds = deal(&groups, 3, 1);
        for fold in &folds {
            let inside: Vec<usize> = fold.iter().map(|&picture| groups[picture]).collect();
            let members = |of: &[usize], group| of.iter().filter(|other| **other == group).count();
            let whole = |&group: &usize| members(&inside, group) == members(&groups, group);
            assert!(inside.iter().all(whole), "{folds:?}");
        }
        let mut sizes: Vec<usize> = folds.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [6, 7, 7]);
    }

    #[test]
    fn there_are_no_more_folds_than_groups() {
        assert_eq!(deal(&[5, 5, 5, 9], 10, 1).len(), 2);
        assert_eq!(deal(&[], 10, 1).len(), 0);
        assert_eq!(count_groups([5, 5, 9].into_iter()), 2);
    }
}
