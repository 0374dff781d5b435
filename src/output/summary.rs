//! A run in numbers: what became of its frames, and which models answered them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::losses::Losses;
use super::record::Milliseconds;
use super::table::Table;
use super::tally::{ModelTally, Tally};
use crate::frame::StreamName;
use crate::inference::LateWork;
use crate::models::ModelId;
use crate::study::StudyWork;

/// A run in numbers.
///
/// As JSON it is one object:
/// - `total`: [`Figures`] over all streams;
/// - `streams`: an array, by name, of objects with `stream` (its name) and the keys of [`Figures`];
/// - `late_work`: [`LateWork`], what was done about runs that lasted too long;
/// - `study`: [`StudyWork`], what was done by a model that studies scenes;
/// - `losses`: [`Losses`], how often the sources of streams were lost, by reason.
///
/// Displayed, it is a short table for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Over all streams.
    pub total: Figures,
    /// Each stream, by name.
    pub streams: Vec<StreamFigures>,
    /// What was done about runs that lasted too long. The output stage does not know: whoever has
    /// the workers fills it in.
    pub late_work: LateWork,
    /// What was studied; whoever has the student fills it in.
    pub study: StudyWork,
    /// How often sources were lost; whoever has the streams fills it in.
    pub losses: Losses,
}

/// One stream's part of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamFigures {
    /// The stream's name.
    pub stream: String,
    /// Its numbers.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What became of the frames of a stream, or of all streams. The keys in JSON are the field names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Frames captured: the sum of the eight outcomes and `lost`.
    pub captured: u64,
    /// Frames that a model answered, in time or hardly later.
    pub classified: u64,
    /// Frames that took over an answer of their stream.
    pub reused: u64,
    /// Of these, frames between those that are classified.
    pub reused_between: u64,
    /// Of these, frames that hardly differ from an answered one.
    pub reused_nearly_equal: u64,
    /// Those that had no time for a model and took over the answer of their scene.
    pub reused_same_scene: u64,
    /// Frames that a newer one of their stream replaced.
    pub superseded: u64,
    /// Frames beyond the target rate of their stream.
    pub skipped: u64,
    /// Frames that no model could have answered in time.
    pub expired: u64,
    /// Frames on which a model ran for too long beyond the deadline, so that its answer was dropped.
    pub late: u64,
    /// Frames that something went wrong with.
    pub failed: u64,
    /// Frames that were still waiting when the program stopped.
    pub abandoned: u64,
    /// Frames whose outcome never came; other than 0 only by a fault of this program.
    pub lost: u64,
    /// Classified or reused frames with an answer by their deadline.
    pub met_deadline: u64,
    /// Classified or reused frames without one: it came later, or there was none to reuse.
    pub missed_deadline: u64,
    /// The share of captured frames answered by their deadline, 0 to 1; null if none was captured.
    pub effective: Option<f64>,
    /// Seconds from the first capture to the last outcome.
    pub wall_s: f64,
    /// Captured frames per second of `wall_s`; null if that is 0.
    pub frames_per_s: Option<f64>,
    /// Runs of models on classified frames; one that frames shared counts for each of them.
    pub runs: u64,
    /// Runs for each classified or reused frame; null without such a frame.
    pub mean_runs: Option<f64>,
    /// Milliseconds of these runs for each classified or reused frame; null without such a frame. Of a
    /// run that frames shared each has its share.
    pub mean_inference_ms: Option<f64>,
    /// The models that ran, by name.
    pub models: Vec<ModelFigures>,
}

/// What one model did. The keys in JSON are the field names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFigures {
    /// The model.
    pub model: ModelId,
    /// The execution provider it ran on: `tensorrt`, `cuda` or `cpu`.
    pub provider: &'static str,
    /// Frames it classified; where several models ran on a frame, the last one counts.
    pub frames: u64,
    /// Its share of the classified frames, 0 to 1.
    pub share: f64,
    /// Its runs on classified frames.
    pub runs: u64,
    /// Its share of all such runs, 0 to 1.
    pub run_share: f64,
    /// Median time of a run in milliseconds, right to 0.8 %; null if none was measured.
    pub inference_p50_ms: Option<f64>,
    /// Time that 95 % of its runs did not exceed, likewise.
    pub inference_p95_ms: Option<f64>,
}

/// Numbers that do not add up: a fault of this program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the counts of {of} do not add up: {left} is {left_count}, but {right} is {right_count}")]
pub struct Imbalance {
    of: String,
    left: &'static str,
    left_count: u64,
    right: &'static str,
    right_count: u64,
}

impl Summary {
    /// Closes the tallies of all streams.
    pub(super) fn new(tallies: &BTreeMap<StreamName, Tally>) -> Self {
        let mut total = Tally::default();
        tallies.values().for_each(|tally| total.merge(tally));
        let of_stream = |(name, tally): (&StreamName, &Tally)| StreamFigures {
            stream: name.as_str().to_owned(),
            figures: Figures::new(tally),
        };
        Self {
            total: Figures::new(&total),
            streams: tallies.iter().map(of_stream).collect(),
            late_work: LateWork::default(),
            study: StudyWork::default(),
            losses: Losses::default(),
        }
    }

    /// Checks that every captured frame has one outcome, that deadlines were met or missed by
    /// answered frames only, that every answer has its model, and that streams make up the total.
    pub fn balance(&self) -> Result<(), Imbalance> {
        self.total.balance("all streams")?;
        for stream in &self.streams {
            stream.figures.balance(&stream.stream)?;
        }
        let captured = self.streams.iter().map(|stream| stream.figures.captured).sum();
        let captured = ("the sum over the streams", captured);
        equal("all streams", ("captured", self.total.captured), captured)
    }
}

impl Figures {
    fn new(tally: &Tally) -> Self {
        let wall_s = tally.wall().as_secs_f64();
        let model =
            |(model, figures): (&ModelId, &ModelTally)| ModelFigures::new(model, figures, tally);
        let answered = tally.classified + tally.reused();
        let inference_ms = Milliseconds::from(tally.inference).get();
        Self {
            captured: tally.captured,
            classified: tally.classified,
            reused: tally.reused(),
            reused_between: tally.reused_between,
            reused_nearly_equal: tally.reused_nearly_equal,
            reused_same_scene: tally.reused_same_scene,
            superseded: tally.superseded,
            skipped: tally.skipped,
            expired: tally.expired,
            late: tally.late,
            failed: tally.failed,
            abandoned: tally.abandoned,
            lost: tally.lost,
            met_deadline: tally.met_deadline,
            missed_deadline: answered.saturating_sub(tally.met_deadline),
            effective: ratio(tally.met_deadline as f64, tally.captured as f64),
            wall_s: rounded(wall_s),
            frames_per_s: ratio(tally.captured as f64, wall_s),
            runs: tally.runs,
            mean_runs: ratio(tally.runs as f64, answered as f64),
            mean_inference_ms: ratio(inference_ms, answered as f64),
            models: tally.models.iter().map(model).collect(),
        }
    }

    fn balance(&self, of: &str) -> Result<(), Imbalance> {
        let outcomes = self.classified + self.reused + self.superseded + self.expired;
        let outcomes =
            outcomes + self.skipped + self.late + self.failed + self.abandoned + self.lost;
        let by_model = self.models.iter().map(|model| model.frames).sum();
        let answered = self.classified + self.reused;
        let judged = self.met_deadline + self.missed_deadline;
        let reused = self.reused_between + self.reused_nearly_equal + self.reused_same_scene;
        let runs = self.models.iter().map(|model| model.runs).sum();
        equal(of, ("captured", self.captured), ("the sum of the outcomes", outcomes))?;
        let deadlines = ("met_deadline + missed_deadline", judged);
        equal(of, deadlines, ("classified + reused", answered))?;
        equal(of, ("reused", self.reused), ("the sum over the reasons", reused))?;
        equal(of, ("runs", self.runs), ("the sum over the models", runs))?;
        equal(of, ("classified", self.classified), ("the sum over the models", by_model))
    }
}

impl ModelFigures {
    fn new(model: &ModelId, tally: &ModelTally, all: &Tally) -> Self {
        let percentile = |percent| {
            tally.inference.percentile(percent).map(|time| Milliseconds::from(time).get())
        };
        Self {
            model: model.clone(),
            provider: tally.provider.as_str(),
            frames: tally.frames,
            share: ratio(tally.frames as f64, all.classified as f64).unwrap_or(0.0),
            runs: tally.runs,
            run_share: ratio(tally.runs as f64, all.runs as f64).unwrap_or(0.0),
            inference_p50_ms: percentile(50),
            inference_p95_ms: percentile(95),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        write!(f, "{} frames in {:.1} s", total.captured, total.wall_s)?;
        if let Some(rate) = total.frames_per_s {
            write!(f, " ({rate:.1} frames/s)")?;
        }
        writeln!(f, ", {} answered in time", percent(total.effective))?;
        write!(f, "\n{}", stream_table(self))?;
        if self.late_work != LateWork::default() {
            let LateWork { answered_without, terminated, fenced, rebuilt, lost } = self.late_work;
            writeln!(
                f,
                "\nlate runs: {answered_without} frames answered without, {terminated} ended, {fenced} stuck; \
                 {rebuilt} models rebuilt, {lost} lost"
            )?;
        }
        if self.study != StudyWork::default() {
            let StudyWork { done, in_vain, failed, seconds } = self.study;
            writeln!(
                f,
                "\nstudies: {done} in {seconds:.1} s; {in_vain} came to nothing, as their scene was over; \
                 {failed} failed"
            )?;
        }
        if !self.losses.is_empty() {
            writeln!(f, "\nlost sources: {}", self.losses)?;
        }
        if total.models.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", model_table(&total.models))?;
        match (total.mean_inference_ms, total.mean_runs) {
            (Some(time), Some(runs)) => {
                writeln!(f, "\nan answer took {time:.1} ms in {runs:.2} runs of models")
            }
            _ => Ok(()),
        }
    }
}

fn stream_table(summary: &Summary) -> Table {
    let mut table = Table::new([
        "stream",
        "captured",
        "classified",
        "reused",
        "superseded",
        "skipped",
        "expired",
        "late",
        "failed",
        "abandoned",
        "lost",
        "missed",
        "in time",
    ]);
    for stream in &summary.streams {
        table.row(stream_row(&stream.stream, &stream.figures));
    }
    if summary.streams.len() != 1 {
        table.row(stream_row("total", &summary.total));
    }
    table
}

fn stream_row(name: &str, figures: &Figures) -> [String; 13] {
    [
        name.to_owned(),
        figures.captured.to_string(),
        figures.classified.to_string(),
        figures.reused.to_string(),
        figures.superseded.to_string(),
        figures.skipped.to_string(),
        figures.expired.to_string(),
        figures.late.to_string(),
        figures.failed.to_string(),
        figures.abandoned.to_string(),
        figures.lost.to_string(),
        figures.missed_deadline.to_string(),
        percent(figures.effective),
    ]
}

fn model_table(models: &[ModelFigures]) -> Table {
    let mut table =
        Table::new(["model", "provider", "frames", "share", "runs", "p50 ms", "p95 ms"]);
    for model in models {
        table.row([
            model.model.to_string(),
            model.provider.to_owned(),
            model.frames.to_string(),
            percent(Some(model.share)),
            model.runs.to_string(),
            milliseconds(model.inference_p50_ms),
            milliseconds(model.inference_p95_ms),
        ]);
    }
    table
}

fn equal(
    of: &str,
    (left, left_count): (&'static str, u64),
    (right, right_count): (&'static str, u64),
) -> Result<(), Imbalance> {
    if left_count == right_count {
        return Ok(());
    }
    Err(Imbalance { of: of.to_owned(), left, left_count, right, right_count })
}

/// `part / whole`, rounded; `None` of nothing.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| rounded(part / whole))
}

/// Six decimals: more are noise.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn milliseconds(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}"))
}
