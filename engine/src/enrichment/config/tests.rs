//! Configurations of enrichments: what is read, refused and built.

use super::*;
use crate::enrichment::Draft;
use crate::enrichment::Environment;
use crate::enrichment::failures::Interrupt;
use crate::enrichment::registry::{Build, Enrichment, Stage};
use crate::enrichment::tests::{TestRegistry, raw_event};
use crate::event::Field;

/// An enrichment that writes a parameter of its configuration to a column.
#[derive(Debug)]
struct Tag(String);

impl Enrichment for Tag {
    fn apply(&self, draft: &mut Draft<'_>) -> std::result::Result<(), Interrupt> {
        draft.event.set(Field::EtlTags, &self.0);
        Ok(())
    }
}

fn tag(
    config: &EnrichmentConfig,
    _: &Environment,
) -> std::result::Result<Box<dyn Enrichment>, Vec<String>> {
    let text = config.text(&["parameters", "text"]).map_err(|e| vec![e])?;
    Ok(Box::new(Tag(text.to_owned())))
}

fn known(build: Option<Build>) -> [Known; 2] {
    let known = |stage, name, build| Known {
        stage,
        name,
        vendor: "com.example.shop",
        versions: "1-0-*",
        build,
    };
    [
        known(Stage::IpLookups, "tag_config", build),
        known(Stage::Pii, "other_config", None),
    ]
}

fn element(name: &str, enabled: bool, parameters: &str) -> String {
    versioned(name, "1-0-0", enabled, parameters)
}

fn versioned(name: &str, version: &str, enabled: bool, parameters: &str) -> String {
    format!(
        r#"{{"schema":"iglu:com.example.shop/tag_config/jsonschema/{version}","data":{{"vendor":"com.example.shop","name":"{name}","enabled":{enabled},"parameters":{parameters}}}}}"#
    )
}

fn envelope(elements: &[String]) -> EnrichmentConfigs {
    let data = elements.join(",");
    EnrichmentConfigs::from_json(&format!(r#"{{"schema":"{ENVELOPE}","data":[{data}]}}"#)).unwrap()
}

fn build(elements: &[String], known: &[Known]) -> std::result::Result<Option<String>, String> {
    let registry = TestRegistry::new();
    let enrichments = envelope(elements)
        .build_from(&registry.resolver, &Environment::default(), known)
        .map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        })?;
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    enrichments.run(Stage::IpLookups, &mut draft).unwrap();
    Ok(draft.event.get(Field::EtlTags).map(str::to_owned))
}

#[test]
fn the_later_of_two_configurations_wins_and_disabled_ones_are_dropped() {
    let known = known(Some(tag));
    let elements = [
        element("tag_config", true, r#"{"text":"a"}"#),
        element("tag_config", true, r#"{"text":"b"}"#),
        element("tag_config", false, r#"{"text":"c"}"#),
        element("nobody_knows", true, "{}"),
    ];
    assert_eq!(build(&elements, &known), Ok(Some("b".to_owned())));
    assert_eq!(build(&elements[2..], &known), Ok(None));
    assert_eq!(build(&[], &known), Ok(None));
}

#[test]
fn an_enrichment_may_support_several_schemas() {
    let mut known = known(Some(tag));
    known[0].versions = "1-0-* 2-0-*";
    let versioned = |version| [versioned("tag_config", version, true, r#"{"text":"a"}"#)];
    for version in ["1-0-0", "2-0-0"] {
        assert_eq!(build(&versioned(version), &known), Ok(Some("a".to_owned())));
    }
    known[0].versions = "3-0-* 4-0-*";
    let error = build(&versioned("1-0-0"), &known).unwrap_err();
    assert!(error.contains(
        "must have schema 'iglu:com.example.shop/tag_config/jsonschema/3-0-*' or 'iglu:com.example.shop/tag_config/jsonschema/4-0-*'."
    ), "{error}");
}

#[test]
fn enabled_enrichments_that_are_missing_are_named_at_once() {
    let elements = [
        element("tag_config", true, "{}"),
        element("tag_config", true, "{}"),
        r#"{"schema":"iglu:com.example.shop/other_config/jsonschema/1-0-0","data":{"name":"other_config","enabled":true}}"#.to_owned(),
    ];
    let error = build(&elements, &known(None)).unwrap_err();
    assert!(error.contains(": tag_config, other_config. "), "{error}");
    let none: Vec<_> = elements
        .iter()
        .map(|e| e.replace("true", "false"))
        .collect();
    assert_eq!(build(&none, &known(None)), Ok(None));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let elements = [
        element("tag_config", true, "{}"),
        element("tag_config", false, "1"),
        versioned("tag_config", "2-0-0", true, r#"{"text":"a"}"#),
        "7".to_owned(),
    ];
    let error = build(&elements, &known(Some(tag))).unwrap_err();
    assert!(error.starts_with("EtlError Errors:\n  - "), "{error}");
    // what a constructor says stands beside what the schemas say
    assert!(
        error.contains(
            "enrichment tag_config (element 0): error: JSON path parameters.text not found"
        ),
        "{error}"
    );
    assert!(error.contains("enrichment tag_config (element 1): error: instance type (integer)"));
    assert!(error.contains(
        "Schema key iglu:com.example.shop/tag_config/jsonschema/2-0-0 is not supported. A 'tag_config' enrichment must have schema 'iglu:com.example.shop/tag_config/jsonschema/1-0-*'."
    ), "{error}");
    assert!(
        error.contains("enrichment ? (element 3): error: instance type"),
        "{error}"
    );
}

#[test]
fn the_envelope_must_be_one_of_enrichments() {
    let registry = TestRegistry::new();
    let wrong =
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[]}"#;
    let configs = EnrichmentConfigs::from_json(wrong).unwrap();
    let error = configs
        .build(&registry.resolver, &Environment::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("Verifying schema as iglu:com.snowplowanalytics.snowplow/enrichments/jsonschema/1-0-* failed: found iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"), "{error}");
    assert!(
        EnrichmentConfigs::default()
            .build(&registry.resolver, &Environment::default())
            .is_ok()
    );
}

#[test]
fn texts_that_are_no_json() {
    for (text, end) in [
        (
            "",
            "invalid JSON [] with parsing error: mapping resulted in null",
        ),
        ("nope", "invalid JSON [nope] with parsing error: "),
    ] {
        let error = EnrichmentConfigs::from_json(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let error = error.to_string();
        let start = format!("EtlError Errors:\n  - error: Field [enrichments]: {end}");
        assert!(error.starts_with(&start), "{error}");
    }
    let configs = EnrichmentConfigs::from_base64("eyJhIjoxfQ").unwrap();
    assert_eq!(configs, EnrichmentConfigs::from_json(r#"{"a":1}"#).unwrap());
}

#[test]
fn a_folder_is_read_like_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("b.json", r#"{"b":1}"#);
    write("a.json", "\u{feff}{\"a\":1}");
    write("c.txt", "no");
    write(".d.json", "no");
    std::fs::create_dir(folder.path().join("e.json")).unwrap();
    let configs = EnrichmentConfigs::from_folder(folder.path()).unwrap();
    let text = format!(r#"{{"schema":"{ENVELOPE}","data":[{{"a":1}},{{"b":1}}]}}"#);
    assert_eq!(configs, EnrichmentConfigs::from_json(&text).unwrap());

    write("c.json", "{");
    let error = EnrichmentConfigs::from_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("c.json: "), "{error}");
    // two bad files are told of at once
    write("a.json", "no");
    let error = EnrichmentConfigs::from_folder(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let error = error.to_string();
    assert!(
        error.contains("a.json: ") && error.contains("c.json: "),
        "{error}"
    );

    let absent = folder.path().join("absent");
    let error = EnrichmentConfigs::from_folder(&absent).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Enrichments directory '{}/' does not exist, or is not a directory",
            absent.display()
        )
    );
}

#[test]
fn values_are_found_by_path() {
    let text = r#"{"enabled":true,"parameters":{"n":4,"big":4294967296,"f":1.5,"s":"x","l":["a","b"],"m":["a",1]}}"#;
    let config = EnrichmentConfig {
        name: "x".to_owned(),
        schema: SchemaKey::parse("iglu:a/b/jsonschema/1-0-0").unwrap(),
        data: parse(text).unwrap(),
    };
    assert_eq!(config.boolean(&["enabled"]), Ok(true));
    assert_eq!(config.integer(&["parameters", "n"]), Ok(4));
    assert_eq!(config.text(&["parameters", "s"]), Ok("x"));
    assert_eq!(config.texts(&["parameters", "l"]), Ok(vec!["a", "b"]));
    assert_eq!(
        config.text(&["parameters", "s", "t"]),
        Err("JSON path parameters.s.t not found".to_owned())
    );
    for name in ["big", "f", "s"] {
        let error = config.integer(&["parameters", name]).unwrap_err();
        let start =
            format!("Could not extract parameters.{name} as int from supplied JSON due to: ");
        assert!(error.starts_with(&start), "{error}");
    }
    assert!(config.texts(&["parameters", "m"]).is_err());
    assert!(config.boolean(&["parameters"]).is_err());
    assert!(config.text(&["enabled"]).is_err());
}
