//! Tracker Protocol 1: the query string is the event (`Tp1Adapter`). Body and content type are
//! not looked at.

use super::shared::{parameters, single_event};
use super::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;
use crate::iglu::Resolver;

/// One raw event with the parameters of the query string.
pub fn raw_events(mut payload: CollectorPayload, _: &Resolver) -> AdapterResult {
    let parameters = parameters(std::mem::take(&mut payload.querystring));
    if parameters.is_empty() {
        return Err(AdapterFailure::rejected(
            "Querystring is empty: no raw event to process",
        ));
    }
    Ok(single_event(payload, parameters))
}

#[cfg(test)]
mod tests {
    use super::super::shared::testing::{pairs, payload, resolver};
    use super::*;

    #[test]
    fn the_query_string_is_the_event() {
        let mut payload = payload(&[("e", "pv"), ("aid", "a"), ("e", "pp")]);
        payload.body = Some("ignored".to_owned());
        payload.querystring.push(("flag".to_owned(), None));
        let events = raw_events(payload.clone(), &resolver()).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            pairs(&events[0].parameters),
            [("e", Some("pp")), ("aid", Some("a")), ("flag", None)]
        );
        assert_eq!(events[0].context, payload.context);
        assert_eq!(events[0].source, payload.source);
        assert_eq!(events[0].api, payload.api);
    }

    #[test]
    fn an_empty_query_string() {
        assert_eq!(
            raw_events(payload(&[]), &resolver()),
            Err(AdapterFailure::rejected(
                "Querystring is empty: no raw event to process"
            ))
        );
    }
}
