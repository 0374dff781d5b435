use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const MANIFEST: &str = r#"
description = "two classes"
file = "two.onnx"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

[source]
package = "none"
licence = "MIT"

[input]
name = "input"
layout = "nchw"
width = 8
height = 8
channels = "rgb"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
resize = "bilinear"
crop = 1.0

[output]
name = "output"
kind = "logits"
classes = 2
background = false
labels = "labels.txt"

[published]
top1 = 75.1
source = "nowhere"

[golden]
classes = [1, 0]
probabilities = [0.75, 0.25]
"#;

/// A directory with labels and `two.toml`, in which `from` is written as `to`.
fn directory(from: &str, to: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    assert!(MANIFEST.contains(from), "{from}");
    fs::write(directory.path().join("two.toml"), MANIFEST.replacen(from, to, 1)).unwrap();
    fs::write(directory.path().join("labels.txt"), "cat\ndog\n").unwrap();
    directory
}

fn load(directory: &Path) -> Result<Manifest, ManifestError> {
    Manifest::load(&directory.join("two.toml"))
}

/// What is said of the manifest with `to` in place of `from`, causes included.
fn fault(from: &str, to: &str) -> String {
    let error = load(directory(from, to).path()).unwrap_err();
    format!("{:#}", anyhow::Error::from(error))
}

#[test]
fn a_manifest_is_read_with_its_labels() {
    let directory = directory("", "");
    let manifest = load(directory.path()).unwrap();
    assert_eq!(manifest.id.as_str(), "two");
    assert_eq!(manifest.file, directory.path().join("two.onnx"));
    assert_eq!(manifest.input.fit, Fit::CentreCrop(1.0));
    assert_eq!(manifest.output.labels, Labels::from_names(["cat", "dog"]));
    assert!(!manifest.is_present());
}

#[test]
fn values_that_make_no_sense_are_named() {
    let cases = [
        ("std = [1.0,", "std = [0.0,", "input.std"),
        ("std = [1.0,", "std = [nan,", "input.std"),
        ("mean = [0.0,", "mean = [inf,", "input.mean"),
        ("width = 8", "width = 0", "input.width = 0"),
        ("height = 8", "height = 5000", "input.height = 5000"),
        ("crop = 1.0", "crop = 1.5", "input.crop = 1.5"),
        ("crop = 1.0", "crop = nan", "input.crop = NaN"),
        ("crop = 1.0", "crop = 1.0\nfit = \"squash\"", "either `crop"),
        ("crop = 1.0", "", "either `crop"),
        ("classes = 2", "classes = 3", "labels.txt names 2 classes"),
        ("background = false", "background = true", "the background makes one more"),
        ("top1 = 75.1", "top1 = nan", "published.top1"),
        ("classes = [1, 0]", "classes = [1, 2]", "class 2, of 2"),
        ("classes = [1, 0]", "classes = [1]", "as many probabilities"),
        ("0.75", "nan", "golden.probabilities has NaN"),
        ("0.75", "inf", "golden.probabilities has inf"),
        ("0.75", "1.5", "golden.probabilities has 1.5"),
        ("0.75", "-0.1", "golden.probabilities has -0.1"),
    ];
    for (from, to, words) in cases {
        let fault = fault(from, to);
        assert!(fault.contains("two.toml") && fault.contains(words), "{to}: {fault}");
    }
}

#[test]
fn what_is_not_documented_is_refused() {
    let cases = [
        ("crop = 1.0", "crop = 1.0\ncorp = 1.0", "line 20: `corp = 1.0`: unknown field `corp`"),
        ("description = \"two classes\"", "", "description"),
        ("layout = \"nchw\"", "layout = \"chwn\"", "expected `nchw` or `nhwc`"),
        ("width = 8", "width = \"8\"", "`width = \"8\"`: invalid type"),
        ("sha256 = \"e3", "sha256 = \"E3", "SHA-256"),
    ];
    for (from, to, words) in cases {
        let fault = fault(from, to);
        assert!(fault.contains("models/README.md") && fault.contains(words), "{to}: {fault}");
    }
}

#[test]
fn a_manifest_reaches_for_nothing_outside_its_directory() {
    for place in ["/etc/passwd", "../two.onnx", "a/../../b", "./..", "", "."] {
        for (key, from) in [("file", "\"two.onnx\""), ("output.labels", "\"labels.txt\"")] {
            let fault = fault(from, &format!("{place:?}"));
            assert!(fault.contains(&format!("{key} = {place:?}")), "{place}: {fault}");
        }
    }
}

#[test]
fn labels_that_are_blank_or_no_file_are_refused() {
    let directory = directory("", "");
    let labels = directory.path().join("labels.txt");
    let fault = || format!("{:#}", anyhow::Error::from(load(directory.path()).unwrap_err()));
    for (text, words) in [("cat\n \n", "line 2 is blank"), ("", "is empty"), ("\ndog", "line 1")] {
        fs::write(&labels, text).unwrap();
        assert!(fault().contains(words), "{text:?}: {}", fault());
    }
    fs::remove_file(&labels).unwrap();
    assert!(fault().contains("make setup"), "{}", fault());
    fs::create_dir(&labels).unwrap();
    assert!(fault().contains("no regular file"), "{}", fault());
    fs::remove_dir(&labels).unwrap();
    fs::File::create(&labels).unwrap().set_len((16 << 20) + 1).unwrap();
    assert!(fault().contains("larger than 16 MiB"), "{}", fault());
}

#[test]
fn a_faulty_manifest_leaves_the_others_of_its_directory_usable() {
    let directory = directory("", "");
    fs::write(directory.path().join("porch.toml"), "x = ").unwrap();
    fs::write(directory.path().join("notes.md"), "").unwrap();
    let entries = load_directory(directory.path()).unwrap();
    let found: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.manifest.is_ok())).collect();
    assert_eq!(found, [("porch", false), ("two", true)]);
    assert!(load_directory(&directory.path().join("none")).is_err());
}

#[test]
fn the_file_is_compared_with_its_digest() {
    let directory = directory("", "");
    let manifest = load(directory.path()).unwrap();
    assert!(matches!(manifest.verify_file(), Err(ManifestError::File { .. })));
    fs::write(&manifest.file, "").unwrap();
    manifest.verify_file().unwrap();
    fs::write(&manifest.file, "x").unwrap();
    assert!(matches!(manifest.verify_file(), Err(ManifestError::Checksum { .. })));
    fs::remove_file(&manifest.file).unwrap();
    fs::create_dir(&manifest.file).unwrap();
    assert!(!manifest.is_present());
    assert!(matches!(manifest.verify_file(), Err(ManifestError::File { .. })));
}

/// The manifest with a section `[run]` of these lines.
fn run(lines: &str) -> String {
    format!("[run]\n{lines}\n\n[golden]")
}

#[test]
fn a_manifest_may_say_where_its_model_runs_and_how_wide() {
    let spec = |lines: &str| load(directory("[golden]", &run(lines)).path()).unwrap().run;
    let any = load(directory("", "").path()).unwrap().run;
    assert_eq!(
        (&any, Device::ALL.map(|device| any.allows(device))),
        (&RunSpec::default(), [true; 2])
    );
    assert_eq!(spec(""), RunSpec::default());
    let cpu = spec("devices = [\"cpu\"]\nthreads = [2, 1]");
    assert_eq!((cpu.allows(Device::Cpu), cpu.allows(Device::Gpu)), (true, false));
    assert_eq!(cpu.threads.unwrap().iter().map(|n| n.get()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(spec("threads = 4").threads.unwrap().len(), 1, "a list of one may be a number");
    let both = spec("devices = [\"cpu\", \"gpu0\"]");
    assert!(both.allows(Device::Gpu) && both.allows(Device::Cpu));
}

#[test]
fn a_place_or_a_width_that_there_is_not_is_named() {
    let cases = [
        ("devices = []", "run.devices is empty"),
        ("devices = [\"tpu\"]", "run.devices names `tpu`: there are `gpu0` and `cpu`"),
        ("devices = [\"cuda\"]", "run.devices names `cuda`"),
        ("devices = [\"cpu\", \"cpu\"]", "run.devices names `cpu` twice"),
        ("devices = \"cpu\"", "expected a sequence"),
        ("threads = []", "run.threads is empty"),
        ("threads = 0", "run.threads has 0: each must be 1 to 64"),
        ("threads = [1, 65]", "run.threads has 65"),
        ("threads = [1, -1]", "run.threads has -1"),
        ("threads = \"2\"", "expected a whole number or a list"),
        ("threads = [1.5]", "expected a whole number or a list"),
        ("cores = 2", "unknown field `cores`"),
    ];
    for (lines, words) in cases {
        let fault = fault("[golden]", &run(lines));
        assert!(fault.contains("two.toml") && fault.contains(words), "{lines}: {fault}");
    }
}

fn fingerprint(from: &str, to: &str) -> Sha256Hex {
    load(directory(from, to).path()).unwrap().fingerprint()
}

#[test]
fn a_fingerprint_is_the_same_for_ever() {
    let text = "classifyd model 1\n\
        file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
        input input\nlayout nchw\nsize 8 8\nchannels rgb\n\
        mean 00000000 00000000 00000000\nstd 3f800000 3f800000 3f800000\n\
        resize bilinear\nfit crop 3f800000\n\
        output output\nkind logits\nclasses 2\nbackground false\n";
    assert_eq!(fingerprint("two.onnx", "two.onnx"), Sha256Hex::of(text.as_bytes()));
}

#[test]
fn whatever_changes_answers_changes_the_fingerprint() {
    let changes = [
        ("sha256 = \"e3b0", "sha256 = \"e3b1"),
        ("name = \"input\"", "name = \"other\""),
        ("layout = \"nchw\"", "layout = \"nhwc\""),
        ("width = 8", "width = 16"),
        ("height = 8", "height = 16"),
        ("channels = \"rgb\"", "channels = \"bgr\""),
        ("mean = [0.0, 0.0, 0.0]", "mean = [0.0, 0.0, 1.0]"),
        ("std = [1.0, 1.0, 1.0]", "std = [1.0, 1.5, 1.0]"),
        ("resize = \"bilinear\"", "resize = \"bicubic\""),
        ("crop = 1.0", "crop = 0.875"),
        ("crop = 1.0", "fit = \"squash\""),
        ("name = \"output\"", "name = \"other\""),
        ("kind = \"logits\"", "kind = \"probabilities\""),
        ("classes = 2\nbackground = false", "classes = 3\nbackground = true"),
    ];
    let mut seen = vec![fingerprint("two.onnx", "two.onnx")];
    for (from, to) in changes {
        let changed = fingerprint(from, to);
        assert!(!seen.contains(&changed), "{to}");
        seen.push(changed);
    }
}

#[test]
fn what_changes_no_answer_leaves_the_fingerprint() {
    let same = fingerprint("two.onnx", "two.onnx");
    for (from, to) in [
        ("description = \"two classes\"", "description = \"cats and dogs\""),
        ("file = \"two.onnx\"", "file = \"deux.onnx\""),
        ("licence = \"MIT\"", "licence = \"ISC\""),
        ("top1 = 75.1", "top1 = 70.0"),
        ("[golden]", "[run]\ndevices = [\"cpu\"]\nthreads = 2\n\n[golden]"),
        ("probabilities = [0.75, 0.25]", "probabilities = [0.5, 0.5]"),
    ] {
        assert_eq!(fingerprint(from, to), same, "{to}");
    }
}
