//! The pass that measures latencies and energy: one model after the other, while nothing else runs.
//!
//! Each model runs on the pictures of a [`Gallery`](super::gallery::Gallery) in turn until its median
//! is known well enough, or it is given up to become more precise ([`latency`](super::latency) has
//! the rule).

use std::thread;
use std::time::Duration;

use super::energy::{Energy, Measurement, Meter};
use super::latency::{LEAST_RUNS, LatencyStats, MOST_RUNS, MOST_TIME};
use crate::clock::Clock;
use crate::frame::Picture;
use crate::inference::{Classifier, ClassifyError};
use crate::scheduler::Cost;

/// Runs before the measurement: the model before has taken the caches.
const WARM_UP_RUNS: usize = 3;

/// Every so many runs it is seen whether they suffice.
const ROUND: usize = 10;

/// For how long the idle power is measured.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// Time between two readings of the idle power.
const IDLE_STEP: Duration = Duration::from_millis(50);

/// A sensor, and what it reads when nothing runs.
#[derive(Debug)]
pub struct CalibratedMeter {
    meter: Meter,
    idle_watts: f64,
}

impl CalibratedMeter {
    /// Measures the idle power, which takes a second. `None` if the sensor gives no reading.
    pub fn new(meter: Meter, clock: Clock) -> Option<Self> {
        let mut measurement = meter.start(clock.now())?;
        let start = clock.now();
        while clock.now() - start < IDLE_TIME {
            rest();
            measurement.tick(clock.now());
        }
        let (joules, elapsed) = measurement.finish(clock.now());
        let idle_watts = joules / elapsed.as_secs_f64();
        idle_watts.is_finite().then_some(Self { meter, idle_watts })
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        self.meter.name()
    }

    /// The idle power.
    pub fn idle_watts(&self) -> f64 {
        self.idle_watts
    }
}

/// Doing nothing for a while is what is measured here.
#[allow(clippy::disallowed_methods)]
fn rest() {
    thread::sleep(IDLE_STEP);
}

/// How models are timed.
pub struct Timing<'a> {
    /// The pictures to run on, at least one.
    pub pictures: &'a [Picture],
    /// The sensor, if there is one.
    pub meter: Option<&'a CalibratedMeter>,
    /// Times the runs.
    pub clock: Clock,
    /// Says whether to stop before the next run.
    pub stop: &'a dyn Fn() -> bool,
}

/// What a model takes and costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// What it takes.
    pub latency: LatencyStats,
    /// What it costs, if it could be measured.
    pub energy: Option<Energy>,
}

impl Timing<'_> {
    /// Times one model; `None` if it was asked to stop. `advance` hears the share that is surely done.
    pub fn time(
        &self,
        classifier: &mut Classifier,
        advance: &dyn Fn(f64),
    ) -> Result<Option<Timed>, ClassifyError> {
        let run = |picture: &Picture| Ok(classifier.probabilities(picture, self.clock)?.cost);
        self.repeat(run, advance)
    }

    fn repeat<E>(
        &self,
        mut run: impl FnMut(&Picture) -> Result<Cost, E>,
        advance: &dyn Fn(f64),
    ) -> Result<Option<Timed>, E> {
        let mut pictures = self.pictures.iter().cycle();
        for picture in pictures.by_ref().take(WARM_UP_RUNS) {
            run(picture)?;
        }
        let start = self.clock.now();
        let mut energy = self.meter.and_then(|meter| meter.meter.start(start));
        let mut costs = Vec::new();
        for picture in pictures {
            if (self.stop)() {
                return Ok(None);
            }
            costs.push(run(picture)?);
            let now = self.clock.now();
            energy.iter_mut().for_each(|measurement| measurement.tick(now));
            advance(share(costs.len(), now - start));
            if suffices(&costs, now - start) {
                break;
            }
        }
        let energy = energy.and_then(|measurement| self.energy(measurement, costs.len()));
        Ok(LatencyStats::of(&costs).map(|latency| Timed { latency, energy }))
    }

    fn energy(&self, measurement: Measurement<'_>, runs: usize) -> Option<Energy> {
        let meter = self.meter?;
        let measured = measurement.finish(self.clock.now());
        Energy::per_inference(measured, runs, meter.idle_watts, meter.name())
    }
}

/// Whether nothing is gained by another run.
fn suffices(costs: &[Cost], elapsed: Duration) -> bool {
    if costs.len() < LEAST_RUNS {
        return false;
    }
    let is_over = costs.len() >= MOST_RUNS || elapsed >= MOST_TIME;
    let is_round = costs.len().is_multiple_of(ROUND);
    is_over || is_round && LatencyStats::of(costs).is_some_and(|stats| stats.is_precise())
}

fn share(runs: usize, elapsed: Duration) -> f64 {
    let by_runs = runs as f64 / MOST_RUNS as f64;
    by_runs.max(elapsed.as_secs_f64() / MOST_TIME.as_secs_f64()).min(1.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use image::RgbImage;

    use super::*;

    fn pictures() -> Vec<Picture> {
        (1..=2).map(|width| Picture::from_rgb(RgbImage::new(width, 1)).unwrap()).collect()
    }

    fn cost(milliseconds: u64) -> Cost {
        Cost { preprocess: Duration::ZERO, run: Duration::from_millis(milliseconds) }
    }

    fn timing<'a>(pictures: &'a [Picture], stop: &'a dyn Fn() -> bool) -> Timing<'a> {
        Timing { pictures, meter: None, clock: Clock, stop }
    }

    #[test]
    fn even_runs_end_early_and_use_the_pictures_in_turn() {
        let pictures = pictures();
        let mut widths = Vec::new();
        let run = |picture: &Picture| {
            widths.push(picture.width());
            Ok::<_, ()>(cost(5))
        };
        let timed = timing(&pictures, &|| false).repeat(run, &|_| ()).unwrap().unwrap();
        assert_eq!((timed.latency.runs, timed.latency.median), (30, Duration::from_millis(5)));
        assert_eq!(timed.energy, None);
        assert_eq!(widths.len(), 33, "with the warm-up");
        assert_eq!(widths[..4], [1, 2, 1, 2]);
    }

    #[test]
    fn uneven_runs_end_at_the_limit() {
        let pictures = pictures();
        let mut lots = fastrand::Rng::with_seed(1);
        let run = |_: &Picture| Ok::<_, ()>(cost(lots.u64(1..=200)));
        let reached = Cell::new(0.0);
        let timed = timing(&pictures, &|| false).repeat(run, &|share| reached.set(share));
        let latency = timed.unwrap().unwrap().latency;
        assert_eq!(latency.runs, MOST_RUNS);
        assert!(!latency.is_precise(), "{}", latency.relative_width());
        assert_eq!(reached.get(), 1.0);
    }

    #[test]
    fn it_stops_when_asked_and_tells_what_failed() {
        let pictures = pictures();
        let stopped = timing(&pictures, &|| true).repeat(|_| Ok::<_, ()>(cost(1)), &|_| ());
        assert_eq!(stopped, Ok(None));
        assert_eq!(timing(&pictures, &|| false).repeat(|_| Err("broken"), &|_| ()), Err("broken"));
    }

    #[test]
    fn energy_is_shared_among_the_runs() {
        let sysfs = tempfile::tempdir().unwrap();
        let zone = sysfs.path().join("class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone).unwrap();
        let state = |file: &str, value: String| fs::write(zone.join(file), value).unwrap();
        state("name", "package-0".to_owned());
        state("max_energy_range_uj", u64::MAX.to_string());
        state("energy_uj", "0".to_owned());
        let idle = CalibratedMeter::new(Meter::find(sysfs.path()).unwrap(), Clock).unwrap();
        assert_eq!(idle.idle_watts(), 0.0);
        let pictures = pictures();
        let mut runs = 0;
        let run = |_: &Picture| {
            runs += 1;
            // A joule for each run, the warm-up's three before the first reading.
            state("energy_uj", format!("{}000000", runs));
            Ok::<_, ()>(cost(5))
        };
        let timing = Timing { meter: Some(&idle), ..timing(&pictures, &|| false) };
        let energy = timing.repeat(run, &|_| ()).unwrap().unwrap().energy.unwrap();
        assert_eq!((energy.joules, energy.sensor.as_str()), (1.0, "RAPL package-0"));
    }
}
