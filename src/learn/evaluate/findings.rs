//! What the figures say, in sentences that anyone can read.
//!
//! Each sentence is made of figures of the first group, and says "cannot be told" where an interval
//! does not decide. A sentence whose figures were not measured is left out.

use super::figures::{Entry, Evaluation, Group, Interval, Kind, Selection, Side};
use crate::report::numbers::{budget as budget_text, count, ms, percent, signed};

/// The findings, the most important first; each is a sentence or two of plain text.
pub fn findings(evaluation: &Evaluation) -> Vec<String> {
    let mut all = vec![scope(evaluation)];
    if let Some(group) = evaluation.groups.first() {
        all.extend(of_group(group));
    }
    all.extend(signals(evaluation));
    all.extend(calibration(evaluation));
    all.extend(evaluation.groups.iter().filter_map(transfer));
    all
}

fn of_group(group: &Group) -> Vec<String> {
    let paper = group.best(Kind::PaperSequence);
    let adaptive = group.best(Kind::Adaptive);
    let mut all = Vec::new();
    all.extend(best_single(group));
    all.extend(against_single(group));
    all.extend(as_good_in_less(group));
    all.extend(adaptive.and_then(against_mix));
    all.extend(paper.and_then(against_mix));
    all.extend(learner_mix(group));
    all.extend(oracle(group));
    all.extend(in_time(group));
    all.extend(ablation(group));
    all
}

fn scope(evaluation: &Evaluation) -> String {
    let data = &evaluation.data;
    let sets: Vec<String> =
        data.sets.iter().map(|set| format!("{} ({})", set.name, count(set.images))).collect();
    let images = count(data.images);
    let from = if sets.is_empty() { String::new() } else { format!(": {}", sets.join(", ")) };
    format!(
        "{} and what chooses among them were evaluated on {images} images{from}. Each image was \
         judged by choosers that had not seen it.",
        plural(data.models.len(), "single model"),
    )
}

fn best_single(group: &Group) -> Option<String> {
    let single = group.best(Kind::Single)?;
    let Interval { value, low, high } = single.top1;
    Some(format!(
        "The most capable single model is {}: right on {} of the images (95 % interval {} to {}), \
         in {} on average.",
        single.name,
        percent(value),
        percent(low),
        percent(high),
        time(single)
    ))
}

fn against_single(group: &Group) -> Option<String> {
    let (single, adaptive) = (group.best(Kind::Single)?, group.best(Kind::Adaptive)?);
    let difference = adaptive.top1.value - single.top1.value;
    let sure = adaptive.against_best_single.map_or(String::new(), |paired| {
        let ends = format!(" (95 % interval {} to {})", signed(paired.low), signed(paired.high));
        let doubt = ", so which of the two is right more often cannot be told from these images";
        ends + if paired.side() == Side::Undecided { doubt } else { "" }
    });
    Some(format!(
        "{} is right on {} in {}: {} points against {}{sure}; {}.",
        adaptive.name,
        percent(adaptive.top1.value),
        time(adaptive),
        signed(difference),
        single.name,
        speed(mean(single), mean(adaptive)),
    ))
}

fn as_good_in_less(group: &Group) -> Option<String> {
    let single = group.best(Kind::Single)?;
    let curve = group.curves.iter().find(|curve| curve.kind == Kind::Adaptive)?;
    let enough = curve.points.iter().filter(|point| point.accuracy.value >= single.top1.value);
    let quickest = enough.min_by(|a, b| a.time_ms.total_cmp(&b.time_ms))?;
    (quickest.time_ms < mean(single)).then(|| {
        format!(
            "To be right at least as often as {} ({}), {} needs {}: {}.",
            single.name,
            percent(single.top1.value),
            curve.name,
            ms(quickest.time_ms),
            speed(mean(single), quickest.time_ms)
        )
    })
}

fn against_mix(entry: &Entry) -> Option<String> {
    let above = entry.against_random_mix?;
    let points = format!(
        "{} points (95 % interval {} to {})",
        signed(above.value),
        signed(above.low),
        signed(above.high)
    );
    let name = &entry.name;
    Some(match above.side() {
        Side::Above => format!(
            "{name} is above the random-mix line: {points} against drawing lots between two single \
             models in the same mean time."
        ),
        Side::Below => format!(
            "{name} is below the random-mix line: {points} against drawing lots between two single \
             models in the same mean time. Drawing lots is better."
        ),
        Side::Undecided => format!(
            "{name} is within its interval of the random-mix line: {points}. These images cannot \
             tell it from drawing lots between two single models in the same mean time."
        ),
    })
}

fn learner_mix(group: &Group) -> Option<String> {
    let best = group.best(Kind::LearnerMix)?;
    let against = group.best(Kind::PaperSequence).map_or(String::new(), |paper| {
        format!("; {} is right on {} in {}", paper.name, percent(paper.top1.value), time(paper))
    });
    let worth = format!("right on {} in {}{against}", percent(best.top1.value), time(best));
    Some(match group.of(Kind::LearnerMix).count() {
        1 => format!("{}, chosen without the images it is judged on: {worth}.", best.name),
        many => format!(
            "Of {} the best is {}: {worth}. Picked after the fact, the best of many is flattered.",
            plural(many, "mix of learners"),
            best.name
        ),
    })
}

fn oracle(group: &Group) -> Option<String> {
    let oracle = group.best(Kind::Oracle)?;
    Some(format!(
        "A perfect choice among all models would be right on {} in {}: no chooser that runs \
         one model for each image can be right more often.",
        percent(oracle.top1.value),
        time(oracle)
    ))
}

fn in_time(group: &Group) -> Option<String> {
    let adaptive = group.best(Kind::Adaptive)?;
    let budgets: Vec<String> = adaptive
        .effective
        .iter()
        .filter_map(|effective| {
            let budget = effective.budget_ms;
            let (entry, accuracy) = best_in_time(group, Kind::Adaptive, budget)?;
            let (single, alone) = best_in_time(group, Kind::Single, budget)?;
            Some(format!(
                "of {}, {} {} ({} {})",
                budget_text(budget),
                entry.name,
                percent(accuracy.value),
                single.name,
                percent(alone.value)
            ))
        })
        .collect();
    (!budgets.is_empty()).then(|| {
        format!(
            "Right and in time, against the best single model for the same budget: {}.",
            budgets.join("; ")
        )
    })
}

/// The entry of a kind that is right and in time most often.
pub(super) fn best_in_time(
    group: &Group,
    kind: Kind,
    budget_ms: f64,
) -> Option<(&Entry, Interval)> {
    let in_time = |entry: &Entry| {
        entry.effective.iter().find(|at| at.budget_ms == budget_ms).map(|at| at.accuracy)
    };
    let all = group.of(kind).filter_map(|entry| in_time(entry).map(|accuracy| (entry, accuracy)));
    all.max_by(|a, b| a.1.value.total_cmp(&b.1.value))
}

fn ablation(group: &Group) -> Option<String> {
    let adaptive = group.best(Kind::Adaptive)?;
    let worst = group.of(Kind::Ablation).min_by(|a, b| a.top1.value.total_cmp(&b.top1.value))?;
    Some(format!(
        "Of what was left out of the adaptive chooser, this costs most: {} is right on {} in {}, {} \
         on {} in {}.",
        worst.name,
        percent(worst.top1.value),
        time(worst),
        adaptive.name,
        percent(adaptive.top1.value),
        time(adaptive)
    ))
}

fn signals(evaluation: &Evaluation) -> Option<String> {
    let range = |of: fn(&super::figures::Auc) -> Option<f64>| {
        let values: Vec<f64> = evaluation.auc.iter().filter_map(of).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        Some(format!("{low:.2} to {high:.2}"))
    };
    let features = range(|auc| auc.from_features)?;
    let confidence = range(|auc| auc.from_own_confidence).map_or(String::new(), |confidence| {
        format!(", from the confidence of the model that just ran {confidence}")
    });
    Some(format!(
        "Whether a model will be right can be told from the image's features with an AUC of \
         {features}{confidence}, by model (0.5 is guessing, 1 is knowing)."
    ))
}

fn calibration(evaluation: &Evaluation) -> Option<String> {
    let models = &evaluation.calibration;
    let mean = |of: fn(&super::figures::Calibration) -> f64| {
        models.iter().map(of).sum::<f64>() / models.len() as f64
    };
    (!models.is_empty()).then(|| {
        format!(
            "A model's confidence is off by {:.1} points on average, after calibration by {:.1}.",
            mean(|model| model.ece_before),
            mean(|model| model.ece_after)
        )
    })
}

fn transfer(group: &Group) -> Option<String> {
    let Selection::Transfer { trained_on, tested_on } = &group.selection else { return None };
    let (single, adaptive) = (group.best(Kind::Single)?, group.best(Kind::Adaptive)?);
    Some(format!(
        "Trained on {} and tested on {tested_on}, {} is right on {} in {}; {}, the most capable \
         single model there, on {} in {}.",
        trained_on.join(" + "),
        adaptive.name,
        percent(adaptive.top1.value),
        time(adaptive),
        single.name,
        percent(single.top1.value),
        time(single)
    ))
}

fn mean(entry: &Entry) -> f64 {
    entry.time_ms.mean.value
}

fn time(entry: &Entry) -> String {
    ms(mean(entry))
}

fn speed(other_ms: f64, own_ms: f64) -> String {
    if own_ms <= other_ms {
        format!("it is {:.1} times quicker", other_ms / own_ms)
    } else {
        format!("it takes {:.1} times as long", own_ms / other_ms)
    }
}

fn plural(number: usize, what: &str) -> String {
    match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "mix of learners") => format!("{} mixes of learners", count(number)),
        _ => format!("{} {what}s", count(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::example;
    use super::*;

    fn said(evaluation: &Evaluation, part: &str) -> String {
        let all = findings(evaluation);
        let found = all.iter().find(|finding| finding.contains(part));
        found.unwrap_or_else(|| panic!("no finding has `{part}`: {all:#?}")).clone()
    }

    fn set_paper(evaluation: &mut Evaluation, low: f64, high: f64) {
        let entries = &mut evaluation.groups[0].entries;
        let paper = entries.iter_mut().find(|entry| entry.kind == Kind::PaperSequence).unwrap();
        paper.against_random_mix = Some(Interval { value: (low + high) / 2.0, low, high });
    }

    #[test]
    fn the_papers_sequence_is_placed_by_its_interval() {
        let mut evaluation = example::evaluation();
        set_paper(&mut evaluation, -1.5, 0.5);
        assert!(said(&evaluation, "paper KNN is").contains("within its interval"));
        set_paper(&mut evaluation, 0.5, 1.5);
        assert!(said(&evaluation, "paper KNN is").contains("above the random-mix line: +1.0"));
        set_paper(&mut evaluation, -1.5, -0.5);
        let below = said(&evaluation, "paper KNN is");
        assert!(below.contains("below the random-mix line: −1.0 points"), "{below}");
    }

    #[test]
    fn the_adaptive_chooser_is_compared_with_the_most_capable_model() {
        let mut evaluation = example::evaluation();
        let text = said(&evaluation, "points against inception_v3");
        assert!(text.contains("+3.1 points") && text.contains("times quicker"), "{text}");
        assert!(said(&evaluation, "at least as often").contains("7.60 ms"));
        let entries = &mut evaluation.groups[0].entries;
        for entry in entries.iter_mut().filter(|entry| entry.kind == Kind::Adaptive) {
            entry.against_best_single = Some(Interval { value: 0.2, low: -1.0, high: 1.4 });
        }
        assert!(said(&evaluation, "points against inception_v3").contains("cannot be told"));
    }

    #[test]
    fn a_slower_chooser_is_not_called_quicker() {
        assert_eq!(speed(10.0, 20.0), "it takes 2.0 times as long");
        assert_eq!(speed(20.0, 10.0), "it is 2.0 times quicker");
    }

    #[test]
    fn what_was_not_measured_is_not_spoken_of() {
        let text = findings(&Evaluation::default());
        assert_eq!(text.len(), 1, "{text:?}");
        assert!(text[0].starts_with("0 single models"));
    }
}
