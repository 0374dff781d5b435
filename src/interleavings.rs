//! Mailbox, queue and tickets between threads, in every interleaving that loom finds with at most three
//! preemptions: nobody waits for ever, and every frame has one outcome.
//!
//! `cargo test --features loom interleavings` runs them; other tests do not run with loom's locks.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::RgbImage;
use loom::thread;

use crate::capture::mailbox::{self, Delivery};
use crate::clock::Clock;
use crate::frame::{Frame, Pace, Picture};
use crate::models::ModelId;
use crate::outcome::tests::ticket;
use crate::outcome::{Basis, Outcome, Settled};
use crate::premodel::Selection;
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{Cost, DeviceTerms, Dispatch, Next, Queue, RunnerTerms, Scheduler, Task};

/// Tries every interleaving of what `model` does.
fn try_all(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A frame with an hour left.
fn frame(number: u64, settle: &Sender<Settled>) -> Frame {
    let picture = Picture::from_rgb(RgbImage::new(1, 1)).unwrap();
    let budget = "1h".parse().unwrap();
    Frame { picture, ticket: ticket(number, Clock.now(), budget, Pace::Clock, settle.clone()) }
}

/// How many outcomes there were of the frames 0, 1, 2, ...; each has one.
fn outcomes(settled: &Receiver<Settled>) -> usize {
    let mut numbers: Vec<u64> =
        settled.try_iter().map(|settled| settled.account.origin.id.number).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    numbers.len()
}

#[test]
fn frames_of_two_streams_are_taken_or_superseded() {
    try_all(|| {
        let (settle, settled) = unbounded();
        let (mailbox, receiver) = mailbox::mailbox();
        let streams = [0, 2].map(|first| {
            let (sender, settle) = (mailbox.open(Delivery::NewestWins), settle.clone());
            thread::spawn(move || {
                for number in first..first + 2 {
                    assert!(sender.post(frame(number, &settle)).is_ok(), "it is open");
                }
            })
        });
        drop(mailbox);
        let mut taken = 0;
        while let Some(frame) = receiver.take() {
            taken += 1;
            frame.ticket.report(Outcome::Abandoned);
        }
        streams.into_iter().for_each(|stream| stream.join().unwrap());
        assert!((2..=4).contains(&taken), "the newest of each, at least");
        assert_eq!(outcomes(&settled), 4);
    });
}

#[test]
fn a_poster_that_waits_goes_on_when_there_is_room_or_the_stream_is_ended() {
    try_all(|| {
        let (settle, settled) = unbounded();
        let (mailbox, receiver) = mailbox::mailbox();
        let sender = mailbox.open(Delivery::Lossless);
        let gate = sender.gate();
        drop(mailbox);
        let poster = thread::spawn(move || {
            for number in 0..4 {
                // One that comes back is dropped, and so abandoned.
                let _ = sender.post(frame(number, &settle));
            }
        });
        let closer = thread::spawn(move || gate.close());
        while receiver.take().is_some() {}
        poster.join().unwrap();
        closer.join().unwrap();
        assert_eq!(outcomes(&settled), 4);
    });
}

#[test]
fn a_reader_that_is_gone_holds_up_no_poster() {
    try_all(|| {
        let (settle, settled) = unbounded();
        let (mailbox, receiver) = mailbox::mailbox();
        let sender = mailbox.open(Delivery::Lossless);
        let reader = thread::spawn(move || drop(receiver.take()));
        for number in 0..4 {
            let _ = sender.post(frame(number, &settle));
        }
        reader.join().unwrap();
        drop((sender, mailbox));
        assert_eq!(outcomes(&settled), 4);
    });
}

/// Its tensor takes long, so that the next run is decided at once.
const RUN: Cost = Cost {
    preprocess: std::time::Duration::from_secs(1),
    run: std::time::Duration::from_millis(1),
};

fn selection() -> Selection {
    Selection { ranking: vec![(ModelId::new("m").unwrap(), 0.5)], basis: Basis::Fixed }
}

/// A queue for a device with one core and a model.
fn queue() -> Arc<Queue> {
    let device = DeviceTerms { name: "cpu".to_owned(), cores: 1 };
    let model = ModelId::new("m").unwrap();
    let runner = RunnerTerms {
        model,
        device: 0,
        cores: 1,
        warm_up: vec![RUN; 3],
        batches: Vec::new(),
        remembered: None,
    };
    Queue::new(Scheduler::new(&[device], vec![runner], OnTime::default()), Clock)
}

fn submit(queue: &Queue, number: u64, settle: &Sender<Settled>) {
    queue.submit(Task { frame: frame(number, settle), course: None }, selection());
}

/// The next run; nothing else is ever decided here.
fn next(queue: &Arc<Queue>) -> Option<Dispatch> {
    queue.next().map(|next| match next {
        Next::Run(dispatch) => dispatch,
        Next::Expired(..) | Next::Settle(..) => panic!("there is an hour"),
    })
}

#[test]
fn what_is_submitted_is_run_before_the_queue_is_over() {
    try_all(|| {
        let ((settle, settled), queue) = (unbounded(), queue());
        let of_select = Arc::clone(&queue);
        let select = thread::spawn(move || {
            (0..3).for_each(|number| submit(&of_select, number, &settle));
            of_select.close();
        });
        while let Some(Dispatch { passengers, lease, .. }) = next(&queue) {
            assert!(lease.wait_for_turn(None));
            lease.finished(RUN);
            for passenger in passengers {
                passenger.task.frame.ticket.report(Outcome::Abandoned);
            }
        }
        select.join().unwrap();
        assert_eq!(outcomes(&settled), 3);
    });
}

#[test]
fn runs_take_turns_and_a_frame_that_comes_back_is_not_forgotten() {
    try_all(|| {
        let ((settle, settled), queue) = (unbounded(), queue());
        (0..2).for_each(|number| submit(&queue, number, &settle));
        queue.close();
        // Both are decided, one ahead; they end in any order.
        let workers = [0, 1].map(|place| {
            let Some(Dispatch { passengers, lease, .. }) = next(&queue) else { panic!("two wait") };
            thread::spawn(move || {
                assert!(lease.wait_for_turn(None));
                if place == 0 {
                    let back = passengers.into_iter().map(|one| (one.task, selection()));
                    lease.finished_for_now(RUN, back.collect());
                } else {
                    lease.finished(RUN);
                }
            })
        });
        let again = next(&queue).expect("one comes back");
        assert!(again.lease.wait_for_turn(None));
        drop(again);
        assert!(next(&queue).is_none());
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        drop(settle);
        assert_eq!(outcomes(&settled), 2);
    });
}

#[test]
fn a_model_that_is_taken_out_strands_nobody() {
    try_all(|| {
        let ((settle, settled), queue) = (unbounded(), queue());
        submit(&queue, 0, &settle);
        let of_supervisor = Arc::clone(&queue);
        let supervisor = thread::spawn(move || {
            of_supervisor.retire(&ModelId::new("m").unwrap());
            of_supervisor.close();
        });
        while let Some(next) = queue.next() {
            match next {
                // A worker that is gone drops its job, and the lease with it.
                Next::Run(dispatch) => drop(dispatch),
                Next::Expired(task, _) | Next::Settle(task, _) => drop(task),
            }
        }
        supervisor.join().unwrap();
        assert_eq!(outcomes(&settled), 1);
    });
}
