//! Writes a simulation down: `simulation.html` for people, `simulation.json` and `simulation.csv` for
//! programs, with a grid `grid.csv` besides, and every plot as an SVG file.

mod coordinates;
mod csv;
mod findings;
mod plots;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::figures::{Case, Simulation};
use crate::report::markup::{Markup, element, element_with};
use crate::report::plot::{DrawError, Plot};
use crate::report::{Page, ReportError, Section, files, note, section};
use findings::findings;

/// The version of the form of `simulation.json`.
pub const VERSION: u32 = 1;

const UNITS: &str = "times in ms where a key says so, rates in frames a second; accuracies, shares, \
                     ratios and utilisations in percent; deviations are standard deviations over the \
                     seeds";

/// Where a report was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The figures, as JSON.
    pub json: PathBuf,
    /// The figures, as a table.
    pub csv: PathBuf,
    /// The points of the grid, as a table, if there is one.
    pub grid: Option<PathBuf>,
    /// The plots.
    pub plots: Vec<PathBuf>,
}

/// Makes the directory if need be, and finds out whether files can be written there.
pub fn prepare(directory: &Path) -> Result<(), ReportError> {
    files::prepare(directory, "simulation.json")
}

/// Writes all files into the directory, which is made if need be. What is there is overwritten.
pub fn write(directory: &Path, simulation: &Simulation) -> Result<Written, ReportError> {
    let plots = Plots::of(simulation)?;
    let svg = |plot: &Plot| files::write(directory, &format!("{}.svg", plot.id), &plot.svg());
    Ok(Written {
        html: files::write(directory, "simulation.html", &html(simulation, &plots))?,
        json: files::write(directory, "simulation.json", &json(simulation)?)?,
        csv: files::write(directory, "simulation.csv", &csv::table(simulation))?,
        grid: match &simulation.grid[..] {
            [] => None,
            points => Some(files::write(directory, "grid.csv", &csv::points(points))?),
        },
        plots: plots.all().map(svg).collect::<Result<_, _>>()?,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    units: &'static str,
    findings: Vec<String>,
    #[serde(flatten)]
    simulation: &'a Simulation,
}

/// The figures as JSON, with the findings in sentences.
pub fn json(simulation: &Simulation) -> Result<String, ReportError> {
    let document = Document {
        format: "classifyd-simulation",
        version: VERSION,
        units: UNITS,
        findings: findings(simulation),
        simulation,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The plots of a simulation, as far as there is something to draw.
struct Plots {
    cases: Vec<Option<Plot>>,
    grid: Option<Plot>,
    heat: Option<Plot>,
    plan: Option<Plot>,
}

impl Plots {
    fn of(simulation: &Simulation) -> Result<Self, DrawError> {
        let case = |(number, case): (usize, &Case)| {
            plots::outcomes::plot(format!("outcomes-{}", number + 1), case)
        };
        Ok(Self {
            cases: simulation.cases.iter().enumerate().map(case).collect::<Result<_, _>>()?,
            grid: plots::grid::plot(simulation)?,
            heat: plots::heat::plot(simulation)?,
            plan: simulation.plan.as_ref().map(plots::plan::plot).transpose()?.flatten(),
        })
    }

    fn all(&self) -> impl Iterator<Item = &Plot> {
        let others = [&self.grid, &self.heat, &self.plan];
        self.cases.iter().chain(others).flatten()
    }
}

fn html(simulation: &Simulation, plots: &Plots) -> String {
    let page = Page {
        title: "classifyd: simulation",
        heading: simulation.name.clone(),
        lead: simulation.about.clone(),
        sections: sections(simulation, plots),
    };
    page.html()
}

fn sections(simulation: &Simulation, plots: &Plots) -> Vec<Section> {
    let mut sections = vec![section("summary", "Summary", summary(simulation))];
    if !simulation.cases.is_empty() {
        let cases = simulation.cases.iter().zip(&plots.cases);
        let content = cases.flat_map(|(case, plot)| of_case(case, plot.as_ref()));
        sections.push(section("policies", "Policies compared", content.collect()));
    }
    if !simulation.grid.is_empty() {
        let drawn = [&plots.grid, &plots.heat].into_iter().flatten().map(Plot::figure);
        let content = drawn.chain([tables::grid(&simulation.grid)]).collect();
        sections.push(section("points", "The grid", content));
    }
    if let Some(plan) = &simulation.plan {
        let drawn = plots.plan.iter().map(Plot::figure);
        let content = drawn.chain([tables::plan(plan)]).collect();
        sections.push(section("cameras", "How many cameras", content));
    }
    sections.push(section("method", "Method", method(simulation)));
    sections
}

fn summary(simulation: &Simulation) -> Vec<Markup> {
    let items = findings(simulation).into_iter().map(|finding| element("li", finding));
    vec![
        element_with("ul", &[("class", "findings")], Markup::join(items)),
        note(
            "Effective accuracy is the share of the captured frames that is answered rightly and in \
             time. What is expected leaves out the luck of the draw: it counts an answer in time as \
             what the model is worth.",
        ),
    ]
}

fn of_case(case: &Case, plot: Option<&Plot>) -> Vec<Markup> {
    let heading = element("h3", case.name.clone());
    let told = format!(
        "{} streams, {:.1} frames/s, load {:.2} by {}.",
        case.streams.len(),
        case.rate,
        case.load,
        case.reference
    );
    let drawn = plot.map_or_else(Markup::none, Plot::figure);
    vec![heading, element("p", told), drawn, tables::case(case)]
}

fn method(simulation: &Simulation) -> Vec<Markup> {
    let seeds = format!(
        "Every setting was run with {} seeds, from {} on; {} events were simulated.",
        simulation.seeds, simulation.seed, simulation.events
    );
    let terms = [
        (
            "load",
            "the rate of all streams times the mean run time of the reference, over the device's \
             capacity: at 1 the device could just run the reference on every frame",
        ),
        (
            "reference",
            "the model that a user would pick as the fixed one: the most accurate that is in time with \
             95 % of its runs, had it the device to itself",
        ),
        ("ours", "the daemon's own scheduler, each frame run once"),
        ("adaptive", "the same, and doubtful answers are given another look"),
        ("fixed", "the daemon's scheduler with one model"),
        ("edf", "one model, earliest deadline first; hopeless frames are given up"),
        (
            "fifo",
            "one model, newest frame of each stream first come first served; no deadline is known",
        ),
        (
            "oracle",
            "knows all arrivals, latencies and slowdowns in advance, and of the answers what all know: \
             a bound that no schedule exceeds",
        ),
        ("omniscient", "knows the answers too"),
    ];
    let term =
        |(name, meaning): (&str, &str)| Markup::join([element("dt", name), element("dd", meaning)]);
    let facts = element_with("dl", &[("class", "facts")], Markup::join(terms.map(term)));
    vec![element("p", seeds), facts]
}
