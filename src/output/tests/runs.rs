//! Order, reuse, promptness, and sinks that refuse.

use super::*;
use crate::outcome::tests::ticket;
use proptest::prelude::*;

#[test]
fn records_leave_in_order_of_capture_within_each_stream() {
    let (door, yard) = (Camera::new("door"), Camera::new("yard"));
    let run = run([
        door.settle(2, Outcome::Superseded),
        yard.settle(1, Outcome::Superseded),
        door.settle(0, by_premodel("small")),
        yard.settle(0, by_premodel("small")),
        door.settle(1, Outcome::Superseded),
    ]);
    let of = |stream: &str| {
        let records = run.records();
        let numbers = records.iter().filter(|record| record["stream"] == stream);
        numbers.map(|record| record["frame"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("door"), [0, 1, 2]);
    assert_eq!(of("yard"), [0, 1]);
}

#[test]
fn a_reused_frame_takes_the_latest_answer_in_order_of_capture() {
    let (door, yard) = (Camera::new("door"), Camera::new("yard"));
    let run = run([
        door.settle(1, between()),
        door.settle(3, between()),
        door.settle(2, expired()),
        yard.settle(0, between()),
        door.settle(0, by_premodel("small")),
    ]);
    let records = run.records();
    let (unanswered, reused, later) = (&records[0], &records[2], &records[4]);
    assert_eq!(unanswered["reused_from"], Value::Null);
    assert_eq!(unanswered["labels"].as_array().unwrap().len(), 0);
    assert_eq!(unanswered["met_deadline"], false, "there was no answer to be had");
    assert_eq!((&reused["reused_from"], &reused["model"]), (&0.into(), &"small".into()));
    assert_eq!(reused["labels"], records[1]["labels"]);
    assert_eq!(reused["provider"], "cpu");
    assert_eq!((&later["frame"], &later["reused_from"]), (&3.into(), &0.into()));
    assert_eq!((run.summary.total.met_deadline, run.summary.total.missed_deadline), (3, 1));
}

#[test]
fn a_reused_frame_is_late_when_the_answer_it_waits_for_is() {
    let reused = |pace| {
        let camera = Camera { pace, ..Camera::new("door") };
        // Frame 1 is captured at 40 ms and due at 140 ms; the answer comes at 150 ms.
        let answer = camera.settle_after(0, by_premodel("big"), Duration::from_millis(150));
        run([camera.settle_after(1, between(), Duration::ZERO), answer]).records().remove(1)
    };
    assert_eq!(reused(Pace::Clock)["met_deadline"], false);
    assert_eq!(reused(Pace::Clock)["timings_ms"]["total"], 110.0);
    assert_eq!(reused(Pace::Work)["met_deadline"], true, "the wait is no work");
}

#[test]
fn a_frame_nearly_equal_to_another_has_its_answer_and_no_later_one() {
    let camera = Camera::new("door");
    let run = run([
        camera.settle(0, Outcome::Classified(weighed())),
        camera.settle(1, by_premodel("small")),
        camera.settle_after(2, nearly_equal(0), Duration::from_millis(1)),
        camera.settle(3, between()),
    ]);
    let (reused, later) = (&run.records()[2], &run.records()[3]);
    assert_eq!((&reused["reused_from"], &reused["model"]), (&0.into(), &"big".into()));
    assert_eq!(
        (&reused["reason"], &reused["runs"]),
        (&"nearly_equal".into(), &Value::Array(vec![]))
    );
    assert_eq!(
        (&reused["labels"], &reused["met_deadline"]),
        (&run.records()[0]["labels"], &true.into())
    );
    assert_eq!(reused["timings_ms"]["total"], 1.0, "its answer was there");
    assert_eq!(later["reused_from"], 1, "what was reused is no new answer");
    let total = &run.summary.total;
    assert_eq!((total.reused, total.reused_between, total.reused_nearly_equal), (2, 1, 1));
}

#[test]
fn a_ticket_dropped_unpaid_leaves_a_record() {
    let (send, receive) = unbounded();
    let budget = "100ms".parse().unwrap();
    drop(ticket(0, Clock.now(), budget, Pace::Clock, send));
    let run = run(receive);
    assert_eq!(run.records()[0]["outcome"], "abandoned");
    assert_eq!(run.summary.total.abandoned, 1);
}

#[test]
fn a_frame_whose_outcome_never_comes_is_counted_as_lost() {
    let camera = Camera::new("door");
    let run = run([0, 1, 3].map(|number| camera.settle(number, Outcome::Superseded)));
    assert_eq!(run.numbers(), [0, 1, 3]);
    assert_eq!((run.summary.total.captured, run.summary.total.lost), (4, 1));
    run.summary.balance().unwrap();
}

#[test]
fn an_outcome_that_comes_twice_is_written_once() {
    let camera = Camera::new("door");
    let run = run([0, 0, 1].map(|number| camera.settle(number, Outcome::Superseded)));
    assert_eq!(run.numbers(), [0, 1]);
    run.summary.balance().unwrap();
}

/// Hands what is written on once it is flushed.
struct Prompt {
    written: Vec<u8>,
    flushed: Sender<Vec<u8>>,
}

impl Write for Prompt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = std::mem::take(&mut self.written);
        self.flushed.send(written).map_err(io::Error::other)
    }
}

#[test]
fn a_record_is_flushed_without_a_further_frame() {
    let (flushed, flushes) = unbounded();
    let sink = Box::new(Prompt { written: Vec::new(), flushed });
    let (send, receive) = unbounded();
    let (events, _) = unbounded();
    let thread = thread::spawn(move || {
        let seen = (Arc::default(), Departures::default());
        super::super::run(&receive, sink, events, &Progress::hidden(), seen)
    });
    send.send(Camera::new("door").settle(0, Outcome::Superseded)).unwrap();
    // `send` is still open: only a flush before waiting can let this end.
    let mut heard = std::iter::from_fn(|| flushes.recv_timeout(Duration::from_secs(10)).ok());
    let record = heard.find(|written| !written.is_empty()).expect("nothing was flushed");
    assert!(record.ends_with(b"}\n"));
    drop(send);
    drop(flushes);
    thread.join().unwrap();
}

/// Takes `room` bytes and then refuses for good.
struct Refusing {
    room: usize,
    kind: io::ErrorKind,
    attempts: Arc<Mutex<u32>>,
}

impl Write for Refusing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room >= bytes.len() {
            self.room -= bytes.len();
            return Ok(bytes.len());
        }
        *self.attempts.lock().unwrap() += 1;
        Err(self.kind.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a sink that refuses with `kind` makes main hear, and the summary.
fn refused(kind: io::ErrorKind) -> (Vec<OutputEvent>, Summary) {
    let (camera, attempts) = (Camera::new("door"), Arc::default());
    let sink = Refusing { room: 20_000, kind, attempts: Arc::clone(&attempts) };
    let (events, heard) = unbounded();
    let frames = (0..500).map(|number| camera.settle(number, by_premodel("small")));
    let summary = run_to(Box::new(sink), events, frames);
    assert_eq!(*attempts.lock().unwrap(), 1, "a sink that refused is left alone");
    (heard.iter().collect(), summary)
}

#[test]
fn a_reader_that_goes_away_is_reported_once_and_frames_are_still_counted() {
    let (events, summary) = refused(io::ErrorKind::BrokenPipe);
    assert!(matches!(events[..], [OutputEvent::ReaderGone]), "{events:?}");
    assert_eq!((summary.total.captured, summary.total.classified), (500, 500));
}

#[test]
fn a_full_disk_is_reported_once_with_its_error() {
    let (events, summary) = refused(io::ErrorKind::StorageFull);
    let [OutputEvent::Failed(error)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(summary.total.captured, 500);
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(by_premodel("small")),
        Just(by_premodel("big")),
        Just(between()),
        Just(nearly_equal(0)),
        Just(same_scene(0)),
        Just(Outcome::Classified(weighed())),
        Just(Outcome::Superseded),
        Just(Outcome::Skipped),
        Just(expired()),
        Just(late()),
        Just(failed()),
        Just(Outcome::Abandoned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_captured_frame_is_written_once_and_the_summary_adds_up(
        frames in prop::collection::vec((any_outcome(), 0..250_u64), 0..40)
            .prop_map(|frames| frames.into_iter().enumerate().collect::<Vec<_>>())
            .prop_shuffle()
    ) {
        let (camera, captured) = (Camera::new("door"), frames.len() as u64);
        let run = run(frames.into_iter().map(|(number, (outcome, delay))| {
            camera.settle_after(number as u64, outcome, Duration::from_millis(delay))
        }));
        prop_assert_eq!(run.numbers(), (0..captured).collect::<Vec<_>>());
        prop_assert_eq!(run.summary.total.captured, captured);
        let in_time = run.records().iter().filter(|record| record["met_deadline"] == true).count();
        prop_assert_eq!(run.summary.total.met_deadline, in_time as u64);
        prop_assert_eq!(run.summary.balance(), Ok(()));
    }
}
