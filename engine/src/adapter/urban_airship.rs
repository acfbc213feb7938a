//! Urban Airship Connect: the body is the event, which brings its own id and times
//! (`UrbanAirshipAdapter`, `com.urbanairship.connect/v1`).

use super::shared::body::no_body;
use super::shared::json4s::{self, select};
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::text::joda::parse_iso_date_time;

const VENDOR: &str = "UrbanAirship";
const TRACKER: Tracker = Tracker {
    version: "com.urbanairship.connect-v1",
    platform: "srv",
};
const SCHEMAS: &Schemas = &[
    (
        "CLOSE",
        "iglu:com.urbanairship.connect/CLOSE/jsonschema/1-0-0",
    ),
    (
        "CUSTOM",
        "iglu:com.urbanairship.connect/CUSTOM/jsonschema/1-0-0",
    ),
    (
        "FIRST_OPEN",
        "iglu:com.urbanairship.connect/FIRST_OPEN/jsonschema/1-0-0",
    ),
    (
        "IN_APP_MESSAGE_DISPLAY",
        "iglu:com.urbanairship.connect/IN_APP_MESSAGE_DISPLAY/jsonschema/1-0-0",
    ),
    (
        "IN_APP_MESSAGE_EXPIRATION",
        "iglu:com.urbanairship.connect/IN_APP_MESSAGE_EXPIRATION/jsonschema/1-0-0",
    ),
    (
        "IN_APP_MESSAGE_RESOLUTION",
        "iglu:com.urbanairship.connect/IN_APP_MESSAGE_RESOLUTION/jsonschema/1-0-0",
    ),
    (
        "LOCATION",
        "iglu:com.urbanairship.connect/LOCATION/jsonschema/1-0-0",
    ),
    (
        "OPEN",
        "iglu:com.urbanairship.connect/OPEN/jsonschema/1-0-0",
    ),
    (
        "PUSH_BODY",
        "iglu:com.urbanairship.connect/PUSH_BODY/jsonschema/1-0-0",
    ),
    (
        "REGION",
        "iglu:com.urbanairship.connect/REGION/jsonschema/1-0-0",
    ),
    (
        "RICH_DELETE",
        "iglu:com.urbanairship.connect/RICH_DELETE/jsonschema/1-0-0",
    ),
    (
        "RICH_DELIVERY",
        "iglu:com.urbanairship.connect/RICH_DELIVERY/jsonschema/1-0-0",
    ),
    (
        "RICH_HEAD",
        "iglu:com.urbanairship.connect/RICH_HEAD/jsonschema/1-0-0",
    ),
    (
        "SEND",
        "iglu:com.urbanairship.connect/SEND/jsonschema/1-0-0",
    ),
    (
        "TAG_CHANGE",
        "iglu:com.urbanairship.connect/TAG_CHANGE/jsonschema/1-0-0",
    ),
    (
        "UNINSTALL",
        "iglu:com.urbanairship.connect/UNINSTALL/jsonschema/1-0-0",
    ),
];

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let Some(body) = payload.body.take() else {
        return Err(no_body(VENDOR, "event"));
    };
    if let Some(content_type) = &payload.content_type {
        return Err(AdapterFailure::rejected(format!(
            "Content type of {content_type} provided, expected None for {VENDOR}"
        )));
    }
    let value = json4s::parse(&body)
        .map_err(|why| why.failure_with_class("UrbanAirship event failed to parse into JSON"))?;
    let schema = schema(VENDOR, select(&value, "type").text().as_deref(), SCHEMAS)?;
    let required = |name: &str| select(&value, name).text().ok_or_else(none_get);
    let mut querystring = take_querystring(&mut payload);
    let occurred = time(&required("occurred")?)?;
    querystring.insert("ttm", Some(occurred.to_string()));
    querystring.insert("eid", Some(required("id")?));
    let parameters = TRACKER.event(&querystring, schema, &value);
    payload.context.timestamp_ms = Some(time(&required("processed")?)?);
    Ok(single_event(payload, parameters))
}

/// Milliseconds since the epoch.
fn time(text: &str) -> Result<i64, AdapterFailure> {
    parse_iso_date_time(text).map_err(|message| {
        AdapterFailure::unexpected("java.lang.IllegalArgumentException", message)
    })
}

/// What the reference throws where a field is missing.
fn none_get() -> AdapterFailure {
    AdapterFailure::unexpected("java.util.NoSuchElementException", "None.get")
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused, resolver};
    use super::*;

    fn body(kind: &str) -> String {
        format!(
            r#"{{"id":"e3314efb","occurred":"2015-11-13T16:31:52.393Z","processed":"2015-11-13T16:31:53Z","type":"{kind}"}}"#
        )
    }

    #[test]
    fn every_type() {
        for (kind, schema) in SCHEMAS {
            let body = body(kind);
            assert_eq!(
                one(raw_events, posted(&[], None, Some(&body))),
                ((*schema).to_owned(), body)
            );
        }
    }

    #[test]
    fn id_and_times() {
        let payload = posted(&[("eid", "x"), ("nuid", "n")], None, Some(&body("OPEN")));
        let event = raw_events(payload, &resolver()).unwrap().remove(0);
        for (name, value) in [("eid", "e3314efb"), ("ttm", "1447432312393"), ("nuid", "n")] {
            assert_eq!(event.parameters.get(name), Some(&Some(value.to_owned())));
        }
        assert_eq!(event.context.timestamp_ms, Some(1_447_432_313_000));
    }

    #[test]
    fn refusals() {
        for (content_type, body, message) in [
            (
                None,
                None,
                "Request body is empty: no UrbanAirship event to process",
            ),
            (
                Some("a/b"),
                None,
                "Request body is empty: no UrbanAirship event to process",
            ),
            (
                Some("a/b"),
                Some("{"),
                "Content type of a/b provided, expected None for UrbanAirship",
            ),
            (
                None,
                Some("{}"),
                "UrbanAirship event failed: type parameter not provided - cannot determine event \
                 type",
            ),
            (
                None,
                Some("{\"type\":\"CLOSED\"}"),
                "UrbanAirship event failed: type parameter [CLOSED] not recognized",
            ),
            (
                None,
                Some("{\"type\":\"CLOSE\"}"),
                "Unexpected error processing events: java.util.NoSuchElementException: None.get\n",
            ),
            (
                None,
                Some("x"),
                "UrbanAirship event failed to parse into JSON: \
                 [com.fasterxml.jackson.core.JsonParseException: Unrecognized token 'x': was \
                 expecting ('true', 'false' or 'null') at [Source: x; line: 1, column: 3]]",
            ),
        ] {
            assert_eq!(
                refused(raw_events, posted(&[], content_type, body)),
                [message]
            );
        }
    }
}
