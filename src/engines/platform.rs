//! The parts of a machine that an engine is made for, read from where they state themselves.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::machine;

/// Where libraries lie, from the root.
const LIBRARIES: [&str; 6] = [
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib64",
    "usr/local/lib",
    "usr/local/tensorrt/lib",
    "usr/lib",
];

/// Where CUDA is installed.
const CUDA: &str = "usr/local/cuda";

/// What a machine has; `None` is what it does not state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// TensorRT, as in `8.2.1`: the number of its library's file.
    pub tensorrt: Option<String>,
    /// CUDA, as in `10.2.300`.
    pub cuda: Option<String>,
    /// The GPU: a Jetson's chip with its compute capability, as in `tegra186 (sm_62)`, or a card's name.
    pub gpu: Option<String>,
    /// The release of a Jetson's system, as in `32.6.1`.
    pub l4t: Option<String>,
}

impl Platform {
    /// The machine whose root directory is `root`.
    pub fn read(root: &Path) -> Self {
        Self { tensorrt: tensorrt(root), cuda: cuda(root), gpu: gpu(root), l4t: l4t(root) }
    }
}

/// The number in the longest name of the library: the others are links to it.
fn tensorrt(root: &Path) -> Option<String> {
    LIBRARIES.iter().find_map(|directory| library_version(&root.join(directory), "libnvinfer.so."))
}

fn library_version(directory: &Path, prefix: &str) -> Option<String> {
    let entries = fs::read_dir(directory).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix(prefix)?.to_owned())).collect();
    versions.sort_by_key(|version| (version.split('.').count(), version.clone()));
    versions.pop()
}

/// From CUDA 11 on a JSON file states it, before that a line of text; else the runtime library does.
fn cuda(root: &Path) -> Option<String> {
    let json = || {
        let text = fs::read_to_string(root.join(CUDA).join("version.json")).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(json["cuda"]["version"].as_str()?.to_owned())
    };
    let text = || {
        let text = fs::read_to_string(root.join(CUDA).join("version.txt")).ok()?;
        Some(text.trim().strip_prefix("CUDA Version ")?.to_owned())
    };
    let beside = [format!("{CUDA}/lib64"), format!("{CUDA}/lib")];
    let directories = beside.iter().map(String::as_str).chain(LIBRARIES);
    let mut runtime =
        directories.map(|directory| library_version(&root.join(directory), "libcudart.so."));
    json().or_else(text).or_else(|| runtime.find_map(|version| version))
}

/// A Jetson has one GPU, which its chip determines; of cards the first counts, as for CUDA.
fn gpu(root: &Path) -> Option<String> {
    let compatible = fs::read_to_string(root.join("proc/device-tree/compatible"));
    let compatible = compatible.unwrap_or_default();
    let mut chips = compatible.split('\0').filter_map(|name| name.strip_prefix("nvidia,"));
    match chips.find(|name| name.starts_with("tegra")) {
        Some(chip) => Some(match capability(chip) {
            Some(capability) => format!("{chip} ({capability})"),
            None => chip.to_owned(),
        }),
        None => machine::nvidia_card(root),
    }
}

/// Compute capabilities of Jetsons, after NVIDIA's table of CUDA GPUs.
fn capability(chip: &str) -> Option<&'static str> {
    match chip {
        "tegra210" => Some("sm_53"),
        "tegra186" => Some("sm_62"),
        "tegra194" => Some("sm_72"),
        "tegra234" => Some("sm_87"),
        _ => None,
    }
}

/// From a line like `# R32 (release), REVISION: 6.1, GCID: 27863751, BOARD: t186ref`.
fn l4t(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("etc/nv_tegra_release")).ok()?;
    let line = text.lines().next()?.strip_prefix("# R")?;
    let major = line.split_whitespace().next()?;
    let revision = line.split_once("REVISION: ")?.1.split(',').next()?.trim();
    Some(format!("{major}.{revision}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_jetson_tx2_states_what_it_has() {
        let release =
            "# R32 (release), REVISION: 6.1, GCID: 27863751, BOARD: t186ref, EABI: aarch64\n";
        let root = root_of(&[
            ("usr/lib/aarch64-linux-gnu/libnvinfer.so", ""),
            ("usr/lib/aarch64-linux-gnu/libnvinfer.so.8", ""),
            ("usr/lib/aarch64-linux-gnu/libnvinfer.so.8.0.1", ""),
            ("usr/lib/aarch64-linux-gnu/libnvinfer_plugin.so.9.9.9", ""),
            ("usr/local/cuda/version.txt", "CUDA Version 10.2.300\n"),
            ("proc/device-tree/compatible", "nvidia,p2771-0000\0nvidia,tegra186\0"),
            ("etc/nv_tegra_release", release),
        ]);
        let stated = |text: &str| Some(text.to_owned());
        let expected = Platform {
            tensorrt: stated("8.0.1"),
            cuda: stated("10.2.300"),
            gpu: stated("tegra186 (sm_62)"),
            l4t: stated("32.6.1"),
        };
        assert_eq!(Platform::read(root.path()), expected);
    }

    #[test]
    fn a_server_with_a_card_states_what_it_has() {
        let root = root_of(&[
            ("usr/lib/x86_64-linux-gnu/libnvinfer.so.10.13.2", ""),
            ("usr/local/cuda/version.json", r#"{"cuda": {"name": "SDK", "version": "12.4.1"}}"#),
            ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t GeForce 9\n"),
        ]);
        let platform = Platform::read(root.path());
        assert_eq!(platform.tensorrt.as_deref(), Some("10.13.2"));
        assert_eq!(platform.cuda.as_deref(), Some("12.4.1"));
        assert_eq!(platform.gpu.as_deref(), Some("GeForce 9"));
        assert_eq!(platform.l4t, None);
    }

    #[test]
    fn the_runtime_library_stands_in_for_a_version_file() {
        let root = root_of(&[("usr/local/cuda/lib64/libcudart.so.11.4.298", "")]);
        assert_eq!(Platform::read(root.path()).cuda.as_deref(), Some("11.4.298"));
    }

    #[test]
    fn a_machine_without_any_states_nothing() {
        let root = root_of(&[("etc/nv_tegra_release", "no release\n")]);
        assert_eq!(Platform::read(root.path()), Platform::default());
    }
}
