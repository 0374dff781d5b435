//! Kept TensorRT engines. There is no TensorRT where these tests run: its part is played by the test,
//! which writes the files that it would, while real sessions on the processor are opened and proven.

use std::fs;
use std::path::{Path, PathBuf};

use classifyd::engines::{EngineCounts, EngineError, EngineStore, Engines};
use classifyd::inference::{Classifier, LoadError};
use classifyd::models::{Manifest, Provider};
use classifyd::onnx::{Runtime, Session, SessionOptions};

use crate::harness::{Models, library, repository};

/// A store in `directory` for a machine that states what a Jetson TX2 does.
fn store(directory: &Path, root: &Path) -> EngineStore {
    let files = [
        ("usr/lib/aarch64-linux-gnu/libnvinfer.so.8.0.1", ""),
        ("usr/local/cuda/version.txt", "CUDA Version 10.2.300\n"),
        ("proc/device-tree/compatible", "nvidia,p2771-0000\0nvidia,tegra186\0"),
        ("proc/meminfo", "MemAvailable:    6291456 kB\n"),
        ("etc/nv_tegra_release", "# R32 (release), REVISION: 6.1, GCID: 1, BOARD: t186ref\n"),
    ];
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("it has a directory")).unwrap();
        fs::write(path, text).unwrap();
    }
    EngineStore::new(directory.to_owned(), root)
}

/// What TensorRT writes when it finds no engine.
fn write_engine(engines: &Engines) {
    let engine = engines.directory.join(format!("{}_main_graph_0_sm62.engine", engines.prefix));
    if !engine.exists() {
        fs::write(engine, "an engine").unwrap();
    }
}

/// The only file of a model's only entry that is no seal.
fn kept(directory: &Path, model: &str) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(directory.join(model)).unwrap().flatten().collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let files = fs::read_dir(entries[0].path()).unwrap().flatten().map(|file| file.path());
    files.into_iter().find(|file| file.extension().is_some_and(|e| e == "engine")).expect("one")
}

/// The only test that loads the library into its own process, which can do so once.
#[test]
fn real_sessions_are_proven_whenever_an_engine_is_built_or_kept() {
    let runtime = Runtime::load(&library()).unwrap();
    let options = SessionOptions { threads: 1, providers: vec![Provider::Cpu], engines: None };
    let [cache, root] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let manifest = Manifest::load(&repository().join("models/efficientnet_lite0_96.toml")).unwrap();
    assert!(manifest.golden.is_some());
    let open = |store: &EngineStore, manifest: &Manifest| {
        let key = Session::engine_key(&runtime, manifest, store);
        store.open(manifest, &key, |engines| {
            write_engine(engines.expect("the cache can be written"));
            Classifier::load(&runtime, manifest, &options).map(drop)
        })
    };
    let start = || store(cache.path(), root.path());

    let first = start();
    open(&first, &manifest).unwrap();
    assert_eq!(first.counts(), EngineCounts { built: 1, ..EngineCounts::default() });
    let engine = kept(cache.path(), "efficientnet_lite0_96");
    let name = engine.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("efficientnet_lite0_96-"), "{name}");

    let warm = start();
    open(&warm, &manifest).unwrap();
    assert_eq!(warm.counts(), EngineCounts { reused: 1, ..EngineCounts::default() });

    // Another size of the same weights has engines of its own.
    let other = Manifest::load(&repository().join("models/efficientnet_lite0_128.toml")).unwrap();
    let sizes = start();
    open(&sizes, &other).unwrap();
    assert_eq!((sizes.counts().built, sizes.counts().stale), (1, 0));
    assert_ne!(kept(cache.path(), "efficientnet_lite0_128").file_name(), engine.file_name());

    fs::write(&engine, "an eng").unwrap();
    let damaged = start();
    open(&damaged, &manifest).unwrap();
    let expected = EngineCounts { built: 1, built_anew: 1, damaged: 1, ..EngineCounts::default() };
    assert_eq!(damaged.counts(), expected);
    assert_eq!(fs::read_to_string(&engine).unwrap(), "an engine");

    // Answers that are wrong are caught whether the engine is kept or new, and none is kept for them.
    let mut wrong = manifest.clone();
    wrong.golden.as_mut().expect("it has one").probabilities[0] = 0.9;
    let refused = start();
    let error = open(&refused, &wrong).unwrap_err();
    assert!(matches!(error, EngineError::Load(LoadError::Golden(_))), "{error}");
    assert_eq!(refused.counts(), EngineCounts::default());
    fs::remove_dir_all(cache.path().join("efficientnet_lite0_96")).unwrap();
    open(&refused, &wrong).unwrap_err();
    assert_eq!(fs::read_dir(cache.path().join("efficientnet_lite0_96")).unwrap().count(), 0);
}

#[test]
fn without_tensorrt_prebuild_says_so() {
    let models = Models::of(&["colour"]);
    let words = ["there is no TensorRT to build for", "libonnxruntime.so built with TensorRT"];
    models.command("prebuild").refusal(69, &words);
}

#[test]
fn prebuild_for_a_configuration_without_tensorrt_is_told_so() {
    let models = Models::of(&["colour"]);
    let config = models.file("classifyd.toml");
    let text = "[models]\nproviders = [\"cpu\"]\n[policy]\nkind = \"random\"\n\
                [[stream]]\nname = \"a\"\nsource = \"test://ball\"\nbudget = \"1s\"\n";
    fs::write(&config, text).unwrap();
    let program = models.command("prebuild --config").arg(&config);
    program.refusal(78, &["no model run on TensorRT", "models.providers"]);
}
