//! Every learner at every stage, and the mixes that are made of their decisions.

use super::stage::FittedStage;
use super::table::Table;
use super::{Learner, LearnerError};

/// The stages that have a learner of their own in a mix; the further ones share that of the last.
pub const MIXED_STAGES: usize = 3;

/// What the stages are to learn.
#[derive(Clone, Copy, Debug)]
pub struct StageData<'a> {
    /// One row of features per picture, all of one width, min-max scaled to 0..1.
    pub rows: &'a [Vec<f32>],
    /// For each row the stage whose model is the optimum, from 0; none if every model was wrong.
    pub optimum: &'a [Option<usize>],
    /// How many stages there are.
    pub stages: usize,
}

impl StageData<'_> {
    fn check(&self) -> Result<Table<'_>, LearnerError> {
        let (rows, labels) = (self.rows.len(), self.optimum.len());
        if self.stages == 0 {
            return Err(LearnerError::NoStage);
        }
        let table = Table::new(self.rows)?;
        if rows != labels {
            return Err(LearnerError::Labels { rows, labels });
        }
        for (row, &optimum) in self.optimum.iter().enumerate() {
            if let Some(stage) = optimum.filter(|&stage| stage >= self.stages) {
                return Err(LearnerError::UnknownStage { row, stage, stages: self.stages });
            }
        }
        Ok(table)
    }
}

/// Learners, each fitted once at each stage.
#[derive(Debug)]
pub struct StageBank {
    learners: Vec<Learner>,
    /// By stage, then as `learners`.
    stages: Vec<Vec<FittedStage>>,
}

impl StageBank {
    /// Fits each of the learners at each stage, on all rows, each time with this seed.
    pub fn fit(data: &StageData, learners: &[Learner], seed: u64) -> Result<Self, LearnerError> {
        let table = data.check()?;
        let fit_stage = |stage| {
            let yes: Vec<bool> = data.optimum.iter().map(|&best| best == Some(stage)).collect();
            let fit = |&learner| FittedStage::fit_checked(learner, &table, &yes, seed);
            learners.iter().map(fit).collect::<Result<Vec<_>, _>>()
        };
        let stages = (0..data.stages).map(fit_stage).collect::<Result<_, _>>()?;
        Ok(Self { learners: learners.to_vec(), stages })
    }

    /// The learners that were fitted, in the order they were given.
    pub fn learners(&self) -> &[Learner] {
        &self.learners
    }

    /// Asks every learner at every stage about a row.
    ///
    /// # Panics
    ///
    /// As [`FittedStage::decide`].
    pub fn decisions(&self, row: &[f32]) -> Decisions {
        let ask = |stages: &Vec<FittedStage>| {
            let mut answers = [None; Learner::ALL.len()];
            for (&learner, stage) in self.learners.iter().zip(stages) {
                let score = stage.score(row);
                answers[learner as usize] = Some(Answer { yes: stage.is_yes(score), score });
            }
            answers
        };
        Decisions { stages: self.stages.iter().map(ask).collect() }
    }
}

/// What every learner of a [`StageBank`] says about one row, at every stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    stages: Vec<[Option<Answer>; Learner::ALL.len()]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer {
    yes: bool,
    score: f32,
}

impl Decisions {
    /// How many stages were asked.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Whether the learner says yes at the stage; `None` if it was not asked there.
    pub fn is_yes(&self, stage: usize, learner: Learner) -> Option<bool> {
        self.answer(stage, learner).map(|answer| answer.yes)
    }

    /// The learner's [score](FittedStage::score) at the stage; `None` if it was not asked there.
    pub fn score(&self, stage: usize, learner: Learner) -> Option<f32> {
        self.answer(stage, learner).map(|answer| answer.score)
    }

    fn answer(&self, stage: usize, learner: Learner) -> Option<Answer> {
        self.stages.get(stage)?[learner as usize]
    }
}

/// Every mix of the learners: one learner for each stage, each of the first [`MIXED_STAGES`] on its
/// own and the further ones as the last of these. The learners of the last mixed stage change
/// fastest.
pub fn mixes(stages: usize, learners: &[Learner]) -> Vec<Vec<Learner>> {
    let mut mixes = vec![Vec::with_capacity(stages)];
    for _ in 0..stages.min(MIXED_STAGES) {
        let extend = |mix: &Vec<Learner>| {
            let mix = mix.clone();
            learners.iter().map(move |&learner| [mix.as_slice(), &[learner]].concat())
        };
        mixes = mixes.iter().flat_map(extend).collect();
    }
    for mix in &mut mixes {
        if let Some(&last) = mix.last() {
            mix.resize(stages, last);
        }
    }
    mixes
}

/// The first stage at which the learner of the mix says yes; `None` if all say no.
///
/// # Panics
///
/// If the mix has another number of stages than was asked, or a learner that was not.
pub fn choose(decisions: &Decisions, mix: &[Learner]) -> Option<usize> {
    assert_eq!(mix.len(), decisions.stages(), "a mix must have a learner for each stage");
    let is_yes = |(stage, &learner): (usize, &Learner)| {
        let answer = decisions.is_yes(stage, learner);
        answer.unwrap_or_else(|| panic!("{learner} was not asked; fit it in the bank"))
    };
    mix.iter().enumerate().position(is_yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Learner::{DecisionTree, Knn, Svm};

    /// The answers of `knn` and `svm`, by stage.
    fn decisions(stages: &[[bool; 2]]) -> Decisions {
        let answer = |yes| Some(Answer { yes, score: f32::from(u8::from(yes)) });
        let stage = |&[knn, svm]: &[bool; 2]| [answer(knn), None, answer(svm), None, None];
        Decisions { stages: stages.iter().map(stage).collect() }
    }

    #[test]
    fn the_first_yes_of_the_mix_chooses() {
        let said = decisions(&[[false, true], [true, false], [true, true]]);
        assert_eq!(choose(&said, &[Svm, Knn, Knn]), Some(0));
        assert_eq!(choose(&said, &[Knn, Knn, Svm]), Some(1));
        assert_eq!(choose(&said, &[Knn, Svm, Svm]), Some(2));
    }

    #[test]
    fn no_stage_is_chosen_if_all_say_no() {
        let said = decisions(&[[false, true], [true, false]]);
        assert_eq!(choose(&said, &[Knn, Svm]), None);
    }

    #[test]
    #[should_panic(expected = "decision-tree was not asked")]
    fn a_learner_that_was_not_fitted_cannot_say_no() {
        choose(&decisions(&[[false, false]]), &[DecisionTree]);
    }

    #[test]
    #[should_panic(expected = "a learner for each stage")]
    fn a_mix_of_too_few_stages_is_refused() {
        choose(&decisions(&[[false, false], [true, true]]), &[Knn]);
    }

    #[test]
    fn what_was_not_asked_has_no_answer() {
        let said = decisions(&[[true, false]]);
        assert_eq!((said.is_yes(0, Knn), said.score(0, Knn)), (Some(true), Some(1.0)));
        assert_eq!((said.is_yes(0, DecisionTree), said.score(0, DecisionTree)), (None, None));
        assert_eq!(said.is_yes(1, Knn), None);
    }

    #[test]
    fn three_stages_of_five_learners_make_125_mixes() {
        let counts = [1, 2, 3].map(|stages| mixes(stages, &Learner::ALL).len());
        assert_eq!(counts, [5, 25, 125]);
        let all = mixes(3, &Learner::ALL);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 125);
        assert_eq!(mixes(2, &[Svm, Knn]), [[Svm, Svm], [Svm, Knn], [Knn, Svm], [Knn, Knn]]);
    }

    #[test]
    fn further_stages_take_the_learner_of_the_third() {
        let all = mixes(5, &Learner::ALL);
        assert_eq!(all.len(), 125);
        assert!(all.iter().all(|mix| mix.len() == 5 && mix[3] == mix[2] && mix[4] == mix[2]));
        assert!(all.iter().any(|mix| mix[0] != mix[1] && mix[1] != mix[2]));
    }

    #[test]
    fn nothing_makes_no_mix() {
        assert!(mixes(3, &[]).is_empty());
        assert_eq!(mixes(0, &Learner::ALL), [[]; 1]);
    }
}
