//! Cases of our own: what each keyword says, order, references and exceptions.

use super::*;

#[test]
fn a_message_in_full() {
    let schema = schema(r#"{"items":{"type":"object","required":["tv","e","p"]}}"#);
    let instance = tree(r#"[{"tv":1,"e":"x"}]"#);
    let found: Vec<String> = messages(&schema, &instance)
        .iter()
        .map(|message| message.to_json().to_compact())
        .collect();
    assert_eq!(
        found,
        [concat!(
            r##"{"level":"error","schema":{"loadingURI":"#","pointer":"/items"},"instance":{"pointer":"/0"},"##,
            r#""domain":"validation","keyword":"required","message":"object has missing required properties ([\"p\"])","#,
            r#""required":["e","p","tv"],"missing":["p"]}"#
        )]
    );
}

#[test]
fn texts_of_keywords() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            r#"{"type":"number"}"#,
            r#""a""#,
            &[
                r#"instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])"#,
            ],
        ),
        (
            r#"{"type":"integer"}"#,
            "1.0",
            &[
                r#"instance type (number) does not match any allowed primitive type (allowed: ["integer"])"#,
            ],
        ),
        (r#"{"type":"number"}"#, "1", &[]),
        (r#"{"enum":[1,"a",{"x":[1.0]}]}"#, r#"{"x":[1]}"#, &[]),
        (
            r#"{"enum":["a",2]}"#,
            "3",
            &[r#"instance value (3) not found in enum (possible values: ["a",2])"#],
        ),
        (
            r#"{"minimum":1e2,"exclusiveMinimum":true}"#,
            "100",
            &["numeric instance is not strictly greater than the required minimum 100"],
        ),
        (
            r#"{"maximum":1.5}"#,
            "2.5e7",
            &["numeric instance is greater than the required maximum (maximum: 1.5, found: 2.5E7)"],
        ),
        (
            r#"{"maximum":5}"#,
            "1e400",
            &[
                "numeric instance is greater than the required maximum (maximum: 5, found: \"Infinity\")",
            ],
        ),
        (r#"{"multipleOf":0.01}"#, "4.35", &[]),
        (
            r#"{"multipleOf":0.01}"#,
            "4.351",
            &["remainder of division is not zero (4.351 / 0.01)"],
        ),
        (r#"{"maxLength":2}"#, r#""a\ud83d\ude00""#, &[]),
        (
            r#"{"maxLength":2}"#,
            r#""abc""#,
            &[r#"string "abc" is too long (length: 3, maximum allowed: 2)"#],
        ),
        (
            r#"{"minLength":3}"#,
            r#""é😀""#,
            &[r#"string "é😀" is too short (length: 2, required minimum: 3)"#],
        ),
        (
            r#"{"pattern":"^a"}"#,
            r#""b\"""#,
            &[r#"ECMA 262 regex "^a" does not match input string "b"""#],
        ),
        (
            r#"{"uniqueItems":true}"#,
            "[1,1.0]",
            &["array must not contain duplicate elements"],
        ),
        (
            r#"{"items":[{}],"additionalItems":false}"#,
            "[1,2]",
            &["schema only allows 1 elements in array but instance has 2 elements"],
        ),
        (r#"{"items":{},"additionalItems":false}"#, "[1,2]", &[]),
        (
            r#"{"additionalItems":{"type":"null"}}"#,
            "[1]",
            &[
                r#"instance type (integer) does not match any allowed primitive type (allowed: ["null"])"#,
            ],
        ),
        (
            r#"{"not":{"type":"null"}}"#,
            "null",
            &["instance matched a schema which it should not have"],
        ),
        (
            r#"{"dependencies":{"a":["c","b"]}}"#,
            r#"{"a":1,"b":1}"#,
            &[
                r#"property "a" of object has missing property dependencies (schema requires ["b","c"]; missing: ["c"])"#,
            ],
        ),
        (
            r#"{"format":"ipv4"}"#,
            r#""1.2.3""#,
            &[r#"string "1.2.3" is not a valid IPv4 address"#],
        ),
        (r#"{"format":"date"}"#, r#""x""#, &[]),
        (
            r#"{"properties":{"a":{"type":"null"}},"required":["b"]}"#,
            r#"{"a":1}"#,
            &[r#"object has missing required properties (["b"])"#],
        ),
        (
            r#"{"additionalProperties":false,"required":["r"]}"#,
            r#"{"r":1,"ä":2}"#,
            &[r#"object instance has properties which are not allowed by the schema: ["r","ä"]"#],
        ),
    ];
    for (schema, instance, expected) in cases {
        assert_eq!(texts(schema, instance), *expected, "{schema} {instance}");
    }
}

#[test]
fn order_and_completeness() {
    // keywords by name, format last
    let found = texts(
        r#"{"type":"string","minLength":9,"maxLength":0,"pattern":"^a","enum":["x"],"format":"uuid","not":{}}"#,
        r#""b""#,
    );
    let starts: Vec<&str> = found.iter().map(|text| &text[..12]).collect();
    assert_eq!(
        starts,
        [
            "instance val",
            "string \"b\" i",
            "string \"b\" i",
            "instance mat",
            "ECMA 262 reg",
            "input string"
        ]
    );
    // members by name; below the first failure nothing is looked at, beside it everything
    let schema = r#"{"properties":{"a":{"type":"null"},"z":{"required":["q"],"properties":{"c":{"type":"null"}}},"b":{"properties":{"c":{"type":"null"}}}}}"#;
    let found = texts(schema, r#"{"z":{"c":1},"b":{"c":1},"a":1}"#);
    assert_eq!(found.len(), 2);
    assert!(
        found[0].starts_with("instance type (integer)")
            && found[1].starts_with("object has missing")
    );
}

#[test]
fn reports_of_alternatives() {
    let schema =
        schema(r#"{"properties":{"x":{"oneOf":[{"type":"null"},{"items":{"type":"null"}}]}}}"#);
    let found = messages(&schema, &tree(r#"{"x":[1]}"#));
    let json = found[0].to_json();
    let reports = json.get("reports").expect("reports");
    let pointers: Vec<&str> = reports
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, _)| &**name)
        .collect();
    assert_eq!(pointers, ["/properties/x/oneOf/0", "/properties/x/oneOf/1"]);
    let inner = &reports
        .get("/properties/x/oneOf/1")
        .and_then(Value::as_array)
        .expect("messages")[0];
    assert_eq!(
        inner.get("instance").and_then(|i| i.get("pointer")),
        Some(&Value::string("/x/0"))
    );
}

#[test]
fn references() {
    for (schema, instance, valid) in [
        (
            r##"{"$ref":"#/definitions/a","definitions":{"a":{"type":"null"}},"type":"string"}"##,
            "null",
            true,
        ),
        (
            r##"{"properties":{"a/b":{"$ref":"#/properties/c~1d%25"},"c/d%":{"type":"null"}}}"##,
            r#"{"a/b":1}"#,
            false,
        ),
        (
            r##"{"items":[{"type":"null"},{"$ref":"#/items/0"}]}"##,
            "[null,1]",
            false,
        ),
        (
            r##"{"properties":{"next":{"$ref":"#"}},"additionalProperties":false}"##,
            r#"{"next":{"next":{"x":1}}}"#,
            false,
        ),
        (
            r##"{"properties":{"next":{"$ref":"#"}},"additionalProperties":false}"##,
            r#"{"next":{"next":{}}}"#,
            true,
        ),
        // what stands under an unknown keyword may be a schema
        (r##"{"$ref":"#/x","x":{"type":"null"}}"##, "1", false),
        // an id without a path does no harm, another one moves the base
        (
            r##"{"id":"#root","$ref":"#/x","x":{"type":"null"}}"##,
            "null",
            true,
        ),
        (
            r##"{"id":"urn:a","$ref":"#/x","x":{"type":"null"}}"##,
            "null",
            true,
        ),
        (
            r##"{"properties":{"$ref":{"type":"string"}}}"##,
            r#"{"$ref":"a"}"#,
            true,
        ),
        (
            r##"{"$ref":"http://json-schema.org/draft-04/schema#"}"##,
            r#"{"type":"string"}"#,
            true,
        ),
        (
            r##"{"$ref":"http://json-schema.org/draft-04/schema"}"##,
            r#"{"minLength":-1}"#,
            false,
        ),
        (
            r##"{"$ref":"http://json-schema.org/draft-04/schema#/definitions/simpleTypes"}"##,
            r#""any""#,
            false,
        ),
    ] {
        let found = texts(schema, instance);
        assert_eq!(found.is_empty(), valid, "{schema} {instance}: {found:?}");
    }
}

#[test]
fn exceptions_of_the_reference() {
    for (schema, instance, expected) in [
        (
            r##"{"$ref":"#/no"}"##,
            "1",
            r##"JSON Reference "#/no" cannot be resolved"##,
        ),
        (
            r##"{"$ref":"#no"}"##,
            "1",
            r##"JSON Reference "#no" cannot be resolved"##,
        ),
        (
            r##"{"$ref":"#"}"##,
            "1",
            r##"JSON Reference "#" loops on itself"##,
        ),
        (
            r##"{"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}}"##,
            "1",
            r##"JSON Reference "#/a" loops on itself"##,
        ),
        (
            r##"{"$ref":"other.json"}"##,
            "1",
            r##"URI "other.json#" is not absolute"##,
        ),
        (
            r##"{"id":"other.json","$ref":"#/a","a":{}}"##,
            "1",
            r##"URI "other.json#" is not absolute"##,
        ),
        (
            r##"{"id":"http://x.y/z/","$ref":"../a#/b"}"##,
            "1",
            r##"unable to dereference URI "http://x.y/a#""##,
        ),
        (
            r##"{"$ref":"gopher://x"}"##,
            "1",
            r##"URI scheme "gopher" not supported (URI: "gopher://x#")"##,
        ),
        (
            r##"{"allOf":[{},{"$ref":"#"}]}"##,
            "1",
            r##"validation loop: schema "#/allOf/1" visited twice for pointer "" of validated instance"##,
        ),
        (
            r##"{"items":{"not":{"$ref":"#/items"}}}"##,
            "[1]",
            r##"validation loop: schema "#/items/not" visited twice for pointer "/0" of validated instance"##,
        ),
        // even where another alternative matches
        (
            r##"{"anyOf":[{},{"$ref":"#/no"}]}"##,
            "1",
            r##"JSON Reference "#/no" cannot be resolved"##,
        ),
    ] {
        let found = messages(&super::schema(schema), &tree(instance));
        assert_eq!(found[0].text(), expected, "{schema}");
        assert_eq!(found[0].members[0].1, Value::string("fatal"));
        let last = found[0].members.last().expect("members");
        assert_eq!(
            (&*last.0, last.1.as_str()),
            ("info", Some("other messages follow (if any)"))
        );
    }
    // only if an instance gets there
    assert!(texts(r##"{"properties":{"a":{"$ref":"#/no"}}}"##, "{}").is_empty());
    // earlier messages follow
    let found = texts(
        r##"{"properties":{"a":{"type":"null"},"b":{"$ref":"#/no"}}}"##,
        r#"{"b":1,"a":1}"#,
    );
    assert_eq!(found.len(), 2);
    assert!(found[1].starts_with("instance type"));
}

#[test]
fn references_to_what_is_no_schema() {
    let found = texts(r##"{"$ref":"#/x","x":{"type":"any"}}"##, "1");
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with(
        "invalid JSON Schema, cannot continue\nSyntax errors:\n[ {\n  \"level\" : \"error\",\n"
    ));
    assert!(found[0].contains(
        "  \"schema\" : {\n    \"loadingURI\" : \"#\",\n    \"pointer\" : \"/x\"\n  },\n"
    ));
    assert!(found[0].contains("\"valid\" : [ \"array\", \"boolean\","));
    assert!(
        found[1].starts_with(
            "\"any\" is not a valid primitive type (valid values are: [array, boolean,"
        )
    );
    assert_eq!(texts(r##"{"$ref":"#/title","title":"x"}"##, "1").len(), 2);
}

#[test]
fn syntax_errors() {
    let cases: &[(&str, &[&str])] = &[
        (
            "[]",
            &["JSON value is of type array, not a JSON Schema (expected an object)"],
        ),
        (r#"{"unknown":1,"self":{}}"#, &[]),
        (r#"{"enum":[],"required":["a","a","b"]}"#, &[]),
        (
            r#"{"required":["b","a","a"]}"#,
            &["array must not contain duplicate elements"],
        ),
        (
            r#"{"required":[1]}"#,
            &[
                "array element at index 0 has incorrect type (expected one of [string] but found integer)",
            ],
        ),
        (
            r#"{"type":[1]}"#,
            &[
                "array element at index 0 has incorrect type (expected one of string but found integer)",
            ],
        ),
        (
            r#"{"type":"any"}"#,
            &[
                r#""any" is not a valid primitive type (valid values are: [array, boolean, integer, null, number, object, string])"#,
            ],
        ),
        (
            r#"{"enum":[1,1.0,1]}"#,
            &["array must not contain duplicate elements"],
        ),
        (
            r#"{"minLength":2147483648}"#,
            &["integer value is too large"],
        ),
        (
            r#"{"minLength":1.0}"#,
            &["value has incorrect type (found number, expected one of [integer])"],
        ),
        (
            r#"{"multipleOf":-0.5}"#,
            &["divisor must be strictly greater than zero"],
        ),
        (
            r#"{"exclusiveMaximum":false}"#,
            &["exclusiveMaximum must be paired with maximum"],
        ),
        (
            r#"{"pattern":"("}"#,
            &[r#"string "(" is not a valid ECMA 262 regular expression"#],
        ),
        (r#"{"id":"a b"}"#, &[r#"string is not a valid URI: "a b""#]),
        (r#"{"id":"a/./b"}"#, &[r#"URI "a/./b" is not normalized"#]),
        (
            r#"{"dependencies":{"a":1,"b":[],"c":[1]}}"#,
            &[
                r#"dependency value for property "a" has incorrect type (expected one of [array, object] but found integer)"#,
                "array must have at least one element",
                "array element at index 0 has incorrect type (expected one of [string] but found integer)",
            ],
        ),
        // parents before children, keywords by name
        (
            r#"{"properties":{"b":{"minItems":"x"},"a":{"type":[]}},"anyOf":[{"title":1}],"title":2}"#,
            &[
                "value has incorrect type (found integer, expected one of [string])",
                "value has incorrect type (found integer, expected one of [string])",
                "array must have at least one element",
                "value has incorrect type (found string, expected one of [integer])",
            ],
        ),
    ];
    for (schema, expected) in cases {
        let found = Schema::compile(&tree(schema)).err().unwrap_or_default();
        let found: Vec<&str> = found.iter().map(Message::text).collect();
        assert_eq!(found, *expected, "{schema}");
    }
}
