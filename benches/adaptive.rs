//! What the adaptive policy itself costs a frame: its thumbnail, and all decisions about it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use classifyd::adaptive::{
    Adaptive, GainFit, Knowledge, ModelSet, OperatingPoint, Prior, Right, SetFit, TimeFit,
};
use classifyd::clock::Clock;
use classifyd::course::{Beginning, Course, Guide};
use classifyd::frame::{Budget, FrameId, Origin, Pace, Picture, PixelFormat, StreamName};
use classifyd::models::{Labels, ModelId, Provider};
use classifyd::outcome::{Run, Stop, Ticket};
use classifyd::scene::{Thumbnail, Thumbnailer};
use criterion::Criterion;

/// The largest pool and sets, so that nothing in use costs more.
const POOL: usize = 8;
const RUNS: usize = 4;
const CLASSES: usize = 1000;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("adaptive");
    for (width, height) in [(640, 480), (1280, 720), (3840, 2160)] {
        let (picture, mut thumbnailer) = (noise(width, height, 1)?, Thumbnailer::default());
        group.bench_function(format!("thumbnail_{width}x{height}"), |bencher| {
            bencher.iter(|| thumbnailer.thumbnail(black_box(&picture)));
        });
    }
    let (guide, probabilities) = (guide(), probabilities());
    let thumbnails = [1, 2].map(thumbnail);
    let [first, second] = thumbnails.map(|made| made.expect("noise has a thumbnail"));
    remember(&guide, first, &probabilities);
    group.bench_function("decisions", |bencher| {
        bencher.iter(|| {
            let course = begin(&guide, 1, second.clone());
            decide(course, &probabilities)
        });
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// A frame with four runs.
fn decide(mut course: Box<Course>, probabilities: &[Vec<f32>]) -> Box<Course> {
    black_box(course.start());
    for (model, probabilities) in probabilities.iter().enumerate() {
        black_box(course.observe(run(model), probabilities));
    }
    course
}

fn begin(guide: &Arc<Guide>, number: u64, thumbnail: Thumbnail) -> Box<Course> {
    match guide.begin(&frame(number), thumbnail) {
        Beginning::Course(course) => course,
        Beginning::Reuse(_) => unreachable!("the policy reuses nothing"),
    }
}

/// Leaves the evidence of frame 0 to those that follow.
fn remember(guide: &Arc<Guide>, thumbnail: Thumbnail, probabilities: &[Vec<f32>]) {
    let (send, _settled) = crossbeam_channel::unbounded();
    let budget = Budget::new(Duration::from_secs(1)).expect("a budget");
    let (captured, wall) = (Clock.now(), SystemTime::UNIX_EPOCH);
    let origin = Origin { id: frame(0), pts: None, captured, wall, file: None };
    let ticket = Ticket::open(origin, budget, Pace::Clock, send, Clock);
    decide(begin(guide, 0, thumbnail), probabilities).settle(ticket, Stop::Certain);
}

fn frame(number: u64) -> FrameId {
    FrameId { stream: StreamName::new("bench"), number }
}

fn name(model: usize) -> ModelId {
    ModelId::new(&format!("model_{model}")).expect("a plain name")
}

fn run(model: usize) -> Run {
    Run {
        model: name(model),
        provider: Provider::Cpu,
        inference: Duration::from_millis(5),
        batch: 1,
    }
}

fn thumbnail(seed: u64) -> anyhow::Result<Thumbnail> {
    Ok(Thumbnailer::default().thumbnail(&noise(640, 480, seed)?)?)
}

fn noise(width: u32, height: u32, seed: u64) -> anyhow::Result<Picture> {
    let mut random = fastrand::Rng::with_seed(seed);
    let stride = width as usize * PixelFormat::Bgrx.bytes();
    let mut bytes = vec![0; stride * height as usize];
    random.fill(&mut bytes);
    Ok(Picture::new(PixelFormat::Bgrx, (width, height), stride, Box::new(bytes))?)
}

/// What each run says of all classes.
fn probabilities() -> Vec<Vec<f32>> {
    let mut random = fastrand::Rng::with_seed(5);
    let answer = |_| {
        let weights: Vec<f32> = (0..CLASSES).map(|_| random.f32().powi(40)).collect();
        let sum: f32 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    };
    (0..RUNS).map(answer).collect()
}

fn guide() -> Arc<Guide> {
    let labels: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let labels = Labels::from_names(labels.iter().map(String::as_str));
    let pool = (0..POOL).map(name).collect();
    let policy = Adaptive::new(knowledge(), pool, |_| true).expect("all models are loaded");
    Guide::new(policy, labels, 5)
}

fn knowledge() -> Knowledge {
    let sets = ModelSet::all(POOL, RUNS);
    let fit = |&set: &ModelSet| {
        let right = Right([-2.0, 4.0, 0.0, 0.5]);
        SetFit { set, weights: vec![0.5; set.len()], right }
    };
    let further = |&set: &ModelSet| {
        let others = (0..POOL).filter(move |&model| !set.contains(model) && set.len() < RUNS);
        others.map(move |model| GainFit { set, model, weights: [0.1, 0.2, -0.05] })
    };
    let point = OperatingPoint {
        price_per_ms: 0.001,
        start: vec![0.5; POOL],
        gains: sets.iter().flat_map(further).collect(),
        mean_time_ms: 10.0,
        accuracy: 0.8,
        assured_accuracy: 0.78,
    };
    Knowledge {
        pool: (0..POOL).collect(),
        classes: CLASSES,
        prior: Prior::of_counts(&[2; CLASSES], 0.2),
        sets: sets.iter().map(fit).collect(),
        points: vec![point],
        chosen: 0,
        time: TimeFit { reuse_below: 0.0, reuse_at_most: 0, cut_above: 1.0, remembered: 0.7 },
    }
}
