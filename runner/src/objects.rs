//! Objects and folders of the runner, on S3 and on local disks: lists, small reads and writes, moves and copies.
//!
//! S3 is reached by the official SDK. Every write asks for the encryption of the settings. Errors are texts that name the
//! object and say what to do; what is worth another try was tried again before.

use engine::store::Location;

use crate::aws::Aws;

/// One object below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Key relative to the folder.
    pub relative: String,
    /// Bytes.
    pub size: u64,
    /// ETag without quotes; empty for files.
    pub etag: String,
    /// Last change, milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What a move or copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Objects on S3 and on local disks.
#[derive(Debug, Clone)]
pub struct Objects {
    aws: Option<Aws>,
}

impl Objects {
    /// `aws` is needed only where a location is on S3.
    pub fn new(aws: Option<Aws>) -> Self {
        Self { aws }
    }

    /// The clients of AWS, if there are any.
    pub fn aws(&self) -> Option<&Aws> {
        self.aws.as_ref()
    }

    /// All objects below `folder`, in the order of their keys; without those whose key ends in `/` or `$folder$`. A folder
    /// that does not exist is empty; `processing` does not hold what lies in `processing2`.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self, folder: &Location) -> Result<Vec<ObjectEntry>, String> {
        let mut found = Vec::new();
        self.each(folder, &mut |entry| {
            found.push(entry);
            true
        })?;
        Ok(found)
    }

    /// As [`list`](Self::list), page by page; ends when `visit` says false.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn each(
        &self,
        folder: &Location,
        _visit: &mut dyn FnMut(ObjectEntry) -> bool,
    ) -> Result<(), String> {
        Err(format!("{folder}: not available yet"))
    }

    /// Whether an object below `folder` passes `filter` (given its key relative to the folder).
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn any(&self, folder: &Location, filter: &dyn Fn(&str) -> bool) -> Result<bool, String> {
        let mut found = false;
        self.each(folder, &mut |entry| {
            found = filter(&entry.relative);
            !found
        })?;
        Ok(found)
    }

    /// The content of an object; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, object: &Location) -> Result<Option<Vec<u8>>, String> {
        Err(format!("{object}: not available yet"))
    }

    /// Writes an object, replacing what was there (files: atomically).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, object: &Location, _content: &[u8]) -> Result<(), String> {
        Err(format!("{object}: not available yet"))
    }

    /// Writes an object only if there is none; false when there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(&self, object: &Location, _content: &[u8]) -> Result<bool, String> {
        Err(format!("{object}: not available yet"))
    }

    /// Deletes objects; those that do not exist are no error.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn delete(&self, _objects: &[Location]) -> Result<(), String> {
        Err("not available yet".into())
    }

    /// Moves objects, many at a time: each source is deleted after its copy was verified by size and checksum. Can be cut
    /// at any point and repeated. Existing targets are overwritten only by an equal object.
    ///
    /// # Errors
    /// When one cannot be moved; it then is still at its source.
    pub fn move_all(&self, _moves: &[(Location, Location, u64)]) -> Result<Moved, String> {
        Err("not available yet".into())
    }
}
