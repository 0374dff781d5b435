//! `classifyd bench`: what a replay costs beyond the model's own runs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use crossbeam_channel::{never, unbounded};
use serde::Serialize;

use super::equipment::{self, Choice, Execution};
use super::{Context, Failure, stdout};
use crate::capture::mailbox::{self, Delivery};
use crate::capture::{self, EventKind, Playback, Source, StreamSpec};
use crate::daemon::{self, Plan, Setup, StreamPlan};
use crate::frame::{Budget, StreamName};
use crate::inference::{LateLimits, Preprocessor, Roster, Widths};
use crate::learn::latency::median_of;
use crate::models::{Manifest, ModelId};
use crate::onnx::{Session, Tensor};
use crate::output::Progress;
use crate::scheduler::estimate::OnTime;
use crate::scheduler::{Discipline, Terms};
use crate::select::{Every, Selector};
use crate::systemd::Startup;

/// What `bench` takes.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// The video
    video: String,
    /// The model that classifies every frame
    #[arg(long, value_name = "NAME", default_value = "efficientnet_lite0")]
    model: String,
    /// Threads of one inference
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Times that each way is measured, in turns; medians count
    #[arg(long, value_name = "N", default_value = "5")]
    repeat: NonZeroUsize,
}

/// One figure of each way, printed as JSON.
#[derive(Serialize)]
struct Figures {
    model: String,
    threads: usize,
    frames: usize,
    /// Seconds that the replay takes, from opening the video to the last record written.
    replay_s: f64,
    /// Seconds that ONNX Runtime takes for the same frames' tensors, made beforehand.
    onnxruntime_s: f64,
    /// The one over the other.
    ratio: f64,
}

/// Runs `bench`.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let unnamed = || Failure::usage(format!("`{}` cannot be a model's name", arguments.model));
    let model = ModelId::new(&arguments.model).ok_or_else(unnamed)?;
    let spec = StreamSpec {
        name: StreamName::new("bench"),
        source: Source::parse(&arguments.video, context.places.pipelines().as_deref())?,
        budget: "1h".parse::<Budget>().map_err(anyhow::Error::from)?,
        patience: None,
        playback: Playback::Once,
    };
    let manifests = equipment::of_named_width(equipment::manifests(
        &context.places.models()?,
        Choice::Named(std::slice::from_ref(&model)),
    )?);
    let execution = Execution::with_threads(arguments.threads);
    let runtime = equipment::runtime(context)?;
    let load = || equipment::load(&runtime, manifests.clone(), execution.clone(), context);
    let (manifest, preprocessor, mut session) = first(load()?)?;
    let tensors = tensors(&spec, preprocessor, context)?;
    let mut ways: [Vec<Duration>; 2] = Default::default();
    for _ in 0..arguments.repeat.get() {
        ways[0].push(replay(
            &spec,
            &manifest.id,
            (load()?, execution.widths.clone()),
            tensors.len(),
            context,
        )?);
        ways[1].push(run_alone(&mut session, &tensors, context)?);
    }
    let [replay, onnxruntime] = ways.map(|times| median_of(times).as_secs_f64());
    let figures = Figures {
        model: model.to_string(),
        threads: arguments.threads.get(),
        frames: tensors.len(),
        replay_s: replay,
        onnxruntime_s: onnxruntime,
        ratio: replay / onnxruntime,
    };
    Ok(stdout::print(serde_json::to_string(&figures).context("no figures")? + "\n")?)
}

fn first(roster: Roster) -> anyhow::Result<(Manifest, Preprocessor, Session)> {
    let classifier = roster.classifiers.into_iter().next().context("no model was loaded")?;
    Ok(classifier.into_parts())
}

/// The tensors of all frames of a video.
fn tensors(
    spec: &StreamSpec,
    mut preprocessor: Preprocessor,
    context: &Context,
) -> Result<Vec<Tensor>, Failure> {
    let (mailbox, frames) = mailbox::mailbox();
    let (events, from_capture) = unbounded();
    let (settled, _outcomes) = unbounded();
    let sender = mailbox.open(Delivery::Lossless);
    drop(mailbox);
    let capture = capture::start(spec, sender, settled, events, context.clock)?;
    let watch = thread::spawn(move || {
        let fault = from_capture.iter().find(|event| event.kind.is_last()).map(|last| last.kind);
        capture.stop();
        fault
    });
    let mut tensors = Vec::new();
    while let Some(frame) = frames.take() {
        tensors.push(preprocessor.tensor(&frame.picture).map_err(anyhow::Error::from)?);
    }
    match watch.join() {
        Ok(Some(EventKind::Failed(error))) => Err(error.into()),
        Ok(_) => Ok(tensors),
        Err(_) => Err(anyhow::anyhow!("the decoding thread has panicked").into()),
    }
}

/// Time of a whole run, from opening the video until every stage is down. Only a run that answers
/// every frame is a measure.
fn replay(
    spec: &StreamSpec,
    model: &ModelId,
    (roster, widths): (Roster, Widths),
    frames: usize,
    context: &Context,
) -> Result<Duration, Failure> {
    let (spec, delivery) = (spec.clone(), Delivery::Lossless);
    let (every, terms) = (Every::MIN, Terms::default());
    let stream = StreamPlan { spec, delivery, every, target_rate: None, terms };
    let setup = Setup {
        streams: vec![stream],
        roster,
        widths,
        on_time: OnTime::default(),
        discipline: Discipline::Deadlines,
        estimates: None,
        selector: Selector::Fixed(model.clone()),
        study: None,
        top_k: 5,
        late: LateLimits::default(),
    };
    let (sink, progress) = (Box::new(io::sink()), Progress::hidden());
    let (operations, startup) = (Arc::default(), Startup::default());
    let plan = Plan { setup, reload: None, sink, progress, operations, startup };
    let start = context.clock.now();
    let report = daemon::run(plan, &never(), context.clock)?;
    let took = context.clock.now() - start;
    if let Some((_, fault)) = report.faults.into_iter().next() {
        return Err(fault.into());
    }
    if let Some(breakdown) = report.breakdown {
        return Err(breakdown.into());
    }
    let summary = report.summary.context("the replay left no summary")?;
    let classified = summary.total.classified;
    if classified != frames as u64 {
        let error = anyhow::anyhow!("the replay answered {classified} of {frames} frames");
        return Err(error.into());
    }
    Ok(took)
}

fn run_alone(
    session: &mut Session,
    tensors: &[Tensor],
    context: &Context,
) -> anyhow::Result<Duration> {
    let start = context.clock.now();
    for tensor in tensors {
        session.run(tensor)?;
    }
    Ok(context.clock.now() - start)
}
