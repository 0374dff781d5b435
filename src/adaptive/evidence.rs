//! What the models have said of a frame so far.

use super::fusion::Fused;
use super::guesses::Guesses;
use super::knowledge::ModelSet;

/// Evidence that has faded below this share is dropped.
const FORGOTTEN: f32 = 0.1;

/// A model whose evidence has faded below this share may run again.
const STALE: f32 = 0.5;

/// What one model said, and how much of it still counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Testimony {
    pub(super) guesses: Guesses,
    /// 1 for a run on this frame, less for one carried over.
    pub(super) share: f32,
}

/// The guesses of the models that ran on a frame or, in the same scene, before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// By the model's place in the pool.
    testimonies: Vec<Option<Testimony>>,
    /// The models that ran on this frame, in order.
    runs: Vec<usize>,
    pub(super) fused: Option<Fused>,
    pub(super) certainty: f32,
}

impl Evidence {
    /// The same for the next frame of the scene, `share` of it remembered; nothing for a share of
    /// 0.
    #[must_use]
    pub fn aged(&self, share: f32) -> Self {
        let fade = |testimony: &Testimony| {
            let share = testimony.share * share;
            let guesses = testimony.guesses.clone();
            (share >= FORGOTTEN).then_some(Testimony { guesses, share })
        };
        let faded = self.testimonies.iter().map(|testimony| testimony.as_ref().and_then(fade));
        Self { testimonies: faded.collect(), ..Self::default() }
    }

    /// The models that ran on this frame, in order, by their places in the pool.
    pub fn runs(&self) -> &[usize] {
        &self.runs
    }

    /// The probability that the fused answer is right; 0 without evidence.
    pub fn certainty(&self) -> f32 {
        self.certainty
    }

    /// The fused answer; `None` without evidence.
    pub fn answer(&self) -> Option<&Fused> {
        self.fused.as_ref()
    }

    /// Whether what some model said of the frame, or of its scene, is recent.
    pub fn is_fresh(&self) -> bool {
        !self.fresh().is_empty()
    }

    /// The models that need not run again: what they said of the scene is recent.
    pub(super) fn fresh(&self) -> ModelSet {
        let fresh = self.testimonies().filter(|(_, testimony)| testimony.share >= STALE);
        fresh.map(|(model, _)| model).collect()
    }

    /// The models that have anything to say.
    pub(super) fn set(&self) -> ModelSet {
        self.testimonies().map(|(model, _)| model).collect()
    }

    pub(super) fn testimonies(&self) -> impl Iterator<Item = (usize, &Testimony)> {
        let numbered = self.testimonies.iter().enumerate();
        numbered.filter_map(|(model, testimony)| Some((model, testimony.as_ref()?)))
    }

    /// Adds a run on this frame.
    pub(super) fn add(&mut self, model: usize, guesses: Guesses) {
        self.learn(model, guesses);
        self.runs.push(model);
    }

    /// Adds what a model says of the scene now, averaged with what it said before.
    pub(super) fn learn(&mut self, model: usize, guesses: Guesses) {
        if self.testimonies.len() <= model {
            self.testimonies.resize(model + 1, None);
        }
        let before = self.testimonies[model].take();
        let guesses = match before {
            Some(before) => guesses.blended(&before.guesses, before.share),
            None => guesses,
        };
        self.testimonies[model] = Some(Testimony { guesses, share: 1.0 });
    }

    /// Drops the model that counts least, of equals the quickest, to make room. Whether there was one
    /// that is not to be kept.
    pub(super) fn drop_faintest(&mut self, kept: ModelSet) -> bool {
        let others = self.testimonies().filter(|(model, _)| !kept.contains(*model));
        let faintest = others.min_by(|(_, a), (_, b)| a.share.total_cmp(&b.share));
        let Some((model, _)) = faintest else { return false };
        self.testimonies[model] = None;
        self.runs.retain(|run| *run != model);
        true
    }
}
