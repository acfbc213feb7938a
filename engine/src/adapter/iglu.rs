//! Iglu webhook: events of any schema, as query string, form, JSON, or self-describing JSON
//! (`IgluAdapter`, `com.snowplowanalytics.iglu/v1`).

use super::shared::body::{FORM, form};
use super::shared::exception::illegal_argument_text;
use super::shared::formatter::Formatter;
use super::shared::json4s::{self, object_of, required_text, select};
use super::shared::unstruct::{Tracker, data_parameters};
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::adapter::raw_event::Parameters;
use crate::collector::payload::CollectorPayload;
use crate::iglu::{Resolver, SchemaKey};
use crate::json::Value;

const TRACKER: Tracker = Tracker {
    version: "com.snowplowanalytics.iglu-v1",
    platform: "app",
};

/// Forms are posted by servers.
const FORM_TRACKER: Tracker = Tracker {
    platform: "srv",
    ..TRACKER
};

/// Content types of JSON bodies, compared for equality: `charset=UTF-8` is not one of them.
const JSON_TYPES: [&str; 2] = ["application/json", "application/json; charset=utf-8"];

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let querystring = take_querystring(&mut payload);
    let body = payload.body.take();
    let content_type = payload.content_type.as_deref();
    let parameters = match (querystring.get("schema"), body.as_deref(), content_type) {
        (_, Some(_), None) => {
            return Err(AdapterFailure::rejected(
                "Iglu event failed: ContentType must be set for a POST payload",
            ));
        }
        (None, Some(body), Some(content_type)) => {
            self_describing_body(&querystring, body, content_type)?
        }
        (Some(schema), body, content_type) => {
            let schema = required_text(schema.as_deref())?.to_owned();
            check_schema(&schema)?;
            match (body, content_type) {
                (Some(body), Some(content_type)) => {
                    body_of_schema(&querystring, &schema, body, content_type)?
                }
                _ => querystring_event(querystring, &schema)?,
            }
        }
        (None, None, _) => {
            return Err(AdapterFailure::rejected(
                "Iglu event failed: is not a sd-json or a valid GET or POST request",
            ));
        }
    };
    Ok(single_event(payload, parameters))
}

/// The query string but for `schema` is the data.
fn querystring_event(
    mut querystring: Parameters,
    schema: &str,
) -> Result<Parameters, AdapterFailure> {
    querystring.remove("schema");
    let data = data_parameters(querystring.clone());
    let data = Formatter::default().format(&data)?;
    Ok(TRACKER.event(&querystring, schema, &data))
}

/// The body is the data, its schema is in the query string.
fn body_of_schema(
    querystring: &Parameters,
    schema: &str,
    body: &str,
    content_type: &str,
) -> Result<Parameters, AdapterFailure> {
    if JSON_TYPES.contains(&content_type) {
        let data = parse(body)?;
        let has_children = match &data {
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => false,
        };
        if !has_children {
            return Err(AdapterFailure::rejected(
                "Iglu event failed json sanity check: has no key-value pairs",
            ));
        }
        Ok(TRACKER.event(querystring, schema, &data))
    } else if content_type == FORM {
        let data = form(body).map_err(|message| {
            AdapterFailure::rejected(format!(
                "Iglu incorrect event string : [{}]",
                illegal_argument_text(&message)
            ))
        })?;
        Ok(FORM_TRACKER.event(querystring, schema, &object_of(&data)))
    } else {
        Err(unsupported())
    }
}

/// The body names its schema itself.
fn self_describing_body(
    querystring: &Parameters,
    body: &str,
    content_type: &str,
) -> Result<Parameters, AdapterFailure> {
    if !JSON_TYPES.contains(&content_type) {
        return Err(unsupported());
    }
    let value = parse(body)?;
    let missing = |key: &str| {
        AdapterFailure::rejected(format!(
            "Iglu event failed: detected SelfDescribingJson but {key} key is missing"
        ))
    };
    let schema = select(&value, "schema")
        .text()
        .ok_or_else(|| missing("schema"))?;
    let json4s::Selected::One(data @ Value::Object(_)) = select(&value, "data") else {
        return Err(missing("data"));
    };
    check_schema(&schema)?;
    Ok(TRACKER.event(querystring, &schema, data))
}

fn parse(body: &str) -> Result<Value<'_>, AdapterFailure> {
    json4s::parse(body).map_err(|why| why.failure_with_class("Event failed to parse into JSON"))
}

fn check_schema(uri: &str) -> Result<(), AdapterFailure> {
    match SchemaKey::parse(uri) {
        Some(_) => Ok(()),
        None => Err(AdapterFailure::rejected(format!(
            "{uri} is not a valid Iglu-format schema URI"
        ))),
    }
}

fn unsupported() -> AdapterFailure {
    AdapterFailure::rejected("Content type not supported")
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, payload, posted, refused, resolver};
    use super::*;

    const SCHEMA: &str = "iglu:com.acme/campaign/jsonschema/1-0-1";
    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn query_strings() {
        let (schema, data) = one(
            raw_events,
            payload(&[
                ("schema", SCHEMA),
                ("name", "download"),
                ("source", ""),
                ("p", "mob"),
            ]),
        );
        assert_eq!(schema, SCHEMA);
        assert_eq!(data, r#"{"name":"download","source":null}"#);
        // Seven parameters iterate as a hash map.
        let payload = payload(&[
            ("schema", SCHEMA),
            ("user", "6"),
            ("name", "download"),
            ("source", ""),
            ("tracking_id", ""),
            ("ad_unit", ""),
            ("aid", "webhook"),
        ]);
        let events = raw_events(payload.clone(), &resolver()).unwrap();
        assert_eq!(events[0].parameters.get("p"), Some(&Some("app".to_owned())));
        assert_eq!(
            events[0].parameters.get("aid"),
            Some(&Some("webhook".to_owned()))
        );
        assert_eq!(
            one(raw_events, payload).1,
            r#"{"name":"download","source":null,"ad_unit":null,"tracking_id":null,"user":"6"}"#
        );
    }

    #[test]
    fn bodies_with_the_schema_in_the_query_string() {
        let querystring = [("schema", SCHEMA), ("some", "foo")];
        for content_type in JSON_TYPES {
            let payload = posted(
                &querystring,
                Some(content_type),
                Some("{\"key\": [1.0, 2]}"),
            );
            assert_eq!(
                one(raw_events, payload),
                (SCHEMA.to_owned(), "{\"key\":[1.0,2]}".to_owned())
            );
        }
        let payload = posted(&querystring, Some(FORM), Some("some_param=foo&hello="));
        let events = raw_events(payload.clone(), &resolver()).unwrap();
        assert_eq!(events[0].parameters.get("p"), Some(&Some("srv".to_owned())));
        assert_eq!(
            one(raw_events, payload).1,
            r#"{"some_param":"foo","hello":""}"#
        );
    }

    #[test]
    fn self_describing_bodies() {
        let body = format!(r#"{{"schema":"{SCHEMA}", "data":{{"some_param":"foo"}}}}"#);
        assert_eq!(
            one(raw_events, posted(&[("p", "mob")], JSON, Some(&body))),
            (SCHEMA.to_owned(), r#"{"some_param":"foo"}"#.to_owned())
        );
    }

    #[test]
    fn refusals() {
        let with = [("schema", SCHEMA)];
        for (querystring, content_type, body, message) in [
            (
                &[("p", "mob")][..],
                None,
                None,
                "Iglu event failed: is not a sd-json or a valid GET or POST request",
            ),
            (
                &[],
                JSON,
                None,
                "Iglu event failed: is not a sd-json or a valid GET or POST request",
            ),
            (
                &with,
                None,
                Some("{}"),
                "Iglu event failed: ContentType must be set for a POST payload",
            ),
            (
                &[],
                None,
                Some("{}"),
                "Iglu event failed: ContentType must be set for a POST payload",
            ),
            (
                &with,
                Some("application/json; charset=UTF-8"),
                Some("{}"),
                "Content type not supported",
            ),
            (&[], Some(FORM), Some("{}"), "Content type not supported"),
            (
                &[("schema", "iglooooooo://blah")],
                None,
                None,
                "iglooooooo://blah is not a valid Iglu-format schema URI",
            ),
            (
                &with,
                JSON,
                Some("{}"),
                "Iglu event failed json sanity check: has no key-value pairs",
            ),
            (
                &with,
                JSON,
                Some("[]"),
                "Iglu event failed json sanity check: has no key-value pairs",
            ),
            (
                &with,
                JSON,
                Some("1"),
                "Iglu event failed json sanity check: has no key-value pairs",
            ),
            (
                &[],
                JSON,
                Some("{\"data\":{}}"),
                "Iglu event failed: detected SelfDescribingJson but schema key is missing",
            ),
            (
                &[],
                JSON,
                Some("{\"schema\":\"x\",\"data\":[]}"),
                "Iglu event failed: detected SelfDescribingJson but data key is missing",
            ),
            (
                &[],
                JSON,
                Some("{\"schema\":\"x\",\"data\":{}}"),
                "x is not a valid Iglu-format schema URI",
            ),
            (
                &with,
                Some(FORM),
                Some("a=<>"),
                "Iglu incorrect event string : [java.lang.IllegalArgumentException: Illegal \
                 character in query at index 20: http://localhost/?a=<>]",
            ),
        ] {
            assert_eq!(
                refused(raw_events, posted(querystring, content_type, body)),
                [message],
                "{querystring:?} {content_type:?} {body:?}"
            );
        }
    }
}
