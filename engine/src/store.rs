//! Objects and folders by URI: `s3://`, `file://` and plain paths behind one type.

use crate::error::Result;
use std::io::Read;

/// An absolute place: a bucket and key, or a local path. Prints as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    text: String,
}

impl Location {
    /// Parses `s3://bucket/key` (also `s3a`, `s3n`), `file:///path`, or a path.
    ///
    /// # Errors
    /// `Config` for an unknown scheme or a missing bucket.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The place `relative` below this folder.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        Self {
            text: format!("{}/{relative}", self.text.trim_end_matches('/')),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// One object as a listing or a head request saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Where it is.
    pub location: Location,
    /// Its place relative to the listed folder, with `/` between parts.
    pub relative: String,
    /// Stored bytes.
    pub size: u64,
    /// Entity tag; for local files a text made of length and modification time.
    pub etag: Option<String>,
}

/// Access to all locations with one set of settings. Cheap to clone, shared by all threads.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Objects directly in `folder`, or below it at any depth, in order of their keys.
    ///
    /// # Errors
    /// When the listing fails; a folder that does not exist is an empty listing.
    pub fn list(&self, _folder: &Location, _recursive: bool) -> Result<Vec<ObjectEntry>> {
        Ok(Vec::new())
    }

    /// The object at `location`, if there is one.
    ///
    /// # Errors
    /// When the request fails for another reason than absence.
    pub fn head(&self, _location: &Location) -> Result<Option<ObjectEntry>> {
        Ok(None)
    }

    /// Opens an object for one sequential read, prefetching; fails with `Changed` if it is no longer the
    /// one that the entry describes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, _entry: &ObjectEntry) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::io::empty()))
    }
}
