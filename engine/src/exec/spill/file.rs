//! Sealed files: written by appending, read from front to back.
//!
//! ```text
//! head:   "CAMSEAL1" | salt (16 bytes)
//! chunk:  length of what follows (u32, little endian) | sealed bytes and tag
//! ...     the last one is empty and sealed as the last
//! ```
//!
//! A writer is open between appends in name only: thousands of them do not meet the limit of open files. One writer may leave
//! several files, where a disk has filled up in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::folder::failure;
use super::seal::{Cipher, Identity, SALT_BYTES, TAG_BYTES, random_salt};
use super::{CHUNK_BYTES, Kind, SpillArea, room};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"CAMSEAL1";
const HEAD_BYTES: u64 = (MAGIC.len() + SALT_BYTES) as u64;
/// Bytes of a chunk's length and tag.
const FRAME_BYTES: u64 = (4 + TAG_BYTES) as u64;
/// A sealed chunk may be longer than a plain one by what compression adds to bytes that cannot be compressed.
const MOST_SEALED_BYTES: usize = CHUNK_BYTES + CHUNK_BYTES / 64 + 1024;

/// A file on disk; removed when dropped.
#[derive(Debug)]
struct Stored {
    path: PathBuf,
    number: u64,
    /// Chunks, without the one that ends the file.
    chunks: u32,
}

impl Drop for Stored {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A file that is being written.
struct Open {
    stored: Stored,
    directory: PathBuf,
    cipher: Cipher,
}

/// Appends to a sealed file. Dropping it removes what it wrote.
pub struct SealedWriter {
    area: SpillArea,
    kind: Kind,
    bucket: u64,
    open: Option<Open>,
    ended: Vec<Stored>,
    plain_bytes: u64,
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SealedWriter({:?} {}, {} bytes)",
            self.kind, self.bucket, self.plain_bytes
        )
    }
}

/// A finished sealed file. Dropping it removes it from disk.
#[derive(Debug)]
pub struct SealedFile {
    area: SpillArea,
    kind: Kind,
    bucket: u64,
    parts: Vec<Stored>,
    plain_bytes: u64,
}

impl SealedWriter {
    pub(super) fn new(area: SpillArea, kind: Kind, bucket: u64) -> Self {
        Self {
            area,
            kind,
            bucket,
            open: None,
            ended: Vec::new(),
            plain_bytes: 0,
        }
    }

    /// Appends `plain`, in chunks of at most [`CHUNK_BYTES`]; a caller that appends little at a time pays 20 bytes and a system
    /// call each time.
    ///
    /// # Errors
    /// `Full` when no directory has room, `NotFound` when the folder was removed, else as the operating system says.
    pub fn append(&mut self, plain: &[u8]) -> Result<()> {
        for piece in plain.chunks(CHUNK_BYTES) {
            let chunk = if self.kind.is_compressed() {
                lz4_flex::compress_prepend_size(piece)
            } else {
                piece.to_vec()
            };
            self.append_chunk(chunk)?;
            self.plain_bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn append_chunk(&mut self, mut chunk: Vec<u8>) -> Result<()> {
        let needed = chunk.len() as u64 + 2 * FRAME_BYTES + HEAD_BYTES;
        if let Some(open) = &self.open
            && (open.stored.chunks == u32::MAX - 1 || room(&open.directory)? < needed)
        {
            self.end()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(needed)?,
        };
        open.cipher.seal(open.stored.chunks, false, &mut chunk)?;
        let written = open.write(&chunk)?;
        open.stored.chunks += 1;
        self.open = Some(open);
        self.area.count(self.kind, written);
        Ok(())
    }

    fn begin(&self, needed: u64) -> Result<Open> {
        let place = self.area.inner.place(self.kind, needed)?;
        let salt = random_salt()?;
        let cipher = cipher_of(&self.area, self.kind, self.bucket, place.number, &salt)?;
        let head = [&MAGIC[..], &salt].concat();
        let result = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&place.path)
            .and_then(|mut file| file.write_all(&head));
        let open = Open {
            stored: Stored {
                path: place.path,
                number: place.number,
                chunks: 0,
            },
            directory: place.directory,
            cipher,
        };
        result.map_err(|error| open.failure(error))?;
        self.area.count(self.kind, HEAD_BYTES);
        Ok(open)
    }

    /// Ends the file that is open; the next append begins another.
    fn end(&mut self) -> Result<()> {
        if let Some(mut open) = self.open.take() {
            let mut chunk = Vec::new();
            open.cipher.seal(open.stored.chunks, true, &mut chunk)?;
            let written = open.write(&chunk)?;
            self.area.count(self.kind, written);
            self.ended.push(open.stored);
        }
        Ok(())
    }

    /// Bytes that were appended.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn finish(mut self) -> Result<SealedFile> {
        self.end()?;
        Ok(SealedFile {
            area: self.area.clone(),
            kind: self.kind,
            bucket: self.bucket,
            parts: mem::take(&mut self.ended),
            plain_bytes: self.plain_bytes,
        })
    }
}

fn cipher_of(
    area: &SpillArea,
    kind: Kind,
    bucket: u64,
    number: u64,
    salt: &[u8; SALT_BYTES],
) -> Result<Cipher> {
    let identity = Identity {
        job: &area.inner.job,
        kind: kind.name(),
        bucket,
        number,
    };
    area.inner.key.cipher(salt, &identity)
}

impl Open {
    /// Appends a sealed chunk; returns the bytes written.
    fn write(&mut self, sealed: &[u8]) -> Result<u64> {
        let length = u32::try_from(sealed.len())
            .map_err(|_| Error::internal("a chunk of a spill file is too long"))?;
        OpenOptions::new()
            .append(true)
            .open(&self.stored.path)
            .and_then(|mut file| {
                file.write_all(&length.to_le_bytes())?;
                file.write_all(sealed)
            })
            .map_err(|error| self.failure(error))?;
        Ok(4 + u64::from(length))
    }

    fn failure(&self, error: io::Error) -> Error {
        let error = failure(&self.stored.path, error);
        if error.kind() == ErrorKind::Full {
            return error.context(format!(
                "{}: the disk or a quota is full; free some, or name directories on larger disks with --spill-dir, and \
                 run the job again",
                self.directory.display()
            ));
        }
        error
    }
}

impl SealedFile {
    /// Bytes that were appended.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Reads it from the front.
    pub fn reader(&self) -> SealedReader<'_> {
        SealedReader {
            file: self,
            next_part: 0,
            open: None,
            chunk: Vec::new(),
            used: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.path.clone()).collect()
    }
}

/// Reads a [`SealedFile`].
pub struct SealedReader<'f> {
    file: &'f SealedFile,
    next_part: usize,
    open: Option<(&'f Stored, BufReader<File>, Cipher, u32)>,
    chunk: Vec<u8>,
    used: usize,
}

impl std::fmt::Debug for SealedReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedReader({:?})", self.file)
    }
}

impl<'f> SealedReader<'f> {
    /// The next chunk as it was appended (at most [`CHUNK_BYTES`] of it); `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` when the file is not what was written; as the operating system says when it cannot be read.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>> {
        Ok(self.load()?.then_some(&self.chunk[..]))
    }

    /// Appends the next `bytes` bytes to `into`; false at the end.
    ///
    /// # Errors
    /// As [`next_chunk`](Self::next_chunk); also when the file ends in between.
    pub fn take(&mut self, mut bytes: usize, into: &mut Vec<u8>) -> Result<bool> {
        let mut taken = false;
        while bytes > 0 {
            if self.used == self.chunk.len() && !self.load()? {
                if taken {
                    return Err(Error::internal("a spill file ends within a record"));
                }
                return Ok(false);
            }
            let piece = bytes.min(self.chunk.len() - self.used);
            into.extend_from_slice(&self.chunk[self.used..self.used + piece]);
            self.used += piece;
            bytes -= piece;
            taken = true;
        }
        Ok(true)
    }

    /// Loads the next chunk; false at the end.
    fn load(&mut self) -> Result<bool> {
        loop {
            let (stored, mut reader, cipher, position) = match self.open.take() {
                Some(open) => open,
                None => match self.file.parts.get(self.next_part) {
                    None => return Ok(false),
                    Some(stored) => {
                        self.next_part += 1;
                        self.begin(stored)?
                    }
                },
            };
            let is_last = position == stored.chunks;
            let chunk = &mut self.chunk;
            chunk.clear();
            self.used = 0;
            if !read_sealed(&mut reader, chunk).map_err(|error| unread(&stored.path, error))?
                || !cipher.open(position, is_last, chunk)
            {
                return Err(corrupt(&stored.path));
            }
            if !is_last {
                if self.file.kind.is_compressed() {
                    *chunk = decompress(chunk).ok_or_else(|| corrupt(&stored.path))?;
                }
                self.open = Some((stored, reader, cipher, position + 1));
                return Ok(true);
            }
            let rest = reader
                .read(&mut [0])
                .map_err(|error| unread(&stored.path, error))?;
            if rest != 0 || !chunk.is_empty() {
                return Err(corrupt(&stored.path));
            }
        }
    }

    fn begin(&self, stored: &'f Stored) -> Result<(&'f Stored, BufReader<File>, Cipher, u32)> {
        let file = File::open(&stored.path).map_err(|error| failure(&stored.path, error))?;
        let mut reader = BufReader::with_capacity(8 << 10, file);
        let mut magic = [0; MAGIC.len()];
        let mut salt = [0; SALT_BYTES];
        reader
            .read_exact(&mut magic)
            .and_then(|()| reader.read_exact(&mut salt))
            .map_err(|error| unread(&stored.path, error))?;
        if &magic != MAGIC {
            return Err(corrupt(&stored.path));
        }
        let SealedFile {
            area, kind, bucket, ..
        } = self.file;
        let cipher = cipher_of(area, *kind, *bucket, stored.number, &salt)?;
        Ok((stored, reader, cipher, 0))
    }
}

/// Reads one sealed chunk; false when its length cannot be right.
fn read_sealed(reader: &mut impl Read, chunk: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if !(TAG_BYTES..=MOST_SEALED_BYTES).contains(&length) {
        return Ok(false);
    }
    chunk.resize(length, 0);
    reader.read_exact(chunk)?;
    Ok(true)
}

fn decompress(chunk: &[u8]) -> Option<Vec<u8>> {
    let (size, block) = lz4_flex::block::uncompressed_size(chunk).ok()?;
    if size > CHUNK_BYTES {
        return None;
    }
    lz4_flex::decompress(block, size).ok()
}

/// A file that ends too early was cut.
fn unread(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return corrupt(path);
    }
    failure(path, error)
}

fn corrupt(path: &Path) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{}: this spill file is not what was written (changed from outside, or the disk is damaged); nothing was \
             committed, run the job again",
            path.display()
        ),
    )
}
