//! Which models are right on a frame, and what can be known of that.
//!
//! What makes a picture hard for one network makes it hard for others. The one-factor model says so
//! in one number (the Gaussian copula of Vasicek's loan portfolios): a frame has a *difficulty* `z`, a
//! standard normal draw, and for model `i` a *strain*
//!
//! ```text
//! x_i = sqrt(correlation) z + sqrt(1 - correlation) e_i        e_i standard normal
//! ```
//!
//! The model is right if its strain is at most its *threshold*, the standard normal quantile of its
//! accuracy. At correlation 0 models are right independently of each other; at 1 a frame that a model
//! answers is answered by every more accurate one.
//!
//! The premodel sees `sqrt(skill) z + sqrt(1 - skill) n`, the difficulty through noise; a model that
//! ran shows `sqrt(confidence) x_i + sqrt(1 - confidence) n`, its strain through noise, by the
//! confidence of its answer. From these [`Answers::belief`] says how likely each model is right: what a
//! perfectly calibrated policy would know.
//!
//! Frames may also be [`Pictures`] of a profile, each with what every model made of it. Then strains
//! are drawn from the side of the threshold that the profile says.

use super::chance::{Key, normal_quantile, normal_share_below};

/// How answers come to be right. Each number is from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// How much of what makes a frame hard is common to all models.
    pub correlation: f64,
    /// How much of the difficulty the premodel sees.
    pub skill: f64,
    /// How much of a model's strain its confidence shows.
    pub confidence: f64,
}

/// No share of a signal is quite noise or quite free of it.
const CLEAREST: f64 = 1.0 - 1e-9;

impl Answers {
    /// The correlation that the paper's figures amount to: MobileNet is right on 70.75 % of the
    /// pictures, and Inception v4, right on 80 % of all, on 43.91 % of the rest (Taylor et al., LCTES
    /// 2018, section 3.3).
    pub const CORRELATION: f64 = 0.83;

    /// At this a model's confidence tells its right answers from its wrong ones with an area under the
    /// ROC curve of 0.84; those of the networks that come along have 0.81 to 0.87.
    pub const CONFIDENCE: f64 = 0.5;

    /// The strain of a model on a frame of this difficulty; `own` is its own draw.
    pub fn strain(&self, difficulty: f64, own: Key) -> f64 {
        self.correlation.sqrt() * difficulty + (1.0 - self.correlation).sqrt() * own.normal()
    }

    /// What the premodel sees of a difficulty.
    pub fn signal(&self, difficulty: f64, noise: Key) -> f64 {
        seen(self.skill, difficulty, noise)
    }

    /// What the confidence of a model shows of its strain.
    pub fn shown(&self, strain: f64, noise: Key) -> f64 {
        seen(self.confidence, strain, noise)
    }

    /// The probability that each model is right, given what the premodel sees and what the models that
    /// ran have shown.
    pub fn belief(&self, thresholds: &[f64], signal: f64, shown: &[(usize, f64)]) -> Vec<f64> {
        let all = shown.iter().fold(self.prior(signal), |estimate, (_, shown)| {
            estimate.and(self.of_difficulty(*shown))
        });
        let probability = |(model, threshold): (usize, &f64)| {
            let own = shown.iter().find(|(ran, _)| *ran == model);
            let strain = match own {
                // What the others say of its strain, and what it has shown itself.
                Some((_, shown)) => self
                    .strain_given(all.without(self.of_difficulty(*shown)))
                    .and(observation(self.confidence, *shown)),
                None => self.strain_given(all),
            };
            strain.share_below(*threshold)
        };
        thresholds.iter().enumerate().map(probability).collect()
    }

    /// The difficulty, as the premodel knows it.
    fn prior(&self, signal: f64) -> Estimate {
        Estimate { precision: 1.0, pull: 0.0 }.and(observation(self.skill, signal))
    }

    /// What a model has shown says of the difficulty: it holds `confidence * correlation` of it.
    fn of_difficulty(&self, shown: f64) -> Estimate {
        observation(self.confidence * self.correlation, shown)
    }

    /// A strain, given the difficulty.
    fn strain_given(&self, difficulty: Estimate) -> Estimate {
        let variance = self.correlation / difficulty.precision + 1.0 - self.correlation;
        let mean = self.correlation.sqrt() * difficulty.mean();
        let precision = 1.0 / variance.max(1.0 - CLEAREST);
        Estimate { precision, pull: mean * precision }
    }
}

fn seen(share: f64, whole: f64, noise: Key) -> f64 {
    share.sqrt() * whole + (1.0 - share).sqrt() * noise.normal()
}

/// What is said of a standard normal `x` by seeing `sqrt(share) x + sqrt(1 - share) n`.
fn observation(share: f64, seen: f64) -> Estimate {
    let share = share.min(CLEAREST);
    let noise = 1.0 - share;
    Estimate { precision: share / noise, pull: share.sqrt() * seen / noise }
}

/// A normal distribution, by its precision (one over the variance) and precision times mean.
#[derive(Clone, Copy)]
struct Estimate {
    precision: f64,
    pull: f64,
}

impl Estimate {
    fn and(self, other: Self) -> Self {
        Self { precision: self.precision + other.precision, pull: self.pull + other.pull }
    }

    fn without(self, other: Self) -> Self {
        Self { precision: self.precision - other.precision, pull: self.pull - other.pull }
    }

    fn mean(self) -> f64 {
        self.pull / self.precision
    }

    fn share_below(self, threshold: f64) -> f64 {
        normal_share_below((threshold - self.mean()) * self.precision.sqrt())
    }
}

/// The pictures of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// For each picture whether each model is right on it.
    rows: Vec<Box<[bool]>>,
    /// For each picture which quantiles of the difficulty it stands for.
    spans: Vec<(f64, f64)>,
}

impl Pictures {
    /// Pictures by what each model made of them; the fewer models are right on one, the more
    /// difficult it is. `None` without any.
    pub fn new(rows: Vec<Box<[bool]>>) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let wrong = |row: &[bool]| row.iter().filter(|right| !**right).count();
        let models = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut counts = vec![0_usize; models + 1];
        rows.iter().for_each(|row| counts[wrong(row)] += 1);
        let easier = |wrong: usize| counts[..wrong].iter().sum::<usize>() as f64;
        let all = rows.len() as f64;
        let span = |row: &[bool]| {
            let below = easier(wrong(row));
            (below / all, (below + counts[wrong(row)] as f64) / all)
        };
        let spans = rows.iter().map(|row| span(row)).collect();
        Some(Self { rows, spans })
    }

    /// A picture, all equally likely.
    pub fn draw(&self, key: Key) -> usize {
        ((key.uniform() * self.rows.len() as f64) as usize).min(self.rows.len() - 1)
    }

    /// Whether a model is right on a picture.
    pub fn is_right(&self, picture: usize, model: usize) -> bool {
        self.rows[picture][model]
    }

    /// A strain of a model on a picture: on the side of the threshold that it should be on.
    pub fn strain(&self, picture: usize, model: usize, own: Key) -> f64 {
        let (accuracy, own) = (self.accuracy(model), own.uniform());
        let share = match self.is_right(picture, model) {
            true => accuracy * own,
            false => accuracy + (1.0 - accuracy) * own,
        };
        inner_quantile(share)
    }

    /// A difficulty for a picture: harder pictures have larger ones, and all together have the
    /// standard normal distribution.
    pub fn difficulty(&self, picture: usize, key: Key) -> f64 {
        let (low, high) = self.spans[picture];
        inner_quantile(low + (high - low) * key.uniform())
    }

    /// The share of the pictures that a model is right on.
    pub fn accuracy(&self, model: usize) -> f64 {
        self.rows.iter().filter(|row| row[model]).count() as f64 / self.rows.len() as f64
    }
}

/// The normal quantile of a share that may be 0 or 1, just inside of these.
pub fn inner_quantile(share: f64) -> f64 {
    normal_quantile(share.clamp(1e-12, 1.0 - 1e-12))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: u64 = 50_000;
    const ACCURACIES: [f64; 2] = [0.7075, 0.80];

    /// Over many frames, the mean of what `of` says of the difficulty and the frame's key.
    fn mean(of: impl Fn(f64, Key) -> f64) -> f64 {
        let keys = (0..FRAMES).map(|number| Key::new(9).of(number));
        keys.map(|key| of(key.normal(), key)).sum::<f64>() / FRAMES as f64
    }

    fn share(condition: bool) -> f64 {
        f64::from(u8::from(condition))
    }

    fn answers(correlation: f64, skill: f64) -> Answers {
        Answers { correlation, skill, confidence: Answers::CONFIDENCE }
    }

    /// Whether a model, by its place, is right.
    fn is_right(answers: &Answers, model: usize, difficulty: f64, key: Key) -> bool {
        let strain = answers.strain(difficulty, key.of(model as u64));
        strain <= normal_quantile(ACCURACIES[model])
    }

    #[test]
    fn models_are_right_as_often_as_their_accuracy_says() {
        for correlation in [0.0, 0.5, 1.0] {
            let answers = answers(correlation, 0.0);
            for (model, accuracy) in ACCURACIES.into_iter().enumerate() {
                let found = mean(|z, key| share(is_right(&answers, model, z, key)));
                assert!((found - accuracy).abs() < 0.008, "{correlation} {accuracy}: {found}");
            }
        }
    }

    #[test]
    fn the_default_correlation_is_that_of_the_papers_figures() {
        let answers = answers(Answers::CORRELATION, 0.0);
        let missed = |z, key| !is_right(&answers, 0, z, key);
        let both = |z, key| missed(z, key) && is_right(&answers, 1, z, key);
        let rescued = mean(|z, key| share(both(z, key))) / mean(|z, key| share(missed(z, key)));
        assert!((rescued - 0.4391).abs() < 0.015, "{rescued}");
    }

    #[test]
    fn beliefs_are_calibrated_and_say_more_after_a_run() {
        let thresholds = ACCURACIES.map(normal_quantile);
        for (skill, ran) in
            [(0.0, vec![]), (0.5, vec![]), (1.0, vec![]), (0.3, vec![0]), (0.3, vec![0, 1])]
        {
            let answers = answers(0.8, skill);
            let belief = |model: usize, z: f64, key: Key| {
                let show = |&ran: &usize| {
                    let strain = answers.strain(z, key.of(ran as u64));
                    (ran, answers.shown(strain, key.of(ran as u64 + 10)))
                };
                let shown: Vec<_> = ran.iter().map(show).collect();
                answers.belief(&thresholds, answers.signal(z, key.of(20)), &shown)[model]
            };
            for (model, accuracy) in ACCURACIES.into_iter().enumerate() {
                let says = |z, key| belief(model, z, key);
                assert!((mean(says) - accuracy).abs() < 0.008, "{skill} {ran:?}");
                // What a calibrated forecast is off by has nothing to do with what it says.
                let off = |z, key| share(is_right(&answers, model, z, key)) - says(z, key);
                assert!(mean(|z, key| off(z, key) * says(z, key)).abs() < 0.008, "{skill} {ran:?}");
                let known = mean(|z, key| (says(z, key) - accuracy).powi(2));
                let least = 0.03 * f64::from(u8::from(skill > 0.0 || !ran.is_empty()));
                assert!((least..0.24).contains(&known), "{skill} {ran:?}: {known}");
            }
        }
    }

    #[test]
    fn pictures_keep_their_answers_and_are_as_hard_as_models_find_them() {
        let rows = [[true, true], [true, false], [false, true], [false, false]];
        let pictures = Pictures::new(rows.map(|row| row.to_vec().into()).to_vec()).unwrap();
        assert_eq!((pictures.accuracy(0), pictures.is_right(1, 1)), (0.5, false));
        assert!(Pictures::new(Vec::new()).is_none());
        let difficulty = |key: Key| pictures.difficulty(pictures.draw(key.of(5)), key.of(6));
        assert!(mean(|_, key| difficulty(key)).abs() < 0.015);
        assert!((mean(|_, key| difficulty(key).powi(2)) - 1.0).abs() < 0.03);
        let key = Key::new(1);
        assert!(pictures.difficulty(0, key) < pictures.difficulty(1, key));
        assert_eq!(pictures.difficulty(1, key), pictures.difficulty(2, key));
        assert!(pictures.difficulty(2, key) < pictures.difficulty(3, key));
        let strain = |key: Key| pictures.strain(pictures.draw(key.of(5)), 0, key.of(7));
        assert!(mean(|_, key| strain(key)).abs() < 0.015);
        for number in 0..100 {
            let key = Key::new(number);
            assert!(pictures.strain(1, 0, key) <= 0.0 && pictures.strain(1, 1, key) >= 0.0);
        }
    }
}
