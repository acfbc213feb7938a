//! What adapters have in common (the trait `Adapter` of Scala Common Enrich 0.34.0).

pub mod body;
pub mod camel_case;
pub mod clean_up;
pub mod exception;
pub mod formatter;
pub mod json4s;
pub mod lookup;
pub mod merge;
#[cfg(test)]
pub(super) mod testing;
pub mod unstruct;

use super::raw_event::{Parameters, RawEvent};
use crate::collector::payload::CollectorPayload;

/// Name-value pairs as a map: of two equal names the last value wins, at the first one's place.
pub fn parameters(pairs: Vec<(String, Option<String>)>) -> Parameters {
    pairs.into_iter().collect()
}

/// The parameters of the payload's query string, which is left empty.
pub fn take_querystring(payload: &mut CollectorPayload) -> Parameters {
    parameters(std::mem::take(&mut payload.querystring))
}

/// The only raw event of a payload.
pub fn single_event(payload: CollectorPayload, parameters: Parameters) -> Vec<RawEvent> {
    vec![event(payload, parameters)]
}

/// One raw event for every set of parameters.
pub fn events(payload: CollectorPayload, mut list: Vec<Parameters>) -> Vec<RawEvent> {
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
