//! Builds the stages, joins them, and takes them down in the order in which frames flow.
//!
//! Threads: main (signals and events), GStreamer's streaming threads or an image stream's own,
//! `select`, `prepare`, one `worker-<model>` each, `supervise`, `output`. Closing flows with the data: capture
//! stops, the mailbox closes, `select` closes the queue, `prepare` empties it and dismisses
//! the workers, the last ticket is settled, output ends. No stage is told to stop; each runs out of
//! work. A worker that is stuck is not waited for: `supervise` has fenced it by then. If a model studies
//! there are `study` and `study-run`, which end with `select`. Each stream has a
//! thread `stream-<name>` that starts its source and takes it down, which can take long, so that main
//! and the other streams stay awake.
//!
//! A run may be reloaded ([`Reload`]): a thread `reload` loads what is new, and another `prepare`,
//! `supervise` and other workers take the place of those that there are. Capture and output go on.

mod changes;
mod engine;
mod lifeline;
mod losses;
mod memory;
mod reload;
mod signals;
mod stages;
mod streams;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use crossbeam_channel::{Receiver, at, never, select, tick, unbounded};

use engine::Parts;
use lifeline::Lifeline;
use losses::LossLog;
use memory::Memory;
use reload::{Doors, Loaded};
pub use reload::{Reload, ReloadEvent, Renew};
pub use signals::{ServiceSignals, service_signals, signals, unless_stopped};
use stages::{Output, Showing, Stages};
use streams::{Streams, Ways};

use crate::capture::mailbox::{self, Delivery};
use crate::capture::{CaptureError, Loss, News, NewsKind, SourceState, StreamSpec};
use crate::clock::Clock;
use crate::frame::StreamName;
use crate::inference::{Classifier, LateLimits, Roster, Widths};
use crate::operations::{Operations, SideWork};
use crate::output::{Departures, OutputEvent, Progress, Summary};
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{Discipline, Terms};
use crate::select::{Every, Habit, Selector, TargetRate};
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
    /// What to classify, and with what.
    pub setup: Setup,
    /// How that is changed while the run goes on; `None` if it is not.
    pub reload: Option<Reload>,
    /// Where records go.
    pub sink: Box<dyn Write + Send>,
    /// Where progress shows.
    pub progress: Progress,
    /// What operators see of the run.
    pub operations: Arc<Operations>,
    /// The service manager's patience, which ends when the run begins.
    pub startup: Startup,
}

/// What to classify, and with what: all that a reload may change.
pub struct Setup {
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
    /// The model that studies scenes for the adaptive policy; `None` for none.
    pub study: Option<Classifier>,
    /// Labels in each answer.
    pub top_k: usize,
    /// When runs are too late.
    pub late: LateLimits,
}

/// One stream of a run.
#[derive(Clone, Debug)]
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

/// Runs until every stream has ended, a signal comes, or nobody reads the output any more.
///
/// An error is a run that did not begin.
pub fn run(plan: Plan, signals: &Receiver<()>, clock: Clock) -> anyhow::Result<Report> {
    refuse_mixed_paces(&plan.setup.streams)?;
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
    stages: Stages,
    streams: Streams,
    losses: LossLog,
    lifeline: Lifeline,
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
        let Plan { setup, reload, sink, progress, operations, startup } = plan;
        let mut threads = Threads::default();
        let departures = Departures::default();
        let mut lifeline = Lifeline::new(&setup.streams, setup.late, departures.clone());
        let to = (sink, progress.clone(), Arc::clone(&operations), departures);
        let output = Output::start(SETTLED_CAPACITY, to, &mut threads)?;
        let Output { settled, settling, events: from_output, summary } = output;
        let memory = Memory::open(setup.estimates.clone());
        let (parts, planned) = Parts::of(setup, memory.saved())?;
        let (mailbox, frames) = mailbox::mailbox();
        let showing = Showing { operations, mailbox: mailbox.depth(), settling };
        let from = (frames, clock);
        let mut stages = Stages::start(threads, parts, &planned, memory, reload, showing, from)?;
        // Where every stream knows how many frames it has.
        let frames = planned.iter().map(|stream| stream.spec.source.frames());
        if let Some(frames) = frames.sum::<Option<u64>>() {
            progress.expect(frames);
        }
        let (news, from_streams) = unbounded();
        let ways = Ways { mailbox: Arc::new(mailbox), settled, news, clock };
        let mut streams = Streams::new(ways);
        let changes = streams.changes(&planned);
        streams.follow(planned, &changes, &mut stages.threads)?;
        lifeline.follow(streams.pulses());
        lifeline.begin(startup);
        let losses = LossLog::default();
        Ok(Self { stages, streams, losses, lifeline, from_streams, from_output, summary })
    }

    /// Waits until the run should end.
    fn watch(&mut self, signals: &Receiver<()>, clock: Clock) -> Ending {
        let mut from_output = self.from_output.clone();
        let keep = tick(KEEP);
        while !self.streams.are_over() {
            let Doors { asked, loaded, over } = self.stages.reloading.doors();
            select! {
                recv(keep) -> _ => self.stages.memory.keep(),
                recv(self.lifeline.looks()) -> _ => {
                    self.lifeline.look(&self.stages.health, clock.now());
                }
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
                recv(self.stages.threads.panics()) -> thread => {
                    let thread = thread.unwrap_or_default();
                    return Ending::Breakdown(anyhow!("thread {thread} has panicked"));
                }
                recv(asked) -> request => match request {
                    Ok(()) => self.stages.begin_reload(),
                    Err(_) => self.stages.reloading.give_up(),
                },
                recv(loaded) -> loaded => {
                    let loaded = loaded.map_err(anyhow::Error::from).and_then(|loaded| loaded);
                    if let Err(error) = self.end_loading(loaded) {
                        return Ending::Breakdown(error);
                    }
                }
                recv(over) -> _ => {
                    if let Err(error) = self.stages.complete_change() {
                        return Ending::Breakdown(error);
                    }
                    self.lifeline.ready();
                }
            }
        }
        Ending::Complete
    }

    fn note(&mut self, news: News) {
        let News { stream, incarnation, kind } = &news;
        if !self.streams.is_current(stream, *incarnation) {
            log::debug!(
                stream:%;
                "stream {stream} was replaced, and what it said late is left out: {kind:?}"
            );
            return;
        }
        self.stages.showing.operations.note_news(&news);
        let News { stream, incarnation, kind } = news;
        if let NewsKind::State(state) = &kind {
            self.lifeline.note(&stream, state);
        }
        match kind {
            NewsKind::Warning(warning) => self.losses.note_warning(&stream, warning),
            NewsKind::Lost(loss, error) => self.losses.note(&stream, loss, &error),
            NewsKind::State(state) => {
                log::debug!(stream:%; "stream {stream} is {state}");
                match state {
                    SourceState::Stalled => self.losses.note_stall(&stream),
                    SourceState::Live => self.losses.note_live(&stream),
                    SourceState::Starting | SourceState::Retrying { .. } | SourceState::Ended => {}
                }
            }
            NewsKind::Over(end) => {
                match &end {
                    Ok(()) => log::info!(stream:%; "stream {stream} has ended"),
                    Err(error) => {
                        let reason = Loss::Failed.name();
                        log::error!(stream:%, reason; "stream {stream}: {error}");
                    }
                }
                self.lifeline.forget(&stream);
                self.streams.end(&stream, incarnation, end);
            }
        }
    }

    fn end_loading(&mut self, loaded: anyhow::Result<Loaded>) -> anyhow::Result<()> {
        match loaded {
            Ok(loaded) => {
                while let Ok(news) = self.from_streams.try_recv() {
                    self.note(news);
                }
                self.lifeline.expect(&loaded.streams, loaded.parts.late());
                self.stages.change_over(loaded, &mut self.streams)?;
                self.lifeline.follow(self.streams.pulses());
                Ok(())
            }
            Err(error) => {
                self.stages.refuse_reload(&error);
                self.lifeline.ready();
                Ok(())
            }
        }
    }

    /// Lets the stages run out of work: as long as they take if every stream has ended, within
    /// [`GRACE`] otherwise, or from the moment a signal comes.
    fn close(self, ending: Ending, signals: &Receiver<()>, clock: Clock) -> Report {
        let (limit, breakdown) = match ending {
            Ending::Complete => (never(), None),
            Ending::Asked => (at(clock.now() + GRACE), None),
            Ending::Breakdown(error) => (at(clock.now() + GRACE), Some(error)),
        };
        let faults = self.streams.stop();
        let (SideWork { late_work, study }, joined) = self.stages.join(signals, limit, GRACE);
        let unwritten = self.from_output.try_iter().find_map(|event| match ending_of(event) {
            Ending::Breakdown(error) => Some(error),
            Ending::Complete | Ending::Asked => None,
        });
        let losses = self.losses.into_all();
        let summary = self.summary.try_recv().ok();
        Report {
            summary: summary.map(|summary| Summary { late_work, study, losses, ..summary }),
            faults,
            breakdown: breakdown.or(unwritten).or(joined.err()),
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
