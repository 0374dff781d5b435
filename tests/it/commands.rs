//! The commands beside `replay` and `run`.

use std::fs;

use classifyd::learn::profile_file::{ImageRecord, Profile};

use crate::harness::{Models, Record, Trained, classifyd, text};

#[test]
fn check_says_what_a_configuration_will_run() {
    let trained = Trained::on(&["red", "colour"]);
    let config = trained.images().join("classifyd.toml");
    let source = trained.images().join("*.png");
    let streams = format!(
        "[[stream]]\nname = \"door\"\nsource = \"test://ball\"\nbudget = \"33ms\"\n\
         [[stream]]\nname = \"archive\"\nsource = {source:?}\nbudget = \"1s\"\n"
    );
    fs::write(&config, streams).unwrap();
    let checked = trained.models.command("check --config").arg(&config).run().with_code(0);
    checked.printing(&["ok", "adaptive", "colour", "door", "test://ball", "archive"]);
}

#[test]
fn check_finds_damaged_parts() {
    let trained = Trained::on(&["red", "colour"]);
    let config = trained.images().join("classifyd.toml");
    let stream = "[[stream]]\nname = \"door\"\nsource = \"test://ball\"\nbudget = \"33ms\"\n";
    fs::write(&config, stream).unwrap();
    let check = || trained.models.command("check --config").arg(&config);
    let model = fs::read(trained.models.file("colour.onnx")).unwrap();
    trained.models.spoil("colour.onnx", b"damaged");
    check().refusal(69, &["colour.onnx", "sha256"]);
    trained.models.spoil("colour.onnx", &model);
    fs::write(trained.premodel(), "damaged").unwrap();
    check().refusal(69, &["premodel.safetensors"]);
}

#[test]
fn doctor_lists_the_parts() {
    let trained = Trained::on(&["red", "colour"]);
    let doctor = trained.models.command("doctor").run().with_code(0);
    let parts = [
        "GStreamer",
        "decodebin",
        "pipeline rtsp: the one",
        "ONNX Runtime",
        "provider cpu",
        "model red",
        "premodel",
    ];
    doctor.printing(&parts);
}

#[test]
fn doctor_says_what_is_missing() {
    let models = Models::of(&["red", "colour"]);
    models.spoil("red.onnx", b"damaged");
    let doctor = models.command("doctor --onnxruntime /nonexistent/lib.so").run().with_code(69);
    let missing = |part: &str| {
        let line =
            doctor.stdout.lines().find(|line| line.starts_with("MISSING") && line.contains(part));
        line.unwrap_or_else(|| panic!("{part} is not missing:\n{}", doctor.stdout)).to_owned()
    };
    assert!(missing("ONNX Runtime").contains("make setup"));
    assert!(missing("model red").contains("sha256"));
    missing("premodel");
    doctor.saying(&["3 needed part(s) missing"]);
}

#[test]
fn models_are_listed_with_their_cost() {
    let models = Models::of(&["red", "colour"]);
    fs::remove_file(models.file("red.onnx")).unwrap();
    let listed = models.command("models").run().with_code(0);
    let row = |name: &str| {
        let row = listed.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        row.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("colour")[1], "32x32");
    assert!(row("colour").contains(&"cpu".to_owned()));
    assert!(row("colour")[4].parse::<f64>().is_ok(), "the median: {:?}", row("colour"));
    assert!(row("red").join(" ").contains("not installed"));
    let listed = models.command("models --list --onnxruntime /nonexistent").run().with_code(0);
    listed.printing(&["colour", "red"]);
}

#[test]
fn a_set_is_profiled_trained_on_explained_and_replayed() {
    let trained = Trained::on(&["red", "slow"]);
    let profile = Profile::load(&trained.profile_file()).unwrap();
    assert_eq!(profile.images.len(), 24);
    let image = trained.images().join("2_1.png");
    let explained = trained.models.command("explain").arg(&image).run().with_code(0);
    explained.printing(&[
        text(&image),
        "160x120",
        "training min",
        "hue1",
        "neighbour",
        "choice: slow, because",
    ]);
    let records = trained.models.replay("--policy premodel --budget 10s").arg(&image).records();
    assert_eq!((records[0].model(), records[0].label()), ("slow", "blue"));
    let red = trained.images().join("0_1.png");
    let explained = trained.models.command("explain").arg(&red).run().with_code(0);
    explained.printing(&["choice: red, because"]);
}

#[test]
fn explain_chooses_what_replay_prefers() {
    let trained = Trained::on(&["red", "colour"]);
    let records =
        trained.models.replay("--policy premodel --budget 10s").arg(trained.images()).records();
    let preferred =
        |record: &Record| record.0["preferred"].as_str().unwrap_or(record.model()).to_owned();
    for record in records.iter().step_by(5) {
        let image = trained.images().join(record.file_name());
        let explained = trained.models.command("explain").arg(&image).run().with_code(0);
        explained.printing(&[&format!("choice: {},", preferred(record))]);
    }
}

#[test]
fn training_gives_the_same_bytes_again() {
    let trained = Trained::on(&["red", "colour", "slow"]);
    let again = trained.images().join("again.safetensors");
    let report = trained.train(&again).run().with_code(0).stdout;
    assert_eq!(fs::read(&again).unwrap(), fs::read(trained.premodel()).unwrap());
    let other = trained.images().join("other.safetensors");
    trained.train(&other).args("--k 3").run().with_code(0);
    assert_ne!(fs::read(&other).unwrap(), fs::read(&again).unwrap());
    for word in ["red", "slow", text(&again)] {
        assert!(report.contains(word), "{word} in {report}");
    }
}

#[test]
fn several_profiles_are_joined() {
    let trained = Trained::on(&["red", "colour"]);
    let profile = Profile::load(&trained.profile_file()).unwrap();
    let half = |name: &str, images: &[ImageRecord]| {
        let path = trained.images().join(name);
        Profile { header: profile.header.clone(), images: images.to_vec() }.save(&path).unwrap();
        path
    };
    let (first, second) = profile.images.split_at(12);
    let (first, second) = (half("1.parquet", first), half("2.parquet", second));
    let out = trained.images().join("joined.safetensors");
    let program = classifyd("train --profile").arg(&first).arg("--profile").arg(&second);
    program.arg("--out").arg(&out).run().with_code(0);
    assert_eq!(fs::read(out).unwrap(), fs::read(trained.premodel()).unwrap());
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = classifyd("completions").arg(shell).run().with_code(0);
        script.printing(&["classifyd", "replay", "budget"]);
    }
    classifyd("completions tcsh").refusal(64, &["tcsh", "bash"]);
}

#[test]
fn completions_for_bash_are_what_bash_reads() {
    let script = classifyd("completions bash").run().with_code(0).stdout;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("classifyd.bash");
    fs::write(&file, script).unwrap();
    let bash = std::process::Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(bash.success());
}

#[test]
fn manual_pages() {
    classifyd("man").run().with_code(0).printing(&[".TH classifyd", "replay", "Examples"]);
    classifyd("man replay").run().with_code(0).printing(&[".TH", "realtime"]);
    classifyd("man reply").refusal(64, &["reply"]);
}
