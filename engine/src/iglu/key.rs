//! Schema keys (`iglu:vendor/name/format/1-0-0`) and criteria (`iglu:vendor/name/format/1-0-*`).

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

impl SchemaKey {
    /// Parses an Iglu URI; `None` when it does not have the form of one.
    pub fn parse(_uri: &str) -> Option<Self> {
        None
    }

    /// `vendor/name/format/version`.
    pub fn path(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.vendor, self.name, self.format, self.version
        )
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
    /// Parses the text form; `None` when it does not have that form.
    pub fn parse(_text: &str) -> Option<Self> {
        None
    }

    /// Whether `key` meets the criterion.
    pub fn matches(&self, _key: &SchemaKey) -> bool {
        false
    }
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
