//! What a reload does to each stream. Pure.

use std::collections::BTreeMap;

use super::StreamPlan;
use crate::frame::StreamName;

/// A stream as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current<'a> {
    pub(super) plan: &'a StreamPlan,
    pub(super) state: State,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It gives frames, or is expected to.
    Running,
    /// It has given its last frame.
    Complete,
    /// It has failed for good.
    Failed,
}

/// What is to be done about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Its source goes on; all else is as the new plan says.
    GoesOn,
    /// It has given its last frame, and nothing asks for another.
    StaysOver,
    /// Its source is started.
    Begins,
    /// Its source is taken down, and the one that the new plan names is started.
    IsRebuilt,
    /// Its source is taken down.
    Ends,
}

impl Change {
    /// Whether frames to come are not of the source that those before were of.
    pub(super) fn is_of_source(self) -> bool {
        match self {
            Self::GoesOn | Self::StaysOver => false,
            Self::Begins | Self::IsRebuilt | Self::Ends => true,
        }
    }
}

/// What is to be done about each stream of the old plans and the new ones.
pub(super) fn changes(
    current: &BTreeMap<&StreamName, Current<'_>>,
    planned: &[StreamPlan],
) -> BTreeMap<StreamName, Change> {
    let wanted = planned.iter().map(|plan| {
        let name = &plan.spec.name;
        (name.clone(), change(current.get(name).copied(), plan))
    });
    let mut changes: BTreeMap<StreamName, Change> = wanted.collect();
    for (&name, current) in current {
        let unwanted = match current.state {
            State::Running => Change::Ends,
            State::Complete | State::Failed => Change::StaysOver,
        };
        changes.entry(name.clone()).or_insert(unwanted);
    }
    changes
}

fn change(current: Option<Current<'_>>, planned: &StreamPlan) -> Change {
    let Some(Current { plan, state }) = current else { return Change::Begins };
    let is_same = plan.spec.source.is_same_as(&planned.spec.source)
        && plan.spec.playback == planned.spec.playback
        && plan.delivery == planned.delivery;
    match (state, is_same) {
        (State::Running, true) => Change::GoesOn,
        (State::Running, false) => Change::IsRebuilt,
        (State::Complete, true) => Change::StaysOver,
        // What made it fail may be mended.
        (State::Complete, false) | (State::Failed, _) => Change::Begins,
    }
}

/// The changes in words, as in `2 streams go on, 1 begins`.
pub(super) fn in_words(changes: &BTreeMap<StreamName, Change>) -> String {
    let mut counts: BTreeMap<Change, usize> = BTreeMap::new();
    for change in changes.values() {
        *counts.entry(*change).or_default() += 1;
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(change, count)| format!("{count} {}", verb(change, count)))
        .collect();
    format!("streams: {}", words.join(", "))
}

fn verb(change: Change, count: usize) -> &'static str {
    match (change, count) {
        (Change::GoesOn, 1) => "goes on",
        (Change::GoesOn, _) => "go on",
        (Change::StaysOver, 1) => "stays over",
        (Change::StaysOver, _) => "stay over",
        (Change::Begins, 1) => "begins",
        (Change::Begins, _) => "begin",
        (Change::IsRebuilt, 1) => "is rebuilt",
        (Change::IsRebuilt, _) => "are rebuilt",
        (Change::Ends, 1) => "ends",
        (Change::Ends, _) => "end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::mailbox::Delivery;
    use crate::capture::{Patience, Playback, Source, StreamSpec};
    use crate::scheduler::Terms;
    use crate::select::Every;

    fn plan(name: &str, source: &str) -> StreamPlan {
        let (name, source) = (StreamName::new(name), Source::parse(source, None).unwrap());
        let (budget, patience) = ("1s".parse().unwrap(), Some(Patience::default()));
        let spec = StreamSpec { name, source, budget, patience, playback: Playback::Once };
        let (delivery, every, terms) = (Delivery::NewestWins, Every::MIN, Terms::default());
        StreamPlan { spec, delivery, every, target_rate: None, terms }
    }

    /// What becomes of one stream.
    fn of(state: State, old: &StreamPlan, new: &StreamPlan) -> Change {
        change(Some(Current { plan: old, state }), new)
    }

    #[test]
    fn what_a_stream_is_promised_changes_while_its_source_goes_on() {
        let old = plan("door", "test://ball");
        let mut new = old.clone();
        assert_eq!(of(State::Running, &old, &new), Change::GoesOn);
        new.spec.budget = "2s".parse().unwrap();
        new.spec.patience = None;
        new.every = Every::new(3).unwrap();
        new.target_rate = Some("5".parse().unwrap());
        new.terms = Terms { priority: 9, minimum_share: 0.5 };
        assert_eq!(of(State::Running, &old, &new), Change::GoesOn);
    }

    #[test]
    fn another_source_or_another_pace_is_built() {
        let old = plan("door", "test://ball");
        let another = plan("door", "test://snow");
        let mut fed = old.clone();
        fed.delivery = Delivery::Lossless;
        for new in [another, fed] {
            assert_eq!(of(State::Running, &old, &new), Change::IsRebuilt);
            assert_eq!(of(State::Complete, &old, &new), Change::Begins);
        }
    }

    #[test]
    fn what_has_ended_stays_so_and_what_has_failed_is_tried_again() {
        let old = plan("door", "test://ball");
        assert_eq!(of(State::Complete, &old, &old), Change::StaysOver);
        assert_eq!(of(State::Failed, &old, &old), Change::Begins);
    }

    #[test]
    fn streams_come_and_go() {
        let plans = ["door", "yard", "gate"].map(|name| plan(name, "test://ball"));
        let states = [State::Running, State::Running, State::Complete];
        let current = plans.iter().zip(states);
        let current =
            current.map(|(plan, state)| (&plan.spec.name, Current { plan, state })).collect();
        let planned = [plan("attic", "test://snow"), plans[0].clone()];
        let changes = changes(&current, &planned);
        let expected = [
            ("attic", Change::Begins),
            ("door", Change::GoesOn),
            ("gate", Change::StaysOver),
            ("yard", Change::Ends),
        ];
        let expected = expected.map(|(name, change)| (StreamName::new(name), change));
        assert_eq!(changes, BTreeMap::from(expected));
        let words = "streams: 1 goes on, 1 stays over, 1 begins, 1 ends";
        assert_eq!(in_words(&changes), words);
    }
}
