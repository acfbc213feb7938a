//! Schema keys (`iglu:vendor/name/format/1-0-0`) and criteria (`iglu:vendor/name/format/1-0-*`).
//!
//! In: texts from events and configurations. Out: their parts, or `None` when a text does not have
//! the exact form that iglu-scala-client 0.5.0 asks for. The forms are fixed and small, so they are
//! checked by hand, byte by byte and without allocation: the check runs for every self-describing JSON.

use std::fmt;

/// Vendor, name, format and version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaKey {
    /// E.g. `com.snowplowanalytics.snowplow`.
    pub vendor: String,
    /// E.g. `link_click`.
    pub name: String,
    /// Normally `jsonschema`.
    pub format: String,
    /// Model, revision, addition: `1-0-1`.
    pub version: String,
}

/// The parts of an Iglu URI, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// E.g. `com.snowplowanalytics.snowplow`.
    pub vendor: &'a str,
    /// E.g. `link_click`.
    pub name: &'a str,
    /// Normally `jsonschema`.
    pub format: &'a str,
    /// Model, revision, addition: `1-0-1`.
    pub version: &'a str,
}

impl<'a> KeyParts<'a> {
    /// Takes an Iglu URI apart; `None` when it does not have the form of one. Allocates nothing.
    pub fn parse(uri: &'a str) -> Option<Self> {
        let mut parts = uri.strip_prefix("iglu:")?.split('/');
        let (vendor, name) = (parts.next()?, parts.next()?);
        let (format, version) = (parts.next()?, parts.next()?);
        let whole = parts.next().is_none()
            && is_vendor(vendor)
            && is_name(name)
            && is_name(format)
            && is_version(version);
        whole.then_some(Self {
            vendor,
            name,
            format,
            version,
        })
    }

    /// An owned copy.
    pub fn to_key(self) -> SchemaKey {
        SchemaKey {
            vendor: self.vendor.to_owned(),
            name: self.name.to_owned(),
            format: self.format.to_owned(),
            version: self.version.to_owned(),
        }
    }
}

/// Whether `uri` has the form of an Iglu URI.
pub fn is_iglu_uri(uri: &str) -> bool {
    KeyParts::parse(uri).is_some()
}

/// The failure text for a text that is no Iglu URI.
pub fn invalid_uri_text(uri: &str) -> String {
    format!("{uri} is not a valid Iglu-format schema URI")
}

impl SchemaKey {
    /// Parses an Iglu URI; `None` when it does not have the form of one.
    pub fn parse(uri: &str) -> Option<Self> {
        KeyParts::parse(uri).map(KeyParts::to_key)
    }

    /// The parts, borrowed.
    pub fn parts(&self) -> KeyParts<'_> {
        KeyParts {
            vendor: &self.vendor,
            name: &self.name,
            format: &self.format,
            version: &self.version,
        }
    }

    /// `vendor/name/format/version`.
    pub fn path(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.vendor, self.name, self.format, self.version
        )
    }

    /// Model, revision and addition as numbers; `None` when one of them is beyond 64 bits.
    pub fn model_revision_addition(&self) -> Option<(u64, u64, u64)> {
        version_numbers(&self.version)
    }
}

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "iglu:{}/{}/{}/{}",
            self.vendor, self.name, self.format, self.version
        )
    }
}

/// A pattern over schema keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaCriterion {
    /// Vendor, compared for equality.
    pub vendor: String,
    /// Name, compared for equality.
    pub name: String,
    /// Format, compared for equality.
    pub format: String,
    /// Model, compared for equality.
    pub model: u64,
    /// Greatest revision; `None` prints as `*`.
    pub revision: Option<u64>,
    /// Addition; `None` prints as `*`.
    pub addition: Option<u64>,
}

impl SchemaCriterion {
    /// A criterion of format `jsonschema`.
    pub fn jsonschema(
        vendor: &str,
        name: &str,
        model: u64,
        revision: Option<u64>,
        addition: Option<u64>,
    ) -> Self {
        Self {
            vendor: vendor.to_owned(),
            name: name.to_owned(),
            format: "jsonschema".to_owned(),
            model,
            revision,
            addition,
        }
    }

    /// Parses the text form; `None` when it does not have that form (see [`invalid_criterion_text`]).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("iglu:")?.split('/');
        let (vendor, name) = (parts.next()?, parts.next()?);
        let (format, version) = (parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_vendor(vendor) || !is_name(name) || !is_name(format) {
            return None;
        }
        let mut numbers = version.split('-');
        let model = number(numbers.next()?)?;
        let revision = number_or_star(numbers.next()?)?;
        let addition = number_or_star(numbers.next()?)?;
        if numbers.next().is_some() {
            return None;
        }
        Some(Self {
            vendor: vendor.to_owned(),
            name: name.to_owned(),
            format: format.to_owned(),
            model,
            revision,
            addition,
        })
    }

    /// Whether `key` meets the criterion.
    pub fn matches(&self, key: &SchemaKey) -> bool {
        self.matches_parts(key.parts())
    }

    /// [`matches`](Self::matches) for borrowed parts. Allocates nothing.
    ///
    /// `M-*-A` asks for an equal addition at any revision; `M-R-A` for a version that is not newer.
    pub fn matches_parts(&self, key: KeyParts<'_>) -> bool {
        if self.vendor != key.vendor || self.name != key.name || self.format != key.format {
            return false;
        }
        let Some((model, revision, addition)) = version_numbers(key.version) else {
            return false;
        };
        model == self.model
            && match (self.revision, self.addition) {
                (None, None) => true,
                (None, Some(wanted)) => addition == wanted,
                (Some(greatest), None) => revision <= greatest,
                (Some(greatest), Some(last)) => {
                    revision < greatest || (revision == greatest && addition <= last)
                }
            }
    }
}

/// The failure text for a text that is no criterion.
pub fn invalid_criterion_text(text: &str) -> String {
    format!("{text} is not a valid Iglu-format schema criterion")
}

impl fmt::Display for SchemaCriterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |part: Option<u64>| part.map_or_else(|| "*".to_owned(), |n| n.to_string());
        write!(
            f,
            "iglu:{}/{}/{}/{}-{}-{}",
            self.vendor,
            self.name,
            self.format,
            self.model,
            star(self.revision),
            star(self.addition)
        )
    }
}

fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.bytes().all(legal)
}

fn is_vendor(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(legal)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_version(text: &str) -> bool {
    let mut parts = text.split('-');
    let three = (parts.next(), parts.next(), parts.next());
    matches!(three, (Some(m), Some(r), Some(a)) if is_digits(m) && is_digits(r) && is_digits(a))
        && parts.next().is_none()
}

fn version_numbers(version: &str) -> Option<(u64, u64, u64)> {
    let mut parts = version.split('-');
    let numbers = (
        number(parts.next()?)?,
        number(parts.next()?)?,
        number(parts.next()?)?,
    );
    parts.next().is_none().then_some(numbers)
}

/// Digits only: `u64::from_str` alone would also take a plus sign.
fn number(text: &str) -> Option<u64> {
    if is_digits(text) {
        text.parse().ok()
    } else {
        None
    }
}

fn number_or_star(text: &str) -> Option<Option<u64>> {
    if text == "*" {
        Some(None)
    } else {
        number(text).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK_CLICK: &str = "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1";

    #[test]
    fn a_key_is_taken_apart_and_printed_again() {
        let key = SchemaKey::parse(LINK_CLICK).unwrap();
        assert_eq!(key.vendor, "com.snowplowanalytics.snowplow");
        assert_eq!(key.name, "link_click");
        assert_eq!(key.format, "jsonschema");
        assert_eq!(key.version, "1-0-1");
        assert_eq!(key.to_string(), LINK_CLICK);
        assert_eq!(
            key.path(),
            "com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
        );
        assert_eq!(key.model_revision_addition(), Some((1, 0, 1)));
    }

    #[test]
    fn the_form_of_a_key_is_exact() {
        let good = [
            "iglu:a/b/c/0-0-0",
            "iglu:A.b-C_9/n-_1/f-_2/001-02-3",
            "iglu:../b/c/1-0-0",
            "iglu:a/b/c/1-0-99999999999999999999999999",
        ];
        for uri in good {
            assert!(is_iglu_uri(uri), "{uri}");
        }
        let bad = [
            "",
            "iglu:",
            "iglu:a/b/c/1-0",
            "iglu:a/b/c/1-0-0-0",
            "iglu:a/b/c/1-0-*",
            "iglu:a/b/c/1-0-x",
            "iglu:a/b/c/1-0-",
            "iglu:a/b/c/-1-0-0",
            "iglu:a/b/c/+1-0-0",
            "iglu:a/b/c/1-0-0/",
            "iglu:a/b/c/1-0-0\n",
            "iglu:a/b/c/1-0-0 ",
            " iglu:a/b/c/1-0-0",
            "IGLU:a/b/c/1-0-0",
            "iglu:a/b.c/c/1-0-0",
            "iglu:a/b/c.d/1-0-0",
            "iglu:/b/c/1-0-0",
            "iglu:a//c/1-0-0",
            "iglu:a/b//1-0-0",
            "iglu:a b/b/c/1-0-0",
            "iglu:\u{e4}/b/c/1-0-0",
            "iglu:a/b/c/\u{661}-0-0",
            "iglu:a/b/c/1-0-0/x",
            "http://a/b/c/1-0-0",
        ];
        for uri in bad {
            assert!(!is_iglu_uri(uri), "{uri:?}");
            assert_eq!(SchemaKey::parse(uri), None);
        }
        assert_eq!(
            invalid_uri_text("x"),
            "x is not a valid Iglu-format schema URI"
        );
    }

    #[test]
    fn criteria_are_parsed_and_printed() {
        for text in [
            "iglu:com.acme/ad/jsonschema/1-0-0",
            "iglu:com.acme/ad/jsonschema/1-0-*",
            "iglu:com.acme/ad/jsonschema/1-*-*",
            "iglu:com.acme/ad/jsonschema/1-*-3",
        ] {
            assert_eq!(SchemaCriterion::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "iglu:com.acme/ad/jsonschema/*-0-0",
            "iglu:com.acme/ad/jsonschema/1-0",
            "iglu:com.acme/ad/jsonschema/1-**-0",
            "iglu:com.acme/ad/jsonschema/1-0-0-0",
            "iglu:com.acme/ad/jsonschema/1-+0-0",
            "iglu:com.acme/*/jsonschema/1-0-0",
            "com.acme/ad/jsonschema/1-0-0",
            "",
        ] {
            assert_eq!(SchemaCriterion::parse(text), None, "{text}");
        }
        assert_eq!(
            invalid_criterion_text("x"),
            "x is not a valid Iglu-format schema criterion"
        );
    }

    #[test]
    fn criteria_compare_versions_as_the_client_does() {
        let cases = [
            // criterion, version, meets
            ("1-*-*", "1-0-0", true),
            ("1-*-*", "1-99-99", true),
            ("1-*-*", "2-0-0", false),
            ("1-*-3", "1-0-3", true),
            ("1-*-3", "1-9-3", true),
            ("1-*-3", "1-0-2", false),
            ("1-0-*", "1-0-0", true),
            ("1-0-*", "1-0-7", true),
            ("1-0-*", "1-1-0", false),
            ("1-2-*", "1-1-9", true),
            ("1-2-*", "0-1-9", false),
            ("1-2-3", "1-2-3", true),
            ("1-2-3", "1-2-4", false),
            ("1-2-3", "1-1-9", true),
            ("1-2-3", "1-3-0", false),
            ("1-0-0", "01-00-000", true),
            ("1-0-*", "1-0-99999999999999999999999999", false),
        ];
        for (criterion, version, meets) in cases {
            let criterion = SchemaCriterion::parse(&format!("iglu:v/n/f/{criterion}")).unwrap();
            let key = SchemaKey::parse(&format!("iglu:v/n/f/{version}")).unwrap();
            assert_eq!(criterion.matches(&key), meets, "{criterion} {version}");
        }
        let criterion = SchemaCriterion::jsonschema("v", "n", 1, Some(0), None);
        for other in [
            "iglu:w/n/jsonschema/1-0-0",
            "iglu:v/m/jsonschema/1-0-0",
            "iglu:v/n/avro/1-0-0",
            "iglu:V/n/jsonschema/1-0-0",
        ] {
            assert!(!criterion.matches(&SchemaKey::parse(other).unwrap()));
        }
    }
}
