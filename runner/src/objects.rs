//! Objects and folders of the runner, on S3 and on local disks: lists, small reads and writes, moves and copies.
//!
//! S3 is reached by the official SDK. Every write asks for the encryption of the settings. Errors are texts that name the
//! object and say what to do; what is worth another try was tried again before.
//!
//! ```text
//! Objects            lists, get, put, create, delete; what the steps call
//!   folders          moves of lists and folders
//!   moving           many objects: rounds of 1,000, targets looked up, sources deleted when their copies are verified
//!     copy           inside S3: CopyObject, parts above 5 GiB     content   between S3 and disk, and comparison by bytes
//!       s3           one function for each request: encryption, conditions, retries
//! ```

pub(crate) mod content;
mod copy;
mod delete;
mod folders;
pub(crate) mod key;
pub(crate) mod moving;
pub(crate) mod s3;
pub mod stream;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use engine::store::Location;

use crate::aws::Aws;
use crate::transfer;
use content::Place;
use key::{Key, counts};
use moving::Counts;
use s3::S3;

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

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// By what the copies of moves were compared with their sources, in objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifiedBy {
    /// Equal ETags that are sums of the content.
    pub etag: u64,
    /// Equal checksums, or MD5 sums checked by the service.
    pub checksum: u64,
    /// Equal sizes, where the service tells nothing else (KMS keys).
    pub size: u64,
    /// Byte by byte, or by a rename.
    pub content: u64,
}

/// An object of a folder and the name it is to get in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The object, as its folder was listed.
    pub entry: ObjectEntry,
    /// Its name relative to the other folder.
    pub name: String,
}

/// Objects on S3 and on local disks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Objects {
    aws: Option<Aws>,
    s3: Option<S3>,
    counts: Arc<Counts>,
}

impl Objects {
    /// `aws` is needed only where a location is on S3.
    pub fn new(aws: Option<Aws>) -> Self {
        Self {
            s3: aws.as_ref().map(S3::new),
            aws,
            counts: Arc::default(),
        }
    }

    /// The clients of AWS, if there are any.
    pub fn aws(&self) -> Option<&Aws> {
        self.aws.as_ref()
    }

    /// By what the copies made so far were verified.
    pub fn verified_by(&self) -> VerifiedBy {
        self.counts.read()
    }

    fn needed_aws(&self) -> Result<&Aws, String> {
        self.aws
            .as_ref()
            .ok_or_else(|| "a place in S3 cannot be reached: AWS is not configured".to_owned())
    }

    fn s3(&self) -> Result<&S3, String> {
        self.needed_aws()?;
        self.s3
            .as_ref()
            .ok_or_else(|| "a place in S3 cannot be reached: AWS is not configured".to_owned())
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
        visit: &mut dyn FnMut(ObjectEntry) -> bool,
    ) -> Result<(), String> {
        self.pages(folder, 1000, visit)
    }

    /// Whether an object below `folder` passes `filter` (given its key relative to the folder).
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn any(&self, folder: &Location, filter: &dyn Fn(&str) -> bool) -> Result<bool, String> {
        let mut found = false;
        // Small pages, as the reference's: mostly the first object decides.
        self.pages(folder, 50, &mut |entry| {
            found = filter(&entry.relative);
            !found
        })?;
        Ok(found)
    }

    fn pages(
        &self,
        folder: &Location,
        first_page: i32,
        visit: &mut dyn FnMut(ObjectEntry) -> bool,
    ) -> Result<(), String> {
        if let Some(path) = folder.local_path() {
            for entry in local_entries(path)? {
                if !visit(entry) {
                    break;
                }
            }
            return Ok(());
        }
        let (aws, s3) = (self.needed_aws()?, self.s3()?);
        let prefix = Key::prefix_of(folder).ok_or_else(|| format!("{folder}: not in S3"))?;
        let (mut token, mut most) = (None::<String>, first_page);
        loop {
            let page = aws.block_on(s3.page(&prefix, None, token.as_deref(), most))?;
            for object in page.objects {
                let Some(relative) = object.key.strip_prefix(&prefix.key) else {
                    return Err(format!(
                        "{folder}: the listing has a key that is not below it: {}",
                        key::printable(&object.key)
                    ));
                };
                if !counts(relative) {
                    continue;
                }
                let entry = ObjectEntry {
                    relative: relative.to_owned(),
                    size: object.size,
                    etag: object.etag,
                    modified_ms: object.modified_ms,
                };
                if !visit(entry) {
                    return Ok(());
                }
            }
            token = page.next;
            if token.is_none() {
                return Ok(());
            }
            most = 1000;
        }
    }

    /// The content of an object; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, object: &Location) -> Result<Option<Vec<u8>>, String> {
        if let Some(path) = object.local_path() {
            return match fs::read(path) {
                Ok(content) => Ok(Some(content)),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                    ) =>
                {
                    Ok(None)
                }
                Err(error) => Err(transfer::named(path, error).to_string()),
            };
        }
        let key = object_key(object)?;
        self.needed_aws()?.block_on(self.s3()?.get(&key))
    }

    /// Writes an object, replacing what was there (files: atomically).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, object: &Location, content: &[u8]) -> Result<(), String> {
        if let Some(path) = object.local_path() {
            return transfer::write_file(path, content, true)
                .map(|_| ())
                .map_err(|error| error.to_string());
        }
        let key = object_key(object)?;
        let content = Bytes::copy_from_slice(content);
        self.needed_aws()?
            .block_on(self.s3()?.put(&key, content, false))
            .map(|_| ())
            .map_err(|refusal| refusal.text(&key.to_string(), "PutObject"))
    }

    /// Writes an object only if there is none; false when there is one.
    ///
    /// The content should be the caller's alone (hold a random id, or host, process and time): in S3 an object with exactly this
    /// content is taken for an earlier try of the same write whose answer was lost. Services that know no conditional
    /// writes are asked for the object before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(&self, object: &Location, content: &[u8]) -> Result<bool, String> {
        if let Some(path) = object.local_path() {
            return transfer::write_file(path, content, false).map_err(|error| error.to_string());
        }
        let key = object_key(object)?;
        let content = Bytes::copy_from_slice(content);
        self.needed_aws()?
            .block_on(self.s3()?.create(&key, content))
    }

    /// Deletes objects; those that do not exist are no error.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn delete(&self, objects: &[Location]) -> Result<(), String> {
        let mut by_bucket: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for object in objects {
            match object.local_path() {
                Some(path) => transfer::remove_file(path).map_err(|error| error.to_string())?,
                None => {
                    let key = object_key(object)?;
                    by_bucket
                        .entry(key.bucket)
                        .or_default()
                        .push((key.key, String::new()));
                }
            }
        }
        for (bucket, keys) in by_bucket {
            self.needed_aws()?
                .block_on(self.s3()?.delete(&bucket, &keys))?;
        }
        Ok(())
    }

    /// Ends the multipart uploads to keys below a folder, to which nobody may be writing; how many there were. Local folders
    /// have none.
    ///
    /// # Errors
    /// When they cannot be listed or ended.
    pub fn end_uploads(&self, folder: &Location) -> Result<u64, String> {
        match Key::prefix_of(folder) {
            Some(prefix) => self
                .needed_aws()?
                .block_on(self.s3()?.abort_uploads_below(&prefix)),
            None => Ok(0),
        }
    }

    /// Deletes objects of a folder, in S3 each only as it was listed.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn delete_entries(
        &self,
        folder: &Location,
        entries: &[&ObjectEntry],
    ) -> Result<(), String> {
        let mut by_bucket: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for entry in entries {
            match below(folder, &entry.relative)? {
                Place::Local(path) => transfer::remove_file(&path).map_err(|e| e.to_string())?,
                Place::S3(key) => by_bucket
                    .entry(key.bucket)
                    .or_default()
                    .push((key.key, entry.etag.clone())),
            }
        }
        for (bucket, keys) in by_bucket {
            self.needed_aws()?
                .block_on(self.s3()?.delete(&bucket, &keys))?;
        }
        Ok(())
    }
}

/// The place `relative` below a folder, byte for byte.
fn below(folder: &Location, relative: &str) -> Result<Place, String> {
    match (folder.local_path(), Key::prefix_of(folder)) {
        (Some(path), _) => {
            // A key may have parts that lead out of a folder of a disk.
            if relative
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."))
                || relative.contains('\0')
            {
                return Err(format!(
                    "{folder}: `{}` cannot be the name of a file there: rename the object",
                    key::printable(relative)
                ));
            }
            Ok(Place::Local(path.join(relative)))
        }
        (None, Some(prefix)) => Ok(Place::S3(prefix.below(relative))),
        (None, None) => Err(format!("{folder}: neither in S3 nor on a disk")),
    }
}

fn place(location: &Location) -> Result<Place, String> {
    match location.local_path() {
        Some(path) => Ok(Place::Local(path.to_owned())),
        None => object_key(location).map(Place::S3),
    }
}

fn object_key(location: &Location) -> Result<Key, String> {
    Key::of(location)
        .filter(|key| !key.key.is_empty())
        .ok_or_else(|| format!("{location}: not the place of an object"))
}

/// The files below a folder, in the order of their relative names.
fn local_entries(folder: &Path) -> Result<Vec<ObjectEntry>, String> {
    let mut entries = Vec::new();
    for file in engine::store::local::walk(folder, true).map_err(|error| error.to_string())? {
        if !counts(&file.relative) || transfer::is_partial(&file.relative) {
            continue;
        }
        let modified = match fs::metadata(&file.path) {
            Ok(metadata) => metadata.modified().ok(),
            // other programs go on deleting
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(transfer::named(&file.path, error).to_string()),
        };
        entries.push(ObjectEntry {
            relative: file.relative,
            size: file.size,
            etag: String::new(),
            modified_ms: modified
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .and_then(|time| i64::try_from(time.as_millis()).ok())
                .unwrap_or_default(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
