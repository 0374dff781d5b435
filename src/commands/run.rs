//! `classifyd run`: the daemon in the foreground.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Parser;

use super::configured::{self, Found};
use super::environment;
use super::equipment::{self, Execution, Wish};
use super::playing::{SummaryFile, finish};
use super::{Context, ExitCode, Failure, Places};
use crate::clock::Clock;
use crate::config::{Config, Faults, Location, PolicyKind};
use crate::daemon::{self, Plan, Reload, ServiceSignals, Setup};
use crate::engines::EngineBuilds;
use crate::inference::{Roster, Stock};
use crate::install;
use crate::models::ModelId;
use crate::onnx::Runtime;
use crate::operations::{Endpoints, Operations};
use crate::scheduler::Discipline;
use crate::systemd::Startup;
use crate::threads;

/// What `run` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Write the summary to this file at the end, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  classifyd run --config /etc/classifyd.toml
  classifyd run --config doors.toml --quiet > records.jsonl

SIGTERM or SIGINT finishes the frames on their way and exits with 0; a second one exits at once.
SIGHUP reads the configuration, the models and the premodel again, and loses no frame; if anything
is wrong with them, it says what, and the old ones go on.";

/// Runs `run`.
pub fn run(arguments: Arguments, mut context: Context) -> Result<(), Failure> {
    if let Err(error) = environment::complete() {
        log::warn!(
            "cannot start anew with another environment: {error}; a USB camera that is pulled out may not be \
             found again, and more memory is taken"
        );
    }
    let written = Written::read(&arguments.config, &context.places)?;
    let summary = arguments.summary.as_deref().map(SummaryFile::create).transpose()?;
    context.startup = Startup::begin(context.clock);
    let operations = Arc::new(Operations::new(context.clock));
    for stream in &written.found.streams {
        operations.declare(&stream.spec.name, &stream.spec.source.to_string());
    }
    let ServiceSignals { stop, reload } = daemon::service_signals()?;
    // Before the models are loaded: a place that is taken shows at once, and the status says what goes on.
    let wanted = written.endpoints();
    let (socket, metrics) = &wanted;
    let mut endpoints =
        Some(Endpoints::open(socket.as_deref(), *metrics, &operations, context.clock)?);
    let library = context.places.clone().or_config(&written.config).library()?;
    let runtime = Runtime::load(&library)?;
    let builds = operations.engine_builds();
    let load = || written.load(&runtime, builds.clone(), &context);
    let setup = daemon::unless_stopped(&stop, load, || {
        log::info!("stopping: the models are not loaded yet, and no frame was taken");
        drop(endpoints.take());
    })?;
    let startup = mem::take(&mut context.startup);
    let (sink, progress) = (Box::new(io::stdout()), context.progress.clone());
    let (clock, log) = (context.clock, context.log);
    let renew = Arc::new(move |stock: &Stock| {
        let written = Written::read(&arguments.config, &context.places);
        let renewed = written.and_then(|written| {
            written.refuse_other_endpoints(&wanted)?;
            let startup = Startup::begin(context.clock);
            let renewed = written.renew(&runtime, builds.clone(), stock, &startup, context.clock);
            startup.end();
            renewed
        });
        renewed.map_err(|failure| failure.error)
    });
    let reload = Some(Reload { asked: reload, renew });
    let plan = Plan { setup, reload, sink, progress, operations, startup };
    let report = daemon::run(plan, &stop, clock)?;
    drop(endpoints);
    finish(report, summary, log)
}

/// A configuration that was found to be in order.
struct Written {
    config: Config,
    found: Found,
    /// With what it says.
    places: Places,
}

impl Written {
    fn read(file: &Path, named: &Places) -> Result<Self, Failure> {
        let config = Config::load(file)?;
        let found = configured::find(&config, named)?;
        let places = named.clone().or_config(&config);
        Ok(Self { config, found, places })
    }

    /// Loads what it names.
    fn load(
        self,
        runtime: &Runtime,
        builds: EngineBuilds,
        context: &Context,
    ) -> Result<Setup, Failure> {
        let manifests = self.found.manifests.clone();
        let execution = Execution::of(&self.config).counting(builds);
        let roster = equipment::load(runtime, manifests, execution, context)?;
        self.set_up(roster)
    }

    /// The same beside models at work, on a thread that has time.
    fn renew(
        self,
        runtime: &Runtime,
        builds: EngineBuilds,
        stock: &Stock,
        startup: &Startup,
        clock: Clock,
    ) -> Result<Setup, Failure> {
        self.refuse_another_library(runtime)?;
        if stock.is_on_the_processor() && self.has_runs_of_one_thread_only() {
            threads::give_way();
        }
        let manifests = self.found.manifests.clone();
        let execution = Execution::of(&self.config).counting(builds);
        let renewed = equipment::renew(runtime, manifests, execution, stock, (startup, clock));
        let roster = renewed.map_err(|(model, failure)| self.located(model, failure))?;
        self.set_up(roster)
    }

    fn set_up(self, roster: Roster) -> Result<Setup, Failure> {
        let Self { config, found: Found { streams, policy, .. }, places } = self;
        let wish = wish(&config, policy);
        let chooser = equipment::chooser(&wish, &roster, &places)?;
        log::info!("{}", equipment::description(&roster, &chooser));
        let Config { widths, late, scheduler, .. } = config;
        Ok(Setup {
            streams,
            roster,
            widths,
            on_time: scheduler.on_time,
            discipline: Discipline::Deadlines,
            estimates: scheduler.estimates.or_else(install::estimates),
            selector: chooser.selector,
            study: chooser.study,
            top_k: wish.top_k,
            late,
        })
    }

    /// Where operators are to be answered.
    fn endpoints(&self) -> (Option<PathBuf>, Option<SocketAddr>) {
        let Config { status_socket, metrics, .. } = &self.config;
        let socket = status_socket.as_ref().map(|socket| socket.value.clone());
        (socket, metrics.as_ref().map(|listen| listen.value))
    }

    /// Operators are answered where they were at the start.
    fn refuse_other_endpoints(
        &self,
        (socket, metrics): &(Option<PathBuf>, Option<SocketAddr>),
    ) -> Result<(), Failure> {
        let (wanted_socket, wanted_metrics) = self.endpoints();
        let Config { status_socket, metrics: listen, .. } = &self.config;
        let (key, written) = if wanted_socket != *socket {
            ("status.socket", status_socket.as_ref().map(|socket| &socket.location))
        } else if wanted_metrics != *metrics {
            ("metrics.listen", listen.as_ref().map(|listen| &listen.location))
        } else {
            return Ok(());
        };
        let problem = "a reload cannot change where operators are answered";
        Err(unchangeable(key, written, problem, ", and it is left out now"))
    }

    /// A process has one library for as long as it lives.
    fn refuse_another_library(&self, runtime: &Runtime) -> Result<(), Failure> {
        let library = self.places.library()?;
        let loaded = runtime.library();
        if library.canonicalize().is_ok_and(|library| library == loaded) {
            return Ok(());
        }
        let problem = format!("a reload cannot change the library, which is {}", loaded.display());
        let named = self.config.onnxruntime.as_ref().filter(|named| named.value == library);
        let elsewhere = format!(", to {}", library.display());
        let written = named.map(|named| &named.location);
        Err(unchangeable("onnxruntime.library", written, &problem, &elsewhere))
    }

    /// Whether no session has threads of its own, which would keep the priority of the one that loads it.
    fn has_runs_of_one_thread_only(&self) -> bool {
        let own = self.found.manifests.iter().filter_map(|manifest| manifest.run.threads.as_ref());
        let mut threads = own.chain([&self.config.widths.threads]).flatten();
        threads.all(|threads| threads.get() == 1)
    }

    /// The failure of a model as a fault of the line that names it, if there is one.
    fn located(&self, model: Option<ModelId>, failure: Failure) -> Failure {
        let location = model.and_then(|model| self.named_at(&model));
        let Some(location) = location else { return failure };
        let remedy = "mend the model, or leave it out";
        let fault = location.fault(format!("{:#}", failure.error), remedy);
        Failure::new(failure.code, Faults::from(fault))
    }

    fn named_at(&self, model: &ModelId) -> Option<&Location> {
        let used = self.config.models.names.iter().flatten().find(|name| name.value == *model);
        let fixed = self.config.policy.kind.as_ref();
        let fixed = fixed.filter(|kind| kind.value == PolicyKind::Fixed(model.clone()));
        used.map(|name| &name.location).or(fixed.map(|kind| &kind.location))
    }
}

/// The failure of a reload that would change what is as it was at the start: with the line where that is
/// written, or with its key and what came of its not being there.
fn unchangeable(key: &str, written: Option<&Location>, problem: &str, unwritten: &str) -> Failure {
    let remedy = "restart classifyd, or leave this as it was";
    match written {
        Some(location) => {
            let faults = Faults::from(location.fault(problem, remedy));
            Failure::new(ExitCode::Configuration, faults)
        }
        None => {
            let fault = format!("{key}: {problem}{unwritten} ({remedy})");
            Failure::new(ExitCode::Configuration, anyhow!(fault))
        }
    }
}

fn wish(config: &Config, policy: PolicyKind) -> Wish {
    Wish {
        policy,
        seed: config.policy.seed,
        target: config.policy.target.as_ref().map(|target| target.value),
        study: config.policy.study.as_ref().map(|study| study.value.clone()),
        top_k: config.output.top_k.get(),
    }
}
