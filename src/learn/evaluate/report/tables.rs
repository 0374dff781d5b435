//! The tables of the report.

use super::intervals::{interval, signed_interval};
use crate::learn::evaluate::figures::{Data, Deployed, Entry, Evaluation, Group, Kind};
use crate::report::markup::{Markup, element, element_with};
use crate::report::numbers::{budget, count, or_dash, percent, signed, tenth, three_digits};
use crate::report::table::{Table, row};

fn by_kind(table: &mut Table, group: &Group, row: impl Fn(&Entry) -> Markup) {
    for kind in Kind::ALL {
        table.section(&kind.to_string(), group.of(kind).map(&row).collect());
    }
}

/// How right and how quick every entry is.
pub fn entries(group: &Group) -> Markup {
    let caption = format!(
        "All entries on {} ({} images). Accuracies in percent with their 95 % intervals, times in \
         milliseconds.",
        group.selection,
        count(group.images)
    );
    let mut table = Table::new(
        &caption,
        &[
            "entry",
            "top-1",
            "top-5",
            "mean time",
            "p50",
            "p95",
            "of it overhead",
            "energy, J",
            "against random mix",
            "against best single",
            "precision",
            "recall",
            "F1",
        ],
    );
    by_kind(&mut table, group, entry);
    table.finish()
}

fn entry(entry: &Entry) -> Markup {
    let times = &entry.time_ms;
    let cells = [
        interval(entry.top1),
        interval(entry.top5),
        three_digits(times.mean.value),
        three_digits(times.p50),
        three_digits(times.p95),
        three_digits(entry.overhead_ms),
        or_dash(entry.energy_j, three_digits),
        or_dash(entry.against_random_mix, signed_interval),
        or_dash(entry.against_best_single, signed_interval),
        tenth(entry.precision),
        tenth(entry.recall),
        tenth(entry.f1),
    ];
    row(&entry.name, cells)
}

/// What the entries' notes say; nothing if they have none.
pub fn notes(group: &Group) -> Markup {
    let noted = group.entries.iter().filter(|entry| !entry.note.is_empty());
    let item =
        |entry: &Entry| Markup::join([element("dt", &entry.name), element("dd", &entry.note)]);
    let items: Vec<Markup> = noted.map(item).collect();
    if items.is_empty() {
        return Markup::none();
    }
    let summary = element("summary", "What the entries are");
    element("details", Markup::join([summary, element("dl", Markup::join(items))]))
}

/// How often every entry is right and in time; nothing if no budget was asked for.
pub fn effective(group: &Group) -> Markup {
    let budgets = budgets(group);
    if budgets.is_empty() {
        return Markup::none();
    }
    let named: Vec<String> = budgets.iter().map(|&at| budget(at)).collect();
    let columns: Vec<&str> =
        std::iter::once("entry").chain(named.iter().map(String::as_str)).collect();
    let caption =
        "Effective accuracy: right and within the budget, in percent, with 95 % intervals";
    let mut table = Table::new(caption, &columns);
    by_kind(&mut table, group, |entry| {
        let at = |&budget: &f64| {
            let found = entry.effective.iter().find(|at| at.budget_ms == budget);
            or_dash(found, |at| interval(at.accuracy))
        };
        row(&entry.name, budgets.iter().map(at))
    });
    table.finish()
}

/// The budgets that some entry has, the tightest first.
pub fn budgets(group: &Group) -> Vec<f64> {
    let all = group.entries.iter().flat_map(|entry| &entry.effective);
    let mut budgets: Vec<f64> = all.map(|at| at.budget_ms).collect();
    budgets.sort_by(f64::total_cmp);
    budgets.dedup();
    budgets
}

/// The models each chooser ran; nothing if there is no chooser.
pub fn shares(group: &Group) -> Markup {
    let mut table =
        Table::new("On how many of the images each model ran, in percent", &["entry", "models"]);
    let choosers = Kind::ALL.into_iter().filter(|&kind| kind != Kind::Single);
    for kind in choosers {
        let all = group.of(kind).filter(|entry| !entry.shares.is_empty());
        table.section(&kind.to_string(), all.map(share).collect());
    }
    if table.is_empty() { Markup::none() } else { table.finish() }
}

fn share(entry: &Entry) -> Markup {
    let share = |share: &crate::learn::evaluate::figures::Share| {
        format!("{} {}", share.model, percent(share.percent))
    };
    row(&entry.name, [entry.shares.iter().map(share).collect::<Vec<_>>().join(", ")])
}

/// Accuracy and time by the number of models.
pub fn deployed(all: &[Deployed]) -> Markup {
    let columns = ["chooser", "models", "top-1, %", "mean time, ms", "which models"];
    let line = |deployed: &Deployed| {
        let cells = [
            deployed.count.to_string(),
            interval(deployed.accuracy),
            three_digits(deployed.time_ms),
            deployed.models.join(", "),
        ];
        row(&deployed.chooser, cells)
    };
    Table::new("Choosers by the number of models they choose among", &columns)
        .rows(all.iter().map(line))
        .finish()
}

/// How well it can be told whether a model is right.
pub fn auc(evaluation: &Evaluation) -> Markup {
    let columns =
        ["model", "from the features", "from its own confidence", "from calibrated confidence"];
    let two = |value: f64| format!("{value:.3}");
    let line = |auc: &crate::learn::evaluate::figures::Auc| {
        let values = [auc.from_features, auc.from_own_confidence, auc.calibrated];
        row(&auc.model, values.map(|value| or_dash(value, two)))
    };
    Table::new("“Is this model right?”: area under the ROC curve (0.5 is guessing)", &columns)
        .rows(evaluation.auc.iter().map(line))
        .finish()
}

/// What each feature is worth.
pub fn importance(evaluation: &Evaluation) -> Markup {
    let line = |one: &crate::learn::evaluate::figures::Importance| {
        row(&one.feature, [signed(one.points_lost)])
    };
    Table::new(
        "Points of accuracy lost when the values of a feature are shuffled",
        &["feature", "points lost"],
    )
    .rows(evaluation.importance.iter().map(line))
    .finish()
}

/// The calibration errors.
pub fn calibration(evaluation: &Evaluation) -> Markup {
    let columns = ["model", "before", "after"];
    let line = |one: &crate::learn::evaluate::figures::Calibration| {
        row(&one.model, [tenth(one.ece_before), tenth(one.ece_after)])
    };
    Table::new("Expected calibration error, in percentage points", &columns)
        .rows(evaluation.calibration.iter().map(line))
        .finish()
}

/// The models, and what they cost.
pub fn models(data: &Data) -> Markup {
    let columns = ["model", "latency, ms", "energy, J", "ran on"];
    let line = |model: &crate::learn::evaluate::figures::Model| {
        let energy = or_dash(model.energy_j, three_digits);
        row(&model.name, [three_digits(model.latency_ms), energy, model.provider.clone()])
    };
    Table::new("The single models", &columns).rows(data.models.iter().map(line)).finish()
}

/// What was evaluated, on what, and how.
pub fn data(data: &Data) -> Markup {
    let sets: Vec<String> =
        data.sets.iter().map(|set| format!("{} ({})", set.name, count(set.images))).collect();
    let latencies = data.latency_table.as_deref().unwrap_or("the medians of the profiles");
    let premodel = data.premodel.as_ref().map_or_else(
        || "none".to_owned(),
        |given| format!("{}, as given: trained on {}", given.file, given.trained_on),
    );
    let facts = [
        ("Sets of images", sets.join(", ")),
        ("Images", count(data.images)),
        ("Classes", count(data.classes)),
        ("True classes from", data.truth.clone()),
        ("Machines", data.machines.join("; ")),
        ("Latencies from", latencies.to_owned()),
        ("Premodel file", premodel),
        ("Folds", data.folds.to_string()),
        ("Seed", data.seed.to_string()),
        ("Resamples for intervals", count(data.resamples)),
    ];
    let fact =
        |(name, value): (&str, String)| Markup::join([element("dt", name), element("dd", value)]);
    element_with("dl", &[("class", "facts")], Markup::join(facts.map(fact)))
}

/// What a reader should know of the data; nothing if there is nothing.
pub fn data_notes(data: &Data) -> Markup {
    if data.notes.is_empty() {
        return Markup::none();
    }
    element("ul", Markup::join(data.notes.iter().map(|note| element("li", note))))
}
