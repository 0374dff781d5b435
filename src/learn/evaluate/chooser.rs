//! A chooser's answers, and what they are worth as an entry of the report.

use std::time::Duration;

use super::figures::{
    Curve, Effective, Entry, Group, Interval, Kind, Point, Selection, Share, Times,
};
use super::material::{Case, Material};
use super::metrics::{self, Bootstrap, Judged, Macro, RandomMix, mean, percentile};
use super::{Options, metrics::milliseconds};
use crate::learn::parallel::in_parallel;
use crate::premodel::Criterion::{Top1, Top5};

/// Points at which the random-mix line is drawn.
const MIX_POINTS: usize = 40;

/// What a chooser made of some pictures.
#[derive(Clone, Debug)]
pub(super) struct Chooser {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) note: String,
    overhead: Duration,
    /// Times with the overhead.
    pub(super) cases: Vec<Case>,
    /// For each budget, the answers where they differ from those without one.
    in_time: Vec<Vec<Judged>>,
}

impl Chooser {
    /// Adds to each picture what choosing takes.
    pub(super) fn new(name: &str, kind: Kind, overhead: Duration, cases: Vec<Case>) -> Self {
        let cases = delayed(cases, overhead);
        let (name, note, in_time) = (name.to_owned(), String::new(), Vec::new());
        Self { name, kind, note, overhead, cases, in_time }
    }

    /// Says what it is.
    pub(super) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// What it answers when it knows the budget, for each budget.
    pub(super) fn with_budgets(mut self, in_time: Vec<Vec<Case>>) -> Self {
        let answers = |cases: Vec<Case>| {
            delayed(cases, self.overhead).into_iter().map(|case| case.judged).collect()
        };
        self.in_time = in_time.into_iter().map(answers).collect();
        self
    }

    pub(super) fn judged(&self) -> Vec<Judged> {
        self.cases.iter().map(|case| case.judged).collect()
    }

    pub(super) fn mean_ms(&self) -> f64 {
        mean(&milliseconds(&self.judged()))
    }

    fn at(&self, places: &[usize]) -> Self {
        let judged = |all: &Vec<Judged>| places.iter().map(|&place| all[place]).collect();
        Self {
            cases: places.iter().map(|&place| self.cases[place].clone()).collect(),
            in_time: self.in_time.iter().map(judged).collect(),
            ..self.clone()
        }
    }
}

fn delayed(mut cases: Vec<Case>, overhead: Duration) -> Vec<Case> {
    cases.iter_mut().for_each(|case| case.judged.time += overhead);
    cases
}

/// What a chooser made of some pictures at each of its operating points, the quickest first.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) name: String,
    pub(super) kind: Kind,
    points: Vec<Vec<Judged>>,
}

impl Dial {
    /// Adds to each picture what choosing takes.
    pub(super) fn new(name: &str, kind: Kind, overhead: Duration, points: Vec<Vec<Case>>) -> Self {
        let judged = |cases| delayed(cases, overhead).into_iter().map(|case| case.judged).collect();
        let mut points: Vec<Vec<Judged>> = points.into_iter().map(judged).collect();
        points.sort_by(|a, b| mean(&milliseconds(a)).total_cmp(&mean(&milliseconds(b))));
        Self { name: name.to_owned(), kind, points }
    }

    /// For each picture how right it is at a mean time, in percent: between the two neighbouring
    /// points, as drawing lots between them would be; at the ends those.
    pub(super) fn right_at(&self, mean_ms: f64) -> Vec<f64> {
        let times: Vec<f64> = self.points.iter().map(|p| mean(&milliseconds(p))).collect();
        let right = |point: usize| metrics::right(&self.points[point], Top1);
        let above = times.iter().position(|&time| time >= mean_ms);
        match above {
            None => right(self.points.len() - 1),
            Some(0) => right(0),
            Some(above) => {
                let span = times[above] - times[above - 1];
                let share = (mean_ms - times[above - 1]) / span;
                let pairs = right(above - 1).into_iter().zip(right(above));
                pairs.map(|(low, high)| low + share * (high - low)).collect()
            }
        }
    }

    fn at(&self, places: &[usize]) -> Self {
        let judged = |all: &Vec<Judged>| places.iter().map(|&place| all[place]).collect();
        Self { points: self.points.iter().map(judged).collect(), ..self.clone() }
    }

    fn curve(&self, bootstrap: &Bootstrap) -> Curve {
        let point = |judged: &Vec<Judged>| Point {
            time_ms: mean(&milliseconds(judged)),
            accuracy: bootstrap.mean(&metrics::right(judged, Top1)),
        };
        Curve { name: self.name.clone(), kind: self.kind, points: in_parallel(&self.points, point) }
    }
}

/// All choosers on some pictures.
pub(super) struct Sheet {
    /// The pictures, ascending.
    pub(super) pictures: Vec<usize>,
    /// Their answers, in the order of the pictures.
    pub(super) choosers: Vec<Chooser>,
    pub(super) dials: Vec<Dial>,
}

impl Sheet {
    /// The pictures of a set only.
    pub(super) fn of_set(&self, material: &Material, set: usize) -> Self {
        let numbered = self.pictures.iter().enumerate();
        let places = numbered.filter(|&(_, &picture)| material.set_of[picture] == set);
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        Self {
            pictures: places.iter().map(|&place| self.pictures[place]).collect(),
            choosers: self.choosers.iter().map(|chooser| chooser.at(&places)).collect(),
            dials: self.dials.iter().map(|dial| dial.at(&places)).collect(),
        }
    }

    pub(super) fn bootstrap(&self, material: &Material, options: &Options) -> Bootstrap {
        Bootstrap::new(&material.groups(&self.pictures), options.resamples, options.seed)
    }

    /// What they are worth.
    pub(super) fn group(
        &self,
        selection: Selection,
        material: &Material,
        options: &Options,
    ) -> Group {
        let bootstrap = self.bootstrap(material, options);
        let of_singles = |chooser: &&Chooser| chooser.kind == Kind::Single;
        let singles: Vec<Vec<Judged>> =
            self.choosers.iter().filter(of_singles).map(Chooser::judged).collect();
        let referred: Vec<&[Judged]> = singles.iter().map(Vec::as_slice).collect();
        let mix = RandomMix::new(&bootstrap, &referred, Top1);
        let best = singles
            .iter()
            .max_by(|a, b| metrics::accuracy(a, Top1).total_cmp(&metrics::accuracy(b, Top1)));
        let judge = Judge { material, options, bootstrap: &bootstrap, mix: &mix, best };
        let mut curves = vec![random_mix(&mix)];
        curves.extend(self.dials.iter().map(|dial| dial.curve(&bootstrap)));
        Group {
            selection,
            images: self.pictures.len(),
            entries: in_parallel(&self.choosers, |chooser| judge.entry(chooser)),
            curves,
        }
    }
}

fn random_mix(mix: &RandomMix) -> Curve {
    let points = mix.curve(MIX_POINTS).into_iter();
    let point = |(time, accuracy): (Duration, Interval)| Point {
        time_ms: time.as_secs_f64() * 1e3,
        accuracy,
    };
    Curve {
        name: "random mix".to_owned(),
        kind: Kind::RandomMix,
        points: points.map(point).collect(),
    }
}

struct Judge<'a> {
    material: &'a Material,
    options: &'a Options,
    bootstrap: &'a Bootstrap,
    mix: &'a RandomMix<'a>,
    /// The answers of the most accurate single model.
    best: Option<&'a Vec<Judged>>,
}

impl Judge<'_> {
    fn entry(&self, chooser: &Chooser) -> Entry {
        let judged = chooser.judged();
        let right = metrics::right(&judged, Top1);
        let Macro { precision, recall, f1 } = Macro::new(&judged);
        let chooses = chooser.kind != Kind::Single;
        let against_best =
            |best: &Vec<Judged>| self.bootstrap.difference(&right, &metrics::right(best, Top1));
        Entry {
            name: chooser.name.clone(),
            kind: chooser.kind,
            note: chooser.note.clone(),
            top1: self.bootstrap.mean(&right),
            top5: self.bootstrap.mean(&metrics::right(&judged, Top5)),
            precision,
            recall,
            f1,
            time_ms: self.times(&judged),
            overhead_ms: chooser.overhead.as_secs_f64() * 1e3,
            energy_j: self.energy(chooser),
            shares: self.shares(chooser),
            effective: self.effective(chooser, &judged),
            against_random_mix: chooses.then(|| self.mix.against(&judged)),
            against_best_single: self.best.filter(|_| chooses).map(against_best),
        }
    }

    fn times(&self, judged: &[Judged]) -> Times {
        let at = |percent| percentile(judged, percent).as_secs_f64() * 1e3;
        Times { mean: self.bootstrap.mean(&milliseconds(judged)), p50: at(50.0), p95: at(95.0) }
    }

    fn energy(&self, chooser: &Chooser) -> Option<f64> {
        let energies = self.material.energies.as_ref()?;
        let of = |case: &Case| case.runs.iter().map(|&model| energies[model]).sum();
        Some(mean(&chooser.cases.iter().map(of).collect::<Vec<f64>>()))
    }

    /// Which models run, the most frequent first; nothing of a single model.
    fn shares(&self, chooser: &Chooser) -> Vec<Share> {
        if chooser.kind == Kind::Single {
            return Vec::new();
        }
        let percent = |model: usize| {
            let runs = chooser.cases.iter().filter(|case| case.runs.contains(&model)).count();
            100.0 * runs as f64 / chooser.cases.len().max(1) as f64
        };
        let share =
            |model| Share { model: self.material.name(model).to_owned(), percent: percent(model) };
        let mut shares: Vec<Share> = (0..self.material.models()).map(share).collect();
        shares.retain(|share| share.percent > 0.0);
        shares.sort_by(|a, b| b.percent.total_cmp(&a.percent));
        shares
    }

    fn effective(&self, chooser: &Chooser, judged: &[Judged]) -> Vec<Effective> {
        let at = |(number, &budget): (usize, &Duration)| {
            let answers = chooser.in_time.get(number).map_or(judged, Vec::as_slice);
            Effective {
                budget_ms: budget.as_secs_f64() * 1e3,
                accuracy: self.bootstrap.mean(&metrics::effective(answers, budget)),
            }
        };
        self.options.budgets.iter().enumerate().map(at).collect()
    }
}
