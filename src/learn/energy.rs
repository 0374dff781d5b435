//! What an inference costs in energy, where the machine can tell.
//!
//! Two kinds of sensor are known, both read from sysfs:
//!
//! - **INA3221**, the power monitor of Jetson boards, by its hwmon or its older iio driver. It states
//!   power, which is integrated over time by the trapezoid rule. A rail for the whole module (its
//!   name ends in `_IN`) counts alone; without one, all rails count together.
//! - **RAPL**, the energy counters of Intel's and AMD's processors, one for each package. Only root
//!   may read them on most systems.
//!
//! The idle power is measured before and taken off, so that what counts is what the inferences add.
//! Energy is in joules, power in watts.

mod rails;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rails::Rail;

/// The shortest time between two readings of power; the sensors themselves average over about as
/// long.
const READING_PERIOD: Duration = Duration::from_millis(50);

/// Micro-units in a unit.
const MICRO: f64 = 1e-6;

/// What an inference of a model costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Energy {
    /// Joules that one inference adds to the idle power.
    pub joules: f64,
    /// The idle power that was taken off, in watts.
    pub idle_watts: f64,
    /// The sensor, as in `RAPL package-0`.
    pub sensor: String,
}

/// A sensor of energy or power.
#[derive(Debug)]
pub struct Meter {
    sensor: Sensor,
}

#[derive(Debug)]
enum Sensor {
    Power(Vec<Rail>),
    Counters(Vec<Counter>),
}

/// A counter of microjoules that starts again from 0 after `range`.
#[derive(Debug)]
struct Counter {
    name: String,
    file: PathBuf,
    range: u64,
}

impl Meter {
    /// The sensor of the machine whose sysfs is mounted at `sysfs`, if there is one that can be read.
    pub fn find(sysfs: &Path) -> Option<Self> {
        let rails = rails::find(sysfs);
        if !rails.is_empty() {
            return Some(Self { sensor: Sensor::Power(rails) });
        }
        let counters = counters(sysfs);
        (!counters.is_empty()).then_some(Self { sensor: Sensor::Counters(counters) })
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        let (kind, parts): (&str, Vec<&str>) = match &self.sensor {
            Sensor::Power(rails) => ("INA3221", rails.iter().map(Rail::name).collect()),
            Sensor::Counters(counters) => {
                ("RAPL", counters.iter().map(|counter| counter.name.as_str()).collect())
            }
        };
        format!("{kind} {}", parts.join(" + "))
    }

    /// Starts to measure; `None` if the sensor gives no reading.
    pub fn start(&self, now: Instant) -> Option<Measurement<'_>> {
        let reading = self.read()?;
        Some(Measurement { meter: self, begun: now, at: now, reading, joules: 0.0 })
    }

    fn read(&self) -> Option<Reading> {
        match &self.sensor {
            Sensor::Power(rails) => {
                rails.iter().map(Rail::watts).sum::<Option<f64>>().map(Reading::Watts)
            }
            Sensor::Counters(counters) => {
                counters.iter().map(Counter::read).collect::<Option<_>>().map(Reading::Microjoules)
            }
        }
    }

    fn joules_between(&self, before: &Reading, after: &Reading, elapsed: Duration) -> f64 {
        match (before, after, &self.sensor) {
            (Reading::Watts(before), Reading::Watts(after), _) => {
                (before + after) / 2.0 * elapsed.as_secs_f64()
            }
            (Reading::Microjoules(before), Reading::Microjoules(after), Sensor::Counters(all)) => {
                let pairs = before.iter().zip(after).zip(all);
                pairs.map(|((before, after), counter)| counter.joules(*before, *after)).sum()
            }
            // A sensor gives readings of one kind.
            _ => 0.0,
        }
    }
}

#[derive(Debug)]
enum Reading {
    Watts(f64),
    Microjoules(Vec<u64>),
}

/// Energy, being measured.
#[derive(Debug)]
pub struct Measurement<'a> {
    meter: &'a Meter,
    begun: Instant,
    at: Instant,
    reading: Reading,
    joules: f64,
}

impl Measurement<'_> {
    /// Takes another reading if the last one is old enough. To be called again and again: power
    /// between two readings is taken to change evenly, and counters must not overflow twice.
    pub fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.at) >= READING_PERIOD {
            self.update(now);
        }
    }

    /// The joules since the start, and how long that is.
    pub fn finish(mut self, now: Instant) -> (f64, Duration) {
        self.update(now);
        (self.joules, self.at.saturating_duration_since(self.begun))
    }

    /// A reading that fails is left out; the next one spans its time.
    fn update(&mut self, now: Instant) {
        let Some(reading) = self.meter.read() else { return };
        let elapsed = now.saturating_duration_since(self.at);
        self.joules += self.meter.joules_between(&self.reading, &reading, elapsed);
        (self.reading, self.at) = (reading, now);
    }
}

impl Energy {
    /// The cost of each of `inferences` that together took `joules` in `elapsed`; `None` if they added
    /// nothing to the idle power that the sensor could see.
    pub fn per_inference(
        (joules, elapsed): (f64, Duration),
        inferences: usize,
        idle_watts: f64,
        sensor: String,
    ) -> Option<Self> {
        let added = joules - idle_watts * elapsed.as_secs_f64();
        let joules = added / inferences as f64;
        (joules.is_finite() && joules > 0.0).then_some(Self { joules, idle_watts, sensor })
    }
}

impl Counter {
    fn read(&self) -> Option<u64> {
        number(&self.file)
    }

    fn joules(&self, before: u64, after: u64) -> f64 {
        let microjoules = match after.checked_sub(before) {
            Some(difference) => difference,
            None => (self.range.saturating_sub(before)).saturating_add(after),
        };
        microjoules as f64 * MICRO
    }
}

/// The counters of whole packages: those of their parts, and of the platform around them, would
/// count the same energy again.
fn counters(sysfs: &Path) -> Vec<Counter> {
    let zones = entries(&sysfs.join("class/powercap"), |name| name.starts_with("intel-rapl:"));
    let counter = |zone: PathBuf| {
        let name = text(&zone.join("name"))?;
        let (file, range) = (zone.join("energy_uj"), number(&zone.join("max_energy_range_uj"))?);
        if !name.starts_with("package") {
            return None;
        }
        if number(&file).is_none() {
            log::info!("the energy counter {} cannot be read (it is root's)", file.display());
            return None;
        }
        Some(Counter { name, file, range })
    };
    zones.into_iter().filter_map(counter).collect()
}

/// What is in a directory, by name, if the name is right.
fn entries(directory: &Path, is_right: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let named = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(&is_right);
    let mut paths: Vec<_> = entries.flatten().filter(named).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn text(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

fn number(file: &Path) -> Option<u64> {
    text(file)?.parse().ok()
}

#[cfg(test)]
mod tests;
