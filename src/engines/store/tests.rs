//! Entries in real directories; what loads a model is played, and writes what TensorRT would.

use std::cell::RefCell;

use super::super::key::tests::{key, tx2};
use super::*;
use crate::models::Sha256Hex;

/// A store, its machine, and what happened when a model was loaded.
struct Bench {
    directory: tempfile::TempDir,
    root: tempfile::TempDir,
    manifest: Manifest,
    /// By call of the loader: whether an engine was there.
    found: RefCell<Vec<bool>>,
}

impl Bench {
    fn new() -> Self {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
        Self {
            directory: tempfile::tempdir().unwrap(),
            root: tempfile::tempdir().unwrap(),
            manifest: Manifest::load(&models.join("colour.toml")).unwrap(),
            found: RefCell::default(),
        }
    }

    /// A start of the process.
    fn start(&self) -> EngineStore {
        EngineStore::new(self.directory.path().to_owned(), self.root.path())
    }

    /// A loader that builds an engine where none is, as TensorRT does.
    fn load(&self, engines: Option<&Engines>) -> Result<(), &'static str> {
        let Engines { directory, prefix } = engines.expect("the directory is writable");
        let engine = directory.join(format!("{prefix}_graph_0.engine"));
        self.found.borrow_mut().push(engine.exists());
        if !engine.exists() {
            fs::write(engine, "an engine").unwrap();
        }
        Ok(())
    }

    fn open(&self, store: &EngineStore, key: &EngineKey) {
        store.open(&self.manifest, key, |engines| self.load(engines)).unwrap();
    }

    fn entries(&self) -> Vec<String> {
        let of_model = fs::read_dir(self.directory.path().join("colour")).unwrap();
        let names = of_model.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn entry(&self, key: &EngineKey) -> PathBuf {
        self.directory.path().join("colour").join(key.short_digest())
    }

    fn engine(&self, key: &EngineKey) -> PathBuf {
        self.entry(key).join(format!("colour-{}_graph_0.engine", key.short_digest()))
    }
}

fn later_key() -> EngineKey {
    let platform = Platform { tensorrt: Some("8.2.1".to_owned()), ..tx2() };
    let spec = super::super::key::tests::input(crate::models::Layout::Nchw, 224, 160);
    EngineKey::new(&Sha256Hex::of(b"weights"), &spec, 1, "fp16", "1.11.0".to_owned(), &platform)
}

#[test]
fn an_engine_is_built_once_and_found_at_the_next_start() {
    let bench = Bench::new();
    let first = bench.start();
    bench.open(&first, &key());
    bench.open(&first, &key());
    let counts = first.counts();
    assert_eq!(counts, EngineCounts { built: 1, reused: 1, ..EngineCounts::default() });
    let second = bench.start();
    bench.open(&second, &key());
    assert_eq!(second.counts(), EngineCounts { reused: 1, ..EngineCounts::default() });
    assert_eq!(*bench.found.borrow(), [false, true, true]);
    assert_eq!(bench.entries(), [key().short_digest()], "nothing else is left");
}

#[test]
fn an_engine_that_is_truncated_altered_or_gone_is_built_anew() {
    let damages: [fn(&Path); 4] = [
        |engine| fs::write(engine, "an eng").unwrap(),
        |engine| fs::write(engine, "no engine").unwrap(),
        |engine| fs::remove_file(engine).unwrap(),
        |engine| fs::write(engine.with_file_name("entry.json"), "{\"key\"").unwrap(),
    ];
    for damage in damages {
        let bench = Bench::new();
        bench.open(&bench.start(), &key());
        damage(&bench.engine(&key()));
        let store = bench.start();
        bench.open(&store, &key());
        let expected =
            EngineCounts { built: 1, built_anew: 1, damaged: 1, ..EngineCounts::default() };
        assert_eq!(store.counts(), expected);
        assert_eq!(*bench.found.borrow(), [false, false], "TensorRT never saw the damaged one");
        assert_eq!(fs::read_to_string(bench.engine(&key())).unwrap(), "an engine");
    }
}

#[test]
fn an_engine_for_something_else_is_not_used_and_gives_way() {
    let bench = Bench::new();
    bench.open(&bench.start(), &key());
    let store = bench.start();
    bench.open(&store, &later_key());
    let expected = EngineCounts { built: 1, built_anew: 1, stale: 1, ..EngineCounts::default() };
    assert_eq!(store.counts(), expected);
    assert_eq!(*bench.found.borrow(), [false, false]);
    assert_eq!(bench.entries(), [later_key().short_digest()]);
}

#[test]
fn an_engine_that_answers_wrong_is_built_anew() {
    let bench = Bench::new();
    bench.open(&bench.start(), &key());
    fs::write(bench.entry(&key()).join("mark"), "").unwrap();
    let store = bench.start();
    let loaded = store.open(&bench.manifest, &key(), |engines| {
        bench.load(engines)?;
        let kept = engines.is_some_and(|engines| engines.directory == bench.entry(&key()));
        if kept { Err("the golden output is wrong") } else { Ok(()) }
    });
    assert!(loaded.is_ok());
    let expected = EngineCounts { built: 1, built_anew: 1, refused: 1, ..EngineCounts::default() };
    assert_eq!(store.counts(), expected);
    assert!(!bench.entry(&key()).join("mark").exists(), "it is another entry");
}

#[test]
fn a_model_that_does_not_load_at_all_keeps_its_engine() {
    let bench = Bench::new();
    bench.open(&bench.start(), &key());
    let store = bench.start();
    let failed = store.open(&bench.manifest, &key(), |_| Err::<(), _>("there is no GPU"));
    assert!(matches!(failed, Err(EngineError::Load("there is no GPU"))));
    assert_eq!(store.counts(), EngineCounts::default());
    bench.open(&store, &key());
    assert_eq!(*bench.found.borrow(), [false, true], "it is there when the GPU is back");
    assert_eq!(bench.entries(), [key().short_digest()]);
}

#[test]
fn a_build_that_fails_leaves_nothing() {
    let bench = Bench::new();
    let store = bench.start();
    let failed = store.open(&bench.manifest, &key(), |engines| {
        bench.load(engines).unwrap();
        Err::<(), _>("it answers wrong")
    });
    assert!(failed.is_err());
    assert!(bench.entries().is_empty());
    assert_eq!(store.counts().built, 0);
}

#[test]
fn an_engine_that_tensorrt_builds_over_a_kept_one_is_counted_and_sealed() {
    let bench = Bench::new();
    bench.open(&bench.start(), &key());
    let store = bench.start();
    let rebuild = |engines: Option<&Engines>| -> Result<(), ()> {
        let Engines { directory, prefix } = engines.unwrap();
        fs::write(directory.join(format!("{prefix}_graph_0.engine")), "a better engine").unwrap();
        fs::write(directory.join(format!("{prefix}_graph_1.engine")), "one more").unwrap();
        Ok(())
    };
    store.open(&bench.manifest, &key(), rebuild).unwrap();
    let expected = EngineCounts { built: 1, built_anew: 1, reused: 1, ..EngineCounts::default() };
    assert_eq!(store.counts(), expected);
    let later = bench.start();
    bench.open(&later, &key());
    assert_eq!(later.counts(), EngineCounts { reused: 1, ..EngineCounts::default() });
}

#[test]
fn what_an_interrupted_build_left_is_removed_and_that_of_a_live_one_is_not() {
    let bench = Bench::new();
    let of_model = bench.directory.path().join("colour");
    // No process has this number: it is above the kernel's greatest.
    let (dead, live) = (of_model.join(".building-99999999-0"), of_model.join(".building-1-0"));
    for directory in [&dead, &live] {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("half.engine"), "half").unwrap();
    }
    let store = bench.start();
    bench.open(&store, &key());
    assert!(!dead.exists() && live.exists());
    assert_eq!(store.counts(), EngineCounts { built: 1, ..EngineCounts::default() });
}

#[test]
fn without_memory_nothing_is_built_and_a_kept_engine_is_used() {
    let bench = Bench::new();
    bench.open(&bench.start(), &key());
    fs::create_dir_all(bench.root.path().join("proc")).unwrap();
    fs::write(bench.root.path().join("proc/meminfo"), "MemAvailable: 1000 kB\n").unwrap();
    let store = bench.start();
    bench.open(&store, &key());
    let refused = store.open(&bench.manifest, &later_key(), |engines| bench.load(engines));
    assert!(matches!(refused, Err(EngineError::Memory(_))));
    assert_eq!(*bench.found.borrow(), [false, true]);
    assert_eq!(store.counts(), EngineCounts { reused: 1, ..EngineCounts::default() });
}

#[test]
fn where_nothing_can_be_kept_the_model_still_loads() {
    let bench = Bench::new();
    let file = bench.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let store = EngineStore::new(file, bench.root.path());
    let loaded = store.open(&bench.manifest, &key(), |engines| match engines {
        None => Ok(()),
        Some(_) => Err("there is no directory"),
    });
    assert!(loaded.is_ok());
    assert_eq!(store.counts(), EngineCounts { built: 1, ..EngineCounts::default() });
}
