//! How much power the machine gives itself, which decides how quick it is.
//!
//! - On **Jetson** boards `nvpmodel` sets one of the modes of `/etc/nvpmodel.conf` and notes which in
//!   `/var/lib/nvpmodel/status` (`pmode:0003 fmode:quiet`; the second word is the fan's). As long as
//!   none was chosen, the default of the configuration holds.
//! - Elsewhere the **governors** of cpufreq tell, and the energy preference that some drivers have in
//!   its place.
//!
//! What `jetson_clocks`, a limit of the graphics card or heat do besides is not seen here: it shows in
//! what runs take.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A power mode, in the machine's own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PowerMode(String);

impl PowerMode {
    /// The mode of the machine whose root directory is `root`. One that states none has the mode
    /// `unknown`.
    pub fn read(root: &Path) -> Self {
        let mode = nvpmodel(root).or_else(|| cpufreq(root));
        Self(mode.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The mode as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PowerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As in `nvpmodel 3 MAXP_CORE_ARM`.
fn nvpmodel(root: &Path) -> Option<String> {
    let modes = text(&root.join("etc/nvpmodel.conf")).unwrap_or_default();
    let status = text(&root.join("var/lib/nvpmodel/status")).unwrap_or_default();
    let chosen = status.split_whitespace().find_map(|word| word.strip_prefix("pmode:"));
    let default = || values(&modes, "PM_CONFIG", "DEFAULT").next();
    let number: u32 = chosen.or_else(default)?.parse().ok()?;
    let is_it = |id: &str| id.parse() == Ok(number);
    let mut named = values(&modes, "POWER_MODEL", "ID").zip(values(&modes, "POWER_MODEL", "NAME"));
    Some(match named.find(|(id, _)| is_it(id)) {
        Some((_, name)) => format!("nvpmodel {number} {name}"),
        None => format!("nvpmodel {number}"),
    })
}

/// The values of `key` in lines like `< SECTION KEY=VALUE OTHER=VALUE >`.
fn values<'a>(text: &'a str, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let words = text.lines().filter_map(|line| line.trim().strip_prefix('<'));
    let sections = words
        .map(str::split_whitespace)
        .filter_map(move |mut words| (words.next() == Some(section)).then_some(words));
    sections.filter_map(move |mut words| {
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    })
}

/// As in `cpufreq schedutil` or `cpufreq powersave balance_power`; clusters that differ are joined by
/// `+`.
fn cpufreq(root: &Path) -> Option<String> {
    let policies = fs::read_dir(root.join("sys/devices/system/cpu/cpufreq")).ok()?;
    let mode = |policy: &Path| {
        let governor = text(&policy.join("scaling_governor"))?;
        let preference = text(&policy.join("energy_performance_preference"));
        Some(preference.map_or(governor.clone(), |preference| format!("{governor} {preference}")))
    };
    let modes: BTreeSet<String> =
        policies.flatten().filter_map(|policy| mode(&policy.path())).collect();
    let modes: Vec<String> = modes.into_iter().collect();
    (!modes.is_empty()).then(|| format!("cpufreq {}", modes.join("+")))
}

/// What a file says; `None` of one that says nothing.
fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURATION: &str = "\
        < PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_0 /sys/devices/system/cpu/cpu0/online\n\
        < POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_1 1\n\
        < POWER_MODEL ID=3 NAME=MAXP_CORE_ARM >\nCPU_ONLINE CORE_1 0\n\
        # mandatory section to configure the default mode\n< PM_CONFIG DEFAULT=3 >\n";

    const STATUS: &str = "var/lib/nvpmodel/status";

    fn mode(files: &[(&str, &str)]) -> String {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        PowerMode::read(root.path()).to_string()
    }

    #[test]
    fn a_jetson_has_the_mode_that_was_chosen_or_its_default() {
        let configuration = ("etc/nvpmodel.conf", CONFIGURATION);
        assert_eq!(mode(&[configuration, (STATUS, "pmode:0000\n")]), "nvpmodel 0 MAXN");
        let with_fan = (STATUS, "pmode:0003 fmode:quiet");
        assert_eq!(mode(&[configuration, with_fan]), "nvpmodel 3 MAXP_CORE_ARM");
        assert_eq!(mode(&[configuration]), "nvpmodel 3 MAXP_CORE_ARM");
        assert_eq!(mode(&[configuration, (STATUS, "pmode:0009")]), "nvpmodel 9");
        assert_eq!(mode(&[(STATUS, "pmode:0002")]), "nvpmodel 2");
    }

    #[test]
    fn other_machines_have_their_governors() {
        let governor = |number: u8| format!("sys/devices/system/cpu/cpufreq/policy{number}");
        let file = |number, name: &str| format!("{}/{name}", governor(number));
        let (first, second) = (file(0, "scaling_governor"), file(4, "scaling_governor"));
        let preference = file(0, "energy_performance_preference");
        assert_eq!(mode(&[(&first, "schedutil\n"), (&second, "schedutil\n")]), "cpufreq schedutil");
        let differing = [(first.as_str(), "schedutil"), (&second, "performance")];
        assert_eq!(mode(&differing), "cpufreq performance+schedutil");
        let preferring = [(first.as_str(), "powersave\n"), (&preference, "balance_power\n")];
        assert_eq!(mode(&preferring), "cpufreq powersave balance_power");
        let jetson = [(first.as_str(), "schedutil"), (STATUS, "pmode:0001")];
        assert_eq!(mode(&jetson), "nvpmodel 1", "the board's own mode says more");
    }

    #[test]
    fn a_machine_that_states_no_mode_has_an_unknown_one() {
        assert_eq!(mode(&[]), "unknown");
        assert_eq!(mode(&[(STATUS, "garbage"), ("etc/nvpmodel.conf", "< PM_CONFIG")]), "unknown");
    }
}
