//! LZO: the lzop container (`.lzo`, `LzopCodec` of hadoop-lzo and the lzop tool) and raw LZO1X blocks in
//! Hadoop's framing (`.lzo_deflate`).
//!
//! In: stored bytes: magic, header (numbers big-endian, its checksum always there), then blocks of u32 plain
//! length (0 ends), u32 packed length, the checksums that the flags promise, data (stored as it is where both
//! lengths are equal). Every checksum that is there is verified. Methods 1 to 3 (LZO1X-1, -1(15), -999) read
//! the same. A block has at most 64 MiB. Several containers in one object follow each other, as for the lzop
//! tool; zero bytes after the last are padding. A missing end mark is a cut, although hadoop-lzo overlooks it:
//! it is all that tells a whole object from one that was cut between two blocks.

use std::io::{self, BufRead, Read};

use super::hadoop_block::{BlockCodec, MAX_BLOCK_BYTES};
use super::stored::{Source, StoredReader};

/// First bytes of a lzop container.
pub(crate) const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0D, 0x0A, 0x1A, 0x0A];

const ADLER_PLAIN: u32 = 0x1;
const ADLER_PACKED: u32 = 0x2;
const EXTRA_FIELD: u32 = 0x40;
const CRC_PLAIN: u32 = 0x100;
const CRC_PACKED: u32 = 0x200;
const MULTIPART: u32 = 0x400;
const FILTER: u32 = 0x800;
const HEADER_CRC: u32 = 0x1000;

/// First version whose header has the fields "version needed", "level" and the upper half of the time.
const VERSION_WITH_LEVEL: u16 = 0x0940;
const OLDEST_VERSION: u16 = 0x0900;
/// Newest container that is understood: that of lzop 1.04.
const NEWEST_VERSION: u16 = 0x1040;

const HEADER: &str = "a lzop header";
const BLOCK: &str = "a lzop block";

/// Reader of a lzop container.
pub(crate) struct LzopReader {
    stored: StoredReader,
    state: State,
    packed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
}

#[derive(Clone, Copy)]
enum State {
    FirstHeader,
    Blocks { flags: u32 },
    NextHeader,
    End,
}

impl LzopReader {
    /// Reads the containers of `stored`.
    pub(crate) fn new(stored: StoredReader) -> Self {
        Self {
            stored,
            state: State::FirstHeader,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
        }
    }

    /// Reads from a block on, whose container has a header with these `flags`.
    pub(crate) fn at_block(stored: StoredReader, flags: u32) -> Self {
        Self {
            state: State::Blocks { flags },
            ..Self::new(stored)
        }
    }

    /// Reads the header of the first container, if that is still to be done; the flags that decide about its blocks.
    ///
    /// # Errors
    /// Damage when there is no header; what the store says when a read fails.
    pub(crate) fn open(&mut self) -> io::Result<u32> {
        match self.state {
            State::Blocks { flags } => Ok(flags),
            _ => {
                let flags = self.header()?;
                self.state = State::Blocks { flags };
                Ok(flags)
            }
        }
    }

    /// The stored object.
    pub(crate) fn stored(&self) -> &StoredReader {
        &self.stored
    }

    /// The stored object, for another reader of it.
    pub(crate) fn into_stored(self) -> StoredReader {
        self.stored
    }

    /// Reads a header; the flags that decide about the blocks.
    fn header(&mut self) -> io::Result<u32> {
        let mut header = HeaderBytes {
            stored: &mut self.stored,
            seen: Vec::with_capacity(64),
        };
        let magic: [u8; 9] = header.stored.array(HEADER)?;
        if magic != MAGIC {
            return Err(header.stored.damage("not a lzop container (magic number)"));
        }
        let version = header.u16()?;
        header.u16()?; // version of the library
        if version < OLDEST_VERSION {
            return Err(header
                .stored
                .damage(format_args!("unknown lzop version {version:#06x}")));
        }
        let modern = version >= VERSION_WITH_LEVEL;
        if modern {
            let needed = header.u16()?;
            if needed > NEWEST_VERSION {
                return Err(header.stored.damage(format_args!(
                    "the container needs lzop version {needed:#06x}, {NEWEST_VERSION:#06x} is understood"
                )));
            }
        }
        let method = header.take::<1>()?[0];
        if !(1..=3).contains(&method) {
            return Err(header
                .stored
                .damage(format_args!("unknown lzop method {method}")));
        }
        if modern {
            header.take::<1>()?; // level
        }
        let flags = header.u32()?;
        if flags & FILTER != 0 && header.u32()? != 0 {
            return Err(header.stored.damage("lzop filters are not supported"));
        }
        if flags & MULTIPART != 0 {
            return Err(header
                .stored
                .damage("a part of a split lzop container cannot be read alone"));
        }
        header.u32()?; // mode
        header.u32()?; // time
        if modern {
            header.u32()?; // time, upper half
        }
        for _ in 0..header.take::<1>()?[0] {
            header.take::<1>()?; // name
        }
        let seen = std::mem::take(&mut header.seen);
        let want = header.stored.u32_be(HEADER)?;
        let checksum = if flags & HEADER_CRC == 0 {
            adler32
        } else {
            crc32fast::hash
        };
        if checksum(&seen) != want {
            return Err(header.stored.damage("wrong checksum of a lzop header"));
        }
        if flags & EXTRA_FIELD != 0 {
            self.extra_field(checksum)?;
        }
        Ok(flags)
    }

    fn extra_field(&mut self, checksum: fn(&[u8]) -> u32) -> io::Result<()> {
        let length: [u8; 4] = self.stored.array(HEADER)?;
        let count = u32::from_be_bytes(length) as usize;
        if count > MAX_BLOCK_BYTES {
            return Err(self
                .stored
                .damage(format_args!("impossible length {count} of an extra field")));
        }
        let mut field = Vec::new();
        self.stored.exact(count, &mut field, HEADER)?;
        let mut seen = length.to_vec();
        seen.append(&mut field);
        if self.stored.u32_be(HEADER)? != checksum(&seen) {
            return Err(self.stored.damage("wrong checksum of an extra field"));
        }
        Ok(())
    }

    /// Reads the next block into `plain`; false at the end mark.
    fn block(&mut self, flags: u32) -> io::Result<bool> {
        self.plain.clear();
        self.at = 0;
        let plain_length = self.stored.u32_be("a lzop container")? as usize;
        if plain_length == 0 {
            return Ok(false);
        }
        let packed_length = self.stored.u32_be(BLOCK)? as usize;
        if !lengths_are_possible(plain_length, packed_length) {
            return Err(self.stored.damage(format_args!(
                "impossible lengths of a lzop block: {plain_length} plain, {packed_length} packed"
            )));
        }
        let compressed = packed_length < plain_length;
        let mut promised = |flag: u32, there: bool| -> io::Result<Option<u32>> {
            if flags & flag != 0 && there {
                self.stored.u32_be(BLOCK).map(Some)
            } else {
                Ok(None)
            }
        };
        let adler_plain = promised(ADLER_PLAIN, true)?;
        let crc_plain = promised(CRC_PLAIN, true)?;
        let adler_packed = promised(ADLER_PACKED, compressed)?;
        let crc_packed = promised(CRC_PACKED, compressed)?;
        if compressed {
            self.stored.exact(packed_length, &mut self.packed, BLOCK)?;
            self.verify(&self.packed, adler_packed, crc_packed, "packed")?;
            if let Err(what) = unpack(&self.packed, &mut self.plain, plain_length) {
                self.plain.clear();
                return Err(self.stored.damage(format_args!("lzop block: {what}")));
            }
            if self.plain.len() != plain_length {
                let what = format!(
                    "a lzop block gives {} bytes instead of {plain_length}",
                    self.plain.len()
                );
                self.plain.clear();
                return Err(self.stored.damage(what));
            }
        } else {
            self.stored.exact(plain_length, &mut self.plain, BLOCK)?;
        }
        let verified = self.verify(&self.plain, adler_plain, crc_plain, "plain");
        if verified.is_err() {
            self.plain.clear();
        }
        verified.map(|()| true)
    }

    fn verify(
        &self,
        bytes: &[u8],
        adler: Option<u32>,
        crc: Option<u32>,
        which: &str,
    ) -> io::Result<()> {
        let wrong = adler.is_some_and(|want| want != adler32(bytes))
            || crc.is_some_and(|want| want != crc32fast::hash(bytes));
        if wrong {
            return Err(self.stored.damage(format_args!(
                "wrong checksum of the {which} bytes of a lzop block"
            )));
        }
        Ok(())
    }
}

/// Lengths of a block, as the first eight bytes of its header tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockLengths {
    /// Decompressed bytes.
    pub(crate) plain: u64,
    /// Stored bytes, the header included.
    pub(crate) stored: u64,
}

impl BlockLengths {
    /// Lengths of the block whose header begins with `head`; `None` for the end mark and for what begins no block.
    pub(crate) fn new(head: [u8; 8], flags: u32) -> Option<Self> {
        let [p0, p1, p2, p3, s0, s1, s2, s3] = head;
        let plain = u32::from_be_bytes([p0, p1, p2, p3]) as usize;
        let packed = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        if plain == 0 || !lengths_are_possible(plain, packed) {
            return None;
        }
        let mut checksums = flags & (ADLER_PLAIN | CRC_PLAIN);
        if packed < plain {
            checksums |= flags & (ADLER_PACKED | CRC_PACKED);
        }
        Some(Self {
            plain: plain as u64,
            stored: 8 + 4 * u64::from(checksums.count_ones()) + packed as u64,
        })
    }
}

fn lengths_are_possible(plain: usize, packed: usize) -> bool {
    plain <= MAX_BLOCK_BYTES && packed > 0 && packed <= plain
}

impl Read for LzopReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.at == self.plain.len() {
            self.state = match self.state {
                State::FirstHeader => State::Blocks {
                    flags: self.header()?,
                },
                State::Blocks { flags } => {
                    if self.block(flags)? {
                        State::Blocks { flags }
                    } else {
                        State::NextHeader
                    }
                }
                State::NextHeader => match self.stored.fill_buf()?.first().copied() {
                    None => State::End,
                    Some(0) if self.stored.only_zeros_left()? => State::End,
                    Some(0) => {
                        return Err(self.stored.damage("garbage after the last lzop container"));
                    }
                    Some(_) => State::FirstHeader,
                },
                State::End => return Ok(0),
            };
        }
        let n = out.len().min(self.plain.len() - self.at);
        out[..n].copy_from_slice(&self.plain[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// The bytes of a header, kept for its checksum.
struct HeaderBytes<'a> {
    stored: &'a mut StoredReader,
    seen: Vec<u8>,
}

impl HeaderBytes<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.stored.array::<N>(HEADER)?;
        self.seen.extend(bytes);
        Ok(bytes)
    }

    fn u16(&mut self) -> io::Result<u16> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.take()?))
    }
}

/// Unpacks raw LZO1X blocks in Hadoop's framing.
pub(crate) struct Lzo;

impl BlockCodec for Lzo {
    const NAME: &'static str = "LZO";

    fn unpack(&mut self, packed: &[u8], plain: &mut Vec<u8>, room: usize) -> Result<(), String> {
        let most = packed.len().saturating_mul(255).saturating_add(512);
        unpack(packed, plain, room.min(most))
    }
}

/// Unpacks one LZO1X block of at most `room` bytes into `plain`.
fn unpack(packed: &[u8], plain: &mut Vec<u8>, room: usize) -> Result<(), String> {
    // One zero byte of a length extends a match or a run of literals by 255 bytes: a block that claims more
    // lies, and must not make us allocate what it claims.
    if room > packed.len().saturating_mul(255).saturating_add(512) {
        return Err("the packed bytes cannot hold so many plain ones".to_owned());
    }
    plain.resize(room, 0);
    let got = lzallright::decompress(packed, plain).map_err(|e| e.to_string())?;
    plain.truncate(got);
    Ok(())
}

/// Adler-32 checksum (RFC 1950).
pub(crate) fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1_u32, 0_u32);
    // 5552 is the largest count of bytes after which `high` cannot have overflowed.
    for part in bytes.chunks(5552) {
        for &byte in part {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests;
