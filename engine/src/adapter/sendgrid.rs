//! SendGrid: a JSON array of events (`SendgridAdapter`, `com.sendgrid/v3`).

use super::shared::body::{Expected, JSON};
use super::shared::clean_up::clean_up;
use super::shared::json4s::{self, children, select_only};
use super::shared::lookup::{Schemas, all_or_failures, indexed_schema};
use super::shared::take_querystring;
use super::shared::unstruct::Tracker;
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;

const VENDOR: &str = "Sendgrid";
const TRACKER: Tracker = Tracker {
    version: "com.sendgrid-v3",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: JSON,
    accepts: is_json,
    events: "event",
    refuse_empty: false,
};
const SCHEMAS: &Schemas = &[
    ("processed", "iglu:com.sendgrid/processed/jsonschema/1-0-0"),
    ("dropped", "iglu:com.sendgrid/dropped/jsonschema/1-0-0"),
    ("delivered", "iglu:com.sendgrid/delivered/jsonschema/1-0-0"),
    ("deferred", "iglu:com.sendgrid/deferred/jsonschema/1-0-0"),
    ("bounce", "iglu:com.sendgrid/bounce/jsonschema/1-0-0"),
    ("open", "iglu:com.sendgrid/open/jsonschema/1-0-0"),
    ("click", "iglu:com.sendgrid/click/jsonschema/1-0-0"),
    (
        "spamreport",
        "iglu:com.sendgrid/spamreport/jsonschema/1-0-0",
    ),
    (
        "unsubscribe",
        "iglu:com.sendgrid/unsubscribe/jsonschema/1-0-0",
    ),
    (
        "group_unsubscribe",
        "iglu:com.sendgrid/group_unsubscribe/jsonschema/1-0-0",
    ),
    (
        "group_resubscribe",
        "iglu:com.sendgrid/group_resubscribe/jsonschema/1-0-0",
    ),
];

/// One raw event for every element of the array (or member of an object).
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let value = json4s::parse(&body)
        .map_err(|why| why.failure_with_class("Sendgrid event failed to parse into JSON"))?;
    let items = children(value);
    if items.is_empty() {
        return Err(AdapterFailure::rejected(
            "Sendgrid event failed json sanity check: has no events",
        ));
    }
    let querystring = take_querystring(&mut payload);
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let kind = select_only(&item, "event").and_then(json4s::text);
        results.push(
            match indexed_schema(VENDOR, index, kind.as_deref(), SCHEMAS) {
                Ok(schema) => {
                    let data = clean_up(item, "event", &kind.unwrap_or_default(), "timestamp")?;
                    Ok(TRACKER.event(&querystring, schema, &data))
                }
                Err(message) => Err(message),
            },
        );
    }
    all_or_failures(payload, results)
}

/// Whether the base type is JSON: parameters after it are ignored, if they are well formed.
fn is_json(content_type: &str) -> bool {
    if content_type == JSON {
        return true;
    }
    let Some(rest) = content_type.trim_start_matches(is_blank).strip_prefix(JSON) else {
        return false;
    };
    let mut rest = rest.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let Some(parameter) = rest.strip_prefix(';') else {
            return false;
        };
        let parameter = parameter.trim_start_matches(is_blank);
        if parameter.is_empty() {
            return true;
        }
        let Some(after) = after_token(parameter)
            .map(|text| text.trim_start_matches(is_blank))
            .and_then(|text| text.strip_prefix('='))
            .map(|text| text.trim_start_matches(is_blank))
            .and_then(|text| after_quoted(text).or_else(|| after_token(text)))
        else {
            return false;
        };
        rest = after.trim_start_matches(is_blank);
    }
    true
}

/// What follows a MIME token.
fn after_token(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?=".contains(c))
        .unwrap_or(text.len());
    (end > 0).then(|| &text[end..])
}

/// What follows a quoted string.
fn after_quoted(text: &str) -> Option<&str> {
    let text = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

/// White space between the tokens of a header.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{posted, refused, unstructured};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(JSON), Some(body))
    }

    #[test]
    fn every_type() {
        for (kind, schema) in SCHEMAS {
            let body = format!(r#" [{{"email":"a@b","timestamp":1446549615,"event":"{kind}"}}]"#);
            assert_eq!(
                unstructured(raw_events, post(&body)),
                [(
                    (*schema).to_owned(),
                    r#"{"email":"a@b","timestamp":"2015-11-03T11:20:15.000Z"}"#.to_owned()
                )]
            );
        }
    }

    #[test]
    fn members_of_an_object_and_types_further_inside() {
        assert_eq!(
            unstructured(raw_events, post(r#"{"a":{"x":[{"event":"open"}]}}"#)),
            [(
                "iglu:com.sendgrid/open/jsonschema/1-0-0".to_owned(),
                r#"{"x":[{}]}"#.to_owned()
            )]
        );
    }

    #[test]
    fn content_types() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"utf-8\" ; a=b;", true),
            (" application/json ", true),
            ("application/json charset=utf-8", false),
            ("application/json; charset", false),
            ("application/json; =x", false),
            ("application/json; a=\"x", false),
            ("application/jsonp", false),
            ("Application/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), accepted, "{content_type}");
        }
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(JSON), None),
                "Request body is empty: no Sendgrid event to process",
            ),
            (
                posted(&[], None, Some("[]")),
                "Request body provided but content type empty, expected application/json for \
                 Sendgrid",
            ),
            (
                post("[ ]"),
                "Sendgrid event failed json sanity check: has no events",
            ),
            (
                post("5"),
                "Sendgrid event failed json sanity check: has no events",
            ),
            (
                post(r#"[{"event":"moon landing"}]"#),
                "Sendgrid event at index [0] failed: type parameter [moon landing] not recognized",
            ),
            (
                post(r#"[{"event":"open"},{"email":"x"}]"#),
                "Sendgrid event at index [1] failed: type parameter not provided - cannot \
                 determine event type",
            ),
            (
                post(r#"[{"event":"open","a":{"event":"open"}}]"#),
                "Sendgrid event at index [0] failed: type parameter not provided - cannot \
                 determine event type",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
