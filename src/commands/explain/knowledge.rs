//! What the adaptive policy knows. Which models it runs on a picture depends on what they answer,
//! so without running them there is nothing to say of the picture.

use crate::adaptive::{Knowledge, ModelSet, SetFit, TimeFit};
use crate::output::table::Table;
use crate::premodel::Premodel;

/// The adaptive part of a premodel in words and tables; empty if it has none.
pub fn description(premodel: &Premodel) -> String {
    let Some(knowledge) = &premodel.recipe().adaptive else { return String::new() };
    let names: Vec<&str> =
        knowledge.pool.iter().map(|&model| premodel.models()[model].id.as_str()).collect();
    format!(
        "\nadaptive policy: it begins with one of {}, and runs another while the answer is worth \
         more than its time\n\n{}\n{}\n{}{}",
        names.join(", "),
        point_table(knowledge),
        set_table(knowledge, &names),
        prior(knowledge),
        time(knowledge.time)
    )
}

fn point_table(knowledge: &Knowledge) -> Table {
    let mut table =
        Table::new(["operating point", "price %/ms", "mean ms", "right %", "assured right %"]);
    for (number, point) in knowledge.points.iter().enumerate() {
        let chosen = if number == knowledge.chosen { " (chosen)" } else { "" };
        table.row([
            format!("{number}{chosen}"),
            format!("{:.4}", point.price_per_ms * 100.0),
            format!("{:.1}", point.mean_time_ms),
            format!("{:.1}", point.accuracy * 100.0),
            format!("{:.1}", point.assured_accuracy * 100.0),
        ]);
    }
    table
}

fn set_table(knowledge: &Knowledge, names: &[&str]) -> Table {
    let mut table = Table::new(["models that ran", "weights of their answers"]);
    for fit in &knowledge.sets {
        table.row([set(fit.set, names), weights(fit)]);
    }
    table
}

fn set(set: ModelSet, names: &[&str]) -> String {
    set.members().map(|model| names[model]).collect::<Vec<_>>().join(" ")
}

fn weights(fit: &SetFit) -> String {
    fit.weights.iter().map(|weight| format!("{weight:.2}")).collect::<Vec<_>>().join(" ")
}

fn prior(knowledge: &Knowledge) -> String {
    let (seen, all) = (knowledge.prior.seen.len(), knowledge.classes);
    match seen {
        0 => format!("prior: none of the {all} classes is held more likely than another\n"),
        _ => format!(
            "prior: the {seen} of {all} classes that training saw are held more likely, strength \
             {:.2}\n",
            knowledge.prior.strength
        ),
    }
}

fn time(time: TimeFit) -> String {
    let TimeFit { reuse_below, reuse_at_most, cut_above, remembered } = time;
    let reuse = match reuse_below > 0.0 {
        true => format!(
            "a frame that differs by less than {reuse_below:.4} takes over the answer, at most \
             {reuse_at_most} of them"
        ),
        false => "no frame takes over the answer of another".to_owned(),
    };
    format!(
        "video: {reuse}; one that differs by more than {cut_above:.3} begins a new scene; \
         {:.0} % of what was said of a frame counts for the next\n",
        remembered * 100.0
    )
}
