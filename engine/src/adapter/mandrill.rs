//! Mandrill: a form with one field, a JSON array of events (`MandrillAdapter`, `com.mandrill/v1`).

use super::raw_event::Parameters;
use super::shared::body::{Expected, FORM, unguarded_form};
use super::shared::clean_up::clean_up;
use super::shared::json4s::{self, required_text, select};
use super::shared::lookup::{Schemas, all_or_failures, indexed_schema};
use super::shared::take_querystring;
use super::shared::unstruct::Tracker;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const VENDOR: &str = "Mandrill";
const TRACKER: Tracker = Tracker {
    version: "com.mandrill-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: FORM,
    accepts: |found| found == FORM,
    events: "events",
    refuse_empty: false,
};
const SCHEMAS: &Schemas = &[
    (
        "hard_bounce",
        "iglu:com.mandrill/message_bounced/jsonschema/1-0-1",
    ),
    (
        "click",
        "iglu:com.mandrill/message_clicked/jsonschema/1-0-1",
    ),
    (
        "deferral",
        "iglu:com.mandrill/message_delayed/jsonschema/1-0-1",
    ),
    (
        "spam",
        "iglu:com.mandrill/message_marked_as_spam/jsonschema/1-0-1",
    ),
    ("open", "iglu:com.mandrill/message_opened/jsonschema/1-0-1"),
    (
        "reject",
        "iglu:com.mandrill/message_rejected/jsonschema/1-0-0",
    ),
    ("send", "iglu:com.mandrill/message_sent/jsonschema/1-0-0"),
    (
        "soft_bounce",
        "iglu:com.mandrill/message_soft_bounced/jsonschema/1-0-1",
    ),
    (
        "unsub",
        "iglu:com.mandrill/recipient_unsubscribed/jsonschema/1-0-1",
    ),
];

/// One raw event for every element of the array.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let form = unguarded_form(&body)?;
    let items = items(&form)?;
    let querystring = take_querystring(&mut payload);
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let kind = select(&item, "event").text();
        results.push(
            match indexed_schema(VENDOR, index, kind.as_deref(), SCHEMAS) {
                Ok(schema) => {
                    let data = clean_up(item, "event", &kind.unwrap_or_default(), "ts")?;
                    Ok(TRACKER.event(&querystring, schema, &data))
                }
                Err(message) => Err(message),
            },
        );
    }
    all_or_failures(payload, results)
}

/// The elements of the array in the form's only field.
pub fn items(form: &Parameters) -> Result<Vec<Value<'_>>, AdapterFailure> {
    if form.len() != 1 {
        return Err(AdapterFailure::rejected(format!(
            "Mapped Mandrill body has invalid count of keys: {}",
            form.len()
        )));
    }
    let Some(events) = form.get("mandrill_events") else {
        return Err(AdapterFailure::rejected(
            "Mapped Mandrill body does not have 'mandrill_events' as a key",
        ));
    };
    let events = required_text(events.as_deref())?;
    if events.is_empty() {
        return Err(AdapterFailure::rejected(
            "Mandrill events string is empty: nothing to process",
        ));
    }
    match json4s::parse(events) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(_) => Err(AdapterFailure::rejected(
            "Could not resolve Mandrill payload into a JSON array of events",
        )),
        Err(why) => Err(why.failure_with_class("Mandrill events string failed to parse into JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{posted, refused, unstructured};
    use super::*;

    fn post(events: &str) -> CollectorPayload {
        let encoded: String = events.bytes().map(|b| format!("%{b:02X}")).collect();
        posted(&[], Some(FORM), Some(&format!("mandrill_events={encoded}")))
    }

    #[test]
    fn every_type() {
        for (kind, schema) in SCHEMAS {
            let body = format!(r#"[{{"event":"{kind}","ts":1415267366,"msg":{{"ts":1}}}}]"#);
            assert_eq!(
                unstructured(raw_events, post(&body)),
                [(
                    (*schema).to_owned(),
                    r#"{"ts":"2014-11-06T09:49:26.000Z","msg":{"ts":"1970-01-01T00:00:01.000Z"}}"#
                        .to_owned()
                )]
            );
        }
    }

    #[test]
    fn several_events() {
        let list = unstructured(
            raw_events,
            post(r#"[{"event":"send","a":1},{"event":"open","b":2}]"#),
        );
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].1, r#"{"a":1}"#);
        assert_eq!(list[1].1, r#"{"b":2}"#);
    }

    #[test]
    fn one_bad_event_fails_all() {
        assert_eq!(
            refused(
                raw_events,
                post(r#"[{"event":"sending"},{"event":"open"},{"x":1},{"event":""},1]"#)
            ),
            [
                "Mandrill event at index [0] failed: type parameter [sending] not recognized",
                "Mandrill event at index [2] failed: type parameter not provided - cannot \
                 determine event type",
                "Mandrill event at index [3] failed: type parameter is empty - cannot determine \
                 event type",
                "Mandrill event at index [4] failed: type parameter not provided - cannot \
                 determine event type"
            ]
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(FORM), Some("mandrill_events=a&b=c")),
                "Mapped Mandrill body has invalid count of keys: 2",
            ),
            (
                posted(&[], Some(FORM), Some("")),
                "Mapped Mandrill body has invalid count of keys: 0",
            ),
            (
                posted(&[], Some(FORM), Some("events=a")),
                "Mapped Mandrill body does not have 'mandrill_events' as a key",
            ),
            (
                post(""),
                "Mandrill events string is empty: nothing to process",
            ),
            (
                post("{}"),
                "Could not resolve Mandrill payload into a JSON array of events",
            ),
            (
                post("[]"),
                "List of events is empty (should never happen, not catching empty list properly)",
            ),
            (
                post("[x]"),
                "Mandrill events string failed to parse into JSON: \
                 [com.fasterxml.jackson.core.JsonParseException: Unrecognized token 'x': was \
                 expecting ('true', 'false' or 'null') at [Source: [x]; line: 1, column: 3]]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
