//! Latencies measured elsewhere: what choosing would be worth on another device.
//!
//! A table is TOML:
//!
//! ```toml
//! device = "a board"
//! source = "who measured, and how"
//!
//! [models]
//! mobilenet_v1 = "12.9ms"
//! ```
//!
//! Models that it does not list are left out of the evaluation; models that were not profiled are
//! passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::learn::profile_file::Profile;
use crate::models::ModelId;

/// Latencies of models on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyTable {
    /// What they ran on.
    pub device: String,
    /// Where the figures are from.
    pub source: String,
    models: BTreeMap<String, Duration>,
}

/// Why a table cannot be used.
#[derive(Debug, Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("cannot read the latency table {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It is not of the documented form.
    #[error(
        "the latency table {} is not as documented; it has `device`, `source` and `[models]` with \
         lines such as mobilenet_v1 = \"12.9ms\"",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// A latency that is none.
    #[error(
        "the latency of {model} in the latency table {} is `{found}`; write a time above zero, as in \
         12.9ms",
        path.display()
    )]
    Latency {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
        /// What is there.
        found: String,
    },
}

/// The table and the profiles have no model in common.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the latency table lists none of the profiled models; it lists {}, the profiles have {}",
    listed.join(", "),
    profiled.join(", ")
)]
pub struct NothingListed {
    listed: Vec<String>,
    profiled: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    device: String,
    source: String,
    models: BTreeMap<String, String>,
}

impl LatencyTable {
    /// Reads a table.
    pub fn load(path: &Path) -> Result<Self, TableError> {
        let read = |source| TableError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, TableError> {
        let form = |source| TableError::Form { path: path.to_owned(), source: Box::new(source) };
        let Document { device, source, models } = toml::from_str(text).map_err(form)?;
        let latency = |(model, found): (String, String)| {
            let time = humantime::parse_duration(&found).ok().filter(|time| !time.is_zero());
            let path = path.to_owned();
            time.map(|time| (model.clone(), time)).ok_or(TableError::Latency { path, model, found })
        };
        let models = models.into_iter().map(latency).collect::<Result<_, _>>()?;
        Ok(Self { device, source, models })
    }

    /// Leaves the models that it does not list out of profiles.
    pub(super) fn restrict(&self, profiles: &mut [Profile]) -> Result<(), NothingListed> {
        for profile in profiles {
            let models = &profile.header.models;
            let listed: Vec<bool> =
                models.iter().map(|model| self.models.contains_key(model.id.as_str())).collect();
            if !listed.contains(&true) {
                return Err(self.nothing_listed(profile));
            }
            keep(&mut profile.header.models, &listed);
            profile.images.iter_mut().for_each(|image| keep(&mut image.results, &listed));
        }
        Ok(())
    }

    fn nothing_listed(&self, profile: &Profile) -> NothingListed {
        let profiled = profile.header.models.iter().map(|model| model.id.to_string()).collect();
        NothingListed { listed: self.models.keys().cloned().collect(), profiled }
    }

    /// The latency of a model, if it is listed.
    pub fn time(&self, model: &ModelId) -> Option<Duration> {
        self.models.get(model.as_str()).copied()
    }

    /// The latencies of models that it lists.
    pub(super) fn times(&self, models: &[ModelId]) -> Vec<Duration> {
        models.iter().map(|model| self.time(model).unwrap_or_default()).collect()
    }
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LatencyTable, TableError> {
        LatencyTable::parse(text, Path::new("table.toml"))
    }

    #[test]
    fn times_have_a_unit_and_may_have_a_fraction() {
        let latency = |time: &str| {
            let text = format!("device = \"a\"\nsource = \"b\"\n[models]\nred = \"{time}\"\n");
            Some(parse(&text).ok()?.times(&[ModelId::new("red")?])[0])
        };
        assert_eq!(latency("12.9ms"), Some(Duration::from_micros(12_900)));
        assert_eq!(latency("70us"), Some(Duration::from_micros(70)));
        for wrong in ["12.9", "-3ms", "NaNms", "infs", "1e300s", "ms", ""] {
            assert_eq!(latency(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said() {
        let form = parse("device = \"a\"\n[models]\nb = \"1ms\"\n").unwrap_err();
        assert!(form.to_string().contains("table.toml"), "{form}");
        let head = "device = \"a\"\nsource = \"b\"\n[models]\n";
        let zero = parse(&format!("{head}b = \"0ms\"\n")).unwrap_err().to_string();
        assert!(zero.contains("latency of b") && zero.contains("`0ms`"), "{zero}");
        let table = parse(&format!("{head}red = \"2.5ms\"\n")).unwrap();
        assert_eq!((table.device.as_str(), table.source.as_str()), ("a", "b"));
        let red = ModelId::new("red").unwrap();
        assert_eq!(table.times(&[red]), [Duration::from_micros(2500)]);
    }

    #[test]
    fn the_tables_that_come_along_are_well_formed() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/latency");
        for entry in std::fs::read_dir(directory).unwrap() {
            let table = LatencyTable::load(&entry.unwrap().path()).unwrap();
            assert!(table.models.len() > 2, "{table:?}");
        }
    }
}
