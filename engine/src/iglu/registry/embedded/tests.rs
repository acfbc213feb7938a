//! Schemas that are built in.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::*;
use crate::iglu::Schema;
use crate::iglu::self_describing::envelope::Envelope;
use crate::json::{self, Number, Value};

const VALID: &str = include_str!("instances.txt");

/// Valid instances, written for this test: `path`, a blank, and the JSON.
fn instances() -> impl Iterator<Item = (&'static str, Value<'static>)> {
    VALID.lines().filter(|line| !line.is_empty()).map(|line| {
        let (path, text) = line.split_once(' ').unwrap();
        (path, json::parse(text).unwrap().unwrap())
    })
}

/// The shared reference data, if this machine has it.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("CAMONICA_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    folder.join("data").is_dir().then_some(folder)
}

fn files(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

fn fetch_uri(path: &str) -> Option<Found> {
    fetch(&SchemaKey::parse(&format!("iglu:{path}")).unwrap()).unwrap()
}

#[test]
fn the_table_holds_every_file_in_order() {
    let mut found = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/schemas");
    files(&folder, "", &mut found);
    found.sort();
    assert_eq!(found, paths().collect::<Vec<_>>());
}

#[test]
fn every_schema_compiles_and_describes_itself() {
    for bundled in &SCHEMAS {
        let found = fetch_uri(bundled.path).unwrap();
        assert_eq!(found.entry.key.path(), bundled.path);
        let document = json::parse(bundled.text).unwrap().unwrap();
        let own = document.get("self").unwrap();
        let part = |name: &str| own.get(name).and_then(Value::as_str).unwrap();
        assert_eq!(
            format!(
                "{}/{}/{}/{}",
                part("vendor"),
                part("name"),
                part("format"),
                part("version")
            ),
            bundled.path
        );
    }
    assert!(fetch_uri("com.acme/ad/jsonschema/1-0-0").is_none());
    assert!(fetch_uri("com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-2").is_none());
}

#[test]
fn wrappers_are_checked_by_hand() {
    let envelope = |path: &str| fetch_uri(path).unwrap().envelope;
    let snowplow = "com.snowplowanalytics.snowplow";
    assert_eq!(instance_iglu_only().unwrap().envelope, Some(Envelope::One));
    assert_eq!(
        envelope(&format!("{snowplow}/unstruct_event/jsonschema/1-0-0")),
        Some(Envelope::One)
    );
    assert_eq!(
        envelope(&format!("{snowplow}/contexts/jsonschema/1-0-0")),
        Some(Envelope::Many { least: 1 })
    );
    assert_eq!(
        envelope(&format!("{snowplow}/contexts/jsonschema/1-0-1")),
        Some(Envelope::Many { least: 0 })
    );
    assert_eq!(
        envelope(&format!("{snowplow}/duplicate/jsonschema/1-0-0")),
        None
    );
}

#[test]
fn every_schema_has_a_valid_instance() {
    let mut covered: Vec<&str> = Vec::new();
    for (path, instance) in instances() {
        let found = fetch_uri(path).unwrap();
        let messages = found.entry.schema.validate(&instance);
        assert!(
            messages.is_empty(),
            "{path} {} {messages:?}",
            instance.to_compact()
        );
        assert!(found.entry.schema.is_valid(&instance), "{path}");
        covered.push(path);
    }
    for path in paths() {
        assert!(covered.contains(&path), "no instance of {path}");
    }
}

/// Needs the real validator.
#[test]
fn damaged_instances_are_refused() {
    let refused = [
        (
            "com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
            r#"[{"tv":"x"}]"#,
        ),
        (
            "com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
            "[]",
        ),
        (
            "com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-3",
            r#"[{"e":"pv","p":"web","tv":"x","ttm":"1"}]"#,
        ),
        (
            "com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-0",
            r#"[{"e":"pv","p":"web","tv":"x","ua":"1"}]"#,
        ),
        (
            "com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0",
            r#"{"uri":"a b"}"#,
        ),
        (
            "com.snowplowanalytics.snowplow/duplicate/jsonschema/1-0-0",
            r#"{"originalEventId":"x"}"#,
        ),
        (
            "com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
            "[]",
        ),
    ];
    for (path, text) in refused {
        let instance = json::parse(text).unwrap().unwrap();
        assert!(
            !fetch_uri(path).unwrap().entry.schema.is_valid(&instance),
            "{path} {text}"
        );
    }
}

/// Needs the real validator. Verdicts, and even messages, of the originals.
#[test]
fn verdicts_are_those_of_the_originals() {
    let Some(shared) = shared() else {
        println!("SKIPPED: no shared reference data");
        return;
    };
    let mut compared = 0_usize;
    let mut refused = 0_usize;
    for (path, instance) in instances() {
        let original = [
            "data/iglu-client-embedded/schemas",
            "data/iglu-central/r94/schemas",
            "data/iglu-central/later/schemas",
        ]
        .iter()
        .map(|folder| shared.join(folder).join(path))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no original of {path}"));
        let original = std::fs::read_to_string(original).unwrap();
        let original = Schema::compile(&json::parse(&original).unwrap().unwrap()).unwrap();
        let found = fetch_uri(path).unwrap();
        for changed in changed(&instance) {
            let expected = original.validate(&changed);
            let ours = found.entry.schema.validate(&changed);
            let shown = changed.to_compact();
            assert_eq!(ours, expected, "{path} {shown}");
            assert_eq!(
                found.entry.schema.is_valid(&changed),
                expected.is_empty(),
                "{path} {shown}"
            );
            if let Some(envelope) = found.envelope {
                assert_eq!(
                    envelope.accepts(&changed),
                    expected.is_empty(),
                    "{path} {shown}"
                );
            }
            compared += 1;
            refused += usize::from(!expected.is_empty());
        }
    }
    println!("{compared} instances compared, {refused} of them refused");
    assert!(compared > 3_000 && refused > 1_000, "{compared} {refused}");
}

/// Needs the real validator.
#[test]
fn sample_configurations_are_valid() {
    let Some(shared) = shared() else {
        println!("SKIPPED: no shared reference data");
        return;
    };
    let mut names = Vec::new();
    let folder = shared.join("data/config-samples/enrichments");
    files(&folder, "", &mut names);
    let resolver = crate::iglu::Resolver::embedded_only();
    for name in &names {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let value = json::parse(&text).unwrap().unwrap();
        let valid = crate::iglu::self_describing::validate(&resolver, &value, None);
        assert!(valid.is_ok(), "{name} {valid:?}");
    }
    assert_eq!(names.len(), 16);
    let text = std::fs::read_to_string(shared.join("data/config-samples/iglu_resolver.json"));
    assert!(crate::iglu::Resolver::from_config(&text.unwrap()).is_ok());
}

/// `value` and every value that differs from it in one place.
fn changed<'a>(value: &Value<'a>) -> Vec<Value<'a>> {
    let number = |token: &str| {
        Value::Number(Number {
            token: Cow::Owned(token.to_owned()),
        })
    };
    let mut out = vec![
        value.clone(),
        Value::Null,
        Value::Bool(true),
        number("0"),
        number("-1"),
        number("5"),
        number("1.0"),
        number("1e9"),
        Value::string(""),
        Value::string("a b"),
        Value::string("$.x"),
        Value::string("x".repeat(9000)),
        Value::string("iglu:a/b/c/1-0-0"),
        Value::string("iglu:a/b/c/1-*-*"),
        Value::Array(vec![]),
        Value::Array(vec![Value::Null]),
        Value::Object(vec![]),
    ];
    match value {
        Value::Object(members) => {
            let mut more = members.clone();
            more.push((Cow::Borrowed("unknown"), Value::Null));
            out.push(Value::Object(more));
            for (index, (_, member)) in members.iter().enumerate() {
                let mut fewer = members.clone();
                fewer.remove(index);
                out.push(Value::Object(fewer));
                for member in changed(member) {
                    let mut other = members.clone();
                    other[index].1 = member;
                    out.push(Value::Object(other));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut fewer = items.clone();
                fewer.remove(index);
                out.push(Value::Array(fewer));
                for item in changed(item) {
                    let mut other = items.clone();
                    other[index] = item;
                    out.push(Value::Array(other));
                }
            }
        }
        _ => {}
    }
    out
}
