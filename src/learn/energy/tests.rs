//! Sensors in a sysfs of files, and simulated time.

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;

struct Sysfs(TempDir);

impl Sysfs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn state(&self, file: &str, value: impl ToString) -> &Self {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string() + "\n").unwrap();
        self
    }

    fn meter(&self) -> Option<Meter> {
        Meter::find(self.0.path())
    }
}

const PACKAGE: &str = "class/powercap/intel-rapl:0";

fn rapl(counter: u64) -> Sysfs {
    let sysfs = Sysfs::new();
    let zones = [(PACKAGE, "package-0"), ("class/powercap/intel-rapl:0:0", "core")];
    for (zone, name) in zones.into_iter().chain([("class/powercap/intel-rapl:1", "psys")]) {
        sysfs.state(&format!("{zone}/name"), name);
        sysfs.state(&format!("{zone}/max_energy_range_uj"), 10_000_000);
        sysfs.state(&format!("{zone}/energy_uj"), counter);
    }
    sysfs
}

#[test]
fn a_machine_without_sensors_has_no_meter() {
    assert!(Sysfs::new().meter().is_none());
    let unreadable = rapl(0);
    fs::remove_file(unreadable.0.path().join(PACKAGE).join("energy_uj")).unwrap();
    assert!(unreadable.meter().is_none(), "parts and platform do not stand in for the package");
}

#[test]
fn rapl_counts_packages_and_goes_on_after_its_range() {
    let sysfs = rapl(9_000_000);
    let meter = sysfs.meter().unwrap();
    assert_eq!(meter.name(), "RAPL package-0");
    let start = Clock.now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut measurement = meter.start(start).unwrap();
    sysfs.state(&format!("{PACKAGE}/energy_uj"), 9_500_000);
    measurement.tick(at(100));
    sysfs.state(&format!("{PACKAGE}/energy_uj"), 1_000_000);
    let (joules, elapsed) = measurement.finish(at(400));
    assert!((joules - 2.0).abs() < 1e-9, "0.5 J, and 1.5 J over the end of the range: {joules}");
    assert_eq!(elapsed, Duration::from_millis(400));
}

const MODULE: &str = "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";

/// 5 V and `milliamperes` on the first two channels.
fn hwmon(milliamperes: [u64; 2], names: [&str; 2]) -> Sysfs {
    let sysfs = Sysfs::new();
    for (channel, (current, name)) in (1..).zip(milliamperes.into_iter().zip(names)) {
        sysfs.state(&format!("{MODULE}/in{channel}_label"), name);
        sysfs.state(&format!("{MODULE}/in{channel}_input"), 5000);
        sysfs.state(&format!("{MODULE}/curr{channel}_input"), current);
    }
    sysfs.state(&format!("{MODULE}/in7_input"), 99).state(&format!("{MODULE}/curr4_input"), 999);
    sysfs
}

fn watts(meter: &Meter) -> f64 {
    match meter.read() {
        Some(Reading::Watts(watts)) => watts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rail_of_the_whole_module_counts_alone() {
    let meter = hwmon([2000, 600], ["VDD_IN", "VDD_CPU"]).meter().unwrap();
    assert_eq!(meter.name(), "INA3221 VDD_IN");
    let sysfs = hwmon([2000, 600], ["VDD_GPU", "VDD_CPU"]);
    let meter = sysfs.meter().unwrap();
    assert_eq!(meter.name(), "INA3221 VDD_CPU + VDD_GPU");
    assert!((watts(&meter) - 13.0).abs() < 1e-9);
    sysfs.state(&format!("{MODULE}/power1_input"), 7_000_000);
    let watts = watts(&sysfs.meter().unwrap());
    assert!((watts - 10.0).abs() < 1e-9, "stated power comes before volts times amperes: {watts}");
}

#[test]
fn the_older_driver_states_milliwatts() {
    let sysfs = Sysfs::new();
    let device = "bus/i2c/drivers/ina3221x/0-0041/iio:device1";
    sysfs.state(&format!("{device}/rail_name_0"), "VDD_IN");
    sysfs.state(&format!("{device}/in_power0_input"), 4200);
    let meter = sysfs.meter().unwrap();
    assert_eq!(meter.name(), "INA3221 VDD_IN");
    assert!((watts(&meter) - 4.2).abs() < 1e-9);
}

#[test]
fn power_is_integrated_by_trapezoids_and_not_read_too_often() {
    let sysfs = hwmon([1000, 0], ["VDD_IN", "VDD_CPU"]);
    let meter = sysfs.meter().unwrap();
    let start = Clock.now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut measurement = meter.start(start).unwrap();
    sysfs.state(&format!("{MODULE}/curr1_input"), 3000);
    measurement.tick(at(10));
    assert_eq!(measurement.joules, 0.0, "10 ms are too short");
    measurement.tick(at(100));
    fs::remove_file(sysfs.0.path().join(MODULE).join("curr1_input")).unwrap();
    measurement.tick(at(200));
    sysfs.state(&format!("{MODULE}/curr1_input"), 3000);
    let (joules, elapsed) = measurement.finish(at(1100));
    // 100 ms from 5 to 15 W, one second at 15 W; the reading that failed is bridged.
    assert!((joules - 16.0).abs() < 1e-9, "{joules}");
    assert_eq!(elapsed, Duration::from_millis(1100));
}

#[test]
fn idle_power_is_taken_off() {
    let second = Duration::from_secs(2);
    let energy = Energy::per_inference((30.0, second), 100, 5.0, "a sensor".into()).unwrap();
    assert!((energy.joules - 0.2).abs() < 1e-12);
    let none = Energy::per_inference((9.0, second), 100, 5.0, "a sensor".into());
    assert_eq!(none, None, "less than idle is noise");
    assert_eq!(Energy::per_inference((30.0, second), 0, 5.0, String::new()), None);
}
