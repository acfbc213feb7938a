//! Enrichment `cookie_extractor_config`: one context for each cookie of a listed name.
//!
//! In: the headers of the request, which only Thrift records have. The value of a header `Cookie` is taken
//! apart as Apache HttpComponents 4.3 does it (Scala Common Enrich 0.34.0, `CookieExtractorEnrichment`):
//! pairs end at `;` or `,`, but nothing is read behind a comma.

use crate::json::Value;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::{Enrichment, Stage};

/// Schema of the contexts.
const SCHEMA: &str = "iglu:org.ietf/http_cookie/jsonschema/1-0-0";

/// The enrichment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieExtractor {
    /// Names of the cookies.
    pub names: Vec<String>,
}

/// Makes the enrichment.
///
/// # Errors
/// The reference's text.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let enrichment = CookieExtractor::from_config(config).map_err(|text| vec![text])?;
    Ok(Box::new(enrichment))
}

impl CookieExtractor {
    /// Reads `parameters.cookies`.
    ///
    /// # Errors
    /// The reference's text.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, String> {
        let names = config.texts(&["parameters", "cookies"])?;
        Ok(Self {
            names: names.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The contexts of all listed cookies, in the order of the headers.
    pub fn contexts(&self, headers: &[String]) -> Vec<Value<'static>> {
        let mut contexts = Vec::new();
        for header in headers {
            let Some(("Cookie", cookies)) = header.split_once(':') else {
                continue;
            };
            for (name, value) in pairs(cookies) {
                if self.names.iter().any(|listed| listed == name) {
                    contexts.push(context(name, value));
                }
            }
        }
        contexts
    }
}

fn context(name: &str, value: Option<&str>) -> Value<'static> {
    let value = value.map_or(Value::Null, |value| Value::string(value.to_owned()));
    Value::object([
        ("schema", Value::string(SCHEMA)),
        (
            "data",
            Value::object([("name", Value::string(name.to_owned())), ("value", value)]),
        ),
    ])
}

/// White space of HTTP.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The pairs of a header's value: names, and values where there is a `=`.
fn pairs(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let (pair, end) = first_pair(rest);
        pairs.push(pair);
        // whatever ended the pair: its last character may also be a comma inside quotes, at the end
        if rest.as_bytes()[end - 1] == b',' {
            break;
        }
        rest = &rest[end..];
    }
    pairs
}

/// The first pair of a text that is not empty, and where the next one begins.
fn first_pair(text: &str) -> ((&str, Option<&str>), usize) {
    let bytes = text.as_bytes();
    let Some(name_end) = bytes.iter().position(|b| matches!(b, b'=' | b';' | b',')) else {
        return ((text.trim_matches(is_blank), None), text.len());
    };
    let name = text[..name_end].trim_matches(is_blank);
    if bytes[name_end] != b'=' {
        return ((name, None), name_end + 1);
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    let start = name_end + 1;
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        if byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        if !is_quoted && !is_escaped && matches!(byte, b';' | b',') {
            break;
        }
        is_escaped = !is_escaped && is_quoted && byte == b'\\';
        end += 1;
    }
    let value = text[start..end].trim_matches(is_blank);
    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let next = (end + 1).min(text.len());
    ((name, Some(unquoted.unwrap_or(value))), next)
}

impl Enrichment for CookieExtractor {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        for context in self.contexts(&draft.raw.context.headers) {
            draft.derived_contexts.push(Stage::CookieExtractor, context);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn values_of_headers() {
        type Pairs<'a> = &'a [(&'a str, Option<&'a str>)];
        let cases: [(&str, Pairs<'_>); 16] = [
            ("", &[]),
            (" \t\r\n", &[]),
            (" a=1,b=2; c=3", &[("a", Some("1"))]),
            (
                " a=1; b=\"x;y,z\"; c=3",
                &[("a", Some("1")), ("b", Some("x;y,z")), ("c", Some("3"))],
            ),
            (" a = b = c; d", &[("a", Some("b = c")), ("d", None)]),
            (";;a=1", &[("", None), ("", None), ("a", Some("1"))]),
            (
                "ck1;=cv2;ck3=;ck5=\"cv5\"",
                &[
                    ("ck1", None),
                    ("", Some("cv2")),
                    ("ck3", Some("")),
                    ("ck5", Some("cv5")),
                ],
            ),
            ("a=1; ", &[("a", Some("1")), ("", None)]),
            ("a,b", &[("a", None)]),
            ("a=\"", &[("a", Some("\""))]),
            ("a=\"\"", &[("a", Some(""))]),
            ("a=\"x,", &[("a", Some("\"x,"))]),
            (
                r#"a="x\"; y"; b=2"#,
                &[("a", Some(r#"x\"; y"#)), ("b", Some("2"))],
            ),
            (r"a=\;b=2", &[("a", Some(r"\")), ("b", Some("2"))]),
            ("é=ü;日=本", &[("é", Some("ü")), ("日", Some("本"))]),
            ("a=\u{a0}1\u{a0}", &[("a", Some("\u{a0}1\u{a0}"))]),
        ];
        for (text, expected) in cases {
            assert_eq!(pairs(text), expected, "{text:?}");
        }
        assert_eq!(pairs(&";".repeat(100_000)).len(), 100_000);
    }

    #[test]
    fn listed_cookies_become_contexts() {
        let mut raw = raw_event(&[]);
        let headers = [
            "Content-Length: 348",
            "cookie: ck1=lower",
            "Cookie : ck1=blank",
            "Cookie: other=1;ck1;=cv2;ck1=\"cv5\"",
            "Cookie",
            "Cookie:ck1=2",
        ];
        raw.context.headers = headers.map(str::to_owned).to_vec();
        let enrichment = CookieExtractor {
            names: vec!["ck1".to_owned(), String::new()],
        };
        let mut draft = Draft::new(&raw);
        enrichment.apply(&mut draft).unwrap();
        let contexts: Vec<_> = draft
            .derived_contexts
            .iter()
            .map(Value::to_compact)
            .collect();
        let context = |name: &str, value: &str| {
            format!(
                r#"{{"schema":"iglu:org.ietf/http_cookie/jsonschema/1-0-0","data":{{"name":"{name}","value":{value}}}}}"#
            )
        };
        assert_eq!(
            contexts,
            [
                context("ck1", "null"),
                context("", "\"cv2\""),
                context("ck1", "\"cv5\""),
                context("ck1", "\"2\"")
            ]
        );
    }
}
