//! PagerDuty: a JSON object with an array of messages (`PagerdutyAdapter`, `com.pagerduty/v1`).

use std::borrow::Cow;

use super::shared::body::{Expected, JSON};
use super::shared::json4s::{self, Selected, change_fields, select};
use super::shared::lookup::{Schemas, all_or_failures, indexed_schema};
use super::shared::take_querystring;
use super::shared::unstruct::Tracker;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const VENDOR: &str = "PagerDuty";
const TRACKER: Tracker = Tracker {
    version: "com.pagerduty-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: JSON,
    accepts: |found| found == JSON,
    events: "events",
    refuse_empty: false,
};
const INCIDENT: &str = "iglu:com.pagerduty/incident/jsonschema/1-0-0";
const SCHEMAS: &Schemas = &[
    ("incident.trigger", INCIDENT),
    ("incident.acknowledge", INCIDENT),
    ("incident.unacknowledge", INCIDENT),
    ("incident.resolve", INCIDENT),
    ("incident.assign", INCIDENT),
    ("incident.escalate", INCIDENT),
    ("incident.delegate", INCIDENT),
];

/// One raw event for every message.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let items = messages(&body)?;
    let querystring = take_querystring(&mut payload);
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let kind = select(&item, "type").text();
        results.push(
            match indexed_schema(VENDOR, index, kind.as_deref(), SCHEMAS) {
                Ok(schema) => Ok(TRACKER.event(&querystring, schema, &reformat(item)?)),
                Err(message) => Err(message),
            },
        );
    }
    all_or_failures(payload, results)
}

/// The elements of `messages`.
pub fn messages(body: &str) -> Result<Vec<Value<'_>>, AdapterFailure> {
    let value = json4s::parse(body)
        .map_err(|why| why.failure_with_class("PagerDuty payload failed to parse into JSON"))?;
    match select(&value, "messages") {
        Selected::One(Value::Array(items)) => Ok(items.clone()),
        Selected::Array(items) => Ok(items.into_iter().cloned().collect()),
        Selected::Nothing => Err(AdapterFailure::rejected(
            "PagerDuty payload does not contain the needed 'messages' key",
        )),
        Selected::One(_) => Err(AdapterFailure::rejected(
            "Could not resolve PagerDuty payload into a JSON array of events",
        )),
    }
}

/// Texts `null` become null, types lose their `incident.`, times get the `+` that form decoding took.
pub fn reformat(value: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    change_fields(value, &mut |(name, value)| {
        let value = match value {
            Value::String(text) => match name.as_ref() {
                _ if text == "null" => Value::Null,
                "type" if text.starts_with("incident.") => {
                    Value::String(Cow::Owned(text.replace("incident.", "")))
                }
                "created_on" | "last_status_change_on" => Value::String(with_plus(text)),
                _ => Value::String(text),
            },
            other => other,
        };
        Ok(Some((name, value)))
    })
}

/// ` 00:00` at the end becomes `+00:00`. The end may be before a last line terminator, as for Java's
/// `$`.
fn with_plus(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
        .iter()
        .find_map(|terminator| text.strip_suffix(terminator))
        .unwrap_or(&text)
        .len();
    match text[..end].strip_suffix(" 00:00") {
        Some(head) => Cow::Owned(format!("{head}+00:00{}", &text[end..])),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{posted, refused, unstructured};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(JSON), Some(body))
    }

    #[test]
    fn messages_become_events() {
        let list = unstructured(
            raw_events,
            post(
                r#"{"messages":[{"type":"incident.trigger","data":{"type":"incident.incident.x","by":"null","created_on":"2014-11-12T18:53:47 00:00"}},{"type":"incident.resolve","last_status_change_on":"2014-12-15T08:19:54Z"}]}"#,
            ),
        );
        assert_eq!(
            list,
            [
                (
                    INCIDENT.to_owned(),
                    r#"{"type":"trigger","data":{"type":"x","by":null,"created_on":"2014-11-12T18:53:47+00:00"}}"#.to_owned()
                ),
                (
                    INCIDENT.to_owned(),
                    r#"{"type":"resolve","last_status_change_on":"2014-12-15T08:19:54Z"}"#.to_owned()
                )
            ]
        );
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("a 00:00", "a+00:00"),
            ("a 00:00\n", "a+00:00\n"),
            ("a 00:00\r\n", "a+00:00\r\n"),
            ("a 00:00 ", "a 00:00 "),
            ("a 00:00\n\n", "a 00:00\n\n"),
            (" 00:00", "+00:00"),
            ("", ""),
        ] {
            assert_eq!(with_plus(Cow::Borrowed(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(JSON), None),
                "Request body is empty: no PagerDuty events to process",
            ),
            (
                posted(&[], Some("application/json; charset=utf-8"), Some("x")),
                "Content type of application/json; charset=utf-8 provided, expected \
                 application/json for PagerDuty",
            ),
            (
                post("{}"),
                "PagerDuty payload does not contain the needed 'messages' key",
            ),
            (
                post("{\"messages\":{}}"),
                "Could not resolve PagerDuty payload into a JSON array of events",
            ),
            (
                post("{\"messages\":[]}"),
                "List of events is empty (should never happen, not catching empty list properly)",
            ),
            (
                post("{\"messages\":[{\"type\":\"trigger\"}]}"),
                "PagerDuty event at index [0] failed: type parameter [trigger] not recognized",
            ),
            (
                post("{\"something:\"some\"}"),
                "PagerDuty payload failed to parse into JSON: \
                 [com.fasterxml.jackson.core.JsonParseException: Unexpected character ('s' (code \
                 115)): was expecting a colon to separate field name and value at [Source: \
                 {\"something:\"some\"}; line: 1, column: 15]]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
