//! Unbounce: a form whose field `data.json` holds what a visitor filled in (`UnbounceAdapter`,
//! `com.unbounce/v1`).

use std::borrow::Cow;

use super::raw_event::Parameters;
use super::shared::body::{Expected, FORM, form};
use super::shared::camel_case::camelize;
use super::shared::json4s::{self, Unreadable, object_of};
use super::shared::unstruct::Tracker;
use super::shared::{single_event, take_querystring};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::Value;
use crate::text::clean::strip_exception;

const TRACKER: Tracker = Tracker {
    version: "com.unbounce-v1",
    platform: "srv",
};
const EXPECTED: Expected = Expected {
    vendor: "Unbounce",
    content_type: FORM,
    accepts: |found| found == FORM,
    events: "events",
    refuse_empty: true,
};
const SCHEMA: &str = "iglu:com.unbounce/form_post/jsonschema/1-0-0";

/// Fields that every post has; the first that is missing is named.
const REQUIRED: [&str; 4] = ["page_id", "page_name", "variant", "page_url"];

const DATA: &str = "data.json";

/// The only raw event of the payload.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let body = EXPECTED.take_body(&mut payload)?;
    let mut form = form(&body).map_err(|message| incorrect(&message))?;
    if let Some(missing) = REQUIRED.iter().find(|name| !form.contains_key(name)) {
        return Err(AdapterFailure::rejected(format!(
            "Unbounce context data missing '{missing}'"
        )));
    }
    let Some(data) = form.remove(DATA) else {
        return Err(AdapterFailure::rejected(
            "Unbounce event data does not have 'data.json' as a key",
        ));
    };
    form.remove("data.xml");
    let data = event(data.as_deref(), &form)?;
    let querystring = take_querystring(&mut payload);
    let parameters = TRACKER.event(&querystring, SCHEMA, &camelize(data)?);
    Ok(single_event(payload, parameters))
}

/// `data.json` first, then the other fields in map order.
fn event<'a>(data: Option<&'a str>, others: &'a Parameters) -> Result<Value<'a>, AdapterFailure> {
    let Some(data) = data else {
        return Err(incorrect("null"));
    };
    if data.is_empty() {
        return Err(AdapterFailure::rejected(
            "Unbounce event data is empty: nothing to process",
        ));
    }
    let data = json4s::parse(data).map_err(|why| match why {
        Unreadable::Syntax(message) => AdapterFailure::rejected(format!(
            "Unbounce event string failed to parse into JSON: [{}]",
            strip_exception(&message)
        )),
        Unreadable::NoContent(message) => incorrect(&message),
    })?;
    let mut members = vec![(Cow::Borrowed(DATA), data)];
    if let Value::Object(others) = object_of(others) {
        members.extend(others);
    }
    Ok(Value::Object(members))
}

fn incorrect(message: &str) -> AdapterFailure {
    AdapterFailure::rejected(format!(
        "Unbounce incorrect event string : [{}]",
        strip_exception(message)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{one, posted, refused};
    use super::*;

    fn post(body: &str) -> CollectorPayload {
        posted(&[], Some(FORM), Some(body))
    }

    #[test]
    fn a_form_post() {
        let body = "page_url=u&page_name=n&page_id=i&variant=a&data.json=\
                    %7B%22ip_address%22%3A%5B%221%22%5D%7D&data.xml=%3C";
        assert_eq!(
            one(raw_events, post(body)),
            (
                SCHEMA.to_owned(),
                r#"{"data.json":{"ipAddress":["1"]},"variant":"a","pageId":"i","pageName":"n","pageUrl":"u"}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn refusals() {
        let with = |data: &str| post(&format!("page_id=1&page_name=2&variant=3&page_url=4{data}"));
        for (payload, message) in [
            (post(""), "Unbounce event body is empty: nothing to process"),
            (
                post("a=<>"),
                "Unbounce incorrect event string : [Illegal character in query at index 20: \
                 http://localhost/?a=<>]",
            ),
            (post("a=b"), "Unbounce context data missing 'page_id'"),
            (
                post("page_id=1&variant=3"),
                "Unbounce context data missing 'page_name'",
            ),
            (
                post("page_id=1&page_name=3"),
                "Unbounce context data missing 'variant'",
            ),
            (
                post("page_id=1&page_name=3&variant=b"),
                "Unbounce context data missing 'page_url'",
            ),
            (
                with(""),
                "Unbounce event data does not have 'data.json' as a key",
            ),
            (
                with("&data.json="),
                "Unbounce event data is empty: nothing to process",
            ),
            (
                with("&data.json=x"),
                "Unbounce event string failed to parse into JSON: [Unrecognized token 'x': was \
                 expecting ('true', 'false' or 'null') at [Source: x; line: 1, column: 3]]",
            ),
            (
                with("&data.json"),
                "Unbounce incorrect event string : [null]",
            ),
        ] {
            assert_eq!(refused(raw_events, payload), [message]);
        }
    }
}
