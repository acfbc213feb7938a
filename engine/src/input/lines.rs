//! Line framing, by the rules of Hadoop's text input.
//!
//! In: decompressed bytes. Out: chunks of whole lines, and the lines of a chunk. A line ends with LF, CR LF or
//! a lone CR; the last one may lack its end. An empty line is a line. A UTF-8 byte order mark at the start of
//! the object is dropped. Where an object is cut into chunks never shows: a CR at the end of what was read
//! waits for the byte after it. Nor does it show where an object is cut into splits: a line belongs to the split in
//! which it begins, but one that begins just at the start of a split to the split before (`LineRecordReader`), so that
//! a split can tell its first line without looking back.

use std::io;
use std::ops::Range;

use memchr::{memchr2, memrchr2};

use super::Limits;
use super::chunk::{Chunk, ChunkKind, Record};
use super::split::Seam;
use super::stored::Source;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// The lines of some bytes.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    offset: u64,
}

impl<'a> Lines<'a> {
    /// The lines of `bytes`, which begin at `offset` of the decompressed object.
    pub fn new(offset: u64, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            offset,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let offset = self.offset + self.at as u64;
        let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let terminator = match rest.get(length..) {
            Some([b'\r', b'\n', ..]) => 2,
            _ => 1,
        };
        self.at += length + terminator;
        Some(Record {
            offset,
            index: 0,
            bytes: &rest[..length],
        })
    }
}

/// Cuts a stream into chunks of whole lines.
#[derive(Debug)]
pub(crate) struct LineChunks {
    kind: ChunkKind,
    limits: Limits,
    strip_mark: bool,
    /// Decompressed bytes before `carry`.
    offset: u64,
    /// Bytes already read that belong to the next chunk.
    carry: Vec<u8>,
    /// So many bytes of `carry` are known to hold no end of a line.
    clean: usize,
    /// The line in which the split begins, which is another's, is still to be passed over.
    skipping: bool,
    /// Lines that begin behind this byte of the decompressed object are another split's.
    end: u64,
    /// Where the first line of the split begins.
    first: Option<u64>,
    pending: Option<io::Error>,
    ended: bool,
}

impl LineChunks {
    /// Lines of an object that begins with `head`; `source` gives what follows.
    pub(crate) fn new(kind: ChunkKind, limits: Limits, head: Vec<u8>) -> Self {
        Self {
            kind,
            limits,
            strip_mark: kind == ChunkKind::Lines,
            offset: 0,
            carry: head,
            clean: 0,
            skipping: false,
            end: u64::MAX,
            first: None,
            pending: None,
            ended: false,
        }
    }

    /// Only the lines of the split `plain` of the decompressed object, from whose start on `source` gives bytes.
    pub(crate) fn within(mut self, plain: Range<u64>) -> Self {
        self.offset = plain.start;
        self.end = plain.end;
        self.skipping = plain.start > 0;
        self.strip_mark &= !self.skipping;
        self
    }

    /// Where the lines that were read begin and end.
    pub(crate) fn seam(&self) -> Seam {
        Seam {
            first: self.first,
            end: self.offset,
        }
    }

    /// The next chunk, in `buffer`; `None` at the end. Lines before a failure come first, then the failure.
    ///
    /// # Errors
    /// What `source` gives; damage when a line is longer than the limit.
    pub(crate) fn next_chunk(
        &mut self,
        source: &mut impl Source,
        mut buffer: Vec<u8>,
    ) -> io::Result<Option<Chunk>> {
        if self.skipping && !self.skip_line(source, &mut buffer)? {
            return Ok(None);
        }
        if self.offset > self.end {
            return Ok(None);
        }
        if let Some(error) = self.pending.take() {
            return self.fail(error);
        }
        // room for the longest line, its CR, and the byte that tells whether the CR is all of the end
        let most = self.limits.record_bytes.saturating_add(2);
        let wanted = self.limits.chunk_bytes.max(self.carry.len() * 2).max(4);
        buffer.resize(wanted, 0);
        let mut filled = self.carry.len();
        let mut clean = self.clean;
        buffer[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        let cut = loop {
            self.fill(source, &mut buffer, &mut filled);
            if std::mem::take(&mut self.strip_mark)
                && buffer[..filled].starts_with(&BYTE_ORDER_MARK)
            {
                buffer.copy_within(BYTE_ORDER_MARK.len()..filled, 0);
                filled -= BYTE_ORDER_MARK.len();
                self.offset += BYTE_ORDER_MARK.len() as u64;
                self.end = self.end.max(self.offset);
            }
            let cut = if self.ended && self.pending.is_none() {
                filled
            } else {
                end_of_last_line(&buffer[..filled], clean)
            };
            if cut > 0 {
                break cut;
            }
            if let Some(error) = self.pending.take() {
                return self.fail(error);
            }
            if self.ended {
                return Ok(None);
            }
            if filled >= most {
                return self.fail(self.too_long(source, 0));
            }
            clean = filled.saturating_sub(1);
            let larger = buffer.len().saturating_mul(2).min(most).max(filled + 1);
            buffer.resize(larger, 0);
        };
        let cut = self.own_lines(&buffer[..cut]);
        let cut = self.whole_lines(source, &buffer[..cut]);
        if cut == 0 {
            let error = self
                .pending
                .take()
                .unwrap_or_else(|| self.too_long(source, 0));
            return self.fail(error);
        }
        self.carry.extend_from_slice(&buffer[cut..filled]);
        self.clean = self.carry.len().saturating_sub(1);
        buffer.truncate(cut);
        self.first.get_or_insert(self.offset);
        let chunk = Chunk::new(0, self.offset, buffer, self.kind);
        self.offset += cut as u64;
        Ok(Some(chunk))
    }

    /// Passes over the rest of the line in which the split begins; false if no line begins in the split.
    fn skip_line(&mut self, source: &mut impl Source, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.resize(self.limits.chunk_bytes.max(4), 0);
        let mut filled = 0;
        loop {
            self.fill(source, buffer, &mut filled);
            if let Some(length) = first_line(&buffer[..filled], self.ended) {
                self.skipping = false;
                self.offset += length as u64;
                self.carry.extend_from_slice(&buffer[length..filled]);
                return Ok(true);
            }
            // what a last CR is cannot be said yet
            let kept = usize::from(buffer[..filled].last() == Some(&b'\r'));
            self.offset += (filled - kept) as u64;
            buffer[0] = b'\r';
            filled = kept;
            if let Some(error) = self.pending.take() {
                return self.fail(error);
            }
            if self.ended || self.offset > self.end {
                self.skipping = false;
                self.ended = true;
                return Ok(false);
            }
        }
    }

    /// Length of the lines of `bytes` that belong to the split.
    fn own_lines(&self, bytes: &[u8]) -> usize {
        let last = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let rest = bytes.get(last..).unwrap_or_default();
        first_line(rest, true).map_or(bytes.len(), |length| last + length)
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

    /// Length of the lines of `bytes` before the first that is too long; that one becomes the pending failure.
    fn whole_lines(&mut self, source: &impl Source, bytes: &[u8]) -> usize {
        let limit = self.limits.record_bytes;
        if bytes.len() <= limit {
            return bytes.len();
        }
        match Lines::new(0, bytes).find(|line| line.bytes.len() > limit) {
            None => bytes.len(),
            Some(line) => {
                self.pending = Some(self.too_long(source, line.offset));
                line.offset as usize
            }
        }
    }

    fn too_long(&self, source: &impl Source, at: u64) -> io::Error {
        source.damage(format_args!(
            "the line that begins at byte {} of the decompressed object is longer than {} bytes",
            self.offset + at,
            self.limits.record_bytes
        ))
    }

    fn fail<T>(&mut self, error: io::Error) -> io::Result<T> {
        self.ended = true;
        self.carry.clear();
        self.clean = 0;
        Err(error)
    }
}

/// Length of the first line of `bytes` with its end, if that is there; `ended` if nothing follows `bytes`.
fn first_line(bytes: &[u8], ended: bool) -> Option<usize> {
    let at = memchr2(b'\n', b'\r', bytes)?;
    match bytes.get(at..) {
        Some([b'\r', b'\n', ..]) => Some(at + 2),
        Some([b'\r']) if !ended => None,
        _ => Some(at + 1),
    }
}

/// Length of the whole lines at the start of `bytes`; the first `clean` bytes hold no end of a line.
fn end_of_last_line(bytes: &[u8], clean: usize) -> usize {
    // what a last CR is cannot be said yet
    let end = bytes.len() - usize::from(bytes.last() == Some(&b'\r'));
    let clean = clean.min(end);
    memrchr2(b'\n', b'\r', &bytes[clean..end]).map_or(0, |at| clean + at + 1)
}

#[cfg(test)]
mod tests;
