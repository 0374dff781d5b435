//! One policy, one setting, one seed.

use std::time::Instant;

use crate::models::ModelId;
use crate::simulate::contender::ours::{Look, Ours};
use crate::simulate::contender::{Briefing, Contender, Edf, NewestWins};
use crate::simulate::engine::{Run, Tally, simulate};
use crate::simulate::figures::{Entry, Kind, RunFigures, Share, Spread};
use crate::simulate::oracle::{Bound, Knowledge, oracle};
use crate::simulate::scenario::Policy;
use crate::simulate::setting::Setting;
use crate::simulate::world::World;

/// A policy that is compared: with one model, if it is of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contestant {
    pub(super) kind: Kind,
    /// The model's place in the setting.
    pub(super) model: Option<usize>,
}

/// What was found.
pub(super) enum Measured {
    Run(Run),
    Bound(Bound),
}

impl Measured {
    pub(super) fn events(&self) -> u64 {
        self.run().map_or(0, |run| run.events)
    }

    pub(super) fn captured(&self) -> Option<u64> {
        self.run().map(|run| run.total().captured)
    }

    fn run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Bound(_) => None,
        }
    }
}

/// The policies with their models, as far as the setting has them; none twice.
pub(super) fn contestants(policies: &[Policy], setting: &Setting) -> Vec<Contestant> {
    let mut contestants: Vec<Contestant> = Vec::new();
    for policy in policies {
        let kind = kind(policy);
        let is_meant = |id: &ModelId| policy.model().is_none_or(|named| named == id);
        let models: Vec<Option<usize>> = if kind.has_one_model() {
            let models = setting.models.iter().enumerate();
            models.filter(|(_, model)| is_meant(&model.id)).map(|(place, _)| Some(place)).collect()
        } else {
            vec![None]
        };
        for model in models {
            let contestant = Contestant { kind, model };
            if !contestants.contains(&contestant) {
                contestants.push(contestant);
            }
        }
    }
    contestants
}

pub(super) fn kind(policy: &Policy) -> Kind {
    match policy {
        Policy::Fixed(_) => Kind::Fixed,
        Policy::Fifo(_) => Kind::Fifo,
        Policy::Edf(_) => Kind::Edf,
        Policy::Ours => Kind::Ours,
        Policy::Adaptive => Kind::Adaptive,
        Policy::Oracle => Kind::Oracle,
        Policy::Omniscient => Kind::Omniscient,
    }
}

/// Lets a policy loose on the world of a setting and a seed.
pub(super) fn measure(
    setting: &Setting,
    contestant: &Contestant,
    seed: u64,
    start: Instant,
) -> Measured {
    let world = World::new(setting, seed);
    let all = || (0..setting.models.len()).collect();
    let one = contestant.model.unwrap_or_default();
    let ours = |choice, look| Box::new(Ours::new(&Briefing::new(&world), choice, look, start));
    let mut contender: Box<dyn Contender> = match contestant.kind {
        Kind::Oracle => return Measured::Bound(oracle(&world, Knowledge::Times)),
        Kind::Omniscient => return Measured::Bound(oracle(&world, Knowledge::Answers)),
        Kind::Ours => ours(all(), Look::Once),
        Kind::Adaptive => ours(all(), Look::Again),
        Kind::Fixed => ours(vec![one], Look::Once),
        Kind::Edf => Box::new(Edf::new(setting, one)),
        Kind::Fifo => Box::new(NewestWins::new(setting, one)),
    };
    Measured::Run(simulate(&world, contender.as_mut()))
}

/// The figures of a policy from its runs, one for each seed.
pub(super) fn figures(setting: &Setting, contestant: &Contestant, measured: &[Measured]) -> Entry {
    let Contestant { kind, model } = *contestant;
    let model = model.map(|model| setting.models[model].id.to_string());
    let policy = match &model {
        Some(model) => format!("{}:{model}", kind.name()),
        None => kind.name().to_owned(),
    };
    let runs: Vec<&Run> = measured.iter().filter_map(Measured::run).collect();
    let totals: Vec<Tally> = runs.iter().map(|run| run.total()).collect();
    if totals.is_empty() {
        return bound_figures(policy, kind, measured);
    }
    let over = |of: fn(&Tally) -> f64| percent(totals.iter().map(of));
    Entry {
        policy,
        kind,
        model,
        effective_accuracy: over(Tally::effective_accuracy),
        expected_accuracy: over(Tally::expected_accuracy),
        reached: None,
        run: Some(RunFigures {
            in_time: over(Tally::in_time),
            miss_ratio: over(Tally::miss_ratio),
            late: over(|tally| tally.share(tally.late as f64)),
            expired: over(|tally| tally.share(tally.expired as f64)),
            superseded: over(|tally| tally.share(tally.superseded as f64)),
            utilisation: percent(runs.iter().map(|run| utilisation(setting, run))),
            runs_per_answer: runs_per_answer(&totals),
            shares: shares(setting, &totals),
            streams: (0..setting.streams.len()).map(|stream| of_stream(&runs, stream)).collect(),
        }),
    }
}

fn bound_figures(policy: String, kind: Kind, measured: &[Measured]) -> Entry {
    let bounds = || {
        measured.iter().filter_map(|one| match one {
            Measured::Bound(bound) => Some(bound),
            Measured::Run(_) => None,
        })
    };
    let upper = percent(bounds().map(|bound| bound.upper));
    let lower: Option<Vec<f64>> = bounds().map(|bound| bound.lower).collect();
    Entry {
        policy,
        kind,
        model: None,
        effective_accuracy: upper,
        expected_accuracy: upper,
        reached: lower.map(|lower| percent(lower.into_iter())),
        run: None,
    }
}

fn percent(shares: impl Iterator<Item = f64>) -> Spread {
    Spread::of(shares.map(|share| share * 100.0))
}

fn utilisation(setting: &Setting, run: &Run) -> f64 {
    let units: usize = setting.devices.iter().map(|device| device.units).sum();
    let busy: f64 = run.busy.iter().map(|busy| busy.as_secs_f64()).sum();
    busy / (run.ended.as_secs_f64() * units as f64).max(f64::MIN_POSITIVE)
}

fn runs_per_answer(totals: &[Tally]) -> f64 {
    let sum = |of: fn(&Tally) -> u64| totals.iter().map(of).sum::<u64>() as f64;
    sum(|tally| tally.runs) / sum(Tally::answered).max(1.0)
}

fn shares(setting: &Setting, totals: &[Tally]) -> Vec<Share> {
    let all: u64 = totals.iter().map(Tally::answered).sum();
    let share = |(place, model): (usize, &crate::simulate::setting::Model)| {
        let own: u64 = totals.iter().map(|tally| tally.answered_by[place]).sum();
        let percent = own as f64 / (all as f64).max(1.0) * 100.0;
        (own > 0).then(|| Share { model: model.id.to_string(), percent })
    };
    let mut shares: Vec<Share> = setting.models.iter().enumerate().filter_map(share).collect();
    shares.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    shares
}

fn of_stream(runs: &[&Run], stream: usize) -> Spread {
    percent(runs.iter().map(|run| run.streams[stream].effective_accuracy()))
}
