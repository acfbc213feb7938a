//! Cleaning of texts: TSV-safe values, CloudFront's double percent-encoding, exception texts, as
//! the reference's `ConversionUtils` (common-enrich 0.34) and `JsonUtils` do it.
//!
//! Control characters are those of ASCII here, U+0000 to U+001F and U+007F: Java's `\p{Cntrl}` without
//! Unicode classes.

use std::borrow::Cow;

use memchr::memmem;

/// The reference's `fixTabsNewlines`: tabs become four spaces, other ASCII control characters vanish, an
/// empty result is absent. Nothing is trimmed.
pub fn tsv_safe(text: &str) -> Option<Cow<'_, str>> {
    let safe = without_controls(text);
    (!safe.is_empty()).then_some(safe)
}

/// Four spaces for a tab, nothing for any other ASCII control character.
fn without_controls(text: &str) -> Cow<'_, str> {
    let Some(first) = text.bytes().position(|b| b.is_ascii_control()) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    let mut run = first;
    for (at, byte) in text.bytes().enumerate().skip(first) {
        if byte.is_ascii_control() {
            out.push_str(&text[run..at]);
            if byte == b'\t' {
                out.push_str("    ");
            }
            run = at + 1;
        }
    }
    out.push_str(&text[run..]);
    Cow::Owned(out)
}

/// `%25XX` with two hexadecimal digits becomes `%XX`: one pass, from the left, without overlap.
pub fn single_encode_pcts(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut run = 0;
    let mut from = 0;
    while let Some(found) = memmem::find(&bytes[from..], b"%25") {
        let behind = from + found + 3;
        from = behind;
        if let Some([a, b]) = bytes.get(behind..behind + 2)
            && a.is_ascii_hexdigit()
            && b.is_ascii_hexdigit()
        {
            out.push_str(&text[run..behind - 2]);
            out.push_str(&text[behind..behind + 2]);
            run = behind + 2;
            from = run;
        }
    }
    if run == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[run..]);
    Cow::Owned(out)
}

/// Cleans an exception text for a bad row: `@1a2b3c;` becomes `@xxxxxx;` (instance ids, and whatever looks
/// like one), tabs four spaces, other ASCII control characters vanish, outer white space is trimmed.
pub fn strip_exception(text: &str) -> String {
    let named = without_instance_ids(text);
    let clean = without_controls(&named);
    // Java's trim: everything up to the space
    clean.trim_matches(|c| c <= ' ').to_owned()
}

/// Replaces `@[0-9a-z]+;` by `@xxxxxx;`.
fn without_instance_ids(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut run = 0;
    for at in memchr::memchr_iter(b'@', bytes) {
        let id = &bytes[at + 1..];
        let len = id
            .iter()
            .take_while(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
            .count();
        if len > 0 && id.get(len) == Some(&b';') {
            out.push_str(&text[run..at]);
            out.push_str("@xxxxxx;");
            run = at + 1 + len + 1;
        }
    }
    if run == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[run..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tsv_safe_values() {
        for (text, safe) in [
            ("", None),
            ("\t", Some("    ")),
            ("\\\t", Some("\\    ")),
            ("\u{8}", None),
            ("\u{2}", None),
            ("\u{7f}\r\n", None),
            ("Hello\n", Some("Hello")),
            (" ", Some(" ")),
            ("\u{fffd}", Some("\u{fffd}")),
            (
                "Hi\t\u{2}\u{fffd}\u{20}\u{8}Jo\t\u{2}",
                Some("Hi    \u{fffd} Jo    "),
            ),
            (
                "a\u{80}\u{9f}\u{2028}\u{a0}b",
                Some("a\u{80}\u{9f}\u{2028}\u{a0}b"),
            ),
            ("中\n文", Some("中文")),
        ] {
            assert_eq!(tsv_safe(text).as_deref(), safe, "{text:?}");
        }
        assert!(matches!(tsv_safe("plain"), Some(Cow::Borrowed("plain"))));
    }

    #[test]
    fn double_percent_encoding() {
        for (text, single) in [
            ("", ""),
            ("%2520", "%20"),
            ("30%2525 complete", "30%25 complete"),
            ("70%25 Complete", "70%25 Complete"),
            ("%2588", "%88"),
            ("%25aF%25Af%25fg", "%aF%Af%25fg"),
            ("%252525", "%2525"),
            ("%2525252", "%25252"),
            ("%25%2520", "%25%20"),
            ("%25", "%25"),
            ("%252", "%252"),
            ("%25é%2541", "%25é%41"),
        ] {
            assert_eq!(single_encode_pcts(text), single, "{text}");
        }
        assert!(matches!(single_encode_pcts("a=b%20c"), Cow::Borrowed(_)));
    }

    #[test]
    fn exception_texts() {
        for (text, clean) in [
            ("a\n at [Source: b\tc]", "a at [Source: b    c]"),
            ("  \r\n x \u{0}", "x"),
            (
                "java.io.StringReader@1a2b3c; line: 1",
                "java.io.StringReader@xxxxxx; line: 1",
            ),
            ("@;@A;@a_;@z;@0@1;", "@;@A;@a_;@xxxxxx;@0@xxxxxx;"),
            ("a@b", "a@b"),
            ("é@1;é", "é@xxxxxx;é"),
            ("", ""),
            // the id must be whole before the line feed goes
            ("@1\n2;", "@12;"),
        ] {
            assert_eq!(strip_exception(text), clean, "{text:?}");
        }
    }

    #[test]
    fn reference_cases_of_conversions() {
        use crate::json::golden;
        use crate::text::java_number::{parse_int, plain_decimal};

        let Some(spec) = golden::read("enrich/unit/utils/conversionUtilsSpecs.json") else {
            return;
        };
        let mut checked = 0;
        for case in spec["cases"].as_array().unwrap() {
            let (actual, expect) = (&case["actual"], &case["expect"]);
            let args = actual["args"].as_array();
            let Some(text) = args.and_then(|args| args.last()?.as_str()) else {
                continue;
            };
            let name = &case["name"];
            match actual["call"].as_str() {
                Some("ConversionUtils.fixTabsNewlines") => {
                    assert_eq!(
                        expect["equals"].as_str(),
                        tsv_safe(text).as_deref(),
                        "{name}"
                    );
                }
                Some("ConversionUtils.singleEncodePcts") => {
                    let expected = expect.get("equals").or(expect.get("success"));
                    assert_eq!(expected.unwrap(), &*single_encode_pcts(text), "{name}");
                }
                // the word null is the caller's affair
                Some("ConversionUtils.stringToDoublelike") if text != "null" => {
                    let plain = plain_decimal(text);
                    assert_eq!(expect["success"].as_str(), plain.as_deref(), "{name}");
                }
                Some("ConversionUtils.stringToJInteger") => {
                    let value = parse_int(text).map(i64::from);
                    assert_eq!(expect["success"].as_i64(), value, "{name}");
                }
                _ => continue,
            }
            checked += 1;
        }
        eprintln!("{checked} reference cases");
        assert!(checked > 20);
    }
}
