//! Collector formats: one record of a raw log becomes a [`CollectorPayload`], is ignored by a
//! named rule, or is bad.
//!
//! In: one line (already decoded as UTF-8) of a text format, or the bytes of one Thrift record.
//! Out: [`Parsed`]. The formats, their names and their error texts are those of the loaders of
//! Scala Common Enrich 0.34.0 (Snowplow R108): `cloudfront`, `clj-tomcat`, `thrift`,
//! `tsv/{vendor}/{version}`, `ndjson/{vendor}/{version}`.

pub mod api_path;
pub mod clj_tomcat;
pub mod cloudfront;
pub mod ip_address;
pub mod log_line;
pub mod ndjson;
pub mod payload;
pub mod thrift;
pub mod tsv;

use crate::error::{Error, Result};
use ndjson::Ndjson;
use payload::CollectorPayload;
use tsv::Tsv;

/// What became of one record.
// The payload is not boxed: a `Parsed` lives on the stack for one record, and a box would cost an
// allocation an event.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// One request to a collector.
    Payload(CollectorPayload),
    /// Neither an event nor bad: the name of the rule that says so.
    Ignored(&'static str),
    /// A bad row with these messages, in order; never empty.
    Bad(Vec<String>),
}

impl Parsed {
    /// A bad record with a single message.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::Bad(vec![message.into()])
    }
}

/// A collector format, as named by the option `--input-format`.
#[derive(Debug, Clone, PartialEq)]
pub enum CollectorFormat {
    /// `cloudfront`: access log of the CloudFront distribution of the pixel.
    CloudFront,
    /// `clj-tomcat`: Tomcat access log of the Clojure collector.
    CljTomcat,
    /// `thrift`: Thrift records of the Scala stream collector.
    Thrift,
    /// `tsv/{vendor}/{version}`: a line is the body of a payload for that adapter.
    Tsv(Tsv),
    /// `ndjson/{vendor}/{version}`: a line of JSON is the body of a payload for that adapter.
    Ndjson(Ndjson),
}

impl CollectorFormat {
    /// The format called `name`.
    ///
    /// # Errors
    /// `ErrorKind::Config`: `[{name}] is not a recognised Snowplow event collector`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "cloudfront" => Ok(Self::CloudFront),
            "clj-tomcat" => Ok(Self::CljTomcat),
            "thrift" => Ok(Self::Thrift),
            _ => {
                if let Some(path) = name.strip_prefix("tsv/") {
                    Ok(Self::Tsv(Tsv::new(path)))
                } else if let Some(path) = name.strip_prefix("ndjson/") {
                    Ok(Self::Ndjson(Ndjson::new(path)))
                } else {
                    Err(Error::config(format!(
                        "[{name}] is not a recognised Snowplow event collector: it can be cloudfront, clj-tomcat, thrift, \
                         tsv/VENDOR/VERSION or ndjson/VENDOR/VERSION"
                    )))
                }
            }
        }
    }

    /// Whether records are bytes (`thrift`) rather than lines of text.
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Thrift)
    }

    /// Parses one line of a text format; a `thrift` format takes the bytes of the text.
    pub fn parse_line(&self, line: &str) -> Parsed {
        match self {
            Self::CloudFront => cloudfront::parse_line(line),
            Self::CljTomcat => clj_tomcat::parse_line(line),
            Self::Thrift => thrift::parse_record(line.as_bytes()),
            Self::Tsv(format) => format.parse_line(line),
            Self::Ndjson(format) => format.parse_line(line),
        }
    }

    /// Parses one record as bytes; malformed UTF-8 in a text format becomes U+FFFD.
    pub fn parse_record(&self, record: &[u8]) -> Parsed {
        match self {
            Self::Thrift => thrift::parse_record(record),
            _ => self.parse_line(&String::from_utf8_lossy(record)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_formats() {
        assert_eq!(
            CollectorFormat::parse("cloudfront").unwrap(),
            CollectorFormat::CloudFront
        );
        assert_eq!(
            CollectorFormat::parse("clj-tomcat").unwrap(),
            CollectorFormat::CljTomcat
        );
        assert!(CollectorFormat::parse("thrift").unwrap().is_binary());
        for name in [
            "tsv/com.amazon.aws.cloudfront/wd_access_log",
            "ndjson/a.b/v1",
        ] {
            assert!(!CollectorFormat::parse(name).unwrap().is_binary());
        }
    }

    #[test]
    fn unknown_formats_are_refused() {
        for name in ["", "tsv", "ndjson", "Thrift", "cloudfront ", "xtsv/a/b"] {
            let error = CollectorFormat::parse(name).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert_eq!(
                error.to_string(),
                format!(
                    "[{name}] is not a recognised Snowplow event collector: it can be cloudfront, clj-tomcat, thrift, \
                     tsv/VENDOR/VERSION or ndjson/VENDOR/VERSION"
                )
            );
        }
    }

    #[test]
    fn bytes_of_a_text_format_may_be_malformed() {
        let format = CollectorFormat::parse("tsv/a/b").unwrap();
        match format.parse_record(b"x\xffy") {
            Parsed::Payload(payload) => assert_eq!(payload.body.as_deref(), Some("x\u{fffd}y")),
            other => panic!("{other:?}"),
        }
    }
}
