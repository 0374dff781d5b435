//! A log message as a JSON object: `at` (RFC 3339), `level`, `message`, `target` (the part of the program),
//! and what the message is about under its own keys.

use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

/// The object of a message that came `at` this time.
pub(super) fn object(record: &Record<'_>, at: String) -> Json {
    let mut object = Map::new();
    object.insert("at".to_owned(), at.into());
    object.insert("level".to_owned(), record.level().as_str().to_lowercase().into());
    object.insert("message".to_owned(), record.args().to_string().into());
    object.insert("target".to_owned(), record.target().into());
    let mut subject = Subject(&mut object);
    // A subject never refuses.
    let _ = record.key_values().visit(&mut subject);
    Json::Object(object)
}

/// What a message is about, as it is added to an object.
struct Subject<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Subject<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = match (value.to_bool(), value.to_u64(), value.to_f64()) {
            (Some(flag), _, _) => flag.into(),
            (None, Some(number), _) => number.into(),
            (None, None, Some(number)) => number.into(),
            (None, None, None) => value.to_string().into(),
        };
        // The message's own keys stay what they are.
        self.0.entry(key.as_str()).or_insert(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn a_message_has_its_subject_beside_it() {
        let subject = [
            ("stream", Value::from("door\n")),
            ("frame", Value::from(7_u64)),
            ("share", Value::from(0.5)),
            ("level", Value::from("other")),
        ];
        let record = Record::builder()
            .args(format_args!("it \"broke\""))
            .level(Level::Warn)
            .target("classifyd::daemon")
            .key_values(&subject)
            .build();
        let line = object(&record, "2026-11-28T19:00:00.000Z".to_owned()).to_string();
        assert!(!line.contains('\n'), "{line}");
        let parsed: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({
                "at": "2026-11-28T19:00:00.000Z", "level": "warn", "message": "it \"broke\"",
                "target": "classifyd::daemon", "stream": "door\n", "frame": 7, "share": 0.5
            })
        );
    }
}
