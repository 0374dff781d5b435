//! All that a simulation has to say, as plain numbers: what `simulation.json` holds.
//!
//! **Units.** Accuracies, shares, ratios and utilisations are in percent, times end in `_ms`, rates are
//! frames a second.

use serde::Serialize;

/// A simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Simulation {
    /// What the scenario is called.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The first seed.
    pub seed: u64,
    /// How many seeds each case was run with.
    pub seeds: usize,
    /// The circumstances of the scenario, if it has streams, and its variants.
    pub cases: Vec<Case>,
    /// The points of the grid.
    pub grid: Vec<Point>,
    /// How many cameras there may be.
    pub plan: Option<Plan>,
    /// Events that were simulated.
    pub events: u64,
}

/// What was compared in certain circumstances.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// Frames a second, all streams together.
    pub rate: f64,
    /// The load, by the reference.
    pub load: f64,
    /// The model that a user would pick as the fixed one.
    pub reference: String,
    /// The names of the streams.
    pub streams: Vec<String>,
    /// How long frames were captured.
    pub duration_ms: f64,
    /// Frames of a run, all streams together, on average over the seeds.
    pub frames: f64,
    /// What was compared.
    pub entries: Vec<Entry>,
}

/// One of those compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The policy, with its model if it has one.
    pub policy: String,
    /// Its kind.
    pub kind: Kind,
    /// The model that it always runs, if it has one.
    pub model: Option<String>,
    /// Right and in time, of the captured frames. Of the oracles: what no schedule exceeds.
    pub effective_accuracy: Spread,
    /// The same as expected, without the luck of the draw.
    pub expected_accuracy: Spread,
    /// What some schedule of a clairvoyant reaches; of the oracles only, where it was looked for.
    pub reached: Option<Spread>,
    /// What really ran; of the oracles nothing did.
    pub run: Option<RunFigures>,
}

/// What is measured of policies that run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFigures {
    /// Answered in time, of the captured frames.
    pub in_time: Spread,
    /// Answered too late, of those that a model was run on.
    pub miss_ratio: Spread,
    /// Answered too late, of the captured frames.
    pub late: Spread,
    /// Given up because no answer would be in time, of the captured frames.
    pub expired: Spread,
    /// Given up for newer ones, of the captured frames.
    pub superseded: Spread,
    /// Busy time of the units, of all their time.
    pub utilisation: Spread,
    /// Runs of models for each answered frame.
    pub runs_per_answer: f64,
    /// The models whose answers went out, of the answered frames; those that had none are left out.
    pub shares: Vec<Share>,
    /// For each stream its effective accuracy.
    pub streams: Vec<Spread>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What knows all times and answers.
    Omniscient,
    /// What knows all times.
    Oracle,
    /// The daemon's scheduler, doubtful answers given another look.
    Adaptive,
    /// The daemon's scheduler.
    Ours,
    /// The daemon's scheduler with one model.
    Fixed,
    /// Earliest deadline first with one model.
    Edf,
    /// Newest wins with one model.
    Fifo,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Omniscient,
        Self::Oracle,
        Self::Adaptive,
        Self::Ours,
        Self::Fixed,
        Self::Edf,
        Self::Fifo,
    ];

    /// Whether it runs one model only.
    pub fn has_one_model(self) -> bool {
        matches!(self, Self::Fixed | Self::Edf | Self::Fifo)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Omniscient => "omniscient",
            Self::Oracle => "oracle",
            Self::Adaptive => "adaptive",
            Self::Ours => "ours",
            Self::Fixed => "fixed",
            Self::Edf => "edf",
            Self::Fifo => "fifo",
        }
    }
}

/// A figure over the seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; zero of one seed.
    pub deviation: f64,
}

impl Spread {
    /// Of a figure of each seed.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt() }
    }
}

/// How many answers are of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The model.
    pub model: String,
    /// Of the answered frames.
    pub percent: f64,
}

/// A point of the grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// How many streams there are.
    pub streams: usize,
    /// What each frame may take.
    pub budget_ms: f64,
    /// The load.
    pub load: f64,
    /// What was found there.
    pub case: Case,
}

/// How many cameras there may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What each frame may take.
    pub budget_ms: f64,
    /// The least effective accuracy that will do.
    pub accuracy: Option<f64>,
    /// The least share of frames answered in time that will do.
    pub in_time: Option<f64>,
    /// The most cameras that were tried.
    pub most: usize,
    /// The answers.
    pub rows: Vec<PlanRow>,
}

/// How many cameras there may be at a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanRow {
    /// The circumstances.
    pub variant: String,
    /// Frames a second of each camera.
    pub rate: f64,
    /// For each kind of policy the most cameras that will do.
    pub cameras: Vec<Carried>,
}

/// What a kind of policy carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Carried {
    /// The kind of policy.
    pub kind: Kind,
    /// The most cameras that will do; 0 if not even one does.
    pub cameras: usize,
    /// The policy that carries them: of a kind with a model for each policy the best.
    pub policy: Option<String>,
    /// Its effective accuracy then.
    pub effective_accuracy: Option<f64>,
}

impl PlanRow {
    /// Of what policies with one model carry the most.
    pub fn best_fixed(&self) -> Option<&Carried> {
        let fixed = self.cameras.iter().filter(|carried| carried.kind.has_one_model());
        fixed.reduce(|best, one| if one.cameras > best.cameras { one } else { best })
    }
}

impl Case {
    /// The entries of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// Of the entries of a kind the one that is expected to be right in time most often.
    pub fn best(&self, kind: Kind) -> Option<&Entry> {
        best(self.of(kind))
    }

    /// The best of those that run one model only.
    pub fn best_fixed(&self) -> Option<&Entry> {
        best(self.entries.iter().filter(|entry| entry.kind.has_one_model()))
    }

    /// The entry of a kind that runs the reference.
    pub fn reference_of(&self, kind: Kind) -> Option<&Entry> {
        self.of(kind).find(|entry| entry.model.as_ref() == Some(&self.reference))
    }

    /// What an entry is expected to reach, in percent of what the oracle does.
    pub fn of_oracle(&self, entry: &Entry) -> Option<f64> {
        let oracle = self.best(Kind::Oracle)?.expected_accuracy.mean;
        (oracle > 0.0).then(|| entry.expected_accuracy.mean / oracle * 100.0)
    }
}

/// Of equals the first.
fn best<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
    entries.reduce(|best, entry| {
        let is_better = entry.expected_accuracy.mean > best.expected_accuracy.mean;
        if is_better { entry } else { best }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_mean_and_standard_deviation() {
        let spread = Spread::of([70.0, 72.0, 74.0].into_iter());
        assert_eq!((spread.mean, spread.deviation), (72.0, 2.0));
        assert_eq!(Spread::of([5.0].into_iter()), Spread { mean: 5.0, deviation: 0.0 });
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
    }
}
