//! The machine, and the versions of what runs on it.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A machine, for people and for telling profiles apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's own name, or its architecture.
    pub processor: String,
    /// How many of its cores this process may use.
    pub cores: usize,
    /// The operating system and its kernel.
    pub os: String,
    /// The board's model, which embedded machines state.
    pub board: Option<String>,
}

/// The versions of what measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// This program.
    pub classifyd: String,
    /// ONNX Runtime, in its own words.
    pub onnxruntime: String,
    /// GStreamer.
    pub gstreamer: String,
}

impl Machine {
    /// The machine whose root directory is `root`. What cannot be read is left out.
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let processor = value(&text("proc/cpuinfo"), "model name", ':');
        let board = text("proc/device-tree/model").trim_matches(['\0', ' ', '\n']).to_owned();
        let system = value(&text("etc/os-release"), "PRETTY_NAME", '=');
        let system = system.map(|name| name.trim_matches('"').to_owned());
        let kernel = text("proc/sys/kernel/osrelease").trim().to_owned();
        let os = format!("{} {kernel}", system.as_deref().unwrap_or(std::env::consts::OS));
        Self {
            processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            os: os.trim_end().to_owned(),
            board: (!board.is_empty()).then_some(board),
        }
    }
}

/// The value of the first line `key SEPARATOR value`.
fn value(text: &str, key: &str, separator: char) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    let mut values = pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim());
    values.next().filter(|value| !value.is_empty()).map(str::to_owned)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, os, board } = self;
        write!(f, "{processor}, {cores} core{}, {os}", if *cores == 1 { "" } else { "s" })?;
        board.iter().try_for_each(|board| write!(f, ", {board}"))
    }
}

/// The model of the first graphics card, as its driver states it.
pub fn nvidia_card(root: &Path) -> Option<String> {
    let cards = fs::read_dir(root.join("proc/driver/nvidia/gpus")).ok()?;
    let mut cards: Vec<_> = cards.flatten().map(|card| card.path().join("information")).collect();
    cards.sort();
    let information = fs::read_to_string(cards.first()?).ok()?;
    let name = information.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described_by_what_it_states() {
        let root = tempfile::tempdir().unwrap();
        let state = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        state("proc/cpuinfo", "processor : 0\nmodel name : Abacus 9\nmodel name : other\n");
        state("proc/device-tree/model", "quill\0");
        state("proc/sys/kernel/osrelease", "4.9.140-tegra\n");
        state("etc/os-release", "NAME=Ubuntu\nPRETTY_NAME=\"Ubuntu 18.04.6 LTS\"\n");
        let machine = Machine::read(root.path());
        assert_eq!(machine.processor, "Abacus 9");
        assert_eq!(machine.os, "Ubuntu 18.04.6 LTS 4.9.140-tegra");
        assert_eq!(machine.board.as_deref(), Some("quill"));
        assert!(machine.to_string().ends_with("LTS 4.9.140-tegra, quill"), "{machine}");
    }

    #[test]
    fn a_machine_that_states_nothing_has_an_architecture() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::read(root.path());
        assert_eq!(machine.processor, std::env::consts::ARCH);
        assert_eq!((machine.os.as_str(), machine.board), (std::env::consts::OS, None));
    }
}
