//! Cases from the shared folder (`CAMONICA_SHARED`, or `shared` beside the workspace).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::*;

/// A file or folder of the shared folder; says so when it is absent.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CAMONICA_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let found = root.join("data").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: {} is not there", found.display());
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text file")
}

fn text<'v>(value: &'v Value<'_>, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v, 'a>(value: &'v Value<'a>, key: &str) -> &'v [Value<'a>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

/// The form of several lines, as the enrich job writes it.
fn multiline(message: &Message) -> String {
    let level = message.members.iter().find(|(name, _)| name == "level");
    let level = level
        .and_then(|(_, level)| level.as_str())
        .unwrap_or_default();
    let mut text = format!("{level}: {}", message.text());
    for (name, value) in message.members.iter().filter(|(name, _)| name != "message") {
        text.push_str(&format!("\n    {name}: {}", value.to_compact()));
    }
    text.push('\n');
    text
}

fn compare(
    place: &str,
    actual: &[Message],
    expected: &[Value<'_>],
    failures: &mut Vec<String>,
) -> usize {
    let ours: Vec<(String, String)> = actual
        .iter()
        .map(|message| (message.to_json().to_compact(), multiline(message)))
        .collect();
    let theirs: Vec<(String, String)> = expected
        .iter()
        .map(|message| {
            let form = message.get("json").expect("the JSON form");
            (form.to_compact(), text(message, "text").to_owned())
        })
        .collect();
    if ours != theirs {
        failures.push(format!("{place}\n  ours   {ours:?}\n  theirs {theirs:?}"));
    }
    theirs.len()
}

#[test]
fn vectors_of_the_reference() {
    let Some(path) = shared("json-schema-messages/validation-vectors.json") else {
        return;
    };
    let file = read(&path);
    let vectors = tree(&file);
    let (mut instances, mut count, mut failures) = (0, 0, Vec::new());
    for group in items(&vectors, "results") {
        let document = group.get("schema").expect("a schema");
        let place = format!("{} {}", text(group, "note"), document.to_compact());
        let errors = items(group, "syntax_errors");
        let schema = match Schema::compile(document) {
            Ok(schema) => schema,
            Err(actual) => {
                count += compare(&place, &actual, errors, &mut failures);
                continue;
            }
        };
        if !errors.is_empty() {
            failures.push(format!("{place}: no syntax error"));
        }
        for case in items(group, "instances") {
            let instance = case.get("instance").expect("an instance");
            let place = format!("{place} <- {}", instance.to_compact());
            instances += 1;
            let actual = messages(&schema, instance);
            if case.get("valid") != Some(&Value::Bool(actual.is_empty())) {
                failures.push(format!("{place}: verdict"));
            }
            count += compare(&place, &actual, items(case, "messages"), &mut failures);
        }
    }
    eprintln!("vectors: {instances} instances, {count} messages equal in both forms");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(instances > 150 && count > 100);
}

#[test]
fn draft_4_suite_with_the_deviations_of_the_reference() {
    let (Some(suite), Some(deviations)) = (
        shared("json-schema-test-suite/tests/draft4"),
        shared("json-schema-messages/draft4-deviations.json"),
    ) else {
        return;
    };
    let file = read(&deviations);
    let listed = tree(&file);
    let mut deviations: HashSet<(String, String, String)> = items(&listed, "deviations")
        .iter()
        .map(|d| {
            (
                text(d, "file").to_owned(),
                text(d, "group").to_owned(),
                text(d, "test").to_owned(),
            )
        })
        .collect();
    let listed = deviations.len();
    // the list leaves out what depends on the version of Guava; these two are what any version says
    for test in [
        "IDN label separator",
        "invalid non-ASCII KELVIN SIGN (U+212A)",
    ] {
        let file = "tests/draft4/optional/format/hostname.json".to_owned();
        deviations.insert((file, "validation of host names".to_owned(), test.to_owned()));
    }
    let known = deviations.len();
    let mut found = Vec::new();
    files(&suite, &mut found);
    let (mut count, mut as_suite, mut failures) = (0, 0, Vec::new());
    for path in found {
        let name = path.strip_prefix(&suite).expect("below the suite");
        let name = format!("tests/draft4/{}", name.display());
        if name.ends_with("refRemote.json") {
            continue;
        }
        let file = read(&path);
        for group in tree(&file).as_array().expect("groups") {
            let schema = Schema::compile(group.get("schema").expect("a schema"));
            for case in items(group, "tests") {
                count += 1;
                let key = (
                    name.clone(),
                    text(group, "description").to_owned(),
                    text(case, "description").to_owned(),
                );
                let suite_says = case.get("valid") == Some(&Value::Bool(true));
                let deviates = deviations.remove(&key);
                let valid = schema.as_ref().is_ok_and(|schema| {
                    messages(schema, case.get("data").expect("data")).is_empty()
                });
                as_suite += usize::from(valid == suite_says);
                if valid == (suite_says == deviates) {
                    failures.push(format!(
                        "{key:?}: suite {suite_says}, deviation {deviates}, ours {valid}"
                    ));
                }
            }
        }
    }
    eprintln!(
        "draft-4 suite: {count} cases, {as_suite} as the suite says, {} of {known} deviations met ({listed} listed), {} wrong",
        known - deviations.len(),
        failures.len()
    );
    assert!(
        deviations.is_empty(),
        "deviations without a case: {deviations:?}"
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn real_schemas_compile() {
    let mut count = 0;
    for folder in [
        "iglu-central/r94/schemas",
        "iglu-central/later/schemas",
        "iglu-client-embedded",
        "iglu-test-schemas",
    ] {
        let Some(folder) = shared(folder) else {
            return;
        };
        let mut found = Vec::new();
        files(&folder, &mut found);
        for path in found {
            let file = read(&path);
            let Ok(Some(document)) = json::parse(&file) else {
                continue;
            };
            if !path.to_string_lossy().contains("/jsonschema/") {
                continue;
            }
            count += 1;
            if let Err(errors) = Schema::compile(&document) {
                panic!("{}: {errors:?}", path.display());
            }
        }
    }
    eprintln!("real schemas: {count} compile");
    assert!(count >= 238);
}
