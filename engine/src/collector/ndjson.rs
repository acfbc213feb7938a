//! `ndjson/{vendor}/{version}`: a line of JSON is the body of a payload for the adapter of that
//! name, in practice `com.urbanairship.connect/v1` (`NdjsonLoader` of Scala Common Enrich 0.34.0).
//!
//! One difference: a line of blanks ended the reference's job with an exception; here it is bad.

use super::payload::CollectorApi;
use super::tsv::body_payload;
use super::{Parsed, api_path};
use crate::json;

/// Rule by which an empty line is neither an event nor bad.
pub const EMPTY_RULE: &str = "empty NDJSON line";

/// The format for one adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Ndjson {
    /// The api of every line, or the message with which every line fails.
    api: Result<CollectorApi, String>,
}

impl Ndjson {
    /// The format for the adapter `{vendor}/{version}`.
    pub fn new(path: &str) -> Self {
        Self {
            api: api_path::parse(path),
        }
    }

    /// Parses one line. A record of several lines (which the job's reader never makes) is refused.
    pub fn parse_line(&self, line: &str) -> Parsed {
        if line.bytes().all(|b| b == b'\n' || b == b'\r') {
            return Parsed::Ignored(EMPTY_RULE);
        }
        if has_several_lines(line) {
            return Parsed::bad("Too many lines! Expected single line");
        }
        match json::parse(line) {
            Ok(Some(_)) => body_payload(&self.api, line, "ndjson"),
            Ok(None) | Err(_) => Parsed::bad("Unparsable JSON"),
        }
    }
}

/// Whether Java's `split("\\r?\\n")`, which drops empty texts at the end, gives more than one.
fn has_several_lines(text: &str) -> bool {
    let mut rest = text;
    while let Some(shorter) = rest.strip_suffix('\n') {
        rest = shorter.strip_suffix('\r').unwrap_or(shorter);
    }
    rest.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_counts() {
        for (text, several) in [
            ("{}", false),
            ("{}\n", false),
            ("{}\r\n\r\n", false),
            ("{}\r", false),
            ("{}\r{}", false),
            ("{}\n{}", true),
            ("\n{}", true),
            ("{}\n\n{}\n", true),
            ("{}\n\r", true),
        ] {
            assert_eq!(has_several_lines(text), several, "{text:?}");
        }
    }

    #[test]
    fn empty_and_several_lines() {
        let format = Ndjson::new("com.abc/v1");
        for text in ["", "\r\n", "\n", "\r"] {
            assert_eq!(format.parse_line(text), Parsed::Ignored(EMPTY_RULE));
        }
        assert_eq!(
            format.parse_line("{\"a\":1}\n{\"a\":2}"),
            Parsed::bad("Too many lines! Expected single line")
        );
    }

    #[test]
    fn lines_that_are_not_json() {
        let format = Ndjson::new("com.abc/v1");
        for text in ["{ ... ", "   ", "\t", "x"] {
            assert_eq!(
                format.parse_line(text),
                Parsed::bad("Unparsable JSON"),
                "{text:?}"
            );
        }
        // A path without api is found only after the JSON was read.
        assert_eq!(
            Ndjson::new("abc").parse_line("x"),
            Parsed::bad("Unparsable JSON")
        );
    }

    #[test]
    fn a_line_is_a_body() {
        match Ndjson::new("com.abc/v1").parse_line("{\"a\": 1} x") {
            Parsed::Payload(payload) => {
                assert_eq!(payload.body.as_deref(), Some("{\"a\": 1} x"));
                assert_eq!(payload.source.name, "ndjson");
                assert_eq!(payload.api.vendor, "com.abc");
            }
            other => panic!("{other:?}"),
        }
    }
}
