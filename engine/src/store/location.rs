//! Where things are: a bucket and key, or a local path, behind one type.
//!
//! Accepted are `s3://bucket/key`, its Hadoop spellings `s3a://` and `s3n://` (EmrEtlRunner and S3DistCp only look at
//! host and path), `file:///path`, `file:/path`, and plain paths. Several slashes in a row count as one, as in Hadoop's
//! `Path`. A relative path is resolved against the working directory when it is parsed; the text that the
//! operator wrote is kept for messages.

use crate::error::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// An absolute place: a bucket and key, or a local path. Prints as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    text: String,
    place: Place,
}

/// What a location means to the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    /// `key` has no slash at either end, and none twice in a row; empty for the whole bucket.
    S3 {
        bucket: String,
        key: String,
    },
    Local(PathBuf),
}

impl Location {
    /// Parses `s3://bucket/key` (also `s3a`, `s3n`), `file:///path`, `file:/path`, or a path.
    ///
    /// # Errors
    /// `Config` for an unknown scheme, a missing or impossible bucket, credentials inside the URI, or an S3 key with
    /// a part `.` or `..` or a control character.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::config("an empty text is not a location"));
        }
        if text.contains('\0') {
            return Err(Error::config("a location must not hold a NUL character"));
        }
        let place = match split_scheme(text) {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "s3" | "s3a" | "s3n" => parse_s3(text, rest)?,
                "file" => parse_file(text, rest)?,
                other => {
                    return Err(Error::config(format!(
                        "{text}: the scheme `{other}` is not supported; use s3://, s3a://, s3n://, file:// or a path"
                    )));
                }
            },
            None => {
                let path = text
                    .strip_prefix("file:")
                    .filter(|path| path.starts_with('/'))
                    .unwrap_or(text);
                local(text, path)?
            }
        };
        Ok(Self {
            text: text.to_owned(),
            place,
        })
    }

    /// The location of a local path.
    ///
    /// # Errors
    /// `Config` if the path is empty or not UTF-8.
    pub fn from_path(path: &Path) -> Result<Self> {
        let text = path
            .to_str()
            .ok_or_else(|| Error::config(format!("{}: the path is not UTF-8", path.display())))?;
        Ok(Self {
            place: local(text, text)?,
            text: text.to_owned(),
        })
    }

    /// The place `relative` (parts between `/`) below this folder.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        let relative = relative.trim_start_matches('/');
        if relative.is_empty() {
            return self.clone();
        }
        let text = format!("{}/{relative}", self.text.trim_end_matches('/'));
        let below = relative.trim_end_matches('/');
        let place = match &self.place {
            Place::S3 { bucket, key } => Place::S3 {
                bucket: bucket.clone(),
                key: if key.is_empty() {
                    below.to_owned()
                } else {
                    format!("{key}/{below}")
                },
            },
            Place::Local(path) => Place::Local(path.join(below)),
        };
        Self { text, place }
    }

    /// The folder that holds this place; `None` for a whole bucket or the root of the file system.
    pub fn parent(&self) -> Option<Self> {
        let place = match &self.place {
            Place::S3 { key, .. } if key.is_empty() => return None,
            Place::S3 { bucket, key } => Place::S3 {
                bucket: bucket.clone(),
                key: key
                    .rsplit_once('/')
                    .map_or(String::new(), |(above, _)| above.to_owned()),
            },
            Place::Local(path) => Place::Local(path.parent()?.to_owned()),
        };
        let text = self.text.trim_end_matches('/');
        let text = match (&place, text.rsplit_once('/')) {
            // a relative path of one part: the absolute path of its folder is the only text there is
            (Place::Local(path), None) => path.display().to_string(),
            (Place::Local(_), Some(("", _))) => "/".to_owned(),
            (_, Some((above, _))) => above.to_owned(),
            (Place::S3 { .. }, None) => text.to_owned(),
        };
        Some(Self { text, place })
    }

    /// The last part: the name of the object or folder; empty for a whole bucket.
    pub fn name(&self) -> &str {
        match &self.place {
            Place::S3 { key, .. } => key.rsplit('/').next().unwrap_or_default(),
            Place::Local(path) => path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default(),
        }
    }

    /// Whether this is a path of the local file system.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// The absolute local path, if it is one.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::S3 { .. } => None,
        }
    }

    /// Bucket and key (no slash at its ends, empty for a whole bucket) of a place in S3.
    pub fn bucket_and_key(&self) -> Option<(&str, &str)> {
        match &self.place {
            Place::S3 { bucket, key } => Some((bucket, key)),
            Place::Local(_) => None,
        }
    }

    /// Whether both name the same place, however they are spelled.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Whether `other` is this place or lies somewhere below it (by its spelling: links are not followed).
    pub fn contains(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (
                Place::S3 { bucket, key },
                Place::S3 {
                    bucket: other_bucket,
                    key: other_key,
                },
            ) => {
                bucket == other_bucket
                    && (key.is_empty()
                        || other_key
                            .strip_prefix(key.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            }
            (Place::Local(path), Place::Local(other)) => other.starts_with(path),
            _ => false,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// Splits `scheme://rest`, if what stands before `://` can be a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    valid.then_some((scheme, rest))
}

fn parse_s3(text: &str, rest: &str) -> Result<Place> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        // the text may hold a secret: it is not printed
        return Err(Error::config(
            "an S3 URI with credentials before `@` is not supported; use the environment or an instance role",
        ));
    }
    if bucket.is_empty() {
        return Err(Error::config(format!("{text}: the bucket is missing")));
    }
    if !bucket
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    {
        return Err(Error::config(format!(
            "{text}: `{bucket}` is not the name of a bucket"
        )));
    }
    let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Error::config(format!(
            "{text}: a key must not have a part `.` or `..`"
        )));
    }
    if key.chars().any(|c| c.is_ascii_control()) {
        return Err(Error::config(format!(
            "{}: a key must not have control characters",
            text.escape_default()
        )));
    }
    Ok(Place::S3 {
        bucket: bucket.to_owned(),
        key: parts.join("/"),
    })
}

fn parse_file(text: &str, rest: &str) -> Result<Place> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(Error::config(format!(
            "{text}: a file URI has three slashes before its path, as in file:///data/in"
        )));
    }
    local(text, path)
}

fn local(text: &str, path: &str) -> Result<Place> {
    std::path::absolute(path)
        .map(Place::Local)
        .map_err(|e| Error::config(format!("{text}: not a usable path")).with_source(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn s3(text: &str) -> (String, String) {
        let location = Location::parse(text).unwrap();
        let (bucket, key) = location.bucket_and_key().unwrap();
        (bucket.to_owned(), key.to_owned())
    }

    #[test]
    fn all_spellings_of_s3() {
        for (text, bucket, key) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://b/a/c", "b", "a/c"),
            ("s3a://b/a/c/", "b", "a/c"),
            (
                "s3n://My_b.x-1/run=2018-07-24-10-00-00/",
                "My_b.x-1",
                "run=2018-07-24-10-00-00",
            ),
            ("S3://b//a///c//", "b", "a/c"),
            ("s3://b/ü + %20~", "b", "ü + %20~"),
        ] {
            assert_eq!(s3(text), (bucket.to_owned(), key.to_owned()), "{text}");
            assert_eq!(Location::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn local_spellings() {
        let cwd = std::env::current_dir().unwrap();
        for (text, path) in [
            ("/data/in", PathBuf::from("/data/in")),
            ("/data//in/", PathBuf::from("/data/in/")),
            ("file:///data/in", PathBuf::from("/data/in")),
            ("file:/data/in", PathBuf::from("/data/in")),
            ("file://localhost/data", PathBuf::from("/data")),
            ("data/in", cwd.join("data/in")),
            ("./data", cwd.join("data")),
            ("file:name", cwd.join("file:name")),
            ("a b://c", cwd.join("a b:/c")),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.local_path().unwrap(), path, "{text}");
            assert!(location.is_local() && location.bucket_and_key().is_none());
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn refused_texts() {
        for text in [
            "",
            "s3://",
            "s3:///key",
            "s3://b?d/x",
            "s3://b/../x",
            "s3://b/a/./x",
            "s3://b/a\nb",
            "hdfs:///local/x",
            "gs://b/k",
            "http://h/x",
            "file://host/x",
            "file://",
            "a\0b",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text:?}");
        }
    }

    #[test]
    fn credentials_in_a_uri_are_not_printed() {
        let error = Location::parse("s3n://AKIAKEY:topsecret@bucket/x").unwrap_err();
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }

    #[test]
    fn join_parent_name_contains() {
        let root = Location::parse("s3://b/out/").unwrap();
        let file = root.join("run=1/part-0");
        assert_eq!(file.to_string(), "s3://b/out/run=1/part-0");
        assert_eq!(file.bucket_and_key(), Some(("b", "out/run=1/part-0")));
        assert_eq!(file.name(), "part-0");
        assert_eq!(file.parent().unwrap().to_string(), "s3://b/out/run=1");
        assert!(root.contains(&file) && root.contains(&root) && !file.contains(&root));
        assert!(!root.contains(&Location::parse("s3://b/output").unwrap()));
        assert!(!root.contains(&Location::parse("s3://c/out/x").unwrap()));
        assert!(root.is_same_place(&Location::parse("s3a://b//out").unwrap()));
        assert_eq!(root.join(""), root);
        assert_eq!(root.join("/x/"), root.join("x/"));

        let bucket = Location::parse("s3://b").unwrap();
        assert!(bucket.parent().is_none() && bucket.contains(&file));
        assert_eq!(bucket.join("k").bucket_and_key(), Some(("b", "k")));
        assert_eq!(bucket.join("k").parent().unwrap(), bucket);

        let local = Location::parse("/data").unwrap();
        assert_eq!(
            local.join("x/y").local_path().unwrap(),
            Path::new("/data/x/y")
        );
        assert_eq!(local.parent().unwrap().to_string(), "/");
        assert!(local.parent().unwrap().parent().is_none());
        assert!(
            local.contains(&local.join("x"))
                && !local.contains(&Location::parse("/database").unwrap())
        );
        assert_eq!(
            Location::parse("/")
                .unwrap()
                .join("x")
                .local_path()
                .unwrap(),
            Path::new("/x")
        );
        let relative = Location::parse("only").unwrap();
        assert_eq!(
            relative.parent().unwrap().local_path().unwrap(),
            std::env::current_dir().unwrap()
        );
        assert_eq!(
            Location::from_path(Path::new("/tmp/x"))
                .unwrap()
                .to_string(),
            "/tmp/x"
        );
    }
}
