//! The scheduler between threads.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, unbounded};
use image::RgbImage;

use super::*;
use crate::frame::{Frame, Picture};
use crate::outcome::tests::ticket;
use crate::outcome::{Outcome, Settled, Stop};
use crate::scheduler::{Dispatch, Next, Queue, Task};

fn queue() -> Arc<Queue> {
    Queue::new(on_one_core(&[("small", run_of(5)), ("middle", run_of(20))]), Clock)
}

/// A frame with ten seconds, and where its outcome shows.
fn task() -> (Task, Receiver<Settled>) {
    let (send, settled) = unbounded();
    let picture = Picture::from_rgb(RgbImage::new(1, 1)).unwrap();
    let ticket = ticket(0, Clock.now(), "10s".parse().unwrap(), Pace::Clock, send);
    (Task { frame: Frame { picture, ticket }, course: None }, settled)
}

fn dispatch(next: Option<Next>) -> Dispatch {
    match next {
        Some(Next::Run(dispatch)) => dispatch,
        Some(Next::Expired(..) | Next::Settle(..)) => panic!("there was time for a run"),
        None => panic!("the queue was over too soon"),
    }
}

#[test]
fn a_closed_queue_is_over_when_no_frame_can_come_back() {
    let (queue, (task, settled)) = (queue(), task());
    queue.submit(task, ranking(&["small"]));
    queue.close();
    let first = dispatch(queue.next());
    let waiting = Arc::clone(&queue);
    let prepare = thread::spawn(move || {
        let second = dispatch(waiting.next());
        let model = second.model.to_string();
        for passenger in second.passengers {
            passenger.task.frame.ticket.report(Outcome::Superseded);
        }
        drop(second.lease);
        (model, waiting.next().is_none())
    });
    assert!(first.lease.wait_for_turn(None));
    let back = first.passengers.into_iter().map(|one| (one.task, ranking(&["middle"])));
    first.lease.finished_for_now(run_of(5), back.collect());
    assert_eq!(prepare.join().unwrap(), ("middle".to_owned(), true));
    assert_eq!(settled.iter().count(), 1);
}

#[test]
fn a_run_that_is_given_up_ends_the_wait_too() {
    let (queue, (task, settled)) = (queue(), task());
    queue.submit(task, ranking(&["small"]));
    queue.close();
    let only = dispatch(queue.next());
    let waiting = Arc::clone(&queue);
    let prepare = thread::spawn(move || waiting.next().is_none());
    drop(only);
    assert!(prepare.join().unwrap());
    assert!(matches!(settled.recv().unwrap().outcome, Outcome::Abandoned));
}

#[test]
fn nobody_waits_for_a_turn_longer_than_he_wants_to() {
    // Its tensor takes long enough to be made while another model runs.
    let cost = Cost { preprocess: ms(10), run: ms(5) };
    let queue = Queue::new(on_one_core(&[("small", cost)]), Clock);
    let ((first, one), (second, other)) = (task(), task());
    queue.submit(first, ranking(&["small"]));
    let running = dispatch(queue.next());
    assert!(running.lease.wait_for_turn(None));
    queue.submit(second, ranking(&["small"]));
    let next = dispatch(queue.next());
    assert!(!next.lease.wait_for_turn(Some(Clock.now() + ms(1))));
    running.lease.finished(run_of(5));
    assert!(next.lease.wait_for_turn(Some(Clock.now())), "it is its turn, be it late");
    drop((running.passengers, next.passengers));
    assert!([one, other].iter().all(|settled| settled.iter().count() == 1));
}

#[test]
fn a_run_on_a_frame_that_has_another_answer_is_to_be_over_a_little_earlier() {
    // 5 ms before the deadline, and such an answer goes out 10 ms before it.
    for (is_covered, runs) in [(false, true), (true, false)] {
        let queue = Queue::new(on_one_core(&[("long", run_of(9_995))]), Clock);
        let (task, _settled) = task();
        queue.submit(task, Offer { selection: ranking(&["long"]), is_covered });
        assert_eq!(matches!(queue.next(), Some(Next::Run(_))), runs, "covered: {is_covered}");
    }
}

#[test]
fn a_further_run_is_to_be_over_a_little_earlier_as_well() {
    for (long, runs) in [(9_800, true), (9_992, false)] {
        let models = [("short", run_of(1)), ("long", run_of(long))];
        let (queue, (task, settled)) = (Queue::new(on_one_core(&models), Clock), task());
        queue.submit(task, ranking(&["short"]));
        let first = dispatch(queue.next());
        assert!(first.lease.wait_for_turn(None));
        let back = first.passengers.into_iter().map(|one| (one.task, ranking(&["long"])));
        first.lease.finished_for_now(run_of(1), back.collect());
        match queue.next() {
            Some(Next::Run(_)) => assert!(runs, "{long} ms"),
            Some(Next::Settle(_, stop)) => {
                assert!(!runs && stop == Stop::Deadline, "{long} ms, {stop:?}")
            }
            Some(Next::Expired(..)) | None => panic!("it has an answer"),
        }
        drop(settled);
    }
}
