//! What adapters have in common (the trait `Adapter` of Scala Common Enrich 0.34.0).

pub(super) mod merge;
pub(super) mod unstruct;

use super::raw_event::{Parameters, RawEvent};
use crate::collector::payload::CollectorPayload;

/// Name-value pairs as a map: of two equal names the last value wins, at the first one's place.
pub(super) fn parameters(pairs: Vec<(String, Option<String>)>) -> Parameters {
    pairs.into_iter().collect()
}

/// The only raw event of a payload.
pub(super) fn single_event(payload: CollectorPayload, parameters: Parameters) -> Vec<RawEvent> {
    vec![event(payload, parameters)]
}

/// One raw event for every set of parameters.
pub(super) fn events(payload: CollectorPayload, mut list: Vec<Parameters>) -> Vec<RawEvent> {
    let Some(last) = list.pop() else {
        return Vec::new();
    };
    let mut events = Vec::with_capacity(list.len() + 1);
    for parameters in list {
        events.push(RawEvent {
            api: payload.api.clone(),
            parameters,
            content_type: payload.content_type.clone(),
            source: payload.source.clone(),
            context: payload.context.clone(),
        });
    }
    events.push(event(payload, last));
    events
}

fn event(payload: CollectorPayload, parameters: Parameters) -> RawEvent {
    RawEvent {
        api: payload.api,
        parameters,
        content_type: payload.content_type,
        source: payload.source,
        context: payload.context,
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! Payloads and comparisons for the tests of adapters.

    use super::*;
    use crate::collector::payload::{CollectorApi, CollectorContext, CollectorSource};
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
}
