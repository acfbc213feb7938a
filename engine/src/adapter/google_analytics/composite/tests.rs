//! Composite contexts of whole hits.

use super::*;
use crate::adapter::shared::body::form;

/// Names of the schemas with data, or the message.
fn printed(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut messages = Vec::new();
    let form = form(line).unwrap();
    let contexts = contexts(&form, &mut messages).unwrap();
    if let Some(message) = messages.pop() {
        assert!(messages.is_empty() && contexts.is_empty());
        return Err(message);
    }
    let short = |context: Context<'_>| {
        let name = context.schema().split('/').nth(1).unwrap().to_owned();
        let value = context.into_value();
        (name, value.get("data").unwrap().to_compact())
    };
    Ok(contexts.into_iter().map(short).collect())
}

#[track_caller]
fn check(line: &str, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, data)| ((*name).to_owned(), (*data).to_owned()))
        .collect();
    assert_eq!(printed(line), Ok(expected), "{line}");
}

#[test]
fn single_things() {
    check("t=pageview&promoa=click", &[]);
    check("promo3id=x", &[("promotion", r#"{"index":3,"id":"x"}"#)]);
    check(
        "cd=name&cd7=dim",
        &[("custom_dimension", r#"{"value":"dim","index":7}"#)],
    );
    check(
        "cg2=group",
        &[("content_group", r#"{"value":"group","index":2}"#)],
    );
    check(
        "cm4=1.5",
        &[("custom_metric", r#"{"value":1.5,"index":4}"#)],
    );
    check(
        "il5nm=list",
        &[("product_impression_list", r#"{"name":"list","index":5}"#)],
    );
}

#[test]
fn unknown_fields_make_no_context() {
    check("pr1=x", &[]);
    check("pr1xx=x", &[]);
    check("il1pi2zz3=x", &[]);
}

#[test]
fn the_currency_is_part_of_products_only() {
    check(
        "cu=EUR&pr2id=s",
        &[("product", r#"{"currencyCode":"EUR","index":2,"sku":"s"}"#)],
    );
    check(
        "cu&pr2id=s",
        &[("product", r#"{"currencyCode":null,"index":2,"sku":"s"}"#)],
    );
    check(
        "cu=EUR&cg1=g",
        &[("content_group", r#"{"value":"g","index":1}"#)],
    );
    check("cu=EUR&pr2=s", &[]);
}

#[test]
fn repeated_things() {
    let contexts = printed("pr1id=a&pr2id=b&pr10id=c").unwrap();
    let data: Vec<&str> = contexts.iter().map(|(_, data)| data.as_str()).collect();
    // sorted by name: `pr10id` comes before `pr1id`
    assert_eq!(
        data,
        [
            r#"{"index":10,"sku":"c"}"#,
            r#"{"index":1,"sku":"a"}"#,
            r#"{"index":2,"sku":"b"}"#
        ]
    );
}

#[test]
fn ragged_columns_shift() {
    check(
        "pr1id=a&pr1nm=n&pr2id=b",
        &[
            ("product", r#"{"index":1,"sku":"a","name":"n"}"#),
            ("product", r#"{"index":2,"sku":"b"}"#),
        ],
    );
    // the only sku goes to the first product, the second name to the field of the sku
    check(
        "pr1nm=n&pr2nm=m&pr2id=b",
        &[
            ("product", r#"{"index":1,"sku":"b","name":"n"}"#),
            ("product", r#"{"index":2,"sku":"m"}"#),
        ],
    );
}

#[test]
fn names_of_another_form() {
    for (line, name) in [
        ("utm1=x", "utm1"),
        ("pr1id=a&z9=1&a9=1", "a9"),
        ("x%D9%A1=1", "x١"),
        // UTF-16 puts the pair before the private character, UTF-8 behind it
        ("%EE%80%801=1&%F0%9F%98%801=2", "😀1"),
    ] {
        let message = printed(line).unwrap_err();
        assert!(
            message.starts_with(&format!("Cannot parse field name {name}, it doesn't")),
            "{message}"
        );
    }
    // digits beyond the basic plane are none
    check("x%F0%9D%9F%8F=1", &[]);
}

#[test]
fn values_of_another_type() {
    assert_eq!(
        printed("pr1qt=many"),
        Err("Field [quantity]: cannot convert [many] to Int".to_owned())
    );
    assert_eq!(
        printed("pr99999999999id=x"),
        Err("Field [index]: cannot convert [99999999999] to Int".to_owned())
    );
    assert_eq!(
        printed("cm1=NaN"),
        Err("Field [value]: cannot convert [NaN] to Double".to_owned())
    );
}

#[test]
fn parameters_without_value() {
    check("cg1", &[("content_group", r#"{"value":null,"index":1}"#)]);
    for line in ["pr1qt", "pr1qt=x&pr2qt", "cm1"] {
        let form = form(line).unwrap();
        assert!(contexts(&form, &mut Vec::new()).is_err(), "{line}");
    }
}

#[test]
fn five_and_more_fields_iterate_by_hash() {
    let contexts =
        printed("cu=EUR&il1pi1pr=1&il1pi1nm=n&il1pi1ps=1&il1pi1ca=c&il1pi1id=i&il1pi1br=b")
            .unwrap();
    assert_eq!(
        contexts,
        [(
            "product_impression".to_owned(),
            r#"{"productIndex":1,"name":"n","sku":"i","price":1.0,"brand":"b","currencyCode":"EUR","category":"c","position":1,"listIndex":1}"#
                .to_owned()
        )]
    );
}

#[test]
fn a_long_currency_is_not_multiplied() {
    let products: String = (0..1_000).map(|i| format!("&pr{i}id=x")).collect();
    let line = |length: usize| format!("cu={}{products}", "E".repeat(length));
    assert_eq!(printed(&line(1_000)).unwrap().len(), 1_000);
    assert_eq!(
        printed(&line(100_000)),
        Err("Field [currencyCode]: too long to be repeated for every product".to_owned())
    );
}

#[test]
fn many_names_take_linear_time() {
    let line: String = (0..20_000)
        .map(|i| format!("cd{i}x{}=v&", "y".repeat(i % 50)))
        .collect();
    check(&line, &[]);
    let line: String = (0..20_000).map(|i| format!("cd{i}=v&")).collect();
    assert_eq!(printed(&line).unwrap().len(), 20_000);
}
