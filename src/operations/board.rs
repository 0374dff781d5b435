//! What the machine says of itself: temperatures, clocks, power mode. Whatever it does not say is left
//! out.
//!
//! - Temperatures are those of `/sys/class/thermal/thermal_zone*`; a sensor that is switched off, as that
//!   of an idle graphics processor may be, has none.
//! - Clocks are those of cpufreq (`/sys/devices/system/cpu/cpufreq/policy*`, kHz) and devfreq
//!   (`/sys/class/devfreq/*`, Hz), among which Jetson boards have their graphics processor.
//! - The power mode is what estimates are remembered by ([`PowerMode`]).

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::scheduler::estimate::PowerMode;

/// Sensors or clocks that are looked at, at most.
const MOST: usize = 64;

/// What the machine says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// How much power it gives itself, in its own words.
    pub power_mode: String,
    /// Its temperatures.
    pub temperatures: Vec<Temperature>,
    /// Its clocks.
    pub clocks: Vec<ClockRate>,
}

/// The temperature at some place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// As in `thermal_zone0`.
    pub zone: String,
    /// As in `CPU-therm`.
    pub sensor: String,
    /// In degrees.
    pub celsius: f64,
}

/// The rate of a clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockRate {
    /// `cpu` (a policy of cpufreq) or `devfreq`.
    pub kind: String,
    /// As in `policy0` or `17000000.gpu`.
    pub device: String,
    /// At present.
    pub hertz: u64,
}

impl Board {
    /// What the machine says whose root directory is `root`.
    pub fn read(root: &Path) -> Self {
        let mut clocks = clocks(root, "sys/devices/system/cpu/cpufreq", &CPU);
        clocks.extend(self::clocks(root, "sys/class/devfreq", &DEVFREQ));
        Self {
            power_mode: PowerMode::read(root).as_str().to_owned(),
            temperatures: temperatures(root),
            clocks,
        }
    }
}

fn temperatures(root: &Path) -> Vec<Temperature> {
    let directory = root.join("sys/class/thermal");
    let zones = names(&directory).into_iter().filter(|name| name.starts_with("thermal_zone"));
    let temperature = |zone: String| {
        let millidegrees: f64 = text(&directory.join(&zone).join("temp"))?.parse().ok()?;
        let sensor = text(&directory.join(&zone).join("type")).unwrap_or_default();
        Some(Temperature { zone, sensor, celsius: millidegrees / 1e3 })
    };
    zones.filter_map(temperature).take(MOST).collect()
}

/// How a kind of clock tells its rate.
struct ClockKind {
    kind: &'static str,
    file: &'static str,
    hertz: u64,
}

const CPU: ClockKind = ClockKind { kind: "cpu", file: "scaling_cur_freq", hertz: 1000 };
const DEVFREQ: ClockKind = ClockKind { kind: "devfreq", file: "cur_freq", hertz: 1 };

fn clocks(root: &Path, directory: &str, of: &ClockKind) -> Vec<ClockRate> {
    let directory = root.join(directory);
    let rate = |device: String| {
        let count: u64 = text(&directory.join(&device).join(of.file))?.parse().ok()?;
        Some(ClockRate { kind: of.kind.to_owned(), device, hertz: count.saturating_mul(of.hertz) })
    };
    names(&directory).into_iter().filter_map(rate).take(MOST).collect()
}

/// The names in a directory, in order.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn text(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use tempfile::TempDir;

    use super::*;

    /// The files of a Jetson TX2, as far as they matter here.
    pub(in crate::operations) fn jetson() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("sys/class/thermal/thermal_zone0/type", "BCPU-therm\n"),
            ("sys/class/thermal/thermal_zone0/temp", "41500\n"),
            ("sys/class/thermal/thermal_zone1/type", "GPU-therm\n"),
            ("sys/class/thermal/thermal_zone1/temp", ""),
            ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "2035200\n"),
            ("sys/class/devfreq/17000000.gp10b/cur_freq", "1300500000\n"),
            ("etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n< PM_CONFIG DEFAULT=0 >\n"),
        ];
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn a_board_tells_temperatures_clocks_and_power_mode() {
        let board = Board::read(jetson().path());
        assert_eq!(board.power_mode, "nvpmodel 0 MAXN");
        let [temperature] = &board.temperatures[..] else { panic!("{board:?}") };
        assert_eq!((&*temperature.sensor, temperature.celsius), ("BCPU-therm", 41.5));
        let clocks: Vec<_> =
            board.clocks.iter().map(|clock| (&*clock.kind, &*clock.device, clock.hertz)).collect();
        let expected =
            [("cpu", "policy0", 2_035_200_000), ("devfreq", "17000000.gp10b", 1_300_500_000)];
        assert_eq!(clocks, expected);
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_fault() {
        let root = tempfile::tempdir().unwrap();
        let board = Board::read(root.path());
        assert_eq!(board.power_mode, "unknown");
        assert!(board.temperatures.is_empty() && board.clocks.is_empty());
    }
}
