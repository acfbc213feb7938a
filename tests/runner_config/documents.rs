//! Storage targets, enrichments and resolvers, and what `lint` says about them.

use std::path::Path;

use super::*;

/// A registry of made-up schemas, and a resolver that knows it.
fn registry(place: &Place) {
    for (vendor, name) in [
        ("com.acme", "redshift_config"),
        ("com.acme", "csv_config"),
        ("com.acme", "anything"),
    ] {
        let schema = serde_json::json!({
            "self": {"vendor": vendor, "name": name, "format": "jsonschema", "version": "1-0-0"},
            "type": "object",
            "properties": {"port": {"type": "integer"}, "password": {"type": "string", "maxLength": 5}},
            "required": ["name"]
        });
        place.write(
            &format!("registry/schemas/{vendor}/{name}/jsonschema/1-0-0"),
            schema.to_string(),
        );
    }
    let resolver = serde_json::json!({
        "schema": "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-0",
        "data": {"cacheSize": 10, "repositories": [{
            "name": "here", "priority": 0, "vendorPrefixes": ["com.acme"],
            "connection": {"embedded": {"path": place.text("registry")}}
        }]}
    });
    place.write("resolver.json", resolver.to_string());
}

fn document(name: &str, data: &str) -> String {
    format!("{{\"schema\":\"iglu:com.acme/{name}/jsonschema/1-0-0\",\"data\":{data}}}")
}

#[test]
fn storage_targets_are_checked_first() {
    let place = Place::new();
    registry(&place);
    let good = r#"{"name": "r", "id": "id1", "purpose": "ENRICHED_EVENTS", "password": "s3cre"}"#;
    place.write("targets/a.json", document("redshift_config", good));
    place.write("targets/b.json", document("redshift_config", good));
    // before the configuration is looked at
    place.write("config.yml", "nothing: good");
    let run = [
        "run",
        "-c",
        "config.yml",
        "-r",
        "resolver.json",
        "-t",
        "targets",
    ];
    let (code, out, err) = place.run(&run);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (1, "", "Duplicate storage target ids: [\"id1\"]\n")
    );
    place.write("targets/b.json", document("csv_config", good));
    place.write("targets/c.json", "{not JSON");
    place.write(
        "targets/d.json",
        document(
            "redshift_config",
            r#"{"name": "d", "port": "x", "password": "s3cret-and-long"}"#,
        ),
    );
    let (code, out, err) = place.run(&run);
    assert_eq!((code, err.as_str()), (1, ""));
    for line in [
        "Error in [targets/b.json] EmrEtlRunner doesn't support storage target configuration [csv_config] (schema [iglu:com.acme/csv_config/jsonschema/1-0-0])",
        "Possible options are: redshift_config, postgresql_config, elastic_config, amazon_dynamodb_config",
        "Error in [targets/c.json] it is not valid JSON: ",
        "Error in [targets/d.json] data.password: does not meet its schema (the value is not shown); data.port: instance type (string)",
    ] {
        assert!(
            out.lines().any(|told| told.starts_with(line)),
            "{line}\n{out}"
        );
    }
    assert!(!out.contains("s3cret"), "{out}");
}

#[test]
fn lint_has_the_texts_of_the_reference() {
    let place = Place::new();
    let lint = |what: &str, more: &[&str]| {
        let mut arguments = vec!["lint", what, "-r", "resolver.json"];
        arguments.extend(more);
        place.run(&arguments)
    };
    assert_eq!(
        lint("resolver", &[]),
        (0, "Valid Iglu resolver config\n".into(), String::new())
    );
    registry(&place);
    place.write(
        "enrichments/a.json",
        document("anything", r#"{"name": "a"}"#),
    );
    place.write("enrichments/notes.txt", "no enrichment");
    for what in ["enrichments", "all"] {
        let (code, out, err) = lint(what, &["-n", "enrichments"]);
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (0, "Valid Iglu resolver config\nValid enrichments\n", "")
        );
    }
    let (code, out, err) = lint("all", &["-n", "enrichments", "-c", "config.yml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.starts_with("Valid Iglu resolver config\nValid enrichments\n")
            && out.ends_with("\nValid configuration\n"),
        "{out}"
    );
    place.write(
        "enrichments/b.json",
        document("anything", r#"{"password": "s3cret"}"#),
    );
    place.write("enrichments/c.json", "{\"apiKey\": s3cret");
    let (code, out, err) = lint("enrichments", &["-n", "enrichments"]);
    assert_eq!((code, out.as_str()), (1, "Valid Iglu resolver config\n"));
    assert!(
        err.starts_with("Invalid enrichments:\n Could not validate enrichment {"),
        "{err}"
    );
    assert!(err.contains("\"password\":\"...\""), "{err}");
    assert!(err.contains("}: object has missing required properties ([\"name\"])\nCould not validate enrichment {"), "{err}");
    assert!(!err.contains("s3cret"), "{err}");
    place.write("resolver.json", "{");
    let (code, out, err) = lint("resolver", &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("Could not parse resolver config {: "),
        "{err}"
    );
    place.write(
        "resolver.json",
        "{\"data\": 1, \"schema\": \"iglu:a/b/jsonschema/1-0-0\"}",
    );
    let (_, _, err) = lint("resolver", &[]);
    assert!(
        err.starts_with(
            "Invalid resolver config {\"data\":1,\"schema\":\"iglu:a/b/jsonschema/1-0-0\"}: "
        ),
        "{err}"
    );
    assert!(Path::new(&place.text("resolver.json")).exists());
}
