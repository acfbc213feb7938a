//! CallRail: the call is the query string (`CallrailAdapter`, `com.callrail/v1`). A body is not
//! looked at.

use super::shared::formatter::Formatter;
use super::shared::unstruct::{Tracker, data_parameters};
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;

const TRACKER: Tracker = Tracker {
    version: "com.callrail-v1",
    platform: "srv",
};
const SCHEMA: &str = "iglu:com.callrail/call_complete/jsonschema/1-0-0";
const FORMATTER: Formatter = Formatter {
    bools: &["first_call", "answered"],
    ints: &["duration"],
    date_times: &["datetime"],
};

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let querystring = take_querystring(&mut payload);
    if querystring.is_empty() {
        return Err(AdapterFailure::rejected(
            "Querystring is empty: no CallRail event to process",
        ));
    }
    let data = data_parameters(querystring.clone());
    let parameters = TRACKER.event(&querystring, SCHEMA, &FORMATTER.format(&data)?);
    Ok(single_event(payload, parameters))
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, payload, refused, resolver};
    use super::*;

    #[test]
    fn a_call() {
        let payload = payload(&[
            ("answered", "true"),
            ("datetime", "2014-10-09 16:23:45"),
            ("duration", "247"),
            ("nuid", "-"),
        ]);
        let events = raw_events(payload.clone(), &resolver()).unwrap();
        assert_eq!(
            events[0].parameters.get("nuid"),
            Some(&Some("-".to_owned()))
        );
        let (schema, data) = one(raw_events, payload);
        assert_eq!(schema, SCHEMA);
        assert_eq!(
            data,
            r#"{"answered":true,"datetime":"2014-10-09T16:23:45.000Z","duration":247}"#
        );
    }

    #[test]
    fn an_empty_query_string() {
        assert_eq!(
            refused(raw_events, payload(&[])),
            ["Querystring is empty: no CallRail event to process"]
        );
    }

    #[test]
    fn a_duration_without_value_throws() {
        let mut payload = payload(&[("answered", "true")]);
        payload.querystring.push(("duration".to_owned(), None));
        assert_eq!(
            refused(raw_events, payload),
            ["Unexpected error processing events: java.lang.NullPointerException\n"]
        );
    }
}
