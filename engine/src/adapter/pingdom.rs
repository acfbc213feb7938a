//! Pingdom: the parameter `message` of the query string is the event (`PingdomAdapter`,
//! `com.pingdom/v1`).

use super::shared::exception::null_pointer;
use super::shared::json4s::{self, remove_field, select};
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::Tracker;
use super::shared::{parameters, single_event};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const VENDOR: &str = "Pingdom";
const TRACKER: Tracker = Tracker {
    version: "com.pingdom-v1",
    platform: "srv",
};
const SCHEMAS: &Schemas = &[
    (
        "assign",
        "iglu:com.pingdom/incident_assign/jsonschema/1-0-0",
    ),
    (
        "notify_user",
        "iglu:com.pingdom/incident_notify_user/jsonschema/1-0-0",
    ),
    (
        "notify_of_close",
        "iglu:com.pingdom/incident_notify_of_close/jsonschema/1-0-0",
    ),
];

/// The only raw event of the payload. Body and content type are not looked at.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let pairs = std::mem::take(&mut payload.querystring);
    if pairs.is_empty() {
        return Err(AdapterFailure::rejected(
            "Pingdom payload querystring is empty: nothing to process",
        ));
    }
    let wrapped: Vec<String> = pairs
        .iter()
        .filter_map(|(name, value)| {
            let inner = unwrapped(value.as_deref()?)?;
            Some(format!(
                "Pingdom name-value pair [{name} -> {inner}]: Passed regex - Collector is not \
                 catching unicode wrappers anymore"
            ))
        })
        .collect();
    if !wrapped.is_empty() {
        return Err(AdapterFailure::Rejected(wrapped));
    }
    let mut querystring = parameters(pairs);
    let Some(message) = querystring.remove("message") else {
        return Err(AdapterFailure::rejected(
            "Pingdom payload querystring does not have 'message' as a key: no event to process",
        ));
    };
    let message = message.ok_or_else(null_pointer)?;
    let value = event(&message)?;
    let kind = select(&value, "action").text();
    let schema = schema(VENDOR, kind.as_deref(), SCHEMAS)?;
    let data = remove_field(value, "action", &kind.unwrap_or_default());
    let parameters = TRACKER.event(&querystring, schema, &data);
    Ok(single_event(payload, parameters))
}

/// The event in the parameter `message`.
pub fn event(message: &str) -> Result<Value<'_>, AdapterFailure> {
    json4s::parse(message)
        .map_err(|why| why.failure_with_class("Pingdom event failed to parse into JSON"))
}

/// What Pingdom wraps as `(u'...',)`: the reference's pattern `\(u'(.+)',\)`.
fn unwrapped(value: &str) -> Option<&str> {
    let inner = value.strip_prefix("(u'")?.strip_suffix("',)")?;
    let is_line = !inner.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    (is_line && !inner.is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, payload, refused, resolver};
    use super::*;

    #[test]
    fn events() {
        for (kind, schema) in SCHEMAS {
            let message = format!(r#"{{"check":"1","action":"{kind}","id":3}}"#);
            let payload = payload(&[("p", "apps"), ("message", &message)]);
            let events = raw_events(payload.clone(), &resolver()).unwrap();
            assert_eq!(
                events[0].parameters.get("p"),
                Some(&Some("apps".to_owned()))
            );
            assert_eq!(
                one(raw_events, payload),
                ((*schema).to_owned(), r#"{"check":"1","id":3}"#.to_owned())
            );
        }
    }

    #[test]
    fn wrappers() {
        for (value, inner) in [
            ("(u'app',)", Some("app")),
            ("(u'(u'x',)',)", Some("(u'x',)")),
            ("(u'',)", None),
            ("(u'a\nb',)", None),
            ("(u'app')", None),
            ("app", None),
            ("(u',)", None),
        ] {
            assert_eq!(unwrapped(value), inner, "{value}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(
            refused(raw_events, payload(&[])),
            ["Pingdom payload querystring is empty: nothing to process"]
        );
        assert_eq!(
            refused(
                raw_events,
                payload(&[("p", "(u'apps',)"), ("x", "y"), ("q", "(u'z',)")])
            ),
            [
                "Pingdom name-value pair [p -> apps]: Passed regex - Collector is not catching \
                 unicode wrappers anymore",
                "Pingdom name-value pair [q -> z]: Passed regex - Collector is not catching \
                 unicode wrappers anymore"
            ]
        );
        assert_eq!(
            refused(raw_events, payload(&[("p", "apps")])),
            ["Pingdom payload querystring does not have 'message' as a key: no event to process"]
        );
        assert_eq!(
            refused(raw_events, payload(&[("message", "{}")])),
            ["Pingdom event failed: type parameter not provided - cannot determine event type"]
        );
        assert_eq!(
            refused(
                raw_events,
                payload(&[("message", "{\"event\":incident_assign\"}")])
            ),
            ["Pingdom event failed to parse into JSON: \
                 [com.fasterxml.jackson.core.JsonParseException: Unrecognized token \
                 'incident_assign': was expecting ('true', 'false' or 'null') at [Source: \
                 {\"event\":incident_assign\"}; line: 1, column: 25]]"]
        );
    }
}
