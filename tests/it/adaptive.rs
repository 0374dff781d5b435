//! The adaptive policy: several models on a frame where that pays, none where nothing has changed.
//!
//! The model `colour` is sure of pure colours and undecided about greys; `slow` takes many times as
//! long.

use classifyd::adaptive::TimeFit;

use crate::harness::{
    BLUE, Clip, Codec, Colour, GREEN, Models, RED, Record, Signal, VIDEO, classifyd, draw,
    quick_then_large, with_knowledge,
};

const GREY: Colour = [130; 3];
const LIGHTER: Colour = [150; 3];

/// Colour, then slow where colour doubts.
fn models(time: TimeFit) -> Models {
    with_knowledge(["colour", "slow"], Some(quick_then_large(time)))
}

fn replay(models: &Models) -> crate::harness::Program {
    models.replay("--policy adaptive --budget 10s")
}

/// A directory with a clip of these colours, one frame each.
fn clip_of(colours: &[Colour]) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.avi");
    Clip::of((64, 48), 1, colours).write(&clip, Codec::Avi);
    (directory, clip)
}

fn runs(record: &Record) -> Vec<&str> {
    let runs = record.0["runs"].as_array().unwrap();
    runs.iter().map(|run| run["model"].as_str().unwrap()).collect()
}

fn stopped_by(record: &Record) -> &str {
    record.0["stopped_by"].as_str().unwrap()
}

#[test]
fn a_doubtful_answer_gets_another_model_and_a_sure_one_goes_out() {
    let directory = tempfile::tempdir().unwrap();
    for (name, colour) in [("0.png", RED), ("1.png", GREY), ("2.png", BLUE), ("3.png", GREY)] {
        draw(&directory.path().join(name), (64, 48), colour);
    }
    let models = models(VIDEO);
    let finished = replay(&models).arg(directory.path()).with_summary().run().with_code(0);
    let records = finished.records();
    let ran: Vec<_> = records.iter().map(runs).collect();
    let (sure, doubtful) = (vec!["colour"], vec!["colour", "slow"]);
    assert_eq!(ran, [sure.clone(), doubtful.clone(), sure, doubtful]);
    let labels = (records[0].label(), records[2].label());
    assert_eq!(labels, ("red", "blue"));
    for record in &records {
        assert_eq!((record.reason(), stopped_by(record)), ("adaptive", "certain"));
        assert_eq!(record.model(), *runs(record).last().unwrap());
        assert!(record.0["features"].is_null() && record.0["timings_ms"]["policy"].is_number());
        let timings = &record.0["timings_ms"];
        let each = record.0["runs"].as_array().unwrap().iter();
        let sum: f64 = each.map(|run| run["inference_ms"].as_f64().unwrap()).sum();
        assert!((sum - timings["inference"].as_f64().unwrap()).abs() < 0.01, "{}", record.0);
    }
    assert!(records[0].0["certainty"].as_f64() > records[1].0["certainty"].as_f64());
    // Slow knows no red: grey is green or blue to it, and its word outweighs the other's.
    assert_ne!(records[1].label(), "red");
    let total = &finished.summary()["total"];
    assert_eq!((total["runs"].as_u64(), total["mean_runs"].as_f64()), (Some(6), Some(1.5)));
    assert_eq!(total["models"][0]["runs"], 4);
    assert_eq!(total["models"][1]["runs"], 2);
}

#[test]
fn a_still_video_takes_over_its_answer_so_many_times_at_most() {
    let (_directory, clip) = clip_of(&[GREEN; 20]);
    let models = models(VIDEO);
    let finished = replay(&models).arg(&clip).with_summary().run().with_code(0);
    let records = finished.records();
    let reused_from: Vec<_> = records.iter().map(|r| r.0["reused_from"].as_u64()).collect();
    let expected: Vec<_> =
        (0..20_u64).map(|frame| (frame % 6 != 0).then_some(frame - frame % 6)).collect();
    assert_eq!(reused_from, expected);
    for record in &records {
        assert_eq!(record.label(), "green");
        if record.outcome() == "reused" {
            assert_eq!((record.reason(), runs(record).len()), ("nearly_equal", 0));
            assert!(record.0["difference"].as_f64().unwrap() < 0.01 && record.met_deadline());
        }
    }
    let total = &finished.summary()["total"];
    assert_eq!(
        (total["reused_nearly_equal"].as_u64(), total["runs"].as_u64()),
        (Some(16), Some(4))
    );
}

#[test]
fn equal_images_are_no_video() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["0.png", "1.png", "2.png"] {
        draw(&directory.path().join(name), (64, 48), GREY);
    }
    let records = replay(&models(VIDEO)).arg(directory.path()).records();
    assert!(records.iter().all(|record| runs(record) == ["colour", "slow"]), "{records:?}");
}

#[test]
fn a_scene_that_goes_on_is_remembered_and_a_cut_forgets_it() {
    let (_directory, clip) = clip_of(&[GREY, LIGHTER, GREY, RED, GREY, GREEN]);
    let records = replay(&models(VIDEO)).arg(&clip).records();
    let ran: Vec<_> = records.iter().map(|record| runs(record).len()).collect();
    // What both said of the first frame still counts on the two after it.
    assert_eq!(ran, [2, 0, 0, 1, 2, 1], "{records:?}");
    assert_eq!((records[1].reason(), records[1].label()), ("same_scene", records[0].label()));
    assert_eq!((records[3].label(), records[5].label()), ("red", "green"));
    let forgetful = TimeFit { remembered: 0.0, ..VIDEO };
    let records = replay(&models(forgetful)).arg(&clip).records();
    let ran: Vec<_> = records.iter().map(|record| runs(record).len()).collect();
    assert_eq!(ran, [2, 2, 2, 1, 2, 1], "{records:?}");
}

#[test]
fn the_same_video_gives_the_same_answers_in_another_run() {
    let colours: Vec<Colour> = (0..40_u8).map(|frame| [90 + frame, 130 - frame / 3, 110]).collect();
    let (_directory, clip) = clip_of(&colours);
    let models = models(VIDEO);
    let gist = || -> Vec<_> {
        let records = replay(&models).arg(&clip).records();
        let gist = |r: &Record| (r.outcome().to_owned(), r.0["labels"].clone(), runs(r).len());
        records.iter().map(gist).collect()
    };
    assert_eq!(gist(), gist());
}

#[test]
fn frames_between_are_not_looked_at() {
    let (_directory, clip) = clip_of(&[RED, GREEN, GREEN, BLUE, RED, RED]);
    let records = replay(&models(VIDEO)).args("--every 3").arg(&clip).records();
    let labels: Vec<_> = records.iter().map(Record::label).collect();
    assert_eq!(labels, ["red", "red", "red", "blue", "blue", "blue"]);
    for record in records.iter().filter(|record| record.outcome() == "reused") {
        assert_eq!(record.reason(), "between_classified_frames");
    }
}

#[test]
fn without_time_for_another_model_the_answer_so_far_goes_out() {
    let colours: Vec<Colour> = [GREY, LIGHTER].repeat(15);
    let (_directory, clip) = clip_of(&colours);
    let models = models(VIDEO);
    let slow = models.replay("--model slow --budget 10s").arg(&clip).records();
    let times = slow.iter().map(|record| record.0["timings_ms"]["inference"].as_f64().unwrap());
    let budget = format!("{:.0}ms", (times.fold(f64::INFINITY, f64::min) / 2.0).max(2.0));
    let program = |more| models.replay(more).args("--budget").arg(&budget).arg(&clip);
    for more in ["--policy adaptive", "--policy adaptive --realtime"] {
        let records = program(more).records();
        let answered: Vec<_> = records.iter().filter(|r| r.outcome() == "classified").collect();
        assert!(answered.len() > 5, "{more}: {records:?}");
        for record in answered {
            assert_eq!((runs(record), stopped_by(record)), (vec!["colour"], "deadline"));
            assert!(record.0["timings_ms"]["total"].is_number());
        }
    }
}

/// Slow knows no red, which is what colour takes grey for.
#[test]
fn a_model_without_time_of_its_own_studies_scenes_for_the_frames_that_follow() {
    let colours: Vec<Colour> = [GREY, LIGHTER].repeat(45);
    let (_directory, clip) = clip_of(&colours);
    let models = models(VIDEO);
    let program = || {
        let quick = "--realtime --budget 400ms --mean-time-target 2ms";
        models.replay(quick).arg(&clip).with_summary()
    };
    let unstudied = program().run().with_code(0);
    assert!(unstudied.records().iter().all(|record| record.label() == "red"));
    assert_eq!(unstudied.summary()["study"]["done"], 0);
    let studied = program().args("--study slow").run().with_code(0);
    let records = studied.records();
    assert_eq!(studied.total("captured"), 90);
    let helped: Vec<&Record> = records.iter().filter(|record| record.label() != "red").collect();
    assert!(helped.len() > 9, "{}", studied.stderr);
    assert!(
        helped.iter().any(|record| record.reason() == "same_scene" && record.model() == "slow")
    );
    // On no frame of its own: it had no time for any.
    assert!(records.iter().all(|record| !runs(record).contains(&"slow")));
    let study = &studied.summary()["study"];
    assert!(study["done"].as_u64() > Some(0) && study["seconds"].as_f64() > Some(0.0), "{study}");
    assert_eq!(study["failed"], 0);
}

#[test]
fn a_study_that_would_go_on_for_hours_is_ended_with_the_run() {
    let darker = [230, 0, 0];
    let (_directory, clip) = clip_of(&[RED, darker].repeat(20));
    let models = with_knowledge(["colour", "loops_on_red"], Some(quick_then_large(VIDEO)));
    let program =
        models.replay("--realtime --mean-time-target 2ms --study loops_on_red").arg(&clip);
    let finished = program.with_summary().run().with_code(0);
    assert_eq!((finished.total("captured"), finished.records().len()), (40, 40));
    let study = &finished.summary()["study"];
    assert_eq!((study["done"].as_u64(), study["failed"].as_u64()), (Some(0), Some(0)), "{study}");
}

#[test]
fn only_a_model_of_the_policy_studies_and_only_by_the_clock() {
    let (directory, clip) = clip_of(&[GREY]);
    let models = models(VIDEO);
    let refuse = |arguments: &str, code, words: &[&str]| {
        models.replay(arguments).arg(&clip).refusal(code, words);
    };
    refuse("--study slow", 64, &["--realtime"]);
    refuse("--realtime --study nobody", 78, &["nobody", "colour, slow"]);
    refuse("--realtime --study slow --policy random", 64, &["random", "--study", "adaptive"]);
    let config = directory.path().join("classifyd.toml");
    let check = |policy: &str| {
        let text = format!(
            "models.directory = {:?}\n[policy]\n{policy}\n[[stream]]\nname = \"a\"\n\
             source = \"clip.avi\"\nbudget = \"1s\"\n",
            models.path()
        );
        std::fs::write(&config, text).unwrap();
        classifyd("check --config").arg(&config)
    };
    check("study = \"slow\"").run().with_code(0).printing(&["policy adaptive"]);
    check("study = \"nobody\"").refusal(78, &["policy.study", "nobody", "colour, slow"]);
    check("study = \"slow\"\nkind = \"random\"").refusal(78, &["policy.study", "random"]);
}

#[test]
fn under_load_frames_are_answered_rather_than_lost_to_second_looks() {
    let colours: Vec<Colour> = [GREY, LIGHTER].repeat(45);
    let (_directory, clip) = clip_of(&colours);
    let models = models(TimeFit { remembered: 0.0, ..VIDEO });
    let program = models.replay("--policy adaptive --realtime --budget 60ms");
    // Three streams of 30 frames a second, slow on each of which no processor has time for.
    let finished = program.arg(&clip).arg(&clip).arg(&clip).with_summary().run().with_code(0);
    let records = finished.records();
    assert_eq!(finished.total("captured"), 270);
    let stops = records.iter().filter_map(|record| record.0["stopped_by"].as_str());
    let held_back = stops.filter(|stop| ["deadline", "load"].contains(stop)).count();
    assert!(held_back > 0, "{}", finished.stderr);
    let answered = finished.total("classified") + finished.total("reused");
    assert!(answered * 2 > 270, "{answered} of 270 answered: {}", finished.stderr);
}

#[test]
fn a_signal_finishes_frames_that_wait_for_another_run() {
    let (_directory, clip) = clip_of(&[GREY; 400]);
    let models = models(TimeFit::NONE);
    let endless = "test://ball?width=64&height=48&fps=60";
    let camera = models.replay("--policy adaptive --budget 2s").args(endless).args(endless);
    let file = replay(&models).arg(&clip);
    for (program, signal) in [(camera, Signal::Terminate), (file, Signal::Interrupt)] {
        let mut running = program.with_summary().start();
        running.wait_for_records(3);
        running.signal(signal);
        let finished = running.finish().with_code(0);
        let records = finished.records();
        assert_eq!(finished.total("captured"), records.len() as u64);
        assert!(records.iter().any(|record| runs(record).len() == 2), "{records:?}");
        assert!(records.len() < 400, "it did not go on to the end");
    }
}

#[test]
fn a_second_model_that_fails_does_not_cost_the_first_ones_answer() {
    let knowledge = quick_then_large(VIDEO);
    let models = with_knowledge(["colour", "nan_on_red"], Some(knowledge));
    let directory = tempfile::tempdir().unwrap();
    draw(&directory.path().join("light.png"), (64, 48), [230; 3]);
    let finished = replay(&models).arg(directory.path()).run().with_code(0);
    let record = &finished.records()[0];
    assert_eq!((record.outcome(), runs(record)), ("classified", vec!["colour"]));
    assert_eq!(stopped_by(record), "failure");
    finished.saying(&["answered without a further model", "NaN"]);
}

#[test]
fn the_operating_point_is_the_users_choice() {
    let directory = tempfile::tempdir().unwrap();
    draw(&directory.path().join("grey.png"), (64, 48), GREY);
    let models = models(VIDEO);
    let runs_at = |target: &str| {
        let program = models.replay("--budget 10s").args(target).arg(directory.path());
        runs(&program.records()[0]).len()
    };
    assert_eq!(runs_at("--mean-time-target 5ms"), 1);
    assert_eq!(runs_at("--mean-time-target 1s"), 2);
    assert_eq!(runs_at("--accuracy-target 0.55"), 1);
    assert_eq!(runs_at("--accuracy-target 0.56"), 2);
    let refuse = |arguments: &str, code, words: &[&str]| {
        models.replay(arguments).arg(directory.path()).refusal(code, words);
    };
    refuse("--accuracy-target 0.9", 78, &["90.0 %", "20.0 ms: 90.0 % right, assured 85.0 %"]);
    refuse("--mean-time-target 0.5ms", 78, &["1.0 ms"]);
    refuse("--accuracy-target 85", 64, &["0.85"]);
    refuse("--accuracy-target 0.5 --mean-time-target 9ms", 64, &["cannot be used with"]);
    refuse("--policy random --accuracy-target 0.5", 64, &["random", "adaptive"]);
}

#[test]
fn a_configuration_names_policy_and_target_too() {
    let (directory, clip) = clip_of(&[GREY]);
    let models = models(VIDEO);
    let config = directory.path().join("classifyd.toml");
    let write = |policy: &str| {
        let text = format!(
            "models.directory = {:?}\n[policy]\n{policy}\n[[stream]]\nname = \"a\"\n\
             source = \"clip.avi\"\nbudget = \"10s\"\nrealtime = false\n",
            models.path()
        );
        std::fs::write(&config, text).unwrap();
    };
    write("kind = \"adaptive\"");
    let records = classifyd("replay --budget 10s --config").arg(&config).arg(&clip).records();
    assert_eq!(runs(&records[0]), ["colour", "slow"]);
    write("mean_time_target = \"2ms\"");
    let run = classifyd("run --config").arg(&config).run().with_code(0);
    assert_eq!(runs(&run.records()[0]), ["colour"]);
    classifyd("check --config").arg(&config).run().with_code(0).printing(&["policy adaptive"]);
    write("accuracy_target = 0.99");
    let check = classifyd("check --config").arg(&config);
    check.refusal(78, &["policy.accuracy_target = 0.99", "99.0 %"]);
}

#[test]
fn a_premodel_without_an_adaptive_part_is_refused() {
    let (_directory, clip) = clip_of(&[RED]);
    let models = with_knowledge(["colour", "slow"], None);
    replay(&models).arg(&clip).refusal(78, &["no adaptive part", "train", "--policy premodel"]);
}

#[test]
fn only_models_of_the_pool_are_loaded() {
    let (directory, clip) = clip_of(&[GREEN]);
    let models = models(VIDEO);
    let more = Models::of(&["colour", "slow", "always_nan"]);
    std::fs::copy(models.file("premodel.safetensors"), more.file("premodel.safetensors")).unwrap();
    // The third would stop the start: it fails in its warm-up.
    replay(&more).arg(&clip).run().with_code(0).saying(&["2 models on cpu, adaptive policy"]);
    let config = directory.path().join("classifyd.toml");
    let text = format!(
        "models.directory = {:?}\npolicy.kind = \"adaptive\"\n[[stream]]\nname = \"a\"\n\
         source = \"clip.avi\"\nbudget = \"10s\"\nrealtime = false\n",
        more.path()
    );
    std::fs::write(&config, text).unwrap();
    let run = classifyd("run --config").arg(&config).run().with_code(0);
    assert_eq!(run.records()[0].label(), "green");
}

#[test]
fn models_of_other_classes_are_refused() {
    let (_directory, clip) = clip_of(&[RED]);
    let mut knowledge = quick_then_large(VIDEO);
    knowledge.classes = 1000;
    let models = with_knowledge(["colour", "slow"], Some(knowledge));
    replay(&models).arg(&clip).refusal(78, &["tells 3 classes apart", "1000"]);
}

#[test]
fn explain_says_what_the_policy_knows() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("grey.png");
    draw(&image, (64, 48), GREY);
    let explained = models(VIDEO).command("explain").arg(&image).run().with_code(0);
    explained.printing(&["colour, slow", "1 (chosen)", "colour slow", "0.50 1.00", "new scene"]);
}
