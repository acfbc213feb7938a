//! HubSpot: a JSON array of events (`com.hubspot/v1`).
//!
//! R108 has no such adapter; this one does what `HubSpotAdapter` of later releases does.

use std::borrow::Cow;

use super::shared::body::{Expected, JSON};
use super::shared::clean_up::low_64_bits;
use super::shared::json4s::{self, change_fields, select};
use super::shared::lookup::{Schemas, all_or_failures, indexed_schema};
use super::shared::take_querystring;
use super::shared::unstruct::Tracker;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;
use crate::text::time::format_iso_millis;

const VENDOR: &str = "HubSpot";
const TRACKER: Tracker = Tracker {
    version: "com.hubspot-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: JSON,
    accepts: |found| found == JSON,
    events: "events",
    refuse_empty: false,
};
// One line a type.
#[rustfmt::skip]
const SCHEMAS: &Schemas = &[
    ("contact.creation", "iglu:com.hubspot/contact_creation/jsonschema/1-0-0"),
    ("contact.deletion", "iglu:com.hubspot/contact_deletion/jsonschema/1-0-0"),
    ("contact.propertyChange", "iglu:com.hubspot/contact_change/jsonschema/1-0-0"),
    ("company.creation", "iglu:com.hubspot/company_creation/jsonschema/1-0-0"),
    ("company.deletion", "iglu:com.hubspot/company_deletion/jsonschema/1-0-0"),
    ("company.propertyChange", "iglu:com.hubspot/company_change/jsonschema/1-0-0"),
    ("deal.creation", "iglu:com.hubspot/deal_creation/jsonschema/1-0-0"),
    ("deal.deletion", "iglu:com.hubspot/deal_deletion/jsonschema/1-0-0"),
    ("deal.propertyChange", "iglu:com.hubspot/deal_change/jsonschema/1-0-0"),
];

/// The field that names the type of an event.
const KIND: &str = "subscriptionType";
/// The field with the time of an event.
const TIME: &str = "occurredAt";

/// One raw event for every element of the array.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let items = match json4s::parse(&body) {
        Ok(Value::Array(items)) => items,
        Ok(_) => {
            return Err(AdapterFailure::rejected(
                "Could not resolve HubSpot payload into a JSON array of events",
            ));
        }
        Err(why) => {
            return Err(why.failure_with_class("HubSpot payload failed to parse into JSON"));
        }
    };
    let querystring = take_querystring(&mut payload);
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let kind = select(&item, KIND).text();
        results.push(
            match indexed_schema(VENDOR, index, kind.as_deref(), SCHEMAS) {
                Ok(schema) => Ok(TRACKER.event(&querystring, schema, &reformat(item)?)),
                Err(message) => Err(message),
            },
        );
    }
    all_or_failures(payload, results)
}

/// At any depth, types are removed where they are texts, and times in milliseconds become ISO 8601.
fn reformat(value: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    change_fields(value, &mut |(name, value)| {
        Ok(match (name.as_ref(), &value) {
            (KIND, Value::String(_)) => None,
            (TIME, Value::Number(number)) if number.is_integer() => {
                let time = format_iso_millis(low_64_bits(&number.token));
                Some((name, Value::String(Cow::Owned(time))))
            }
            _ => Some((name, value)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, pairs, posted, refused, resolver, unstructured};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(JSON), Some(body))
    }

    #[test]
    fn every_type() {
        for (kind, schema) in SCHEMAS {
            let body = format!(
                r#"[{{"objectId":1,"subscriptionType":"{kind}","occurredAt":1539145399845}}]"#
            );
            assert_eq!(
                one(raw_events, post(&body)),
                (
                    (*schema).to_owned(),
                    r#"{"objectId":1,"occurredAt":"2018-10-10T04:23:19.845Z"}"#.to_owned()
                )
            );
        }
    }

    #[test]
    fn several_events() {
        let body = r#"[{"subscriptionType":"deal.creation","occurredAt":0,"a":{"subscriptionType":"x","occurredAt":-1}},{"subscriptionType":"deal.deletion","occurredAt":"1","b":[{"subscriptionType":2,"occurredAt":1.5}]}]"#;
        let list = unstructured(raw_events, post(body));
        assert_eq!(list.len(), 2);
        assert_eq!(
            list[0].1,
            r#"{"occurredAt":"1970-01-01T00:00:00.000Z","a":{"occurredAt":"1969-12-31T23:59:59.999Z"}}"#
        );
        assert_eq!(
            list[1].1,
            r#"{"occurredAt":"1","b":[{"subscriptionType":2,"occurredAt":1.5}]}"#
        );
    }

    #[test]
    fn parameters_of_the_query_string() {
        let payload = posted(
            &[("nuid", "n"), ("p", "app"), ("x", "y")],
            Some(JSON),
            Some(r#"[{"subscriptionType":"contact.creation"}]"#),
        );
        let events = raw_events(payload, &resolver()).unwrap();
        let parameters = pairs(&events[0].parameters);
        assert_eq!(parameters.len(), 5);
        for pair in [
            ("tv", Some("com.hubspot-v1")),
            ("e", Some("ue")),
            ("p", Some("app")),
            ("nuid", Some("n")),
        ] {
            assert!(parameters.contains(&pair), "{pair:?}");
        }
    }

    #[test]
    fn one_bad_event_fails_all() {
        assert_eq!(
            refused(
                raw_events,
                post(
                    r#"[{"subscriptionType":"contact.merge"},{"subscriptionType":"deal.creation"},{},{"subscriptionType":""},1]"#
                )
            ),
            [
                "HubSpot event at index [0] failed: type parameter [contact.merge] not recognized",
                "HubSpot event at index [2] failed: type parameter not provided - cannot determine \
                 event type",
                "HubSpot event at index [3] failed: type parameter is empty - cannot determine \
                 event type",
                "HubSpot event at index [4] failed: type parameter not provided - cannot determine \
                 event type",
            ]
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(JSON), None),
                "Request body is empty: no HubSpot events to process",
            ),
            (
                posted(&[], None, Some("[]")),
                "Request body provided but content type empty, expected application/json for \
                 HubSpot",
            ),
            (
                posted(&[], Some("application/json; charset=utf-8"), Some("[]")),
                "Content type of application/json; charset=utf-8 provided, expected \
                 application/json for HubSpot",
            ),
            (
                post("{}"),
                "Could not resolve HubSpot payload into a JSON array of events",
            ),
            (
                post("[]"),
                "List of events is empty (should never happen, not catching empty list properly)",
            ),
            (
                post("{something"),
                "HubSpot payload failed to parse into JSON: \
                 [com.fasterxml.jackson.core.JsonParseException: Unexpected character ('s' (code \
                 115)): was expecting double-quote to start field name at [Source: {something; \
                 line: 1, column: 3]]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }

    #[test]
    fn times_beyond_all_years() {
        for time in [
            "9223372036854775807",
            "-9223372036854775808",
            "99999999999999999999999",
        ] {
            let body = format!(r#"[{{"subscriptionType":"deal.creation","occurredAt":{time}}}]"#);
            assert!(one(raw_events, post(&body)).1.contains("Z\""));
        }
    }
}
