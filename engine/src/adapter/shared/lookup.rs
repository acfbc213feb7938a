//! The schema of an event by its type, and the rule for lists of events.

use crate::adapter::raw_event::Parameters;
use crate::adapter::{AdapterFailure, AdapterResult};
use crate::collector::payload::CollectorPayload;

use super::events;

/// Types of events and their schemas.
pub type Schemas = [(&'static str, &'static str)];

/// The schema of the only event of a payload.
pub fn schema(
    vendor: &str,
    kind: Option<&str>,
    schemas: &Schemas,
) -> Result<&'static str, AdapterFailure> {
    find(kind, schemas)
        .map_err(|why| AdapterFailure::rejected(format!("{vendor} event failed: {why}")))
}

/// The schema of the event at `index`, counted from 0.
pub fn indexed_schema(
    vendor: &str,
    index: usize,
    kind: Option<&str>,
    schemas: &Schemas,
) -> Result<&'static str, String> {
    find(kind, schemas).map_err(|why| format!("{vendor} event at index [{index}] failed: {why}"))
}

fn find(kind: Option<&str>, schemas: &Schemas) -> Result<&'static str, String> {
    match kind {
        None => Err("type parameter not provided - cannot determine event type".to_owned()),
        Some(kind) => match schemas.iter().find(|(known, _)| *known == kind) {
            Some((_, schema)) => Ok(schema),
            None if kind.is_empty() => {
                Err("type parameter is empty - cannot determine event type".to_owned())
            }
            None => Err(format!("type parameter [{kind}] not recognized")),
        },
    }
}

/// The raw events of a list, if every one of them succeeded; else all failures, in order.
pub fn all_or_failures(
    payload: CollectorPayload,
    results: Vec<Result<Parameters, String>>,
) -> AdapterResult {
    let mut list = Vec::with_capacity(results.len());
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(parameters) => list.push(parameters),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(AdapterFailure::Rejected(failures));
    }
    if list.is_empty() {
        return Err(AdapterFailure::rejected(
            "List of events is empty (should never happen, not catching empty list properly)",
        ));
    }
    Ok(events(payload, list))
}

#[cfg(test)]
mod tests {
    use super::super::testing::payload;
    use super::*;

    const SCHEMAS: &Schemas = &[("a", "iglu:a"), ("b", "iglu:b")];

    #[test]
    fn types() {
        assert_eq!(schema("V", Some("b"), SCHEMAS), Ok("iglu:b"));
        assert_eq!(indexed_schema("V", 3, Some("a"), SCHEMAS), Ok("iglu:a"));
        for (kind, why) in [
            (
                None,
                "type parameter not provided - cannot determine event type",
            ),
            (
                Some(""),
                "type parameter is empty - cannot determine event type",
            ),
            (Some("c"), "type parameter [c] not recognized"),
        ] {
            assert_eq!(
                schema("V", kind, SCHEMAS),
                Err(AdapterFailure::rejected(format!("V event failed: {why}")))
            );
            assert_eq!(
                indexed_schema("V", 3, kind, SCHEMAS),
                Err(format!("V event at index [3] failed: {why}"))
            );
        }
    }

    #[test]
    fn lists() {
        let good = || Ok(Parameters::new());
        let bad = |text: &str| Err(text.to_owned());
        assert_eq!(
            all_or_failures(payload(&[]), vec![good(), good(), good()])
                .unwrap()
                .len(),
            3
        );
        assert_eq!(
            all_or_failures(payload(&[]), vec![good(), bad("1"), good(), bad("2")]),
            Err(AdapterFailure::Rejected(vec![
                "1".to_owned(),
                "2".to_owned()
            ]))
        );
        assert_eq!(
            all_or_failures(payload(&[]), Vec::new()),
            Err(AdapterFailure::rejected(
                "List of events is empty (should never happen, not catching empty list properly)"
            ))
        );
    }
}
