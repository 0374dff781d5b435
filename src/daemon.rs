//! Builds the stages, joins them, and takes them down in the order in which frames flow.
//!
//! Threads: main (signals and events), GStreamer's streaming threads or an image stream's own,
//! `select`, `prepare`, one `worker-<model>` each, `supervise`, `output`. Closing flows with the data: capture
//! stops, the mailbox closes, `select` closes the queue, `prepare` empties it and dismisses
//! the workers, the last ticket is settled, output ends. No stage is told to stop; each runs out of
//! work. A worker that is stuck is not waited for: `supervise` has fenced it by then. Each stream has a
//! thread `stream-<name>` that starts its source and takes it down, which can take long, so that main
//! and the other streams stay awake.

mod lifeline;
mod memory;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, tick, unbounded};

use lifeline::Lifeline;
use memory::Memory;

use crate::capture::mailbox::{self, Delivery};
use crate::capture::{CaptureError, Keeping, News, NewsKind, SourceState, StreamSpec};
use crate::clock::Clock;
use crate::frame::StreamName;
use crate::health::Health;
use crate::inference::worker::Worker;
use crate::inference::{
    Build, Crew, Hand, LateLimits, Recruiter, Roster, Supervisor, Widths, Work, Workshop, prepare,
};
use crate::models::ModelId;
use crate::output::{self, Departures, OutputEvent, Progress, Summary};
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{Discipline, Queue, Scheduler, Terms};
use crate::select::{self, Every, Habit, Selector, TargetRate};
use crate::systemd::{self, Startup};
use crate::threads::Threads;

/// Settled frames that the output stage may lag behind by. A reader that stops reading stops the
/// stages, as with any pipe, and nothing is lost.
const SETTLED_CAPACITY: usize = 4096;

/// How often what runs take is kept, besides at the end.
const KEEP: Duration = Duration::from_secs(600);

/// Time that the stages get to finish their work once capture has stopped.
const GRACE: Duration = Duration::from_secs(10);

/// A run: what to classify, with what, to where.
pub struct Plan {
    /// The streams.
    pub streams: Vec<StreamPlan>,
    /// The models, warm.
    pub roster: Roster,
    /// How many runs there may be at once, and how wide.
    pub widths: Widths,
    /// How surely a run that is started is to be in time.
    pub on_time: OnTime,
    /// By what the scheduler decides.
    pub discipline: Discipline,
    /// Where what runs take is remembered; `None` if it is not.
    pub estimates: Option<PathBuf>,
    /// How models are ranked.
    pub selector: Selector,
    /// Labels in each answer.
    pub top_k: usize,
    /// When runs are too late.
    pub late: LateLimits,
    /// Where records go.
    pub sink: Box<dyn Write + Send>,
    /// Where progress shows.
    pub progress: Progress,
    /// The service manager's patience, which ends when the run begins.
    pub startup: Startup,
}

/// One stream of a run.
pub struct StreamPlan {
    /// What to capture.
    pub spec: StreamSpec,
    /// What becomes of frames that come faster than they are taken.
    pub delivery: Delivery,
    /// Of its frames, one in this many is classified.
    pub every: Every,
    /// How many are classified in a second of the stream at most; `None` for all.
    pub target_rate: Option<TargetRate>,
    /// What it is promised where not every frame can be answered.
    pub terms: Terms,
}

impl StreamPlan {
    fn habit(&self) -> Habit {
        let continuity = self.spec.source.continuity();
        Habit { every: self.every, target_rate: self.target_rate, continuity }
    }
}

/// How a run went.
pub struct Report {
    /// What became of the frames; `None` if the output stage did not end.
    pub summary: Option<Summary>,
    /// The streams that ended by a fault.
    pub faults: Vec<(StreamName, CaptureError)>,
    /// What ended the run before its time, other than a signal.
    pub breakdown: Option<anyhow::Error>,
}

/// Hears SIGINT, SIGTERM and SIGHUP. The second one ends the process at once.
pub fn signals() -> anyhow::Result<Receiver<()>> {
    let (send, signals) = bounded(1);
    let mut asked = false;
    ctrlc::set_handler(move || {
        if asked || send.send(()).is_err() {
            // Without exit handlers: ONNX Runtime's would take apart what its runs still use.
            signal_hook::low_level::exit(130);
        }
        asked = true;
    })
    .context("cannot listen for signals")?;
    Ok(signals)
}

/// Runs until every stream has ended, a signal comes, or nobody reads the output any more.
///
/// An error is a run that did not begin.
pub fn run(plan: Plan, signals: &Receiver<()>, clock: Clock) -> anyhow::Result<Report> {
    refuse_mixed_paces(&plan.streams)?;
    let mut run = Run::start(plan, clock)?;
    let ending = run.watch(signals, clock);
    systemd::stopping("finishing the frames on their way");
    Ok(run.close(ending, signals, clock))
}

/// Recordings that are fed as fast as they are taken leave cameras no time.
fn refuse_mixed_paces(streams: &[StreamPlan]) -> anyhow::Result<()> {
    let of = |delivery| streams.iter().find(move |stream| stream.delivery == delivery);
    match (of(Delivery::NewestWins), of(Delivery::Lossless)) {
        (Some(clocked), Some(fed)) => bail!(
            "{} runs by the clock, and {} is fed as fast as it is taken: pace all by the clock \
             (replay --realtime, or realtime = true), or run them apart",
            clocked.spec.name,
            fed.spec.name
        ),
        _ => Ok(()),
    }
}

/// What runs.
struct Run {
    threads: Threads,
    supervisor: Arc<Supervisor>,
    memory: Memory,
    /// What a watchdog is fed by.
    health: Health,
    lifeline: Lifeline,
    /// The streams that have not ended. Dropped, one is stopped.
    streams: BTreeMap<StreamName, Sender<()>>,
    faults: Vec<(StreamName, CaptureError)>,
    from_streams: Receiver<News>,
    from_output: Receiver<OutputEvent>,
    summary: Receiver<Summary>,
}

/// Why no more frames are taken.
enum Ending {
    /// Every stream has ended.
    Complete,
    /// A signal, or an output that nobody reads any more.
    Asked,
    /// A stage broke down.
    Breakdown(anyhow::Error),
}

impl Run {
    /// Starts the stages from the last to the first, and then the streams.
    fn start(plan: Plan, clock: Clock) -> anyhow::Result<Self> {
        let mut threads = Threads::default();
        let (settled, outcomes) = bounded(SETTLED_CAPACITY);
        let (output_events, from_output) = unbounded();
        let (summarise, summary) = bounded(1);
        let (sink, progress) = (plan.sink, plan.progress.clone());
        let departures = Departures::default();
        let mut lifeline = Lifeline::new(&plan.streams, plan.late, departures.clone());
        threads.spawn("output", move || {
            let summary = output::run(outcomes, sink, output_events, &progress, departures);
            // Main waits for it, or is gone and needs none.
            let _ = summarise.send(summary);
        })?;
        let memory = Memory::open(plan.estimates);
        let crew = Crew::raise(plan.roster, &plan.widths, memory.saved())?;
        let terms = plan.streams.iter().map(|stream| (stream.spec.name.clone(), stream.terms));
        let scheduler = Scheduler::new(&crew.devices, crew.runners, plan.on_time)
            .with_terms(terms.collect())
            .with_discipline(plan.discipline);
        let explains = log::log_enabled!(log::Level::Debug);
        let scheduler = if explains { scheduler.explaining() } else { scheduler };
        let queue = Queue::new(scheduler, clock);
        let memory = memory.of(queue.clone(), crew.recruiter.keys());
        let health = Health::default();
        let workshop = Workshop::new(build(crew.recruiter, plan.top_k, clock));
        let spawner = threads.spawner();
        let supervisor =
            Supervisor::new(queue.clone(), plan.late, workshop, spawner, health.clone(), clock);
        start_workers(&supervisor, crew.hands, plan.top_k, clock)?;
        let preprocessors = crew.preprocessors;
        let overseer = Arc::clone(&supervisor);
        threads.spawn("supervise", move || overseer.run())?;
        let (prepare_queue, employer) = (queue.clone(), Arc::clone(&supervisor));
        let prepare = move || prepare::run(prepare_queue, preprocessors, employer, clock);
        threads.spawn("prepare", prepare)?;
        let (mailbox, frames) = mailbox::mailbox();
        let habits = plan.streams.iter().map(|stream| (stream.spec.name.clone(), stream.habit()));
        let (habits, selector) = (habits.collect(), plan.selector);
        threads.spawn("select", move || select::run(frames, habits, selector, queue, clock))?;
        // Where every stream knows how many frames it has.
        let frames = plan.streams.iter().map(|stream| stream.spec.source.frames());
        if let Some(frames) = frames.sum::<Option<u64>>() {
            plan.progress.expect(frames);
        }
        let (events, from_streams) = unbounded();
        let mut streams = BTreeMap::new();
        let mailbox = Arc::new(mailbox);
        for StreamPlan { spec, delivery, .. } in plan.streams {
            let name = spec.name.clone();
            let (stop, stopped) = bounded(0);
            let to = (Arc::clone(&mailbox), delivery);
            let keeping = Keeping::new(spec, to, settled.clone(), events.clone(), clock);
            lifeline.follow(&name, keeping.pulse());
            threads.spawn(&format!("stream-{name}"), move || keeping.run(&stopped))?;
            streams.insert(name, stop);
        }
        lifeline.begin(plan.startup);
        let faults = Vec::new();
        Ok(Self {
            threads,
            supervisor,
            memory,
            health,
            lifeline,
            streams,
            faults,
            from_streams,
            from_output,
            summary,
        })
    }

    /// Waits until the run should end.
    fn watch(&mut self, signals: &Receiver<()>, clock: Clock) -> Ending {
        let mut from_output = self.from_output.clone();
        let keep = tick(KEEP);
        while !self.streams.is_empty() {
            select! {
                recv(keep) -> _ => self.memory.keep(),
                recv(self.lifeline.looks()) -> _ => self.lifeline.look(&self.health, clock.now()),
                recv(signals) -> _ => {
                    log::info!("stopping: no new frames are taken, those on their way are finished");
                    return Ending::Asked;
                }
                recv(self.from_streams) -> event => match event {
                    Ok(event) => self.note(event),
                    Err(_) => return Ending::Complete,
                },
                recv(from_output) -> event => match event {
                    Ok(event) => return ending_of(event),
                    // It has no more to say; that it is over is heard from its thread.
                    Err(_) => from_output = never(),
                },
                recv(self.threads.panics()) -> thread => {
                    let thread = thread.unwrap_or_default();
                    return Ending::Breakdown(anyhow!("thread {thread} has panicked"));
                }
            }
        }
        Ending::Complete
    }

    fn note(&mut self, News { stream, kind }: News) {
        if let NewsKind::State(state) = &kind {
            self.lifeline.note(&stream, state);
        }
        match kind {
            NewsKind::Warning(warning) => log::warn!("stream {stream}: {warning}"),
            NewsKind::Lost(_, error) => log::warn!("stream {stream}: {error}"),
            NewsKind::State(SourceState::Stalled) => {
                log::warn!("stream {stream} has stalled: no frame came; it is started again");
            }
            NewsKind::State(state) => log::debug!("stream {stream} is {state}"),
            NewsKind::Over(end) => {
                self.streams.remove(&stream);
                self.lifeline.forget(&stream);
                match end {
                    Ok(()) => log::info!("stream {stream} has ended"),
                    Err(error) => self.note_fault(stream, error),
                }
            }
        }
    }

    fn note_fault(&mut self, stream: StreamName, error: CaptureError) {
        log::error!("stream {stream}: {error}");
        self.faults.push((stream, error));
    }

    /// Lets the stages run out of work: as long as they take if every stream has ended, within
    /// [`GRACE`] otherwise, or from the moment a signal comes.
    fn close(mut self, ending: Ending, signals: &Receiver<()>, clock: Clock) -> Report {
        drop(self.streams);
        let (limit, breakdown) = match ending {
            Ending::Complete => (never(), None),
            Ending::Asked => (at(clock.now() + GRACE), None),
            Ending::Breakdown(error) => (at(clock.now() + GRACE), Some(error)),
        };
        let joined = self.threads.join(signals, limit, GRACE, clock).map_err(|error| {
            match &*in_a_row(&self.supervisor.running()) {
                "" => error,
                models => error.context(format!("models that run: {models}")),
            }
        });
        let unwritten = self.from_output.try_iter().find_map(|event| match ending_of(event) {
            Ending::Breakdown(error) => Some(error),
            Ending::Complete | Ending::Asked => None,
        });
        self.memory.keep();
        let late_work = self.supervisor.late_work();
        let unsound = self.health.faults().into_iter().next().map(anyhow::Error::msg);
        Report {
            summary: self.summary.try_recv().ok().map(|summary| Summary { late_work, ..summary }),
            faults: self.faults,
            breakdown: breakdown.or(unwritten).or(joined.err()).or(unsound),
        }
    }
}

/// What an event of the output means for the run.
fn ending_of(event: OutputEvent) -> Ending {
    match event {
        OutputEvent::ReaderGone => {
            log::info!("stopping: nobody reads the output any more");
            Ending::Asked
        }
        OutputEvent::Failed(error) => {
            Ending::Breakdown(anyhow::Error::from(error).context("cannot write the output"))
        }
    }
}

/// Hires a worker for each session.
fn start_workers(
    supervisor: &Arc<Supervisor>,
    hands: Vec<Hand>,
    top_k: usize,
    clock: Clock,
) -> anyhow::Result<()> {
    for hand in hands {
        let (model, runner) = (hand.manifest.id.clone(), hand.runner);
        supervisor
            .hire(model.clone(), runner, work_of(hand, top_k, clock))
            .with_context(|| format!("cannot start a worker of model {model}"))?;
    }
    Ok(())
}

/// How models are built anew.
fn build(recruiter: Recruiter, top_k: usize, clock: Clock) -> Build {
    Box::new(move |model| {
        let hands = recruiter.recruit(model)?.into_iter();
        Ok(hands.map(|hand| (hand.runner, work_of(hand, top_k, clock))).collect())
    })
}

fn work_of(Hand { manifest, session, .. }: Hand, top_k: usize, clock: Clock) -> Work {
    Box::new(move |post, jobs| Worker { manifest, session, top_k, clock, post }.run(jobs))
}

fn in_a_row(models: &[ModelId]) -> String {
    models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(", ")
}
