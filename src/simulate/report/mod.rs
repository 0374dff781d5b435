//! Writes a simulation down: `simulation.html` for people, `simulation.json` and `simulation.csv` for
//! programs, and every plot as an SVG file.

mod csv;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::figures::Simulation;
use crate::report::{ReportError, files};

/// The version of the form of `simulation.json`.
pub const VERSION: u32 = 1;

const UNITS: &str = "times in ms where a key says so, rates in frames a second; accuracies, shares, \
                     ratios and utilisations in percent; deviations are standard deviations over the \
                     seeds";

/// Where a report was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The figures, as JSON.
    pub json: PathBuf,
    /// The figures, as a table.
    pub csv: PathBuf,
}

/// Makes the directory if need be, and finds out whether files can be written there.
pub fn prepare(directory: &Path) -> Result<(), ReportError> {
    files::prepare(directory, "simulation.json")
}

/// Writes all files into the directory, which is made if need be. What is there is overwritten.
pub fn write(directory: &Path, simulation: &Simulation) -> Result<Written, ReportError> {
    Ok(Written {
        json: files::write(directory, "simulation.json", &json(simulation)?)?,
        csv: files::write(directory, "simulation.csv", &csv::table(simulation))?,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    units: &'static str,
    #[serde(flatten)]
    simulation: &'a Simulation,
}

/// The figures as JSON.
pub fn json(simulation: &Simulation) -> Result<String, ReportError> {
    let document =
        Document { format: "classifyd-simulation", version: VERSION, units: UNITS, simulation };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
