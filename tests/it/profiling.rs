//! `classifyd profile`: sets, labels, teachers, videos, shards, and interruptions.

use std::fs;
use std::path::{Path, PathBuf};

use classifyd::learn::profile_file::{Profile, Truth};
use tempfile::TempDir;

use crate::harness::{BLUE, Clip, Codec, Colour, GREEN, Models, Program, RED, Signal, draw, scene};

/// Models, and a directory for pictures.
struct Bench {
    models: Models,
    directory: TempDir,
}

impl Bench {
    fn of(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { models: Models::of(names), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Draws a scene into a file of the directory of pictures.
    fn scene(&self, name: &str, colour: Colour, number: u32) {
        let path = self.path("set").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        scene(&path, colour, number);
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A clip of runs of 30 frames.
    fn clip(&self, name: &str, colours: &[Colour]) -> PathBuf {
        let path = self.path(name);
        Clip::of((64, 48), 30, colours).write(&path, Codec::Avi);
        path
    }

    fn out(&self) -> PathBuf {
        self.path("out.parquet")
    }

    fn journal(&self) -> PathBuf {
        self.path("out.parquet.partial")
    }

    /// The command over nothing yet.
    fn profile(&self, arguments: &str) -> Program {
        self.models.command("profile --out").arg(self.out()).args(arguments)
    }

    /// The command over the directory of pictures.
    fn images(&self, arguments: &str) -> Program {
        self.profile("--images").arg(self.path("set")).args(arguments)
    }

    fn read(&self) -> Profile {
        Profile::load(&self.out()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        self.read().images.into_iter().map(|image| image.file).collect()
    }

    fn classes(&self) -> Vec<usize> {
        self.read().images.iter().map(|image| image.class).collect()
    }
}

fn three_folders(names: [&str; 3]) -> Bench {
    let bench = Bench::of(&["red", "colour"]);
    for (folder, colour) in names.into_iter().zip([RED, GREEN, BLUE]) {
        (0..2).for_each(|number| bench.scene(&format!("{folder}/{number}.png"), colour, number));
    }
    bench
}

#[test]
fn a_profile_says_what_was_measured() {
    let bench = three_folders(["0", "1", "2"]);
    let told = bench.images("--threads 2").run().with_code(0);
    told.saying(&["6 images measured, 0 unreadable", "out.parquet"]);
    assert!(!bench.journal().exists());
    let Profile { header, images } = bench.read();
    assert_eq!((header.truth, header.threads, header.classes), (Truth::Labels, 2, 3));
    assert_eq!((header.set.as_str(), header.shard.to_string().as_str()), ("set", "1/1"));
    assert!(header.machine.cores > 0 && header.versions.gstreamer.starts_with("1."));
    assert_eq!(header.versions.classifyd, env!("CARGO_PKG_VERSION"));
    for model in &header.models {
        let latency = &model.latency;
        assert!(latency.runs >= 30 && latency.interval.0 <= latency.median, "{latency:?}");
        assert!(latency.quantiles.is_sorted() && latency.quantiles.contains(&latency.median));
        assert!(latency.preprocess < latency.median && latency.run < latency.median);
    }
    let colour = header.models.iter().position(|model| model.id.as_str() == "colour").unwrap();
    for image in &images {
        let result = &image.results[colour];
        assert_eq!((result.rank, result.best[0].0, result.best.len()), (0, image.class, 3));
        assert!((0.0..=1.1).contains(&result.entropy) && result.margin > 0.0);
        assert_eq!(image.group, None);
    }
}

#[test]
fn folders_are_classes_by_number_or_by_synset() {
    let bench = three_folders(["0", "1", "2"]);
    bench.images("").run().with_code(0);
    assert_eq!(bench.classes(), [0, 0, 1, 1, 2, 2]);
    let bench = three_folders(["n00000003", "n00000001", "n00000002"]);
    bench.images("").refusal(1, &["n00000001", "--synsets"]);
    let list = bench.write("ids.txt", "n00000003 red\nn00000001 green\nn00000002 blue\n");
    bench.images("--synsets").arg(&list).run().with_code(0);
    assert_eq!(bench.files()[0], "n00000001/0.png");
    assert_eq!(bench.classes(), [1, 1, 2, 2, 0, 0]);
    fs::write(&list, "n00000003\n").unwrap();
    bench.images("--synsets").arg(&list).refusal(1, &["ids.txt", "3 classes"]);
}

#[test]
fn without_labels_a_remedy_is_named() {
    let bench = Bench::of(&["colour"]);
    fs::create_dir(bench.path("set")).unwrap();
    bench.images("").refusal(66, &["no image", "set"]);
    bench.scene("a.png", RED, 1);
    bench.images("").refusal(66, &["--labels", "labels.csv", "--teacher"]);
    bench.profile("--images /nonexistent/set").refusal(66, &["/nonexistent/set"]);
    let clip = bench.clip("a.avi", &[RED]);
    let videos = || bench.profile("--videos").arg(&clip);
    videos().refusal(66, &["a.avi", "video,from_frame,to_frame,class", "--teacher"]);
    bench.profile("--videos test://red --teacher colour").refusal(64, &["test://red", "live"]);
    bench.profile("--videos /nonexistent/a.avi --teacher colour").refusal(66, &["a.avi"]);
    bench.images("--teacher crimson").refusal(64, &["crimson", "colour", "--use"]);
    bench.images("--teacher a/b").refusal(64, &["ensemble"]);
    bench.images("--teacher colour --labels x.csv").refusal(64, &["--labels"]);
    bench.images("--shard 3/2").refusal(64, &["3/2", "1/4"]);
    assert!(!bench.out().exists() && !bench.journal().exists());
}

#[test]
fn teachers_stand_in_for_labels() {
    let bench = three_folders(["x", "y", "z"]);
    let told = bench.images("--teacher colour").run().with_code(0);
    told.saying(&["truth: teacher:colour, no labels"]);
    assert_eq!(bench.classes(), [0, 0, 1, 1, 2, 2]);
    assert_eq!(bench.read().header.truth.to_string(), "teacher:colour");
    bench.images("--teacher red").run().with_code(0);
    let read = bench.read();
    let red = read.header.models.iter().position(|model| model.id.as_str() == "red").unwrap();
    assert!(read.images.iter().all(|image| image.results[red].rank == 0));
    bench.images("--teacher ensemble").run().with_code(0);
    assert_eq!(bench.read().header.truth, Truth::Ensemble);
}

#[test]
fn frames_of_videos_are_grouped_and_labelled_by_segment() {
    let bench = Bench::of(&["colour"]);
    let (first, second) = (bench.clip("a.avi", &[RED, GREEN]), bench.clip("b.avi", &[BLUE]));
    let labels = "video,from_frame,to_frame,class\na.avi,0,29,0\na.avi,40,59,1\nb.avi,0,9,2\n";
    let labels = bench.write("labels.csv", labels);
    let profile = || {
        let program = bench.profile("--every 10 --videos").arg(&first).arg(&second);
        program.arg("--labels").arg(&labels)
    };
    profile().run().with_code(0).saying(&["6 images measured", "3 frames without a label"]);
    let expected = ["a.avi#0", "a.avi#10", "a.avi#20", "a.avi#40", "a.avi#50", "b.avi#0"];
    assert_eq!(bench.files(), expected);
    assert_eq!(bench.classes(), [0, 0, 0, 1, 1, 2]);
    let images = bench.read().images;
    let groups: Vec<_> = images.iter().map(|image| image.group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["a.avi", "a.avi", "a.avi", "a.avi", "a.avi", "b.avi"]);
    assert!(images.iter().all(|image| image.results[0].rank == 0), "each frame is its own colour");
    let changes: Vec<_> = images.iter().map(|image| image.change).collect();
    assert!(matches!(changes[..], [None, Some(_), Some(_), Some(_), Some(_), None]), "{changes:?}");
    let within = |place: usize, low, high| (low..=high).contains(&changes[place].unwrap());
    assert!([1, 2, 4].iter().all(|&place| within(place, 0.0, 0.005)), "{changes:?}");
    assert!(within(3, 0.6, 0.7), "from red to green two of three channels change: {changes:?}");
    fs::write(&labels, "video,from_frame,to_frame,class\nc.avi,0,9,2\n").unwrap();
    profile().refusal(1, &["c.avi", "no picture", "9 frames in no"]);
    assert!(!bench.journal().exists());
    assert_eq!(bench.files(), expected, "the profile that was there stays");
}

#[test]
fn videos_need_no_labels_with_a_teacher_and_may_be_broken() {
    let bench = Bench::of(&["colour"]);
    let whole = bench.clip("a.avi", &[RED, GREEN, BLUE]);
    let none = bench.write("b.avi", "no video at all, though it is called one");
    let told = bench.profile("--teacher colour --videos").arg(&none).arg(&whole).run();
    told.with_code(0).saying(&["b.avi", "3 images measured", "1 videos broken off"]);
    assert_eq!(bench.files(), ["a.avi#0", "a.avi#30", "a.avi#60"]);
    assert_eq!(bench.classes(), [0, 1, 2]);
}

#[test]
fn shards_make_up_the_set_and_are_joined() {
    let bench = three_folders(["0", "1", "2"]);
    let mut files = Vec::new();
    let mut parts = Vec::new();
    for shard in ["1/2", "2/2"] {
        bench.images(&format!("--shard {shard}")).run().with_code(0).saying(&["3 images"]);
        files.extend(bench.files());
        parts.push(bench.path(&format!("{}.parquet", &shard[..1])));
        fs::rename(bench.out(), parts.last().unwrap()).unwrap();
    }
    assert_eq!(files, ["0/0.png", "1/0.png", "2/0.png", "0/1.png", "1/1.png", "2/1.png"]);
    let train = |parts: &[&Path]| {
        let train = bench.models.command("train --k 3 --folds 3 --out").arg(bench.path("premodel"));
        parts.iter().fold(train, |train, part| train.arg("--profile").arg(part))
    };
    train(&[&parts[0], &parts[1]]).run().with_code(0).printing(&["6 pictures"]);
    train(&[&parts[0], &parts[0]]).refusal(1, &["0/0.png", "twice"]);
    let other = Bench::of(&["red", "slow"]);
    other.scene("0/9.png", RED, 9);
    other.images("").run().with_code(0);
    train(&[&parts[0], &other.out()]).refusal(1, &["profile 2", "same models"]);
}

/// Many pictures, of which the first is none; so the program says when it has begun.
fn many() -> Bench {
    const PICTURES: u32 = 60;
    let bench = Bench::of(&["red", "slow"]);
    let mut labels = String::from("filename,class\n0.png,0\n");
    bench.scene("1000.png", RED, 5);
    for number in 1001..1000 + PICTURES {
        let copy = bench.path("set").join(format!("{number}.png"));
        fs::copy(bench.path("set/1000.png"), copy).unwrap();
    }
    (1000..1000 + PICTURES).for_each(|number| labels += &format!("{number}.png,0\n"));
    bench.write("set/0.png", "no image");
    bench.write("set/labels.csv", &labels);
    bench
}

#[test]
fn an_interrupted_profiling_goes_on_where_it_was() {
    let bench = many();
    bench.write("out.parquet", "what was there");
    let mut running = bench.images("").start();
    running.wait_for_words("0.png is left out");
    running.signal(Signal::Interrupt);
    running.finish().with_code(1).saying(&["out.parquet.partial", "--resume"]);
    assert_eq!(fs::read_to_string(bench.out()).unwrap(), "what was there");
    assert!(bench.journal().exists());
    bench.images("").refusal(64, &["out.parquet.partial", "--resume", "remove"]);
    bench.images("--resume --threads 2").refusal(64, &["other threads", "now 2"]);
    bench.images("--resume --use red").refusal(64, &["other models"]);
    let told = bench.images("--resume").run().with_code(0);
    told.saying(&["60 images measured, 1 unreadable"]);
    assert!(bench.files().is_sorted() && !bench.journal().exists());
}

#[test]
fn a_killed_profiling_loses_one_picture_at_most() {
    let bench = many();
    let mut running = bench.images("").start();
    running.wait_for_words("0.png is left out");
    running.signal(Signal::Kill);
    assert_eq!(running.finish().code, None);
    let journal = fs::read_to_string(bench.journal()).unwrap();
    let whole = journal.lines().count();
    // As if the last line had been under way.
    fs::write(bench.journal(), journal + "{\"file\":\"1").unwrap();
    let told = bench.images("--resume").run().with_code(0).saying(&["60 images measured"]);
    if whole > 1 {
        told.saying(&[&format!("{} resumed", whole - 1)]);
    }
    assert_eq!(bench.files().len(), 60);
}

#[test]
fn a_damaged_journal_names_its_line() {
    let bench = three_folders(["0", "1", "2"]);
    bench.write("out.parquet.partial", "nonsense\n");
    bench.images("--resume").refusal(64, &["out.parquet.partial", "remove"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named_at_once() {
    let bench = three_folders(["0", "1", "2"]);
    let to = |out: &str| {
        let program = bench.models.command("profile --out").arg(out);
        program.arg("--images").arg(bench.path("set"))
    };
    to("/nonexistent/a.parquet").refusal(1, &["/nonexistent/a.parquet.partial"]);
    to("/tmp").refusal(64, &["/tmp", "directory"]);
}

#[test]
fn pictures_on_which_a_model_fails_are_left_out() {
    let bench = Bench::of(&["colour", "nan_on_red"]);
    for (name, colour) in [("red.png", RED), ("green.png", GREEN)] {
        fs::create_dir_all(bench.path("set")).unwrap();
        draw(&bench.path("set").join(name), (40, 40), colour);
    }
    bench.write("set/labels.csv", "filename,class\nred.png,0\ngreen.png,1\n");
    let told = bench.images("").run().with_code(0);
    told.saying(&["red.png is left out", "1 images measured, 1 unreadable"]);
    assert_eq!(bench.files(), ["green.png"]);
}
