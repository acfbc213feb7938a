//! Marketo: the body is the event (`MarketoAdapter`, `com.marketo/v1`).

use super::shared::body::no_body;
use super::shared::formatter::reformat_date_time;
use super::shared::json4s::{self, change_fields};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;

const TRACKER: Tracker = Tracker {
    version: "com.marketo-v1",
    platform: "srv",
};
const SCHEMA: &str = "iglu:com.marketo/event/jsonschema/1-0-0";

/// Fields with times, at any depth.
const TIMES: [&str; 7] = [
    "acquisition_date",
    "created_at",
    "email_suspended_at",
    "last_referred_enrollment",
    "last_referred_visit",
    "updated_at",
    "datetime",
];

/// The only raw event of the payload. The content type is not looked at.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let Some(body) = payload.body.take() else {
        return Err(no_body("Marketo", "event"));
    };
    let value = json4s::parse(&body).map_err(|why| {
        // As Jackson words it, line feed and all.
        why.failure(|message| format!("Marketo event failed to parse into JSON: [{message}]"))
    })?;
    let data = reformat_times(value)?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, SCHEMA, &data);
    Ok(single_event(payload, parameters))
}

fn reformat_times(value: Value<'_>) -> Result<Value<'_>, AdapterFailure> {
    change_fields(value, &mut |(name, value)| {
        let value = match value {
            Value::String(text) if TIMES.contains(&name.as_ref()) => {
                let reformatted = reformat_date_time(&text).into_owned();
                Value::string(reformatted)
            }
            other => other,
        };
        Ok(Some((name, value)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    #[test]
    fn times_are_reformatted() {
        let body = r#"{"name":"w","lead":{"acquisition_date":"2010-11-11 11:11:11","updated_at":""},"list":[{"datetime":"2018-03-07 14:28:16"}],"created_at":5}"#;
        assert_eq!(
            one(raw_events, posted(&[], None, Some(body))),
            (
                SCHEMA.to_owned(),
                r#"{"name":"w","lead":{"acquisition_date":"2010-11-11T11:11:11.000Z","updated_at":""},"list":[{"datetime":"2018-03-07T14:28:16.000Z"}],"created_at":5}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn equal_keys_are_all_kept() {
        let body = r#"{"campaign":{"id":160},"campaign":{"id":987}}"#;
        assert_eq!(one(raw_events, posted(&[], None, Some(body))).1, body);
    }

    #[test]
    fn refusals() {
        assert_eq!(
            refused(raw_events, posted(&[], None, None)),
            ["Request body is empty: no Marketo event to process"]
        );
        assert_eq!(
            refused(raw_events, posted(&[], None, Some("<xml>"))),
            [
                "Marketo event failed to parse into JSON: [Unexpected character ('<' (code 60)): \
                 expected a valid value (number, String, array, object, 'true', 'false' or \
                 'null')\n at [Source: <xml>; line: 1, column: 2]]"
            ]
        );
        assert_eq!(
            refused(raw_events, posted(&[], None, Some(" "))),
            ["Unexpected error processing events: \
                 com.fasterxml.jackson.databind.JsonMappingException: No content to map due to \
                 end-of-input\n at [Source:  ; line: 1, column: 1]\n"]
        );
    }
}
