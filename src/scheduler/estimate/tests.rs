//! Runs drawn by a fixed seed, whose distribution is known.

mod any;
mod changes;
mod ended;
mod persistence;
mod refusals;

use super::*;

/// How runs are drawn: lognormal, with outliers.
struct Device {
    lots: fastrand::Rng,
    estimator: Estimator,
    runners: Vec<RunnerId>,
    /// What each runner takes in the middle, in milliseconds.
    medians: Vec<f64>,
    /// By what factor all take longer.
    slowdown: f64,
    /// The standard deviation of the logarithm.
    deviation: f64,
    /// The share of runs that take five times as long.
    outliers: f64,
}

impl Device {
    /// A device whose runners have warmed up with nine runs each.
    fn new(on_time: f64, medians: &[f64], deviation: f64) -> Self {
        let mut device = Self {
            lots: fastrand::Rng::with_seed(20),
            estimator: Estimator::new(OnTime::new(on_time).unwrap()),
            runners: Vec::new(),
            medians: medians.to_vec(),
            slowdown: 1.0,
            deviation,
            outliers: 0.0,
        };
        for runner in 0..medians.len() {
            let warm_up: Vec<Cost> = (0..9).map(|_| device.draw(runner)).collect();
            device.runners.extend(device.estimator.add(&warm_up, None));
        }
        assert_eq!(device.runners.len(), medians.len());
        device
    }

    /// A run of a millisecond's preprocessing.
    fn draw(&mut self, runner: usize) -> Cost {
        let outlier = if self.lots.f64() < self.outliers { 5.0 } else { 1.0 };
        let ms = self.medians[runner] * self.slowdown * outlier * self.noise();
        cost(self.slowdown * self.noise(), ms)
    }

    /// A lognormal number about 1, by Box and Muller.
    fn noise(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.lots.f64()).ln()).sqrt();
        (self.deviation * radius * (std::f64::consts::TAU * self.lots.f64()).cos()).exp()
    }

    /// Runs a runner once.
    fn run(&mut self, runner: usize) {
        let cost = self.draw(runner);
        self.estimator.learn(self.runners[runner], cost);
    }

    /// Runs runners drawn by lot.
    fn run_any(&mut self, times: usize) {
        for _ in 0..times {
            let runner = self.lots.usize(..self.medians.len());
            self.run(runner);
        }
    }

    /// What is expected of a runner's run, as a multiple of its median.
    fn expected(&self, runner: usize) -> f64 {
        milliseconds(self.estimator.expected(self.runners[runner]).run) / self.medians[runner]
    }

    /// What is allowed, as a multiple of its median.
    fn allowed(&self, runner: usize) -> f64 {
        milliseconds(self.estimator.allowance(self.runners[runner]).run) / self.medians[runner]
    }

    /// The chance that a run is over within a multiple of its median.
    fn chance(&self, runner: usize, medians: f64) -> f64 {
        let slack = Duration::from_secs_f64(self.medians[runner] * medians / 1e3);
        self.estimator.chance(self.runners[runner], slack)
    }

    fn factor(&self) -> f64 {
        self.estimator.slowdown().mean
    }
}

fn cost(preprocess_ms: f64, run_ms: f64) -> Cost {
    let duration = |ms| Duration::from_secs_f64(ms / 1e3);
    Cost { preprocess: duration(preprocess_ms), run: duration(run_ms) }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Counts runs that take longer than allowed, and says how long is allowed on average.
fn late(device: &mut Device, times: usize) -> (usize, f64) {
    let (mut late, mut allowed) = (0, 0.0);
    for _ in 0..times {
        let runner = device.lots.usize(..device.medians.len());
        let cost = device.draw(runner);
        late += usize::from(cost.run > device.estimator.allowance(device.runners[runner]).run);
        allowed += device.allowed(runner);
        device.estimator.learn(device.runners[runner], cost);
    }
    (late, allowed / times as f64)
}

/// Of so many runs as many may be late as chance makes of the share: three standard deviations more.
fn sampling_limit(times: usize, share: f64) -> usize {
    let expected = times as f64 * share;
    (expected + 3.0 * expected.sqrt()) as usize
}

#[test]
fn as_many_runs_as_promised_stay_within_the_allowance() {
    for (on_time, deviation) in
        [(0.999, 0.01), (0.999, 0.03), (0.999, 0.1), (0.999, 0.3), (0.99, 0.1), (0.9, 0.1)]
    {
        let mut device = Device::new(on_time, &[5.0, 8.0, 13.0, 40.0], deviation);
        device.run_any(500);
        let (late, allowed) = late(&mut device, 20_000);
        let limit = sampling_limit(20_000, 1.0 - on_time);
        assert!(late <= limit, "{on_time} {deviation}: {late} late, {limit} may be");
        let ideal = (normal::quantile(on_time) * deviation).exp();
        assert!(allowed < 1.02 * ideal.powf(1.1), "{on_time} {deviation}: {allowed} for {ideal}");
    }
}

#[test]
fn runs_of_next_to_no_time_say_nothing_of_the_device() {
    // What takes some microseconds takes ten times as many now and then; what takes long does not.
    let mut device = Device::new(0.999, &[0.02, 60.0], 0.0);
    for _ in 0..2000 {
        let runner = device.lots.usize(..2);
        let deviation = if runner == 0 { 1.2 } else { 0.02 };
        device.deviation = deviation;
        device.run(runner);
        assert!((device.expected(1) - 1.0).abs() < 0.1, "{}", device.expected(1));
        assert!(device.allowed(1) < 1.6, "{}", device.allowed(1));
    }
}

#[test]
fn heavy_tails_are_allowed_for_where_they_count() {
    let mut device = Device::new(0.99, &[5.0, 13.0], 0.03);
    device.outliers = 0.02;
    device.run_any(2000);
    let (often, allowed) = late(&mut device, 20_000);
    assert!(often <= sampling_limit(20_000, 0.01), "{often}");
    assert!(allowed > 4.0, "one run in fifty takes five times as long: {allowed}");
    let mut device = Device::new(0.99, &[5.0, 13.0], 0.03);
    device.outliers = 0.002;
    device.run_any(2000);
    let (seldom, allowed) = late(&mut device, 20_000);
    assert!(seldom <= sampling_limit(20_000, 0.01), "{seldom}");
    assert!(allowed < 1.15, "one in five hundred does not count at 0.99: {allowed}");
}

#[test]
fn chances_are_what_happens() {
    let mut device = Device::new(0.999, &[5.0, 13.0], 0.1);
    device.run_any(2000);
    for (slack, true_chance) in [(0.9, 0.1460), (1.0, 0.5), (1.1, 0.8297), (1.25, 0.9872)] {
        let mut mean = 0.0;
        for _ in 0..2000 {
            mean += device.chance(0, slack) / 2000.0;
            device.run_any(1);
        }
        assert!((mean - true_chance).abs() < 0.03, "within {slack} medians: {mean}");
    }
    let allowance = device.estimator.allowance(device.runners[0]).run;
    assert!(device.estimator.chance(device.runners[0], allowance) > 0.999 - 1e-5);
    assert!(device.chance(0, 0.0) < 1e-6 && device.chance(0, 1e3) > 0.999);
}

#[test]
fn the_expected_is_the_median_of_what_is_skewed() {
    let mut device = Device::new(0.99, &[10.0], 0.0);
    for run in 0..3000 {
        // Two runs in three take 9 to 10 ms, one takes 10 to 14: the median is 9.75.
        let even = device.lots.f64();
        let ms = if run % 3 < 2 { 9.0 + even } else { 10.0 + 4.0 * even };
        device.estimator.learn(device.runners[0], cost(1.0, ms));
    }
    let expected = device.expected(0) * 10.0;
    assert!((expected - 9.75).abs() < 0.35, "{expected}");
}

#[test]
fn without_a_warm_up_there_is_no_runner() {
    let mut estimator = Estimator::new(OnTime::default());
    assert_eq!(estimator.add(&[], None), None);
    let first = estimator.add(&[cost(1.0, 5.0)], None).unwrap();
    assert_eq!(first.index(), 0);
    let allowance = milliseconds(estimator.allowance(first).run);
    assert!((5.5..7.5).contains(&allowance), "a guess, and some doubt: {allowance}");
}

#[test]
fn whatever_was_seen_of_runs_no_allowance_is_out_of_all_proportion() {
    for seed in 0..300 {
        let mut lots = fastrand::Rng::with_seed(seed);
        let mut estimator = Estimator::new(OnTime::default());
        // A busy machine: one run in three takes up to five times as long.
        let mut draw = |least_ms: f64, varies_ms: f64| {
            let load = if lots.f64() < 0.3 { 1.0 + 4.0 * lots.f64() } else { 1.0 };
            let preprocess_ms = 0.002 * lots.f64() + 0.2 * lots.f64().powi(9) * load;
            cost(preprocess_ms, load * (least_ms + varies_ms * lots.f64()))
        };
        let quick: Vec<Cost> = (0..9).map(|_| draw(0.005, 0.2)).collect();
        let slow: Vec<Cost> = (0..4).map(|_| draw(64.0, 0.5)).collect();
        let [quick, slow] = [quick, slow].map(|runs| estimator.add(&runs, None).unwrap());
        for _ in 0..50 {
            estimator.learn(quick, draw(0.005, 0.2));
            estimator.learn(slow, draw(64.0, 0.5));
            let allowance = milliseconds(estimator.allowance(slow).total());
            assert!(allowance < 64.0 * 5.0 * 8.0, "seed {seed}: {allowance} ms");
        }
    }
}
