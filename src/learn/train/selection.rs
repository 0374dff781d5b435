//! Which features the premodel looks at, and how many neighbours vote.
//!
//! After the [filter](super::correlation) comes greedy elimination: again and again the feature goes
//! without which the premodel does best in cross-validation, down to the number asked for. What
//! counts is how often the model that the vote chooses is right; of equals, in how little time; then
//! the name of the feature that goes. K is chosen last, in the same way; of equals the smallest.
//!
//! Here deployment, optima and scaling are those of all pictures given, and only the neighbours are
//! of other folds. What the premodel is worth, [evaluation](super::evaluation) says, which gives
//! the pictures to be tested on to none of this.
//!
//! Elimination tries some hundred sets, so of more than [`QUERIES`] pictures only that many, drawn
//! by the seed, are asked about; the neighbours are sought among all.

use super::ballot::{Ballot, Tally};
use super::folds::deal;
use super::options::{FeatureChoice, KChoice, TrainOptions};
use super::table::FoldTable;
use super::{TrainError, correlation};
use crate::features::{FeatureSet, Features};
use crate::learn::parallel::in_parts;

/// Pictures that elimination and the choice of k ask about at most. The standard error of an
/// accuracy is then at most 1.1 points, that of a difference between two sets smaller.
const QUERIES: usize = 2048;

/// A feature that the premodel does not look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropped {
    /// Its position in [`Features::NAMES`].
    pub column: usize,
    /// Why it went.
    pub reason: Reason,
}

/// Why a feature went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// It is the same on every picture.
    Constant,
    /// Another one says the same.
    Correlated {
        /// The position of the other in [`Features::NAMES`].
        with: usize,
        /// Pearson's correlation.
        r: f64,
    },
    /// Of those left it was missed least.
    Eliminated {
        /// The accuracy in cross-validation without it, in percent.
        accuracy: f64,
    },
}

impl Dropped {
    /// Its name.
    pub fn name(&self) -> &'static str {
        Features::NAMES[self.column]
    }
}

/// How the features were chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSelection {
    /// The features that the premodel looks at.
    pub chosen: FeatureSet,
    /// The others, in the order in which they went; none if the choice was the user's.
    pub dropped: Vec<Dropped>,
    /// The accuracy in cross-validation with all that elimination began with, in percent; `None` if
    /// there was none.
    pub before: Option<f64>,
}

/// How many neighbours vote.
#[derive(Clone, Debug, PartialEq)]
pub struct KSelection {
    /// So many.
    pub chosen: usize,
    /// Each k that was tried, and the accuracy in cross-validation, in percent; none if the choice
    /// was the user's.
    pub tried: Vec<(usize, f64)>,
}

/// Cross-validation within the pictures of a ballot.
pub(super) struct Trial<'a> {
    ballot: &'a Ballot<'a>,
    folds: Vec<Vec<usize>>,
    /// The pictures asked about.
    queries: Vec<usize>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(ballot: &'a Ballot<'a>, options: &TrainOptions) -> Self {
        let groups: Vec<usize> = ballot.pictures.iter().map(|picture| picture.group).collect();
        let folds = deal(&groups, options.folds, options.seed);
        let mut queries: Vec<usize> = (0..groups.len()).collect();
        fastrand::Rng::with_seed(options.seed).shuffle(&mut queries);
        queries.truncate(QUERIES);
        Self { ballot, folds, queries }
    }

    /// Chooses features, by a vote of so many neighbours.
    pub(super) fn features(
        &self,
        choice: &FeatureChoice,
        k: usize,
    ) -> Result<FeatureSelection, TrainError> {
        let aim = match choice {
            FeatureChoice::Named(set) => {
                return Ok(FeatureSelection {
                    chosen: set.clone(),
                    dropped: Vec::new(),
                    before: None,
                });
            }
            FeatureChoice::Count(count) => *count,
            FeatureChoice::Auto => 1,
        };
        let (left, mut dropped) = correlation::filter(self.ballot.pictures);
        let candidates = FeatureSet::of_columns(left).ok_or(TrainError::NothingDiffers)?;
        if candidates.len() <= aim {
            return Ok(FeatureSelection { chosen: candidates, dropped, before: None });
        }
        let mut elimination = self.eliminate(&candidates, k, aim)?;
        if *choice == FeatureChoice::Auto {
            elimination.keep_best();
        }
        let gone: Vec<usize> = elimination.steps.iter().map(|step| step.0).collect();
        let chosen = candidates.columns().iter().copied().filter(|column| !gone.contains(column));
        let chosen = FeatureSet::of_columns(chosen).ok_or(TrainError::NothingDiffers)?;
        dropped.extend(elimination.steps.iter().map(|&(column, tally)| Dropped {
            column,
            reason: Reason::Eliminated { accuracy: tally.score().accuracy },
        }));
        let before = Some(elimination.start.score().accuracy);
        Ok(FeatureSelection { chosen, dropped, before })
    }

    /// Chooses k, with these features.
    pub(super) fn k(&self, choice: KChoice, set: &FeatureSet) -> Result<KSelection, TrainError> {
        let KChoice::Fixed(chosen) = choice else { return self.best_k(set) };
        Ok(KSelection { chosen, tried: Vec::new() })
    }

    fn best_k(&self, set: &FeatureSet) -> Result<KSelection, TrainError> {
        let pictures = self.ballot.pictures.len();
        let candidates: Vec<usize> =
            KChoice::CANDIDATES.into_iter().filter(|k| *k <= pictures).collect();
        let most = candidates.last().copied().ok_or(TrainError::NoImage)?;
        let table = self.table(set)?;
        let columns: Vec<usize> = (0..set.len()).collect();
        let tallies = self.tally(candidates.len(), |picture, tallies| {
            let nearest = table.nearest(picture, most, &columns);
            for (&k, tally) in candidates.iter().zip(tallies) {
                self.ballot.run(picture, &nearest[..k.min(nearest.len())], tally);
            }
        });
        let tried: Vec<_> = candidates.iter().copied().zip(tallies).collect();
        // The last of equals is the smallest k.
        let best = tried.iter().rev().max_by_key(|(_, tally)| tally.merit());
        let chosen = best.map(|(k, _)| *k).ok_or(TrainError::NoImage)?;
        let tried = tried.iter().map(|(k, tally)| (*k, tally.score().accuracy)).collect();
        Ok(KSelection { chosen, tried })
    }

    fn table(&self, set: &FeatureSet) -> Result<FoldTable, TrainError> {
        if self.folds.len() < 2 {
            return Err(TrainError::OneGroup);
        }
        FoldTable::new(self.ballot.pictures, set, &self.folds).ok_or(TrainError::NoImage)
    }

    fn eliminate(
        &self,
        candidates: &FeatureSet,
        k: usize,
        aim: usize,
    ) -> Result<Elimination, TrainError> {
        let table = self.table(candidates)?;
        let mut left: Vec<usize> = (0..candidates.len()).collect();
        let start = self.tally(1, |picture, tallies| {
            self.ballot.run(picture, &table.nearest(picture, k, &left), &mut tallies[0]);
        });
        let mut elimination = Elimination { start: start[0], steps: Vec::new() };
        while left.len() > aim {
            let tallies = self.tally(left.len(), |picture, tallies| {
                let seeds = table.nearest(picture, k, &left);
                let each = table.nearest_without_each(picture, k, &left, &seeds);
                for (nearest, tally) in each.iter().zip(tallies) {
                    self.ballot.run(picture, nearest, tally);
                }
            });
            let name = |column: usize| Features::NAMES[candidates.columns()[column]];
            let merits = left.iter().copied().zip(tallies);
            let best = merits
                .max_by_key(|&(column, tally)| (tally.merit(), std::cmp::Reverse(name(column))));
            let Some((gone, tally)) = best else { break };
            left.retain(|column| *column != gone);
            elimination.steps.push((candidates.columns()[gone], tally));
        }
        Ok(elimination)
    }

    /// Asks about each picture, and adds up what `ask` counts in so many tallies.
    fn tally(&self, count: usize, ask: impl Fn(usize, &mut [Tally]) + Sync) -> Vec<Tally> {
        let parts = in_parts(&self.queries, |part| {
            let mut tallies = vec![Tally::default(); count];
            part.iter().for_each(|&picture| ask(picture, &mut tallies));
            tallies
        });
        let mut sums = vec![Tally::default(); count];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, tally)| *sum += tally);
        }
        sums
    }
}

struct Elimination {
    /// With all features.
    start: Tally,
    /// The feature that went, and what is left is worth.
    steps: Vec<(usize, Tally)>,
}

impl Elimination {
    /// Takes steps back to where the rest was worth most; of equals to the fewest features.
    fn keep_best(&mut self) {
        let worth = std::iter::once(self.start).chain(self.steps.iter().map(|step| step.1));
        // `max_by_key` takes the last of equals.
        let best = worth.enumerate().max_by_key(|(_, tally)| tally.merit());
        self.steps.truncate(best.map_or(0, |(steps, _)| steps));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::learn::train::samples::Picture;

    /// Pictures of noise in six columns: where `n_keypoints` (0) is above a half, only the quick
    /// model 0 is right, elsewhere only the slow model 1; nothing else matters.
    fn pictures(count: usize) -> Vec<Picture> {
        let mut random = fastrand::Rng::with_seed(9);
        let mut picture = |group| {
            let mut values = [0.0; Features::COUNT];
            values[..6].fill_with(|| random.f32());
            let right = usize::from(values[0] <= 0.5);
            Picture {
                features: Features::new(values).unwrap(),
                right: [right].into_iter().collect(),
                latencies: [5, 50].map(Duration::from_millis).to_vec(),
                group,
            }
        };
        (0..count).map(&mut picture).collect()
    }

    fn with_trial<T>(pictures: &[Picture], test: impl Fn(&Trial) -> T) -> T {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let ballot = Ballot::new(&pictures, &[0, 1], 0);
        test(&Trial::new(&ballot, &TrainOptions::default()))
    }

    fn names(selection: &FeatureSelection) -> Vec<&'static str> {
        selection.chosen.names().collect()
    }

    #[test]
    fn the_feature_that_matters_survives_elimination() {
        let pictures = pictures(400);
        let one =
            with_trial(&pictures, |trial| trial.features(&FeatureChoice::Count(1), 5)).unwrap();
        assert_eq!(names(&one), ["n_keypoints"]);
        assert_eq!(one.dropped.len(), Features::COUNT - 1);
        let constant = one.dropped.iter().filter(|gone| gone.reason == Reason::Constant);
        assert_eq!(constant.count(), Features::COUNT - 6);
        let Reason::Eliminated { accuracy } = one.dropped.last().unwrap().reason else { panic!() };
        assert!(accuracy > 97.0 && accuracy > one.before.unwrap(), "{one:?}");
    }

    #[test]
    fn as_many_as_do_best_are_kept_if_the_number_is_left_open() {
        let pictures = pictures(400);
        let auto = with_trial(&pictures, |trial| trial.features(&FeatureChoice::Auto, 5)).unwrap();
        assert_eq!(names(&auto), ["n_keypoints"]);
        let four =
            with_trial(&pictures, |trial| trial.features(&FeatureChoice::Count(4), 5)).unwrap();
        assert_eq!(four.chosen.len(), 4);
        assert!(four.chosen.names().any(|name| name == "n_keypoints"));
    }

    #[test]
    fn elimination_takes_steps_back_to_the_best() {
        let tally = |right, milliseconds| Tally {
            runs: 10,
            right,
            time: Duration::from_millis(milliseconds),
        };
        let best = |steps: &[(usize, Tally)]| {
            let mut elimination = Elimination { start: tally(7, 50), steps: steps.to_vec() };
            elimination.keep_best();
            elimination.steps.len()
        };
        assert_eq!(best(&[(3, tally(8, 50)), (1, tally(9, 50)), (2, tally(6, 10))]), 2);
        assert_eq!(best(&[(3, tally(7, 50)), (1, tally(7, 50))]), 2, "of equals the fewest");
        assert_eq!(best(&[(3, tally(7, 49)), (1, tally(7, 50))]), 1, "or the fastest");
        assert_eq!(best(&[(3, tally(6, 1))]), 0);
    }

    #[test]
    fn features_that_are_named_are_taken() {
        let set = FeatureSet::of_names(["hue3", "contrast"]).unwrap();
        let choice = FeatureChoice::Named(set.clone());
        let named = with_trial(&pictures(20), |trial| trial.features(&choice, 5)).unwrap();
        assert_eq!(named, FeatureSelection { chosen: set, dropped: Vec::new(), before: None });
    }

    #[test]
    fn few_features_need_no_elimination() {
        let all = with_trial(&pictures(60), |trial| trial.features(&FeatureChoice::Count(6), 5));
        let all = all.unwrap();
        assert_eq!((all.chosen.len(), all.before), (6, None));
        let mut flat = pictures(5);
        let same = flat[0].features;
        flat.iter_mut().for_each(|picture| picture.features = same);
        let none = with_trial(&flat, |trial| trial.features(&FeatureChoice::Count(7), 5));
        assert_eq!(none.unwrap_err(), TrainError::NothingDiffers);
    }

    #[test]
    fn a_single_group_cannot_be_tested_on_others() {
        let mut pictures = pictures(60);
        pictures.iter_mut().for_each(|picture| picture.group = 4);
        let refused = with_trial(&pictures, |trial| trial.features(&FeatureChoice::Count(1), 5));
        assert_eq!(refused.unwrap_err(), TrainError::OneGroup);
    }

    #[test]
    fn pictures_of_one_group_do_not_vote_for_each_other() {
        // Twins, five of each: alike in everything, and unlike all others in what is right.
        let mut random = fastrand::Rng::with_seed(5);
        let twins = |group: usize| {
            let mut values = [0.0; Features::COUNT];
            values[..3].fill_with(|| random.f32());
            let right = usize::from(random.bool());
            (0..5).map(move |_| Picture {
                features: Features::new(values).unwrap(),
                right: [right].into_iter().collect(),
                latencies: [5, 50].map(Duration::from_millis).to_vec(),
                group,
            })
        };
        let mut pictures: Vec<Picture> = (0..60).flat_map(twins).collect();
        let accuracy = |pictures: &[Picture]| {
            with_trial(pictures, |trial| trial.features(&FeatureChoice::Count(1), 3))
                .unwrap()
                .before
                .unwrap()
        };
        let kept_together = accuracy(&pictures);
        pictures.iter_mut().enumerate().for_each(|(number, picture)| picture.group = number);
        let torn_apart = accuracy(&pictures);
        assert!(kept_together < 65.0 && torn_apart > 90.0, "{kept_together} {torn_apart}");
    }

    #[test]
    fn k_is_the_one_that_does_best() {
        // One answer in five is wrong: it takes several neighbours to outvote it.
        let mut noisy = pictures(400);
        for picture in noisy.iter_mut().step_by(5) {
            let right = usize::from(picture.right.contains(0));
            picture.right = [right].into_iter().collect();
        }
        let set = FeatureSet::of_names(["n_keypoints"]).unwrap();
        let auto = with_trial(&noisy, |trial| trial.k(KChoice::Auto, &set)).unwrap();
        assert!(auto.chosen >= 7, "{auto:?}");
        let tried: Vec<usize> = auto.tried.iter().map(|(k, _)| *k).collect();
        assert_eq!(tried, KChoice::CANDIDATES);
        let best = auto.tried.iter().map(|tried| tried.1).fold(0.0, f64::max);
        assert!(auto.tried.contains(&(auto.chosen, best)), "{auto:?}");
        let fixed = with_trial(&noisy, |trial| trial.k(KChoice::Fixed(4), &set)).unwrap();
        assert_eq!(fixed, KSelection { chosen: 4, tried: Vec::new() });
        let few = with_trial(&pictures(8), |trial| trial.k(KChoice::Auto, &set)).unwrap();
        assert!(few.tried.iter().all(|(k, _)| *k <= 8), "{few:?}");
    }
}
