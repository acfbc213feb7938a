//! Message texts, as the real libraries print them.

use super::*;
use crate::json::{ParseError, golden, parse, parse_keep_duplicates};

const VALUE: &str =
    "expected a valid value (number, String, array, object, 'true', 'false' or 'null')";
const COMMENT: &str = "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not enabled for parser)";
const TOKEN: &str = "was expecting ('true', 'false' or 'null')";
const LITERAL: &str = "was expecting 'null', 'true', 'false' or NaN";
const FEATURE: &str = "enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow";
const ESCAPE: &str = "has to be escaped using backslash to be included in";

fn failure(text: &str) -> ParseError {
    parse(text).unwrap_err()
}

/// Message and position in Jackson 2.6.5, taken from the library; the source is left out.
#[test]
fn jackson_2_6() {
    for (text, expected, line, column) in [
        ("john+smith", format!("Unrecognized token 'john': {TOKEN}"), 1, 5),
        ("<xml>", format!("Unexpected character ('<' (code 60)): {VALUE}"), 1, 2),
        ("{\"a\"::2}", format!("Unexpected character (':' (code 58)): {VALUE}"), 1, 7),
        ("{9:1}", "Unexpected character ('9' (code 57)): was expecting double-quote to start field name".into(), 1, 3),
        ("{\"a\":1,}", "Unexpected character ('}' (code 125)): was expecting double-quote to start field name".into(), 1, 9),
        ("{\"a\" 1}", "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value".into(), 1, 7),
        ("{\"a\":1 \"b\":2}", "Unexpected character ('\"' (code 34)): was expecting comma to separate OBJECT entries".into(), 1, 9),
        ("[1.5.5]", "Unexpected character ('.' (code 46)): was expecting comma to separate ARRAY entries".into(), 1, 6),
        ("[1,]", "Unexpected character (']' (code 93)): expected a value".into(), 1, 5),
        ("[1,}", "Unexpected character ('}' (code 125)): expected a value".into(), 1, 5),
        ("{\"a\":}", format!("Unexpected character ('}}' (code 125)): {VALUE}"), 1, 7),
        ("[😀]", format!("Unexpected character ('?' (code 55357 / 0xd83d)): {VALUE}"), 1, 3),
        ("\u{660}", format!("Unexpected character ('\u{660}' (code 1632 / 0x660)): {VALUE}"), 1, 2),
        ("\u{7f}", format!("Unexpected character ((CTRL-CHAR, code 127)): {VALUE}"), 1, 2),
        ("{\"a\":\"😀\" x}", "Unexpected character ('x' (code 120)): was expecting comma to separate OBJECT entries".into(), 1, 12),
        ("12abc", "Unexpected character ('a' (code 97)): Expected space separating root-level values".into(), 1, 4),
        ("// c\n{}", format!("Unexpected character ('/' (code 47)): {COMMENT}"), 1, 2),
        ("{\"a\":1/", format!("Unexpected character ('/' (code 47)): {COMMENT}"), 1, 8),
        ("\"\\u12g4\"", "Unexpected character ('g' (code 103)): expected a hex-digit for character escape sequence".into(), 1, 7),
        ("[\u{0}", "Illegal character ((CTRL-CHAR, code 0)): only regular white space (\\r, \\n, \\t) is allowed between tokens".into(), 1, 3),
        ("{\"a\":\"b\nc\"}", format!("Illegal unquoted character ((CTRL-CHAR, code 10)): {ESCAPE} string value"), 1, 9),
        ("{\"a\nb\":1}", format!("Illegal unquoted character ((CTRL-CHAR, code 10)): {ESCAPE} name"), 1, 5),
        ("{\"a\":\"\\x\"}", "Unrecognized character escape 'x' (code 120)".into(), 1, 9),
        ("\"\\\n\"", "Unrecognized character escape (CTRL-CHAR, code 10)".into(), 1, 4),
        ("\"\\😀\"", "Unrecognized character escape '?' (code 55357 / 0xd83d)".into(), 1, 4),
        ("tru", format!("Unrecognized token 'tru': {LITERAL}"), 1, 10),
        ("truex", format!("Unrecognized token 'truex': {LITERAL}"), 1, 11),
        ("{\"a\":tRue}", format!("Unrecognized token 'tRue': {LITERAL}"), 1, 10),
        ("{\"a\":nul}", format!("Unrecognized token 'nul': {LITERAL}"), 1, 9),
        ("é", format!("Unrecognized token 'é': {TOKEN}"), 1, 3),
        ("[NaNa]", format!("Unrecognized token 'NaNa': {LITERAL}"), 1, 6),
        ("+In", format!("Unrecognized token '+In': {LITERAL}"), 1, 10),
        ("{\"a\":NaN}", format!("Non-standard token 'NaN': {FEATURE}"), 1, 9),
        ("-INF", format!("Non-standard token '-INF': {FEATURE}"), 1, 9),
        ("[+Infinity]", format!("Non-standard token '+Infinity': {FEATURE}"), 1, 11),
        ("{\"a\":01}", "Invalid numeric value: Leading zeroes not allowed".into(), 1, 7),
        ("-01", "Invalid numeric value: Leading zeroes not allowed".into(), 1, 3),
        ("{\"a\":.5}", format!("Unexpected character ('.' (code 46)): {VALUE}"), 1, 7),
        ("{\"a\":+5}", "Unexpected character ('5' (code 53)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value".into(), 1, 8),
        ("{\"a\":1.}", "Unexpected character ('}' (code 125)) in numeric value: Decimal point not followed by a digit".into(), 1, 8),
        ("{\"a\":0.x}", "Unexpected character ('x' (code 120)) in numeric value: Decimal point not followed by a digit".into(), 1, 9),
        ("[1e+a]", "Unexpected character ('a' (code 97)) in numeric value: Exponent indicator not followed by a digit".into(), 1, 4),
        ("1.", "Unexpected character ('.' (code 46)) in numeric value: Decimal point not followed by a digit".into(), 1, 5),
        ("{\"a\":\"abc", "Unexpected end-of-input: was expecting closing quote for a string value".into(), 1, 19),
        ("{\"a", "Unexpected end-of-input: was expecting closing '\"' for name".into(), 1, 7),
        ("{\"a\"", "Unexpected end-of-input in FIELD_NAME".into(), 1, 9),
        ("{\"a\":\n", "Unexpected end-of-input in FIELD_NAME".into(), 2, 7),
        ("[1,", "Unexpected end-of-input within/between ARRAY entries".into(), 1, 7),
        ("{\"a\":1,", "Unexpected end-of-input within/between OBJECT entries".into(), 1, 15),
        ("\"\\u12", "Unexpected end-of-input in character escape sequence".into(), 1, 11),
        ("[-", "Unexpected end-of-inputNo digit following minus sign".into(), 1, 5),
        ("1e+", "Unexpected end-of-inputexpected a digit for number exponent".into(), 1, 7),
        ("+", "Unexpected end-of-input in a value".into(), 1, 3),
        ("\r\n\r {\"a\":\r\n  x}", format!("Unrecognized token 'x': {TOKEN}"), 4, 4),
    ] {
        assert_eq!(
            message(text, &failure(text), Style::Enrich),
            format!("{expected}\n at [Source: {text}; line: {line}, column: {column}]")
        );
    }
}

#[test]
fn starts_of_containers() {
    for (text, enrich, shred) in [
        (
            "[",
            "expected close marker for ARRAY (from [Source: [; line: 1, column: 0])\n at [Source: [; line: 1, column: 3]",
            "expected close marker for Array (start marker at [Source: (String)\"[\"; line: 1, column: 1])\n at [Source: (String)\"[\"; line: 1, column: 3]",
        ),
        (
            "[1,2",
            "expected close marker for ARRAY (from [Source: [1,2; line: 1, column: 0])\n at [Source: [1,2; line: 1, column: 13]",
            "expected close marker for Array (start marker at [Source: (String)\"[1,2\"; line: 1, column: 1])\n at [Source: (String)\"[1,2\"; line: 1, column: 13]",
        ),
        (
            "[0",
            "expected close marker for ARRAY (from [Source: [0; line: 1, column: 0])\n at [Source: [0; line: 1, column: 9]",
            "expected close marker for Array (start marker at [Source: (String)\"[0\"; line: 1, column: 1])\n at [Source: (String)\"[0\"; line: 1, column: 9]",
        ),
        (
            "{\"a\":{\"b\":[]",
            "expected close marker for OBJECT (from [Source: {\"a\":{\"b\":[]; line: 1, column: 1])\n at [Source: {\"a\":{\"b\":[]; line: 1, column: 25]",
            "expected close marker for Object (start marker at [Source: (String)\"{\"a\":{\"b\":[]\"; line: 1, column: 6])\n at [Source: (String)\"{\"a\":{\"b\":[]\"; line: 1, column: 25]",
        ),
        (
            "{\"a\":1\n ,\"b\":\n[",
            "expected close marker for ARRAY (from [Source: {\"a\":1\n ,\"b\":\n[; line: 2, column: 1])\n at [Source: {\"a\":1\n ,\"b\":\n[; line: 3, column: 17]",
            "expected close marker for Array (start marker at [Source: (String)\"{\"a\":1\n ,\"b\":\n[\"; line: 3, column: 1])\n at [Source: (String)\"{\"a\":1\n ,\"b\":\n[\"; line: 3, column: 17]",
        ),
    ] {
        let error = failure(text);
        let prefix = "Unexpected end-of-input: ";
        assert_eq!(
            message(text, &error, Style::Enrich),
            format!("{prefix}{enrich}")
        );
        assert_eq!(
            message(text, &error, Style::Shred),
            format!("{prefix}{shred}")
        );
    }
    let error = failure("[1}");
    assert_eq!(
        message("[1}", &error, Style::Enrich),
        "Unexpected close marker '}': expected ']' (for ARRAY starting at [Source: [1}; line: 1, column: 0])\n at [Source: [1}; line: 1, column: 4]"
    );
    assert_eq!(
        message("]", &failure("]"), Style::Shred),
        "Unexpected close marker ']': expected '}' (for root starting at [Source: (String)\"]\"; line: 1, column: 0])\n at [Source: (String)\"]\"; line: 1, column: 2]"
    );
}

/// Where 2.9 words a message differently.
#[test]
fn jackson_2_9() {
    for (text, expected, column) in [
        (
            "[1,]",
            format!("Unexpected character (']' (code 93)): {VALUE}"),
            5,
        ),
        (
            "[1,}",
            "Unexpected character ('}' (code 125)): expected a value".into(),
            5,
        ),
        (
            "|%|",
            format!("Unexpected character ('|' (code 124)): {VALUE}"),
            2,
        ),
        (
            "[1 2]",
            "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries"
                .into(),
            5,
        ),
        ("{\"a", "Unexpected end-of-input in field name".into(), 7),
        (
            "{\"a\"",
            "Unexpected end-of-input within/between Object entries".into(),
            9,
        ),
        (
            "[1,",
            "Unexpected end-of-input within/between Array entries".into(),
            7,
        ),
        ("-I", "Unexpected end-of-input in a Number value".into(), 5),
        ("tr", format!("Unrecognized token 'tr': {LITERAL}"), 7),
    ] {
        assert_eq!(
            message(text, &failure(text), Style::Shred),
            format!("{expected}\n at [Source: (String)\"{text}\"; line: 1, column: {column}]")
        );
    }
}

#[test]
fn long_tokens_and_long_texts() {
    let text = "z".repeat(600);
    assert_eq!(
        message(&text, &failure(&text), Style::Enrich),
        format!(
            "Unrecognized token '{text}': {TOKEN}\n at [Source: {text}; line: 1, column: 1201]"
        )
    );
    assert_eq!(
        message(&text, &failure(&text), Style::Shred),
        format!(
            "Unrecognized token '{}...': {TOKEN}\n at [Source: (String)\"{}\"[truncated 100 chars]; line: 1, column: 257]",
            &text[..256],
            &text[..500]
        )
    );
    let text = format!("[\"x{}\" y", "😀".repeat(300));
    assert!(
        message(&text, &failure(&text), Style::Shred).ends_with(&format!(
            "[Source: (String)\"[\"x{}?\"[truncated 106 chars]; line: 1, column: 607]",
            "😀".repeat(248)
        ))
    );
    let text = format!("[{}", " ".repeat(32_767));
    assert!(
        message(&text, &failure(&text), Style::Enrich).ends_with("  ; line: 1, column: 65537]")
    );
    // read in buffers of 4000 from here on
    let text = format!("[{}x", " ".repeat(40_000));
    assert!(
        message(&text, &failure(&text), Style::Enrich)
            .ends_with("\n at [Source: java.io.StringReader@xxxxxx; line: 1, column: 40005]")
    );
    assert!(
        message(&text, &failure(&text), Style::Shred)
            .ends_with("\n at [Source: (StringReader); line: 1, column: 40005]")
    );
}

#[test]
fn exceptions_with_their_class() {
    let text = "{\"a\":x}";
    assert_eq!(
        exception_text(text, &failure(text), Style::Enrich),
        format!(
            "com.fasterxml.jackson.core.JsonParseException: Unrecognized token 'x': {TOKEN}\n at [Source: {text}; line: 1, column: 7]"
        )
    );
    let text = "{\"kind:\"alert\"}";
    let error = parse_keep_duplicates(text).unwrap_err();
    assert_eq!(
        clean::strip_exception(&exception_text(text, &error, Style::Shred)),
        "com.fasterxml.jackson.core.JsonParseException: Unexpected character ('a' (code 97)): was expecting a colon to separate field name and value at [Source: (String)\"{\"kind:\"alert\"}\"; line: 1, column: 10]"
    );
    let empty = parse_keep_duplicates(" ").unwrap_err();
    assert_eq!(
        exception_text(" ", &empty, Style::Enrich),
        "com.fasterxml.jackson.databind.JsonMappingException: No content to map due to end-of-input\n at [Source:  ; line: 1, column: 1]"
    );
    assert!(
        exception_text("[", &failure("["), Style::Shred).starts_with(
            "com.fasterxml.jackson.core.io.JsonEOFException: Unexpected end-of-input: "
        )
    );
    let deep = "[".repeat(1001);
    assert!(message(&deep, &failure(&deep), Style::Enrich).starts_with(
        "Document nesting depth (1001) exceeds the maximum allowed (1000)\n at [Source: [["
    ));
}

#[test]
fn field_errors() {
    assert_eq!(
        field_error("ue_pr", " ", None, Style::Enrich),
        "Field [ue_pr]: invalid JSON [ ] with parsing error: mapping resulted in null"
    );
    let text = "\t{\n@1a; ";
    assert_eq!(
        field_error("co", text, Some(&failure(text)), Style::Enrich),
        format!(
            "Field [co]: invalid JSON [{text}] with parsing error: Unexpected character ('@' (code 64)): was expecting double-quote to start field name at [Source:     {{@xxxxxx; ; line: 2, column: 2]"
        )
    );
    let text = "x".repeat(32_769);
    assert!(
        field_error("co", &text, Some(&failure(&text)), Style::Enrich)
            .ends_with(" at [Source: java.io.StringReader@xxxxxx; line: 1, column: 33539]")
    );
}

#[test]
fn reference_cases_of_reformatting() {
    let Some(spec) = golden::read("enrich/unit/utils/ValidateAndReformatJsonSpec.json") else {
        return;
    };
    let cases = spec["cases"].as_array().unwrap();
    for case in cases {
        let args = &case["actual"]["args"];
        let (field, text) = (args[0].as_str().unwrap(), args[1].as_str().unwrap());
        match parse(text) {
            Ok(Some(value)) => assert_eq!(case["expect"]["success"], value.to_compact()),
            other => {
                let error = field_error(field, text, other.as_ref().err(), Style::Shred);
                assert_eq!(case["expect"]["failure"], error);
            }
        }
    }
    eprintln!("{} golden cases", cases.len());
}

#[test]
fn reference_cases_of_invalid_json() {
    // every message of these forms that a case expects is made again from the text that it names
    for (path, style) in [
        ("enrich/job/bad-tracker-cf-lines.json", Style::Enrich),
        (
            "enrich/unit/adapters/SnowplowAdapterSpec.json",
            Style::Shred,
        ),
        ("shred/bad_invalid_jsons.json", Style::Shred),
    ] {
        let Some(spec) = golden::read(path) else {
            continue;
        };
        let mut checked = 0;
        let mut values = vec![spec];
        while let Some(value) = values.pop() {
            match value {
                serde_json::Value::Array(items) => values.extend(items),
                serde_json::Value::Object(members) => {
                    values.extend(members.into_iter().map(|(_, v)| v));
                }
                serde_json::Value::String(text) => {
                    if text.starts_with("{\"") && text.contains("invalid JSON [") {
                        values.extend(serde_json::from_str::<serde_json::Value>(&text).ok());
                    } else if let Some((field, rest)) = text
                        .strip_prefix("Field [")
                        .and_then(|rest| rest.split_once("]: invalid JSON ["))
                    {
                        let (json, _) = rest.split_once("] with parsing error: ").unwrap();
                        let error = parse(json).err();
                        assert_eq!(field_error(field, json, error.as_ref(), style), text);
                        checked += 1;
                    }
                }
                _ => {}
            }
        }
        assert!(checked > 0, "{path}");
    }
}
