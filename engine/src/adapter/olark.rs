//! Olark: a form whose field `data` is a conversation or an offline message (`OlarkAdapter`,
//! `com.olark/v1`).

use super::raw_event::Parameters;
use super::shared::body::{Expected, FORM, form};
use super::shared::camel_case::camelize;
use super::shared::json4s::{self, Selected, Unreadable, select};
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;
use crate::text::clean::strip_exception;
use crate::text::java_number::parse_long;
use crate::text::time::format_iso_millis;

const VENDOR: &str = "Olark";
const TRACKER: Tracker = Tracker {
    version: "com.olark-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: FORM,
    accepts: |found| found == FORM,
    events: "events",
    refuse_empty: true,
};
const SCHEMAS: &Schemas = &[
    ("transcript", "iglu:com.olark/transcript/jsonschema/1-0-0"),
    (
        "offline_message",
        "iglu:com.olark/offline_message/jsonschema/1-0-0",
    ),
];

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let form = form(&body).map_err(|message| {
        AdapterFailure::rejected(format!(
            "Olark could not parse body: [{}]",
            strip_exception(&message)
        ))
    })?;
    let event = event(&form)?;
    let kind = match select(&event, "operators") {
        Selected::Nothing => "offline_message",
        _ => "transcript",
    };
    let schema = schema(VENDOR, Some(kind), SCHEMAS)?;
    let data = camelize(with_times(event)?)?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, schema, &data);
    Ok(single_event(payload, parameters))
}

/// The object in the field `data`.
fn event(form: &Parameters) -> Result<Value<'_>, AdapterFailure> {
    let Some(data) = form.get("data") else {
        return Err(AdapterFailure::rejected(
            "Olark event data does not have 'data' as a key",
        ));
    };
    let incorrect = |message: &str| {
        AdapterFailure::rejected(format!(
            "Olark incorrect event string : [{}]",
            strip_exception(message)
        ))
    };
    let Some(data) = data.as_deref() else {
        return Err(incorrect("null"));
    };
    if data.is_empty() {
        return Err(AdapterFailure::rejected(
            "Olark event data is empty: nothing to process",
        ));
    }
    match json4s::parse(data) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(other) => Err(AdapterFailure::rejected(format!(
            "Olark event wrong type: [class {}]",
            json4s::class(&other)
        ))),
        Err(Unreadable::Syntax(message)) => Err(AdapterFailure::rejected(format!(
            "Olark event string failed to parse into JSON: [{}]",
            strip_exception(&message)
        ))),
        Err(Unreadable::NoContent(message)) => Err(incorrect(&message)),
    }
}

/// The event with ISO texts for the timestamps inside fields called `items`.
///
/// The reference goes through every object inside `items`, and each time through all that is inside
/// that object. A timestamp that is reached a second time is no number any more, which fails.
fn with_times(event: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    convert(event, 0, 0).map_err(|message| {
        AdapterFailure::rejected(format!(
            "Olark could not convert timestamps: [{}]",
            strip_exception(&message)
        ))
    })
}

/// `lists`: number of fields `items` around the value; `passes`: how often a field of the object
/// around the value is reached.
fn convert(value: Value<'_>, lists: u32, passes: u32) -> Result<Value<'_>, String> {
    match value {
        Value::Array(items) => {
            let mut converted = Vec::with_capacity(items.len());
            for item in items {
                converted.push(convert(item, lists, passes)?);
            }
            Ok(Value::Array(converted))
        }
        Value::Object(members) => {
            let passes = passes.saturating_add(lists);
            let mut converted = Vec::with_capacity(members.len());
            for (name, member) in members {
                let member = match (name.as_ref(), member) {
                    ("timestamp", Value::String(text)) if passes > 0 => {
                        let time = iso(&text)?;
                        if passes > 1 {
                            iso(&time)?;
                        }
                        Value::string(time)
                    }
                    ("items", member) => convert(member, lists.saturating_add(1), passes)?,
                    (_, member) => convert(member, lists, passes)?,
                };
                converted.push((name, member));
            }
            Ok(Value::Object(converted))
        }
        other => Ok(other),
    }
}

/// Seconds since the epoch, perhaps with a fraction, as ISO 8601 with milliseconds. The error is the
/// message of Java's exception.
fn iso(text: &str) -> Result<String, String> {
    // Java's `split` drops empty parts at the end.
    let mut parts: Vec<&str> = text.splitn(4, '.').collect();
    if text.is_empty() {
        parts = vec![""];
    } else {
        while parts
            .last()
            .is_some_and(|part| part.bytes().all(|b| b == b'.'))
        {
            parts.pop();
        }
    }
    let millis = match parts.as_slice() {
        [seconds] => format!("{seconds}000"),
        [seconds, fraction] => {
            let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
            format!("{seconds}{digits}")
        }
        _ => {
            return Err("[Ljava.lang.String;@xxxxxx (of class [Ljava.lang.String;)".to_owned());
        }
    };
    match parse_long(&millis) {
        Some(millis) => Ok(format_iso_millis(millis)),
        None => Err(format!("For input string: \"{millis}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    fn post(data: &str) -> CollectorPayload {
        let encoded: String = data.bytes().map(|b| format!("%{b:02X}")).collect();
        posted(&[], Some(FORM), Some(&format!("data={encoded}")))
    }

    #[test]
    fn conversations_and_messages() {
        let data = r#"{"kind":"Conversation","items":[{"timestamp":"1307116657.1","nick_name":"J"},{"timestamp":5}],"operators":{"1":{"chat_name":"x"}}}"#;
        assert_eq!(
            one(raw_events, post(data)),
            (
                "iglu:com.olark/transcript/jsonschema/1-0-0".to_owned(),
                r#"{"kind":"Conversation","items":[{"timestamp":"2011-06-03T15:57:37.100Z","nickName":"J"},{"timestamp":5}],"operators":{"1":{"chatName":"x"}}}"#
                    .to_owned()
            )
        );
        assert_eq!(
            one(raw_events, post(r#"{"timestamp":"x","a":[1]}"#)),
            (
                "iglu:com.olark/offline_message/jsonschema/1-0-0".to_owned(),
                r#"{"timestamp":"x","a":[1]}"#.to_owned()
            )
        );
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("1307116657", Ok("2011-06-03T15:57:37.000Z")),
            ("1307116661.25", Ok("2011-06-03T15:57:41.250Z")),
            ("1307116661.25999", Ok("2011-06-03T15:57:41.259Z")),
            ("1307116661.", Ok("2011-06-03T15:57:41.000Z")),
            (".5", Ok("1970-01-01T00:00:00.500Z")),
            ("", Ok("1970-01-01T00:00:00.000Z")),
            ("x", Err("For input string: \"x000\"")),
            (
                ".",
                Err("[Ljava.lang.String;@xxxxxx (of class [Ljava.lang.String;)"),
            ),
            (
                "1.2.3",
                Err("[Ljava.lang.String;@xxxxxx (of class [Ljava.lang.String;)"),
            ),
            ("1.2...", Ok("1970-01-01T00:00:01.200Z")),
        ] {
            assert_eq!(
                iso(text).as_deref().map_err(String::as_str),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn timestamps_that_are_reached_twice() {
        for data in [
            r#"{"items":[{"a":{"timestamp":"1307116657.1"}}]}"#,
            r#"{"items":[{"items":[{"timestamp":"1307116657.1"}]}]}"#,
        ] {
            assert_eq!(
                refused(raw_events, post(data)),
                ["Olark could not convert timestamps: [For input string: \
                     \"2011-06-03T15:57:37100\"]"]
            );
        }
        let (_, data) = one(raw_events, post(r#"{"items":{"timestamp":"0"}}"#));
        assert_eq!(
            data,
            r#"{"items":{"timestamp":"1970-01-01T00:00:00.000Z"}}"#
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(FORM), None),
                "Request body is empty: no Olark events to process",
            ),
            (
                posted(&[], Some("a/b"), Some("x")),
                "Content type of a/b provided, expected application/x-www-form-urlencoded for Olark",
            ),
            (
                posted(&[], Some(FORM), Some("")),
                "Olark event body is empty: nothing to process",
            ),
            (
                posted(&[], Some(FORM), Some("x={}")),
                "Olark could not parse body: [Illegal character in query at index 20: \
                 http://localhost/?x={}]",
            ),
            (
                posted(&[], Some(FORM), Some("x=y")),
                "Olark event data does not have 'data' as a key",
            ),
            (post(""), "Olark event data is empty: nothing to process"),
            (
                posted(&[], Some(FORM), Some("data")),
                "Olark incorrect event string : [null]",
            ),
            (
                post(" "),
                "Olark incorrect event string : [No content to map due to end-of-input at \
                 [Source:  ; line: 1, column: 1]]",
            ),
            (
                post("[]"),
                "Olark event wrong type: [class org.json4s.JsonAST$JArray]",
            ),
            (
                post("null"),
                "Olark event wrong type: [class org.json4s.JsonAST$JNull$]",
            ),
            (
                post("x"),
                "Olark event string failed to parse into JSON: [Unrecognized token 'x': was \
                 expecting ('true', 'false' or 'null') at [Source: x; line: 1, column: 3]]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
