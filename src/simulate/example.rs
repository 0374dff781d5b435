//! A small setting that tests start from.

use std::time::Duration;

use super::setting::{Device, Model, Placement, Setting};
use super::world::{Answers, Latency, LoadCurve, Stream};
use crate::models::ModelId;
use crate::scheduler::estimate::OnTime;

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn device(name: &str, units: usize) -> Device {
    Device { name: name.to_owned(), units }
}

pub fn model(name: &str, accuracy: f64, milliseconds: u64) -> Model {
    let latency = Latency::constant(ms(milliseconds));
    Model {
        id: ModelId::new(name).unwrap(),
        accuracy,
        column: None,
        preprocess: Duration::ZERO,
        placements: vec![Placement { device: 0, units: 1, latency, batches: Vec::new() }],
    }
}

pub fn stream(name: &str, period: u64, budget: u64) -> Stream {
    Stream {
        name: name.to_owned(),
        period: ms(period),
        budget: ms(budget),
        jitter: 0.2,
        load: LoadCurve::default(),
    }
}

/// Ten seconds of two streams of 25 frames a second with 100 ms each, on one device with models that
/// always take 3, 10 and 40 ms.
pub fn setting() -> Setting {
    Setting {
        duration: Duration::from_secs(10),
        devices: vec![device("device", 1)],
        models: vec![model("small", 0.5, 3), model("middle", 0.7, 10), model("large", 0.8, 40)],
        streams: vec![stream("a", 40, 100), stream("b", 40, 100)],
        answers: Answers {
            correlation: Answers::CORRELATION,
            skill: 0.0,
            confidence: Answers::CONFIDENCE,
        },
        pictures: None,
        slowdowns: Vec::new(),
        on_time: OnTime::default(),
        selection: Duration::ZERO,
        publish: Duration::ZERO,
    }
}
