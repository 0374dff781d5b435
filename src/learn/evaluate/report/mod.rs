//! Writes an evaluation down: `report.html` for people, `report.json` for programs.
//!
//! The page stands on its own: style and drawings are in it, it has no script, and it asks for
//! nothing from elsewhere. It is well-formed XML as well as HTML. Everything a user can name is
//! [escaped](crate::report::markup). What was not measured has its section all the same, which says so.

#[cfg(test)]
pub(crate) mod example;
pub(super) mod intervals;
mod plots;
pub(super) mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::figures::{Evaluation, Group, Selection};
use super::findings::findings;
use crate::report::markup::{Markup, element, element_with};
use crate::report::numbers::count;
use crate::report::plot::{DrawError, Plot};
use crate::report::{Page, ReportError, Section, files, note, section};

/// The version of the form of `report.json`.
pub const VERSION: u32 = 1;

const UNITS: &str = "times in ms and energies in J where a key says so; accuracies, precision, \
                     recall, F1, shares and calibration errors in percent; differences in \
                     percentage points; an interval's low and high hold 95 % of the resamples";

/// The first sets have plots with these ids, and the first transfers with those.
const SET_PLOTS: [&str; 8] =
    ["set-1", "set-2", "set-3", "set-4", "set-5", "set-6", "set-7", "set-8"];
const TRANSFER_PLOTS: [&str; 4] = ["transfer-1", "transfer-2", "transfer-3", "transfer-4"];

/// Where a report was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The figures.
    pub json: PathBuf,
}

/// Makes the directory if need be, and finds out whether files can be written there.
pub fn prepare(directory: &Path) -> Result<(), ReportError> {
    files::prepare(directory, "report.json")
}

/// Writes both files into the directory, which is made if need be. What is there is overwritten.
pub fn write(directory: &Path, evaluation: &Evaluation) -> Result<Written, ReportError> {
    let (page, figures) = (html(evaluation)?, json(evaluation)?);
    Ok(Written {
        html: files::write(directory, "report.html", &page)?,
        json: files::write(directory, "report.json", &figures)?,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    units: &'static str,
    findings: Vec<String>,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
}

/// The figures as JSON, with the findings in sentences. What is no finite number is `null`.
pub fn json(evaluation: &Evaluation) -> Result<String, ReportError> {
    let document = Document {
        format: "classifyd-evaluation",
        version: VERSION,
        units: UNITS,
        findings: findings(evaluation),
        evaluation,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The page.
pub fn html(evaluation: &Evaluation) -> Result<String, ReportError> {
    let lead = format!(
        "Choosing among {} single models, on {} images.",
        evaluation.data.models.len(),
        count(evaluation.data.images)
    );
    let page = Page {
        title: "classifyd: evaluation",
        heading: "What choosing a model for each image is worth".to_owned(),
        lead,
        sections: sections(evaluation)?,
    };
    Ok(page.html())
}

fn sections(evaluation: &Evaluation) -> Result<Vec<Section>, DrawError> {
    let first = evaluation.groups.first();
    Ok(vec![
        section("summary", "Summary", summary(evaluation)),
        section("entries", "All entries", of_first(first, entries)?),
        section("in-time", "Right and in time", of_first(first, in_time)?),
        section("chosen", "Which models are run", of_first(first, chosen)?),
        section("number", "How many models to deploy", number(evaluation)?),
        section("signals", "What the features say", signals(evaluation)?),
        section("confidence", "What confidences mean", confidence(evaluation)?),
        section("sets", "Set by set", selected(evaluation, is_set, &SET_PLOTS)?),
        section(
            "transfers",
            "Trained on some sets, tested on another",
            selected(evaluation, is_transfer, &TRANSFER_PLOTS)?,
        ),
        section("method", "Data and method", method(evaluation)),
    ])
}

fn unmeasured() -> Vec<Markup> {
    vec![note("Not part of this evaluation.")]
}

fn summary(evaluation: &Evaluation) -> Vec<Markup> {
    let items = findings(evaluation).into_iter().map(|finding| element("li", finding));
    vec![
        element_with("ul", &[("class", "findings")], Markup::join(items)),
        note(
            "Times are means, in milliseconds, with the cost of choosing in them. Accuracy is how \
             often the first guess is right, unless it says top-5. An interval of 95 % says how far \
             a figure might move had the images been others of the same kind; it knows nothing of \
             other kinds of images.",
        ),
    ]
}

fn of_first(
    group: Option<&Group>,
    content: fn(&Group) -> Result<Vec<Markup>, DrawError>,
) -> Result<Vec<Markup>, DrawError> {
    group.map_or_else(|| Ok(unmeasured()), content)
}

fn entries(group: &Group) -> Result<Vec<Markup>, DrawError> {
    let plot = plots::accuracy::plot("accuracy", group)?;
    Ok(vec![
        figure(plot),
        tables::entries(group),
        note(
            "“Against random mix” is how many points an entry is above what drawing lots between \
             two single models yields in the same mean time; “against best single” is the same \
             against the most accurate single model. Both are paired: compared on the same images. \
             An interval that holds 0 decides nothing. Precision, recall and F1 are averages over \
             the classes; a refusal counts as wrong.",
        ),
        tables::notes(group),
    ])
}

fn in_time(group: &Group) -> Result<Vec<Markup>, DrawError> {
    let Some(plot) = plots::bars::effective(group)? else { return Ok(unmeasured()) };
    Ok(vec![plot.figure(), tables::effective(group)])
}

fn chosen(group: &Group) -> Result<Vec<Markup>, DrawError> {
    let Some(plot) = plots::shares::plot(group)? else { return Ok(unmeasured()) };
    Ok(vec![plot.figure(), tables::shares(group)])
}

fn number(evaluation: &Evaluation) -> Result<Vec<Markup>, DrawError> {
    let Some(plot) = plots::deployed::plot(&evaluation.deployed)? else { return Ok(unmeasured()) };
    Ok(vec![plot.figure(), tables::deployed(&evaluation.deployed)])
}

fn signals(evaluation: &Evaluation) -> Result<Vec<Markup>, DrawError> {
    let mut content = Vec::new();
    if !evaluation.auc.is_empty() {
        content.push(tables::auc(evaluation));
        content.push(note(
            "The first column is known before a model runs (logistic regression on all features), the \
             others only after it ran. An area of 0.5 is guessing, 1 is knowing.",
        ));
    }
    if let Some(plot) = plots::bars::importance(&evaluation.importance)? {
        content.extend([plot.figure(), tables::importance(evaluation)]);
    }
    if let Some(correlation) = &evaluation.correlation {
        content.push(figure(plots::heat::plot(correlation)?));
    }
    Ok(if content.is_empty() { unmeasured() } else { content })
}

fn confidence(evaluation: &Evaluation) -> Result<Vec<Markup>, DrawError> {
    let Some(plot) = plots::calibration::plot(&evaluation.calibration)? else {
        return Ok(unmeasured());
    };
    Ok(vec![plot.figure(), tables::calibration(evaluation)])
}

fn is_set(selection: &Selection) -> bool {
    matches!(selection, Selection::Set(_) | Selection::Alone(_))
}

fn is_transfer(selection: &Selection) -> bool {
    matches!(selection, Selection::Transfer { .. })
}

/// A plot, as long as there are `ids`, and a table of each group.
fn selected(
    evaluation: &Evaluation,
    wanted: fn(&Selection) -> bool,
    ids: &[&'static str],
) -> Result<Vec<Markup>, DrawError> {
    let groups = evaluation.groups.iter().filter(|group| wanted(&group.selection));
    let mut content = Vec::new();
    for (number, group) in groups.enumerate() {
        content.push(element("h3", group.selection.to_string()));
        if let Some(id) = ids.get(number) {
            content.push(figure(plots::accuracy::plot(id, group)?));
        }
        content.push(tables::entries(group));
    }
    Ok(if content.is_empty() { unmeasured() } else { content })
}

fn method(evaluation: &Evaluation) -> Vec<Markup> {
    vec![
        tables::data(&evaluation.data),
        tables::models(&evaluation.data),
        tables::data_notes(&evaluation.data),
        note(
            "The images are dealt into folds; each fold is judged by choosers trained from scratch \
             on the others. Intervals are percentile bootstraps: images, or videos where images \
             come from videos, are drawn anew with replacement, and the middle 95 % of the outcomes \
             are kept. A run of a model counts with the model's median latency. Percentiles of time are by nearest rank. F1 is the mean of the classes' F1. \
             The oracle runs the fastest model that is right, and the fastest of all where none is. \
             The calibration error puts equally many images into each bin.",
        ),
    ]
}

fn figure(plot: Option<Plot>) -> Markup {
    plot.map_or_else(|| note("There is nothing to draw."), |plot| plot.figure())
}
