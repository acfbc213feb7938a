//! The draft-4 meta-schema (<http://json-schema.org/draft-04/schema#>), which schemas may refer to without a network.

use std::sync::LazyLock;

use crate::json::{self, Value};

/// The published text, without white space.
const TEXT: &str = concat!(
    r##"{"id":"http://json-schema.org/draft-04/schema#","$schema":"http://json-schema.org/draft-04/schema#","##,
    r##""description":"Core schema meta-schema","definitions":{"schemaArray":{"type":"array","minItems":1,"##,
    r##""items":{"$ref":"#"}},"positiveInteger":{"type":"integer","minimum":0},"positiveIntegerDefault0":{"##,
    r##""allOf":[{"$ref":"#/definitions/positiveInteger"},{"default":0}]},"simpleTypes":{"enum":["array","boolean","##,
    r##""integer","null","number","object","string"]},"stringArray":{"type":"array","items":{"type":"string"},"##,
    r##""minItems":1,"uniqueItems":true}},"type":"object","properties":{"id":{"type":"string"},"$schema":{"type":"##,
    r##""string"},"title":{"type":"string"},"description":{"type":"string"},"default":{},"multipleOf":{"type":"##,
    r##""number","minimum":0,"exclusiveMinimum":true},"maximum":{"type":"number"},"exclusiveMaximum":{"type":"##,
    r##""boolean"},"minimum":{"type":"number"},"exclusiveMinimum":{"type":"boolean"},"maxLength":{"$ref":"##,
    r##""#/definitions/positiveInteger"},"minLength":{"$ref":"#/definitions/positiveIntegerDefault0"},"pattern":{"##,
    r##""type":"string","format":"regex"},"additionalItems":{"anyOf":[{"type":"boolean"},{"$ref":"#"}],"default":{}},"##,
    r##""items":{"anyOf":[{"$ref":"#"},{"$ref":"#/definitions/schemaArray"}],"default":{}},"maxItems":{"$ref":"##,
    r##""#/definitions/positiveInteger"},"minItems":{"$ref":"#/definitions/positiveIntegerDefault0"},"uniqueItems":{"##,
    r##""type":"boolean","default":false},"maxProperties":{"$ref":"#/definitions/positiveInteger"},"minProperties":{"##,
    r##""$ref":"#/definitions/positiveIntegerDefault0"},"required":{"$ref":"#/definitions/stringArray"},"##,
    r##""additionalProperties":{"anyOf":[{"type":"boolean"},{"$ref":"#"}],"default":{}},"definitions":{"type":"##,
    r##""object","additionalProperties":{"$ref":"#"},"default":{}},"properties":{"type":"object","##,
    r##""additionalProperties":{"$ref":"#"},"default":{}},"patternProperties":{"type":"object","##,
    r##""additionalProperties":{"$ref":"#"},"default":{}},"dependencies":{"type":"object","additionalProperties":{"##,
    r##""anyOf":[{"$ref":"#"},{"$ref":"#/definitions/stringArray"}]}},"enum":{"type":"array","minItems":1,"##,
    r##""uniqueItems":true},"type":{"anyOf":[{"$ref":"#/definitions/simpleTypes"},{"type":"array","items":{"$ref":"##,
    r##""#/definitions/simpleTypes"},"minItems":1,"uniqueItems":true}]},"format":{"type":"string"},"allOf":{"$ref":"##,
    r##""#/definitions/schemaArray"},"anyOf":{"$ref":"#/definitions/schemaArray"},"oneOf":{"$ref":"##,
    r##""#/definitions/schemaArray"},"not":{"$ref":"#"}},"dependencies":{"exclusiveMaximum":["maximum"],"##,
    r##""exclusiveMinimum":["minimum"]},"default":{}}"##,
);

static META_SCHEMA: LazyLock<Option<Value<'static>>> =
    LazyLock::new(|| json::parse(TEXT).ok().flatten());

/// The document.
pub(super) fn meta_schema() -> Option<&'static Value<'static>> {
    META_SCHEMA.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_json_with_all_keywords() {
        let value: serde_json::Value = serde_json::from_str(TEXT).expect("JSON");
        assert_eq!(
            value["properties"].as_object().map(serde_json::Map::len),
            Some(33)
        );
    }
}
