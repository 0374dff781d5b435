//! The `select` thread: takes frames out of the mailbox, ranks the models for each, and hands it
//! to the scheduler, or settles it if it needs none.

mod rate;

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capture::mailbox::Receiver;
use crate::clock::Clock;
use crate::course::{self, Beginning, Course, Guide};
use crate::features::{Extractor, FeatureError};
use crate::frame::{Frame, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{Basis, Failure, Outcome, Reuse, Stage, Stop};
use crate::premodel::{RankedPremodel, Selection};
use crate::resample::ResampleError;
use crate::scene::{Continuity, Thumbnailer};
use crate::scheduler::{Offer, Queue, Task};

use rate::Thinning;
pub use rate::{TargetRate, TargetRateError};

/// How the models for a frame are ranked.
pub enum Selector {
    /// By the premodel, from the picture's features.
    Premodel(Box<Extractor>, Box<RankedPremodel>),
    /// This model and no other.
    Fixed(ModelId),
    /// In an order drawn by lot for each frame; the features are not needed.
    Random(Vec<ModelId>, fastrand::Rng),
    /// By what they are expected to add to what is known; no features are needed.
    Adaptive(Box<Thumbnailer>, Arc<Guide>),
}

/// What is to become of a frame.
enum Choice {
    /// A model should run on it.
    Run(Offer, Option<Box<Course>>),
    /// It takes over an answer.
    Reuse(Reuse),
    /// No model should run on it; it takes over the answer of its scene, if that goes on.
    Skip(Option<Box<Course>>),
}

impl Selector {
    /// Ranks the models for `frame` and writes into its trace what that showed.
    fn choose(
        &mut self,
        frame: &mut Frame,
        continuity: Continuity,
        clock: Clock,
    ) -> Result<Choice, Box<dyn Error>> {
        let selection = match self {
            Self::Premodel(extractor, premodel) => by_features(extractor, premodel, frame, clock)?,
            Self::Fixed(model) => {
                Selection { ranking: vec![(model.clone(), 1.0)], basis: Basis::Fixed }
            }
            Self::Random(models, lots) => {
                lots.shuffle(models);
                let chance = 1.0 / models.len() as f32;
                let ranking = models.iter().map(|model| (model.clone(), chance)).collect();
                Selection { ranking, basis: Basis::Random }
            }
            Self::Adaptive(thumbnailer, guide) => {
                return Ok(by_scene(thumbnailer, guide, (frame, continuity), clock)?);
            }
        };
        Ok(Choice::Run(selection.into(), None))
    }

    /// What is to become of a frame beyond the target rate. A policy that remembers scenes looks at it.
    fn spare(
        &mut self,
        frame: &mut Frame,
        continuity: Continuity,
        clock: Clock,
    ) -> Result<Choice, Box<dyn Error>> {
        let Self::Adaptive(thumbnailer, guide) = self else { return Ok(Choice::Skip(None)) };
        match by_scene(thumbnailer, guide, (frame, continuity), clock)? {
            Choice::Run(_, course) | Choice::Skip(course) => Ok(Choice::Skip(course)),
            Choice::Reuse(reuse) => Ok(Choice::Reuse(reuse)),
        }
    }
}

/// Where only work counts, a frame waits for those of its stream before it: what is remembered for
/// it, and so its answer, then is the same in every run.
fn by_scene(
    thumbnailer: &mut Thumbnailer,
    guide: &Arc<Guide>,
    (frame, continuity): (&mut Frame, Continuity),
    clock: Clock,
) -> Result<Choice, ResampleError> {
    let start = clock.now();
    let id = frame.ticket.account().origin.id.clone();
    let (beginning, waited) = match continuity {
        Continuity::Unrelated => (guide.begin_alone(), Duration::ZERO),
        Continuity::Continuous => {
            let thumbnail = thumbnailer.thumbnail(&frame.picture)?;
            let ready = clock.now();
            if frame.ticket.account().pace == Pace::Work {
                guide.memory().wait_for(&id.stream);
            }
            let waited = clock.now() - ready;
            (guide.begin(&id, thumbnail), waited)
        }
    };
    let choice = match beginning {
        Beginning::Reuse(reuse) => Choice::Reuse(reuse),
        Beginning::Course(course) => Choice::Run(course.offer(), Some(course)),
    };
    let worked = (clock.now() - start).saturating_sub(waited);
    frame.ticket.waited(waited);
    frame.ticket.trace().timings.policy = Some(worked);
    Ok(choice)
}

fn by_features(
    extractor: &mut Extractor,
    premodel: &RankedPremodel,
    frame: &mut Frame,
    clock: Clock,
) -> Result<Selection, FeatureError> {
    let start = clock.now();
    let features = extractor.extract(&frame.picture)?;
    let measured = clock.now();
    let selection = premodel.select(&features);
    let trace = frame.ticket.trace();
    trace.features = Some(premodel.premodel().features().named(&features).collect());
    trace.scores = selection.ranking.clone();
    trace.timings.features = Some(measured - start);
    trace.timings.premodel = Some(clock.now() - measured);
    Ok(selection)
}

/// Of a stream's frames, one in this many is classified; those between reuse its answer.
pub type Every = NonZeroUsize;

/// How the frames of a stream are taken.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// Which are classified.
    pub every: Every,
    /// How many are classified in a second of the stream at most; `None` for all.
    pub target_rate: Option<TargetRate>,
    /// Whether they show what those before them show.
    pub continuity: Continuity,
}

impl Default for Habit {
    fn default() -> Self {
        Self { every: Every::MIN, target_rate: None, continuity: Continuity::Unrelated }
    }
}

/// Runs until the mailbox closes; then closes the queue.
pub fn run(
    mailbox: Receiver,
    habits: BTreeMap<StreamName, Habit>,
    mut selector: Selector,
    queue: Arc<Queue>,
    clock: Clock,
) {
    let (mut taken, mut thinnings) = (BTreeMap::new(), BTreeMap::new());
    while let Some(mut frame) = mailbox.take() {
        note_wait(&mut frame, clock.now());
        let habit = habits.get(&frame.ticket.account().origin.id.stream).copied();
        let Habit { every, target_rate, continuity } = habit.unwrap_or_default();
        if is_between(&frame, every, &mut taken) {
            frame.ticket.report(Outcome::Reused(Reuse::Between));
            continue;
        }
        let is_beyond = target_rate.is_some_and(|rate| is_beyond(&frame, rate, &mut thinnings));
        let choice = if is_beyond {
            selector.spare(&mut frame, continuity, clock)
        } else {
            selector.choose(&mut frame, continuity, clock)
        };
        match choice {
            Ok(Choice::Run(offer, course)) => queue.submit(Task { frame, course }, offer),
            Ok(Choice::Skip(course)) => {
                course::end(course, frame.ticket, Stop::Load, Outcome::Skipped);
            }
            Ok(Choice::Reuse(reuse)) => frame.ticket.report(Outcome::Reused(reuse)),
            Err(error) => {
                frame.ticket.report(Outcome::Failed(Failure::new(Stage::Features, &*error)));
            }
        }
    }
    queue.close();
}

fn note_wait(frame: &mut Frame, now: Instant) {
    let captured = frame.ticket.account().origin.captured;
    frame.ticket.waited(now.saturating_duration_since(captured));
}

/// Counts the frames taken of each stream, not those captured: a superseded frame must not be the
/// one whose turn it was.
fn is_between(frame: &Frame, every: Every, taken: &mut BTreeMap<StreamName, u64>) -> bool {
    let stream = &frame.ticket.account().origin.id.stream;
    let taken = taken.entry(stream.clone()).or_default();
    let is_between = !taken.is_multiple_of(every.get() as u64);
    *taken += 1;
    is_between
}

/// Whether a frame is beyond its stream's target rate: by the instants of capture, or where only work
/// counts by the time of the recording. Images are frames without a time, and all are taken.
fn is_beyond(
    frame: &Frame,
    rate: TargetRate,
    thinnings: &mut BTreeMap<StreamName, (Instant, Thinning)>,
) -> bool {
    let account = frame.ticket.account();
    let origin = &account.origin;
    let Some(pts) = origin.pts else { return false };
    let fresh = || (origin.captured, Thinning::new(rate));
    let (first, thinning) = thinnings.entry(origin.id.stream.clone()).or_insert_with(fresh);
    let at = match account.pace {
        Pace::Clock => origin.captured.saturating_duration_since(*first),
        Pace::Work => pts,
    };
    !thinning.takes(at)
}
