//! Envelopes and data of self-describing JSONs: verdicts and messages.

use super::*;
use crate::iglu::registry::folder::Folder;
use crate::iglu::registry::{Connection, Registry};
use crate::iglu::resolver::{CacheSettings, Clock};
use crate::json;

fn value(text: &str) -> Value<'_> {
    json::parse(text).unwrap().unwrap()
}

/// A resolver over a folder with `com.acme/ad` (object with a string `id`) 1-0-0.
fn resolver() -> (tempfile::TempDir, Resolver) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("schemas/com.acme/ad/jsonschema");
    std::fs::create_dir_all(&folder).unwrap();
    let schema = r#"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}"#;
    std::fs::write(folder.join("1-0-0"), schema).unwrap();
    let disk = Registry {
        name: "disk".into(),
        priority: 0,
        vendor_prefixes: vec![],
        connection: Connection::Folder(Folder::new(root.path().to_str().unwrap())),
    };
    let resolver = Resolver::with_registries(vec![disk], CacheSettings::default(), Clock::system());
    (root, resolver)
}

const AD: &str = r#"{"schema":"iglu:com.acme/ad/jsonschema/1-0-0","data":{"id":"x"}}"#;
const ABSENT: &str = r#"{"schema":"iglu:com.acme/absent/jsonschema/1-0-0","data":{}}"#;
const ABSENT_TEXT: &str = "Could not find schema with key iglu:com.acme/absent/jsonschema/1-0-0 in any repository, tried:";

fn unstruct(version: &str, event: &str) -> String {
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/{version}","data":{event}}}"#
    )
}

fn contexts(version: &str, contexts: &[&str]) -> String {
    format!(
        r#"{{"data":[{}],"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/{version}"}}"#,
        contexts.join(",")
    )
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(Message::text).collect()
}

#[test]
fn an_event_is_taken_out_of_its_wrapper() {
    let (_root, resolver) = resolver();
    let text = unstruct("1-0-0", AD);
    let wrapper = value(&text);
    let event = validate_unstruct_event(&resolver, &wrapper).unwrap();
    assert_eq!(event.schema.key.path(), "com.acme/ad/jsonschema/1-0-0");
    assert_eq!(event.data.to_compact(), r#"{"id":"x"}"#);
    assert_eq!(event.envelope, &value(AD));
}

#[test]
fn contexts_come_in_order() {
    let (_root, resolver) = resolver();
    let duplicate = r#"{"data":{"originalEventId":"1-1-1-1-1"},"schema":"iglu:com.snowplowanalytics.snowplow/duplicate/jsonschema/1-0-0"}"#;
    for version in ["1-0-0", "1-0-1"] {
        let text = contexts(version, &[AD, duplicate, AD]);
        let wrapper = value(&text);
        let found = validate_contexts(&resolver, &wrapper).unwrap();
        let names: Vec<&str> = found
            .iter()
            .map(|context| context.schema.key.name.as_str())
            .collect();
        assert_eq!(names, ["ad", "duplicate", "ad"]);
    }
    let text = contexts("1-0-1", &[]);
    assert!(
        validate_contexts(&resolver, &value(&text))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_criterion_is_checked_before_any_look_up() {
    let (_root, resolver) = resolver();
    let cases = [
        (
            contexts("2-0-0", &[]),
            "contexts",
            "contexts/jsonschema/2-0-0",
        ),
        (
            contexts("1-1-0", &[]),
            "contexts",
            "contexts/jsonschema/1-1-0",
        ),
        (
            unstruct("1-0-0", AD),
            "contexts",
            "unstruct_event/jsonschema/1-0-0",
        ),
    ];
    for (text, name, found) in cases {
        // Twice: the second time schemas are cached.
        for _ in 0..2 {
            let failed = validate_contexts(&resolver, &value(&text)).unwrap_err();
            assert_eq!(
                texts(&failed),
                [format!(
                    "Verifying schema as iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-* failed: found \
                     iglu:com.snowplowanalytics.snowplow/{found}"
                )]
            );
            let _ = validate_unstruct_event(&resolver, &value(&text));
        }
    }
    let payload = "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-0-0";
    let text = format!(r#"{{"schema":"{payload}","data":[]}}"#);
    let failed = validate(&resolver, &value(&text), Some(&PAYLOAD_DATA)).unwrap_err();
    assert_eq!(
        failed[0].to_multiline(),
        format!(
            "error: Verifying schema as iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-* failed: \
             found {payload}\n    level: \"error\"\n"
        )
    );
}

#[test]
fn failures_of_all_contexts_add_up_and_those_of_the_event_stand_alone() {
    let (_root, resolver) = resolver();
    let text = contexts("1-0-0", &[ABSENT, AD, ABSENT]);
    let failed = validate_contexts(&resolver, &value(&text)).unwrap_err();
    assert_eq!(texts(&failed), [ABSENT_TEXT, ABSENT_TEXT]);
    assert_eq!(
        failed[0].get("repositories").unwrap().to_compact(),
        r#"["disk [embedded]","Iglu Client Embedded [embedded]"]"#
    );
    let text = unstruct("1-0-0", ABSENT);
    let failed = validate_unstruct_event(&resolver, &value(&text)).unwrap_err();
    assert_eq!(texts(&failed), [ABSENT_TEXT]);
    let text = unstruct("1-0-9", ABSENT);
    let failed = validate_unstruct_event(&resolver, &value(&text)).unwrap_err();
    assert!(
        failed[0].text().contains("unstruct_event/jsonschema/1-0-9"),
        "{failed:?}"
    );
}

/// Needs the real validator.
#[test]
fn the_envelope_is_explained_by_the_embedded_schema() {
    let (_root, resolver) = resolver();
    let failed = validate(&resolver, &value(r#"{"not":"self-desc"}"#), None).unwrap_err();
    let text = crate::iglu::message::multiline_all(&failed);
    assert_eq!(
        text,
        "error: object instance has properties which are not allowed by the schema: [\"not\"]\n    level: \
         \"error\"\n    schema: {\"loadingURI\":\"#\",\"pointer\":\"\"}\n    instance: {\"pointer\":\"\"}\n    domain: \
         \"validation\"\n    keyword: \"additionalProperties\"\n    unwanted: [\"not\"]\nerror: object has missing \
         required properties ([\"data\",\"schema\"])\n    level: \"error\"\n    schema: \
         {\"loadingURI\":\"#\",\"pointer\":\"\"}\n    instance: {\"pointer\":\"\"}\n    domain: \"validation\"\n    \
         keyword: \"required\"\n    required: [\"data\",\"schema\"]\n    missing: [\"data\",\"schema\"]\n"
    );
    let keyword = |text: &str| {
        let failed = validate(&resolver, &value(text), None).unwrap_err();
        assert_eq!(failed.len(), 1, "{text}");
        failed[0]
            .get("keyword")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(keyword("[]"), "type");
    assert_eq!(keyword("null"), "type");
    assert_eq!(keyword(r#"{"schema":"iglu:x","data":1}"#), "pattern");
    assert_eq!(keyword(r#"{"schema":7,"data":1}"#), "type");
    assert_eq!(keyword(r#"{"schema":"iglu:a/b/c/1-0-0"}"#), "required");
    assert_eq!(
        keyword(r#"{"schema":"iglu:a/b/c/1-0-0","data":1,"x":1}"#),
        "additionalProperties"
    );
}

/// Needs the real validator.
#[test]
fn wrappers_and_data_are_validated() {
    let (_root, resolver) = resolver();
    let failed = |text: &str, many: bool| {
        let value = value(text);
        if many {
            validate_contexts(&resolver, &value).unwrap_err()
        } else {
            validate_unstruct_event(&resolver, &value).unwrap_err()
        }
    };
    let keyword = |messages: &[Message]| -> Vec<String> {
        let keyword = |message: &Message| message.get("keyword").map(Value::to_compact);
        messages.iter().filter_map(keyword).collect()
    };
    assert_eq!(
        keyword(&failed(&contexts("1-0-0", &[]), true)),
        [r#""minItems""#]
    );
    assert_eq!(
        keyword(&failed(&contexts("1-0-1", &["1"]), true)),
        [r#""type""#]
    );
    assert_eq!(
        keyword(&failed(&unstruct("1-0-0", "[]"), false)),
        [r#""type""#]
    );
    let wrong = r#"{"schema":"iglu:com.acme/ad/jsonschema/1-0-0","data":{"id":5}}"#;
    let lacks = r#"{"schema":"iglu:com.acme/ad/jsonschema/1-0-0","data":{}}"#;
    assert_eq!(
        keyword(&failed(&unstruct("1-0-0", wrong), false)),
        [r#""type""#]
    );
    let both = failed(&contexts("1-0-0", &[wrong, AD, lacks]), true);
    assert_eq!(keyword(&both), [r#""type""#, r#""required""#]);
    // Pointers are relative to the data.
    assert_eq!(
        both[0].get("instance").unwrap().to_compact(),
        r#"{"pointer":"/id"}"#
    );
}
