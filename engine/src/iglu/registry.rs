//! Registries: embedded in the engine, a folder, or a static site or Iglu Server over HTTP.
//!
//! In: a schema key. Out: the compiled schema, "not found", or the failure with its text, as the
//! repositories of iglu-scala-client 0.5.0 word it. A registry neither caches nor retries: that is
//! the resolver's.

pub mod embedded;
pub mod folder;
pub mod http;
#[cfg(test)]
pub(crate) mod stub;

use std::sync::Arc;

use self::folder::Folder;
use self::http::Http;
use super::key::SchemaKey;
use super::message::Message;
use super::resolver::SchemaEntry;
use super::schema::Schema;
use super::self_describing::envelope::Envelope;
use crate::json::{self, ParseError};
use crate::text::clean::strip_exception;
use crate::text::jackson;

/// No schema is larger than this (bytes): a registry must not be able to fill the memory.
pub const MAX_SCHEMA_BYTES: usize = 16 << 20;

/// Name of the repository that is part of the client.
pub const EMBEDDED_NAME: &str = "Iglu Client Embedded";

/// A repository of the resolver configuration, or the one that is built in.
#[derive(Debug, PartialEq, Eq)]
pub struct Registry {
    /// Name in messages.
    pub name: String,
    /// Among repositories of one kind, the smaller number is asked first.
    pub priority: i64,
    /// Prefixes of vendors for which this repository is asked before those that have none.
    pub vendor_prefixes: Vec<String>,
    /// Where its schemas are.
    pub connection: Connection,
}

/// Where the schemas of a repository are.
#[derive(Debug, PartialEq, Eq)]
pub enum Connection {
    /// In the engine itself.
    BuiltIn,
    /// In a folder on disk: the reference's `embedded`, whose path is one of the class path there.
    Folder(Folder),
    /// On a web server.
    Http(Http),
}

/// A schema that a registry served.
#[derive(Debug, Clone)]
pub struct Found {
    /// Key and compiled schema.
    pub entry: Arc<SchemaEntry>,
    /// Set when the schema is one of the plain wrappers, which are checked by hand.
    pub envelope: Option<Envelope>,
}

/// Why a registry gave no usable answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The next look-up may ask again: connection, status, damaged JSON.
    Recoverable(Message),
    /// What it serves is no valid draft-4 schema; asking again is no use.
    Unusable(Vec<Message>),
}

impl Failure {
    fn recoverable(text: String) -> Self {
        Self::Recoverable(Message::error(text))
    }
}

impl Registry {
    /// The repository that is always present: first in the list, priority 0, no prefixes.
    pub fn built_in() -> Self {
        Self {
            name: EMBEDDED_NAME.to_owned(),
            priority: 0,
            vendor_prefixes: Vec::new(),
            connection: Connection::BuiltIn,
        }
    }

    /// The schema of `key`; `None` when this registry does not have it.
    ///
    /// # Errors
    /// The failure, worded as it goes to bad rows.
    pub fn fetch(&self, key: &SchemaKey) -> Result<Option<Found>, Failure> {
        // A vendor may consist of dots; it must not lead out of the folder of schemas.
        if matches!(key.vendor.as_str(), "." | "..") {
            return Ok(None);
        }
        match &self.connection {
            Connection::BuiltIn => embedded::fetch(key),
            Connection::Folder(folder) => folder.fetch(&self.name, key),
            Connection::Http(http) => http.fetch(&self.name, key),
        }
    }

    /// Whether a prefix of this repository starts `vendor`.
    pub fn serves_vendor(&self, vendor: &str) -> bool {
        self.vendor_prefixes
            .iter()
            .any(|prefix| vendor.starts_with(prefix.as_str()))
    }

    /// Cost class: what needs no network is asked first.
    pub fn class_priority(&self) -> u8 {
        match self.connection {
            Connection::BuiltIn | Connection::Folder(_) => 1,
            Connection::Http(_) => 100,
        }
    }

    /// `<name> [<kind>]`, as failure texts list it.
    pub fn label(&self) -> String {
        let kind = match self.connection {
            Connection::BuiltIn | Connection::Folder(_) => "embedded",
            Connection::Http(_) => "HTTP",
        };
        format!("{} [{kind}]", self.name)
    }

    /// For logs: label, place, priority and prefixes; never an API key or password.
    pub fn describe(&self) -> String {
        let place = match &self.connection {
            Connection::BuiltIn => "built in".to_owned(),
            Connection::Folder(folder) => folder.to_string(),
            Connection::Http(http) => http.to_string(),
        };
        let prefixes = self.vendor_prefixes.join(", ");
        format!(
            "{} at {place}, priority {}, vendor prefixes [{prefixes}]",
            self.label(),
            self.priority
        )
    }
}

/// Why a document that was fetched cannot be used.
#[derive(Debug)]
pub(crate) enum DocumentError {
    /// Not JSON: the parser's message, cleaned.
    Json(String),
    /// No value in it at all.
    Empty,
    /// JSON, but no valid draft-4 schema.
    Syntax(Vec<Message>),
}

/// Reads and compiles a document that claims to be the schema of `key`.
pub(crate) fn compile(key: &SchemaKey, document: &[u8]) -> Result<Found, DocumentError> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let text = std::str::from_utf8(document).map_err(|error| {
        let byte = document.get(error.valid_up_to()).copied().unwrap_or(0);
        DocumentError::Json(format!(
            "Invalid UTF-8 start byte 0x{byte:02x} at [Source: java.io.InputStream@xxxxxx; byte: {}]",
            error.valid_up_to()
        ))
    })?;
    let value = json::parse(text)
        .map_err(|error| DocumentError::Json(parser_message(text, &error)))?
        .ok_or(DocumentError::Empty)?;
    let schema = Schema::compile(&value).map_err(DocumentError::Syntax)?;
    Ok(Found {
        envelope: Envelope::recognise(&value),
        entry: Arc::new(SchemaEntry {
            key: key.clone(),
            schema,
        }),
    })
}

/// Jackson's message about a document that was read from a stream: it names the stream, so the
/// document itself (which may be huge, or hold a secret) is not part of it.
pub(crate) fn parser_message(text: &str, error: &ParseError) -> String {
    const SOURCE: &str = "[Source: java.io.InputStream@xxxxxx;";
    let message = jackson::message(text, error, jackson::Style::Enrich);
    let message = message.replace(&format!("[Source: {text};"), SOURCE);
    strip_exception(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SchemaKey {
        SchemaKey::parse("iglu:com.acme/ad/jsonschema/1-0-0").unwrap()
    }

    #[test]
    fn labels_and_descriptions() {
        let registry = Registry::built_in();
        assert_eq!(registry.label(), "Iglu Client Embedded [embedded]");
        assert_eq!(registry.class_priority(), 1);
        assert!(!registry.serves_vendor("com.acme"));
        let http = Registry {
            name: "Iglu Central".into(),
            priority: 5,
            vendor_prefixes: vec!["com.snow".into(), "org".into()],
            connection: Connection::Http(Http::new(
                "http://u:pw@iglu.acme.com",
                Some("k3y".into()),
            )),
        };
        assert_eq!(http.label(), "Iglu Central [HTTP]");
        assert_eq!(
            http.describe(),
            "Iglu Central [HTTP] at http://iglu.acme.com, priority 5, vendor prefixes [com.snow, org]"
        );
        let debug = format!("{http:?}");
        assert!(!debug.contains("k3y") && !debug.contains("pw"), "{debug}");
        assert!(http.serves_vendor("com.snowplowanalytics"));
        assert!(http.serves_vendor("organic"));
        assert!(!http.serves_vendor("com.sno"));
    }

    #[test]
    fn a_vendor_of_dots_is_found_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/jsonschema");
        std::fs::create_dir_all(folder.path().join("schemas")).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("1-0-0"), "{}").unwrap();
        let registry = Registry {
            name: "disk".into(),
            priority: 0,
            vendor_prefixes: vec![],
            connection: Connection::Folder(Folder::new(folder.path().to_str().unwrap())),
        };
        for uri in ["iglu:../x/jsonschema/1-0-0", "iglu:./x/jsonschema/1-0-0"] {
            let key = SchemaKey::parse(uri).unwrap();
            assert!(matches!(registry.fetch(&key), Ok(None)), "{uri}");
        }
    }

    #[test]
    fn documents_that_cannot_be_used() {
        assert!(matches!(
            compile(&key(), b"  \n"),
            Err(DocumentError::Empty)
        ));
        match compile(&key(), b"{\"a\xff\":1}") {
            Err(DocumentError::Json(text)) => assert_eq!(
                text,
                "Invalid UTF-8 start byte 0xff at [Source: java.io.InputStream@xxxxxx; byte: 3]"
            ),
            other => panic!("{other:?}"),
        }
        let page = "<html>".repeat(100);
        match compile(&key(), page.as_bytes()) {
            Err(DocumentError::Json(text)) => {
                assert!(!text.contains("html"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(compile(&key(), b"\xef\xbb\xbf{}").is_ok());
    }

    /// Needs the real validator.
    #[test]
    fn a_document_that_is_no_schema_is_unusable() {
        for document in ["[]", "12", r#"{"type":"strange"}"#, r#"{"required":[]}"#] {
            assert!(
                matches!(
                    compile(&key(), document.as_bytes()),
                    Err(DocumentError::Syntax(ref messages)) if !messages.is_empty()
                ),
                "{document}"
            );
        }
    }
}
