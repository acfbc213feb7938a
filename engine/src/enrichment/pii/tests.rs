//! What is replaced, what is left alone, and what is told about it.

use super::super::tests::raw_event;
use super::*;
use crate::iglu::SchemaKey;

fn config(emits: bool, pii: &str) -> EnrichmentConfig {
    let data = format!(
        r#"{{"vendor":"v","name":"pii_enrichment_config","emitEvent":{emits},"enabled":true,"parameters":{{"pii":{pii},"strategy":{{"pseudonymize":{{"hashFunction":"SHA-1","salt":"s"}}}}}}}}"#
    );
    EnrichmentConfig {
        name: "pii_enrichment_config".into(),
        schema: SchemaKey::parse(
            "iglu:com.snowplowanalytics.snowplow.enrichments/pii_enrichment_config/jsonschema/2-0-0",
        )
        .unwrap(),
        data: json::parse(&data).unwrap().unwrap().into_owned(),
    }
}

fn json_field(field: &str, criterion: &str, path: &str) -> String {
    format!(
        r#"{{"json":{{"field":"{field}","schemaCriterion":"{criterion}","jsonPath":"{path}"}}}}"#
    )
}

/// Columns before, configuration -> the draft afterwards.
fn replaced(
    columns: &[(Field, &str)],
    emits: bool,
    pii: &str,
) -> (Vec<(Field, String)>, Option<String>) {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    for (field, value) in columns {
        draft.event.set(*field, value);
    }
    let enrichment = PiiPseudonymizer::from_config(&config(emits, pii)).unwrap();
    enrichment.apply(&mut draft).unwrap();
    let values = draft
        .event
        .values()
        .map(|(f, v)| (f, v.to_owned()))
        .collect();
    (values, draft.pii)
}

fn sha1(value: &str) -> String {
    Pseudonym::new(HashFunction::Sha1, "s").of(value)
}

#[test]
fn columns_are_hashed_and_null_stays_null() {
    let pii = r#"[{"pojo":{"field":"user_id"}},{"pojo":{"field":"mkt_term"}}]"#;
    let (values, told) = replaced(&[(Field::UserId, "ann"), (Field::SeLabel, "x")], false, pii);
    assert_eq!(
        values,
        [(Field::UserId, sha1("ann")), (Field::SeLabel, "x".into())]
    );
    assert_eq!(told, None);
}

#[test]
fn strings_in_jsons_of_the_criterion_are_hashed() {
    let instance = |version: &str| {
        format!(
            r#"{{"schema":"iglu:com.acme/sent/jsonschema/{version}","data":{{"to":"a","n":1,"in":{{"schema":"iglu:com.acme/sent/jsonschema/1-0-0","data":{{"to":"b"}}}},"l":["x",2,"y"]}}}}"#
        )
    };
    let column = |a: &str, b: &str| {
        format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{a},{b}]}}"#
        )
    };
    let before = column(&instance("1-0-0"), &instance("1-1-0"));
    let hashed = |criterion: &str, path: &str| {
        let pii = format!("[{}]", json_field("contexts", criterion, path));
        let (values, _) = replaced(&[(Field::Contexts, &before)], false, &pii);
        values[0].1.clone()
    };
    let to = |text: String| text.replacen(r#""to":"a""#, &format!(r#""to":"{}""#, sha1("a")), 1);
    // both versions; only revision 0; nothing of another model or schema
    assert_eq!(
        hashed("iglu:com.acme/sent/jsonschema/1-*-*", "$.to"),
        column(&to(instance("1-0-0")), &to(instance("1-1-0")))
    );
    assert_eq!(
        hashed("iglu:com.acme/sent/jsonschema/1-0-*", "$.to"),
        column(&to(instance("1-0-0")), &instance("1-1-0"))
    );
    for (criterion, path) in [
        ("iglu:com.acme/sent/jsonschema/2-*-*", "$.to"),
        ("iglu:com.acme/other/jsonschema/1-*-*", "$.to"),
        ("iglu:com.acme/sent/jsonschema/1-*-*", "$.missing.to"),
        ("iglu:com.acme/sent/jsonschema/1-*-*", "$.n"),
        ("iglu:com.acme/sent/jsonschema/1-*-*", "$.['missing','n']"),
    ] {
        assert_eq!(hashed(criterion, path), before, "{criterion} {path}");
    }
    // an array that is selected whole, alone or with its elements: each string once
    let list = format!(r#""l":["{}",2,"{}"]"#, sha1("x"), sha1("y"));
    for path in ["$.l", "$.l[*]"] {
        let found = hashed("iglu:com.acme/sent/jsonschema/1-0-0", path);
        assert_eq!(
            found,
            column(
                &instance("1-0-0").replace(r#""l":["x",2,"y"]"#, &list),
                &instance("1-1-0")
            )
        );
    }
    let everything = hashed("iglu:com.acme/sent/jsonschema/1-0-0", "$..*");
    assert!(everything.contains(&list), "{everything}");
}

#[test]
fn what_was_replaced_is_told_backwards() {
    let event = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{"schema":"iglu:com.acme/sent/jsonschema/1-0-0","data":{"a":"1","b":"2"}}}"#;
    let pii = format!(
        r#"[{},{{"pojo":{{"field":"user_id"}}}},{{"pojo":{{"field":"user_ipaddress"}}}}]"#,
        json_field(
            "unstruct_event",
            "iglu:com.acme/sent/jsonschema/1-0-0",
            "$.['a','b','c']"
        )
    );
    let columns = [
        (Field::UserId, "ann"),
        (Field::UserIpaddress, "1.2.3.4"),
        (Field::UnstructEvent, event),
    ];
    let (values, told) = replaced(&columns, true, &pii);
    let (a, b, ann, ip) = (sha1("1"), sha1("2"), sha1("ann"), sha1("1.2.3.4"));
    let replaced_event = event
        .replace(r#""1""#, &format!("\"{a}\""))
        .replace(r#""2""#, &format!("\"{b}\""));
    assert_eq!(values[2].1, replaced_event);
    let place = r#""jsonPath":"$.['a','b','c']","schema":"iglu:com.acme/sent/jsonschema/1-0-0""#;
    let expected = format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{{"schema":"iglu:com.snowplowanalytics.snowplow/pii_transformation/jsonschema/1-0-0","data":{{"pii":{{"json":[{{"fieldName":"unstruct_event","originalValue":"2","modifiedValue":"{b}",{place}}},{{"fieldName":"unstruct_event","originalValue":"1","modifiedValue":"{a}",{place}}}],"pojo":[{{"fieldName":"user_ipaddress","originalValue":"1.2.3.4","modifiedValue":"{ip}"}},{{"fieldName":"user_id","originalValue":"ann","modifiedValue":"{ann}"}}]}},"strategy":{{"pseudonymize":{{"hashFunction":"SHA-1"}}}}}}}}}}"#
    );
    assert_eq!(told.unwrap(), expected);
    // nothing replaced, nothing told
    assert_eq!(replaced(&[], true, &pii).1, None);
}

#[test]
fn broken_columns_are_left_alone() {
    let pii = format!(
        "[{}]",
        json_field("contexts", "iglu:com.acme/sent/jsonschema/1-*-*", "$..*")
    );
    for text in [
        "com.acme/sent",
        r#""com.acme/sent""#,
        r#"{"data":"com.acme/sent"}"#,
        r#"{"data":[{"schema":"com.acme/sent"}]}"#,
        r#"{"data":[{"schema":"iglu:com.acme/sent/jsonschema/1-0-0"}]}"#,
        r#"["com.acme/sent"]"#,
        r#"{"data":[{"schema":"iglu:com.acme/sent/jsonschema/1-0-0","data":"text"}]}"#,
    ] {
        let (values, _) = replaced(&[(Field::Contexts, text)], false, &pii);
        assert_eq!(values[0].1, text);
    }
}

#[test]
fn everything_wrong_with_a_configuration_is_told() {
    let pii = format!(
        r#"[{{"pojo":{{"field":"app_id"}}}},{},{},{{}},{}]"#,
        json_field("page_url", "iglu:a/b/jsonschema/1-*", "$.a"),
        json_field("contexts", "iglu:a/b/jsonschema/*-0-0", "$.a"),
        json_field("contexts", "iglu:a/b/jsonschema/1-0-0", "$.[")
    );
    let mut config = config(false, &pii);
    let texts = PiiPseudonymizer::from_config(&config).unwrap_err();
    assert_eq!(
        texts[..4],
        [
            "The specified pojo field app_id is not supported",
            "Unable to extract PII JSON: The specified json field page_url is not supported,iglu:a/b/jsonschema/1-* is not a valid Iglu-format schema criterion",
            "Unable to extract PII JSON: iglu:a/b/jsonschema/*-0-0 is not a valid Iglu-format schema criterion",
            "PII Configuration: pii field does not include 'pojo' nor 'json' fields. Got: [{}]",
        ]
    );
    assert!(
        texts[4].starts_with("Unable to extract PII JSON: "),
        "{texts:?}"
    );
    let text = config.data.to_compact().replace("SHA-1", "SHA-0");
    config.data = json::parse(&text).unwrap().unwrap().into_owned();
    let texts = PiiPseudonymizer::from_config(&config).unwrap_err();
    assert_eq!(texts.last().unwrap(), "Unknown function SHA-0");
}
