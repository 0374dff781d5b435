//! One frame's record: what a line of output says, in the order in which it says it.
//!
//! `schema/record.schema.json` describes every key; the tests hold this module to it.

use std::time::{Duration, SystemTime};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::reuse::Reusable;
use crate::models::{ModelId, Provider};
use crate::outcome::{
    Answer, Classification, Considered, Outcome, Reason, Reuse, Run, Settled, Timings,
};

/// The JSON Schema (draft 2020-12) of a record.
pub const RECORD_SCHEMA: &str = include_str!("../../schema/record.schema.json");

/// One line of output.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    stream: &'a str,
    frame: u64,
    pts_ns: Option<u64>,
    captured_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_step_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    outcome: &'static str,
    model: Option<&'a ModelId>,
    provider: Option<&'static str>,
    reason: &'static str,
    labels: Vec<Label<'a>>,
    runs: Vec<RunRecord<'a>>,
    deadline_ms: Milliseconds,
    met_deadline: bool,
    #[serde(serialize_with = "named_features")]
    features: Option<&'a [(&'static str, f32)]>,
    #[serde(serialize_with = "scores_by_model")]
    scores: &'a [(ModelId, f32)],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    considered: Vec<Vec<ConsideredRecord<'a>>>,
    timings_ms: TimingsRecord,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
}

/// Keys that only some outcomes have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Replaced { preferred: &'a ModelId },
    Adaptive { certainty: f32, stopped_by: &'static str },
    Reused { reused_from: Option<u64> },
    LikeAnother { reused_from: u64, difference: f32 },
    Expired { quickest: Option<&'a ModelId>, needed_ms: Milliseconds, left_ms: Milliseconds },
    Late { ran: &'a ModelId },
    Failed { error: &'a str, stage: &'static str },
}

#[derive(Debug, Serialize)]
struct Label<'a> {
    class: usize,
    label: &'a str,
    confidence: f32,
}

#[derive(Debug, Serialize)]
struct ConsideredRecord<'a> {
    model: &'a ModelId,
    device: &'a str,
    cores: usize,
    finish_ms: Milliseconds,
    chance: f64,
    utility: f32,
}

#[derive(Debug, Serialize)]
struct RunRecord<'a> {
    model: &'a ModelId,
    inference_ms: Milliseconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
}

#[derive(Debug, Serialize)]
struct TimingsRecord {
    features: Option<Milliseconds>,
    premodel: Option<Milliseconds>,
    policy: Option<Milliseconds>,
    queue: Option<Milliseconds>,
    preprocess: Option<Milliseconds>,
    inference: Option<Milliseconds>,
    total: Milliseconds,
}

/// A time in milliseconds, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Milliseconds(f64);

impl From<Duration> for Milliseconds {
    fn from(time: Duration) -> Self {
        Self((time.as_secs_f64() * 1e6).round() / 1e3)
    }
}

impl Milliseconds {
    /// The number of milliseconds.
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl<'a> Record<'a> {
    /// The record of `settled`; `reusable` is its stream's latest answer, which a reused frame
    /// takes over; `clock_step_ms` is how far the time of day stepped before it, if it did.
    pub(super) fn new(
        settled: &'a Settled,
        reusable: Option<&'a Reusable>,
        clock_step_ms: Option<i64>,
    ) -> Self {
        let (account, origin) = (&settled.account, &settled.account.origin);
        let answer = answer(&settled.outcome, reusable);
        Self {
            stream: origin.id.stream.as_str(),
            frame: origin.id.number,
            pts_ns: origin.pts.map(|pts| u64::try_from(pts.as_nanos()).unwrap_or(u64::MAX)),
            captured_at: rfc3339(origin.wall),
            clock_step_ms,
            file: origin.file.as_deref(),
            outcome: outcome_code(&settled.outcome),
            model: answer.map(|answer| &answer.model),
            provider: answer.map(|answer| answer.provider).map(Provider::as_str),
            reason: settled.outcome.reason(),
            labels: answer.map_or(&[][..], |answer| &answer.labels).iter().map(label).collect(),
            runs: runs(&settled.outcome).iter().map(run).collect(),
            deadline_ms: account.budget.duration().into(),
            met_deadline: answer.is_some() && settled.met_deadline(),
            features: account.trace.features.as_deref(),
            scores: &account.trace.scores,
            considered: considered(&account.trace.considered),
            timings_ms: TimingsRecord::new(&account.trace.timings, settled.total()),
            detail: Detail::new(&settled.outcome, reusable),
        }
    }

    /// Whether the frame was answered by its deadline.
    pub(super) fn met_deadline(&self) -> bool {
        self.met_deadline
    }
}

fn considered(decisions: &[Vec<Considered>]) -> Vec<Vec<ConsideredRecord<'_>>> {
    decisions.iter().map(|runs| runs.iter().map(ConsideredRecord::from).collect()).collect()
}

impl<'a> From<&'a Considered> for ConsideredRecord<'a> {
    fn from(considered: &'a Considered) -> Self {
        Self {
            model: &considered.model,
            device: &considered.device,
            cores: considered.cores,
            finish_ms: considered.finish.into(),
            chance: (considered.chance * 1e6).round() / 1e6,
            utility: considered.utility,
        }
    }
}

impl<'a> Detail<'a> {
    fn new(outcome: &'a Outcome, reusable: Option<&'a Reusable>) -> Option<Self> {
        match outcome {
            Outcome::Classified(answer) => Self::of_answer(answer),
            Outcome::Reused(Reuse::Between) => {
                Some(Self::Reused { reused_from: reusable.map(|reusable| reusable.number) })
            }
            Outcome::Reused(
                Reuse::NearlyEqual { from, difference, .. }
                | Reuse::SameScene { from, difference, .. },
            ) => Some(Self::LikeAnother { reused_from: *from, difference: *difference }),
            Outcome::Expired(shortfall) => Some(Self::Expired {
                quickest: shortfall.quickest.as_ref(),
                needed_ms: shortfall.needed.into(),
                left_ms: shortfall.left.into(),
            }),
            Outcome::Late(model) => Some(Self::Late { ran: model }),
            Outcome::Failed(failure) => {
                Some(Self::Failed { error: &failure.error, stage: failure.stage.code() })
            }
            Outcome::Superseded | Outcome::Skipped | Outcome::Abandoned => None,
        }
    }

    fn of_answer(answer: &'a Answer) -> Option<Self> {
        match (&answer.weighed, &answer.reason) {
            (Some(weighed), _) => Some(Self::Adaptive {
                certainty: weighed.certainty.get(),
                stopped_by: weighed.stopped_by.code(),
            }),
            (None, Reason::PreferredTooSlow(preferred) | Reason::PreferredTooCostly(preferred)) => {
                Some(Self::Replaced { preferred })
            }
            (None, Reason::Preferred(_)) => None,
        }
    }
}

impl TimingsRecord {
    fn new(timings: &Timings, total: Duration) -> Self {
        Self {
            features: timings.features.map(Into::into),
            premodel: timings.premodel.map(Into::into),
            policy: timings.policy.map(Into::into),
            queue: timings.queue.map(Into::into),
            preprocess: timings.preprocess.map(Into::into),
            inference: timings.inference.map(Into::into),
            total: total.into(),
        }
    }
}

/// The answer that a frame got: its own, or the one it reuses.
fn answer<'a>(outcome: &'a Outcome, reusable: Option<&'a Reusable>) -> Option<&'a Answer> {
    match outcome {
        Outcome::Classified(answer) => Some(answer),
        Outcome::Reused(Reuse::Between) => reusable.map(|reusable| &reusable.answer),
        Outcome::Reused(Reuse::NearlyEqual { answer, .. } | Reuse::SameScene { answer, .. }) => {
            Some(answer)
        }
        Outcome::Superseded
        | Outcome::Skipped
        | Outcome::Expired(_)
        | Outcome::Late(_)
        | Outcome::Failed(_)
        | Outcome::Abandoned => None,
    }
}

fn outcome_code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Classified(_) => "classified",
        Outcome::Reused(_) => "reused",
        Outcome::Superseded => "superseded",
        Outcome::Skipped => "skipped",
        Outcome::Expired(_) => "expired",
        Outcome::Late(_) => "late",
        Outcome::Failed(_) => "failed",
        Outcome::Abandoned => "abandoned",
    }
}

/// The runs on the frame itself: none for one that reuses an answer.
fn runs(outcome: &Outcome) -> &[Run] {
    match outcome {
        Outcome::Classified(answer) => &answer.runs,
        Outcome::Reused(_)
        | Outcome::Superseded
        | Outcome::Skipped
        | Outcome::Expired(_)
        | Outcome::Late(_)
        | Outcome::Failed(_)
        | Outcome::Abandoned => &[],
    }
}

fn run(run: &Run) -> RunRecord<'_> {
    let batch = (run.batch > 1).then_some(run.batch);
    RunRecord { model: &run.model, inference_ms: run.inference.into(), batch }
}

fn label(classification: &Classification) -> Label<'_> {
    Label {
        class: classification.class,
        label: &classification.label,
        confidence: classification.confidence.get(),
    }
}

/// UTC to the microsecond. RFC 3339 has no years before 0 and after 9999; a clock that is set
/// before 1970 or after 9999 shows the nearest time in between.
pub(crate) fn rfc3339(wall: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_micros(wall.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}

fn named_features<S: Serializer>(
    features: &Option<&[(&'static str, f32)]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match features {
        Some(features) => serializer.collect_map(features.iter().copied()),
        None => serializer.serialize_none(),
    }
}

/// An object in the order of preference, which a map type would not keep.
fn scores_by_model<S: Serializer>(
    scores: &[(ModelId, f32)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(scores.len()))?;
    for (model, score) in scores {
        map.serialize_entry(model, score)?;
    }
    map.end()
}
