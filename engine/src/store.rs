//! Objects and folders by URI: `s3://`, `file://` and plain paths behind one type.
//!
//! All calls are synchronous and may be made from any thread; network I/O runs on the one shared [`runtime`]. What is
//! listed, read and written is decided here, once, for the engine and the runner:
//!
//! * a listing is in byte order of the keys; keys that end in `/` or `_$folder$` are folder markers and no objects, as in
//!   EmrEtlRunner's emptiness checks;
//! * an object is read only as the snapshot saw it (`If-Match`, or length and modification time); a change is
//!   [`ErrorKind::Changed`];
//! * the encryption asked for goes with *every* write to S3;
//! * a local write is durable when the call returns.

pub mod local;
pub mod location;
pub mod runtime;
pub mod settings;

mod read;
mod refusal;
mod retry;
mod s3;
mod uploads;

pub use location::Location;
pub use retry::pause_after;
pub use settings::{Credentials, Encryption, StaticCredentials, StoreSettings};

use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use refusal::s3_error;
use retry::Patience;
use std::io::{self, Read};
use std::sync::Arc;

/// One object as a listing or a head request saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Where it is.
    pub location: Location,
    /// Its place relative to the listed folder, with `/` between parts.
    pub relative: String,
    /// Stored bytes.
    pub size: u64,
    /// Entity tag as the service wrote it (with its quotes); for local files a text made of length and
    /// modification time.
    pub etag: Option<String>,
}

/// Access to all locations with one set of settings. Cheap to clone, shared by all threads.
#[derive(Debug, Clone)]
pub struct Store {
    buckets: Arc<s3::Buckets>,
}

/// An open multipart upload. It is no object until it is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The object that it will be.
    pub location: Location,
    /// The service's id of the upload.
    pub id: String,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(StoreSettings::default())
    }
}

impl Store {
    /// A store with these settings. Nothing is contacted before the first use.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            buckets: Arc::new(s3::Buckets::new(settings)),
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &StoreSettings {
        self.buckets.settings()
    }

    /// Objects directly in `folder`, or below it at any depth, in order of their keys.
    ///
    /// # Errors
    /// When the listing fails; a folder that does not exist is an empty listing.
    pub fn list(&self, folder: &Location, recursive: bool) -> Result<Vec<ObjectEntry>> {
        if let Some(path) = folder.local_path() {
            let files = local::walk(path, recursive)?.into_iter();
            return Ok(files.map(|file| local_entry(folder, file)).collect());
        }
        let client = self.client(folder)?;
        runtime::wait(s3::list(client, self.patience(), folder.clone(), recursive))?
    }

    /// Some object below `folder` at any depth, if there is one: the check for emptiness.
    ///
    /// # Errors
    /// When the listing fails.
    pub fn find_any(&self, folder: &Location) -> Result<Option<ObjectEntry>> {
        self.find(folder, |_| true)
    }

    /// Some object below `folder` whose relative place `counts`. Not more is listed than it takes to meet one.
    ///
    /// # Errors
    /// When the listing fails.
    pub fn find(
        &self,
        folder: &Location,
        counts: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Option<ObjectEntry>> {
        if let Some(path) = folder.local_path() {
            return Ok(local::find(path, counts)?.map(|file| local_entry(folder, file)));
        }
        let client = self.client(folder)?;
        runtime::wait(s3::find(client, self.patience(), folder.clone(), counts))?
    }

    /// Whether there is any object below `folder`.
    ///
    /// # Errors
    /// When the listing fails.
    pub fn exists_any(&self, folder: &Location) -> Result<bool> {
        Ok(self.find_any(folder)?.is_some())
    }

    /// The object at `location`, if there is one. Its `relative` place is its name.
    ///
    /// # Errors
    /// When the request fails for another reason than absence.
    pub fn head(&self, location: &Location) -> Result<Option<ObjectEntry>> {
        let found = |size, etag| ObjectEntry {
            relative: location.name().to_owned(),
            location: location.clone(),
            size,
            etag,
        };
        if let Some(path) = location.local_path() {
            return match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => Ok(None),
                Ok(metadata) => Ok(Some(found(metadata.len(), Some(local::etag(&metadata))))),
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    Ok(None)
                }
                Err(e) => Err(local::at(path, e)),
            };
        }
        let key = s3::key(location)?;
        if key.as_ref().is_empty() {
            return Ok(None);
        }
        let (client, patience) = (self.client(location)?, self.patience());
        match runtime::wait(async move { patience.run(|| client.head(&key)).await })? {
            Ok(meta) => Ok(Some(found(meta.size, meta.e_tag))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(s3_error(&location.to_string(), e)),
        }
    }

    /// Opens an object for one sequential read, prefetching; fails with `Changed` if it is no longer the
    /// one that the entry describes. Errors of the reader carry an [`Error`]: see [`read_error`].
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, entry: &ObjectEntry) -> Result<Box<dyn Read + Send>> {
        self.open_range(entry, 0, entry.size)
    }

    /// Opens the bytes `start..end` of an object, as [`open`](Self::open) does the whole; an `end` behind the object's is cut.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_range(
        &self,
        entry: &ObjectEntry,
        start: u64,
        end: u64,
    ) -> Result<Box<dyn Read + Send>> {
        if let Some(path) = entry.location.local_path() {
            return Ok(Box::new(local::open(entry, path, start, end)?));
        }
        let client = self.client(&entry.location)?;
        Ok(Box::new(read::RangedReader::open(
            client,
            entry,
            start,
            end,
            self.settings(),
        )?))
    }

    /// The whole of a small object: configuration, plans, manifests.
    ///
    /// # Errors
    /// `NotFound` if there is none; otherwise when the read fails.
    pub fn read_to_vec(&self, location: &Location) -> Result<Vec<u8>> {
        let entry = self.head(location)?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{location}: there is no such object"),
            )
        })?;
        let mut bytes = Vec::new();
        self.open(&entry)?
            .read_to_end(&mut bytes)
            .map_err(|e| read_error(location, e))?;
        Ok(bytes)
    }

    /// Writes a whole object, replacing what is there. Returns its entity tag, if the service told one.
    ///
    /// # Errors
    /// When the write fails; no part of it is visible then.
    pub fn put(&self, location: &Location, bytes: impl Into<Bytes>) -> Result<Option<String>> {
        let bytes = bytes.into();
        if let Some(path) = location.local_path() {
            return local::write(path, &bytes).map(Some);
        }
        let (client, key, place) = (
            self.client(location)?,
            s3::key(location)?,
            location.to_string(),
        );
        let patience = self.patience();
        runtime::wait(async move {
            let write = || client.put(&key, PutPayload::from_bytes(bytes.clone()));
            patience.run(write).await
        })?
        .map(|written| written.e_tag)
        .map_err(|e| s3_error(&place, e))
    }

    /// Writes a whole object if there is none at `location`; false if there is one already (`If-None-Match: *`).
    ///
    /// The bytes must be the caller's alone (hold a random id, say): in S3 an object with exactly these bytes is taken for an earlier
    /// try of the same write whose answer was lost.
    ///
    /// # Errors
    /// When the write fails. An S3-compatible service without conditional writes may answer with an error or overwrite.
    pub fn put_new(&self, location: &Location, bytes: impl Into<Bytes>) -> Result<bool> {
        let bytes = bytes.into();
        if let Some(path) = location.local_path() {
            return local::write_new(path, &bytes);
        }
        let (client, key, place) = (
            self.client(location)?,
            s3::key(location)?,
            location.to_string(),
        );
        let (sent, patience) = (bytes.clone(), self.patience());
        let written = runtime::wait(async move {
            let write = || {
                let options = PutOptions::from(PutMode::Create);
                client.put_opts(&key, PutPayload::from_bytes(sent.clone()), options)
            };
            patience.run(write).await
        })?;
        match written {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => {
                // a retry of our own write meets itself
                match self.read_to_vec(location) {
                    Ok(there) => Ok(there == bytes),
                    Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
                    Err(e) => Err(e),
                }
            }
            Err(e) => Err(s3_error(&place, e)),
        }
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When the deletion fails.
    pub fn delete(&self, location: &Location) -> Result<()> {
        self.delete_all(std::slice::from_ref(location))
    }

    /// Deletes objects, in S3 by up to 1,000 with a request.
    ///
    /// # Errors
    /// The first failure; the others are deleted all the same where they share a request with it.
    pub fn delete_all(&self, locations: &[Location]) -> Result<()> {
        let mut by_bucket: Vec<(&Location, Vec<object_store::path::Path>)> = Vec::new();
        for location in locations {
            match (location.local_path(), location.bucket_and_key()) {
                (Some(path), _) => local::remove_file(path)?,
                (None, Some((bucket, _))) => {
                    let key = s3::key(location)?;
                    let same = |(first, _): &&mut (&Location, _)| {
                        first
                            .bucket_and_key()
                            .is_some_and(|(name, _)| name == bucket)
                    };
                    match by_bucket.iter_mut().find(same) {
                        Some((_, keys)) => keys.push(key),
                        None => by_bucket.push((location, vec![key])),
                    }
                }
                (None, None) => {}
            }
        }
        for (first, keys) in by_bucket {
            let (client, patience) = (self.client(first)?, self.patience());
            let place = match keys.len() {
                1 => format!("deleting {first}"),
                more => format!("deleting {first} and {} others", more - 1),
            };
            runtime::wait(async move { patience.run(|| s3::delete(&client, &keys)).await })?
                .map_err(|e| s3_error(&place, e))?;
        }
        Ok(())
    }

    /// Deletes everything below a folder (and, locally, the folder).
    ///
    /// # Errors
    /// When the listing or a deletion fails.
    pub fn delete_tree(&self, folder: &Location) -> Result<()> {
        if let Some(path) = folder.local_path() {
            return local::remove_tree(path);
        }
        let locations: Vec<Location> = self
            .list(folder, true)?
            .into_iter()
            .map(|e| e.location)
            .collect();
        self.delete_all(&locations)
    }

    /// Makes a local folder and those above it; S3 has none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_dir(&self, folder: &Location) -> Result<()> {
        folder.local_path().map_or(Ok(()), local::create_dir)
    }

    /// Opens a multipart upload (S3 only).
    ///
    /// # Errors
    /// When the request fails, or the place is local.
    pub fn create_upload(&self, location: &Location) -> Result<Upload> {
        let (client, key, place) = (
            self.client(location)?,
            s3::key(location)?,
            location.to_string(),
        );
        let patience = self.patience();
        let id =
            runtime::wait(async move { patience.run(|| client.create_multipart(&key)).await })?
                .map_err(|e| s3_error(&place, e))?;
        Ok(Upload {
            location: location.clone(),
            id,
        })
    }

    /// Sends part `index` (from 0) of an upload and returns its entity tag. All parts but the last have at least 5 MiB;
    /// there are at most 10,000.
    ///
    /// # Errors
    /// When the request fails.
    pub fn put_part(&self, upload: &Upload, index: usize, bytes: Bytes) -> Result<String> {
        self.start_part(upload, index, bytes, ())?.wait()?
    }

    /// As [`put_part`](Self::put_part) in the background. `held` is dropped when the request has ended.
    ///
    /// # Errors
    /// When the request cannot be started.
    pub fn start_part(
        &self,
        upload: &Upload,
        index: usize,
        bytes: Bytes,
        held: impl Send + 'static,
    ) -> Result<runtime::Task<Result<String>>> {
        let client = self.client(&upload.location)?;
        let key = s3::key(&upload.location)?;
        let (id, place) = (upload.id.clone(), upload.location.to_string());
        let patience = self.patience();
        runtime::spawn(async move {
            let write = || client.put_part(&key, &id, index, PutPayload::from_bytes(bytes.clone()));
            let part = patience.run(write).await;
            drop(held);
            part.map(|part| part.content_id)
                .map_err(|e| s3_error(&place, e))
        })
    }

    /// Turns an upload into its object, from the tags of its parts in order. Returns the object's tag.
    ///
    /// # Errors
    /// `NotFound` if the upload is gone: completed before, aborted, or ended by a lifecycle rule.
    pub fn complete_upload(&self, upload: &Upload, parts: &[String]) -> Result<Option<String>> {
        let client = self.client(&upload.location)?;
        let (key, id) = (s3::key(&upload.location)?, upload.id.clone());
        let parts: Vec<String> = parts.to_vec();
        let patience = self.patience();
        let complete = async move {
            let complete = || {
                let parts = parts.iter().cloned();
                let parts = parts.map(|content_id| PartId { content_id }).collect();
                client.complete_multipart(&key, &id, parts)
            };
            patience.run(complete).await
        };
        runtime::wait(complete)?
            .map(|done| done.e_tag)
            .map_err(|e| s3_error(&upload.location.to_string(), e))
    }

    /// Uploads that are open below a folder in S3; elsewhere there are none.
    ///
    /// # Errors
    /// When they cannot be listed: `Denied` without the permission `s3:ListBucketMultipartUploads`.
    pub fn open_uploads(&self, folder: &Location) -> Result<Vec<Upload>> {
        if folder.is_local() {
            return Ok(Vec::new());
        }
        let client = self.client(folder)?;
        runtime::wait(uploads::open(client, folder.clone()))?
    }

    /// Gives an upload up; one that is gone is no error.
    ///
    /// # Errors
    /// When the request fails.
    pub fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let client = self.client(&upload.location)?;
        let (key, id) = (s3::key(&upload.location)?, upload.id.clone());
        let patience = self.patience();
        let abort = async move { patience.run(|| client.abort_multipart(&key, &id)).await };
        match runtime::wait(abort)? {
            Ok(()) => Ok(()),
            Err(e) => match s3_error(&upload.location.to_string(), e) {
                gone if gone.kind() == ErrorKind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }

    fn patience(&self) -> Patience {
        Patience::new(self.settings())
    }

    fn client(&self, location: &Location) -> Result<Arc<AmazonS3>> {
        let (bucket, _) = location
            .bucket_and_key()
            .ok_or_else(|| Error::internal(format!("{location} is not in S3")))?;
        self.buckets.client(bucket)
    }
}

/// The [`Error`] inside an I/O error that a reader of [`Store::open`] returned; any other I/O error as one at `location`.
pub fn read_error(location: &Location, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(location, error),
    }
}

/// 16 random bytes in hexadecimal: names that nobody else has.
///
/// # Errors
/// When the operating system has no randomness.
pub(crate) fn random_name() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(ErrorKind::Io, "the operating system gives no random bytes")
            .with_source(e.to_string())
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn local_entry(folder: &Location, file: local::LocalFile) -> ObjectEntry {
    ObjectEntry {
        location: folder.join(&file.relative),
        relative: file.relative,
        size: file.size,
        etag: Some(file.etag),
    }
}

#[cfg(test)]
mod tests;
