//! Sequential reads of an object in S3 by ranged, prefetched GETs.
//!
//! A few ranges are in flight while the oldest is handed out. Each carries `If-Match`, so that an object that was
//! replaced after the snapshot is an error and never a mixture of two versions.

use crate::error::{Error, ErrorKind, Result};
use crate::store::refusal::s3_error;
use crate::store::retry::Patience;
use crate::store::runtime::{Task, spawn};
use crate::store::s3::key;
use crate::store::{ObjectEntry, StoreSettings};
use bytes::{Buf, Bytes};
use object_store::aws::AmazonS3;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

/// Reads the bytes `next..end` of one object in order.
pub(crate) struct RangedReader {
    client: Arc<AmazonS3>,
    key: Key,
    entry: ObjectEntry,
    patience: Patience,
    range_size: u64,
    in_flight: usize,
    next: u64,
    end: u64,
    waiting: VecDeque<Task<Result<Bytes>>>,
    current: Bytes,
    failed: bool,
}

impl RangedReader {
    pub(crate) fn open(
        client: Arc<AmazonS3>,
        entry: &ObjectEntry,
        start: u64,
        end: u64,
        settings: &StoreSettings,
    ) -> Result<Self> {
        let mut reader = Self {
            client,
            key: key(&entry.location)?,
            entry: entry.clone(),
            patience: Patience::new(settings),
            range_size: settings.range_size.max(1),
            in_flight: settings.ranges_in_flight.max(1),
            next: start,
            end: end.min(entry.size),
            waiting: VecDeque::new(),
            current: Bytes::new(),
            failed: false,
        };
        reader.request()?;
        Ok(reader)
    }

    /// Keeps the wanted number of ranges in flight.
    fn request(&mut self) -> Result<()> {
        while self.next < self.end && self.waiting.len() < self.in_flight {
            let end = self.end.min(self.next.saturating_add(self.range_size));
            self.waiting.push_back(spawn(get_range(
                Arc::clone(&self.client),
                self.patience,
                self.key.clone(),
                self.entry.clone(),
                self.next,
                end,
            ))?);
            self.next = end;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<bool> {
        let Some(task) = self.waiting.pop_front() else {
            return Ok(false);
        };
        self.current = task.wait()??;
        self.request()?;
        Ok(true)
    }
}

async fn get_range(
    client: Arc<AmazonS3>,
    patience: Patience,
    key: Key,
    entry: ObjectEntry,
    start: u64,
    end: u64,
) -> Result<Bytes> {
    let place = entry.location.to_string();
    let options = GetOptions {
        range: Some(GetRange::Bounded(start..end)),
        if_match: entry.etag.clone(),
        ..GetOptions::default()
    };
    let changed = || {
        Error::new(
            ErrorKind::Changed,
            format!("{place}: the object changed since the job listed it; run the job again"),
        )
    };
    let read = || async {
        let answer = client.get_opts(&key, options.clone()).await?;
        let size = answer.meta.size;
        if size != entry.size {
            return Ok((size, Bytes::new()));
        }
        Ok((size, answer.bytes().await?))
    };
    let (size, bytes) = patience.run(read).await.map_err(|e| match e {
        object_store::Error::Precondition { .. } => changed(),
        other => s3_error(&place, other),
    })?;
    if size != entry.size {
        return Err(changed());
    }
    if bytes.len() as u64 != end - start {
        return Err(Error::new(
            ErrorKind::Timeout,
            format!(
                "{place}: {} bytes came instead of {}",
                bytes.len(),
                end - start
            ),
        ));
    }
    Ok(bytes)
}

impl Read for RangedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other(Error::new(
                ErrorKind::Io,
                format!("{}: an earlier read failed", self.entry.location),
            )));
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.current.is_empty() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.failed = true;
                    self.waiting.clear();
                    return Err(io::Error::other(error));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
