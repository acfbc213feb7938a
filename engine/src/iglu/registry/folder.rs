//! A folder on disk: `<path>/schemas/<vendor>/<name>/<format>/<version>`.
//!
//! The reference's `embedded` connection reads resources of its class path. There is no class path
//! here, so the path is one of the file system, absolute or relative to the working directory, or a
//! `file://` URI. Messages and the place in the look-up order are those of the reference's `embedded`.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{DocumentError, Failure, Found, MAX_SCHEMA_BYTES};
use crate::iglu::key::SchemaKey;

/// A folder that holds a folder `schemas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// As it was configured, for messages.
    text: String,
    root: PathBuf,
}

impl Folder {
    /// A folder from a path or `file://` URI. Nothing is read.
    pub fn new(path: &str) -> Self {
        Self {
            text: path.to_owned(),
            root: local_path(path),
        }
    }

    /// Whether it is there now.
    pub fn exists(&self) -> bool {
        self.root.is_dir()
    }

    pub(super) fn fetch(&self, name: &str, key: &SchemaKey) -> Result<Option<Found>, Failure> {
        let path = self
            .root
            .join("schemas")
            .join(&key.vendor)
            .join(&key.name)
            .join(&key.format)
            .join(&key.version);
        let shown = || format!("{}/schemas/{}", self.text, key.path());
        let unknown = |what: String| {
            let text = format!(
                "Unknown problem reading and parsing {} in embedded Iglu repository {name}: {what}",
                shown()
            );
            Failure::recoverable(text)
        };
        let document = match read_limited(&path) {
            Ok(Some(document)) => document,
            Ok(None) => return Ok(None),
            Err(error) => return Err(unknown(format!("java.io.IOException: {error}"))),
        };
        match super::compile(key, &document) {
            Ok(found) => Ok(Some(found)),
            Err(DocumentError::Json(why)) => Err(Failure::recoverable(format!(
                "Problem parsing {} as JSON in embedded Iglu repository {name}: {why}",
                shown()
            ))),
            Err(DocumentError::Empty) => Err(unknown(
                "com.fasterxml.jackson.databind.JsonMappingException: No content to map due to end-of-input"
                    .to_owned(),
            )),
            Err(DocumentError::Syntax(messages)) => Err(Failure::Unusable(messages)),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The local path of a path or `file://` URI.
pub(super) fn local_path(text: &str) -> PathBuf {
    if text.starts_with("file:")
        && let Ok(url) = reqwest::Url::parse(text)
        && let Ok(path) = url.to_file_path()
    {
        return path;
    }
    PathBuf::from(text)
}

/// The content of a file; `None` when there is no such file, or no file can have this name.
pub(super) fn read_limited(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let absent = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidInput => Ok(None),
        _ => Err(error),
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) => return absent(error),
    };
    let mut document = Vec::new();
    let limit = MAX_SCHEMA_BYTES as u64 + 1;
    if let Err(error) = file.take(limit).read_to_end(&mut document) {
        return absent(error);
    }
    if document.len() > MAX_SCHEMA_BYTES {
        let text = format!("schema is larger than {MAX_SCHEMA_BYTES} bytes");
        return Err(std::io::Error::other(text));
    }
    Ok(Some(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(uri: &str) -> SchemaKey {
        SchemaKey::parse(uri).unwrap()
    }

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join("schemas").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    #[test]
    fn schemas_are_found_by_path_and_by_uri() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "com.acme/ad/jsonschema/1-0-0",
            r#"{"type":"object"}"#,
        );
        let path = root.path().to_str().unwrap();
        for text in [
            path.to_owned(),
            format!("{path}/"),
            format!("file://{path}"),
        ] {
            let folder = Folder::new(&text);
            assert!(folder.exists());
            let found = folder.fetch("disk", &key("iglu:com.acme/ad/jsonschema/1-0-0"));
            assert_eq!(found.unwrap().unwrap().entry.key.name, "ad", "{text}");
            for uri in [
                "iglu:com.acme/ad/jsonschema/1-0-1",
                "iglu:com.acme/absent/jsonschema/1-0-0",
                "iglu:com.acme/ad/avro/1-0-0",
            ] {
                assert!(folder.fetch("disk", &key(uri)).unwrap().is_none(), "{uri}");
            }
        }
    }

    #[test]
    fn the_level_schemas_is_needed() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "com.acme/ad/jsonschema/1-0-0", "{}");
        let inner = root.path().join("schemas");
        let folder = Folder::new(inner.to_str().unwrap());
        assert!(
            folder
                .fetch("disk", &key("iglu:com.acme/ad/jsonschema/1-0-0"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn names_that_no_file_can_have_are_not_found() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "com.acme/ad/jsonschema/1-0-0", "{}");
        std::fs::create_dir_all(root.path().join("schemas/com.acme/dir/jsonschema/1-0-0")).unwrap();
        let folder = Folder::new(root.path().to_str().unwrap());
        let long = format!("iglu:{}/n/f/1-0-0", "v".repeat(5000));
        let huge = format!("iglu:{}/n/f/1-0-0", "v".repeat(1 << 20));
        for uri in [&long, &huge, "iglu:com.acme/dir/jsonschema/1-0-0"] {
            assert!(folder.fetch("disk", &key(uri)).unwrap().is_none());
        }
    }

    #[test]
    fn damaged_files_name_the_file_and_the_repository() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "com.acme/ad/jsonschema/1-0-0", "<xml>");
        write(root.path(), "com.acme/ad/jsonschema/1-0-1", "");
        let path = root.path().to_str().unwrap();
        let folder = Folder::new(path);
        let text = |uri: &str| match folder.fetch("disk", &key(uri)) {
            Err(Failure::Recoverable(message)) => message.text().to_owned(),
            other => panic!("{other:?}"),
        };
        let start = format!(
            "Problem parsing {path}/schemas/com.acme/ad/jsonschema/1-0-0 as JSON in embedded Iglu repository disk: "
        );
        let bad = text("iglu:com.acme/ad/jsonschema/1-0-0");
        assert!(bad.starts_with(&start) && !bad.contains("xml"), "{bad}");
        assert_eq!(
            text("iglu:com.acme/ad/jsonschema/1-0-1"),
            format!(
                "Unknown problem reading and parsing {path}/schemas/com.acme/ad/jsonschema/1-0-1 in embedded \
                 Iglu repository disk: com.fasterxml.jackson.databind.JsonMappingException: No content to map due \
                 to end-of-input"
            )
        );
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "com.acme/ad/jsonschema/1-0-0",
            &" ".repeat(MAX_SCHEMA_BYTES + 1),
        );
        let folder = Folder::new(root.path().to_str().unwrap());
        match folder.fetch("disk", &key("iglu:com.acme/ad/jsonschema/1-0-0")) {
            Err(Failure::Recoverable(message)) => {
                assert!(
                    message
                        .text()
                        .ends_with("schema is larger than 16777216 bytes")
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
