//! Enrichment `http_header_extractor_config`: one context for each header whose name matches a pattern.
//!
//! In: the headers of the request, which only Thrift records have (Scala Common Enrich 0.34.0,
//! `HttpHeaderExtractorEnrichment`). The pattern is a regular expression of Java's; one that cannot be used
//! ends the job before the first event, while the reference breaks every event.

mod java_pattern;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::json::Value;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::{Enrichment, Stage};

use java_pattern::JavaPattern;

/// Schema of the contexts.
const SCHEMA: &str = "iglu:org.ietf/http_header/jsonschema/1-0-0";

/// The enrichment.
#[derive(Debug)]
pub struct HttpHeaderExtractor {
    pattern: JavaPattern,
    /// Whether a warning about a name that could not be matched was written.
    has_warned: AtomicBool,
}

/// Makes the enrichment.
///
/// # Errors
/// The reference's text, or what is wrong with the pattern.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let enrichment = config
        .text(&["parameters", "headersPattern"])
        .and_then(HttpHeaderExtractor::new)
        .map_err(|text| vec![text])?;
    Ok(Box::new(enrichment))
}

impl HttpHeaderExtractor {
    /// Takes the headers whose whole name matches `pattern`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let compiled = JavaPattern::compile(pattern).map_err(|reason| {
            format!(
                "http_header_extractor_config: parameters.headersPattern [{pattern}] cannot be used as a regular expression: {reason}; correct it"
            )
        })?;
        Ok(Self {
            pattern: compiled,
            has_warned: AtomicBool::new(false),
        })
    }

    /// The contexts of all matching headers, in their order.
    pub fn contexts(&self, headers: &[String]) -> Vec<Value<'static>> {
        let mut contexts = Vec::new();
        for header in headers {
            if let Some((name, value)) = header.split_once(':')
                && self.matches(name)
            {
                contexts.push(context(name, value));
            }
        }
        contexts
    }

    fn matches(&self, name: &str) -> bool {
        self.pattern.matches(name).unwrap_or_else(|reason| {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "http_header_extractor_config: a header is left out, its name cannot be matched: {reason}"
                );
            }
            false
        })
    }
}

fn context(name: &str, value: &str) -> Value<'static> {
    // Java's trim: everything up to the space
    let trimmed = |text: &str| Value::string(text.trim_matches(|c| c <= ' ').to_owned());
    Value::object([
        ("schema", Value::string(SCHEMA)),
        (
            "data",
            Value::object([("name", trimmed(name)), ("value", trimmed(value))]),
        ),
    ])
}

impl Enrichment for HttpHeaderExtractor {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        for context in self.contexts(&draft.raw.context.headers) {
            draft
                .derived_contexts
                .push(Stage::HttpHeaderExtractor, context);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config_of, raw_event};
    use super::*;

    fn contexts(pattern: &str, headers: &[&str]) -> Vec<String> {
        let mut raw = raw_event(&[]);
        raw.context.headers = headers.iter().map(|header| (*header).to_owned()).collect();
        let mut draft = Draft::new(&raw);
        let enrichment = HttpHeaderExtractor::new(pattern).unwrap();
        enrichment.apply(&mut draft).unwrap();
        draft
            .derived_contexts
            .iter()
            .map(Value::to_compact)
            .collect()
    }

    fn context(name: &str, value: &str) -> String {
        format!(
            r#"{{"schema":"iglu:org.ietf/http_header/jsonschema/1-0-0","data":{{"name":"{name}","value":"{value}"}}}}"#
        )
    }

    #[test]
    fn whole_names_match() {
        let headers = [
            "X-Forwarded-For: 129.78.138.66, 129.78.64.103",
            "X-Forwarded-For2: a",
            "x-forwarded-for: lower",
            "X-Forwarded-For : blank",
            "X-Forwarded-For",
            "Host:\u{1}a:b\t",
        ];
        assert_eq!(
            contexts("X-Forwarded-For", &headers),
            [context("X-Forwarded-For", "129.78.138.66, 129.78.64.103")]
        );
        assert_eq!(contexts("X-.*|Host", &headers).len(), 4);
        assert_eq!(contexts("Ho|Host", &headers), [context("Host", "a:b")]);
        assert_eq!(
            contexts(" *X.* ", &headers),
            [context("X-Forwarded-For", "blank")]
        );
        assert_eq!(contexts(".*", &headers).len(), 5);
        assert!(contexts(".*", &[]).is_empty());
    }

    #[test]
    fn unusable_patterns_are_told_at_start() {
        let config = config_of(r#"{"parameters":{"headersPattern":"X-[a"}}"#);
        let failures = build(&config, &Environment::default()).unwrap_err();
        assert_eq!(failures.len(), 1);
        assert!(
            failures[0].starts_with(
                "http_header_extractor_config: parameters.headersPattern [X-[a] cannot be used"
            ),
            "{failures:?}"
        );
        assert!(failures[0].contains("class"), "{failures:?}");
    }
}
