//! Files of sealed parcels in an exchange: what a shard sends in a stage, gathered by bucket, and what a bucket gets.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::super::ship::Parcel;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, read_error};

/// Stored bytes of a file of keys or lines, about.
const FILE_BYTES: usize = 8 << 20;
/// Sealed bytes that wait to become files: least and most.
const WAITING_BYTES: (u64, u64) = (1 << 20, 64 << 20);

/// Files that a shard sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Folder of the files.
    folder: String,
    /// Number of files by bucket.
    files: BTreeMap<u32, u32>,
}

impl Sent {
    /// The files for a bucket, in order; `base` is the folder of the job.
    pub(super) fn places(
        &self,
        base: &Location,
        bucket: u32,
    ) -> impl Iterator<Item = Location> + use<> {
        let count = self.files.get(&bucket).copied().unwrap_or_default();
        let folder = base.join(&self.folder);
        (0..count).map(move |number| folder.join(&file_name(bucket, number)))
    }
}

fn file_name(bucket: u32, number: u32) -> String {
    format!("{bucket:05}-{number:06}")
}

/// Gathers parcels into files, by bucket: the length of a parcel (u32, little endian), then the parcel.
pub(super) struct Outbox<'b> {
    store: &'b Store,
    place: Location,
    folder: String,
    limit: usize,
    inner: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    buckets: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    files: BTreeMap<u32, u32>,
}

impl<'b> Outbox<'b> {
    /// Files go to `place`, which is called `folder` in the job's folder. `memory_limit` is that of the process.
    pub(super) fn new(
        store: &'b Store,
        place: Location,
        folder: String,
        memory_limit: u64,
    ) -> Self {
        let (least, most) = WAITING_BYTES;
        let limit = (memory_limit / 32).clamp(least, most);
        Self {
            store,
            place,
            folder,
            limit: usize::try_from(limit).unwrap_or(FILE_BYTES),
            inner: Mutex::default(),
        }
    }

    /// Takes a parcel.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn carry(&self, parcel: Parcel) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let length =
            u32::try_from(parcel.bytes.len()).map_err(|_| Error::internal("a parcel of 4 GiB"))?;
        let gathered = inner.buckets.entry(parcel.bucket).or_default();
        gathered.extend_from_slice(&length.to_le_bytes());
        gathered.extend_from_slice(&parcel.bytes);
        let is_full = gathered.len() >= FILE_BYTES;
        inner.bytes += 4 + parcel.bytes.len();
        if is_full {
            self.write(&mut inner, parcel.bucket)?;
        }
        while inner.bytes > self.limit {
            let largest = inner.buckets.iter().max_by_key(|(_, bytes)| bytes.len());
            let Some((&largest, _)) = largest else { break };
            self.write(&mut inner, largest)?;
        }
        Ok(())
    }

    fn write(&self, inner: &mut Gathered, bucket: u32) -> Result<()> {
        let bytes = inner.buckets.remove(&bucket).unwrap_or_default();
        inner.bytes -= bytes.len();
        let number = inner.files.entry(bucket).or_default();
        let place = self.place.join(&file_name(bucket, *number));
        *number += 1;
        self.store.put(&place, bytes)?;
        Ok(())
    }

    /// Writes what has gathered.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn finish(self) -> Result<Sent> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((&bucket, _)) = inner.buckets.iter().next() {
            self.write(&mut inner, bucket)?;
        }
        Ok(Sent {
            files: std::mem::take(&mut inner.files),
            folder: self.folder.clone(),
        })
    }
}

/// Reads the parcels of a bucket, one after the other.
pub(super) struct Inbox<'b> {
    store: &'b Store,
    files: Box<dyn Iterator<Item = Location> + 'b>,
    bucket: u32,
    open: Option<(Location, Box<dyn Read + Send>, u64)>,
}

impl<'b> Inbox<'b> {
    /// The parcels of these files, which are for one bucket.
    pub(super) fn new(
        store: &'b Store,
        files: Box<dyn Iterator<Item = Location> + 'b>,
        bucket: u32,
    ) -> Self {
        Self {
            store,
            files,
            bucket,
            open: None,
        }
    }

    /// The next parcel.
    ///
    /// # Errors
    /// `NotFound` for a file that is gone, `Corrupt` for one that is cut.
    pub(super) fn next(&mut self) -> Result<Option<Parcel>> {
        loop {
            if let Some((location, reader, left)) = &mut self.open
                && *left > 0
            {
                let cut = || {
                    Error::new(
                        ErrorKind::Corrupt,
                        format!("{location}: the file is cut or was changed"),
                    )
                };
                let mut length = [0; 4];
                if *left < 4 {
                    return Err(cut());
                }
                let read = |error| read_error(location, error);
                reader.read_exact(&mut length).map_err(read)?;
                let length = u32::from_le_bytes(length);
                *left = (*left - 4).checked_sub(u64::from(length)).ok_or_else(cut)?;
                // not more than the file has
                let mut bytes = vec![0; length as usize];
                reader.read_exact(&mut bytes).map_err(read)?;
                return Ok(Some(Parcel {
                    bucket: self.bucket,
                    bytes,
                }));
            }
            let Some(location) = self.files.next() else {
                return Ok(None);
            };
            let entry = self.store.head(&location)?.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("{location}: what a shard has sent is gone from the exchange"),
                )
            })?;
            let reader = self.store.open(&entry)?;
            self.open = Some((location, reader, entry.size));
        }
    }
}
