//! Building, starting and stopping a GStreamer pipeline.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer::{ClockTime, ElementFactory, ParseContext, ParseError, ParseFlags, Pipeline, State};
use gstreamer_app::AppSink;

use super::autoplug;
use super::error::CaptureError;
use super::inventory;
use super::launch::Launch;
use super::mailbox::{Delivery, Gate};
use super::sink::Intake;
use super::source::Recipe;
use super::stall::StallGuard;
use super::watch::Watch;

/// The name of the appsink that is appended to every pipeline.
const SINK: &str = "classifyd_frames";

/// A pipeline that plays; dropped, it is stopped.
pub(super) struct RunningPipeline {
    pipeline: Pipeline,
    gate: Gate,
    watch: Arc<Watch>,
    /// For sources that cannot be silent and well.
    guard: Option<StallGuard>,
}

/// Starts GStreamer, the first time.
pub(super) fn init() -> Result<(), CaptureError> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let started = STARTED.get_or_init(|| gstreamer::init().map_err(|error| error.to_string()));
    started.clone().map_err(|reason| CaptureError::Gstreamer { reason })
}

impl RunningPipeline {
    /// Builds the pipeline of `recipe` and plays it into `intake`.
    pub(super) fn start(
        recipe: &Recipe,
        intake: Intake,
        watch: Arc<Watch>,
    ) -> Result<Self, CaptureError> {
        init()?;
        let pipeline = build(recipe, &watch.input)?;
        let gate = intake.mailbox.gate();
        prepare_sink(&pipeline, recipe, intake)?;
        autoplug::forbid_fetching(&pipeline, &watch);
        let listener = Arc::clone(&watch);
        if let Some(bus) = pipeline.bus() {
            bus.set_sync_handler(move |_, message| listener.hear(message));
        }
        // From here on, dropping it stops the pipeline.
        let mut running = Self { pipeline, gate, watch, guard: None };
        let playing = running.pipeline.set_state(State::Playing);
        running.watch.started(playing)?;
        if !recipe.flow.is_live() {
            let watch = Arc::clone(&running.watch);
            running.guard = Some(StallGuard::new(&running.pipeline, watch));
        }
        Ok(running)
    }

    /// How long the source plays, if it says so (a file does once its first frame is decoded).
    pub(super) fn duration(&self) -> Option<Duration> {
        self.pipeline.query_duration::<ClockTime>().map(Duration::from)
    }
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        self.guard = None;
        self.watch.silence();
        // The streaming thread may wait in the mailbox, and stopping waits for that thread.
        self.gate.close();
        if self.pipeline.set_state(State::Null).is_err() {
            log::debug!("a pipeline did not stop in good order");
        }
    }
}

/// Parses the recipe's text with the tail appended.
fn build(recipe: &Recipe, input: &str) -> Result<Pipeline, CaptureError> {
    let text = format!(
        "{} ! videoconvert ! video/x-raw,format={{BGRx,RGBx}} ! appsink name={SINK}",
        choose(&recipe.launches)
    );
    let mut context = ParseContext::new();
    let parsed = gstreamer::parse::launch_full(&text, Some(&mut context), ParseFlags::FATAL_ERRORS);
    let element = parsed.map_err(|error| unbuildable(recipe, input, &context, &error))?;
    element.downcast().map_err(|_| wrong(recipe, "it is no chain of elements".into()))
}

/// The first text whose elements are installed; the last one needs none.
fn choose(launches: &[Launch]) -> &str {
    let fitting = launches.iter().find(|launch| are_installed(&launch.needs));
    fitting.or(launches.last()).map_or("", |launch| launch.text.as_str())
}

/// Whether GStreamer has these elements.
pub(super) fn are_installed(elements: &[String]) -> bool {
    elements.iter().all(|name| ElementFactory::find(name).is_some())
}

fn unbuildable(
    recipe: &Recipe,
    input: &str,
    context: &ParseContext,
    error: &gstreamer::glib::Error,
) -> CaptureError {
    match (error.kind::<ParseError>(), context.missing_elements().into_iter().next()) {
        (Some(ParseError::NoSuchElement), Some(element)) => CaptureError::MissingElement {
            input: input.to_owned(),
            remedy: inventory::remedy(&element),
            element,
        },
        _ => wrong(recipe, recipe.secrets.hide(error.message())),
    }
}

fn wrong(recipe: &Recipe, fault: String) -> CaptureError {
    CaptureError::Description { path: recipe.description.clone(), fault }
}

fn prepare_sink(pipeline: &Pipeline, recipe: &Recipe, intake: Intake) -> Result<(), CaptureError> {
    let sink = pipeline.by_name(SINK).and_then(|sink| sink.downcast::<AppSink>().ok());
    let sink = sink.ok_or_else(|| wrong(recipe, format!("the name {SINK} is taken")))?;
    sink.set_sync(is_paced(recipe, intake.mailbox.delivery()));
    // A late frame is late because the models are busy; the mailbox settles that, and counts it.
    // Told of lateness, videoconvert would drop frames that nobody counts.
    sink.set_qos(false);
    sink.set_max_buffers(1);
    sink.set_drop(false);
    // The sink would hold on to one more picture.
    sink.set_enable_last_sample(false);
    sink.set_callbacks(intake.callbacks());
    Ok(())
}

/// Whether the sink holds each frame until its time: a file played as if it were a camera.
fn is_paced(recipe: &Recipe, delivery: Delivery) -> bool {
    match delivery {
        Delivery::NewestWins => !recipe.flow.is_live(),
        Delivery::Lossless => false,
    }
}
