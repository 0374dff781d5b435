//! Video files and sources that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{BLUE, Clip, Codec, Finished, GREEN, Models, Program, RED, Record, damaged};

/// A directory for bad files, and a model to replay them with.
struct Bench {
    directory: TempDir,
    models: Models,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, models: Models::of(&["colour"]) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.file(name), bytes).unwrap();
        self.file(name)
    }

    fn clip(&self, name: &str, codec: Codec) -> Vec<u8> {
        Clip::of((64, 48), 20, &[RED, GREEN, BLUE]).write(&self.file(name), codec);
        fs::read(self.file(name)).unwrap()
    }

    fn replay(&self, source: &Path) -> Program {
        self.models.replay("--model colour --budget 10s").arg(source)
    }
}

/// Every frame that did come has its record, and the summary adds up, however the run ended.
fn accounted(finished: &Finished) -> Vec<Record> {
    finished.summary();
    finished.records()
}

#[test]
fn a_missing_file() {
    let bench = Bench::new();
    bench.replay(&bench.file("gone.mp4")).refusal(66, &["gone.mp4", "No such file"]);
}

#[test]
fn one_missing_file_among_several_stops_the_start() {
    let bench = Bench::new();
    bench.clip("clip.avi", Codec::Avi);
    let replay = bench.replay(&bench.file("clip.avi")).arg(bench.file("gone.mp4"));
    let refused = replay.refusal(66, &["gone.mp4"]);
    assert!(refused.stdout.is_empty());
}

#[test]
fn an_empty_file() {
    let bench = Bench::new();
    let empty = bench.write("empty.mp4", b"");
    bench.replay(&empty).refusal(1, &["empty.mp4"]);
}

#[test]
fn text_that_is_called_a_video() {
    let bench = Bench::new();
    let text = "This is no video. ".repeat(500);
    let file = bench.write("text.mp4", text.as_bytes());
    bench.replay(&file).refusal(1, &["text.mp4"]);
}

#[test]
fn noise_that_is_called_a_video() {
    let bench = Bench::new();
    let mut lots = fastrand::Rng::with_seed(3);
    let noise: Vec<u8> = (0..20_000).map(|_| lots.u8(..)).collect();
    let file = bench.write("noise.mp4", &noise);
    bench.replay(&file).refusal(1, &["noise.mp4"]);
}

#[test]
fn sound_without_a_picture() {
    let bench = Bench::new();
    let mut wave =
        b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0\
                     data\0\x7d\0\0"
            .to_vec();
    wave.resize(44 + 32_000, 0);
    let file = bench.write("sound.wav", &wave);
    bench.replay(&file).refusal(1, &["sound.wav", "no video"]);
}

#[test]
fn a_directory_without_images() {
    let bench = Bench::new();
    bench.write("notes.txt", b"text");
    bench.replay(bench.directory.path()).refusal(66, &["no image"]);
}

#[test]
fn an_mp4_that_lost_its_index() {
    let bench = Bench::new();
    let whole = bench.clip("clip.mp4", Codec::Mp4);
    let cut = bench.write("cut.mp4", &whole[..whole.len() / 2]);
    bench.replay(&cut).refusal(1, &["cut.mp4"]);
}

#[test]
fn a_truncated_mp4_gives_the_frames_it_has() {
    let bench = Bench::new();
    let whole = bench.clip("clip.mp4", Codec::Mp4IndexFirst);
    let cut = bench.write("cut.mp4", &whole[..whole.len() * 3 / 4]);
    let finished = bench.replay(&cut).with_summary().run();
    let records = accounted(&finished);
    assert!((1..60).contains(&records.len()), "{} of 60 frames", records.len());
    assert!(records.iter().all(|record| record.outcome() == "classified"));
    assert_eq!(records[0].label(), "red");
}

#[test]
fn a_truncated_avi_gives_the_frames_it_has() {
    let bench = Bench::new();
    let whole = bench.clip("clip.avi", Codec::Avi);
    let cut = bench.write("cut.avi", &whole[..whole.len() / 2]);
    let finished = bench.replay(&cut).with_summary().run();
    let records = accounted(&finished);
    assert!((1..60).contains(&records.len()), "{} of 60 frames", records.len());
}

#[test]
fn flipped_bits_in_a_clip_leave_every_frame_accounted_for() {
    for codec in [Codec::Mp4IndexFirst, Codec::Avi, Codec::WebM, Codec::Ogg, Codec::BareH264] {
        let bench = Bench::new();
        let whole = bench.clip("clip", codec);
        for seed in 0..4 {
            let flips = whole.len() / 200;
            let file = bench.write("flipped", &damaged(&whole, 0, flips, seed));
            let finished = bench.replay(&file).with_summary().run();
            let ended = matches!(finished.code, Some(0 | 1 | 69));
            assert!(ended, "{codec:?}, seed {seed}: {:?} {}", finished.code, finished.stderr);
            accounted(&finished);
        }
    }
}

#[test]
fn a_bad_clip_beside_a_good_one_ends_alone() {
    let bench = Bench::new();
    bench.clip("good.avi", Codec::Avi);
    let bad = bench.write("bad.mp4", &b"no video ".repeat(200));
    let finished = bench.replay(&bad).arg(bench.file("good.avi")).with_summary().run().with_code(1);
    let records = accounted(&finished.saying(&["bad.mp4"]));
    assert_eq!(records.iter().filter(|record| record.stream() == "good.avi").count(), 60);
}

#[test]
fn every_bad_clip_is_named() {
    let bench = Bench::new();
    let first = bench.write("first.mp4", &b"no video ".repeat(200));
    let second = bench.write("second.mp4", b"");
    bench.replay(&first).arg(second).refusal(1, &["first.mp4", "second.mp4"]);
}

#[test]
fn schemes_and_parameters_that_do_not_exist() {
    let bench = Bench::new();
    let cases: [(&str, &[&str]); 6] = [
        ("http://host/clip.mp4", &["http", "rtsp"]),
        ("test://nonsense", &["nonsense", "smpte"]),
        ("test://ball?widht=5", &["widht", "width"]),
        ("test://ball?width=-5", &["width"]),
        ("rtsp:///live", &["names no host"]),
        ("pipeline://yard", &["yard", "usb"]),
    ];
    for (source, words) in cases {
        bench.replay(Path::new(source)).refusal(64, words);
    }
}

#[test]
fn a_camera_that_is_not_there() {
    let bench = Bench::new();
    bench.replay(Path::new("v4l2:///dev/video99")).refusal(69, &["/dev/video99"]);
}

#[test]
fn a_network_camera_that_refuses() {
    let bench = Bench::new();
    let source = Path::new("rtsp://me:sesame@127.0.0.1:1/live");
    let refused = bench.replay(source).refusal(69, &["127.0.0.1"]);
    assert!(!refused.stderr.contains("sesame"), "{}", refused.stderr);
}

#[test]
fn a_description_of_ones_own_that_is_wrong() {
    let bench = Bench::new();
    bench.write("yard.toml", b"description = 'mine'\nlive = 'yes'\npipeline = 7\n");
    bench.write("street.toml", b"description = ''\nlive = false\npipeline = 'nosuchelement'\n");
    let replay =
        |source| bench.replay(Path::new(source)).arg("--pipelines").arg(bench.directory.path());
    replay("pipeline://yard").refusal(78, &["yard.toml"]);
    replay("pipeline://street").refusal(69, &["nosuchelement"]);
}
