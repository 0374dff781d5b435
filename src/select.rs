//! The `select` thread: takes frames out of the mailbox, ranks the models for each, and hands it
//! to the scheduler, or settles it if it needs none.

mod rate;

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capture::mailbox::{Receiver, Taken};
use crate::clock::Clock;
use crate::course::{self, Beginning, Course, Guide};
use crate::features::{Extractor, FeatureError};
use crate::frame::{Frame, Pace, StreamName};
use crate::models::ModelId;
use crate::outcome::{self, Basis, Failure, Outcome, Reuse, Stop};
use crate::premodel::{RankedPremodel, Selection};
use crate::resample::ResampleError;
use crate::scene::{Continuity, Thumbnailer};
use crate::scheduler::{Offer, Queue, Task};
use crate::study::{Easel, Look};

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
    /// What it remembers of scenes by; `None` if it does not.
    pub fn guide(&self) -> Option<&Arc<Guide>> {
        match self {
            Self::Adaptive(_, guide) => Some(guide),
            Self::Premodel(..) | Self::Fixed(_) | Self::Random(..) => None,
        }
    }

    /// The same that goes on with what another remembers of scenes, where both can.
    #[must_use]
    pub fn going_on_from(self, before: Option<&Arc<Guide>>) -> Self {
        match (self, before) {
            (Self::Adaptive(thumbnailer, guide), Some(before)) => {
                Self::Adaptive(thumbnailer, guide.going_on_from(before))
            }
            (other, _) => other,
        }
    }

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

/// What frames are dealt with by, until another takes its place.
pub struct Desk {
    /// Ranks the models.
    pub selector: Selector,
    /// How the frames of each stream are taken.
    pub habits: BTreeMap<StreamName, Habit>,
    /// The streams whose source is another than before.
    pub fresh: Vec<StreamName>,
    /// Where frames go.
    pub queue: Arc<Queue>,
    /// Where the pictures of frames go that need no model; `None` if nobody studies them.
    pub easel: Option<Easel>,
}

/// Runs until the mailbox closes; then closes the queue. A desk that comes as one of `successors` takes
/// the place of the one before between two frames, and the queue of that one is closed. Who sends one
/// calls the reader of the mailbox.
pub fn run(mailbox: Receiver, desk: Desk, successors: Successors, clock: Clock) {
    let mut stage = Stage { desk, taken: BTreeMap::new(), thinnings: BTreeMap::new(), clock };
    while let Some(taken) = mailbox.take_or_hear() {
        // Before a frame that is there, as it may be the first of a stream that only the successor knows.
        successors.try_iter().for_each(|desk| stage.move_to(desk));
        match taken {
            Taken::Frame(frame) => stage.deal_with(frame),
            Taken::Call => {}
        }
    }
    successors.try_iter().for_each(|desk| stage.move_to(desk));
    stage.desk.queue.close();
}

/// The desks to come.
pub type Successors = crossbeam_channel::Receiver<Desk>;

struct Stage {
    desk: Desk,
    /// By stream: frames taken.
    taken: BTreeMap<StreamName, u64>,
    thinnings: BTreeMap<StreamName, (Instant, Thinning)>,
    clock: Clock,
}

impl Stage {
    /// What is known of streams that go on is kept. Frames of streams that are no more may still come.
    fn move_to(&mut self, desk: Desk) {
        let mut old = std::mem::replace(&mut self.desk, desk);
        old.queue.close();
        for name in &self.desk.fresh {
            self.taken.remove(name);
            self.thinnings.remove(name);
        }
        old.habits.retain(|name, habit| match self.desk.habits.get(name) {
            Some(new) if new.target_rate == habit.target_rate => false,
            Some(_) => {
                self.thinnings.remove(name);
                false
            }
            None => true,
        });
        self.desk.habits.append(&mut old.habits);
    }

    fn deal_with(&mut self, mut frame: Frame) {
        let clock = self.clock;
        note_wait(&mut frame, clock.now());
        let Desk { selector, habits, queue, easel, .. } = &mut self.desk;
        let habit = habits.get(&frame.ticket.account().origin.id.stream).copied();
        let Habit { every, target_rate, continuity } = habit.unwrap_or_default();
        if is_between(&frame, every, &mut self.taken) {
            frame.ticket.report(Outcome::Reused(Reuse::Between));
            return;
        }
        let is_beyond =
            target_rate.is_some_and(|rate| is_beyond(&frame, rate, &mut self.thinnings));
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
            Ok(Choice::Reuse(reuse)) => {
                let Frame { picture, ticket } = frame;
                let account = ticket.account();
                // Where only work counts, answers would depend on how long a study takes.
                let easel = easel.as_ref().filter(|_| account.pace == Pace::Clock);
                let studied = easel.map(|easel| (easel, account.origin.id.clone()));
                ticket.report(Outcome::Reused(reuse));
                if let Some((easel, frame)) = studied {
                    easel.offer(Look { frame, picture });
                }
            }
            Err(error) => {
                frame
                    .ticket
                    .report(Outcome::Failed(Failure::new(outcome::Stage::Features, &*error)));
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::unbounded;
    use image::RgbImage;

    use super::*;
    use crate::capture::mailbox::{Delivery, mailbox};
    use crate::frame::Picture;
    use crate::outcome::tests::ticket;
    use crate::scheduler::estimate::OnTime;
    use crate::scheduler::{Cost, DeviceTerms, Dispatch, Next, RunnerTerms, Scheduler};

    fn queue() -> Arc<Queue> {
        let (model, millisecond) = (ModelId::new("a").unwrap(), Duration::from_millis(1));
        let warm_up = vec![Cost { preprocess: millisecond, run: millisecond }];
        let runner = RunnerTerms {
            model,
            device: 0,
            cores: 1,
            warm_up,
            batches: Vec::new(),
            remembered: None,
        };
        let device = DeviceTerms { name: "cpu".to_owned(), cores: 1 };
        Queue::new(Scheduler::new(&[device], vec![runner], OnTime::default()), Clock)
    }

    fn desk(queue: &Arc<Queue>) -> Desk {
        let selector = Selector::Fixed(ModelId::new("a").unwrap());
        let (habits, fresh, queue) = (BTreeMap::new(), Vec::new(), Arc::clone(queue));
        Desk { selector, habits, fresh, queue, easel: None }
    }

    /// The number of the next frame that is to run; `None` at the end.
    fn next(queue: &Arc<Queue>) -> Option<u64> {
        match queue.next()? {
            Next::Run(Dispatch { passengers, .. }) => {
                Some(passengers[0].task.frame.ticket.account().origin.id.number)
            }
            Next::Expired(..) | Next::Settle(..) => panic!("it has an hour"),
        }
    }

    #[test]
    fn frames_go_to_the_next_desk_and_the_queue_of_the_one_before_is_closed() {
        let (settled, _outcomes) = unbounded();
        let frame = |number| {
            let picture = Picture::from_rgb(RgbImage::new(1, 1)).unwrap();
            let budget = "1h".parse().unwrap();
            Frame {
                picture,
                ticket: ticket(number, Clock.now(), budget, Pace::Clock, settled.clone()),
            }
        };
        let ((mailbox, frames), (desks, successors)) = (mailbox(), unbounded());
        let (sender, [old, new]) = (mailbox.open(Delivery::Lossless), [(); 2].map(|()| queue()));
        let first = desk(&old);
        let stage = thread::spawn(move || run(frames, first, successors, Clock));
        sender.post(frame(0)).unwrap();
        assert_eq!(next(&old), Some(0));
        desks.send(desk(&new)).unwrap();
        mailbox.call();
        assert_eq!(next(&old), None, "without a further frame");
        sender.post(frame(1)).unwrap();
        // One that comes when there are no more frames still gets its queue closed.
        let last = queue();
        desks.send(desk(&last)).unwrap();
        drop((sender, mailbox));
        stage.join().unwrap();
        let to_either = next(&new).or_else(|| next(&last));
        assert_eq!(to_either, Some(1));
        assert_eq!((next(&new), next(&last)), (None, None));
    }
}
