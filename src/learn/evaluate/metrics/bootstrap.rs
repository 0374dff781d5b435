//! How far a figure would move had the images been others.
//!
//! The **percentile bootstrap**: images are drawn anew, with replacement, as many as there are, and
//! the figure is computed again; the interval holds the middle 95 % of the outcomes. Images of one
//! *group* (frames of one video, say) are drawn together, since they are no independent evidence.
//!
//! All figures of one [`Bootstrap`] see the same draws, so a difference of two entries computed
//! within one statistic is **paired**: what both find hard cancels out.

use super::mean;
use crate::learn::evaluate::figures::Interval;

/// How many times the images are drawn unless something else is asked for.
pub const RESAMPLES: usize = 1000;

/// The percentiles between which the interval lies.
const TAILS: [f64; 2] = [2.5, 97.5];

/// Resamples of the images, drawn once.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The group of each image, from 0 on without gaps.
    groups: Vec<usize>,
    /// Per resample: how often each group was drawn.
    draws: Vec<Vec<u16>>,
}

impl Bootstrap {
    /// Draws by the seed; `groups` names the group of each image. Images that are all evidence of
    /// their own have a group each: `0..images`.
    pub fn new(groups: &[usize], resamples: usize, seed: u64) -> Self {
        let mut names = groups.to_vec();
        names.sort_unstable();
        names.dedup();
        let number = |name: &usize| names.binary_search(name).unwrap_or_default();
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            groups: groups.iter().map(number).collect(),
            draws: (0..resamples).map(|_| draw(names.len(), &mut random)).collect(),
        }
    }

    /// A figure and its interval. `statistic` computes the figure on the images it is given, by
    /// means of [`Resample::mean`]. Without resamples the interval is the figure alone.
    pub fn interval(&self, statistic: impl Fn(&Resample<'_>) -> f64) -> Interval {
        let value = statistic(&self.observed());
        let mut outcomes: Vec<f64> = self.resamples().map(|again| statistic(&again)).collect();
        outcomes.sort_unstable_by(f64::total_cmp);
        let [low, high] = TAILS.map(|tail| quantile(&outcomes, tail).unwrap_or(value));
        Interval { value, low, high }
    }

    /// The mean of a value per image, such as [`right`](super::right), and its interval.
    pub fn mean(&self, values: &[f64]) -> Interval {
        self.interval(|images| images.mean(values))
    }

    /// The paired difference of two means, `first` minus `second`, and its interval.
    pub fn difference(&self, first: &[f64], second: &[f64]) -> Interval {
        self.interval(|images| images.mean(first) - images.mean(second))
    }

    /// The images as they are.
    pub fn observed(&self) -> Resample<'_> {
        Resample { groups: &self.groups, draw: None, number: None }
    }

    /// The resamples, always in the same order.
    pub fn resamples(&self) -> impl Iterator<Item = Resample<'_>> {
        let resample = |(number, draw)| Resample {
            groups: &self.groups,
            draw: Some(draw),
            number: Some(number),
        };
        self.draws.iter().map(Vec::as_slice).enumerate().map(resample)
    }
}

fn draw(groups: usize, random: &mut fastrand::Rng) -> Vec<u16> {
    let mut drawn = vec![0u16; groups];
    for _ in 0..groups {
        let group = &mut drawn[random.usize(..groups)];
        *group = group.saturating_add(1);
    }
    drawn
}

/// Between the two nearest of the sorted outcomes; `None` if there are none.
fn quantile(sorted: &[f64], percent: f64) -> Option<f64> {
    let position = percent / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    Some(below + (above - below) * position.fract())
}

/// The images, as they are or drawn anew.
#[derive(Clone, Copy, Debug)]
pub struct Resample<'a> {
    groups: &'a [usize],
    draw: Option<&'a [u16]>,
    number: Option<usize>,
}

impl Resample<'_> {
    /// The mean over the images; `values` has one per image.
    pub fn mean(&self, values: &[f64]) -> f64 {
        let Some(draw) = self.draw else { return mean(values) };
        let (mut sum, mut drawn) = (0.0, 0.0);
        for (value, &group) in values.iter().zip(self.groups) {
            let times = f64::from(draw[group]);
            sum += times * value;
            drawn += times;
        }
        if drawn > 0.0 { sum / drawn } else { 0.0 }
    }

    /// The position among the resamples; `None` for the images as they are.
    pub fn number(&self) -> Option<usize> {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(images: usize) -> Vec<usize> {
        (0..images).collect()
    }

    /// 100, 0, 100, 0, …
    fn half(images: usize) -> Vec<f64> {
        (0..images).map(|image| if image % 2 == 0 { 100.0 } else { 0.0 }).collect()
    }

    #[test]
    fn the_interval_of_a_share_is_as_wide_as_the_normal_one() {
        // 1.96 standard errors of one half of 400 images are 4.9 points.
        let interval = Bootstrap::new(&each(400), 2000, 1).mean(&half(400));
        assert_eq!(interval.value, 50.0);
        assert!((interval.low - 45.1).abs() < 0.6, "{interval:?}");
        assert!((interval.high - 54.9).abs() < 0.6, "{interval:?}");
    }

    #[test]
    fn images_of_one_group_are_drawn_together() {
        // 40 groups of 10 equal images are worth 40 images: 1.96 standard errors are 15.5 points.
        let groups: Vec<usize> = (0..400).map(|image| 7 * (image / 10)).collect();
        let values: Vec<f64> = (0..400).map(|image| half(40)[image / 10]).collect();
        let interval = Bootstrap::new(&groups, 2000, 1).mean(&values);
        assert_eq!(interval.value, 50.0);
        assert!((interval.high - 65.5).abs() < 2.0, "{interval:?}");
    }

    #[test]
    fn one_group_leaves_nothing_to_draw() {
        let interval = Bootstrap::new(&[3, 3, 3, 3], 100, 1).mean(&half(4));
        assert_eq!(interval, Interval { value: 50.0, low: 50.0, high: 50.0 });
    }

    #[test]
    fn a_paired_difference_is_free_of_what_both_share() {
        let first = half(400);
        let second: Vec<f64> = first.iter().map(|value| value - 3.0).collect();
        let difference = Bootstrap::new(&each(400), 200, 1).difference(&first, &second);
        assert!((difference.low - 3.0).abs() < 1e-9 && (difference.high - 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_seed_decides() {
        let interval = |seed| Bootstrap::new(&each(50), 100, seed).mean(&half(50));
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
    }

    #[test]
    fn nothing_to_draw_is_no_interval() {
        assert_eq!(Bootstrap::new(&each(4), 0, 1).mean(&half(4)).low, 50.0);
        assert_eq!(Bootstrap::new(&[], 10, 1).mean(&[]).high, 0.0);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 50.0), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 75.0), Some(3.0));
        assert_eq!(quantile(&[], 50.0), None);
    }
}
