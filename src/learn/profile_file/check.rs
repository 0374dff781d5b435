//! The rules that written and read records obey alike.

use std::collections::{BTreeSet, HashMap};

use super::{ImageRecord, ModelResult, ProfileFault, RecordFault, Shape, margin};
use crate::models::ModelId;

/// How far a stated margin may be from the difference of the probabilities that are stated.
const MARGIN_TOLERANCE: f32 = 1e-5;

/// How far an entropy may lie above that of equal probabilities: they need not sum to exactly 1.
const ENTROPY_TOLERANCE: f64 = 0.05;

/// Names that occurred, and where first.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<String, usize>);

impl Seen {
    /// Notes a picture; `number` counts from 1.
    pub(super) fn note(&mut self, file: &str, number: usize) -> Result<(), RecordFault> {
        match self.0.insert(file.to_owned(), number) {
            None => Ok(()),
            Some(first) => Err(RecordFault::Duplicate { first }),
        }
    }
}

/// At least one model, none twice.
pub(super) fn check_models(shape: &Shape) -> Result<(), ProfileFault> {
    let names: BTreeSet<_> = shape.models.iter().collect();
    let is_once = names.len() == shape.models.len();
    if is_once && !names.is_empty() { Ok(()) } else { Err(ProfileFault::Models) }
}

pub(super) fn check_images(shape: &Shape, images: &[ImageRecord]) -> Result<(), ProfileFault> {
    let mut seen = Seen::default();
    for (row, image) in (1..).zip(images) {
        let located = |source| ProfileFault::Record { row, file: image.file.clone(), source };
        check_image(shape, image).map_err(located)?;
        seen.note(&image.file, row).map_err(located)?;
    }
    Ok(())
}

pub(super) fn check_image(shape: &Shape, image: &ImageRecord) -> Result<(), RecordFault> {
    if image.file.is_empty() {
        return Err(RecordFault::NoFile);
    }
    check_change(image)?;
    below(image.class, shape.classes, || "the class".to_owned())?;
    if image.results.len() != shape.models.len() {
        let (given, needed) = (image.results.len(), shape.models.len());
        return Err(RecordFault::Results(format!("there are {given} for {needed} models")));
    }
    let mut pairs = shape.models.iter().zip(&image.results);
    pairs.try_for_each(|(model, result)| check_result(shape, image.class, model, result))
}

fn check_change(image: &ImageRecord) -> Result<(), RecordFault> {
    match (image.change, &image.group) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(RecordFault::StrayChange),
        (Some(change), Some(_)) => {
            within(change.into(), (0.0, 1.0), || "the change to the frame before".to_owned())
        }
    }
}

fn check_result(
    shape: &Shape,
    class: usize,
    model: &ModelId,
    result: &ModelResult,
) -> Result<(), RecordFault> {
    below(result.rank, shape.classes, || format!("the rank of {model}"))?;
    let guesses = shape.guesses();
    if result.best.len() != guesses {
        let count = result.best.len();
        return Err(RecordFault::Results(format!("{model} has {count} guesses, not {guesses}")));
    }
    for &(guess, probability) in &result.best {
        below(guess, shape.classes, || format!("a guess of {model}"))?;
        within(probability.into(), (0.0, 1.0), || format!("a probability of {model}"))?;
    }
    check_order(model, result)?;
    let most = (shape.classes as f64).ln() + ENTROPY_TOLERANCE;
    within(result.entropy.into(), (0.0, most), || format!("the entropy of {model}"))?;
    check_margin(model, result)?;
    let place = result.best.iter().position(|&(guess, _)| guess == class);
    let expected = (result.rank < guesses).then_some(result.rank);
    if place == expected {
        return Ok(());
    }
    Err(RecordFault::Rank { model: model.clone(), rank: result.rank })
}

fn check_order(model: &ModelId, result: &ModelResult) -> Result<(), RecordFault> {
    let classes: BTreeSet<_> = result.best.iter().map(|(guess, _)| guess).collect();
    let is_sorted = result.best.is_sorted_by(|(_, a), (_, b)| a >= b);
    if is_sorted && classes.len() == result.best.len() {
        return Ok(());
    }
    let fault = format!("the guesses of {model} must differ, the most probable first");
    Err(RecordFault::Results(fault))
}

fn check_margin(model: &ModelId, result: &ModelResult) -> Result<(), RecordFault> {
    let expected = margin(&result.best);
    if (result.margin - expected).abs() <= MARGIN_TOLERANCE {
        return Ok(());
    }
    Err(RecordFault::Number {
        what: format!("the margin of {model}"),
        value: result.margin.to_string(),
        expected: format!("but its first two probabilities differ by {expected}"),
    })
}

fn below(number: usize, limit: usize, what: impl Fn() -> String) -> Result<(), RecordFault> {
    if number < limit {
        return Ok(());
    }
    let expected = format!("not below {limit}");
    Err(RecordFault::Number { what: what(), value: number.to_string(), expected })
}

fn within(
    number: f64,
    (least, most): (f64, f64),
    what: impl Fn() -> String,
) -> Result<(), RecordFault> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    let expected = format!("not between {least} and {most:.3}");
    Err(RecordFault::Number { what: what(), value: number.to_string(), expected })
}
