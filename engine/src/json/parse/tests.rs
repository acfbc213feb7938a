//! What is read, what is refused, and that no text does harm.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::json::Number;

fn number(token: &str) -> Value<'_> {
    Value::Number(Number {
        token: Cow::Borrowed(token),
    })
}

fn kind(text: &str) -> ParseErrorKind {
    parse(text).unwrap_err().kind
}

/// Compact text of what is read, `none`, or the byte offset of the failure.
fn outcome(text: &str) -> String {
    match parse(text) {
        Ok(Some(value)) => value.to_compact(),
        Ok(None) => "none".to_owned(),
        Err(error) => format!("error at {}", error.offset),
    }
}

#[test]
fn values() {
    assert_eq!(parse("null"), Ok(Some(Value::Null)));
    assert_eq!(parse(" true "), Ok(Some(Value::Bool(true))));
    assert_eq!(parse("-1.50E+3"), Ok(Some(number("-1.50E+3"))));
    assert_eq!(
        parse("\r\n\t{ \"a\" : [ 1 , { } , [ ] , \"x\" ] , \"b\" : false }"),
        Ok(Some(Value::object([
            (
                "a",
                Value::Array(vec![
                    number("1"),
                    Value::Object(Vec::new()),
                    Value::Array(Vec::new()),
                    Value::string("x"),
                ])
            ),
            ("b", Value::Bool(false)),
        ])))
    );
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let text = "{\"key\":\"value é中😀\"}";
    let Ok(Some(Value::Object(members))) = parse(text) else {
        panic!("not an object");
    };
    assert!(matches!(
        &members[0],
        (
            Cow::Borrowed("key"),
            Value::String(Cow::Borrowed("value é中😀"))
        )
    ));
}

#[test]
fn only_the_first_value_is_read() {
    for (text, read) in [
        ("", "none"),
        (" \t\r\n", "none"),
        ("{\"a\":9}}}", "{\"a\":9}"),
        ("[];[]", "[]"),
        ("\"a\":[]", "\"a\""),
        ("{}{", "{}"),
        ("\"a\"x", "\"a\""),
        ("12 x", "12"),
        ("1\n]", "1"),
        ("true]", "true"),
        ("null$", "null"),
        ("null-", "null"),
        ("null\0", "null"),
        ("false\u{3000}x", "false"),
        ("12abc", "error at 2"),
        ("12]", "error at 2"),
        ("1,2", "error at 1"),
        ("1\u{b}", "error at 1"),
        ("truex", "error at 5"),
        ("null_", "error at 5"),
        ("true\u{200d}", "error at 7"),
        ("john+smith", "error at 4"),
        ("\u{feff}{}", "error at 0"),
    ] {
        assert_eq!(outcome(text), read, "{text:?}");
    }
}

#[test]
fn escapes() {
    for (text, read) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""a\u00e9\u4E2d\u0000z""#, "aé中\0z"),
        (r#""\ud83d\ude00""#, "😀"),
        (r#""\ud83d""#, "?"),
        (r#""\ud83dx\ude00""#, "?x?"),
        (r#""\ud83d\u0041""#, "?A"),
        (r#""\ud83d\ud83d\ude00""#, "?😀"),
        (r#""\ude00\ud83d\n""#, "??\n"),
        ("\"\u{7f}\u{80}\u{2028}\"", "\u{7f}\u{80}\u{2028}"),
    ] {
        assert_eq!(parse(text), Ok(Some(Value::string(read))), "{text}");
    }
}

#[test]
fn equal_keys() {
    for (text, merged, kept) in [
        ("{\"a\":1,\"a\":2}", "{\"a\":2}", "{\"a\":1,\"a\":2}"),
        (
            "{\"a\":1,\"b\":2,\"\\u0061\":3,\"c\":{\"b\":1,\"b\":[]}}",
            "{\"a\":3,\"b\":2,\"c\":{\"b\":[]}}",
            "{\"a\":1,\"b\":2,\"a\":3,\"c\":{\"b\":1,\"b\":[]}}",
        ),
        (
            "{\"\":1,\"\":2,\"\":3}",
            "{\"\":3}",
            "{\"\":1,\"\":2,\"\":3}",
        ),
    ] {
        assert_eq!(outcome(text), merged);
        assert_eq!(parse_keep_duplicates(text).unwrap().to_compact(), kept);
    }
}

#[test]
fn large_objects_merge_equal_keys_in_linear_time() {
    let members: Vec<String> = (0..200_000)
        .map(|i| format!("\"k{}\":{i}", i % 150_000))
        .collect();
    let text = format!("{{{}}}", members.join(","));
    let Ok(Some(Value::Object(read))) = parse(&text) else {
        panic!("not an object");
    };
    assert_eq!(read.len(), 150_000);
    assert_eq!(read[0], (Cow::from("k0"), number("150000")));
    assert_eq!(read[49_999], (Cow::from("k49999"), number("199999")));
    assert_eq!(read[50_000], (Cow::from("k50000"), number("50000")));
    assert_eq!(read[149_999], (Cow::from("k149999"), number("149999")));
}

#[test]
fn empty_texts_of_the_json4s_reader() {
    for text in ["", " \n"] {
        let error = parse_keep_duplicates(text).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Empty);
    }
    assert_eq!(parse_keep_duplicates(" null"), Ok(Value::Null));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(outcome(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    assert_eq!(kind(&nested(MAX_DEPTH + 1)), ParseErrorKind::TooDeep);
    assert_eq!(kind(&"[".repeat(10_000_000)), ParseErrorKind::TooDeep);
    assert_eq!(kind(&"{\"a\":".repeat(1_000_000)), ParseErrorKind::TooDeep);
    // depth counts what is open, not what was
    assert!(parse(&format!("[{}0]", "[[]],".repeat(5_000))).is_ok());
}

#[test]
fn failure_classes() {
    use ParseErrorKind as Kind;
    let open = |container, at, token_at| Open {
        container,
        at,
        token_at,
    };
    let char_error = |found, wanted| Kind::UnexpectedChar { found, wanted };
    for (text, kind, offset) in [
        ("<xml>", char_error('<', Wanted::Value), 0),
        ("[1,]", char_error(']', Wanted::Element), 3),
        ("{9:1}", char_error('9', Wanted::Name), 1),
        ("{\"a\":1,}", char_error('}', Wanted::Name), 7),
        ("{\"a\" 1}", char_error('1', Wanted::Colon), 5),
        ("[1 2]", char_error('2', Wanted::Comma(Container::Array)), 3),
        ("// c", char_error('/', Wanted::NotComment), 0),
        ("\"\\u00g0\"", char_error('g', Wanted::HexDigit), 5),
        ("1x", char_error('x', Wanted::RootSpace), 1),
        ("[\u{1}", Kind::IllegalSpace { found: '\u{1}' }, 1),
        (
            "\"a\nb\"",
            Kind::UnquotedControl {
                found: '\n',
                place: StringPlace::Value,
            },
            2,
        ),
        ("\"\\x\"", Kind::UnknownEscape { found: 'x' }, 2),
        ("[01]", Kind::LeadingZeroes, 2),
        (
            "[-a]",
            Kind::BadNumber {
                found: 'a',
                part: NumberPart::Integer,
            },
            2,
        ),
        (
            "[0.]",
            Kind::BadNumber {
                found: ']',
                part: NumberPart::Fraction,
            },
            3,
        ),
        (
            "tru",
            Kind::UnknownToken {
                start: 0,
                literal: true,
            },
            3,
        ),
        ("[NaN]", Kind::NonStandardToken { token: "NaN" }, 4),
        (
            "]",
            Kind::WrongClose {
                found: ']',
                open: None,
            },
            0,
        ),
        (
            "{\"a\":[1}",
            Kind::WrongClose {
                found: '}',
                open: Some(open(Container::Array, 5, 1)),
            },
            7,
        ),
        (
            "[1,{",
            Kind::EndOfInput {
                inside: Inside::Container(open(Container::Object, 3, 2)),
            },
            4,
        ),
        (
            "-",
            Kind::EndOfInput {
                inside: Inside::Minus,
            },
            1,
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, offset), "{text:?}");
    }
}

/// Texts that look like JSON more often than chance would have it.
fn jsonish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u00", "\\ud83d", "/", " ", "\n", "\r",
        "\u{0}", "0", "1", "-", "+", ".", "e", "E5", "true", "nul", "NaN", "Infinity", "-I", "a",
        "é", "😀", "\u{7f}", "{\"a\":", "[1,", "\"x\"",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_gives_a_value_or_an_error(text in prop_oneof![jsonish(), any::<String>()]) {
        for result in [parse(&text).map(|_| ()), parse_keep_duplicates(&text).map(|_| ())] {
            if let Err(error) = result {
                prop_assert!(text.is_char_boundary(error.offset));
                for style in [crate::text::jackson::Style::Enrich, crate::text::jackson::Style::Shred] {
                    prop_assert!(!crate::text::jackson::message(&text, &error, style).is_empty());
                }
            }
        }
    }

    #[test]
    fn what_serde_reads_we_read(text in jsonish()) {
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(matches!(parse(&text), Ok(Some(_))), "{}", text);
        }
    }

    #[test]
    fn what_we_print_serde_reads_alike(text in jsonish()) {
        // serde refuses numbers that are no doubles
        if let Ok(Some(value)) = parse(&text) && !text.contains("E5") {
            let printed = value.to_compact();
            let again: serde_json::Value = serde_json::from_str(&printed).unwrap();
            prop_assert_eq!(parse(&again.to_string()).is_ok(), true);
            prop_assert_eq!(parse(&printed).unwrap().unwrap().to_compact(), printed);
        }
    }
}
