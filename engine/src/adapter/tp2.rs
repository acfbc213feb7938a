//! Tracker Protocol 2: one event in the query string, or any number of events in a JSON body, each
//! completed (and overridden) by the query string (`Tp2Adapter`).
//!
//! One invalid event makes the whole payload bad, because the body is validated as a whole.

use std::sync::LazyLock;

use super::raw_event::Parameters;
use super::shared::{events, parameters};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::{Resolver, SchemaCriterion, self_describing};
use crate::json::{self, Value};
use crate::text::jackson::{self, Style};

/// Content types that a body may have, compared for equality.
const CONTENT_TYPES: [&str; 3] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=UTF-8",
];

/// How refusals name the content types: as the reference's own cases have it, without the third.
const CONTENT_TYPES_TEXT: &str = "application/json, application/json; charset=utf-8";

/// What a body has to be.
static PAYLOAD_DATA: LazyLock<SchemaCriterion> = LazyLock::new(|| SchemaCriterion {
    vendor: "com.snowplowanalytics.snowplow".to_owned(),
    name: "payload_data".to_owned(),
    format: "jsonschema".to_owned(),
    model: 1,
    revision: Some(0),
    addition: None,
});

/// The raw events of query string and body.
pub fn raw_events(mut payload: CollectorPayload, resolver: &Resolver) -> AdapterResult {
    let querystring = parameters(std::mem::take(&mut payload.querystring));
    let body = payload.body.take();
    let list = match (body.as_deref(), payload.content_type.as_deref()) {
        (None, _) if querystring.is_empty() => {
            return Err(AdapterFailure::rejected(
                "Request body and querystring parameters empty, expected at least one populated",
            ));
        }
        (_, Some(content_type)) if !CONTENT_TYPES.contains(&content_type) => {
            return Err(AdapterFailure::rejected(format!(
                "Content type of {content_type} provided, expected one of: {CONTENT_TYPES_TEXT}"
            )));
        }
        (Some(_), None) => {
            return Err(AdapterFailure::rejected(format!(
                "Request body provided but content type empty, expected one of: \
                 {CONTENT_TYPES_TEXT}"
            )));
        }
        (None, Some(content_type)) => {
            return Err(AdapterFailure::rejected(format!(
                "Content type of {content_type} provided but request body empty"
            )));
        }
        (None, None) => vec![querystring],
        (Some(body), Some(_)) => body_parameters(valid_body(body, resolver)?, &querystring)?,
    };
    Ok(events(payload, list))
}

/// The body as JSON, found valid.
fn valid_body<'a>(body: &'a str, resolver: &Resolver) -> Result<Value<'a>, AdapterFailure> {
    let reject = |error: Option<&json::ParseError>| {
        AdapterFailure::rejected(jackson::field_error("Body", body, error, Style::Enrich))
    };
    let value = match json::parse(body) {
        Ok(Some(value)) => value,
        Ok(None) => return Err(reject(None)),
        Err(error) => return Err(reject(Some(&error))),
    };
    match self_describing::validate(resolver, &value, Some(&PAYLOAD_DATA)) {
        Ok(_) => Ok(value),
        Err(messages) => Err(AdapterFailure::Rejected(
            messages.iter().map(|m| m.to_multiline()).collect(),
        )),
    }
}

/// The parameters of every event of a valid body, overridden by those of the query string. The
/// schema leaves nothing to complain about; the messages are for a schema that has changed.
fn body_parameters(
    body: Value<'_>,
    querystring: &Parameters,
) -> Result<Vec<Parameters>, AdapterFailure> {
    let data = match body {
        Value::Object(members) => members
            .into_iter()
            .find(|(key, _)| key == "data")
            .map(|(_, value)| value),
        _ => None,
    };
    let Some(Value::Array(items)) = data else {
        return Err(empty_list());
    };
    let overrides: Vec<_> = querystring.iter().collect();
    let mut list = Vec::with_capacity(items.len());
    let mut failures = Vec::new();
    for item in items {
        let mut parameters = Parameters::new();
        let members = match item {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        for (key, value) in members {
            match value {
                Value::String(text) => {
                    parameters.insert(key.into_owned(), Some(text.into_owned()));
                }
                _ => failures.push(format!(
                    "Value for key {key} is not a String (should never happen, did JSON Schema \
                     change?)"
                )),
            }
        }
        for (key, value) in &overrides {
            parameters.insert(*key, (*value).clone());
        }
        list.push(parameters);
    }
    if list.is_empty() {
        Err(empty_list())
    } else if failures.is_empty() {
        Ok(list)
    } else {
        Err(AdapterFailure::Rejected(failures))
    }
}

fn empty_list() -> AdapterFailure {
    AdapterFailure::rejected(
        "List of events is empty (should never happen, did JSON Schema change?)",
    )
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{pairs, payload, resolver};
    use super::*;

    fn refused(
        querystring: &[(&str, &str)],
        content_type: Option<&str>,
        body: Option<&str>,
    ) -> Vec<String> {
        let mut payload = payload(querystring);
        payload.content_type = content_type.map(str::to_owned);
        payload.body = body.map(str::to_owned);
        raw_events(payload, &resolver())
            .unwrap_err()
            .into_messages()
    }

    #[test]
    fn one_event_in_the_query_string() {
        let events = raw_events(payload(&[("aid", "tp2"), ("e", "se")]), &resolver()).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            pairs(&events[0].parameters),
            [("aid", Some("tp2")), ("e", Some("se"))]
        );
    }

    #[test]
    fn mismatches() {
        let json = Some("application/json");
        for (querystring, content_type, body, expected) in [
            (
                &[][..],
                None,
                None,
                "Request body and querystring parameters empty, expected at least one populated",
            ),
            // The emptiness of both is noticed before the content type.
            (
                &[],
                Some("text/plain"),
                None,
                "Request body and querystring parameters empty, expected at least one populated",
            ),
            (
                &[],
                Some("text/plain"),
                Some("{}"),
                "Content type of text/plain provided, expected one of: application/json, \
                 application/json; charset=utf-8",
            ),
            (
                &[("a", "b")],
                Some("application/json;charset=utf-8"),
                None,
                "Content type of application/json;charset=utf-8 provided, expected one of: \
                 application/json, application/json; charset=utf-8",
            ),
            (
                &[("a", "b")],
                None,
                Some("{}"),
                "Request body provided but content type empty, expected one of: \
                 application/json, application/json; charset=utf-8",
            ),
            (
                &[("a", "b")],
                json,
                None,
                "Content type of application/json provided but request body empty",
            ),
        ] {
            assert_eq!(refused(querystring, content_type, body), [expected]);
        }
    }

    #[test]
    fn bodies_that_are_not_json() {
        assert_eq!(
            refused(&[], Some("application/json"), Some("body")),
            [
                "Field [Body]: invalid JSON [body] with parsing error: Unrecognized token \
                 'body': was expecting ('true', 'false' or 'null') at [Source: body; line: 1, \
                 column: 9]"
            ]
        );
        assert_eq!(
            refused(&[], Some("application/json; charset=UTF-8"), Some("")),
            ["Field [Body]: invalid JSON [] with parsing error: mapping resulted in null"]
        );
    }

    #[test]
    fn the_query_string_overrides_the_body() {
        let body = json::parse(
            r#"{"schema":"s","data":[{"tv":"1","e":"pv"},{"tv":"2","e":"pp","p":"web"}]}"#,
        )
        .unwrap()
        .unwrap();
        let querystring = parameters(vec![
            ("tv".to_owned(), Some("0".to_owned())),
            ("nuid".to_owned(), Some("n".to_owned())),
        ]);
        let list = body_parameters(body, &querystring).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(
            pairs(&list[0]),
            [("tv", Some("0")), ("e", Some("pv")), ("nuid", Some("n"))]
        );
        assert_eq!(
            pairs(&list[1]),
            [
                ("tv", Some("0")),
                ("e", Some("pp")),
                ("p", Some("web")),
                ("nuid", Some("n"))
            ]
        );
    }

    #[test]
    fn what_the_schema_should_have_refused() {
        let none = Parameters::new();
        let of = |text| body_parameters(json::parse(text).unwrap().unwrap(), &none);
        for text in ["{}", r#"{"data":[]}"#, r#"{"data":1}"#, "[]"] {
            assert_eq!(
                of(text).unwrap_err().into_messages(),
                ["List of events is empty (should never happen, did JSON Schema change?)"]
            );
        }
        assert_eq!(
            of(r#"{"data":[{"a":1,"b":"x"},{"c":null}]}"#)
                .unwrap_err()
                .into_messages(),
            [
                "Value for key a is not a String (should never happen, did JSON Schema change?)",
                "Value for key c is not a String (should never happen, did JSON Schema change?)"
            ]
        );
    }
}
