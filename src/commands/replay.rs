//! `classifyd replay`: recordings, images or a camera, one record per frame on stdout.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;

use super::equipment::{self, Execution, Wish};
use super::playing::{SummaryFile, delivery, finish};
use super::{Context, Failure, Places, Talk, catalogue, configured, stderr};
use crate::adaptive::Target;
use crate::capture::{Playback, Source, StreamSpec};
use crate::config::{Config, PolicyKind};
use crate::daemon::{self, Plan, Setup, StreamPlan};
use crate::frame::{Budget, Pace, StreamName};
use crate::models::ModelId;
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{Discipline, Terms};
use crate::select::TargetRate;
use crate::systemd::Startup;

/// What `replay` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Files, directories or globs of images, or URIs (rtsp://, v4l2://, csi://, test://)
    #[arg(required = true, value_name = "URI")]
    sources: Vec<String>,
    /// Take models, policy and output from this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Time from a frame's capture to its answer
    #[arg(long, default_value = "100ms", allow_hyphen_values = true)]
    budget: Budget,
    /// Pace recordings by the clock; frames are then superseded or expire as they would live
    #[arg(long)]
    realtime: bool,
    /// Run this model on every frame (short for --policy fixed:NAME)
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    model: Option<String>,
    /// How a frame's model is chosen: premodel, adaptive, fixed:NAME or random [default:
    /// adaptive, if the premodel has learnt it, else premodel]
    #[arg(long)]
    policy: Option<PolicyKind>,
    /// Run the adaptive policy so that this share of answers is right, as quickly as it goes
    #[arg(long, value_name = "SHARE", value_parser = Target::accuracy)]
    #[arg(conflicts_with_all = ["model", "mean_time_target"], allow_negative_numbers = true)]
    accuracy_target: Option<Target>,
    /// Run the adaptive policy so that models take this time on average, as accurately as it goes
    #[arg(long, value_name = "TIME", value_parser = Target::mean_time)]
    #[arg(conflicts_with = "model", allow_hyphen_values = true)]
    mean_time_target: Option<Target>,
    /// Have this model, which may be too slow for the budget, study scenes on time that nobody needs, for
    /// the adaptive policy to weigh what it says
    #[arg(long, value_name = "NAME", requires = "realtime", conflicts_with = "model")]
    #[arg(value_parser = catalogue::model_name)]
    study: Option<ModelId>,
    /// Seed of the random policy
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Labels in each answer [default: 5]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<NonZeroUsize>,
    /// Classify one frame in N; those between reuse its answer
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true)]
    every: NonZeroUsize,
    /// Classify so many frames of a second of video at most; the others take over the answer of their
    /// scene, or are skipped
    #[arg(long, value_name = "FRAMES_PER_SECOND", conflicts_with = "every")]
    #[arg(allow_negative_numbers = true)]
    target_rate: Option<TargetRate>,
    /// Threads of one inference; with more than one number, as in 1,2, the scheduler chooses
    /// [default: 1]
    #[arg(long, value_name = "N", value_delimiter = ',', allow_negative_numbers = true)]
    threads: Vec<NonZeroUsize>,
    /// Cores that inferences may take together [default: as many as one has threads]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cores: Option<NonZeroUsize>,
    /// Start a run only if it will be in time with this probability [default: 0.999]
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    on_time: Option<OnTime>,
    /// How frames that wait are decided; newest-wins, first in first out without a look at
    /// deadlines, is for comparisons
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    scheduler: SchedulerKind,
    /// Write the summary to this file, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// What `--scheduler` may be.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum SchedulerKind {
    #[default]
    Deadlines,
    NewestWins,
}

impl From<SchedulerKind> for Discipline {
    fn from(kind: SchedulerKind) -> Self {
        match kind {
            SchedulerKind::Deadlines => Self::Deadlines,
            SchedulerKind::NewestWins => Self::NewestWins,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  classifyd replay clip.mp4 > records.jsonl
  classifyd replay --model inception_v3 --top-k 1 photos/
  classifyd replay --realtime --budget 33ms --summary summary.json a.mp4 b.mp4
  classifyd replay --mean-time-target 12ms clip.mp4
  classifyd replay test://ball";

/// Runs `replay`.
pub fn run(arguments: Arguments, mut context: Context) -> Result<(), Failure> {
    let config = arguments.config.as_deref().map(Config::load).transpose()?;
    let wish = arguments.wish(config.as_ref(), &context.places)?;
    let streams = arguments.streams(context.places.pipelines().as_deref())?;
    let manifests = match &config {
        Some(config) => configured::find_models(config, &context.places, &wish.policy)?,
        None => equipment::manifests_for(&wish.policy, &context.places)?,
    };
    if let Some(config) = &config {
        context.places = context.places.or_config(config);
    }
    let summary = arguments.summary.as_deref().map(SummaryFile::create).transpose()?;
    let signals = daemon::signals()?;
    let runtime = equipment::runtime(&context)?;
    let execution = arguments.execution(config.as_ref())?;
    let widths = execution.widths.clone();
    let roster = equipment::load(&runtime, manifests, execution, &context)?;
    let chooser = equipment::chooser(&wish, &roster, &context.places)?;
    if context.talk == Talk::Normal {
        stderr::tell(equipment::description(&roster, &chooser) + "\n");
    }
    let late = config.as_ref().map(|config| config.late).unwrap_or_default();
    let scheduler = config.map(|config| config.scheduler).unwrap_or_default();
    let setup = Setup {
        streams,
        roster,
        widths,
        on_time: arguments.on_time.unwrap_or(scheduler.on_time),
        discipline: arguments.scheduler.into(),
        estimates: scheduler.estimates,
        selector: chooser.selector,
        study: chooser.study,
        top_k: wish.top_k,
        late,
    };
    let (sink, progress) = (Box::new(io::stdout()), context.progress.clone());
    let (operations, startup) = (Arc::default(), Startup::default());
    let plan = Plan { setup, reload: None, sink, progress, operations, startup };
    let report = daemon::run(plan, &signals, context.clock)?;
    finish(report, summary, context.log)
}

impl Arguments {
    fn wish(&self, config: Option<&Config>, places: &Places) -> Result<Wish, Failure> {
        let configured = config.map(|config| &config.policy);
        let target = configured.and_then(|policy| policy.target.as_ref());
        let study = configured.and_then(|policy| policy.study.as_ref());
        let study = study.filter(|_| self.realtime).map(|study| study.value.clone());
        Ok(Wish {
            policy: self.policy(config, places)?,
            seed: self.seed.or(configured.map(|policy| policy.seed)).unwrap_or(0),
            target: self.target().or(target.map(|target| target.value)),
            study: self.study.clone().or(study),
            top_k: self.top_k(config),
        })
    }

    fn target(&self) -> Option<Target> {
        self.accuracy_target.or(self.mean_time_target)
    }

    /// What the command line names goes before the configuration, and that before the default.
    fn policy(&self, config: Option<&Config>, places: &Places) -> Result<PolicyKind, Failure> {
        let is_adaptive = self.target().is_some() || self.study.is_some();
        match (&self.model, &self.policy) {
            (Some(name), _) => format!("fixed:{name}").parse().map_err(Failure::usage),
            (None, None | Some(PolicyKind::Adaptive)) if is_adaptive => Ok(PolicyKind::Adaptive),
            (None, Some(policy)) if self.target().is_some() => Err(Failure::usage(format_args!(
                "the policy {policy} has no target: leave the target out, or use --policy adaptive"
            ))),
            (None, Some(policy)) if self.study.is_some() => Err(Failure::usage(format_args!(
                "the policy {policy} has no use for a model that studies: leave --study out, or use \
                 --policy adaptive"
            ))),
            (None, Some(policy)) => Ok(policy.clone()),
            (None, None) => Ok(config.and_then(Config::policy).unwrap_or_else(|| {
                let places = places.clone();
                let places =
                    config.map(|config| places.clone().or_config(config)).unwrap_or(places);
                equipment::default_policy(&places)
            })),
        }
    }

    fn top_k(&self, config: Option<&Config>) -> usize {
        let configured = config.map(|config| config.output.top_k);
        self.top_k.or(configured).map_or(5, NonZeroUsize::get)
    }

    fn execution(&self, config: Option<&Config>) -> Result<Execution, Failure> {
        let mut execution = config.map(Execution::of).unwrap_or_default();
        let widths = &mut execution.widths;
        if !self.threads.is_empty() {
            widths.threads.clone_from(&self.threads);
        }
        widths.cpu_cores = self.cores.or(widths.cpu_cores);
        match (widths.cpu_cores, widths.widest()) {
            (Some(cores), widest) if cores < widest => Err(Failure::usage(format_args!(
                "inferences of {widest} threads do not fit {cores} cores: give --cores {widest} or \
                 more, or fewer --threads"
            ))),
            _ => Ok(execution),
        }
    }

    fn streams(&self, pipelines: Option<&Path>) -> Result<Vec<StreamPlan>, Failure> {
        let mut names = BTreeSet::new();
        let mut streams = Vec::new();
        for text in &self.sources {
            let source = Source::parse(text, pipelines)?;
            let name = StreamName::new(&unused_name(&source, &mut names));
            let pace = if self.realtime { Pace::Clock } else { Pace::Work };
            let delivery = delivery(&source, pace);
            let (patience, playback) = (None, Playback::Once);
            let spec = StreamSpec { name, source, budget: self.budget, patience, playback };
            let terms = Terms::default();
            let (every, target_rate) = (self.every, self.target_rate);
            streams.push(StreamPlan { spec, delivery, every, target_rate, terms });
        }
        Ok(streams)
    }
}

/// A short name, numbered if it is taken: a file's own, or a URI's address.
pub(super) fn unused_name(source: &Source, taken: &mut BTreeSet<String>) -> String {
    let name = short_name(&source.to_string());
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    let free = candidates.find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn short_name(shown: &str) -> String {
    let (scheme, rest) = shown.split_once("://").unwrap_or(("file", shown));
    let rest = rest.trim_end_matches('/');
    let last = rest.rsplit('/').next().unwrap_or(rest);
    match scheme {
        "file" if !last.is_empty() => last.to_owned(),
        "file" => shown.to_owned(),
        _ => {
            let address = rest.split('?').next().unwrap_or(rest);
            format!("{scheme}-{}", address.trim_start_matches('/').replace('/', "-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_after_their_file_or_address() {
        let cases = [
            ("/videos/clip.mp4", "clip.mp4"),
            ("photos/", "photos"),
            ("file:///a/b.avi", "b.avi"),
            ("csi://0?fps=30", "csi-0"),
            ("v4l2:///dev/video1", "v4l2-dev-video1"),
            ("rtsp://me:***@cam/live", "rtsp-me:***@cam-live"),
            ("/", "/"),
        ];
        for (shown, name) in cases {
            assert_eq!(short_name(shown), name, "{shown}");
        }
    }
}
