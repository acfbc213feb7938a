//! Vero: the body is the event (`VeroAdapter`, `com.getvero/v1`).

use std::borrow::Cow;

use super::shared::body::no_body;
use super::shared::clean_up::{clean_up, iso_of_seconds, low_64_bits};
use super::shared::json4s::{self, Selected, change_fields, scala_text, select};
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const VENDOR: &str = "Vero";
const TRACKER: Tracker = Tracker {
    version: "com.getvero-v1",
    platform: "srv",
};
const SCHEMAS: &Schemas = &[
    ("bounced", "iglu:com.getvero/bounced/jsonschema/1-0-0"),
    ("clicked", "iglu:com.getvero/clicked/jsonschema/1-0-0"),
    ("delivered", "iglu:com.getvero/delivered/jsonschema/1-0-0"),
    ("opened", "iglu:com.getvero/opened/jsonschema/1-0-0"),
    ("sent", "iglu:com.getvero/sent/jsonschema/1-0-0"),
    (
        "unsubscribed",
        "iglu:com.getvero/unsubscribed/jsonschema/1-0-0",
    ),
    ("user_created", "iglu:com.getvero/created/jsonschema/1-0-0"),
    ("user_updated", "iglu:com.getvero/updated/jsonschema/1-0-0"),
];

/// The only raw event of the payload. The content type is not looked at.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let Some(body) = payload.body.take() else {
        return Err(no_body(VENDOR, "event"));
    };
    let value = json4s::parse(&body).map_err(|why| {
        // As Jackson words it, line feed and all.
        why.failure(|message| format!("Vero event failed to parse into JSON: [{message}]"))
    })?;
    let kind = kind(&value).map_err(|message| {
        AdapterFailure::rejected(format!(
            "Could not extract type from Vero event JSON: [{message}]"
        ))
    })?;
    let cleaned = clean_up(value, "type", &kind, &format!("{kind}_at"))?;
    let data = reformat(cleaned)?;
    let schema = schema(VENDOR, Some(&kind), SCHEMAS)?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, schema, &data);
    Ok(single_event(payload, parameters))
}

/// The field `type`, or json4s's message about it.
fn kind(value: &Value<'_>) -> Result<String, String> {
    let convert =
        |shown: String| format!("Do not know how to convert {shown} into class java.lang.String");
    match select(value, "type") {
        Selected::Nothing => {
            Err("Did not find value which can be converted into java.lang.String".to_owned())
        }
        Selected::One(value) => json4s::text(value).ok_or_else(|| convert(scala_text(value))),
        Selected::Array(values) => Err(convert(scala_text(&Value::Array(
            values.into_iter().cloned().collect(),
        )))),
    }
}

/// Tags get their name, the time of the triggering event its form.
fn reformat(value: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    change_fields(value, &mut |(name, value)| {
        Ok(Some(match (name.as_ref(), value) {
            ("_tags", tags @ Value::Object(_)) => (Cow::Borrowed("tags"), tags),
            ("triggered_at", Value::Number(number)) if number.is_integer() => {
                let time = iso_of_seconds(low_64_bits(&number.token));
                (name, Value::string(time))
            }
            (_, value) => (name, value),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], None, Some(body))
    }

    #[test]
    fn every_type() {
        for (kind, schema) in SCHEMAS {
            let body = format!(r#"{{"type":"{kind}","{kind}_at":1435016238}}"#);
            assert_eq!(
                one(raw_events, post(&body)),
                (
                    (*schema).to_owned(),
                    format!(r#"{{"{kind}_at":"2015-06-22T23:37:18.000Z"}}"#)
                )
            );
        }
    }

    #[test]
    fn tags_and_the_triggering_event() {
        let body = r#"{"type":"sent","event":{"triggered_at":1424012238},"a":{"type":"sent","_tags":{"x":1}},"_tags":"y","list":[{"triggered_at":"5"}]}"#;
        assert_eq!(
            one(raw_events, post(body)).1,
            r#"{"event":{"triggered_at":"2015-02-15T14:57:18.000Z"},"a":{"tags":{"x":1}},"_tags":"y","list":[{"triggered_at":"5"}]}"#
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], None, None),
                "Request body is empty: no Vero event to process",
            ),
            (
                post("{}"),
                "Could not extract type from Vero event JSON: [Did not find value which can be \
                 converted into java.lang.String]",
            ),
            (
                post("{\"type\":true}"),
                "Could not extract type from Vero event JSON: [Do not know how to convert \
                 JBool(true) into class java.lang.String]",
            ),
            (
                post("{\"type\":\"x\"}"),
                "Vero event failed: type parameter [x] not recognized",
            ),
            (
                post("{\"type\":\"x\",\"x_at\":null}"),
                "Unexpected error processing events: scala.MatchError: JNull (of class \
                 org.json4s.JsonAST$JNull$)\n",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
