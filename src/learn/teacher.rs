//! Who says what a picture shows, where nobody labelled it.
//!
//! A teacher is one of the measured models, or all of them together: the **ensemble** names the
//! class with the largest sum of log-probabilities (the product of experts). Its word stands in
//! for the truth, however unsure it is, so accuracies are then agreement with the teacher.

use std::fmt;
use std::str::FromStr;

use crate::models::ModelId;

/// The word that names the ensemble, which no model may be called.
const ENSEMBLE: &str = "ensemble";

/// What is written before the name of a model that teaches.
const TEACHER: &str = "teacher:";

/// Least probability that the ensemble counts with: a model that excludes a class has no veto.
const LEAST_PROBABILITY: f64 = 1e-12;

/// Where the classes of the pictures come from. As text: `labels`, `teacher:NAME`, `ensemble`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// People.
    Labels,
    /// The first guess of a model.
    Teacher(ModelId),
    /// All measured models together.
    Ensemble,
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels => f.pad("labels"),
            Self::Teacher(model) => write!(f, "{TEACHER}{model}"),
            Self::Ensemble => f.pad(ENSEMBLE),
        }
    }
}

/// A text names no truth.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source of truth (labels, teacher:NAME, ensemble)")]
pub struct NoTruth(String);

impl FromStr for Truth {
    type Err = NoTruth;

    fn from_str(text: &str) -> Result<Self, NoTruth> {
        match text {
            "labels" => Ok(Self::Labels),
            ENSEMBLE => Ok(Self::Ensemble),
            _ => {
                let model = text.strip_prefix(TEACHER).and_then(ModelId::new);
                model.map(Self::Teacher).ok_or_else(|| NoTruth(text.to_owned()))
            }
        }
    }
}

impl Truth {
    /// What the user names on the command line: a model, or `ensemble`.
    pub fn from_teacher(name: &str) -> Option<Self> {
        match name {
            ENSEMBLE => Some(Self::Ensemble),
            _ => ModelId::new(name).map(Self::Teacher),
        }
    }

    /// The positions of the models to choose among: of all but one that teaches, unless it is alone.
    ///
    /// A teacher is right by definition, whatever the pictures show, so nothing is learnt by comparing
    /// it with the others.
    pub fn pupils<'a>(&self, models: impl Iterator<Item = &'a ModelId> + Clone) -> Vec<usize> {
        let is_teacher = |model| matches!(self, Self::Teacher(teacher) if teacher == model);
        let numbered = models.enumerate();
        let all = numbered.clone().map(|(place, _)| place);
        let pupils: Vec<usize> =
            numbered.filter(|&(_, model)| !is_teacher(model)).map(|(place, _)| place).collect();
        if pupils.is_empty() { all.collect() } else { pupils }
    }

    /// The class that the teacher names, given the probabilities of every one of `models`; `None` if
    /// the truth is no teacher's, or the teacher is not among the models.
    pub fn teach(&self, models: &[ModelId], answers: &[Vec<f32>]) -> Option<usize> {
        match self {
            Self::Labels => None,
            Self::Teacher(teacher) => {
                let position = models.iter().position(|model| model == teacher)?;
                best(answers.get(position)?.iter().map(|&probability| f64::from(probability)))
            }
            Self::Ensemble => ensemble(answers),
        }
    }
}

/// The class with the largest sum of log-probabilities; of equals the lowest.
fn ensemble(answers: &[Vec<f32>]) -> Option<usize> {
    let classes = answers.iter().map(Vec::len).min()?;
    let logarithm = |probability: f32| f64::from(probability).max(LEAST_PROBABILITY).ln();
    best((0..classes).map(|class| answers.iter().map(|answer| logarithm(answer[class])).sum()))
}

/// The position of the largest score; of equals the first.
fn best(scores: impl Iterator<Item = f64>) -> Option<usize> {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    scores.enumerate().reduce(larger).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> [ModelId; 2] {
        ["quick", "slow"].map(|name| ModelId::new(name).unwrap())
    }

    #[test]
    fn a_teacher_gives_its_first_guess() {
        let answers = [vec![0.2, 0.5, 0.3], vec![0.4, 0.2, 0.4]];
        let taught = |name| Truth::from_teacher(name).unwrap().teach(&models(), &answers);
        assert_eq!(taught("quick"), Some(1));
        assert_eq!(taught("slow"), Some(0), "of equals the lowest");
        assert_eq!(taught("absent"), None);
        assert_eq!(Truth::Labels.teach(&models(), &answers), None);
    }

    #[test]
    fn all_but_a_teacher_are_chosen_among_unless_it_is_alone() {
        let pupils = |name: &str, models: &[ModelId]| {
            Truth::from_teacher(name).unwrap().pupils(models.iter())
        };
        assert_eq!(pupils("quick", &models()), [1]);
        assert_eq!(pupils("quick", &models()[..1]), [0]);
        assert_eq!(pupils("ensemble", &models()), [0, 1]);
        assert_eq!(Truth::Labels.pupils(models().iter()), [0, 1]);
    }

    #[test]
    fn the_ensemble_multiplies_probabilities() {
        // 0.6 * 0.1 < 0.3 * 0.4: neither model's sum of plain probabilities would say so for 0.
        let answers = [vec![0.6, 0.3, 0.1], vec![0.1, 0.4, 0.5]];
        assert_eq!(Truth::Ensemble.teach(&models(), &answers), Some(1));
        let veto = [vec![0.0, 1e-30, 1.0], vec![0.9, 0.1, 0.0]];
        assert_eq!(Truth::Ensemble.teach(&models(), &veto), Some(2), "zeros decide nothing alone");
        assert_eq!(Truth::Ensemble.teach(&[], &[]), None);
    }

    #[test]
    fn truths_survive_their_text() {
        for truth in [Truth::Labels, Truth::Ensemble, Truth::Teacher(models()[0].clone())] {
            assert_eq!(truth.to_string().parse(), Ok(truth));
        }
        assert_eq!(Truth::from_teacher("ensemble"), Some(Truth::Ensemble));
        assert_eq!(Truth::from_teacher("a/b"), None);
        for text in ["", "teacher:", "teacher:a b", "Labels"] {
            assert!(text.parse::<Truth>().is_err(), "{text}");
        }
    }
}
