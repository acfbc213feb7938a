//! The stored bytes of a split, and those behind it as far as its last record goes.
//!
//! What is behind is asked for only when it is wanted, in steps that grow: mostly it is a part of one record, and the store
//! prefetches what is asked for.

use std::io::{self, Read};
use std::ops::Range;

use super::OpenRange;
use crate::store::ObjectEntry;

/// Stored bytes of the first step behind the split.
const FIRST_STEP: u64 = 256 << 10;

/// Reads an object from some byte on to its end.
pub(crate) struct RangeReader<S> {
    store: S,
    entry: ObjectEntry,
    current: Option<Box<dyn Read + Send>>,
    /// Where the open range ends.
    opened: u64,
    at: u64,
    step: u64,
}

impl<S: OpenRange> RangeReader<S> {
    /// Reads the object of `entry` from the start of `range` on; `range` is opened at once.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(
        store: &S,
        entry: &ObjectEntry,
        range: Range<u64>,
    ) -> crate::error::Result<Self> {
        Ok(Self {
            current: Some(store.open_range(entry, range.clone())?),
            store: store.clone(),
            entry: entry.clone(),
            opened: range.end,
            at: range.start,
            step: FIRST_STEP,
        })
    }
}

impl<S: OpenRange> Read for RangeReader<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(reader) = &mut self.current {
                let count = reader.read(out)?;
                self.at += count as u64;
                // a range that ends early is one of an object that changed: its reader will notice
                if count > 0 || out.is_empty() || self.at < self.opened {
                    return Ok(count);
                }
                self.current = None;
            }
            if self.opened >= self.entry.size {
                return Ok(0);
            }
            let end = self.opened.saturating_add(self.step).min(self.entry.size);
            let range = self.opened..end;
            self.current = Some(
                self.store
                    .open_range(&self.entry, range)
                    .map_err(io::Error::other)?,
            );
            self.opened = end;
            self.step = self.step.saturating_mul(2);
        }
    }
}
