//! The output stage as a whole: outcomes in, lines, events and a summary out.

mod records;
mod runs;
mod summaries;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::unbounded;
use serde_json::Value;

use super::*;
use crate::clock::Clock;
use crate::features::Features;
use crate::frame::{Deadline, FrameId, Origin, Pace};
use crate::models::{ModelId, Provider};
use crate::outcome;
use crate::outcome::{
    Account, Answer, Basis, Classification, Confidence, Failure, Outcome, Reason, Reuse, Shortfall,
    Stage, Stop, Timings, Trace, Weighed,
};

/// Memory to write to, kept by the test.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a finished run left behind.
struct Run {
    text: String,
    summary: Summary,
}

impl Run {
    fn records(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.records().iter().map(|record| record["frame"].as_u64().unwrap()).collect()
    }
}

/// Passes outcomes, in the order of settlement, through the stage.
fn run(settled: impl IntoIterator<Item = Settled>) -> Run {
    let (paper, (events, _)) = (Paper::default(), unbounded());
    let summary = run_to(Box::new(paper.clone()), events, settled);
    Run { text: paper.text(), summary }
}

fn run_to(
    sink: Box<dyn Write + Send>,
    events: Sender<OutputEvent>,
    settled: impl IntoIterator<Item = Settled>,
) -> Summary {
    let (send, receive) = unbounded();
    let departures = Departures::default();
    let seen = (Arc::default(), departures.clone());
    let progress = Progress::hidden();
    let thread = thread::spawn(move || super::run(&receive, sink, events, &progress, seen));
    settled.into_iter().for_each(|settled| send.send(settled).unwrap());
    drop(send);
    let summary = thread.join().unwrap();
    let Departed { frames, in_time, .. } = departures.total();
    assert!(frames <= summary.total.captured && in_time <= summary.total.met_deadline);
    if summary.total.lost == 0 {
        assert_eq!((frames, in_time), (summary.total.captured, summary.total.met_deadline));
    }
    summary
}

/// Frames of one stream with a budget of 100 ms, one captured every 40 ms.
#[derive(Clone, Copy)]
struct Camera {
    stream: &'static str,
    start: Instant,
    pace: Pace,
}

impl Camera {
    fn new(stream: &'static str) -> Self {
        Self { stream, start: Clock.now(), pace: Pace::Clock }
    }

    /// Frame `number`, settled 12.3456 ms after its capture.
    fn settle(self, number: u64, outcome: Outcome) -> Settled {
        self.settle_after(number, outcome, Duration::from_nanos(12_345_600))
    }

    fn settle_after(self, number: u64, outcome: Outcome, delay: Duration) -> Settled {
        let pts = Duration::from_millis(40) * u32::try_from(number).unwrap();
        let captured = self.start + pts;
        let id = FrameId { stream: StreamName::new(self.stream), number };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + pts;
        let budget = "100ms".parse().unwrap();
        let account = Account {
            origin: Origin { id, pts: Some(pts), captured, wall, file: None },
            budget,
            deadline: Deadline::new(captured, budget),
            pace: self.pace,
            uncounted_wait: Duration::ZERO,
            trace: Trace::default(),
        };
        Settled { account, outcome, at: captured + delay }
    }
}

fn model(name: &str) -> ModelId {
    ModelId::new(name).unwrap()
}

fn classified(name: &str, reason: Reason) -> Outcome {
    let class = |class, label: &str, confidence| Classification {
        class,
        label: label.into(),
        confidence: Confidence::new(confidence).unwrap(),
    };
    let labels = vec![class(281, "tabby, \"tabby cat\"", 0.7), class(282, "tiger cat", 1e-7)];
    let runs = vec![run_of(name, 10)];
    let (model, provider) = (model(name), Provider::Cpu);
    Outcome::Classified(Answer { model, provider, reason, labels, runs, weighed: None })
}

fn run_of(name: &str, milliseconds: u64) -> outcome::Run {
    let inference = Duration::from_millis(milliseconds);
    outcome::Run { model: model(name), provider: Provider::Cpu, inference, batch: 1 }
}

/// What a frame is that two models ran on.
fn weighed() -> Answer {
    let Outcome::Classified(last) = classified("big", Reason::Preferred(Basis::Adaptive)) else {
        unreachable!("it is made so")
    };
    let certainty = Confidence::new(0.75).unwrap();
    let weighed = Some(Weighed { certainty, stopped_by: Stop::Deadline });
    Answer { runs: vec![run_of("small", 10), run_of("big", 90)], weighed, ..last }
}

fn between() -> Outcome {
    Outcome::Reused(Reuse::Between)
}

fn same_scene(from: u64) -> Outcome {
    Outcome::Reused(Reuse::SameScene { from, difference: 0.07, answer: Arc::new(weighed()) })
}

fn nearly_equal(from: u64) -> Outcome {
    Outcome::Reused(Reuse::NearlyEqual { from, difference: 0.0025, answer: Arc::new(weighed()) })
}

fn by_premodel(name: &str) -> Outcome {
    classified(name, Reason::Preferred(Basis::Premodel))
}

fn expired() -> Outcome {
    Outcome::Expired(Shortfall {
        quickest: Some(model("small")),
        needed: Duration::from_millis(30),
        left: Duration::from_micros(12_500),
    })
}

fn late() -> Outcome {
    Outcome::Late(model("big"))
}

fn failed() -> Outcome {
    Outcome::Failed(Failure { stage: Stage::Inference, error: "the model gave NaN".to_owned() })
}
