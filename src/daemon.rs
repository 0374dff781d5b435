//! Builds the stages, joins them, and takes them down in the order in which frames flow.
//!
//! Threads: main (signals and events), GStreamer's streaming threads or an image stream's own,
//! `select`, `prepare`, one `worker-<model>` each, `output`. Closing flows with the data: capture
//! stops, the mailbox closes, `select` closes the queue, `prepare` empties it and lets go of the
//! workers, the last ticket is settled, output ends. No thread is told to stop; each runs out of
//! work.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, unbounded};

use crate::capture::mailbox::{self, Delivery};
use crate::capture::{self, Capture, CaptureError, EventKind, StreamSpec};
use crate::clock::Clock;
use crate::frame::StreamName;
use crate::inference::Roster;
use crate::inference::prepare::{self, Lane};
use crate::inference::worker::Worker;
use crate::models::ModelId;
use crate::output::{self, OutputEvent, Progress, Summary};
use crate::scheduler::Queue;
use crate::select::{self, Every, Selector};

/// Settled frames that the output stage may lag behind by. A reader that stops reading stops the
/// stages, as with any pipe, and nothing is lost.
const SETTLED_CAPACITY: usize = 4096;

/// Prepared jobs that wait for one worker: as many as the scheduler commits.
const JOB_CAPACITY: usize = 2;

/// Time that the stages get to finish their work once somebody wants the run to end.
const GRACE: Duration = Duration::from_secs(10);

/// A run: what to classify, with what, to where.
pub struct Plan {
    /// The streams.
    pub streams: Vec<StreamPlan>,
    /// The models, warm.
    pub roster: Roster,
    /// How models are ranked.
    pub selector: Selector,
    /// Labels in each answer.
    pub top_k: usize,
    /// Where records go.
    pub sink: Box<dyn Write + Send>,
    /// Where progress shows.
    pub progress: Progress,
}

/// One stream of a run.
pub struct StreamPlan {
    /// What to capture.
    pub spec: StreamSpec,
    /// What becomes of frames that come faster than they are taken.
    pub delivery: Delivery,
    /// Of its frames, one in this many is classified.
    pub every: Every,
}

/// How a run went.
pub struct Report {
    /// What became of the frames.
    pub summary: Summary,
    /// The streams that ended by a fault.
    pub faults: Vec<(StreamName, CaptureError)>,
}

/// Hears SIGINT, SIGTERM and SIGHUP. The second one ends the process at once.
pub fn signals() -> anyhow::Result<Receiver<()>> {
    let (send, signals) = bounded(1);
    let mut asked = false;
    ctrlc::set_handler(move || {
        if asked || send.send(()).is_err() {
            std::process::exit(130);
        }
        asked = true;
    })
    .context("cannot listen for signals")?;
    Ok(signals)
}

/// Runs until every stream has ended, a signal comes, or nobody reads the output any more.
pub fn run(plan: Plan, signals: &Receiver<()>, clock: Clock) -> anyhow::Result<Report> {
    let mut stages = Stages::default();
    let (settled, outcomes) = bounded(SETTLED_CAPACITY);
    let (output_events, from_output) = unbounded();
    let (summary, summaries) = bounded(1);
    let (sink, progress) = (plan.sink, plan.progress);
    stages.spawn("output", move || {
        // Main waits for it, or is gone and needs none.
        let _ = summary.send(output::run(outcomes, sink, output_events, &progress));
    })?;
    let queue = Queue::new(plan.roster.latencies.clone(), clock);
    let lanes = start_workers(&mut stages, plan.roster, plan.top_k, clock)?;
    let prepare_queue = queue.clone();
    stages.spawn("prepare", move || prepare::run(prepare_queue, lanes, clock))?;
    let (mailbox, frames) = mailbox::mailbox();
    let every = plan.streams.iter().map(|stream| (stream.spec.name.clone(), stream.every));
    let (every, selector) = (every.collect(), plan.selector);
    stages.spawn("select", move || select::run(frames, every, selector, queue, clock))?;

    let (capture_events, from_capture) = unbounded();
    let mut captures = BTreeMap::new();
    let mut faults = Vec::new();
    for stream in plan.streams {
        let sender = mailbox.open(stream.delivery);
        let name = stream.spec.name.clone();
        let events = capture_events.clone();
        match capture::start(&stream.spec, sender, settled.clone(), events, clock) {
            Ok(capture) => drop(captures.insert(name, capture)),
            Err(error) => faults.push((name, error)),
        }
    }
    drop((settled, mailbox, capture_events));
    let watch = Watch { signals, from_capture, from_output, panics: stages.panics.1.clone() };
    let end = watch.until_over(&mut captures, &mut faults);

    captures.into_values().for_each(Capture::stop);
    let limit = match end {
        Ok(End::Exhausted) => never(),
        Ok(End::Stopped) | Err(_) => at(clock.now() + GRACE),
    };
    let late = stages.join(limit, signals, clock);
    end?;
    late?;
    watch.output_is_whole()?;
    let summary = summaries.try_recv().context("the output stage left no summary")?;
    Ok(Report { summary, faults })
}

fn start_workers(
    stages: &mut Stages,
    roster: Roster,
    top_k: usize,
    clock: Clock,
) -> anyhow::Result<BTreeMap<ModelId, Lane>> {
    let mut lanes = BTreeMap::new();
    for classifier in roster.classifiers {
        let (manifest, preprocessor, session) = classifier.into_parts();
        let (jobs, from_prepare) = bounded(JOB_CAPACITY);
        let model = manifest.id.clone();
        let worker = Worker { manifest, session, top_k, clock };
        stages.spawn(&format!("worker-{model}"), move || worker.run(from_prepare))?;
        lanes.insert(model, Lane { preprocessor, jobs });
    }
    Ok(lanes)
}

/// Why frames stop to flow.
enum End {
    /// Every stream has ended. The last frames may take their time, as may the reader of the output.
    Exhausted,
    /// Somebody wants the run to end.
    Stopped,
}

/// What main waits for while frames flow.
struct Watch<'a> {
    signals: &'a Receiver<()>,
    from_capture: Receiver<capture::Event>,
    from_output: Receiver<OutputEvent>,
    panics: Receiver<String>,
}

impl Watch<'_> {
    /// Returns when the run should end; an error if a stage broke down.
    fn until_over(
        &self,
        captures: &mut BTreeMap<StreamName, Capture>,
        faults: &mut Vec<(StreamName, CaptureError)>,
    ) -> anyhow::Result<End> {
        while !captures.is_empty() {
            select! {
                recv(self.signals) -> _ => {
                    log::info!("stopping: no new frames are taken, those on their way are finished");
                    return Ok(End::Stopped);
                }
                recv(self.from_capture) -> event => match event {
                    Ok(event) => note(event, captures, faults),
                    Err(_) => return Ok(End::Exhausted),
                },
                recv(self.from_output) -> event => match event {
                    Ok(OutputEvent::Failed(error)) => {
                        return Err(error).context("cannot write the output");
                    }
                    Ok(OutputEvent::ReaderGone) => {
                        log::info!("stopping: nobody reads the output any more");
                        return Ok(End::Stopped);
                    }
                    Err(_) => bail!("the output stage has stopped"),
                },
                recv(self.panics) -> thread => {
                    let thread = thread.unwrap_or_default();
                    bail!("thread {thread} has panicked");
                }
            }
        }
        Ok(End::Exhausted)
    }

    /// Whether the last records could be written, which came after the last stream had ended.
    fn output_is_whole(&self) -> anyhow::Result<()> {
        match self.from_output.try_recv() {
            Ok(OutputEvent::Failed(error)) => Err(error).context("cannot write the output"),
            Ok(OutputEvent::ReaderGone) | Err(_) => Ok(()),
        }
    }
}

fn note(
    event: capture::Event,
    captures: &mut BTreeMap<StreamName, Capture>,
    faults: &mut Vec<(StreamName, CaptureError)>,
) {
    if event.kind.is_last()
        && let Some(capture) = captures.remove(&event.stream)
    {
        capture.stop();
    }
    match event.kind {
        EventKind::Warning(warning) => log::warn!("stream {}: {warning}", event.stream),
        EventKind::Ended => log::debug!("stream {} has ended", event.stream),
        EventKind::Failed(error) => faults.push((event.stream, error)),
    }
}

/// The threads of a run.
struct Stages {
    running: Vec<(String, JoinHandle<()>)>,
    /// The names of those that are over.
    exits: (Sender<String>, Receiver<String>),
    /// The names of those that panicked.
    panics: (Sender<String>, Receiver<String>),
}

impl Default for Stages {
    fn default() -> Self {
        Self { running: Vec::new(), exits: unbounded(), panics: unbounded() }
    }
}

impl Stages {
    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
        let farewell = Farewell {
            thread: name.to_owned(),
            exits: self.exits.0.clone(),
            panics: self.panics.0.clone(),
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _farewell = farewell;
            work();
        });
        let thread = thread.with_context(|| format!("cannot start the thread {name}"))?;
        self.running.push((name.to_owned(), thread));
        Ok(())
    }

    /// Waits for every thread to end of itself, until `limit`; a signal sets one.
    fn join(
        self,
        mut limit: Receiver<Instant>,
        signals: &Receiver<()>,
        clock: Clock,
    ) -> anyhow::Result<()> {
        let mut left = self.running;
        while !left.is_empty() {
            select! {
                recv(self.exits.1) -> thread => join_named(&mut left, &thread.unwrap_or_default())?,
                recv(signals) -> _ => limit = at(clock.now() + GRACE),
                recv(limit) -> _ => {
                    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
                    bail!("still at work {GRACE:?} after the stop, given up: {}", names.join(", "));
                }
            }
        }
        Ok(())
    }
}

fn join_named(left: &mut Vec<(String, JoinHandle<()>)>, name: &str) -> anyhow::Result<()> {
    let Some(index) = left.iter().position(|(other, _)| other == name) else { return Ok(()) };
    let (name, thread) = left.swap_remove(index);
    thread.join().map_err(|_| anyhow!("thread {name} has panicked"))
}

/// Says that its thread is over, whichever way it ends.
struct Farewell {
    thread: String,
    exits: Sender<String>,
    panics: Sender<String>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody listens once main has given the threads up.
        if thread::panicking() {
            let _ = self.panics.send(self.thread.clone());
        }
        let _ = self.exits.send(self.thread.clone());
    }
}
