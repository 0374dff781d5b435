//! What streams are promised, and what they got.

use std::collections::BTreeMap;

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
}

#[derive(Debug)]
struct Stream {
    name: StreamName,
    terms: Terms,
    /// The recent share of frames that got a run; `None` before the first.
    share: Option<f32>,
}

impl Streams {
    pub(super) fn new(terms: BTreeMap<StreamName, Terms>) -> Self {
        Self { terms, known: Vec::new() }
    }

    /// The place of a stream, which is made if need be.
    pub(super) fn place(&mut self, name: &StreamName) -> usize {
        let known = self.known.iter().position(|stream| stream.name == *name);
        known.unwrap_or_else(|| {
            let terms = self.terms.get(name).copied().unwrap_or_default();
            self.known.push(Stream { name: name.clone(), terms, share: None });
            self.known.len() - 1
        })
    }

    pub(super) fn find(&self, name: &StreamName) -> Option<usize> {
        self.known.iter().position(|stream| stream.name == *name)
    }

    /// A frame of the stream got a run, or none.
    pub(super) fn note(&mut self, place: usize, got_run: bool) {
        let stream = &mut self.known[place];
        let got = f32::from(u8::from(got_run));
        stream.share = Some(stream.share.map_or(got, |share| share + MEMORY * (got - share)));
    }

    /// Whether any stream comes so often among these.
    pub(super) fn any_at(&self, count: usize, mut places: impl Iterator<Item = usize>) -> bool {
        let mut counts = vec![0; self.known.len()];
        places.any(|place| {
            counts[place] += 1;
            counts[place] >= count
        })
    }

    pub(super) fn claim(&self, place: usize) -> Claim {
        let Stream { terms, share, .. } = &self.known[place];
        let is_short = share.is_some_and(|share| share < terms.minimum_share);
        let lost = 100.0 * (1.0 - share.unwrap_or(1.0));
        Claim { is_short, priority: terms.priority, lost: lost as u8 }
    }
}
