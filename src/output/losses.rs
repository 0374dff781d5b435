//! How often the sources of streams were lost, by reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::capture::Loss;
use crate::frame::StreamName;

/// Losses of each stream that had any.
///
/// As JSON it is an array, by name, of objects with `stream` and, for each reason ([`Loss::name`]), how
/// often. Displayed, it is a line for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    streams: BTreeMap<StreamName, BTreeMap<Loss, u64>>,
}

/// One stream's part, as JSON.
#[derive(Serialize)]
struct StreamLosses<'a> {
    stream: &'a str,
    #[serde(flatten)]
    by_reason: BTreeMap<&'static str, u64>,
}

impl Losses {
    /// Counts one.
    pub fn note(&mut self, stream: &StreamName, loss: Loss) {
        *self.streams.entry(stream.clone()).or_default().entry(loss).or_default() += 1;
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.streams.iter().map(|(stream, losses)| {
            let count = |loss: Loss| (loss.name(), losses.get(&loss).copied().unwrap_or_default());
            let by_reason = Loss::ALL.into_iter().map(count).collect();
            StreamLosses { stream: stream.as_str(), by_reason }
        }))
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_stream = |(stream, losses): (&StreamName, &BTreeMap<Loss, u64>)| {
            let reasons = losses.iter().map(|(loss, count)| format!("{count} {}", loss.name()));
            format!("{stream} ({})", reasons.collect::<Vec<_>>().join(", "))
        };
        f.write_str(&self.streams.iter().map(of_stream).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_by_stream_and_reason() {
        let [door, yard] = ["door", "yard"].map(StreamName::new);
        let mut losses = Losses::default();
        assert!(losses.is_empty());
        for (stream, loss) in [(&yard, Loss::Ended), (&door, Loss::Stalled), (&yard, Loss::Ended)] {
            losses.note(stream, loss);
        }
        assert_eq!(losses.to_string(), "door (1 stalled); yard (2 ended)");
        let json = serde_json::to_value(&losses).unwrap();
        assert_eq!((&json[0]["stream"], &json[0]["stalled"]), (&"door".into(), &1.into()));
        assert_eq!((&json[1]["ended"], &json[1]["resized"]), (&2.into(), &0.into()));
    }
}
