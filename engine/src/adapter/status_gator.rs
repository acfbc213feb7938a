//! StatusGator: a form is the event (`StatusGatorAdapter`, `com.statusgator/v1`).

use super::shared::body::{Expected, FORM, form};
use super::shared::camel_case::camelize;
use super::shared::json4s::object_of;
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::text::clean::strip_exception;

const TRACKER: Tracker = Tracker {
    version: "com.statusgator-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: "StatusGator",
    content_type: FORM,
    accepts: |found| found == FORM,
    events: "events",
    refuse_empty: true,
};
const SCHEMA: &str = "iglu:com.statusgator/status_change/jsonschema/1-0-0";

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let form = form(&body).map_err(|message| {
        AdapterFailure::rejected(format!(
            "StatusGator incorrect event string : [{}]",
            strip_exception(&message)
        ))
    })?;
    let data = camelize(object_of(&form))?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, SCHEMA, &data);
    Ok(single_event(payload, parameters))
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    #[test]
    fn a_change_of_status() {
        let body = "service_name=CloudFlare&last_status=&home_page_url=http%3A%2F%2Fa.com&flag";
        assert_eq!(
            one(raw_events, posted(&[("aid", "x")], Some(FORM), Some(body))),
            (
                SCHEMA.to_owned(),
                r#"{"serviceName":"CloudFlare","lastStatus":"","homePageUrl":"http://a.com","flag":null}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn refusals() {
        for (content_type, body, message) in [
            (
                Some(FORM),
                None,
                "Request body is empty: no StatusGator events to process",
            ),
            (
                Some(FORM),
                Some(""),
                "StatusGator event body is empty: nothing to process",
            ),
            (
                Some(FORM),
                Some("{a=b"),
                "StatusGator incorrect event string : [Illegal character in query at index 18: \
                 http://localhost/?{a=b]",
            ),
        ] {
            assert_eq!(
                refused(raw_events, posted(&[], content_type, body)),
                [message]
            );
        }
    }
}
