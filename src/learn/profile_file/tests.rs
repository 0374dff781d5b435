//! Profiles: written, read, and refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::journal::{Journal, Task};
use super::*;
use crate::scheduler::Cost;

pub(crate) fn model(name: &str, milliseconds: u64) -> ProfiledModel {
    let cost = Cost { preprocess: Duration::ZERO, run: Duration::from_millis(milliseconds) };
    ProfiledModel {
        id: ModelId::new(name).unwrap(),
        fingerprint: Sha256Hex::of(name.as_bytes()),
        sha256: Sha256Hex::of(name.as_bytes()),
        provider: Provider::Cpu,
        latency: LatencyStats::of(&[cost; 30]).unwrap(),
        energy: None,
    }
}

/// The header of a profile of models of these names and latencies in milliseconds.
pub(crate) fn header(models: &[(&str, u64)]) -> Header {
    Header {
        models: models.iter().map(|(name, milliseconds)| model(name, *milliseconds)).collect(),
        classes: 10,
        truth: Truth::Labels,
        set: "photos".to_owned(),
        threads: 1,
        shard: Shard::WHOLE,
        machine: Machine {
            processor: "a test".to_owned(),
            cores: 1,
            os: "none".to_owned(),
            board: None,
        },
        versions: Versions {
            classifyd: "0".to_owned(),
            onnxruntime: "1".to_owned(),
            gstreamer: "2".to_owned(),
        },
    }
}

/// The answer of a model that ranks the classes upwards from `first`, in a circle of ten.
pub(crate) fn result(first: usize, class: usize) -> ModelResult {
    let probability = |number: usize| (10 - (number + 10 - first) % 10) as f32 / 55.0;
    let probabilities: Vec<f32> = (0..10).map(probability).collect();
    ModelResult::new(&probabilities, class)
}

fn image(file: &str) -> ImageRecord {
    let mut values = [0.1; Features::COUNT];
    values[..5].copy_from_slice(&[2e-7, -3.5, 1e9, 0.0, 1.0 / 3.0]);
    ImageRecord {
        file: file.to_owned(),
        group: file.split_once('#').map(|(video, _)| video.to_owned()),
        change: file.split_once("#6").map(|_| 0.015625),
        class: 3,
        features: Features::new(values).unwrap(),
        results: vec![result(3, 3), result(4, 3)],
    }
}

fn profile(files: &[&str]) -> Profile {
    let mut header = header(&[("quick", 5), ("slow.2", 20)]);
    let sensor = "RAPL package-0".to_owned();
    header.models[1].energy = Some(Energy { joules: 0.125, idle_watts: 3.5, sensor });
    header.truth = Truth::Teacher(header.models[1].id.clone());
    header.shard = "2/3".parse().unwrap();
    Profile { header, images: files.iter().map(|file| image(file)).collect() }
}

struct Saved {
    _directory: TempDir,
    path: PathBuf,
}

fn saved(profile: &Profile) -> Saved {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    profile.save(&path).unwrap();
    Saved { _directory: directory, path }
}

fn fault_of(path: &Path) -> ProfileFault {
    match Profile::load(path).unwrap_err() {
        ProfileError::Unusable { path: named, source } => {
            assert_eq!(named, path);
            *source
        }
        other => panic!("{other}"),
    }
}

/// What is said of a profile that could not be saved.
fn refused(edit: impl FnOnce(&mut Profile)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let mut profile = profile(&["a.jpg", "b.jpg"]);
    edit(&mut profile);
    let error = anyhow::Error::from(profile.save(&path).unwrap_err());
    assert!(!path.exists());
    format!("{error:#}")
}

#[test]
fn a_profile_survives_its_file() {
    let profile = profile(&["a.jpg", "b \"quoted\".jpg", "clip.mp4#30", "clip.mp4#60"]);
    assert_eq!(Profile::load(&saved(&profile).path).unwrap(), profile);
}

#[test]
fn many_row_groups_and_none_are_read_back() {
    let empty = Profile { images: Vec::new(), ..profile(&[]) };
    assert_eq!(Profile::load(&saved(&empty).path).unwrap(), empty);
    let files: Vec<String> = (0..70_000).map(|number| number.to_string()).collect();
    let large = profile(&files.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(Profile::load(&saved(&large).path).unwrap() == large);
}

#[test]
fn the_columns_are_as_documented() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let saved = saved(&profile(&["a.jpg"]));
    let reader = SerializedFileReader::new(fs::File::open(&saved.path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let names: Vec<String> = schema.columns().iter().map(|c| c.name().to_owned()).collect();
    assert_eq!(names[..4], ["file", "group", "change", "class"]);
    assert_eq!(names[4..4 + Features::COUNT], Features::NAMES);
    let first = &names[4 + Features::COUNT..4 + Features::COUNT + 23];
    assert_eq!(first[..2], ["quick.class1", "quick.class2"]);
    assert_eq!(first[10], "quick.probability1");
    assert_eq!(first[20..], ["quick.rank", "quick.entropy", "quick.margin"]);
    assert_eq!(names.last().unwrap(), "slow.2.margin");
    let mut rows = reader.get_row_iter(None).unwrap();
    let row = rows.next().unwrap().unwrap().to_json_value_text();
    assert!(row.contains("a.jpg"), "{row}");
}

/// What a row is, in words.
trait RowText {
    fn to_json_value_text(&self) -> String;
}

impl RowText for parquet::record::Row {
    fn to_json_value_text(&self) -> String {
        self.to_string()
    }
}

#[test]
fn the_true_class_is_ranked_among_all() {
    let result = ModelResult::new(&[0.1, 0.4, 0.1, 0.4], 2);
    assert_eq!(result.best, [(1, 0.4), (3, 0.4), (0, 0.1), (2, 0.1)]);
    assert_eq!((result.rank, result.margin), (3, 0.0));
}

#[test]
fn entropy_and_margin_say_how_sure_a_model_is() {
    let even = ModelResult::new(&[0.25; 4], 0);
    assert!((f64::from(even.entropy) - 4_f64.ln()).abs() < 1e-6);
    let sure = ModelResult::new(&[0.0, 1.001], 1);
    assert_eq!((sure.entropy, sure.margin, sure.best[0]), (0.0, 1.0, (1, 1.0)));
    assert_eq!(ModelResult::new(&[1.0], 0).margin, 1.0);
}

#[test]
fn other_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    assert!(matches!(Profile::load(&path), Err(ProfileError::Open { .. })));
    let of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fault_of(&path)
    };
    assert!(matches!(of(b""), ProfileFault::Empty));
    assert!(matches!(of(b"{\"format\":\"classifyd-profile\"}\n"), ProfileFault::JsonLines));
    assert!(matches!(of(b"file,class\n"), ProfileFault::NotParquet));
    assert!(matches!(of(b"PA"), ProfileFault::NotParquet));
    assert!(matches!(of(b"PAR1"), ProfileFault::Damaged(_)));
    let whole = fs::read(&saved(&profile(&["a.jpg"])).path).unwrap();
    assert!(matches!(of(&whole[..whole.len() - 1]), ProfileFault::CutShort));
    assert!(matches!(of(&whole[..whole.len() / 2]), ProfileFault::CutShort));
}

/// The fault of a profile in whose file `old` was replaced by `new`, of the same length.
fn edited(old: &str, new: &str) -> ProfileFault {
    assert_eq!(old.len(), new.len());
    let saved = saved(&profile(&["a.jpg"]));
    let mut bytes = fs::read(&saved.path).unwrap();
    let find = |bytes: &[u8]| bytes.windows(old.len()).rposition(|found| found == old.as_bytes());
    let place = find(&bytes).unwrap_or_else(|| panic!("`{old}` is not in the file"));
    bytes[place..place + old.len()].copy_from_slice(new.as_bytes());
    fs::write(&saved.path, bytes).unwrap();
    fault_of(&saved.path)
}

#[test]
fn the_metadata_are_read_strictly() {
    let version = edited("\"version\":2", "\"version\":9");
    assert!(matches!(version, ProfileFault::Version { found: 9 }));
    let features = edited(
        &format!("[\"{}", Features::NAMES[0]),
        &format!(
            "[\"{}",
            "smell smell smell".chars().cycle().take(Features::NAMES[0].len()).collect::<String>()
        ),
    );
    assert!(matches!(features, ProfileFault::OtherFeatures { .. }), "{features}");
    assert!(matches!(
        edited("\"images\":1,", "\"images\":2,"),
        ProfileFault::Rows { stated: 2, found: 1 }
    ));
    let twice = edited("\"name\":\"quick\"", "\"name\":\"thick\"");
    assert!(matches!(twice, ProfileFault::Column { .. }), "{twice}");
    for (old, new) in [
        ("\"truth\":\"teacher:", "\"truth\":\"preacher"),
        ("\"provider\":\"cpu\"", "\"provider\":\"abc\""),
        ("\"shard\":\"2/3\"", "\"shard\":\"4/3\""),
        ("\"median_ms\":20.0", "\"median_ms\":99.0"),
        ("\"run_ms\":20.0", "\"run_ms\":-1.0"),
        ("\"joules\":0.125", "\"joules\":-9.12"),
        ("\"threads\":1", "\"thrones\":1"),
    ] {
        assert!(matches!(edited(old, new), ProfileFault::Document(_)), "{old}");
    }
}

#[test]
fn parquet_without_our_metadata_is_no_profile() {
    let saved = saved(&profile(&["a.jpg"]));
    let mut bytes = fs::read(&saved.path).unwrap();
    let key = b"classifyd-profile";
    let place = bytes.windows(key.len()).position(|found| found == key).unwrap();
    bytes[place] = b'C';
    fs::write(&saved.path, bytes).unwrap();
    assert!(matches!(fault_of(&saved.path), ProfileFault::Foreign));
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let of = |edit: fn(&mut ImageRecord)| refused(|profile| edit(&mut profile.images[1]));
    assert!(
        of(|image| image.class = 10)
            .contains("picture 2 of it (b.jpg): the class is 10, not below 10")
    );
    assert!(of(|image| image.file = "a.jpg".into()).contains("as picture 1"));
    assert!(of(|image| image.file.clear()).contains("empty"));
    assert!(of(|image| image.results.truncate(1)).contains("1 for 2 models"));
    assert!(of(|image| image.results[0].best.truncate(4)).contains("4 guesses, not 10"));
    assert!(of(|image| image.results[1].rank = 3).contains("the rank 3 of slow.2 contradicts"));
    assert!(
        of(|image| image.results[0].best[0].1 = f32::NAN).contains("a probability of quick is NaN")
    );
    assert!(of(|image| image.results[0].best[4].1 = 0.9).contains("most probable first"));
    assert!(of(|image| image.results[0].best[1].0 = 3).contains("must differ"));
    assert!(
        of(|image| image.results[0].entropy = f32::NAN).contains("the entropy of quick is NaN")
    );
    assert!(of(|image| image.results[0].entropy = 3.0).contains("the entropy of quick is 3"));
    assert!(of(|image| image.results[0].margin = 0.5).contains("the margin of quick is 0.5"));
    let moved = |group: Option<&str>, change| {
        refused(|profile| {
            profile.images[1].group = group.map(str::to_owned);
            profile.images[1].change = Some(change);
        })
    };
    assert!(moved(None, 0.5).contains("picture 2 of it (b.jpg): it has a change"));
    for change in [-0.5, 1.5, f32::NAN] {
        let expected = format!("the change to the frame before is {change}, not between 0 and 1");
        assert!(moved(Some("b"), change).contains(&expected), "{}", moved(Some("b"), change));
    }
    let twins =
        refused(|profile| profile.header.models[1].id = profile.header.models[0].id.clone());
    assert!(twins.contains("each named once"));
}

#[test]
fn a_number_that_is_none_is_found_in_the_file() {
    let saved = saved(&profile(&["a.jpg"]));
    let mut bytes = fs::read(&saved.path).unwrap();
    let feature = 1e9_f32.to_le_bytes();
    let is_feature = |place: &usize| bytes[*place..].starts_with(&feature);
    let places: Vec<usize> = (0..bytes.len()).filter(is_feature).collect();
    assert!(!places.is_empty(), "so few values are not compressed");
    places.iter().for_each(|&n| bytes[n..n + 4].copy_from_slice(&f32::NAN.to_le_bytes()));
    fs::write(&saved.path, bytes).unwrap();
    let error = anyhow::Error::from(Profile::load(&saved.path).unwrap_err());
    let expected = format!("picture 1 of it (a.jpg): the feature {} is NaN", Features::NAMES[2]);
    assert!(format!("{error:#}").contains(&expected), "{error:#}");
}

#[test]
fn a_profile_that_is_there_stays_until_the_new_one_is_complete() {
    let saved = saved(&profile(&["a.jpg"]));
    let before = fs::read(&saved.path).unwrap();
    let mut wrong = profile(&["b.jpg"]);
    wrong.images[0].class = 99;
    assert!(wrong.save(&saved.path).is_err());
    assert_eq!(fs::read(&saved.path).unwrap(), before);
    profile(&["b.jpg"]).save(&saved.path).unwrap();
    assert_eq!(Profile::load(&saved.path).unwrap().images[0].file, "b.jpg");
    assert_eq!(fs::read_dir(saved.path.parent().unwrap()).unwrap().count(), 1, "nothing is left");
    let nowhere = profile(&["a.jpg"]).save(Path::new("/nonexistent/a.parquet")).unwrap_err();
    assert!(nowhere.to_string().contains("/nonexistent/a.parquet"), "{nowhere}");
}

#[test]
fn shards_divide_a_set() {
    let shard = |text: &str| text.parse::<Shard>();
    let held: Vec<usize> = (0..10).filter(|&n| shard("2/3").unwrap().holds(n)).collect();
    assert_eq!(held, [1, 4, 7]);
    assert!((0..10).all(|position| Shard::WHOLE.holds(position)));
    for wrong in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2"] {
        assert_eq!(shard(wrong), Err(NoShard(wrong.to_owned())));
    }
}

fn task() -> (Task, Shape) {
    let shape = profile(&[]).header.shape();
    let key = |id: &ModelId| (id.to_string(), Sha256Hex::of(b"x"), "cpu".to_owned());
    let task = Task {
        models: shape.models.iter().map(key).collect(),
        classes: shape.classes,
        truth: "labels".to_owned(),
        set: "photos".to_owned(),
        threads: 1,
        shard: "1/1".to_owned(),
        every: 30,
        pictures: Sha256Hex::of(b"pictures"),
    };
    (task, shape)
}

/// A journal of two pictures.
fn journal() -> (TempDir, PathBuf, Vec<ImageRecord>) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a.parquet");
    let (task, shape) = task();
    let images = profile(&["a.jpg", "clip.mp4#60"]).images;
    let mut journal = Journal::begin(&out, &task, shape).unwrap();
    images.iter().for_each(|image| journal.write(image).unwrap());
    (directory, out, images)
}

#[test]
fn a_journal_goes_on_where_it_was_left() {
    let (_directory, out, mut images) = journal();
    let (task, shape) = task();
    let again = Journal::begin(&out, &task, shape.clone()).unwrap_err();
    assert!(
        again.to_string().contains("a.parquet.partial") && again.to_string().contains("--resume")
    );
    let (mut journal, read) = Journal::resume(&out, &task, shape.clone()).unwrap();
    assert_eq!(read, images);
    images.push(image("b.jpg"));
    journal.write(&images[2]).unwrap();
    let (journal, read) = Journal::resume(&out, &task, shape.clone()).unwrap();
    assert_eq!(read, images);
    journal.remove().unwrap();
    assert!(!Journal::path_of(&out).exists());
    assert_eq!(Journal::resume(&out, &task, shape).unwrap().1, [], "without one it begins anew");
}

#[test]
fn a_journal_that_was_cut_loses_one_picture_at_most() {
    let (_directory, out, images) = journal();
    let (task, shape) = task();
    let path = Journal::path_of(&out);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|&n| whole[n] == b'\n').collect();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, read) = Journal::resume(&out, &task, shape.clone()).unwrap();
        let kept = ends.iter().skip(1).filter(|&&end| end < length).count();
        assert_eq!(read, images[..kept], "cut at {length}");
        images[kept..].iter().for_each(|image| journal.write(image).unwrap());
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn a_journal_of_something_else_is_refused() {
    let (_directory, out, _) = journal();
    let (task, shape) = task();
    let of = |edit: fn(&mut Task)| {
        let mut task = task.clone();
        edit(&mut task);
        Journal::resume(&out, &task, shape.clone()).unwrap_err().to_string()
    };
    assert!(of(|task| task.threads = 4).contains("other threads (1; now 4)"));
    assert!(of(|task| task.pictures = Sha256Hex::of(b"y")).contains("other pictures"));
    assert!(of(|task| task.models.truncate(1)).contains("other models"));
    let path = Journal::path_of(&out);
    let text = fs::read_to_string(&path).unwrap();
    let damaged = |text: String| {
        fs::write(&path, text).unwrap();
        anyhow::Error::from(Journal::resume(&out, &task, shape.clone()).unwrap_err())
    };
    let rank = damaged(text.replacen("\"rank\":9", "\"rank\":2", 1));
    assert!(format!("{rank:#}").contains("line 2"), "{rank:#}");
    let twice = damaged(text.replace("clip.mp4#60", "a.jpg"));
    assert!(format!("{twice:#}").contains("line 3"), "{twice:#}");
    damaged("nonsense\n".to_owned());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..5),
    ) {
        let saved = saved(&profile(&["a.jpg", "b.jpg#1"]));
        let mut bytes = fs::read(&saved.path).unwrap();
        for (position, mask) in flips {
            let position = position.index(bytes.len());
            bytes[position] ^= mask;
        }
        fs::write(&saved.path, bytes).unwrap();
        if let Ok(profile) = Profile::load(&saved.path) {
            prop_assert!(profile.save(&saved.path).is_ok());
        }
    }
}
