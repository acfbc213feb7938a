//! The index of hadoop-lzo: where the blocks of a lzop object begin, each as a big-endian 64-bit number of stored bytes.
//!
//! It says nothing about decompressed bytes, which the places of records are made of, so the headers of all blocks up to
//! the last cut are read: eight bytes each, some dozens at a time. They also tell whether the index is right: every block
//! must begin where the one before it ends.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};

use super::{Cut, OpenRange, RangeReader};
use crate::error::Error;
use crate::input::chunk::ChunkKind;
use crate::input::lzo::{BlockLengths, LzopReader};
use crate::input::snapshot::InputObject;
use crate::input::stored::StoredReader;
use crate::input::{Framing, blocks};

/// Longer indexes are left aside.
const MOST_INDEX_BYTES: u64 = 64 << 20;

/// Headers of blocks that are asked for at the same time.
const HEADERS_IN_FLIGHT: usize = 32;

/// Stored bytes that hold the header of the container and the start of the first block, most likely.
const HEAD_BYTES: u64 = 64 << 10;

/// Why an index is not used.
#[derive(Debug)]
pub(super) struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Unusable {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

/// The starts of blocks at or behind each of the `wanted` stored bytes, which go up; how the records of the object lie; the
/// flags of its header. `None` if it has no index.
///
/// # Errors
/// Says why the index cannot be used.
pub(super) fn cuts(
    object: &InputObject,
    framing: Framing,
    wanted: impl Iterator<Item = u64>,
    store: &impl OpenRange,
) -> Result<Option<(Vec<Cut>, ChunkKind, u32)>, Unusable> {
    let Some(index) = &object.index else {
        return Ok(None);
    };
    if index.size == 0 || !index.size.is_multiple_of(8) || index.size > MOST_INDEX_BYTES {
        return Err(Unusable(format!("it has {} bytes", index.size)));
    }
    let mut bytes = Vec::new();
    store
        .open_range(index, 0..index.size)?
        .take(index.size)
        .read_to_end(&mut bytes)?;
    let (starts, rest) = bytes.as_chunks::<8>();
    let starts: Vec<u64> = starts.iter().map(|s| u64::from_be_bytes(*s)).collect();
    if !rest.is_empty() || bytes.len() as u64 != index.size {
        return Err("it changed".into());
    }
    let ascending = starts.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || starts.last().is_none_or(|&last| last >= object.entry.size) {
        return Err("its numbers do not go up, or lie behind the object".into());
    }
    let (flags, kind) = head(object, framing, &starts, store)?;
    let mut cuts: Vec<u64> = wanted
        .filter_map(|at| starts.get(starts.partition_point(|&start| start < at)))
        .copied()
        .filter(|&start| start > starts[0])
        .collect();
    cuts.dedup();
    let cuts = with_plain_offsets(object, &starts, &cuts, flags, store)?;
    Ok(Some((cuts, kind, flags)))
}

/// Reads the start of the object: the flags of its header, and how its records lie.
fn head(
    object: &InputObject,
    framing: Framing,
    starts: &[u64],
    store: &impl OpenRange,
) -> Result<(u32, ChunkKind), Unusable> {
    let entry = &object.entry;
    let stored = RangeReader::open(store, entry, 0..entry.size.min(HEAD_BYTES))?;
    let stored = StoredReader::new(object.name(), entry.size, Box::new(stored));
    let mut reader = LzopReader::new(stored);
    let flags = reader.open()?;
    if starts.first() != Some(&reader.stored().used()) {
        return Err("its first number is not where the first block begins".into());
    }
    if framing == Framing::Lines {
        return Ok((flags, ChunkKind::Lines));
    }
    let mut first = Vec::new();
    reader
        .take(blocks::MARKER.len() as u64)
        .read_to_end(&mut first)?;
    let kind = if first == blocks::MARKER {
        ChunkKind::Blocks
    } else {
        ChunkKind::Base64Lines
    };
    Ok((flags, kind))
}

/// Reads the headers of all blocks before the last of `cuts`.
fn with_plain_offsets(
    object: &InputObject,
    starts: &[u64],
    cuts: &[u64],
    flags: u32,
    store: &impl OpenRange,
) -> Result<Vec<Cut>, Unusable> {
    let last = cuts.last().copied().unwrap_or_default();
    let needed = starts.partition_point(|&start| start < last);
    let mut found = Vec::with_capacity(cuts.len());
    let mut cuts = cuts.iter().peekable();
    let mut plain = 0;
    let mut in_flight = VecDeque::with_capacity(HEADERS_IN_FLIGHT);
    let mut ahead = starts.iter().take(needed);
    for (&start, &next) in starts.iter().zip(&starts[1..]).take(needed) {
        while in_flight.len() < HEADERS_IN_FLIGHT
            && let Some(&start) = ahead.next()
        {
            let end = start.saturating_add(8).min(object.entry.size);
            in_flight.push_back(store.open_range(&object.entry, start..end)?);
        }
        let mut head = [0; 8];
        if let Some(mut reader) = in_flight.pop_front() {
            reader.read_exact(&mut head)?;
        }
        let lengths = BlockLengths::new(head, flags)
            .filter(|lengths| start.checked_add(lengths.stored) == Some(next))
            .ok_or_else(|| {
                Unusable(format!(
                    "no block lies between its numbers {start} and {next}"
                ))
            })?;
        plain += lengths.plain;
        if cuts.next_if(|&&cut| cut == next).is_some() {
            found.push(Cut {
                stored: next,
                plain,
            });
        }
    }
    Ok(found)
}
