//! Line framing, by the rules of Hadoop's text input.
//!
//! In: decompressed bytes. Out: chunks of whole lines, and the lines of a chunk. A line ends with LF, CR LF or
//! a lone CR; the last one may lack its end. An empty line is a line. A UTF-8 byte order mark at the start of
//! the object is dropped. Where an object is cut into chunks never shows: a CR at the end of what was read
//! waits for the byte after it.

use std::io;

use memchr::{memchr2, memrchr2};

use super::Limits;
use super::chunk::{Chunk, ChunkKind, Record};
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
            pending: None,
            ended: false,
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
        let chunk = Chunk::new(0, self.offset, buffer, self.kind);
        self.offset += cut as u64;
        Ok(Some(chunk))
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

/// Length of the whole lines at the start of `bytes`; the first `clean` bytes hold no end of a line.
fn end_of_last_line(bytes: &[u8], clean: usize) -> usize {
    // what a last CR is cannot be said yet
    let end = bytes.len() - usize::from(bytes.last() == Some(&b'\r'));
    let clean = clean.min(end);
    memrchr2(b'\n', b'\r', &bytes[clean..end]).map_or(0, |at| clean + at + 1)
}

#[cfg(test)]
mod tests;
