//! From bytes to a [`Config`], section by section.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{self, Distinct, Document, Node, Section, distinct};
use super::fault::{Fault, Faults, Located};
use super::policy::PolicyKind;
use super::value::{self, located};
use super::{Config, ModelsConfig, OutputConfig, PolicyConfig, SchedulerConfig, StreamConfig};
use crate::capture::{Patience, Playback};
use crate::frame::{Pace, StreamName};
use crate::inference::{LateLimits, Widths};
use crate::models::Provider;
use crate::operations::DEFAULT_LISTEN;
use crate::scheduler::Terms;

const MOST_THREADS: usize = 64;
const MOST_GPU_RUNS: usize = 16;
const MOST_LABELS: usize = 100;
const SPARSEST: usize = 100_000;
const MARGINS: RangeInclusive<Duration> = Duration::ZERO..=LONGEST;
const STALLS: RangeInclusive<Duration> = Duration::from_millis(500)..=LONGEST;
const FENCES: RangeInclusive<Duration> = Duration::from_millis(100)..=LONGEST;
const LONGEST: Duration = Duration::from_secs(3600);
const ONE: NonZeroUsize = NonZeroUsize::MIN;
const DEFAULT_LABELS: NonZeroUsize = NonZeroUsize::new(5).expect("5 is not 0");

/// Reads the bytes of `file`.
pub(super) fn from_bytes(file: &Path, bytes: &[u8]) -> Result<Config, Faults> {
    let directory = file.parent().unwrap_or(Path::new(""));
    document::parse(file, bytes, |document, root| config(document, root, directory))
}

fn config(document: &Document<'_>, mut root: Section<'_>, directory: &Path) -> Option<Config> {
    let mut widths = Widths::default();
    let models = models(root.section("models"), directory, &mut widths.threads);
    devices(document, root.section("devices"), &mut widths);
    let scheduler = scheduler(root.section("scheduler"), directory);
    let onnxruntime = onnxruntime(root.section("onnxruntime"), directory);
    let policy = policy(document, root.section("policy"));
    let output = output(root.section("output"));
    let late = late(root.section("late"));
    let status_socket = status(root.section("status"), directory);
    let metrics = root.optional("metrics", located(metrics));
    let streams = root.required("stream", "[[stream]] with name, source and budget", |node| {
        streams(node, directory)
    });
    root.finish();
    if let Some(fault) = left_out(&policy, &models) {
        document.note(fault);
    }
    Some(Config {
        models,
        onnxruntime,
        policy,
        output,
        widths,
        scheduler,
        late,
        status_socket,
        metrics,
        streams: streams?,
    })
}

fn models(
    mut section: Section<'_>,
    directory: &Path,
    threads: &mut Vec<NonZeroUsize>,
) -> ModelsConfig {
    let names = "a list of models' names, or leave it out to use every model";
    let ladder = "a list of \"tensorrt\", \"cuda\" and \"cpu\", the best first";
    let models = ModelsConfig {
        directory: section.optional("directory", located(value::path(directory))),
        names: section.optional("use", distinct(names, value::model)),
        premodel: section.optional("premodel", located(value::path(directory))),
        providers: match section.optional("providers", distinct(ladder, value::provider)) {
            Some(ladder) => ladder.into_iter().map(|provider| provider.value).collect(),
            None => Provider::LADDER.to_vec(),
        },
    };
    if let Some(widths) = section.optional("threads", value::counts(MOST_THREADS)) {
        *threads = widths;
    }
    section.finish();
    models
}

fn devices(document: &Document<'_>, mut section: Section<'_>, widths: &mut Widths) {
    let cores = section.optional("cpu_cores", located(value::count(MOST_THREADS)));
    let runs = section.optional("gpu_runs", value::count(MOST_GPU_RUNS));
    section.finish();
    if let Some(cores) = &cores
        && cores.value < widths.widest()
    {
        let problem = format!("runs of {} threads do not fit", widths.widest());
        let remedy = "write as many cores at least, or fewer models.threads";
        document.note(cores.location.fault(problem, remedy));
    }
    widths.cpu_cores = cores.map(|cores| cores.value);
    widths.gpu_runs = runs.unwrap_or(widths.gpu_runs);
}

fn scheduler(mut section: Section<'_>, directory: &Path) -> SchedulerConfig {
    let config = SchedulerConfig {
        on_time: section.optional("on_time", value::on_time).unwrap_or_default(),
        estimates: section.optional("estimates", value::path(directory)),
    };
    section.finish();
    config
}

fn onnxruntime(mut section: Section<'_>, directory: &Path) -> Option<Located<PathBuf>> {
    let library = section.optional("library", located(value::path(directory)));
    section.finish();
    library
}

fn policy(document: &Document<'_>, mut section: Section<'_>) -> PolicyConfig {
    let kind = section.optional("kind", located(value::policy));
    let seed = section.optional("seed", value::seed).unwrap_or(0);
    let accuracy = section.optional("accuracy_target", located(value::accuracy_target));
    let mean_time = section.optional("mean_time_target", located(value::mean_time_target));
    let study = section.optional("study", located(value::model));
    section.finish();
    if let (Some(_), Some(second)) = (&accuracy, &mean_time) {
        let remedy = "keep one of the two";
        document.note(second.location.fault("there is an accuracy_target too", remedy));
    }
    let target = accuracy.or(mean_time);
    if let (Some(kind), Some(target)) = (&kind, &target)
        && kind.value != PolicyKind::Adaptive
    {
        let problem = format!("the policy {} has no target", kind.value);
        document.note(target.location.fault(problem, "remove it, or write kind = \"adaptive\""));
    }
    if let (Some(kind), Some(study)) = (&kind, &study)
        && kind.value != PolicyKind::Adaptive
    {
        let problem = format!("the policy {} has no use for a model that studies", kind.value);
        document.note(study.location.fault(problem, "remove it, or write kind = \"adaptive\""));
    }
    PolicyConfig { kind, target, study, seed }
}

fn output(mut section: Section<'_>) -> OutputConfig {
    let top_k = section.optional("top_k", value::count(MOST_LABELS)).unwrap_or(DEFAULT_LABELS);
    section.finish();
    OutputConfig { top_k }
}

fn late(mut section: Section<'_>) -> LateLimits {
    let default = LateLimits::default();
    let limits = LateLimits {
        margin: section.optional("margin", value::time(MARGINS)).or(default.margin),
        fence_after: section
            .optional("fence_after", value::time(FENCES))
            .unwrap_or(default.fence_after),
        ..default
    };
    section.finish();
    limits
}

fn status(mut section: Section<'_>, directory: &Path) -> Option<Located<PathBuf>> {
    let socket = section.optional("socket", located(value::path(directory)));
    section.finish();
    socket
}

/// The address of a section that is there: whoever writes none has no open port.
fn metrics(node: &Node<'_>) -> Result<SocketAddr, Fault> {
    let mut section = node.section("a table, [metrics]")?;
    let listen = section.optional("listen", value::address);
    section.finish();
    Ok(listen.unwrap_or(DEFAULT_LISTEN))
}

fn streams(node: &Node<'_>, directory: &Path) -> Result<Vec<StreamConfig>, Fault> {
    let expected = "[[stream]], with two brackets, above each stream";
    let elements = node.elements(expected)?;
    if elements.is_empty() {
        return Err(node.fault("there is no stream", format!("write {expected}")));
    }
    let mut names = Distinct::default();
    Ok(elements.iter().filter_map(|element| stream(element, directory, &mut names)).collect())
}

fn stream(
    node: &Node<'_>,
    directory: &Path,
    names: &mut Distinct<StreamName>,
) -> Option<StreamConfig> {
    let section = node.section("[[stream]] and its keys below it");
    let mut section = section.map_err(|fault| node.document.note(fault)).ok()?;
    let name = section.required("name", "name = \"door\"", located(value::stream_name));
    let source = located(value::source(directory));
    let source = section.required("source", "source = \"rtsp://...\"", source);
    let credentials = section.optional("credentials", located(value::login_file(directory)));
    let budget = section.required("budget", "budget = \"100ms\"", value::budget);
    let stall_after = section.optional("stall_after", value::time(STALLS));
    let every = section.optional("every", value::count(SPARSEST));
    let target_rate = section.optional("target_rate", located(value::target_rate));
    if let Some(rate) = &target_rate
        && every.is_some_and(|every| every > ONE)
    {
        let fault = rate.location.fault("there is `every` too", "keep one of the two");
        node.document.note(fault);
    }
    let pace = section.optional("realtime", value::pace).unwrap_or(Pace::Clock);
    let playback = section.optional("loop", located(value::playback));
    if let Some(playback) = &playback
        && (playback.value, pace) == (Playback::Loop, Pace::Work)
    {
        let problem = "what never ends is paced by the clock";
        node.document.note(playback.location.fault(problem, "write realtime = true"));
    }
    let parameters = section.optional("parameters", value::parameters).unwrap_or_default();
    let terms = terms(&mut section);
    section.finish();
    let name = name?;
    names.insert(name.clone(), node.document);
    Some(StreamConfig {
        name: name.value,
        source: source?,
        credentials,
        parameters,
        budget: budget?,
        stall_after: stall_after.unwrap_or(Patience::default().stall_after),
        playback: playback.map(|playback| playback.value).unwrap_or_default(),
        every: every.unwrap_or(ONE),
        target_rate: target_rate.map(|rate| rate.value),
        pace,
        terms,
    })
}

fn terms(section: &mut Section<'_>) -> Terms {
    let Terms { priority, minimum_share } = Terms::default();
    Terms {
        priority: section.optional("priority", value::priority).unwrap_or(priority),
        minimum_share: section.optional("minimum_share", value::share).unwrap_or(minimum_share),
    }
}

/// The fault of a fixed policy whose model is not used.
fn left_out(policy: &PolicyConfig, models: &ModelsConfig) -> Option<Fault> {
    let (kind, names) = (policy.kind.as_ref()?, models.names.as_ref()?);
    let PolicyKind::Fixed(model) = &kind.value else { return None };
    let used = names.iter().any(|name| name.value == *model);
    let fault = || kind.location.fault("models.use leaves this model out", "add it there");
    (!used).then(fault)
}
