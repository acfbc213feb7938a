//! Random schemas and instances: the fast path and the slow path say the same, and nothing panics.

use proptest::prelude::*;

use super::*;
use crate::json::Number;

fn number() -> impl Strategy<Value = Value<'static>> {
    prop::sample::select(vec![
        "0",
        "1",
        "-1",
        "1.0",
        "2.5",
        "1e2",
        "-0.0",
        "100",
        "12345678901234567890",
    ])
    .prop_map(|token| {
        Value::Number(Number {
            token: token.into(),
        })
    })
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "a",
        "b",
        "ab",
        "é",
        "😀",
        "1.2.3.4",
        "a@b.c",
        "2016-06-30T14:31:09Z",
    ])
    .prop_map(str::to_owned)
}

fn instance() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number(),
        text().prop_map(Value::string),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "c", "é"]),
                inner,
                0..4
            )
            .prop_map(Value::object),
        ]
    })
}

fn schema_value() -> impl Strategy<Value = Value<'static>> {
    let types = || {
        prop::sample::select(vec![
            "array", "boolean", "integer", "null", "number", "object", "string",
        ])
    };
    let small = || (0_i64..4).prop_map(Value::integer);
    let leaf = prop_oneof![
        Just(Value::object::<&str>([])),
        types().prop_map(|name| Value::object([("type", Value::string(name))])),
        number().prop_map(|bound| Value::object([("minimum", bound)])),
        number().prop_map(|bound| Value::object([
            ("maximum", bound),
            ("exclusiveMaximum", Value::Bool(true))
        ])),
        small().prop_map(|bound| Value::object([("minLength", bound)])),
        small()
            .prop_map(|bound| Value::object([("maxLength", bound.clone()), ("maxItems", bound)])),
        prop::sample::select(vec!["^a", "b$", "^.$", "(a|é)+"])
            .prop_map(|p| Value::object([("pattern", Value::string(p))])),
        prop::sample::select(vec!["email", "ipv4", "date-time", "uri", "hostname"])
            .prop_map(|f| Value::object([("format", Value::string(f))])),
        prop::sample::select(vec!["#", "#/definitions/d", "#/no"])
            .prop_map(|r| Value::object([("$ref", Value::string(r))])),
        Just(Value::object([("uniqueItems", Value::Bool(true))])),
        prop::sample::subsequence(vec!["a", "b", "c"], 1..3).prop_map(|names| Value::object([(
            "required",
            Value::Array(names.into_iter().map(Value::string).collect())
        )])),
        prop::collection::vec(instance(), 0..1)
            .prop_map(|values| Value::object([("enum", Value::Array(values))])),
    ];
    let nested = leaf.prop_recursive(3, 24, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array);
        let map = || {
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "é"]),
                inner.clone(),
                0..3,
            )
            .prop_map(Value::object)
        };
        prop_oneof![
            several().prop_map(|v| Value::object([("allOf", v)])),
            several().prop_map(|v| Value::object([("anyOf", v)])),
            several().prop_map(|v| Value::object([("oneOf", v)])),
            inner.clone().prop_map(|v| Value::object([("not", v)])),
            inner.clone().prop_map(|v| Value::object([("items", v)])),
            (several(), inner.clone())
                .prop_map(|(t, v)| Value::object([("items", t), ("additionalItems", v)])),
            (map(), map(), inner.clone()).prop_map(|(p, q, v)| Value::object([
                ("properties", p),
                ("patternProperties", q),
                ("additionalProperties", v),
            ])),
            map().prop_map(|p| Value::object([
                ("properties", p),
                ("additionalProperties", Value::Bool(false))
            ])),
            map().prop_map(|d| Value::object([("dependencies", d)])),
        ]
    });
    (nested.clone(), nested).prop_map(|(root, definition)| match root {
        Value::Object(mut members) => {
            members.push(("definitions".into(), Value::object([("d", definition)])));
            Value::Object(members)
        }
        other => other,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_paths_agree(document in schema_value(), value in instance()) {
        if let Ok(schema) = Schema::compile(&document) {
            let messages = schema.validate(&value);
            prop_assert_eq!(schema.is_valid(&value), messages.is_empty(), "{:?}", messages);
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_not(source in "[\\[\\](){}|*+?^$.\\\\a-cux0-9,:=!-]{0,12}", text in "[a-c0-9 ]{0,8}") {
        if let Some(pattern) = super::super::pattern::Pattern::compile(&source) {
            pattern.is_match(&text);
        }
    }

    #[test]
    fn formats_never_panic(text in "\\PC{0,24}") {
        for name in ["date-time", "email", "hostname", "ipv4", "ipv6", "regex", "uri", "base64", "json-pointer", "mac", "md5", "uuid"] {
            let format = super::super::formats::Format::by_name(name).expect("a format");
            if !format.accepts(&text) {
                prop_assert!(!format.failure(&text).text.is_empty());
            }
        }
    }
}
