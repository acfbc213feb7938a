//! URI redirects (`/r/tp2?u=...`): the click becomes a `uri_redirect` entity, which is the event
//! itself if the query string has none, else a context of the event (`RedirectAdapter`).

use super::raw_event::Parameters;
use super::shared::merge::merge;
use super::shared::{parameters, single_event, unstruct};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;
use crate::json::{self, Value};
use crate::text::base64 as lenient_base64;
use crate::text::jackson::{self, Style};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const TRACKER: &str = "r-tp2";
const PLATFORM: &str = "web";
const URI_REDIRECT: &str = "iglu:com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0";
const CONTEXTS: &str = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1";

/// Name under which messages speak of the contexts, whichever parameter they came in.
const CONTEXTS_FIELD: &str = "co|cx";

/// One raw event with the parameters of the query string but for `u`.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let mut parameters = parameters(std::mem::take(&mut payload.querystring));
    if parameters.is_empty() {
        return Err(AdapterFailure::rejected(
            "Querystring is empty: cannot be a valid URI redirect",
        ));
    }
    let Some(uri) = parameters.remove("u") else {
        return Err(AdapterFailure::rejected(
            "Querystring does not contain u parameter: not a valid URI redirect",
        ));
    };
    let entity = Value::object([
        ("schema", Value::string(URI_REDIRECT)),
        (
            "data",
            Value::object([("uri", uri.map_or(Value::Null, Value::string))]),
        ),
    ]);
    add_entity(&mut parameters, entity).map_err(AdapterFailure::rejected)?;
    let platform = match parameters.get("p") {
        Some(platform) => platform.clone(),
        None => Some(PLATFORM.to_owned()),
    };
    parameters.insert("tv", Some(TRACKER.to_owned()));
    parameters.insert("p", platform);
    Ok(single_event(payload, parameters))
}

/// Makes the entity the event, or a context of the event.
fn add_entity(parameters: &mut Parameters, entity: Value<'_>) -> Result<(), String> {
    if !parameters.contains_key("e") {
        parameters.insert("e", Some("ue".to_owned()));
        parameters.insert("ue_pr", Some(unstruct::envelope(&entity)));
        return Ok(());
    }
    if let Some(encoded) = parameters.get("cx") {
        let decoded = lenient_base64::decode_field("cx", encoded.as_deref())?;
        let contexts = with_context(Some(&decoded), entity)?;
        parameters.insert("cx", Some(URL_SAFE_NO_PAD.encode(contexts)));
        return Ok(());
    }
    let contexts = match parameters.get("co") {
        None => new_contexts(entity),
        Some(Some(text)) if text.is_empty() => new_contexts(entity),
        Some(text) => with_context(text.as_deref(), entity)?,
    };
    parameters.insert("co", Some(contexts));
    Ok(())
}

/// Contexts with nothing but the entity.
fn new_contexts(entity: Value<'_>) -> String {
    Value::object([
        ("schema", Value::string(CONTEXTS)),
        ("data", Value::Array(vec![entity])),
    ])
    .to_compact()
}

/// Adds the entity to the `data` of contexts that the tracker sent.
fn with_context(contexts: Option<&str>, entity: Value<'_>) -> Result<String, String> {
    let Some(text) = contexts else {
        // Java's null, from a parameter without `=`.
        return Err(format!(
            "Field [{CONTEXTS_FIELD}]: invalid JSON [null] with parsing error: null"
        ));
    };
    let contexts = match json::parse(text) {
        Ok(Some(value)) => value,
        Ok(None) => {
            return Err(jackson::field_error(
                CONTEXTS_FIELD,
                text,
                None,
                Style::Enrich,
            ));
        }
        Err(error) => {
            return Err(jackson::field_error(
                CONTEXTS_FIELD,
                text,
                Some(&error),
                Style::Enrich,
            ));
        }
    };
    let added = Value::object([("data", Value::Array(vec![entity]))]);
    Ok(merge(contexts, added).to_compact())
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{pairs, payload, resolver};
    use super::*;

    const URI: &str = "https://a.com/?x=1";
    const ENTITY: &str = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0","data":{"uri":"https://a.com/?x=1"}}"#;

    fn event(querystring: &[(&str, &str)]) -> Parameters {
        raw_events(payload(querystring), &resolver())
            .unwrap()
            .remove(0)
            .parameters
    }

    fn refused(querystring: &[(&str, &str)]) -> Vec<String> {
        raw_events(payload(querystring), &resolver())
            .unwrap_err()
            .into_messages()
    }

    #[test]
    fn without_an_event_the_redirect_is_the_event() {
        let ue_pr = format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{ENTITY}}}"#
        );
        let parameters = event(&[("u", URI), ("cx", "dGVzdHRlc3R0ZXN0")]);
        let mut found = pairs(&parameters);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("cx", Some("dGVzdHRlc3R0ZXN0")),
                ("e", Some("ue")),
                ("p", Some("web")),
                ("tv", Some("r-tp2")),
                ("ue_pr", Some(ue_pr.as_str())),
            ]
        );
    }

    #[test]
    fn with_an_event_the_redirect_is_a_context() {
        let co = format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":[{ENTITY}]}}"#
        );
        for extra in [None, Some(("co", ""))] {
            let mut querystring = vec![("u", URI), ("e", "se"), ("p", "mob")];
            querystring.extend(extra);
            let parameters = event(&querystring);
            assert_eq!(parameters.get("co"), Some(&Some(co.clone())));
            assert_eq!(parameters.get("p"), Some(&Some("mob".to_owned())));
            assert_eq!(parameters.get("u"), None);
        }
    }

    #[test]
    fn existing_contexts_are_completed() {
        for (co, expected) in [
            (
                r#"{"data":[1], "schema":"s"}"#,
                format!(r#"{{"data":[1,{ENTITY}],"schema":"s"}}"#),
            ),
            (
                r#"{"schema":"s"}"#,
                format!(r#"{{"schema":"s","data":[{ENTITY}]}}"#),
            ),
            (r#"{"data":"x"}"#, format!(r#"{{"data":[{ENTITY}]}}"#)),
            ("[1]", format!(r#"{{"data":[{ENTITY}]}}"#)),
        ] {
            let parameters = event(&[("u", URI), ("e", "se"), ("co", co)]);
            assert_eq!(parameters.get("co"), Some(&Some(expected)));
        }
        // An equal element is not there twice.
        let co = format!(r#"{{"data":[{ENTITY}]}}"#);
        let parameters = event(&[("u", URI), ("e", "se"), ("co", &co)]);
        assert_eq!(parameters.get("co"), Some(&Some(co)));
    }

    #[test]
    fn encoded_contexts_come_first_and_stay_encoded() {
        let cx = URL_SAFE_NO_PAD.encode(r#"{"data":[],"schema":"s"}"#);
        let parameters = event(&[("u", URI), ("e", "se"), ("co", "{"), ("cx", &cx)]);
        assert_eq!(parameters.get("co"), Some(&Some("{".to_owned())));
        let encoded = parameters.get("cx").unwrap().clone().unwrap();
        assert!(encoded.len() > 76 && !encoded.contains(['=', '\r', '\n']));
        let decoded = lenient_base64::decode_field("cx", Some(&encoded)).unwrap();
        assert_eq!(decoded, format!(r#"{{"data":[{ENTITY}],"schema":"s"}}"#));
    }

    #[test]
    fn refusals() {
        assert_eq!(
            refused(&[]),
            ["Querystring is empty: cannot be a valid URI redirect"]
        );
        assert_eq!(
            refused(&[("e", "se")]),
            ["Querystring does not contain u parameter: not a valid URI redirect"]
        );
        assert_eq!(
            refused(&[("u", URI), ("e", "se"), ("co", "{[-")]),
            [
                "Field [co|cx]: invalid JSON [{[-] with parsing error: Unexpected character \
                 ('[' (code 91)): was expecting double-quote to start field name at [Source: \
                 {[-; line: 1, column: 3]"
            ]
        );
        assert_eq!(
            refused(&[("u", URI), ("e", "se"), ("cx", "¢¢¢")]),
            ["Field [co|cx]: invalid JSON [] with parsing error: mapping resulted in null"]
        );
    }

    #[test]
    fn parameters_without_value() {
        let mut payload = payload(&[("u", URI), ("e", "se")]);
        payload.querystring.push(("co".to_owned(), None));
        assert_eq!(
            raw_events(payload, &resolver())
                .unwrap_err()
                .into_messages(),
            ["Field [co|cx]: invalid JSON [null] with parsing error: null"]
        );
    }
}
