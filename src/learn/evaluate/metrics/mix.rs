//! The random-mix line: what drawing lots between two single models yields.
//!
//! At each mean time it is the best accuracy that one model, or lots drawn between two of them in
//! the proportion that has this mean time, can be expected to have. It looks at no image: a chooser
//! that is not above it has learnt nothing.

use std::time::Duration;

use super::bootstrap::{Bootstrap, Resample};
use super::{Judged, milliseconds, right};
use crate::learn::evaluate::figures::Interval;
use crate::learn::train::{Score, random_mix};
use crate::premodel::Criterion;

/// The random-mix line of some single models, on the images and on each resample of them.
#[derive(Clone, Debug)]
pub struct RandomMix<'a> {
    bootstrap: &'a Bootstrap,
    criterion: Criterion,
    observed: Vec<Score>,
    resampled: Vec<Vec<Score>>,
}

impl<'a> RandomMix<'a> {
    /// `singles` has the answers of each model to the images of the bootstrap, in their order.
    pub fn new(bootstrap: &'a Bootstrap, singles: &[&[Judged]], criterion: Criterion) -> Self {
        let measures: Vec<Measures> =
            singles.iter().map(|judged| Measures::new(judged, criterion)).collect();
        let scores = |images: Resample<'_>| -> Vec<Score> {
            measures.iter().map(|measures| measures.score(&images)).collect()
        };
        Self {
            bootstrap,
            criterion,
            observed: scores(bootstrap.observed()),
            resampled: bootstrap.resamples().map(scores).collect(),
        }
    }

    /// The accuracy at a mean time, in percent. Below the fastest model's time, that model's.
    pub fn at(&self, time: Duration) -> Interval {
        self.bootstrap.interval(|images| random_mix(self.singles(images), time))
    }

    /// How many points an entry is above the line at its own mean time. Its images are those of
    /// the bootstrap; time and line are computed anew for each resample.
    pub fn against(&self, entry: &[Judged]) -> Interval {
        let measures = Measures::new(entry, self.criterion);
        self.bootstrap.interval(|images| {
            let score = measures.score(images);
            score.accuracy - random_mix(self.singles(images), score.latency)
        })
    }

    /// The line from the fastest to the slowest model at `points` times, whose logarithms are
    /// evenly spaced.
    pub fn curve(&self, points: usize) -> Vec<(Duration, Interval)> {
        let times = self.observed.iter().map(|single| single.latency.as_secs_f64());
        let (first, last) = times.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), time| {
            (low.min(time), high.max(time))
        });
        if first <= 0.0 || first > last {
            return Vec::new();
        }
        let step = |point: usize| point as f64 / points.saturating_sub(1).max(1) as f64;
        let time = |point| Duration::from_secs_f64(first * (last / first).powf(step(point)));
        (0..points).map(|point| (time(point), self.at(time(point)))).collect()
    }

    fn singles(&self, images: &Resample<'_>) -> &[Score] {
        images.number().map_or(&self.observed, |number| &self.resampled[number])
    }
}

struct Measures {
    right: Vec<f64>,
    milliseconds: Vec<f64>,
}

impl Measures {
    fn new(judged: &[Judged], criterion: Criterion) -> Self {
        Self { right: right(judged, criterion), milliseconds: milliseconds(judged) }
    }

    fn score(&self, images: &Resample<'_>) -> Score {
        let seconds = images.mean(&self.milliseconds) / 1e3;
        let latency = Duration::from_secs_f64(seconds);
        Score { accuracy: images.mean(&self.right), latency }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;

    /// Right on the first `right` of 100 images, in `ms` each.
    fn single(right: usize, ms: u64) -> Vec<Judged> {
        (0..100).map(|image| answer(image, (image < right).then_some(image), ms)).collect()
    }

    fn each() -> Vec<usize> {
        (0..100).collect()
    }

    #[test]
    fn lots_lie_between_the_models() {
        let bootstrap = Bootstrap::new(&each(), 50, 1);
        let (quick, slow) = (single(60, 10), single(80, 30));
        let mix = RandomMix::new(&bootstrap, &[&quick, &slow], Criterion::Top1);
        let at = |ms| mix.at(Duration::from_millis(ms));
        assert!((at(15).value - 65.0).abs() < 1e-9);
        assert_eq!((at(5).value, at(10).value, at(99).value), (60.0, 60.0, 80.0));
        assert!(at(15).low < 65.0 && 65.0 < at(15).high);
    }

    #[test]
    fn a_single_model_is_exactly_on_the_line() {
        let bootstrap = Bootstrap::new(&each(), 50, 1);
        let (quick, slow) = (single(60, 10), single(80, 30));
        let mix = RandomMix::new(&bootstrap, &[&quick, &slow], Criterion::Top1);
        let nothing = Interval { value: 0.0, low: 0.0, high: 0.0 };
        assert_eq!(mix.against(&quick), nothing);
        assert_eq!(mix.against(&slow), nothing);
    }

    #[test]
    fn a_chooser_is_compared_at_its_own_mean_time() {
        let bootstrap = Bootstrap::new(&each(), 200, 1);
        let (quick, slow) = (single(60, 10), single(80, 30));
        let mix = RandomMix::new(&bootstrap, &[&quick, &slow], Criterion::Top1);
        // Runs the slow model on images 60 to 79 only: 80 % in 14 ms, where lots have 64 %.
        let chosen =
            |image: usize| if (60..80).contains(&image) { slow[image] } else { quick[image] };
        let chooser: Vec<Judged> = (0..100).map(chosen).collect();
        let above = mix.against(&chooser);
        assert!((above.value - 16.0).abs() < 1e-6, "{above:?}");
        assert!(above.low > 5.0 && above.high < 30.0, "{above:?}");
    }

    #[test]
    fn the_curve_runs_from_the_fastest_to_the_slowest() {
        let bootstrap = Bootstrap::new(&each(), 10, 1);
        let (quick, slow) = (single(60, 10), single(80, 40));
        let mix = RandomMix::new(&bootstrap, &[&quick, &slow], Criterion::Top1);
        let curve = mix.curve(3);
        let times: Vec<f64> = curve.iter().map(|(time, _)| time.as_secs_f64()).collect();
        assert!((times[0] - 0.01).abs() < 1e-6 && (times[2] - 0.04).abs() < 1e-6);
        assert!((times[1] - 0.02).abs() < 1e-6, "the logarithms are evenly spaced: {times:?}");
        assert!((curve[1].1.value - 200.0 / 3.0).abs() < 1e-3);
        assert!(RandomMix::new(&bootstrap, &[], Criterion::Top1).curve(3).is_empty());
    }
}
