//! The stage as a whole, on real files that the tests make.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use gstreamer::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::frame::{Frame, Pace};
use crate::outcome::{Outcome, Stage};

/// No test takes nearly as long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ends of the channels of one stream.
struct Bench {
    settle: Sender<Settled>,
    settled: Receiver<Settled>,
    send_event: Sender<Event>,
    events: Receiver<Event>,
}

/// What a stream gave, from its start to its last event.
struct Run {
    frames: Vec<Seen>,
    settled: Vec<Settled>,
    warnings: Vec<String>,
    last: EventKind,
}

/// What a frame looked like when it was taken.
struct Seen {
    number: u64,
    size: (u32, u32),
    stride: usize,
    pts: Option<Duration>,
    pace: Pace,
    file: Option<String>,
}

impl Seen {
    fn of(frame: &Frame) -> Self {
        let (picture, account) = (&frame.picture, frame.ticket.account());
        Self {
            number: account.origin.id.number,
            size: (picture.width(), picture.height()),
            stride: picture.stride(),
            pts: account.origin.pts,
            pace: account.pace,
            file: account.origin.file.as_deref().map(str::to_owned),
        }
    }
}

impl Bench {
    fn new() -> Self {
        let (settle, settled) = unbounded();
        let (send_event, events) = unbounded();
        Self { settle, settled, send_event, events }
    }

    fn start(&self, source: &Source, sender: mailbox::Sender) -> Result<Capture, CaptureError> {
        let budget = "100ms".parse().unwrap();
        let spec = StreamSpec {
            name: StreamName::new("test"),
            source: source.clone(),
            budget,
            patience: None,
            playback: Playback::Once,
        };
        start(&spec, sender, self.settle.clone(), self.send_event.clone(), Clock)
    }

    /// Waits for the last event; yields it and the warnings before it.
    fn wait_for_end(&self) -> (EventKind, Vec<String>) {
        let mut warnings = Vec::new();
        loop {
            match self.events.recv_timeout(PATIENCE).expect("the stream hangs").kind {
                EventKind::Warning(words) => warnings.push(words),
                EventKind::Changed(change) => warnings.push(change.to_string()),
                last => return (last, warnings),
            }
        }
    }
}

fn parse(text: &str) -> Source {
    Source::parse(text, None).unwrap()
}

/// Runs `source` to its end, taking every frame that can be taken.
fn run(source: &Source, delivery: Delivery) -> Result<Run, CaptureError> {
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let capture = bench.start(source, mailbox.open(delivery))?;
    drop(mailbox);
    let reader = thread::spawn(move || {
        let take = || receiver.take().map(|frame| Seen::of(&frame));
        std::iter::from_fn(take).collect::<Vec<_>>()
    });
    let (last, warnings) = bench.wait_for_end();
    capture.stop();
    let frames = reader.join().unwrap();
    let settled = bench.settled.try_iter().collect();
    Ok(Run { frames, settled, warnings, last })
}

fn replay(path: &Path) -> Result<Run, CaptureError> {
    run(&parse(path.to_str().unwrap()), Delivery::Lossless)
}

/// How `path` fails, at the start or later, and how many frames came before.
fn failure(path: &Path) -> (CaptureError, usize) {
    match replay(path) {
        Err(error) => (error, 0),
        Ok(Run { last: EventKind::Failed(error), frames, .. }) => (error, frames.len()),
        Ok(run) => panic!("{}: {:?} after {} frames", path.display(), run.last, run.frames.len()),
    }
}

/// Runs a GStreamer pipeline to its end: how the tests make files.
fn make(text: &str) {
    pipeline::init().unwrap();
    let pipeline = gstreamer::parse::launch(text).unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let patience = gstreamer::ClockTime::try_from(PATIENCE).unwrap();
    let ends = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let message = bus.timed_pop_filtered(patience, &ends).expect("the file is never made");
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert_eq!(message.type_(), gstreamer::MessageType::Eos, "{message:?}");
}

const H264: &str = "video/x-raw,format=I420 ! x264enc speed-preset=ultrafast key-int-max=5";

/// Makes a video of `frames` test pictures of the size by `encoder`, a chain with its muxer.
fn video(path: &Path, (width, height): (u32, u32), frames: u32, encoder: &str) {
    let location = launch::quote(path.to_str().unwrap()).unwrap();
    make(&format!(
        "videotestsrc num-buffers={frames} pattern=gradient \
         ! video/x-raw,width={width},height={height},framerate=30/1 \
         ! videoconvert ! {encoder} ! filesink location={location}"
    ));
}

fn mp4(path: &Path, frames: u32) {
    video(path, (64, 48), frames, &format!("{H264} ! mp4mux faststart=true"));
}

fn directory() -> (TempDir, impl Fn(&str) -> PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    (directory, move |name: &str| root.join(name))
}

fn numbers(run: &Run) -> Vec<u64> {
    run.frames.iter().map(|frame| frame.number).collect()
}

#[test]
fn replay_delivers_every_frame_of_every_kind_of_file() {
    let (_directory, at) = directory();
    let h264 = format!("{H264} ! mp4mux");
    let kinds = [
        ("a.mp4", (642, 36), h264.as_str()),
        ("a.avi", (65, 47), "jpegenc ! avimux"),
        ("a.ogv", (63, 33), "theoraenc ! oggmux"),
        ("a.webm", (17, 19), "vp8enc ! webmmux"),
        ("b.ogv", (1, 1), "theoraenc ! oggmux"),
        ("a.mkv", (322, 240), "jpegenc ! matroskamux"),
    ];
    for (name, size, encoder) in kinds {
        video(&at(name), size, 40, encoder);
        let run = replay(&at(name)).unwrap();
        assert!(matches!(run.last, EventKind::Ended), "{name}: {:?}", run.last);
        assert_eq!(numbers(&run), (0..40).collect::<Vec<_>>(), "{name}");
        assert!(run.frames.iter().all(|frame| frame.size == size), "{name}");
        assert!(run.frames.iter().all(|frame| frame.stride >= 4 * size.0 as usize), "{name}");
        assert!(run.frames.iter().all(|frame| frame.pace == Pace::Work), "{name}");
        let last = run.frames[39].pts.unwrap() - run.frames[0].pts.unwrap();
        assert!(last.abs_diff(Duration::from_millis(1300)) < Duration::from_millis(5), "{name}");
    }
}

#[test]
fn odd_paths_reach_gstreamer_unharmed() {
    let (_directory, at) = directory();
    fs::create_dir(at("it's a \"dir\"")).unwrap();
    for name in [r#"it's a "dir"/wow! no \ more\.mp4"#, "ünï {x} [1]*?.mp4", "#a%20b=c,d;.mp4"] {
        mp4(&at(name), 3);
        assert_eq!(replay(&at(name)).unwrap().frames.len(), 3, "{name}");
        let uri = url::Url::from_file_path(at(name)).unwrap();
        let run = run(&parse(uri.as_str()), Delivery::Lossless).unwrap();
        assert_eq!(run.frames.len(), 3, "{uri}");
    }
}

#[test]
fn a_stream_may_change_its_size_half_way() {
    let (_directory, at) = directory();
    for (name, size) in [("1.h264", (64, 48)), ("2.h264", (642, 50))] {
        video(&at(name), size, 10, &format!("{H264} ! video/x-h264,stream-format=byte-stream"));
    }
    let joined = [fs::read(at("1.h264")).unwrap(), fs::read(at("2.h264")).unwrap()].concat();
    fs::write(at("joined.h264"), joined).unwrap();
    let run = replay(&at("joined.h264")).unwrap();
    let sizes: Vec<_> = run.frames.iter().map(|frame| frame.size).collect();
    assert_eq!(sizes, [[(64, 48); 10], [(642, 50); 10]].concat());
    assert!(matches!(run.last, EventKind::Ended));
}

/// Turns an MP4 on its side, as a phone does: in the matrix of its track header.
fn turn(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let header = bytes.windows(4).position(|word| word == b"tkhd").unwrap();
    let matrix: [u32; 4] = [0, 0x1_0000, 0, 0xFFFF_0000];
    for (index, value) in matrix.into_iter().chain([0, 0, 48 << 16, 0]).enumerate() {
        let start = header + 44 + 4 * index;
        bytes[start..start + 4].copy_from_slice(&value.to_be_bytes());
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_video_that_was_held_sideways_is_turned_upright() {
    let (_directory, at) = directory();
    mp4(&at("phone.mp4"), 5);
    turn(&at("phone.mp4"));
    let run = replay(&at("phone.mp4")).unwrap();
    assert_eq!(run.frames.len(), 5);
    assert!(run.frames.iter().all(|frame| frame.size == (48, 64)));
}

#[test]
fn what_is_no_video_is_refused_in_words() {
    let (_directory, at) = directory();
    fs::write(at("empty.mp4"), "").unwrap();
    fs::write(at("text.mp4"), "this is only a text, however it is named\n".repeat(99)).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = (0..20_000).map(|_| random.u8(..)).collect();
    fs::write(at("random.mp4"), noise).unwrap();
    for name in ["empty.mp4", "text.mp4", "random.mp4"] {
        let (error, frames) = failure(&at(name));
        assert!(matches!(error, CaptureError::Undecodable { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(frames, 0);
    }
}

#[test]
fn sound_alone_is_no_video() {
    let (_directory, at) = directory();
    let location = launch::quote(at("sound.ogg").to_str().unwrap()).unwrap();
    make(&format!(
        "audiotestsrc num-buffers=20 ! vorbisenc ! oggmux ! filesink location={location}"
    ));
    let (error, _) = failure(&at("sound.ogg"));
    assert!(matches!(error, CaptureError::NoVideo { .. }), "{error:?}");
}

#[test]
fn a_codec_without_a_decoder_is_named() {
    let (_directory, at) = directory();
    video(&at("a.webm"), (64, 48), 3, "vp8enc ! webmmux");
    let mut bytes = fs::read(at("a.webm")).unwrap();
    let codec = bytes.windows(5).position(|word| word == b"V_VP8").unwrap();
    bytes[codec..codec + 5].copy_from_slice(b"V_QP8");
    fs::write(at("a.webm"), bytes).unwrap();
    let (error, _) = failure(&at("a.webm"));
    assert!(matches!(error, CaptureError::MissingDecoder { .. }), "{error:?}");
}

#[test]
fn sound_beside_a_video_is_left_alone() {
    let (_directory, at) = directory();
    let location = launch::quote(at("both.mkv").to_str().unwrap()).unwrap();
    make(&format!(
        "videotestsrc num-buffers=12 ! {H264} ! m. audiotestsrc num-buffers=20 ! vorbisenc ! m. \
         matroskamux name=m ! filesink location={location}"
    ));
    assert_eq!(replay(&at("both.mkv")).unwrap().frames.len(), 12);
}

#[test]
fn truncated_and_flipped_files_end_and_lose_no_frame_that_was_decoded() {
    let (_directory, at) = directory();
    mp4(&at("whole.mp4"), 60);
    let whole = fs::read(at("whole.mp4")).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..12 {
        let mut bytes = whole.clone();
        match round % 2 {
            0 => bytes.truncate(whole.len() * (round + 1) / 13),
            _ => (0..20).for_each(|_| {
                let position = random.usize(..bytes.len());
                bytes[position] ^= 1 << random.u8(..8);
            }),
        }
        fs::write(at("damaged.mp4"), bytes).unwrap();
        let Ok(run) = replay(&at("damaged.mp4")) else { continue };
        assert_eq!(numbers(&run), (0..run.frames.len() as u64).collect::<Vec<_>>());
        assert_eq!(run.settled.len(), run.frames.len(), "round {round}");
    }
}

/// decodebin swallows the demuxer's error now and then, as [`stall`] tells.
#[test]
fn a_file_cut_off_in_its_header_never_hangs() {
    let (_directory, at) = directory();
    mp4(&at("whole.mp4"), 60);
    let whole = fs::read(at("whole.mp4")).unwrap();
    fs::write(at("cut.mp4"), &whole[..560]).unwrap();
    for _ in 0..8 {
        let (error, _) = failure(&at("cut.mp4"));
        assert!(matches!(error, CaptureError::Undecodable { .. }), "{error:?}");
    }
}

#[test]
fn a_slow_reader_is_no_stall() {
    let (_directory, at) = directory();
    mp4(&at("a.mp4"), 30);
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let source = parse(at("a.mp4").to_str().unwrap());
    let _capture = bench.start(&source, mailbox.open(Delivery::Lossless)).unwrap();
    drop(mailbox);
    let silence = bench.events.recv_timeout(Duration::from_millis(3500));
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(std::iter::from_fn(|| receiver.take()).count(), 30);
}

#[test]
fn frames_before_the_damage_are_delivered() {
    let (_directory, at) = directory();
    video(&at("whole.webm"), (64, 48), 60, "vp8enc keyframe-max-dist=5 ! webmmux");
    let whole = fs::read(at("whole.webm")).unwrap();
    fs::write(at("half.webm"), &whole[..whole.len() / 2]).unwrap();
    let run = replay(&at("half.webm")).unwrap();
    assert!((1..60).contains(&run.frames.len()), "{}", run.frames.len());
}

#[test]
fn a_file_that_goes_missing_is_told_from_a_damaged_one() {
    let (_directory, at) = directory();
    mp4(&at("a.mp4"), 3);
    let source = parse(at("a.mp4").to_str().unwrap());
    fs::remove_file(at("a.mp4")).unwrap();
    let error = run(&source, Delivery::Lossless).map(|_| "ran").unwrap_err();
    assert!(matches!(error, CaptureError::MissingInput { .. }), "{error:?}");
}

#[test]
fn cameras_that_are_not_there_fail_at_once() {
    let start = |text: &str| run(&parse(text), Delivery::NewestWins).map(|_| "ran").unwrap_err();
    let error = start("v4l2:///dev/video987");
    assert!(matches!(error, CaptureError::Camera { .. }), "{error:?}");
    let error = start("csi://0");
    assert!(matches!(error, CaptureError::MissingElement { .. }), "{error:?}");
    assert!(error.to_string().contains("nvidia-l4t-gstreamer"), "{error}");
}

#[test]
fn an_rtsp_camera_that_refuses_is_named_without_its_password() {
    let source = parse("rtsp://me:sesame@127.0.0.1:1/live");
    let error = match run(&source, Delivery::NewestWins) {
        Err(error) => error,
        Ok(Run { last: EventKind::Failed(error), .. }) => error,
        Ok(Run { last, .. }) => panic!("{last:?}"),
    };
    assert!(matches!(error, CaptureError::Camera { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("sesame"));
}

#[test]
fn a_wrong_description_is_refused_with_its_file() {
    let (directory, at) = directory();
    let cases = [
        ("noelement", "noelement"),
        ("fakesrc nosuch=1", "nosuch"),
        ("fakesrc !", "yard.toml"),
        ("videotestsrc ! audioconvert", "yard.toml"),
    ];
    for (pipeline, words) in cases {
        let text = format!("description = ''\nlive = false\npipeline = '{pipeline}'");
        fs::write(at("yard.toml"), text).unwrap();
        let source = Source::parse("pipeline://yard", Some(directory.path())).unwrap();
        let error = run(&source, Delivery::Lossless).map(|_| "ran").unwrap_err();
        let right = match pipeline {
            "noelement" => matches!(error, CaptureError::MissingElement { .. }),
            _ => matches!(error, CaptureError::Description { .. }),
        };
        assert!(right && error.to_string().contains(words), "{pipeline}: {error:?}");
    }
}

#[test]
fn the_first_alternative_whose_elements_are_installed_is_used() {
    let (directory, at) = directory();
    let alternative = |needs: &str, width: u32| {
        format!(
            "[[alternatives]]\nneeds = ['{needs}']\n\
             pipeline = 'videotestsrc num-buffers=1 ! video/x-raw,width={width},height=4'\n"
        )
    };
    let text = format!(
        "description = ''\nlive = false\npipeline = 'fakesrc'\n{}{}{}",
        alternative("noelement", 8),
        alternative("identity", 16),
        alternative("identity", 32)
    );
    fs::write(at("yard.toml"), text).unwrap();
    let source = Source::parse("pipeline://yard", Some(directory.path())).unwrap();
    assert_eq!(run(&source, Delivery::Lossless).unwrap().frames[0].size, (16, 4));
}

/// A description of one's own, of a live source that gives three frames.
fn three_live_frames(attributes: &str) -> Run {
    let (directory, at) = directory();
    let pipeline = "videotestsrc is-live=true num-buffers=3 ! video/x-raw,width=64,height=48";
    let text = format!("description = ''\nlive = true\n{attributes}\npipeline = '{pipeline}'");
    fs::write(at("yard.toml"), text).unwrap();
    let source = Source::parse("pipeline://yard", Some(directory.path())).unwrap();
    run(&source, Delivery::NewestWins).unwrap()
}

#[test]
fn a_camera_that_ends_was_lost() {
    let run = three_live_frames("");
    let EventKind::Failed(error) = run.last else { panic!("{:?}", run.last) };
    assert!(matches!(error, CaptureError::Camera { .. }), "{error:?}");
    assert!(error.to_string().contains("pipeline://yard"), "{error}");
    assert!(error.to_string().contains("it ended the stream"), "{error}");
    assert_eq!(run.settled.len(), 3);
}

#[test]
fn a_live_source_that_may_end_has_not_failed() {
    let run = three_live_frames("ends = true");
    assert!(matches!(run.last, EventKind::Ended), "{:?}", run.last);
}

#[test]
fn a_playlist_does_not_send_decodebin_to_the_network() {
    let (_directory, at) = directory();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let host = server.local_addr().unwrap();
    let hls = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n\
         http://{host}/a.ts\n#EXT-X-ENDLIST\n"
    );
    let dash = format!(
        "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT4S\" profiles=\"urn:mpeg:dash:profile:isoff-main:2011\">\
         <BaseURL>http://{host}/</BaseURL><Period><AdaptationSet mimeType=\"video/mp4\">\
         <Representation id=\"1\" bandwidth=\"1000\" codecs=\"avc1.4d401f\"><BaseURL>a.mp4</BaseURL>\
         <SegmentBase indexRange=\"0-9\"/></Representation></AdaptationSet></Period></MPD>\n"
    );
    for (name, playlist) in [("a.m3u8", &hls), ("a.mp4", &hls), ("a.mpd", &dash)] {
        fs::write(at(name), playlist).unwrap();
        let (error, _) = failure(&at(name));
        assert!(matches!(error, CaptureError::Undecodable { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("it is a playlist"), "{name}: {error}");
        let visitor = server.accept().map(|_| "a visitor").unwrap_err();
        assert_eq!(visitor.kind(), std::io::ErrorKind::WouldBlock, "{name}");
    }
}

#[test]
fn a_live_source_never_waits_and_every_frame_is_accounted_for() {
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let source = parse("test://ball?width=64&height=48&fps=100&frames=30");
    let capture = bench.start(&source, mailbox.open(Delivery::NewestWins)).unwrap();
    drop(mailbox);
    let (last, _) = bench.wait_for_end();
    assert!(matches!(last, EventKind::Ended), "nothing was taken, and still it ended: {last:?}");
    let newest = receiver.take().unwrap();
    assert_eq!(newest.ticket.account().origin.id.number, 29);
    assert_eq!(newest.ticket.account().pace, Pace::Clock);
    drop(newest);
    assert!(receiver.take().is_none());
    capture.stop();
    let outcomes: Vec<Settled> = bench.settled.try_iter().collect();
    let superseded =
        outcomes.iter().filter(|settled| matches!(settled.outcome, Outcome::Superseded)).count();
    assert_eq!((superseded, outcomes.len()), (29, 30));
}

#[test]
fn live_frames_are_as_old_as_the_pipeline_says() {
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let started = Clock.now();
    let source = parse("test://ball?width=64&height=48&fps=20&frames=5");
    let _capture = bench.start(&source, mailbox.open(Delivery::NewestWins)).unwrap();
    drop(mailbox);
    let frames: Vec<Frame> = std::iter::from_fn(|| receiver.take()).collect();
    let now = Clock.now();
    for frame in &frames {
        let captured = frame.ticket.account().origin.captured;
        assert!((started..now).contains(&captured));
    }
    let origins = frames.iter().map(|frame| &frame.ticket.account().origin);
    let steps: Vec<_> = origins.map(|origin| (origin.captured, origin.pts.unwrap())).collect();
    for pair in steps.windows(2) {
        let (by_clock, by_stamp) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        assert!(by_clock.abs_diff(by_stamp) < Duration::from_millis(20), "{by_clock:?}");
    }
}

#[test]
fn a_file_in_real_time_plays_by_the_clock() {
    let (_directory, at) = directory();
    mp4(&at("a.mp4"), 15);
    let started = Clock.now();
    let run = run(&parse(at("a.mp4").to_str().unwrap()), Delivery::NewestWins).unwrap();
    let took = Clock.now() - started;
    assert!(took >= Duration::from_millis(14 * 1000 / 30), "{took:?}");
    assert_eq!(run.settled.len(), 15);
    assert!(run.frames.iter().all(|frame| frame.pace == Pace::Clock));
}

#[test]
fn stopping_does_not_wait_for_a_full_mailbox() {
    let (_directory, at) = directory();
    mp4(&at("a.mp4"), 30);
    for source in [parse(at("a.mp4").to_str().unwrap()), parse("test://?frames=30&fps=200")] {
        let bench = Bench::new();
        let (mailbox, receiver) = mailbox::mailbox();
        let capture = bench.start(&source, mailbox.open(Delivery::Lossless)).unwrap();
        drop(mailbox);
        let first = receiver.take().unwrap();
        let (done, stopped) = unbounded();
        let stopper = thread::spawn(move || {
            capture.stop();
            done.send(()).unwrap();
        });
        stopped.recv_timeout(PATIENCE).expect("stop hangs");
        stopper.join().unwrap();
        drop(first);
        let rest = std::iter::from_fn(|| receiver.take()).count();
        let settled = bench.settled.try_iter().count();
        assert!(settled > rest && settled < 30, "{settled}, {rest}");
    }
}

#[test]
fn a_files_duration_is_known_once_it_plays() {
    let (_directory, at) = directory();
    mp4(&at("a.mp4"), 30);
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let source = parse(at("a.mp4").to_str().unwrap());
    let capture = bench.start(&source, mailbox.open(Delivery::Lossless)).unwrap();
    let _first = receiver.take().unwrap();
    assert_eq!(capture.extent(), Some(Extent::Time(Duration::from_secs(1))));
}

fn image(path: &Path, size: (u32, u32)) {
    image::RgbImage::new(size.0, size.1).save(path).unwrap();
}

#[test]
fn bad_images_fail_and_the_others_are_delivered() {
    let (_directory, at) = directory();
    for (name, size) in [("1.png", (3, 2)), ("3.jpg", (1, 1)), ("10.bmp", (4000, 2))] {
        image(&at(name), size);
    }
    fs::write(at("2.png"), "no image").unwrap();
    fs::write(at("4.webp"), "").unwrap();
    let run = replay(&at("")).unwrap();
    assert!(matches!(run.last, EventKind::Ended));
    assert!(run.warnings.is_empty());
    let seen: Vec<_> = run.frames.iter().map(|frame| (frame.number, frame.size)).collect();
    assert_eq!(seen, [(0, (3, 2)), (2, (1, 1)), (4, (4000, 2))]);
    assert!(run.frames[2].file.as_ref().unwrap().ends_with("10.bmp"));
    let failed: Vec<_> = run
        .settled
        .iter()
        .filter_map(|settled| match &settled.outcome {
            Outcome::Failed(failure) => Some((settled.account.origin.id.number, failure.stage)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(1, Stage::Capture), (3, Stage::Capture)]);
    assert_eq!(run.settled.len(), 5);
}

#[test]
fn images_in_real_time_come_thirty_a_second() {
    let (_directory, at) = directory();
    (0..7).for_each(|number| image(&at(&format!("{number}.png")), (2, 2)));
    let started = Clock.now();
    let run = run(&parse(at("").to_str().unwrap()), Delivery::NewestWins).unwrap();
    assert!(Clock.now() - started >= Duration::from_millis(199));
    let captured: Vec<_> = run.settled.iter().map(|s| s.account.origin.captured).collect();
    assert!(captured.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(33)));
    assert_eq!(run.settled.len(), 7);
}

#[test]
fn stopping_images_does_not_wait_for_a_full_mailbox() {
    let (_directory, at) = directory();
    (0..9).for_each(|number| image(&at(&format!("{number}.png")), (2, 2)));
    let bench = Bench::new();
    let (mailbox, receiver) = mailbox::mailbox();
    let source = parse(at("*.png").to_str().unwrap());
    let capture = bench.start(&source, mailbox.open(Delivery::Lossless)).unwrap();
    assert_eq!(capture.extent(), Some(Extent::Frames(9)));
    drop((receiver.take(), mailbox));
    capture.stop();
    let rest = std::iter::from_fn(|| receiver.take()).count();
    assert!(rest < 8, "{rest}");
    assert!(bench.events.try_recv().is_err(), "what was stopped has not ended");
}
