//! Instances and schemas that are made to exhaust stack, memory or time.

use super::super::report::MAX_MESSAGES;
use super::*;

#[test]
fn deep_and_recursive_instances() {
    let depth = 990;
    let list = schema(r##"{"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}"##);
    let text = format!("{}null{}", "[".repeat(depth), "]".repeat(depth));
    assert!(messages(&list, &tree(&text)).is_empty());
    let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!list.is_valid(&tree(&text)));
    assert!(!list.validate(&tree(&text)).is_empty());
}

#[test]
fn multiplying_alternatives_end() {
    let schema = schema(
        r##"{"anyOf":[{"type":"null"},{"items":{"$ref":"#"},"minItems":1},{"items":{"$ref":"#"},"minItems":1}],"not":{"type":"integer"}}"##,
    );
    let text = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    assert!(!schema.is_valid(&tree(&text)));
    assert!(!schema.validate(&tree(&text)).is_empty());
}

#[test]
fn many_alternatives_of_a_long_instance_are_fine() {
    let schema =
        schema(r#"{"items":{"anyOf":[{"type":"null"},{"type":"string"},{"type":"boolean"}]}}"#);
    let text = format!("[{}false]", "true,".repeat(500_000));
    assert!(schema.is_valid(&tree(&text)));
    assert!(schema.validate(&tree(&text)).is_empty());
}

#[test]
fn reports_are_bounded() {
    let schema = schema(r#"{"items":{"type":"null"}}"#);
    let text = format!("[{}1]", "1,".repeat(50_000));
    let found = schema.validate(&tree(&text));
    assert_eq!(found.len(), MAX_MESSAGES + 1);
    assert_eq!(
        found.last().map(Message::text),
        Some("too many or too long validation messages: the rest is left out")
    );
    let schema = super::schema(r#"{"items":{"enum":["a"],"maxLength":1,"pattern":"^a$"}}"#);
    let text = format!(
        "[{}\"\"]",
        format!("\"{}\",", "x".repeat(1 << 20)).repeat(40)
    );
    let found = schema.validate(&tree(&text));
    assert!(found.len() < 60, "{}", found.len());
}

#[test]
fn large_schemas() {
    let properties: Vec<String> = (0..20_000)
        .map(|i| format!(r##""p{i}":{{"$ref":"#/definitions/d{i}"}}"##))
        .collect();
    let definitions: Vec<String> = (0..20_000)
        .map(|i| {
            format!(
                r##""d{i}":{{"allOf":[{{"$ref":"#/definitions/d{}"}}]}}"##,
                i + 1
            )
        })
        .collect();
    let text = format!(
        r##"{{"properties":{{{}}},"definitions":{{{},"d20000":{{"type":"null"}}}}}}"##,
        properties.join(","),
        definitions.join(",")
    );
    let schema = schema(&text);
    assert!(messages(&schema, &tree(r#"{"p19990":null}"#)).is_empty());
    assert!(!messages(&schema, &tree(r#"{"p19990":1}"#)).is_empty());
    // further than the bound on nesting: an error, not a stack overflow
    assert!(!schema.is_valid(&tree(r#"{"p0":null}"#)));
}
