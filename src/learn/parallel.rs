//! Work on lists, on all processors.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on parts of `items`, as many as there are processors; results in the order of the
/// parts. Where the parts end depends on the machine, so results must add up whatever they are.
pub(crate) fn in_parts<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let size = items.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> =
            items.chunks(size).map(|part| scope.spawn(move || work(part))).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Does `work` on each of `items`; results in their order, whatever the machine. A processor that is
/// free takes the next item, as items may differ in what they cost.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (work, next) = (&work, &next);
        let lane = move || {
            let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let own = taken.map_while(|place| Some((place, items.get(place)?)));
            own.map(|(place, item)| (place, work(item))).collect::<Vec<_>>()
        };
        let lanes: Vec<_> = (0..threads.min(items.len())).map(|_| scope.spawn(lane)).collect();
        let joined = lanes.into_iter().map(thread::ScopedJoinHandle::join);
        let done = joined.flat_map(|lane| lane.unwrap_or_else(|panic| resume_unwind(panic)));
        let mut done: Vec<(usize, R)> = done.collect();
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_in_order() {
        for count in [0, 1, 2, 3, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let parts = in_parts(&items, <[usize]>::to_vec);
            assert_eq!(parts.concat(), items);
            assert_eq!(in_parallel(&items, |&item| item), items);
        }
    }
}
