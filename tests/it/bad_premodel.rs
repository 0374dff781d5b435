//! Premodels, profiles and training sets that are missing or wrong.

use std::fs;
use std::path::Path;

use classifyd::learn::profile_file::Profile;

use crate::harness::{Finished, Models, Trained, classifyd, damaged};

fn replay(trained: &Trained) -> Finished {
    let image = trained.images().join("0_0.png");
    trained.models.replay("--policy premodel --budget 10s").arg(image).with_summary().run()
}

#[test]
fn a_missing_premodel() {
    let trained = Trained::on(&["red", "colour"]);
    fs::remove_file(trained.premodel()).unwrap();
    replay(&trained).with_code(69).saying(&["premodel.safetensors"]);
}

#[test]
fn a_truncated_premodel() {
    let trained = Trained::on(&["red", "colour"]);
    let whole = fs::read(trained.premodel()).unwrap();
    for length in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(trained.premodel(), &whole[..length]).unwrap();
        replay(&trained).with_code(69).saying(&["premodel.safetensors", "train"]);
    }
}

#[test]
fn a_premodel_with_a_flipped_bit() {
    let trained = Trained::on(&["red", "colour"]);
    let whole = fs::read(trained.premodel()).unwrap();
    for seed in 0..12 {
        fs::write(trained.premodel(), damaged(&whole, 0, 1, seed)).unwrap();
        replay(&trained).with_code(69).saying(&["premodel.safetensors"]);
    }
}

#[test]
fn a_premodel_that_is_something_else() {
    let trained = Trained::on(&["red", "colour"]);
    fs::write(trained.premodel(), "not a premodel").unwrap();
    replay(&trained).with_code(69).saying(&["premodel.safetensors"]);
    fs::remove_file(trained.premodel()).unwrap();
    fs::create_dir(trained.premodel()).unwrap();
    replay(&trained).with_code(69).saying(&["premodel.safetensors"]);
}

#[test]
fn a_model_that_was_exchanged_since_the_training_is_left_out() {
    let trained = Trained::on(&["red", "colour"]);
    let models = &trained.models;
    // The file of another model, with its checksum, under a name that the premodel knows.
    let other = Models::of(&["slow"]);
    fs::copy(other.file("slow.onnx"), models.file("red.onnx")).unwrap();
    let digest = |manifest: &Path| {
        let text = fs::read_to_string(manifest).unwrap();
        text.split('"').find(|text| text.len() == 64).unwrap().to_owned()
    };
    let (old, new) = (digest(&models.file("red.toml")), digest(&other.file("slow.toml")));
    models.edit("red.toml", &old, &new);
    let finished = replay(&trained).with_code(0).saying(&["red", "train again"]);
    assert_eq!(finished.records()[0].model(), "colour");
}

#[test]
fn a_model_whose_input_was_described_otherwise_since_the_training_is_left_out() {
    let trained = Trained::on(&["red", "colour"]);
    trained.models.edit("red.toml", "crop = 1.0", "crop = 0.5");
    let finished = replay(&trained).with_code(0).saying(&["red", "manifest", "train again"]);
    assert_eq!(finished.records()[0].model(), "colour");
}

#[test]
fn profiles_that_are_wrong() {
    let trained = Trained::on(&["red", "colour"]);
    let out = trained.images().join("out.safetensors");
    let whole = Profile::load(&trained.profile_file()).unwrap();
    let profile = fs::read(trained.profile_file()).unwrap();
    let mut spoilt = profile.clone();
    spoilt[profile.len() / 2..][..200].fill(0xA5);
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"not a profile\n", "no Parquet file"),
        (b"{\"format\":\"classifyd-profile\",\"version\":1}\n", "profile anew"),
        (&profile[..profile.len() - 40], "cut short"),
        (&spoilt, "profile anew"),
    ];
    for (bytes, word) in cases {
        fs::write(trained.profile_file(), bytes).unwrap();
        trained.train(&out).refusal(1, &["profile.parquet", word]);
        assert!(!out.exists());
    }
    let no_picture = Profile { images: Vec::new(), ..whole };
    no_picture.save(&trained.profile_file()).unwrap();
    trained.train(&out).refusal(1, &["no picture"]);
    fs::remove_file(trained.profile_file()).unwrap();
    trained.train(&out).refusal(66, &["profile.parquet"]);
}

#[test]
fn training_options_that_make_no_sense() {
    let trained = Trained::on(&["red", "colour"]);
    let out = trained.images().join("out.safetensors");
    let cases: [(&str, &[&str]); 12] = [
        ("--k 0", &["k is 0", "1 to 255"]),
        ("--k many", &["--k", "auto"]),
        ("--k 100", &["24", "k = 100"]),
        ("--candidates crimson", &["crimson", "red"]),
        ("--deploy crimson", &["crimson", "optimal"]),
        ("--theta -1", &["theta"]),
        ("--theta 100.5", &["theta"]),
        ("--folds 1", &["folds", "2"]),
        ("--folds 25", &["25 folds", "24"]),
        ("--features 0", &["1 to 29"]),
        ("--features 30", &["1 to 29"]),
        ("--features hue1,smell", &["smell", "n_keypoints"]),
    ];
    for (options, words) in cases {
        trained.train(&out).args(options).refusal(64, words);
        assert!(!out.exists(), "{options}");
    }
}

#[test]
fn the_features_and_k_that_training_was_told_or_chose_are_used() {
    let trained = Trained::on(&["red", "colour"]);
    let named = trained.train(&trained.premodel()).args("--features hue1,contrast --k 3");
    named.run().with_code(0);
    let record = &replay(&trained).with_code(0).records()[0];
    let features = record.0["features"].as_object().unwrap();
    assert_eq!(features.keys().collect::<Vec<_>>(), ["contrast", "hue1"]);
    let open = "--features auto --k auto --deploy alternate --folds 4 --seed 7";
    let chosen = trained.train(&trained.premodel()).args(open).run().with_code(0);
    assert!(chosen.stdout.contains("k by cross-validation: 1: "), "{}", chosen.stdout);
    replay(&trained).with_code(0);
}

#[test]
fn labels_that_are_wrong() {
    let trained = Trained::on(&["red", "colour"]);
    let labels = trained.images().join("labels.csv");
    let cases: [(&str, &[&str]); 4] = [
        ("", &["labels.csv", "filename,class"]),
        ("filename,class\n", &["labels.csv", "no picture"]),
        ("filename,class\n0_0.png,3\n", &["labels.csv", "line 2", "3"]),
        ("filename,class\n0_0.png,red\n", &["labels.csv", "line 2", "red"]),
    ];
    for (text, words) in cases {
        fs::write(&labels, text).unwrap();
        trained.profile().refusal(1, words);
    }
    fs::remove_file(&labels).unwrap();
    trained.profile().refusal(66, &["labels.csv"]);
}

#[test]
fn images_of_a_training_set_that_are_bad_are_named_and_left_out() {
    let trained = Trained::on(&["red", "colour"]);
    fs::write(trained.images().join("1_3.png"), "no image").unwrap();
    fs::remove_file(trained.images().join("2_0.png")).unwrap();
    let words = ["1_3.png", "2_0.png", "22 images measured, 2 unreadable"];
    trained.profile().run().with_code(0).saying(&words);
}

#[test]
fn explain_without_a_premodel_or_an_image() {
    let trained = Trained::on(&["red", "colour"]);
    let explain = |image: &str| trained.models.command("explain").arg(trained.images().join(image));
    explain("gone.png").refusal(66, &["gone.png"]);
    fs::write(trained.images().join("bad.png"), "no image").unwrap();
    explain("bad.png").refusal(1, &["bad.png"]);
    fs::remove_file(trained.premodel()).unwrap();
    explain("0_0.png").refusal(69, &["premodel.safetensors"]);
    classifyd("explain").run().with_code(64);
}
