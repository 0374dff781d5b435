//! The rails that an INA3221 watches.

use std::path::{Path, PathBuf};

use super::{MICRO, entries, number, text};

/// Milli-units in a unit.
const MILLI: f64 = 1e-3;

/// Channels of the chip. Further inputs that its driver lists are sums and shunt voltages.
const CHANNELS: std::ops::RangeInclusive<u8> = 1..=3;

/// One supply, watched.
#[derive(Debug)]
pub(super) struct Rail {
    name: String,
    inputs: Inputs,
}

/// The files that state its power.
#[derive(Debug)]
enum Inputs {
    /// Power, and what one of its units is in watts.
    Power(PathBuf, f64),
    /// Millivolts and milliamperes.
    VoltsAmperes(PathBuf, PathBuf),
}

impl Rail {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The present power; `None` if it cannot be read.
    pub(super) fn watts(&self) -> Option<f64> {
        match &self.inputs {
            Inputs::Power(file, unit) => Some(number(file)? as f64 * unit),
            Inputs::VoltsAmperes(volts, amperes) => {
                Some(number(volts)? as f64 * MILLI * number(amperes)? as f64 * MILLI)
            }
        }
    }
}

/// The rails that together make up the power of the machine, in the order of their names.
pub(super) fn find(sysfs: &Path) -> Vec<Rail> {
    let drivers = entries(&sysfs.join("bus/i2c/drivers"), |name| name.starts_with("ina3221"));
    // Devices are links named bus-address, as in 1-0040.
    let is_device =
        |name: &str| name.split_once('-').is_some_and(|(bus, _)| bus.parse::<u8>().is_ok());
    let devices = drivers.iter().flat_map(|driver| entries(driver, is_device));
    let mut rails: Vec<Rail> = devices.flat_map(|device| of_device(&device)).collect();
    rails.retain(|rail| rail.watts().is_some());
    rails.sort_by(|left, right| left.name.cmp(&right.name));
    match rails.iter().position(|rail| rail.name.ends_with("_IN")) {
        Some(whole) => vec![rails.swap_remove(whole)],
        None => rails,
    }
}

fn of_device(device: &Path) -> Vec<Rail> {
    let hwmon = entries(&device.join("hwmon"), |name| name.starts_with("hwmon"));
    let iio = entries(device, |name| name.starts_with("iio:device"));
    let by_hwmon =
        hwmon.iter().flat_map(|directory| CHANNELS.filter_map(|n| by_hwmon(directory, n)));
    let by_iio = iio.iter().flat_map(|directory| CHANNELS.filter_map(|n| by_iio(directory, n - 1)));
    by_hwmon.chain(by_iio).collect()
}

/// Power in microwatts where the driver states it; else millivolts and milliamperes.
fn by_hwmon(directory: &Path, channel: u8) -> Option<Rail> {
    let file = |what: &str, suffix: &str| directory.join(format!("{what}{channel}_{suffix}"));
    let name = text(&file("in", "label")).unwrap_or_else(|| format!("rail {channel}"));
    let power = file("power", "input");
    if power.is_file() {
        return Some(Rail { name, inputs: Inputs::Power(power, MICRO) });
    }
    let (volts, amperes) = (file("in", "input"), file("curr", "input"));
    let both = volts.is_file() && amperes.is_file();
    both.then_some(Rail { name, inputs: Inputs::VoltsAmperes(volts, amperes) })
}

/// The driver of older Jetson kernels: channels from 0, power in milliwatts.
fn by_iio(directory: &Path, channel: u8) -> Option<Rail> {
    let power = directory.join(format!("in_power{channel}_input"));
    let name = text(&directory.join(format!("rail_name_{channel}")));
    let name = name.unwrap_or_else(|| format!("rail {channel}"));
    power.is_file().then_some(Rail { name, inputs: Inputs::Power(power, MILLI) })
}
