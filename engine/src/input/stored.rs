//! The stored bytes of one object: buffered, counted, and held against the size that the snapshot saw.
//!
//! In: the reader that the store opened. Out: a [`BufRead`] that knows how many stored bytes were used, so
//! that every complaint names a byte of the object as it lies in the bucket. An object that turns out shorter
//! or longer than its snapshot entry is an error of kind `Changed`, never a silently shorter batch.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::error::{Error, ErrorKind};

/// Stored bytes that are fetched from the store at a time.
const BUFFER_BYTES: usize = 128 * 1024;

/// A broken place in an input object; becomes an error of kind `Corrupt` or, with `--skip-corrupt`, a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Stored bytes of the object before the place.
    pub offset: u64,
    /// What is wrong, for the operator.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at byte {} of the stored object)",
            self.what, self.offset
        )
    }
}

impl std::error::Error for Damage {}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// A stream of decompressed bytes that knows its place in the stored object.
pub(crate) trait Source: Read {
    /// Stored bytes used so far.
    fn stored_offset(&self) -> u64;

    /// A complaint about the present place, to be returned as the reader's error.
    fn damage(&self, what: impl fmt::Display) -> io::Error
    where
        Self: Sized,
    {
        Damage {
            offset: self.stored_offset(),
            what: what.to_string(),
        }
        .into()
    }
}

/// The stored bytes of one object.
pub(crate) struct StoredReader {
    inner: Box<dyn Read + Send>,
    name: String,
    size: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    used: u64,
    received: u64,
    ended: bool,
}

impl StoredReader {
    /// Reads `inner`, the object that the operator knows as `name` and that has `size` bytes by the snapshot.
    pub(crate) fn new(name: String, size: u64, inner: Box<dyn Read + Send>) -> Self {
        let wanted = usize::try_from(size.saturating_add(1)).unwrap_or(BUFFER_BYTES);
        Self {
            inner,
            name,
            size,
            buffer: vec![0; wanted.clamp(512, BUFFER_BYTES)],
            start: 0,
            end: 0,
            used: 0,
            received: 0,
            ended: false,
        }
    }

    /// Reads from byte `start` on, which is the first that `inner` gives.
    pub(crate) fn starting_at(mut self, start: u64) -> Self {
        self.used = start;
        self.received = start;
        self
    }

    /// Stored bytes used so far, with those before the start.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// The object as the operator knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next `N` bytes, which belong to `part`.
    ///
    /// # Errors
    /// Damage when the object ends before; what the store says when a read fails.
    pub(crate) fn array<const N: usize>(&mut self, part: &str) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        let mut have = 0;
        while have < N {
            let input = self.fill_buf()?;
            if input.is_empty() {
                return Err(self.cut(part));
            }
            let n = input.len().min(N - have);
            bytes[have..have + n].copy_from_slice(&input[..n]);
            self.consume(n);
            have += n;
        }
        Ok(bytes)
    }

    /// The next byte, which belongs to `part`; errors as [`array`](Self::array).
    pub(crate) fn byte(&mut self, part: &str) -> io::Result<u8> {
        Ok(self.array::<1>(part)?[0])
    }

    /// The next big-endian 32-bit number, which belongs to `part`; errors as [`array`](Self::array).
    pub(crate) fn u32_be(&mut self, part: &str) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.array(part)?))
    }

    /// Reads `count` bytes that belong to `part` into `out`, replacing what was there. Memory grows with the
    /// bytes that are really there, not with `count`. Errors as [`array`](Self::array).
    pub(crate) fn exact(&mut self, count: usize, out: &mut Vec<u8>, part: &str) -> io::Result<()> {
        out.clear();
        while out.len() < count {
            let input = self.fill_buf()?;
            if input.is_empty() {
                return Err(self.cut(part));
            }
            let n = input.len().min(count - out.len());
            out.extend_from_slice(&input[..n]);
            self.consume(n);
        }
        Ok(())
    }

    /// Skips zero bytes; whether the object ends after them.
    ///
    /// # Errors
    /// What the store says when a read fails.
    pub(crate) fn only_zeros_left(&mut self) -> io::Result<bool> {
        loop {
            let input = self.fill_buf()?;
            if input.is_empty() {
                return Ok(true);
            }
            match input.iter().position(|&b| b != 0) {
                Some(zeros) => {
                    self.consume(zeros);
                    return Ok(false);
                }
                None => {
                    let n = input.len();
                    self.consume(n);
                }
            }
        }
    }

    /// The complaint that the object ends inside `part`.
    pub(crate) fn cut(&self, part: &str) -> io::Error {
        self.damage(format_args!("the object is cut: it ends inside {part}"))
    }

    fn changed(&self, now: &str) -> io::Error {
        io::Error::other(Error::new(
            ErrorKind::Changed,
            format!(
                "{}: the object changed while it was read: the snapshot saw {} bytes, now it has {now}",
                self.name, self.size
            ),
        ))
    }
}

impl Source for StoredReader {
    fn stored_offset(&self) -> u64 {
        self.used
    }
}

impl BufRead for StoredReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end && !self.ended {
            if self.received > self.size {
                return Err(self.changed("more"));
            }
            let got = loop {
                match self.inner.read(&mut self.buffer) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.received += got as u64;
            if got == 0 && self.received < self.size {
                return Err(self.changed(&self.received.to_string()));
            }
            if self.received > self.size {
                return Err(self.changed("more"));
            }
            self.ended = got == 0;
            self.start = 0;
            self.end = got;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.end - self.start);
        self.start += amount;
        self.used += amount as u64;
    }
}

impl Read for StoredReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let input = self.fill_buf()?;
        let n = input.len().min(out.len());
        out[..n].copy_from_slice(&input[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8], size: u64) -> StoredReader {
        StoredReader::new("s3://b/o".to_owned(), size, Box::new(bytes))
    }

    fn kind_of(error: io::Error) -> ErrorKind {
        error.downcast::<Error>().unwrap().kind()
    }

    #[test]
    fn counts_what_was_used_not_what_was_fetched() {
        let mut stored = reader(b"abcdefgh", 8);
        assert_eq!(stored.array::<3>("x").unwrap(), *b"abc");
        assert_eq!(stored.used(), 3);
        assert_eq!(stored.byte("x").unwrap(), b'd');
        let mut rest = Vec::new();
        stored.exact(4, &mut rest, "x").unwrap();
        assert_eq!(rest, b"efgh");
        assert_eq!(stored.used(), 8);
        let damage = stored
            .byte("a header")
            .unwrap_err()
            .downcast::<Damage>()
            .unwrap();
        assert_eq!(damage.offset, 8);
        assert_eq!(damage.what, "the object is cut: it ends inside a header");
    }

    #[test]
    fn a_size_other_than_the_snapshots_is_a_change() {
        let mut out = Vec::new();
        let shorter = reader(b"abc", 5).read_to_end(&mut out).unwrap_err();
        assert!(shorter.to_string().contains("saw 5 bytes, now it has 3"));
        assert_eq!(kind_of(shorter), ErrorKind::Changed);
        let mut longer = reader(b"abc", 2);
        for _ in 0..2 {
            let again = longer.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(kind_of(again), ErrorKind::Changed);
        }
    }

    #[test]
    fn zero_padding_is_told_from_garbage() {
        assert!(reader(&[0; 700], 700).only_zeros_left().unwrap());
        assert!(reader(b"", 0).only_zeros_left().unwrap());
        let mut garbage = reader(b"\0\0x", 3);
        assert!(!garbage.only_zeros_left().unwrap());
        assert_eq!(garbage.used(), 2);
    }
}
