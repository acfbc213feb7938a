//! What becomes of an answer: the context of each output.

use crate::enrichment::http::shown;
use crate::json::path::{Dialect, JsonPath};
use crate::json::{Value, parse_keep_duplicates};
use crate::text::jackson::{self, Style};

/// One `outputs` element.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// URI of the context's schema.
    pub schema: String,
    /// Where its data are in the answer.
    pub json_path: String,
    path: Result<JsonPath, String>,
}

impl Output {
    /// An output; a path that cannot be compiled fails the events, as in the reference, not the job.
    pub fn new(schema: String, json_path: String) -> Self {
        Self {
            path: JsonPath::compile(&json_path, Dialect::Gatling),
            schema,
            json_path,
        }
    }

    /// The data of this output.
    ///
    /// # Errors
    /// The reference's text, when the path selects nothing or is none.
    pub fn extract(&self, answer: &Value<'_>) -> Result<Value<'static>, String> {
        let path = self.path.as_ref();
        let path = path.map_err(|why| format!("JSONPath error {why}"))?;
        let owned = |value: &&Value<'_>| (*value).clone().into_owned();
        match path.select(answer).as_slice() {
            [] => Err(format!(
                "Value not found Error: no values were found by JSON Path [{}] in [{}]",
                self.json_path,
                shown(&answer.to_compact())
            )),
            [value] => Ok(owned(value)),
            values => Ok(Value::Array(values.iter().map(owned).collect())),
        }
    }

    /// The context of these data.
    pub fn describe(&self, data: Value<'static>) -> Value<'static> {
        Value::object([
            ("schema", Value::string(self.schema.clone())),
            ("data", data),
        ])
    }
}

/// The answer as JSON.
///
/// # Errors
/// The exception of the reference's parser.
pub fn parse(body: &str) -> Result<Value<'_>, String> {
    parse_keep_duplicates(body).map_err(|error| {
        let text = jackson::exception_text(body, &error, Style::Enrich);
        shown(&text).to_owned()
    })
}

/// The contexts of all outputs. Each output fails on its own, and the texts of several are put together without anything
/// between them, as the reference's combination of strings does.
pub(super) fn contexts(
    outputs: &[Output],
    body: Result<String, String>,
) -> Result<Vec<Value<'static>>, String> {
    let answer = match &body {
        Ok(body) => parse(body),
        Err(text) => Err(text.clone()),
    };
    let mut contexts = Vec::with_capacity(outputs.len());
    let mut failures = String::new();
    for output in outputs {
        let data = answer.as_ref().map_err(Clone::clone);
        match data.and_then(|answer| output.extract(answer)) {
            Ok(data) => contexts.push(output.describe(data)),
            Err(text) => failures.push_str(&text),
        }
    }
    if failures.is_empty() {
        Ok(contexts)
    } else {
        Err(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(count: usize) -> Vec<Output> {
        let output = Output::new("iglu:com.acme/user/jsonschema/1-0-0".into(), "$".into());
        vec![output; count]
    }

    #[test]
    fn failures_are_put_together() {
        assert_eq!(
            contexts(&outputs(2), Err("no answer".into())),
            Err("no answerno answer".into())
        );
        let failed = contexts(&outputs(1), Ok("<html>".into())).unwrap_err();
        assert!(
            failed.starts_with("com.fasterxml.jackson.core.JsonParseException: Unexpected character ('<' (code 60))"),
            "{failed}"
        );
        let failed = contexts(&outputs(1), Ok(String::new())).unwrap_err();
        assert!(
            failed.starts_with(
                "com.fasterxml.jackson.databind.JsonMappingException: No content to map"
            ),
            "{failed}"
        );
    }

    #[test]
    fn hostile_depth_is_a_failure() {
        let deep = "[".repeat(1_000_000);
        assert!(contexts(&outputs(1), Ok(deep)).is_err());
    }
}
