//! Keeps decodebin from fetching what a file or a stream tells it to.
//!
//! decodebin builds whatever the content calls for, and content can be a playlist (HLS, DASH, SDP)
//! whose demuxer opens the addresses in it by itself. So demuxers of that kind are not chosen:
//! only elements that a description names go to the network.

use std::sync::Arc;

use gstreamer::glib::subclass::SignalId;
use gstreamer::glib::{EnumClass, Value};
use gstreamer::prelude::*;
use gstreamer::{Element, ElementFactory, Pipeline};

use super::watch::Watch;

/// By this signal decodebin, and what is built on it, asks about each element before it uses it.
const SIGNAL: &str = "autoplug-select";

/// The answer that makes it try the next element.
const SKIP: &str = "skip";

/// Answers for every element of `pipeline` that asks, and tells `watch` of refusals.
pub(super) fn forbid_fetching(pipeline: &Pipeline, watch: &Arc<Watch>) {
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        if let Some(answers) = answers(&element) {
            answer(&element, answers, Arc::clone(watch));
        }
    }
}

/// The answers that the element understands, if it asks.
fn answers(element: &Element) -> Option<EnumClass> {
    let signal = SignalId::lookup(SIGNAL, element.type_())?;
    EnumClass::with_type(signal.query().return_type().type_())
}

fn answer(element: &Element, answers: EnumClass, watch: Arc<Watch>) {
    element.connect(SIGNAL, false, move |arguments| {
        let factory = arguments.iter().find_map(|value| value.get::<ElementFactory>().ok());
        let skip = factory.filter(fetches).and_then(|_| {
            watch.note_playlist();
            answers.to_value_by_nick(SKIP)
        });
        // The first of the answers is to use the element.
        Some(skip.unwrap_or_else(|| Value::from_type(answers.type_())))
    });
}

/// Whether what it makes of its input is addresses, to which it then goes.
fn fetches(factory: &ElementFactory) -> bool {
    let class = factory.metadata("klass").unwrap_or_default();
    let is = |word: &str| class.split('/').any(|found| found == word);
    is("Demuxer") && (is("Adaptive") || is("Network"))
}
