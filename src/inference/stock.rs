//! What a crew has at work, for another crew to go on with.
//!
//! A session belongs to its worker until all the worker's jobs are done; then it is *released*. The crew
//! that takes over goes on with the sessions of models that are the same: the same file, read and fed in
//! the same way, with the same golden output, on the provider that the same ladder led to, with as many
//! threads. Those were proven and are warm; they need no second place in memory. Of a model whose
//! sessions do not all come back, since a worker is stuck, none is taken over: it is built anew.

use std::collections::{BTreeMap, BTreeSet};

use super::crew::Hand;
use super::roster::WarmUp;
use super::worker::Released;
use crate::models::{Manifest, ModelId, Provider};
use crate::onnx::Session;

/// The sessions that a crew has at work.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    models: BTreeMap<ModelId, Stocked>,
}

/// The sessions of one model.
#[derive(Clone, Debug)]
pub(super) struct Stocked {
    pub(super) manifest: Manifest,
    /// The providers that were to be tried.
    pub(super) ladder: Vec<Provider>,
    /// The one that runs it.
    pub(super) provider: Provider,
    pub(super) berths: Vec<AtWork>,
}

/// The sessions of one runner.
#[derive(Clone, Debug)]
pub(super) struct AtWork {
    pub(super) runner: usize,
    pub(super) threads: usize,
    pub(super) sessions: usize,
    pub(super) warm_up: WarmUp,
}

/// A model that goes on with sessions of the crew before.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What the model is now.
    pub manifest: Manifest,
    /// What runs it.
    pub provider: Provider,
    pub(super) berths: Vec<AtWork>,
}

impl Stock {
    /// Whether all of it runs on the processor.
    pub fn is_on_the_processor(&self) -> bool {
        self.models.values().all(|stocked| stocked.provider == Provider::Cpu)
    }

    /// What each model runs on.
    pub fn providers(&self) -> BTreeMap<ModelId, Provider> {
        self.models.iter().map(|(model, stocked)| (model.clone(), stocked.provider)).collect()
    }

    pub(super) fn put(&mut self, stocked: Stocked) {
        self.models.insert(stocked.manifest.id.clone(), stocked);
    }

    /// The sessions that serve a model as they are, if it is to be tried on these providers.
    pub(super) fn keep(&self, manifest: &Manifest, ladder: &[Provider]) -> Option<Kept> {
        let stocked = self.models.get(&manifest.id)?;
        let Stocked { provider, berths, .. } = stocked;
        let is_same = is_same_model(&stocked.manifest, manifest) && stocked.ladder == ladder;
        let kept =
            || Kept { manifest: manifest.clone(), provider: *provider, berths: berths.clone() };
        is_same.then(kept)
    }
}

/// Whether sessions of one model are sessions of the other, and were proven as it asks for.
fn is_same_model(one: &Manifest, other: &Manifest) -> bool {
    // Of runs that more frames may share nothing is known.
    one.run.most_frames() == other.run.most_frames()
        && one.file == other.file
        && one.fingerprint() == other.fingerprint()
        && one.golden == other.golden
}

/// Workers to be, whose sessions another crew still has.
#[derive(Clone, Debug)]
pub struct Heir {
    /// Their runner.
    pub runner: usize,
    /// What the model is.
    pub manifest: Manifest,
    /// The runner of the other crew.
    pub from: usize,
    /// How many sessions there are.
    pub sessions: usize,
}

/// A crew that has got what it waited for.
pub struct Complement {
    /// Its sessions.
    pub hands: Vec<Hand>,
    /// The models that it has none of.
    pub short_of: BTreeSet<ModelId>,
    /// What nobody needs.
    pub left: Vec<Session>,
}

/// Gives the heirs the released sessions, and puts them with the `hands` that there are already.
pub fn complement(hands: Vec<Hand>, heirs: &[Heir], released: Vec<Released>) -> Complement {
    let released = released.into_iter().map(|Released { runner, session }| (runner, session));
    let Shares { shares, short_of, mut left } = share_out(heirs, released);
    let heir_of = |(heir, session): (usize, Session)| {
        let Heir { runner, manifest, .. } = heirs[heir].clone();
        Hand { runner, manifest, session }
    };
    let (kept, unneeded): (Vec<_>, Vec<_>) =
        hands.into_iter().partition(|hand| !short_of.contains(&hand.manifest.id));
    left.extend(unneeded.into_iter().map(|hand| hand.session));
    let hands = kept.into_iter().chain(shares.into_iter().map(heir_of)).collect();
    Complement { hands, short_of, left }
}

/// Who gets what.
struct Shares<S> {
    /// Heirs by their place, once for each session.
    shares: Vec<(usize, S)>,
    short_of: BTreeSet<ModelId>,
    left: Vec<S>,
}

fn share_out<S>(heirs: &[Heir], released: impl Iterator<Item = (usize, S)>) -> Shares<S> {
    let mut by_runner: BTreeMap<usize, Vec<S>> = BTreeMap::new();
    for (runner, session) in released {
        by_runner.entry(runner).or_default().push(session);
    }
    let count = |heir: &Heir| by_runner.get(&heir.from).map_or(0, Vec::len);
    let is_short = |heir: &&Heir| count(heir) < heir.sessions;
    let short_of: BTreeSet<ModelId> =
        heirs.iter().filter(is_short).map(|heir| heir.manifest.id.clone()).collect();
    let mut shares = Vec::new();
    for (place, heir) in heirs.iter().enumerate() {
        if short_of.contains(&heir.manifest.id) {
            continue;
        }
        let sessions = by_runner.entry(heir.from).or_default().drain(..heir.sessions);
        shares.extend(sessions.map(|session| (place, session)));
    }
    let left = by_runner.into_values().flatten().collect();
    Shares { shares, short_of, left }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn manifest(name: &str) -> Manifest {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
        Manifest::load(&directory.join(format!("{name}.toml"))).unwrap()
    }

    fn stock() -> Stock {
        let (manifest, ladder) = (manifest("colour"), Provider::LADDER.to_vec());
        let mut stock = Stock::default();
        stock.put(Stocked { manifest, ladder, provider: Provider::Cpu, berths: Vec::new() });
        stock
    }

    #[test]
    fn only_a_model_that_is_the_same_is_kept() {
        let (stock, same) = (stock(), manifest("colour"));
        assert!(stock.keep(&same, &Provider::LADDER).is_some());
        assert!(stock.keep(&same, &[Provider::Cpu]).is_none(), "it may run elsewhere now");
        assert!(stock.keep(&manifest("slow"), &Provider::LADDER).is_none());
        let renamed = Manifest { description: "another".to_owned(), ..same.clone() };
        assert!(stock.keep(&renamed, &Provider::LADDER).is_some());
        assert!(same.golden.is_some());
        let unproven = Manifest { golden: None, ..same.clone() };
        assert!(stock.keep(&unproven, &Provider::LADDER).is_none(), "it was proven otherwise");
        let mut fed_otherwise = same;
        fed_otherwise.input.width += 1;
        assert!(stock.keep(&fed_otherwise, &Provider::LADDER).is_none());
    }

    fn heir(name: &str, from: usize, sessions: usize) -> Heir {
        Heir { runner: 10 + from, manifest: manifest(name), from, sessions }
    }

    #[test]
    fn heirs_get_the_sessions_of_their_runner() {
        let heirs = [heir("colour", 1, 2), heir("slow", 0, 1)];
        let released = [(0, "s"), (1, "c"), (1, "d"), (1, "e"), (2, "other")];
        let Shares { shares, short_of, left } = share_out(&heirs, released.into_iter());
        assert_eq!(shares, [(0, "c"), (0, "d"), (1, "s")]);
        assert!(short_of.is_empty());
        assert_eq!(left, ["e", "other"]);
    }

    #[test]
    fn a_model_is_taken_over_whole_or_not_at_all() {
        let heirs = [heir("colour", 1, 1), heir("colour", 2, 2), heir("slow", 0, 1)];
        let released = [(0, "s"), (1, "narrow"), (2, "wide")];
        let Shares { shares, short_of, left } = share_out(&heirs, released.into_iter());
        assert_eq!(shares, [(2, "s")]);
        assert_eq!(short_of, BTreeSet::from([manifest("colour").id]));
        assert_eq!(left, ["narrow", "wide"]);
    }
}
