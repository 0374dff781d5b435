//! What training costs, from profiles in memory to the premodel and its report: the choice of
//! models, features and k, and a cross-validation that makes all these choices anew in each fold.
//!
//! A run takes from seconds to minutes, so each is timed once. The pictures are random numbers with
//! some structure: several features resemble each other, and some say a little about which model is
//! right. An argument that is contained in a case's name chooses that case.

use std::time::Duration;

use anyhow::Context as _;
use classifyd::clock::Clock;
use classifyd::features::Features;
use classifyd::learn::profile_file::{
    Header, ImageRecord, LatencyStats, Machine, ModelResult, Profile, ProfiledModel, Shard, Truth,
    Versions,
};
use classifyd::learn::train::{FeatureChoice, KChoice, TrainOptions, train};
use classifyd::models::{ModelId, Provider, Sha256Hex};
use classifyd::scheduler::Cost;

const MODELS: usize = 7;
const CLASSES: usize = 1000;

fn main() -> anyhow::Result<()> {
    let auto =
        TrainOptions { features: FeatureChoice::Auto, k: KChoice::Auto, ..TrainOptions::default() };
    for (name, images, options) in [
        ("2358", 2_358, TrainOptions::default()),
        ("2358 auto", 2_358, auto),
        ("50000", 50_000, TrainOptions::default()),
    ] {
        let is_asked = |asked: &String| asked.starts_with('-') || name.contains(asked.as_str());
        if std::env::args().skip(1).all(|asked| is_asked(&asked)) {
            measure(name, images, &options)?;
        }
    }
    Ok(())
}

fn measure(name: &str, images: usize, options: &TrainOptions) -> anyhow::Result<()> {
    let profiles = [profile(images)?];
    let start = Clock.now();
    let (_, report) = train(&profiles, options)?;
    let time = Clock.now() - start;
    println!("train/{name:<12} time: {:.1} s", time.as_secs_f64());
    let accuracy = report.evaluation.context("a cross-validation")?.premodel.accuracy;
    println!(
        "  {accuracy:.2} % right, {} features, k {}",
        report.features.chosen.len(),
        report.k.chosen
    );
    Ok(())
}

fn profile(images: usize) -> anyhow::Result<Profile> {
    let mut random = fastrand::Rng::with_seed(2018);
    let model = |number: usize| {
        let id = ModelId::new(&format!("model_{number}")).context("a plain name")?;
        let fingerprint = Sha256Hex::of(&[number as u8]);
        let run = Duration::from_millis(1 << number);
        let costs = [Cost { preprocess: Duration::ZERO, run }; 30];
        Ok(ProfiledModel {
            id,
            sha256: fingerprint.clone(),
            fingerprint,
            provider: Provider::Cpu,
            latency: LatencyStats::of(&costs).context("there are runs")?,
            energy: None,
        })
    };
    Ok(Profile {
        header: Header {
            models: (0..MODELS).map(model).collect::<anyhow::Result<_>>()?,
            classes: CLASSES,
            truth: Truth::Labels,
            set: "random numbers".to_owned(),
            threads: 1,
            shard: Shard::WHOLE,
            machine: Machine {
                processor: "none".to_owned(),
                cores: 1,
                os: "none".to_owned(),
                board: None,
            },
            versions: Versions {
                classifyd: String::new(),
                onnxruntime: String::new(),
                gstreamer: String::new(),
            },
        },
        images: (0..images).map(|n| image(n, &mut random)).collect::<anyhow::Result<_>>()?,
    })
}

fn image(number: usize, random: &mut fastrand::Rng) -> anyhow::Result<ImageRecord> {
    let mut values: [f32; Features::COUNT] = std::array::from_fn(|_| random.f32());
    // Like the brightnesses, the first features say nearly the same.
    for column in 1..5 {
        values[column] = values[0] + 0.3 * values[column];
    }
    let class = random.usize(..CLASSES);
    let ease = 0.3 * values[0] + 0.2 * values[20] + random.f32();
    let results = (0..MODELS).map(|model| {
        let is_right = ease + 0.1 * model as f32 > 0.6 + 0.3 * random.f32();
        let mut probabilities = vec![0.3 / CLASSES as f32; CLASSES];
        for guess in 0..20 {
            probabilities[(class + 31 * guess + random.usize(..30)) % CLASSES] = 0.01;
        }
        let first = if is_right { class } else { (class + 1) % CLASSES };
        probabilities[first] = 0.2 + 0.4 * ease.clamp(0.0, 1.0);
        ModelResult::new(&probabilities, class)
    });
    Ok(ImageRecord {
        file: format!("{number}.jpg"),
        group: None,
        change: None,
        class,
        features: Features::new(values).context("numbers are finite")?,
        results: results.collect(),
    })
}
