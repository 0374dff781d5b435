//! What streams are promised, and what they got.

use std::collections::{BTreeMap, HashMap};

use crate::frame::StreamName;

/// Of a stream's share of frames that got a run, what one more frame weighs.
const MEMORY: f32 = 0.02;

/// What a stream is promised where not every frame can be answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Frames of a stream with a higher priority are given up last.
    pub priority: u8,
    /// The share of the stream's frames, 0 to 1, below which none of them is given up for a stream
    /// that has its own share.
    pub minimum_share: f32,
}

impl Default for Terms {
    /// No priority; no stream starves.
    fn default() -> Self {
        Self { priority: 0, minimum_share: 0.1 }
    }
}

/// How strongly a frame stands when one has to be given up; the smallest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    is_short: bool,
    priority: u8,
    /// Percent of its stream's recent frames that got no run: among equals, losses are spread.
    lost: u8,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    terms: BTreeMap<StreamName, Terms>,
    known: Vec<Stream>,
    places: HashMap<StreamName, usize>,
}

#[derive(Debug)]
struct Stream {
    terms: Terms,
    /// The recent share of frames that got a run; `None` before the first.
    share: Option<f32>,
    /// Frames that wait for their first run.
    waiting: usize,
}

impl Streams {
    pub(super) fn new(terms: BTreeMap<StreamName, Terms>) -> Self {
        Self { terms, ..Self::default() }
    }

    /// The place of a stream, which is made if need be.
    pub(super) fn place(&mut self, name: &StreamName) -> usize {
        self.find(name).unwrap_or_else(|| {
            let terms = self.terms.get(name).copied().unwrap_or_default();
            self.places.insert(name.clone(), self.known.len());
            self.known.push(Stream { terms, share: None, waiting: 0 });
            self.known.len() - 1
        })
    }

    pub(super) fn find(&self, name: &StreamName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// A frame of the stream waits.
    pub(super) fn enter(&mut self, place: usize) {
        self.known[place].waiting += 1;
    }

    /// It waits no more: it got a run, or none.
    pub(super) fn leave(&mut self, place: usize, got_run: bool) {
        let stream = &mut self.known[place];
        stream.waiting = stream.waiting.saturating_sub(1);
        let got = f32::from(u8::from(got_run));
        stream.share = Some(stream.share.map_or(got, |share| share + MEMORY * (got - share)));
    }

    /// Frames of the stream that wait.
    pub(super) fn waiting(&self, place: usize) -> usize {
        self.known[place].waiting
    }

    /// Whether so many frames of any stream wait.
    pub(super) fn is_crowded(&self, count: usize) -> bool {
        self.known.iter().any(|stream| stream.waiting >= count)
    }

    pub(super) fn claim(&self, place: usize) -> Claim {
        let Stream { terms, share, .. } = &self.known[place];
        let is_short = share.is_some_and(|share| share < terms.minimum_share);
        let lost = 100.0 * (1.0 - share.unwrap_or(1.0));
        Claim { is_short, priority: terms.priority, lost: lost as u8 }
    }
}
