//! Payloads and comparisons for the tests of adapters.

use super::Parameters;
use crate::adapter::{Adapter, AdapterFailure};
use crate::collector::payload::{
    CollectorApi, CollectorContext, CollectorPayload, CollectorSource,
};
use crate::iglu::Resolver;

/// A payload with this query string and nothing else that an adapter looks at.
pub(crate) fn payload(querystring: &[(&str, &str)]) -> CollectorPayload {
    CollectorPayload {
        api: CollectorApi {
            vendor: "v".to_owned(),
            version: "1".to_owned(),
        },
        querystring: querystring
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned())))
            .collect(),
        content_type: None,
        body: None,
        source: CollectorSource {
            name: "clj-tomcat".to_owned(),
            encoding: "UTF-8".to_owned(),
            hostname: None,
        },
        context: CollectorContext {
            timestamp_ms: Some(1_377_735_528_000),
            ip_address: Some("37.157.33.123".to_owned()),
            ..CollectorContext::default()
        },
    }
}

/// A payload with a body.
pub(crate) fn posted(
    querystring: &[(&str, &str)],
    content_type: Option<&str>,
    body: Option<&str>,
) -> CollectorPayload {
    CollectorPayload {
        content_type: content_type.map(str::to_owned),
        body: body.map(str::to_owned),
        ..payload(querystring)
    }
}

/// A resolver for adapters that look nothing up.
pub(crate) fn resolver() -> Resolver {
    Resolver::from_config(
        r#"{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-0","data":{"cacheSize":1,"repositories":[]}}"#,
    )
    .unwrap()
}

/// Parameters in iteration order.
pub(crate) fn pairs(parameters: &Parameters) -> Vec<(&str, Option<&str>)> {
    parameters.iter().map(|(k, v)| (k, v.as_deref())).collect()
}

/// The messages with which `adapter` refuses a payload.
#[track_caller]
pub(crate) fn refused(adapter: Adapter, payload: CollectorPayload) -> Vec<String> {
    adapter(payload, &resolver()).unwrap_err().into_messages()
}

/// The unstructured events that `adapter` makes of a payload: schema and data.
#[track_caller]
pub(crate) fn unstructured(adapter: Adapter, payload: CollectorPayload) -> Vec<(String, String)> {
    let events = match adapter(payload, &resolver()) {
        Ok(events) => events,
        Err(AdapterFailure::Rejected(messages)) => panic!("{messages:?}"),
        Err(other) => panic!("{other:?}"),
    };
    events
        .iter()
        .map(|event| {
            assert_eq!(event.parameters.get("e"), Some(&Some("ue".to_owned())));
            let text = event.parameters.get("ue_pr").unwrap().as_deref().unwrap();
            let rest = text
                .strip_prefix(
                    "{\"schema\":\"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/\
                     1-0-0\",\"data\":{\"schema\":\"",
                )
                .unwrap();
            let (schema, rest) = rest.split_once("\",\"data\":").unwrap();
            (
                schema.to_owned(),
                rest.strip_suffix("}}").unwrap().to_owned(),
            )
        })
        .collect()
}

/// The only unstructured event that `adapter` makes of a payload.
#[track_caller]
pub(crate) fn one(adapter: Adapter, payload: CollectorPayload) -> (String, String) {
    let mut list = unstructured(adapter, payload);
    assert_eq!(list.len(), 1);
    list.remove(0)
}
