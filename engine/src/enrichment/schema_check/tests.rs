//! Verdicts and messages about the JSONs of an event.

use super::*;
use crate::enrichment::json_fields::read_plain;
use crate::enrichment::tests::{TestRegistry, raw_event};

/// Runs both steps over an event; gives the texts and the four columns.
fn check(
    event: Option<&str>,
    contexts: Option<&str>,
    unstruct_event: Option<&str>,
) -> (Vec<String>, Option<String>) {
    let registry = TestRegistry::new();
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    draft.event.set_or_clear(Field::Event, event);
    let read = |json| read_plain("co", Some(json)).unwrap().value;
    draft.contexts = contexts.map(read);
    draft.unstruct_event = unstruct_event.map(read);
    let valid = validate(&mut draft, &registry.resolver);
    event_schema(&mut draft, &registry.resolver, valid.as_deref());
    let key = [
        Field::EventVendor,
        Field::EventName,
        Field::EventFormat,
        Field::EventVersion,
    ]
    .map(|field| draft.event.get(field));
    let key: Option<Vec<_>> = key.into_iter().collect();
    let failures = std::mem::take(&mut draft.failures).into_texts();
    (failures, key.map(|key| key.join("/")))
}

fn contexts(data: &str) -> String {
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{data}]}}"#
    )
}

fn unstruct(data: &str) -> String {
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{data}}}"#
    )
}

const GOOD: &str =
    r#"{"schema":"iglu:com.example.shop/basket/jsonschema/1-0-0","data":{"items":3}}"#;
const BAD: &str =
    r#"{"schema":"iglu:com.example.shop/basket/jsonschema/1-0-0","data":{"items":"three"}}"#;
const ABSENT: &str = r#"{"schema":"iglu:com.example.shop/absent/jsonschema/1-0-0","data":{}}"#;

#[test]
fn keys_of_events_without_schema() {
    let cases = [
        ("page_view", "com.snowplowanalytics.snowplow/page_view"),
        ("page_ping", "com.snowplowanalytics.snowplow/page_ping"),
        ("transaction", "com.snowplowanalytics.snowplow/transaction"),
        (
            "transaction_item",
            "com.snowplowanalytics.snowplow/transaction_item",
        ),
        ("struct", "com.google.analytics/event"),
    ];
    for (event, key) in cases {
        let expected = format!("{key}/jsonschema/1-0-0");
        assert_eq!(check(Some(event), None, None), (vec![], Some(expected)));
    }
    for (event, shown) in [
        (None, "null"),
        (Some("ad_impression"), "ad_impression"),
        (Some(""), ""),
    ] {
        let text = format!("Unrecognized event [{shown}]");
        assert_eq!(check(event, None, None), (vec![text], None));
    }
}

#[test]
fn valid_contexts_and_event() {
    let expected = Some("com.example.shop/basket/jsonschema/1-0-0".to_owned());
    assert_eq!(
        check(
            Some("unstruct"),
            Some(&contexts(GOOD)),
            Some(&unstruct(GOOD))
        ),
        (vec![], expected)
    );
}

#[test]
fn an_event_without_or_with_a_bad_envelope_has_no_key() {
    let (failures, key) = check(Some("unstruct"), None, None);
    assert_eq!(failures, ["Unstructured event couldn't be extracted"]);
    assert_eq!(key, None);
    for event in [
        "1",
        "null",
        r#"{"name":"x"}"#,
        &contexts(GOOD),
        &unstruct("[]"),
    ] {
        let (failures, key) = check(Some("unstruct"), None, Some(event));
        assert!(failures.len() >= 2, "{event}: {failures:?}");
        assert!(failures[0].starts_with("error: "), "{event}: {failures:?}");
        assert!(failures[0].ends_with('\n'), "{event}: {failures:?}");
        assert_eq!(
            failures.last().map(String::as_str),
            Some("Unstructured event couldn't be extracted")
        );
        assert_eq!(key, None);
    }
}

#[test]
fn an_invalid_event_in_a_valid_envelope_still_has_its_key() {
    let (failures, key) = check(Some("unstruct"), None, Some(&unstruct(BAD)));
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].starts_with("error: instance type (string) does not match"));
    assert_eq!(
        key.as_deref(),
        Some("com.example.shop/basket/jsonschema/1-0-0")
    );
}

#[test]
fn messages_of_all_contexts_come_before_those_of_the_event() {
    let both = format!("{BAD},{GOOD},{ABSENT}");
    let (failures, key) = check(
        Some("page_view"),
        Some(&contexts(&both)),
        Some(&unstruct(BAD)),
    );
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(failures[0].starts_with("error: instance type (string)"));
    assert!(failures[1].starts_with(
        "error: Could not find schema with key iglu:com.example.shop/absent/jsonschema/1-0-0 in any repository, tried:\n"
    ));
    assert!(failures[2].starts_with("error: instance type (string)"));
    assert!(key.is_some());
}
