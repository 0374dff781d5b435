//! The `select` thread: takes frames out of the mailbox, ranks the models for each, and hands it
//! to the scheduler.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use crate::capture::mailbox::Receiver;
use crate::clock::Clock;
use crate::features::{Extractor, FeatureError};
use crate::frame::{Frame, StreamName};
use crate::models::ModelId;
use crate::outcome::{Basis, Failure, Outcome, Stage};
use crate::premodel::{RankedPremodel, Selection};
use crate::scheduler::Queue;

/// How the models for a frame are ranked.
pub enum Selector {
    /// By the premodel, from the picture's features.
    Premodel(Box<Extractor>, Box<RankedPremodel>),
    /// This model and no other.
    Fixed(ModelId),
    /// In an order drawn by lot for each frame; the features are not needed.
    Random(Vec<ModelId>, fastrand::Rng),
}

impl Selector {
    /// Ranks the models for `frame` and writes into its trace what that showed.
    fn select(&mut self, frame: &mut Frame, clock: Clock) -> Result<Selection, FeatureError> {
        match self {
            Self::Premodel(extractor, premodel) => by_features(extractor, premodel, frame, clock),
            Self::Fixed(model) => {
                Ok(Selection { ranking: vec![(model.clone(), 1.0)], basis: Basis::Fixed })
            }
            Self::Random(models, lots) => {
                lots.shuffle(models);
                let chance = 1.0 / models.len() as f32;
                let ranking = models.iter().map(|model| (model.clone(), chance)).collect();
                Ok(Selection { ranking, basis: Basis::Random })
            }
        }
    }
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

/// Runs until the mailbox closes; then closes the queue.
pub fn run(
    mailbox: Receiver,
    every: BTreeMap<StreamName, Every>,
    mut selector: Selector,
    queue: Arc<Queue>,
    clock: Clock,
) {
    let mut taken = BTreeMap::new();
    while let Some(mut frame) = mailbox.take() {
        note_wait(&mut frame, clock.now());
        if is_between(&frame, &every, &mut taken) {
            frame.ticket.report(Outcome::Reused);
            continue;
        }
        match selector.select(&mut frame, clock) {
            Ok(selection) => queue.submit(frame, selection),
            Err(error) => {
                frame.ticket.report(Outcome::Failed(Failure::new(Stage::Features, &error)));
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
fn is_between(
    frame: &Frame,
    every: &BTreeMap<StreamName, Every>,
    taken: &mut BTreeMap<StreamName, u64>,
) -> bool {
    let stream = &frame.ticket.account().origin.id.stream;
    let Some(every) = every.get(stream) else { return false };
    let taken = taken.entry(stream.clone()).or_default();
    let is_between = !taken.is_multiple_of(every.get() as u64);
    *taken += 1;
    is_between
}
