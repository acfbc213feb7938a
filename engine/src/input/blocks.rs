//! Elephant-bird's binary blocks, the framing of raw Thrift objects (`MultiInputFormat`).
//!
//! In: decompressed bytes: repeated 16-byte marker, little-endian i32 length, protobuf message
//! `SerializedBlock { 1: version, 2: class name, 3: repeated bytes blobs }`. Out: chunks of whole blocks, and
//! the blobs of a chunk; a blob of no bytes is no record. The reference looks for the next marker in silence
//! when something else stands there, and so loses records; here that is damage. With `--skip-corrupt` the
//! reader looks for the next marker too, but counts.
//!
//! A split begins at the first marker at or behind its start, and ends with the block that begins before its end, as in
//! the reference. A record may hold markers itself, and even blocks, so a block counts as the first of a split only if
//! whole blocks follow it, for long or to the end of the object; whether it was the right one shows where the splits
//! meet.

use std::io;
use std::ops::Range;

use memchr::memmem;

use super::Limits;
use super::chunk::{Chunk, ChunkKind, Record};
use super::split::Seam;
use super::stored::{Damage, Source};

/// First bytes of every block.
pub(crate) const MARKER: [u8; 16] = [
    0x29, 0xD8, 0xD5, 0x06, 0x58, 0xCD, 0x4C, 0x29, 0xB2, 0xBC, 0x57, 0x99, 0x21, 0x71, 0xBD, 0xFF,
];

/// Marker and length.
const FRAME_BYTES: usize = 20;

/// So many damaged blocks are skipped one by one; then the rest of the object is. Bounds what an object made
/// of nothing but damage can cost.
const MOST_DAMAGED: usize = 100;

/// So many markers that begin no block are passed over where a split begins. Bounds what a record made of nothing but
/// markers can cost.
const MOST_FALSE_MARKERS: usize = 1000;

/// So many bytes of whole blocks must follow each other where a split begins: more than a request to a collector has.
const PROOF_BYTES: usize = 2 << 20;

/// What stands at some place.
enum Frame {
    /// A whole block of so many bytes.
    Whole(usize),
    /// The start of a block of so many bytes (or at least so many, if its length is not there yet).
    Partial(usize),
    /// No block.
    Broken(String),
}

fn frame(bytes: &[u8], most: usize) -> Frame {
    let marker = &bytes[..bytes.len().min(MARKER.len())];
    if !MARKER.starts_with(marker) {
        return Frame::Broken("no block marker where a block must start".to_owned());
    }
    let length = bytes.get(MARKER.len()..).and_then(<[u8]>::first_chunk);
    let Some(length) = length else {
        return Frame::Partial(FRAME_BYTES);
    };
    let length = i32::from_le_bytes(*length);
    let Some(length) = usize::try_from(length).ok().filter(|&n| n <= most) else {
        return Frame::Broken(format!("impossible block length {length}"));
    };
    let total = FRAME_BYTES + length;
    let Some(message) = bytes.get(FRAME_BYTES..total) else {
        return Frame::Partial(total);
    };
    let mut blobs = Blobs(message);
    match blobs.find_map(Result::err) {
        None => Frame::Whole(total),
        Some(what) => Frame::Broken(format!("damaged block: {what}")),
    }
}

/// The blobs of a `SerializedBlock`.
#[derive(Debug, Clone)]
struct Blobs<'a>(&'a [u8]);

impl<'a> Blobs<'a> {
    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or("a number is cut")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is too long")
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], &'static str> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at_checked(count).ok_or("a field is cut")?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next field, if it is a blob.
    fn field(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        let tag = self.varint()?;
        if tag >> 3 == 0 || tag > u64::from(u32::MAX) {
            return Err("impossible field number");
        }
        match tag & 7 {
            0 => self.varint().map(|_| None),
            1 => self.take(8).map(|_| None),
            2 => {
                let length = self.varint()?;
                let bytes = self.take(length)?;
                Ok((tag >> 3 == 3).then_some(bytes))
            }
            5 => self.take(4).map(|_| None),
            _ => Err("unknown wire type"),
        }
    }
}

impl<'a> Iterator for Blobs<'a> {
    type Item = Result<&'a [u8], &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            match self.field() {
                Ok(None) => {}
                Ok(Some(blob)) => return Some(Ok(blob)),
                Err(what) => {
                    self.0 = &[];
                    return Some(Err(what));
                }
            }
        }
        None
    }
}

/// The records of a chunk of blocks.
#[derive(Debug, Clone)]
pub struct BlockRecords<'a> {
    rest: &'a [u8],
    /// Offset of `rest` in the decompressed object.
    offset: u64,
    /// The block at hand: its offset, the number of its next blob, its blobs.
    block: u64,
    index: u32,
    blobs: Blobs<'a>,
}

impl<'a> BlockRecords<'a> {
    /// The records of `bytes`, whole blocks that begin at `offset` of the decompressed object.
    pub fn new(offset: u64, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset,
            block: offset,
            index: 0,
            blobs: Blobs(&[]),
        }
    }
}

impl<'a> Iterator for BlockRecords<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            // the framing has checked the blocks, so that nothing here can fail
            while let Some(Ok(bytes)) = self.blobs.next() {
                let index = self.index;
                self.index = index.saturating_add(1);
                if !bytes.is_empty() {
                    return Some(Record {
                        offset: self.block,
                        index,
                        bytes,
                    });
                }
            }
            let length = self.rest.get(MARKER.len()..)?.first_chunk::<4>()?;
            let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
            let total = FRAME_BYTES.checked_add(length)?;
            self.blobs = Blobs(self.rest.get(FRAME_BYTES..total)?);
            self.block = self.offset;
            self.index = 0;
            self.offset += total as u64;
            self.rest = &self.rest[total..];
        }
    }
}

/// Cuts a stream into chunks of whole blocks.
#[derive(Debug)]
pub(crate) struct BlockChunks {
    limits: Limits,
    skip_damaged: bool,
    /// Decompressed bytes before `carry`.
    offset: u64,
    carry: Vec<u8>,
    /// A damaged block was met: look for the next marker.
    searching: bool,
    damaged: Vec<Damage>,
    damaged_count: usize,
    /// The first block of the split is still to be found.
    syncing: bool,
    false_markers: usize,
    /// No block of the split begins in so many of the bytes at hand.
    tried: usize,
    /// Blocks that do not begin before this byte of the decompressed object are another split's.
    end: u64,
    /// Where the first block of the split begins.
    first: Option<u64>,
    pending: Option<io::Error>,
    ended: bool,
}

/// What became of the search for the first block of a split.
enum Sync {
    Found,
    /// So many bytes are needed.
    More(usize),
    /// No block begins in the split.
    Nothing,
}

impl BlockChunks {
    /// Blocks of an object that begins with `head`; `source` gives what follows.
    pub(crate) fn new(limits: Limits, skip_damaged: bool, head: Vec<u8>) -> Self {
        Self {
            limits,
            skip_damaged,
            offset: 0,
            carry: head,
            searching: false,
            damaged: Vec::new(),
            damaged_count: 0,
            syncing: false,
            false_markers: 0,
            tried: 0,
            end: u64::MAX,
            first: None,
            pending: None,
            ended: false,
        }
    }

    /// Only the blocks of the split `plain` of the decompressed object, from whose start on `source` gives bytes.
    pub(crate) fn within(mut self, plain: Range<u64>) -> Self {
        self.offset = plain.start;
        self.end = plain.end;
        self.syncing = plain.start > 0;
        self
    }

    /// Where the blocks that were read begin and end.
    pub(crate) fn seam(&self) -> Seam {
        Seam {
            first: self.first,
            end: self.offset,
        }
    }

    /// The damaged blocks that were skipped since the last call.
    pub(crate) fn take_damaged(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damaged)
    }

    /// The next chunk, in `buffer`; `None` at the end. Blocks before a failure come first, then the failure.
    ///
    /// # Errors
    /// What `source` gives; damage where no whole block stands, unless that is skipped.
    pub(crate) fn next_chunk(
        &mut self,
        source: &mut impl Source,
        mut buffer: Vec<u8>,
    ) -> io::Result<Option<Chunk>> {
        if self.offset >= self.end && !self.syncing {
            return Ok(None);
        }
        let wanted = self
            .limits
            .chunk_bytes
            .max(self.carry.len())
            .max(FRAME_BYTES);
        buffer.resize(wanted, 0);
        let mut filled = self.carry.len();
        buffer[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            self.fill(source, &mut buffer, &mut filled);
            if self.searching {
                self.search(&mut buffer, &mut filled);
                if self.searching && !self.ended {
                    continue;
                }
            }
            if self.syncing {
                match self.sync(source, &mut buffer, &mut filled)? {
                    Sync::Found => self.syncing = false,
                    Sync::More(length) => {
                        if filled == buffer.len() {
                            // grows with what is really there, not with what a length claims
                            let larger = length.max(PROOF_BYTES).min(filled.saturating_mul(2));
                            buffer.resize(larger.max(filled + 1), 0);
                        }
                        continue;
                    }
                    Sync::Nothing => {
                        self.syncing = false;
                        self.end = self.offset;
                        return self.pending.take().map_or(Ok(None), Err);
                    }
                }
            }
            let (whole, next) = self.whole_blocks(&buffer[..filled]);
            if whole > 0 {
                self.carry.extend_from_slice(&buffer[whole..filled]);
                buffer.truncate(whole);
                self.first.get_or_insert(self.offset);
                let chunk = Chunk::new(0, self.offset, buffer, ChunkKind::Blocks);
                self.offset += whole as u64;
                return Ok(Some(chunk));
            }
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            match next {
                None => return Ok(None),
                Some(Frame::Partial(total)) if !self.ended => {
                    // grows with what is really there, not with what the length claims
                    let larger = total.min(buffer.len().saturating_mul(2)).max(filled + 1);
                    if larger > buffer.len() {
                        buffer.resize(larger, 0);
                    }
                }
                Some(Frame::Broken(what)) => self.damage(source, &what)?,
                Some(_) => self.damage(source, "the object is cut: it ends inside a block")?,
            }
        }
    }

    fn fill(&mut self, source: &mut impl Source, buffer: &mut [u8], filled: &mut usize) {
        while !self.ended && *filled < buffer.len() {
            match source.read(&mut buffer[*filled..]) {
                Ok(0) => self.ended = true,
                Ok(n) => *filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.ended = true;
                    self.pending = Some(e);
                }
            }
        }
    }

    /// Length of the whole blocks of the split at the start, and what follows them.
    fn whole_blocks(&self, bytes: &[u8]) -> (usize, Option<Frame>) {
        let own = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        self.chain(bytes, own)
    }

    /// Length of the whole blocks at the start that begin before byte `end`, and what follows them.
    fn chain(&self, bytes: &[u8], end: usize) -> (usize, Option<Frame>) {
        let mut at = 0;
        while at < bytes.len().min(end) {
            match frame(&bytes[at..], self.limits.record_bytes) {
                Frame::Whole(total) => at += total,
                other => return (at, Some(other)),
            }
        }
        (at, None)
    }

    /// Drops what stands before the first block of the split.
    fn sync(
        &mut self,
        source: &impl Source,
        buffer: &mut [u8],
        filled: &mut usize,
    ) -> io::Result<Sync> {
        let mut at = std::mem::take(&mut self.tried);
        let result = loop {
            let found = memmem::find(&buffer[at..*filled], &MARKER);
            at = match found {
                Some(before) => at + before,
                None if self.ended => *filled,
                // the last bytes may be the first of a marker
                None => filled.saturating_sub(MARKER.len() - 1).max(at),
            };
            if self.offset + at as u64 >= self.end || (found.is_none() && self.ended) {
                break Sync::Nothing;
            }
            if found.is_none() {
                break Sync::More(0);
            }
            let (whole, next) = self.chain(&buffer[at..*filled], PROOF_BYTES);
            match next {
                _ if whole >= PROOF_BYTES => break Sync::Found,
                None if self.ended => break Sync::Found,
                None => break Sync::More(at + whole + FRAME_BYTES),
                Some(Frame::Partial(total)) if !self.ended => {
                    break Sync::More((at + whole).saturating_add(total));
                }
                Some(_) => {}
            }
            self.false_markers += 1;
            if self.false_markers > MOST_FALSE_MARKERS {
                self.ended = true;
                return Err(source.damage("too many block markers that begin no block"));
            }
            at += 1;
        };
        // markers can be many, and what must be read to judge one can be much: not moved for each
        if matches!(result, Sync::More(_)) && at <= *filled / 2 {
            self.tried = at;
            return Ok(result);
        }
        buffer.copy_within(at..*filled, 0);
        *filled -= at;
        self.offset += at as u64;
        Ok(result)
    }

    /// Drops what stands before the next marker after the present place.
    fn search(&mut self, buffer: &mut [u8], filled: &mut usize) {
        let found = memmem::find(&buffer[1.min(*filled)..*filled], &MARKER).map(|at| at + 1);
        self.searching = found.is_none();
        let dropped = match found {
            Some(at) => at,
            None if self.ended => *filled,
            // the last bytes may be the first of a marker; the first of those kept has been tried
            None => (*filled).saturating_sub(MARKER.len()),
        };
        buffer.copy_within(dropped..*filled, 0);
        *filled -= dropped;
        self.offset += dropped as u64;
    }

    fn damage(&mut self, source: &impl Source, what: &str) -> io::Result<()> {
        let damage = Damage {
            offset: source.stored_offset(),
            what: format!("{what} (byte {} of the decompressed object)", self.offset),
        };
        if !self.skip_damaged {
            self.ended = true;
            return Err(damage.into());
        }
        self.damaged_count += 1;
        if self.damaged_count > MOST_DAMAGED {
            self.ended = true;
            return Err(source.damage("too many damaged blocks: the rest is skipped"));
        }
        self.damaged.push(damage);
        self.searching = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
