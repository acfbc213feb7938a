//! `tsv/{vendor}/{version}`: a line is the body of a payload for the adapter of that name, in
//! practice `com.amazon.aws.cloudfront/wd_access_log` (`TsvLoader` of Scala Common Enrich 0.34.0).

use super::cloudfront::{HEADER_RULE, is_header};
use super::payload::{CollectorApi, CollectorPayload, CollectorSource};
use super::{Parsed, api_path};

/// The format for one adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Tsv {
    /// The api of every line, or the message with which every line fails.
    api: Result<CollectorApi, String>,
}

impl Tsv {
    /// The format for the adapter `{vendor}/{version}`.
    pub fn new(path: &str) -> Self {
        Self {
            api: api_path::parse(path),
        }
    }

    /// Parses one line (without its terminator).
    pub fn parse_line(&self, line: &str) -> Parsed {
        if is_header(line) {
            return Parsed::Ignored(HEADER_RULE);
        }
        body_payload(&self.api, line, "tsv")
    }
}

/// A payload of which only the body is known.
pub(super) fn body_payload(
    api: &Result<CollectorApi, String>,
    body: &str,
    collector: &str,
) -> Parsed {
    match api {
        Ok(api) => Parsed::Payload(CollectorPayload {
            api: api.clone(),
            body: Some(body.to_owned()),
            source: CollectorSource {
                name: collector.to_owned(),
                encoding: "UTF-8".to_owned(),
                hostname: None,
            },
            ..CollectorPayload::default()
        }),
        Err(message) => Parsed::bad(message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_body() {
        let format = Tsv::new("com.amazon.aws.cloudfront/wd_access_log");
        for line in ["a\tb", "", " # x"] {
            match format.parse_line(line) {
                Parsed::Payload(payload) => {
                    assert_eq!(payload.body.as_deref(), Some(line));
                    assert_eq!(payload.api.version, "wd_access_log");
                    assert_eq!(payload.source.name, "tsv");
                    assert_eq!(payload.context.timestamp_ms, None);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            format.parse_line("#Fields: x"),
            Parsed::Ignored(HEADER_RULE)
        );
    }

    #[test]
    fn a_wrong_path_fails_every_line() {
        assert_eq!(
            Tsv::new("abc").parse_line("a"),
            Parsed::bad(
                "Request path abc does not match (/)vendor/version(/) pattern nor is a legacy \
                 /i(ce.png) request"
            )
        );
    }
}
