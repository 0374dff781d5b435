//! Counters and histograms of frames, streams and runs: those that are counted as things happen.
//!
//! Names follow Prometheus's conventions: seconds, `_total`, and no label whose values the outside
//! decides. There are as many series as streams and models in the configuration ask for.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::capture::{Loss, SourceState};
use crate::models::{ModelId, Provider};
use crate::outcome::{Stage, Timings};

/// The outcomes of a frame, as records call them, and the one that is none.
pub(super) const OUTCOMES: [&str; 9] = [
    "classified",
    "reused",
    "superseded",
    "skipped",
    "expired",
    "late",
    "failed",
    "abandoned",
    "lost",
];

/// Why frames have no answer, as records call it, and the reason that is in no record.
pub(super) const DROPS: [&str; 7] = [
    "newer_frame",
    "above_target_rate",
    "no_model_fits",
    "run_too_long",
    "stage_failed",
    "program_stopped",
    "never_settled",
];

/// Why frames have the answer that they have, as records call it.
pub(super) const CHOICES: [&str; 11] = [
    "premodel",
    "premodel_fallback",
    "premodel_share",
    "fixed",
    "random",
    "preferred_too_slow",
    "preferred_too_costly",
    "adaptive",
    "between_classified_frames",
    "nearly_equal",
    "same_scene",
];

/// The names of [`SourceState`].
pub(super) const STATES: [&str; 5] = ["starting", "live", "stalled", "retrying", "ended"];

const STAGES: [Stage; 4] = [Stage::Capture, Stage::Features, Stage::Preprocess, Stage::Inference];

/// Upper bounds in seconds of what takes microseconds to some milliseconds.
const SHORT: [f64; 12] =
    [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2e-3, 4e-3, 8e-3, 16e-3, 33e-3, 66e-3, 0.125];

/// Upper bounds in seconds of what takes milliseconds to seconds. Frames come every 16, 33 or 40 ms, and
/// budgets are often 33, 50, 100, 250 or 500 ms.
const LONG: [f64; 16] = [
    1e-3, 2e-3, 4e-3, 8e-3, 16e-3, 25e-3, 33e-3, 50e-3, 75e-3, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Expectation of what is decided below.
const SOUND: &str = "names, labels and buckets of this program are well formed and unique";

/// The meters of all streams and models.
pub(super) struct Meters {
    pub(super) registry: Registry,
    features: Histogram,
    premodel: Histogram,
    policy: Histogram,
    queue: Histogram,
    preprocess: Histogram,
    inference: Histogram,
    age: HistogramVec,
    frames: IntCounterVec,
    answers: IntCounterVec,
    choices: IntCounterVec,
    drops: IntCounterVec,
    failures: IntCounterVec,
    states: IntGaugeVec,
    losses: IntCounterVec,
    recoveries: IntCounterVec,
    runs: IntCounterVec,
}

/// The meters of one stream: none of them is looked up when a frame is counted.
pub(super) struct StreamMeters {
    pub(super) age: Histogram,
    /// In the order of [`OUTCOMES`].
    pub(super) outcomes: [IntCounter; OUTCOMES.len()],
    pub(super) met_deadline: IntCounter,
    pub(super) missed_deadline: IntCounter,
    /// In the order of [`CHOICES`].
    choices: [IntCounter; CHOICES.len()],
    /// In the order of [`DROPS`].
    pub(super) drops: [IntCounter; DROPS.len()],
    failures: [IntCounter; STAGES.len()],
    states: [IntGauge; STATES.len()],
    losses: [IntCounter; Loss::ALL.len()],
    pub(super) recoveries: IntCounter,
}

impl Default for Meters {
    fn default() -> Self {
        let registry = Registry::new();
        let kept = &registry;
        Self {
            features: histogram(kept, "features", &SHORT, "measuring the features of a frame"),
            premodel: histogram(kept, "premodel", &SHORT, "the premodel's vote on a frame"),
            policy: histogram(kept, "policy", &SHORT, "the adaptive policy's own work on a frame"),
            queue: histogram(kept, "queue", &LONG, "waiting of a frame for other frames"),
            preprocess: histogram(kept, "preprocess", &SHORT, "making the tensors of a frame"),
            inference: histogram(kept, "inference", &LONG, "all runs of models on a frame"),
            age: frame_age(kept),
            frames: counters(
                kept,
                ("classifyd_frames_total", &["stream", "outcome"]),
                "Frames by what became of them; lost ones are a fault of the program.",
            ),
            answers: counters(
                kept,
                ("classifyd_answers_total", &["stream", "deadline"]),
                "Classified and reused frames, by whether the answer was out by its deadline.",
            ),
            choices: counters(
                kept,
                ("classifyd_answer_reasons_total", &["stream", "reason"]),
                "Classified and reused frames, by the reason that their records give.",
            ),
            drops: counters(
                kept,
                ("classifyd_frames_dropped_total", &["stream", "reason"]),
                "Frames without an answer, by the reason that their records give.",
            ),
            failures: counters(
                kept,
                ("classifyd_frame_failures_total", &["stream", "stage"]),
                "Failed frames, by the stage that failed.",
            ),
            states: gauges(
                kept,
                ("classifyd_stream_state", &["stream", "state"]),
                "1 for the state that the stream's source is in, 0 for the others.",
            ),
            losses: counters(
                kept,
                ("classifyd_source_losses_total", &["stream", "kind"]),
                "How often the stream's source was lost, and how.",
            ),
            recoveries: counters(
                kept,
                ("classifyd_source_recoveries_total", &["stream"]),
                "How often the stream's source gave frames again after it was lost.",
            ),
            runs: counters(
                kept,
                ("classifyd_model_runs_total", &["model", "provider"]),
                "Runs of models on classified frames, by execution provider.",
            ),
            registry,
        }
    }
}

fn histogram(registry: &Registry, stage: &str, buckets: &[f64], what: &str) -> Histogram {
    let help = format!("Time spent on {what}.");
    let options = HistogramOpts::new(format!("classifyd_{stage}_duration_seconds"), help);
    kept(registry, Histogram::with_opts(options.buckets(buckets.to_vec())))
}

fn frame_age(registry: &Registry) -> HistogramVec {
    let help = "Time from the capture of a frame to its record, by stream.";
    let options = HistogramOpts::new("classifyd_frame_age_seconds", help);
    kept(registry, HistogramVec::new(options.buckets(LONG.to_vec()), &["stream"]))
}

fn counters(registry: &Registry, (name, labels): (&str, &[&str]), help: &str) -> IntCounterVec {
    kept(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(registry: &Registry, (name, labels): (&str, &[&str]), help: &str) -> IntGaugeVec {
    kept(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn kept<M: Collector + Clone + 'static>(registry: &Registry, meter: prometheus::Result<M>) -> M {
    let meter = meter.expect(SOUND);
    registry.register(Box::new(meter.clone())).expect(SOUND);
    meter
}

impl Meters {
    /// The meters of a stream, all of them shown from now on.
    pub(super) fn of_stream(&self, stream: &str) -> StreamMeters {
        let losses = Loss::ALL.map(|loss| self.losses.with_label_values(&[stream, loss.name()]));
        StreamMeters {
            age: self.age.with_label_values(&[stream]),
            outcomes: OUTCOMES.map(|outcome| self.frames.with_label_values(&[stream, outcome])),
            met_deadline: self.answers.with_label_values(&[stream, "met"]),
            missed_deadline: self.answers.with_label_values(&[stream, "missed"]),
            choices: CHOICES.map(|reason| self.choices.with_label_values(&[stream, reason])),
            drops: DROPS.map(|reason| self.drops.with_label_values(&[stream, reason])),
            failures: STAGES.map(|at| self.failures.with_label_values(&[stream, at.code()])),
            states: STATES.map(|state| self.states.with_label_values(&[stream, state])),
            losses,
            recoveries: self.recoveries.with_label_values(&[stream]),
        }
    }

    /// Shows nothing of a stream any more.
    pub(super) fn forget_stream(&self, stream: &str) {
        // What was never there need not be removed.
        let _ = self.age.remove_label_values(&[stream]);
        let _ = self.recoveries.remove_label_values(&[stream]);
        let forget = |meters: &IntCounterVec, values: &[&str]| {
            for value in values {
                let _ = meters.remove_label_values(&[stream, value]);
            }
        };
        forget(&self.frames, &OUTCOMES);
        forget(&self.answers, &["met", "missed"]);
        forget(&self.choices, &CHOICES);
        forget(&self.drops, &DROPS);
        forget(&self.failures, &STAGES.map(Stage::code));
        forget(&self.losses, &Loss::ALL.map(Loss::name));
        for state in STATES {
            let _ = self.states.remove_label_values(&[stream, state]);
        }
    }

    /// The runs of a model.
    pub(super) fn runs(&self, model: &ModelId, provider: Provider) -> IntCounter {
        self.runs.with_label_values(&[model.as_str(), provider.as_str()])
    }

    /// Counts the times of a frame.
    pub(super) fn count_stages(&self, timings: &Timings) {
        let Timings { features, premodel, policy, queue, preprocess, inference } = timings;
        observe(&self.features, *features);
        observe(&self.premodel, *premodel);
        observe(&self.policy, *policy);
        observe(&self.queue, *queue);
        observe(&self.preprocess, *preprocess);
        observe(&self.inference, *inference);
    }
}

fn observe(histogram: &Histogram, time: Option<Duration>) {
    if let Some(time) = time {
        histogram.observe(time.as_secs_f64());
    }
}

impl StreamMeters {
    /// Counts why a frame has its answer.
    pub(super) fn count_choice(&self, reason: &str) {
        let position = CHOICES.iter().position(|other| *other == reason);
        if let Some(choices) = position.and_then(|place| self.choices.get(place)) {
            choices.inc();
        }
    }

    /// Counts a failure of a stage.
    pub(super) fn count_failure(&self, stage: Stage) {
        let position = STAGES.iter().position(|other| *other == stage);
        if let Some(failures) = position.and_then(|place| self.failures.get(place)) {
            failures.inc();
        }
    }

    /// Counts a loss of the source.
    pub(super) fn count_loss(&self, loss: Loss) {
        self.losses[place_of(loss)].inc();
    }

    /// How often the source was lost like that.
    pub(super) fn losses(&self, loss: Loss) -> u64 {
        self.losses[place_of(loss)].get()
    }

    /// Shows a state, and no other.
    pub(super) fn show(&self, state: &SourceState) {
        for (name, gauge) in STATES.iter().zip(&self.states) {
            gauge.set(i64::from(*name == state.name()));
        }
    }
}

fn place_of(loss: Loss) -> usize {
    match loss {
        Loss::NotStarted => 0,
        Loss::Failed => 1,
        Loss::Ended => 2,
        Loss::Stalled => 3,
        Loss::Undecodable => 4,
        Loss::Resized => 5,
        Loss::TimeJump => 6,
    }
}
