//! Mailgun: a form, URL-encoded or in parts (`MailgunAdapter`, `com.mailgun/v1`).

mod multipart;

use std::borrow::Cow;

use super::raw_event::Parameters;
use super::shared::body::{Expected, FORM, form};
use super::shared::camel_case::camelize;
use super::shared::clean_up::clean_up;
use super::shared::json4s::{object_of, select};
use super::shared::lookup::{Schemas, schema};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;
use crate::text::clean::strip_exception;
use crate::text::java_number::parse_int;

const VENDOR: &str = "Mailgun";
const TRACKER: Tracker = Tracker {
    version: "com.mailgun-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: VENDOR,
    content_type: "application/x-www-form-urlencoded or multipart/form-data",
    accepts: |found| found.starts_with(FORM) || found.starts_with("multipart/form-data"),
    events: "events",
    refuse_empty: true,
};
const SCHEMAS: &Schemas = &[
    (
        "bounced",
        "iglu:com.mailgun/message_bounced/jsonschema/1-0-0",
    ),
    (
        "clicked",
        "iglu:com.mailgun/message_clicked/jsonschema/1-0-0",
    ),
    (
        "complained",
        "iglu:com.mailgun/message_complained/jsonschema/1-0-0",
    ),
    (
        "delivered",
        "iglu:com.mailgun/message_delivered/jsonschema/1-0-0",
    ),
    (
        "dropped",
        "iglu:com.mailgun/message_dropped/jsonschema/1-0-0",
    ),
    ("opened", "iglu:com.mailgun/message_opened/jsonschema/1-0-0"),
    (
        "unsubscribed",
        "iglu:com.mailgun/recipient_unsubscribed/jsonschema/1-0-0",
    ),
];

/// Fields without which an event is not Mailgun's; the first that is missing is named.
const REQUIRED: [&str; 3] = ["timestamp", "token", "signature"];

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let fields = fields(payload.content_type.as_deref().unwrap_or_default(), &body).map_err(
        |message: String| {
            AdapterFailure::rejected(format!(
                "MailgunAdapter could not parse body: [{}]",
                strip_exception(&message)
            ))
        },
    )?;
    let Some(kind) = fields.get("event") else {
        return Err(AdapterFailure::rejected(
            "No Mailgun event parameter provided: cannot determine event type",
        ));
    };
    let kind = kind.as_deref().unwrap_or("null");
    let schema = schema(VENDOR, Some(kind), SCHEMAS)?;
    if let Some(missing) = REQUIRED.iter().find(|name| !fields.contains_key(name)) {
        return Err(AdapterFailure::rejected(format!(
            "Mailgun event data missing '{missing}'"
        )));
    }
    let data = clean_up(event(&fields)?, "event", kind, "timestamp")?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, schema, &data);
    Ok(single_event(payload, parameters))
}

/// The fields of the body; the error is the message of an exception.
fn fields(content_type: &str, body: &str) -> Result<Parameters, String> {
    match multipart::boundary(content_type) {
        Some(boundary) => multipart::fields(body, boundary),
        None => form(body),
    }
}

/// The fields in camel case, without the plain text of the mail, the number of attachments as a
/// number and in front.
fn event(fields: &Parameters) -> Result<Value<'_>, AdapterFailure> {
    let value = camelize(object_of(fields))?;
    let count = match select(&value, "attachmentCount").text() {
        None => None,
        Some(text) => match parse_int(&text) {
            Some(count) => Some(count),
            None => {
                return Err(AdapterFailure::rejected(format!(
                    "Mailgun event string has unexpected number format: [{}]",
                    strip_exception(&format!("For input string: \"{text}\""))
                )));
            }
        },
    };
    let mut members = Vec::new();
    if let Some(count) = count {
        members.push((
            Cow::Borrowed("attachmentCount"),
            Value::integer(i64::from(count)),
        ));
    }
    if let Value::Object(all) = value {
        members.extend(
            all.into_iter()
                .filter(|(name, _)| name != "bodyPlain" && name != "attachmentCount"),
        );
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    const BODY: &str = "event=clicked&timestamp=1467297069&token=t&signature=s";

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(FORM), Some(body))
    }

    #[test]
    fn a_form() {
        let (schema, data) = one(raw_events, post(BODY));
        assert_eq!(schema, "iglu:com.mailgun/message_clicked/jsonschema/1-0-0");
        assert_eq!(
            data,
            r#"{"timestamp":"2016-06-30T14:31:09.000Z","token":"t","signature":"s"}"#
        );
    }

    #[test]
    fn names_and_attachments() {
        let body = format!("{BODY}&X-Mailgun-Sid=x&attachment-count=1&body-plain=text");
        let (_, data) = one(raw_events, post(&body));
        assert!(data.starts_with(r#"{"attachmentCount":1,"#), "{data}");
        assert!(data.contains(r#""xMailgunSid":"x""#), "{data}");
        assert!(!data.contains("bodyPlain"), "{data}");
        assert_eq!(
            refused(raw_events, post(&format!("{BODY}&attachment-count=two"))),
            ["Mailgun event string has unexpected number format: [For input string: \"two\"]"]
        );
    }

    #[test]
    fn a_body_in_parts() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nopened\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"timestamp\"\r\n\r\n1467297069\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"token\"\r\n\r\nt\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"signature\"\r\n\r\ns\r\n--b--\r\n";
        let payload = posted(&[], Some("multipart/form-data; boundary=b"), Some(body));
        assert_eq!(
            one(raw_events, payload),
            (
                "iglu:com.mailgun/message_opened/jsonschema/1-0-0".to_owned(),
                r#"{"timestamp":"2016-06-30T14:31:09.000Z","token":"t","signature":"s"}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn refusals() {
        for (payload, message) in [
            (
                posted(&[], Some(FORM), None),
                "Request body is empty: no Mailgun events to process",
            ),
            (
                posted(&[], None, Some("")),
                "Request body provided but content type empty, expected \
                 application/x-www-form-urlencoded or multipart/form-data for Mailgun",
            ),
            (
                posted(&[], Some("application/json"), Some("")),
                "Content type of application/json provided, expected \
                 application/x-www-form-urlencoded or multipart/form-data for Mailgun",
            ),
            (post(""), "Mailgun event body is empty: nothing to process"),
            (
                post("a=b"),
                "No Mailgun event parameter provided: cannot determine event type",
            ),
            (
                post("event=released"),
                "Mailgun event failed: type parameter [released] not recognized",
            ),
            (
                post("event=opened&signature=s"),
                "Mailgun event data missing 'timestamp'",
            ),
            (
                post("event=opened&timestamp=1&signature=s"),
                "Mailgun event data missing 'token'",
            ),
            (
                post("event=opened&timestamp=1&token=s"),
                "Mailgun event data missing 'signature'",
            ),
            (
                post("event=<>"),
                "MailgunAdapter could not parse body: [Illegal character in query at index 24: \
                 http://localhost/?event=<>]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
